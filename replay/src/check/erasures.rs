//! A key is destroyed with the event that says so, and never otherwise.

use cqrs_es::Aggregate;
use domain::Event;
use domain::account::Account;
use domain::guardian::Guardian;
use domain::pupil::Pupil;
use ledger::{Check, Finding, Findings};
use sqlx::PgPool;
use uuid::Uuid;

/// Checks all destroyed keys; how many there are.
pub(super) async fn check(pool: &PgPool, findings: &mut Findings) -> sqlx::Result<u64> {
    let kinds = [Account::TYPE, Guardian::TYPE, Pupil::TYPE];
    let without: Vec<Uuid> = sqlx::query_scalar(
        "SELECT k.subject FROM keys.subject_key k WHERE k.wrapped IS NULL AND NOT EXISTS \
         (SELECT FROM ledger.event e WHERE e.stream_type = ANY($1) AND e.stream_id = k.subject::text \
          AND e.event_type = ANY($2)) ORDER BY 1",
    )
    .bind(kinds.as_slice())
    .bind(Event::ERASING.as_slice())
    .fetch_all(pool)
    .await?;
    for subject in without {
        let detail = format!("the key of {subject} is destroyed, and no event says so");
        findings.push(Finding::of(Check::ErasureEvent, detail));
    }
    let alive: Vec<(i64, String, String)> = sqlx::query_as(
        "SELECT e.position, e.stream_type, e.stream_id FROM ledger.event e JOIN keys.subject_key k \
         ON k.subject::text = e.stream_id WHERE e.event_type = ANY($1) AND k.wrapped IS NOT NULL ORDER BY 1",
    )
    .bind(Event::ERASING.as_slice())
    .fetch_all(pool)
    .await?;
    for (position, stream_type, stream_id) in alive {
        let detail = "the key that this event destroyed is there";
        let finding = Finding::at(Check::ErasureEvent, position.cast_unsigned(), detail);
        findings.push(finding.in_stream(&stream_type, &stream_id));
    }
    let destroyed: i64 =
        sqlx::query_scalar("SELECT count(*) FROM keys.subject_key WHERE wrapped IS NULL").fetch_one(pool).await?;
    Ok(destroyed.cast_unsigned())
}
