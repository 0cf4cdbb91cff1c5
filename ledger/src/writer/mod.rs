//! The batching writer: the only way into the ledger.
//!
//! ```text
//!   callers ──prepare, seal──▶ queue ──drain──▶ batch ──decide──▶ one transaction ──▶ answers
//!                                      ▲                                 │
//!                                      └──── the next batch gathers ◀────┘ while this one is being flushed
//! ```
//!
//! Every batch changes the head row, so batches follow one another across all instances of the service, and
//! positions are gapless in commit order. There are two ways to take a batch through:
//!
//! - **Alone**: while nobody else has written since this writer's last batch, all it needs is in memory. One
//!   statement writes the batch *if the head is still at the expected revision*, and commits: one round trip. New
//!   streams and new keys are taken at their word: where one is not new, a unique index refuses the statement.
//! - **Contended**: lock the head, read what is not known, write, commit. Taken at the start, and for a while
//!   after another instance was seen to write.
//!
//! When the connection breaks in mid-commit, the writer reconnects, waits for the lost transaction's lock to go,
//! looks whether the batch's first leaf is there, and answers or tries again accordingly.

mod cache;
mod head;
mod plan;
mod recover;
mod sql;

pub(crate) use head::Head;

use crate::error::{AppendError, ReadError};
use crate::prepare::Prepared;
use crate::seal::KeyStore;
use crate::tail::Tail;
use crate::unit::Appended;
use cache::TipCache;
use chrono::{DateTime, Utc};
use domain::ids::SubjectId;
use plan::{KeyState, Plan, Refusal};
use sql::Wanted;
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Units that wait at most; more make their callers wait.
const QUEUE: usize = 1024;
/// A batch is full at so many events; a larger unit goes alone.
const BATCH_EVENTS: usize = 4096;
/// Streams whose tips are remembered.
const TIPS: usize = 65_536;
/// Batches taken the contended way after another instance was seen to write.
const CAUTION: u32 = 16;

/// What time it is.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// How a unit fared.
pub(crate) enum Outcome {
    Appended(Appended),
    Refused(AppendError),
    /// Another instance stored a subject's key first: prepare again.
    Reseal(Box<Prepared>),
}

/// A unit in the queue.
pub(crate) struct Job {
    pub prepared: Box<Prepared>,
    pub reply: oneshot::Sender<Outcome>,
}

/// Starts the writer's task; it ends when the last sender is gone and the queue is empty.
pub(crate) fn spawn(
    pool: PgPool,
    keys: KeyStore,
    tail: Tail,
    clock: Clock,
    patience: Duration,
) -> (mpsc::Sender<Job>, tokio::task::JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let writer = Writer {
        pool,
        keys,
        tail,
        clock,
        patience,
        connection: None,
        head: None,
        caution: 0,
        tips: TipCache::new(TIPS),
        erased: HashSet::new(),
    };
    (sender, tokio::spawn(writer.run(receiver)))
}

pub(crate) struct Writer {
    pool: PgPool,
    keys: KeyStore,
    tail: Tail,
    clock: Clock,
    /// How long to try to reach the database again before giving an answer without it.
    patience: Duration,
    connection: Option<PgConnection>,
    /// The head after our last batch, if it was ours.
    head: Option<Head>,
    caution: u32,
    tips: TipCache,
    /// Subjects erased by this writer: units sealed before may still be queued.
    erased: HashSet<SubjectId>,
}

/// Why a batch did not go through.
enum Trouble {
    /// Another instance wrote in between: take it the contended way.
    Overtaken,
    /// No unit goes in by what is in memory, or something was not as new as its unit says; a refusal must be certain
    /// and hit the right unit, so look under the lock.
    Unsure,
    /// Nothing was written, and the connection is fit for use.
    Rejected(Arc<sqlx::Error>),
    /// The connection broke before anything could be committed.
    Lost(sqlx::Error),
    /// The connection broke while the batch was being committed.
    Unknown(sqlx::Error),
}

/// A decided batch.
struct Decided {
    plan: Plan,
    first: u64,
    /// For each job in turn: where it goes in, or why not.
    fates: Vec<Result<Appended, Refusal>>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::new();
        while let Some(job) = queue.recv().await {
            let mut events = job.prepared.events.len();
            jobs.push(job);
            while events < BATCH_EVENTS {
                let Ok(job) = queue.try_recv() else { break };
                events += job.prepared.events.len();
                jobs.push(job);
            }
            self.batch(std::mem::take(&mut jobs)).await;
        }
    }

    /// Takes one batch through, whatever it takes, and answers every job.
    async fn batch(&mut self, mut jobs: Vec<Job>) {
        let deadline = tokio::time::Instant::now() + self.patience;
        let mut unsure = false;
        loop {
            let mut decided = None;
            match self.attempt(&mut jobs, &mut decided, unsure).await {
                Ok(()) => match decided {
                    Some(decided) => return self.settle(jobs, decided),
                    None => return,
                },
                Err(Trouble::Overtaken) => {
                    self.head = None;
                    self.caution = CAUTION;
                }
                Err(Trouble::Unsure) => unsure = true,
                Err(Trouble::Rejected(error)) if jobs.len() == 1 => {
                    self.forget();
                    return refuse(jobs, &error);
                }
                Err(Trouble::Rejected(_)) => {
                    // One bad unit must not take the others with it.
                    self.forget();
                    for job in jobs {
                        Box::pin(self.batch(vec![job])).await;
                    }
                    return;
                }
                Err(Trouble::Lost(error)) => {
                    self.forget();
                    if tokio::time::Instant::now() >= deadline {
                        return refuse(jobs, &Arc::new(error));
                    }
                    tracing::warn!(%error, "database connection lost; trying again");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(Trouble::Unknown(error)) => {
                    self.forget();
                    tracing::warn!(%error, "database connection lost in mid-commit; finding out what happened");
                    let Some(decided) = decided else { continue };
                    match self.find_out(&decided, deadline).await {
                        recover::Found::Landed => return self.settle(jobs, decided),
                        recover::Found::Nothing => {}
                        recover::Found::Unknown => return unconfirmed(jobs, decided),
                    }
                }
            }
        }
    }

    async fn attempt(&mut self, jobs: &mut [Job], decided: &mut Option<Decided>, unsure: bool) -> Result<(), Trouble> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await.map_err(Trouble::Lost)?,
        };
        let alone = self.caution == 0 && self.head.is_some() && !unsure;
        let result = self.on_connection(&mut connection, jobs, decided, alone).await;
        match result {
            Ok(()) | Err(Trouble::Overtaken | Trouble::Unsure) => self.connection = Some(connection),
            Err(Trouble::Rejected(_)) => {
                if connection.execute("ROLLBACK").await.is_ok() {
                    self.connection = Some(connection);
                }
            }
            Err(Trouble::Lost(_) | Trouble::Unknown(_)) => drop(connection),
        }
        result
    }

    async fn on_connection(
        &mut self,
        connection: &mut PgConnection,
        jobs: &mut [Job],
        decided: &mut Option<Decided>,
        alone: bool,
    ) -> Result<(), Trouble> {
        let head = match self.head.clone() {
            Some(head) if alone => head,
            known => {
                let head = Head::lock(connection).await.map_err(before_commit)?;
                if known.is_some_and(|known| known.revision == head.revision) {
                    self.caution = self.caution.saturating_sub(1);
                } else {
                    self.caution = if self.head.is_some() { CAUTION } else { self.caution.saturating_sub(1) };
                    self.tips.clear();
                }
                self.head = Some(head.clone());
                head
            }
        };
        let batch = self.decide(connection, jobs, head, alone).await.map_err(lost)?;
        let batch = decided.insert(batch);
        let units: Vec<&Prepared> =
            jobs.iter().zip(&batch.fates).filter(|(_, fate)| fate.is_ok()).map(|(job, _)| &*job.prepared).collect();
        if units.is_empty() {
            if alone {
                return Err(Trouble::Unsure);
            }
            connection.execute("ROLLBACK").await.map_err(lost)?;
            return Ok(());
        }
        let written = sql::write(connection, &batch.plan, batch.first, &units).await;
        if alone {
            return match written {
                Ok(true) => Ok(()),
                Ok(false) => Err(Trouble::Overtaken),
                Err(error) if is_taken(&error) => Err(Trouble::Unsure),
                Err(error) => Err(in_commit(error)),
            };
        }
        if !written.map_err(lost)? {
            return Err(Trouble::Overtaken);
        }
        connection.execute("COMMIT").await.map_err(in_commit)?;
        Ok(())
    }

    /// Reads what is not known and lets each unit in or not.
    async fn decide(
        &mut self,
        connection: &mut PgConnection,
        jobs: &mut [Job],
        head: Head,
        alone: bool,
    ) -> Result<Decided, sqlx::Error> {
        let first = head.size();
        let mut plan = Plan::new(head, (self.clock)().timestamp_micros());
        let mut wanted = Wanted::default();
        let (mut streams, mut reservations, mut keys) = (HashSet::new(), HashSet::new(), HashSet::new());
        for job in jobs.iter() {
            let prepared = &job.prepared;
            for change in &prepared.unit.streams {
                let key = (change.stream_type, change.stream_id.clone());
                match self.tips.get(&key) {
                    Some(tip) => {
                        plan.streams.insert(key, tip);
                    }
                    // The unique index refuses a second first event.
                    None if alone && change.expected == 0 => {}
                    None => {
                        streams.insert(key);
                    }
                }
            }
            let touched = prepared.unit.claims.iter().chain(&prepared.unit.releases);
            reservations.extend(touched.map(|reservation| (reservation.kind.clone(), reservation.hash)));
            if alone {
                let erased = prepared.unit.subjects().filter(|subject| self.erased.contains(subject));
                plan.keys.extend(erased.map(|subject| (subject, KeyState::Destroyed)));
            } else {
                // Another instance may have destroyed a key that this one still has in memory.
                keys.extend(prepared.unit.subjects());
            }
        }
        wanted.streams.extend(streams);
        wanted.reservations.extend(reservations);
        wanted.keys.extend(keys);
        if !wanted.is_empty() {
            wanted.fetch(connection, &mut plan).await?;
        }
        let mut next = first;
        let mut fates = Vec::with_capacity(jobs.len());
        for job in jobs.iter_mut() {
            fates.push(plan.admit(&mut job.prepared).map(|()| {
                let appended = Appended { first: next, count: job.prepared.events.len() as u64 };
                next += appended.count;
                appended
            }));
        }
        Ok(Decided { plan, first, fates })
    }

    /// The batch is committed: remember what it changed, then answer.
    fn settle(&mut self, jobs: Vec<Job>, decided: Decided) {
        let Decided { mut plan, fates, .. } = decided;
        let wrote = fates.iter().any(Result::is_ok);
        if wrote {
            plan.head.revision += 1;
            if !plan.leaves.is_empty() {
                plan.head.recorded_at = plan.recorded_at;
            }
            self.tail.grown(plan.head.size());
            if self.head.is_some() {
                self.head = Some(plan.head);
                for (key, tip) in plan.streams {
                    self.tips.insert(key, tip);
                }
            }
        }
        for (job, fate) in jobs.into_iter().zip(fates) {
            match fate {
                Ok(appended) => {
                    self.remember_keys(&job.prepared);
                    job.answer(Outcome::Appended(appended));
                }
                Err(Refusal::Error(error)) => job.answer(Outcome::Refused(error)),
                Err(Refusal::Reseal) => job.reseal(),
            }
        }
    }

    fn remember_keys(&mut self, prepared: &Prepared) {
        for new in &prepared.new_keys {
            self.keys.stored(new);
        }
        for subject in &prepared.unit.erase {
            self.keys.forget(*subject);
            self.erased.insert(*subject);
        }
    }

    /// A session for the writer alone: index plans whatever the statistics say, no compiling of plans.
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.pool.acquire().await?.detach();
        connection.execute("SET jit = off; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan").await?;
        Ok(connection)
    }

    fn forget(&mut self) {
        self.head = None;
        self.tips.clear();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let (Some(connection), Ok(runtime)) = (self.connection.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(connection.close());
        }
    }
}

impl Job {
    /// A caller that stopped waiting has dropped its end; its unit was recorded or not all the same.
    fn answer(self, outcome: Outcome) {
        let _ = self.reply.send(outcome);
    }

    fn reseal(self) {
        let Self { prepared, reply } = self;
        let _ = reply.send(Outcome::Reseal(prepared));
    }
}

fn refuse(jobs: Vec<Job>, error: &Arc<sqlx::Error>) {
    for job in jobs {
        job.answer(Outcome::Refused(AppendError::Database(error.clone())));
    }
}

fn unconfirmed(jobs: Vec<Job>, decided: Decided) {
    for (job, fate) in jobs.into_iter().zip(decided.fates) {
        match fate {
            Err(Refusal::Error(error)) => job.answer(Outcome::Refused(error)),
            Err(Refusal::Reseal) => job.reseal(),
            Ok(_) => {
                let command = job.prepared.unit.context.command;
                job.answer(Outcome::Refused(AppendError::Unconfirmed(command)));
            }
        }
    }
}

/// Whether the server refused a statement and the session lives on. Classes 08 (connection) and 57P (shutdown)
/// mean that it does not, and so do the severities that end it: a server that breaks down while it writes or flushes
/// its log (PANIC) may have committed all the same.
fn refused_by_server(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            let severity = error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::severity);
            !matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic))
                && error.code().is_some_and(|code| !code.starts_with("08") && !code.starts_with("57P"))
        }
        sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::TypeNotFound { .. } => true,
        _ => false,
    }
}

/// Whether a unique index refused a row.
fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

fn lost(error: sqlx::Error) -> Trouble {
    if refused_by_server(&error) { Trouble::Rejected(Arc::new(error)) } else { Trouble::Lost(error) }
}

fn in_commit(error: sqlx::Error) -> Trouble {
    if refused_by_server(&error) { Trouble::Rejected(Arc::new(error)) } else { Trouble::Unknown(error) }
}

fn before_commit(error: ReadError) -> Trouble {
    match error {
        ReadError::Database(error) => lost(error),
        error => Trouble::Rejected(Arc::new(sqlx::Error::Decode(error.into()))),
    }
}
