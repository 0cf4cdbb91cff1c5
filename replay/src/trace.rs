//! Reads of personal data leave a trace in the access log before they are answered.

use anyhow::Context;
use domain::Event;
use domain::ids::AccountId;
use ledger::access::{Access, Deed, Query, local_operator, record};
use ledger::{Ledger, RecordedEvent};
use projections::audit;
use sqlx::PgPool;
use uuid::Uuid;

/// Records a read by the operating system's user. On disk when this returns: show the answer only then.
///
/// # Errors
/// The access log can't be written; then nothing may be shown.
pub async fn staff_read(ledger: &Ledger, pool: &PgPool, query: Query) -> anyhow::Result<()> {
    let (actor, deed) = (Some(local_operator()), Deed::StaffRead(query));
    let access = Access { at: ledger.now(), actor, origin: None, reference: None, deed };
    record(pool, &[access]).await.context("the read can't be recorded in the access log, so nothing is shown")
}

/// A read of one account's life.
///
/// # Errors
/// The account does not exist, or the ledger can't be read.
pub async fn of_account(ledger: &Ledger, name: &'static str, account: AccountId) -> anyhow::Result<Query> {
    let own = crate::account::events(ledger, account).await?;
    let concerned = people(crate::account::concerned(account, &own));
    Ok(Query { name, concerned, filter: Some(format!("account={account}")), ..Query::default() })
}

/// Whom events are about.
pub fn of_events<'e>(events: impl IntoIterator<Item = &'e RecordedEvent>) -> Vec<Uuid> {
    // Relying parties, auditors and rules are nobody's data.
    let nobody = |event: &RecordedEvent| {
        matches!(
            event.event,
            Event::RelyingParty(_)
                | Event::InitialAccess(_)
                | Event::Auditor(_)
                | Event::LedgerManifest(_)
                | Event::Rules(_)
        )
    };
    let events = events.into_iter().filter(|event| !nobody(event));
    people(events.flat_map(audit::entities))
}

/// Accounts, pupils and guardian records among the ids; establishments have none of this form.
fn people(ids: impl IntoIterator<Item = String>) -> Vec<Uuid> {
    ids.into_iter().filter_map(|id| id.parse().ok()).collect()
}
