//! Writing: at once, or by the background writer; and the months that rows lie in.

use super::{Access, Deed, LONGEST_TEXT, Query};
use crate::leaf::Hash;
use crate::postgres::begin;
use chrono::{DateTime, Months, Utc};
use sqlx::{Executor, PgConnection, PgPool};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Accesses in one statement at most.
const BATCH: usize = 1_024;
/// Accesses that wait at most, about 10 MB: a minute and more of the national peak while the database is away.
const QUEUE: usize = 65_536;
/// Between two tries while the database is away.
const PAUSE: Duration = Duration::from_millis(250);
/// "No partition of the relation takes this row."
const NO_PARTITION: &str = "23514";

/// What the writer is handed.
enum Job {
    Access(Box<Access>),
    /// Answered once everything before it is written.
    Written(oneshot::Sender<()>),
}

/// Hands accesses to the background writer. Clones share it; it ends, having written everything, when the last is
/// dropped.
#[derive(Clone, Debug)]
pub struct AccessLog {
    queue: mpsc::Sender<Job>,
    lost: Arc<AtomicU64>,
}

impl AccessLog {
    /// Starts the writer, on a pool of one connection or more.
    pub fn start(pool: PgPool) -> (Self, JoinHandle<()>) {
        let (queue, accesses) = mpsc::channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = tokio::spawn(write(pool, accesses, lost.clone()));
        (Self { queue, lost }, writer)
    }

    /// Records an access, some time soon. Never waits: when the queue is full the access is counted, and the log will
    /// say how many are missing.
    pub fn note(&self, access: Access) {
        if self.queue.try_send(Job::Access(Box::new(access))).is_err() {
            let before = self.lost.fetch_add(1, Ordering::Relaxed);
            if before == 0 {
                tracing::error!("the access log can't keep up: accesses are lost until it does");
            }
        }
    }

    /// Waits until everything noted so far is written.
    pub async fn written(&self) {
        let (done, written) = oneshot::channel();
        if self.queue.send(Job::Written(done)).await.is_ok() {
            // Where the writer has ended, nothing more is written.
            let _ = written.await;
        }
    }
}

async fn write(pool: PgPool, mut jobs: mpsc::Receiver<Job>, lost: Arc<AtomicU64>) {
    let mut received = Vec::new();
    while jobs.recv_many(&mut received, BATCH).await > 0 {
        let (mut batch, mut waiting) = (Vec::with_capacity(received.len()), Vec::new());
        for job in received.drain(..) {
            match job {
                Job::Access(access) => batch.push(*access),
                Job::Written(done) => waiting.push(done),
            }
        }
        let missing = lost.swap(0, Ordering::Relaxed);
        if let Some(last) = batch.last().filter(|_| missing > 0) {
            let deed = Deed::Lost { count: missing };
            let gap = Access { at: last.at, actor: None, origin: None, reference: None, deed };
            batch.push(gap);
        }
        let rows: Vec<Row> = batch.iter().flat_map(Row::of).collect();
        let mut told = false;
        while let Err(error) = store(&pool, &rows, false).await {
            // What is refused for itself would be refused for ever.
            if error.as_database_error().is_some() {
                tracing::error!(%error, accesses = batch.len(), "accesses could not be recorded");
                lost.fetch_add(batch.len() as u64, Ordering::Relaxed);
                break;
            }
            if !told {
                tracing::warn!(%error, "the access log waits for the database");
                told = true;
            }
            tokio::time::sleep(PAUSE).await;
            if matches!(error, sqlx::Error::PoolClosed) {
                tracing::error!(accesses = batch.len(), "the database was closed before accesses were recorded");
                return;
            }
        }
        for done in waiting {
            // Who no longer waits need not be told.
            let _ = done.send(());
        }
    }
}

/// Records accesses at once: when this returns they are on disk. For what must be written before it is answered.
///
/// # Errors
/// When the database fails; nothing was recorded then.
pub async fn record(pool: &PgPool, accesses: &[Access]) -> sqlx::Result<()> {
    let rows: Vec<Row> = accesses.iter().flat_map(Row::of).collect();
    store(pool, &rows, true).await
}

/// Makes the partitions of the present month and the next `ahead`.
///
/// # Errors
/// When the database fails.
pub async fn keep_months(pool: &PgPool, now: DateTime<Utc>, ahead: u32) -> sqlx::Result<()> {
    for month in 0..=ahead {
        let moment = now.checked_add_months(Months::new(month)).unwrap_or(now);
        sqlx::query("SELECT access.keep_month($1)").bind(moment).execute(pool).await?;
    }
    Ok(())
}

/// Drops the months that ended before `before`; how many. The present month and the one before stay in any case.
///
/// # Errors
/// When the database fails.
pub async fn drop_months(pool: &PgPool, before: DateTime<Utc>) -> sqlx::Result<u32> {
    let mut transaction = begin(pool).await?;
    // Whoever reads an old month is not waited for with new accesses queued up behind: the next round tries again.
    transaction.execute("SET LOCAL lock_timeout = '2s'").await?;
    let dropped: i32 =
        sqlx::query_scalar("SELECT access.drop_months($1)").bind(before).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(dropped.unsigned_abs())
}

async fn store(pool: &PgPool, rows: &[Row], durable: bool) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    match attempt(pool, rows, durable).await {
        Err(error) if is_out_of_months(&error) => {
            for row in rows {
                sqlx::query("SELECT access.keep_month($1)").bind(row.at).execute(pool).await?;
            }
            attempt(pool, rows, durable).await
        }
        result => result,
    }
}

fn is_out_of_months(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    // A failed CHECK has the same code, and a constraint's name.
    error.is_some_and(|error| error.code().as_deref() == Some(NO_PARTITION) && error.constraint().is_none())
}

async fn attempt(pool: &PgPool, rows: &[Row], durable: bool) -> sqlx::Result<()> {
    let mut transaction = begin(pool).await?;
    if !durable {
        // Nobody waits: a power cut may lose the last half second.
        transaction.execute("SET LOCAL synchronous_commit = off").await?;
    }
    insert(&mut transaction, rows).await?;
    transaction.commit().await
}

/// One row, as its columns.
struct Row {
    at: DateTime<Utc>,
    id: Uuid,
    ordinal: i32,
    kind: &'static str,
    what: &'static str,
    outcome: &'static str,
    actor: Option<String>,
    subject: Option<Uuid>,
    concerned: i32,
    relying_party: Option<Uuid>,
    origin: Option<Hash>,
    reference: Option<String>,
    purpose: Option<String>,
    filter: Option<String>,
    results: Option<i64>,
    export_hash: Option<Hash>,
    approved_by: Option<String>,
}

impl Row {
    fn of(access: &Access) -> Vec<Self> {
        let mut row = Self {
            at: access.at,
            id: Uuid::now_v7(),
            ordinal: 0,
            kind: access.deed.kind().as_str(),
            what: "",
            outcome: "success",
            actor: access.actor.as_ref().map(ToString::to_string),
            subject: None,
            concerned: 0,
            relying_party: None,
            origin: access.origin,
            reference: access.reference.map(|reference| reference.compact().to_owned()),
            purpose: None,
            filter: None,
            results: None,
            export_hash: None,
            approved_by: None,
        };
        match &access.deed {
            Deed::SignIn { account, method, outcome } => {
                (row.what, row.outcome) = (method.as_str(), outcome.as_str());
                row.concerning(account.map(|account| account.0))
            }
            Deed::Token { relying_party, account, grant, outcome } => {
                (row.what, row.outcome) = (grant.as_str(), outcome.as_str());
                row.relying_party = relying_party.map(|id| id.0);
                row.concerning(account.map(|account| account.0))
            }
            Deed::StaffRead(query) | Deed::AuditQuery(query) | Deed::OwnRead(query) => row.query(query),
            Deed::Lost { count } => {
                (row.what, row.outcome) = ("gap", "lost");
                row.results = Some(i64::try_from(*count).unwrap_or(i64::MAX));
                vec![row]
            }
        }
    }

    fn query(mut self, query: &Query) -> Vec<Self> {
        (self.what, self.outcome) = (query.name, query.refused.unwrap_or("success"));
        self.purpose = query.purpose.as_deref().map(short);
        self.filter = query.filter.as_deref().map(short);
        self.results = Some(i64::try_from(query.results).unwrap_or(i64::MAX));
        self.export_hash = query.export_hash;
        self.approved_by = query.approved_by.as_ref().map(ToString::to_string);
        let mut concerned = query.concerned.clone();
        concerned.sort_unstable();
        concerned.dedup();
        self.concerning(concerned)
    }

    /// A row for each person; the first alone says the rest.
    fn concerning(mut self, people: impl IntoIterator<Item = Uuid>) -> Vec<Self> {
        let people: Vec<Uuid> = people.into_iter().collect();
        self.concerned = i32::try_from(people.len()).unwrap_or(i32::MAX);
        self.subject = people.first().copied();
        let further: Vec<Self> = (1..).zip(people.iter().skip(1)).map(|(n, person)| self.also(n, *person)).collect();
        std::iter::once(self).chain(further).collect()
    }

    fn also(&self, ordinal: i32, person: Uuid) -> Self {
        Self {
            ordinal,
            subject: Some(person),
            actor: self.actor.clone(),
            reference: self.reference.clone(),
            purpose: self.purpose.clone(),
            filter: self.filter.clone(),
            approved_by: self.approved_by.clone(),
            ..*self
        }
    }
}

/// At most [`LONGEST_TEXT`] bytes, and nothing that PostgreSQL's text can't hold.
fn short(text: &str) -> String {
    let end = (0..=LONGEST_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text[..end].replace('\0', " ")
}

async fn insert(connection: &mut PgConnection, rows: &[Row]) -> sqlx::Result<()> {
    macro_rules! column {
        ($field:ident) => {
            rows.iter().map(|row| row.$field.clone()).collect::<Vec<_>>()
        };
    }
    sqlx::query(
        "INSERT INTO access.entry (at, id, ordinal, kind, what, outcome, actor, subject, concerned, relying_party, \
                                   origin, reference, purpose, filter, results, export_hash, approved_by) \
         SELECT * FROM unnest($1::timestamptz[], $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::text[], \
                              $7::text[], $8::uuid[], $9::integer[], $10::uuid[], $11::bytea[], $12::text[], \
                              $13::text[], $14::text[], $15::bigint[], $16::bytea[], $17::text[])",
    )
    .bind(column!(at))
    .bind(column!(id))
    .bind(column!(ordinal))
    .bind(column!(kind))
    .bind(column!(what))
    .bind(column!(outcome))
    .bind(column!(actor))
    .bind(column!(subject))
    .bind(column!(concerned))
    .bind(column!(relying_party))
    .bind(column!(origin))
    .bind(column!(reference))
    .bind(column!(purpose))
    .bind(column!(filter))
    .bind(column!(results))
    .bind(column!(export_hash))
    .bind(column!(approved_by))
    .execute(connection)
    .await?;
    Ok(())
}
