//! The rows beside the ledger: sessions, flows, codes, waiting messages. Everything here can be done again.

use super::{ErasureError, Person};
use domain::account::Account;
use domain::guardian::Guardian;
use domain::ids::AccountId;
use domain::personal::Personal;
use ledger::Ledger;
use sqlx::PgPool;
use uuid::Uuid;

/// Positions looked through for erasing events in one go.
const STRIDE: i64 = 50_000;

/// The numbers and addresses at which a person may have been written to, while they can still be read: the demo's
/// inbox shows messages in clear.
pub(super) async fn contacts(ledger: &Ledger, person: &Person) -> Result<Vec<String>, ErasureError> {
    let mut contacts = Vec::new();
    for guardian in &person.guardians {
        let state = ledger.load::<Guardian>(&guardian.to_string()).await?.aggregate;
        if let Some(contact) = state.contact.as_ref().and_then(Personal::known) {
            contacts.extend(contact.mobile.iter().map(ToString::to_string));
            contacts.extend(contact.email.clone());
        }
    }
    for account in &person.accounts {
        let state = ledger.load::<Account>(&account.to_string()).await?.aggregate;
        contacts.extend(state.phone.as_ref().and_then(Personal::known).map(ToString::to_string));
    }
    Ok(contacts)
}

/// Deletes what the service keeps of an account: its messages with their bodies, its flows with what was typed in
/// them, and every row of the schema `service` that belongs to it, whatever table it stands in. The record of requests
/// stays: it holds ids only, and has a retention of its own.
///
/// # Errors
/// When the database fails.
pub async fn purge(db: &PgPool, account: AccountId, contacts: &[String]) -> sqlx::Result<()> {
    let mut transaction = ledger::postgres::begin(db).await?;
    sqlx::query(
        "WITH messages AS (DELETE FROM outbox.message WHERE command_id IN \
             (SELECT command_id FROM ledger.event WHERE stream_type = 'account' AND stream_id = $1) RETURNING id) \
         DELETE FROM service.demo_message WHERE id IN (SELECT id FROM messages) OR recipient = ANY($2)",
    )
    .bind(account.to_string())
    .bind(contacts)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "DELETE FROM vault.secret WHERE id IN (SELECT unnest(ARRAY[contact, code]) FROM service.flow \
         WHERE account = $1)",
    )
    .bind(account.0)
    .execute(&mut *transaction)
    .await?;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT quote_ident(c.relname) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         WHERE c.relnamespace = 'service'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
           AND a.attname = 'account' AND a.atttypid = 'uuid'::regtype AND NOT a.attisdropped \
           AND c.relname <> 'request' ORDER BY 1",
    )
    .fetch_all(&mut *transaction)
    .await?;
    for table in tables {
        let delete = format!("DELETE FROM service.{table} WHERE account = $1");
        sqlx::query(&delete).bind(account.0).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// Purges after every erasure recorded since the last time, by whatever program; how many. An erasure that a crash cut
/// off between its events and its purge is made whole here.
///
/// # Errors
/// When the database fails; the next round tries again.
pub async fn follow_up(db: &PgPool) -> sqlx::Result<u64> {
    let mut followed = 0;
    loop {
        let (next, size): (i64, i64) =
            sqlx::query_as("SELECT p.next, h.size FROM service.erasure_progress p, ledger.head h")
                .fetch_one(db)
                .await?;
        if next >= size {
            return Ok(followed);
        }
        let to = size.min(next + STRIDE);
        let accounts: Vec<String> = sqlx::query_scalar(
            "SELECT stream_id FROM ledger.event WHERE position >= $1 AND position < $2 \
             AND stream_type = 'account' AND event_type = 'AccountErased'",
        )
        .bind(next)
        .bind(to)
        .fetch_all(db)
        .await?;
        for account in accounts.iter().filter_map(|id| id.parse::<Uuid>().ok()) {
            purge(db, AccountId(account), &[]).await?;
            followed += 1;
        }
        sqlx::query("UPDATE service.erasure_progress SET next = greatest(next, $1)").bind(to).execute(db).await?;
    }
}
