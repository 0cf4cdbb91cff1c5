//! The record of requests, in `service.request`.
//!
//! One writer for all: it inserts what has gathered in one statement, so a busy service pays a fraction of a
//! statement for each request. A request that failed waits for its row before it answers (the user may be on the
//! phone within seconds, and a crash right after must not lose it); one that succeeded does not wait, and its row
//! does not wait for the disk either, which the ledger needs more. The rows go in on a connection of the writer's own,
//! outside of whatever transaction the request rolled back.

use super::Reference;
use chrono::{DateTime, Utc};
use domain::ids::AccountId;
use ledger::postgres::begin;
use sqlx::PgPool;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Rows in one statement at most.
const BATCH: usize = 512;
/// Rows waiting at most; beyond that, those of successful requests are dropped (their log lines stay).
const QUEUE: usize = 8_192;
/// How long an error page waits for its row: a database that is down must not hold it back.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two clearings of old rows.
const CLEARING: Duration = Duration::from_secs(3_600);
/// Rows deleted by one statement at most.
const CLEARED_AT_ONCE: i64 = 5_000;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// Its reference.
    pub reference: Reference,
    /// When it arrived.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub duration: Duration,
    /// `GET`, `POST`, ….
    pub method: String,
    /// The route's template.
    pub route: String,
    /// The answer's status.
    pub status: u16,
    /// Who was signed in.
    pub account: Option<AccountId>,
    /// The error's stable code.
    pub error_code: Option<String>,
    /// The error's cause, for support only.
    pub cause: Option<String>,
    /// The commands it gave.
    pub commands: Vec<Uuid>,
}

struct Job {
    row: RequestRow,
    written: Option<oneshot::Sender<()>>,
}

/// Hands rows to the writer. Clones share it; it ends, having written everything, when the last is dropped.
#[derive(Clone, Debug)]
pub struct RequestLog(mpsc::Sender<Job>);

impl RequestLog {
    /// Starts the writer. Rows older than `retention` are deleted.
    pub fn start(pool: PgPool, retention: Duration) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, jobs) = mpsc::channel(QUEUE);
        (Self(sender), tokio::spawn(write(pool, jobs, retention)))
    }

    /// Records a request that succeeded, some time soon.
    pub fn note(&self, row: RequestRow) {
        if self.0.try_send(Job { row, written: None }).is_err() {
            tracing::warn!("the record of requests can't keep up; a row was dropped");
        }
    }

    /// Records a request that failed; returns once its row is there. Where that takes too long the log line,
    /// written in any case, is all there is.
    pub async fn record(&self, row: RequestRow) {
        let (written, done) = oneshot::channel();
        let job = Job { row, written: Some(written) };
        let sent = tokio::time::timeout(PATIENCE, async { self.0.send(job).await.is_ok() && done.await.is_ok() });
        if !sent.await.unwrap_or(false) {
            tracing::error!("the record of a failed request could not be written");
        }
    }
}

async fn write(pool: PgPool, mut jobs: mpsc::Receiver<Job>, retention: Duration) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut clearing = tokio::time::interval(CLEARING);
    clearing.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            count = jobs.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return;
                }
                match insert(&pool, &batch).await {
                    Ok(()) => {
                        for job in batch.drain(..) {
                            // The request may have stopped waiting.
                            let _ = job.written.map(|written| written.send(()));
                        }
                    }
                    Err(error) => {
                        tracing::error!(rows = batch.len(), error = super::error::describe(&error), "requests not recorded");
                        batch.clear();
                    }
                }
            }
            _ = clearing.tick() => {
                if let Err(error) = clear(&pool, retention).await {
                    tracing::error!(error = super::error::describe(&error), "old requests not cleared");
                }
            }
        }
    }
}

async fn insert(pool: &PgPool, batch: &[Job]) -> Result<(), sqlx::Error> {
    // Nested arrays must be rectangular in PostgreSQL, so the commands travel as text and are cut there.
    let column = |f: fn(&RequestRow) -> String| batch.iter().map(|job| f(&job.row)).collect::<Vec<_>>();
    let rows = || batch.iter().map(|job| &job.row);
    let mut transaction = begin(pool).await?;
    if batch.iter().all(|job| job.written.is_none()) {
        // Nobody waits: a crash may lose the last half second of successes.
        sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *transaction).await?;
    }
    sqlx::query(
        "INSERT INTO service.request
             (reference, started_at, duration_us, method, route, status, account, error_code, cause, commands)
         SELECT reference, started_at, duration_us, method, route, status, account, error_code, cause, commands::uuid[]
         FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::text[], $5::text[], $6::smallint[],
                     $7::uuid[], $8::text[], $9::text[], $10::text[])
              AS t (reference, started_at, duration_us, method, route, status, account, error_code, cause, commands)",
    )
    .bind(column(|row| row.reference.compact().to_owned()))
    .bind(rows().map(|row| row.started_at).collect::<Vec<_>>())
    .bind(rows().map(|row| i64::try_from(row.duration.as_micros()).unwrap_or(i64::MAX)).collect::<Vec<_>>())
    .bind(column(|row| row.method.clone()))
    .bind(column(|row| row.route.clone()))
    .bind(rows().map(|row| i16::try_from(row.status).unwrap_or(i16::MAX)).collect::<Vec<_>>())
    .bind(rows().map(|row| row.account.map(|account| account.0)).collect::<Vec<_>>())
    .bind(rows().map(|row| row.error_code.clone()).collect::<Vec<_>>())
    .bind(rows().map(|row| row.cause.clone()).collect::<Vec<_>>())
    .bind(column(|row| {
        let ids: Vec<String> = row.commands.iter().map(Uuid::to_string).collect();
        format!("{{{}}}", ids.join(","))
    }))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

/// Deletes old rows, a bounded number at a time.
async fn clear(pool: &PgPool, retention: Duration) -> Result<(), sqlx::Error> {
    loop {
        let deleted = sqlx::query(
            "DELETE FROM service.request WHERE ctid = ANY (ARRAY (
                 SELECT ctid FROM service.request WHERE started_at < now() - make_interval(secs => $1) LIMIT $2))",
        )
        .bind(retention.as_secs_f64())
        .bind(CLEARED_AT_ONCE)
        .execute(pool)
        .await?
        .rows_affected();
        if deleted < CLEARED_AT_ONCE.unsigned_abs() {
            return Ok(());
        }
    }
}

type Stored = (DateTime<Utc>, i64, String, String, i16, Option<Uuid>, Option<String>, Option<String>, Vec<Uuid>);

/// Every request with this reference, the latest first.
///
/// # Errors
/// The database fails.
pub async fn find(pool: &PgPool, reference: Reference) -> Result<Vec<RequestRow>, sqlx::Error> {
    let rows: Vec<Stored> = sqlx::query_as(
        "SELECT started_at, duration_us, method, route, status, account, error_code, cause, commands
         FROM service.request WHERE reference = $1 ORDER BY started_at DESC",
    )
    .bind(reference.compact())
    .fetch_all(pool)
    .await?;
    let row =
        |(started_at, duration, method, route, status, account, error_code, cause, commands): Stored| RequestRow {
            reference,
            started_at,
            duration: Duration::from_micros(duration.unsigned_abs()),
            method,
            route,
            status: status.unsigned_abs(),
            account: account.map(AccountId),
            error_code,
            cause,
            commands,
        };
    Ok(rows.into_iter().map(row).collect())
}
