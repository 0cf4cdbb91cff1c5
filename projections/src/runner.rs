//! What keeps the views caught up with the ledger.
//!
//! ```text
//!   ledger ─ tail ─▶ one task per projection ─ page ─▶ load, apply, store, checkpoint: one transaction
//!                        │  (leads while its connection holds the LEADER lock)
//!                        └─▶ standing (watch) ─▶ Views::caught_up
//! ```
//!
//! Each projection runs by itself: one that meets an event it can't apply stops alone, loudly, and the others go on
//! ([`crate::poison`]).
//! Several instances of the service may run; for each projection one of them leads. The lock that says so belongs to
//! the very connection that writes, so a leader that lost one has lost the other.

use crate::batch::{self, BatchError};
use crate::halt::{Cut, Halt};
use crate::pages::{NoPage, Pages};
use crate::poison::{self, Skips};
use crate::progress::{Progress, Standing};
use crate::projection::{Fault, Name};
use crate::rebuild::{self, RebuildError};
use crate::session;
use crate::tables;
use crate::views::Views;
use futures::FutureExt;
use ledger::Ledger;
use sqlx::{PgConnection, PgPool};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often an instance that does not lead asks whether it may.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long until a view is rebuilt again whose rebuild met an event that can't be applied, unless somebody decides
/// before. It reads the whole ledger.
const REBUILD_AGAIN: Duration = Duration::from_secs(60);
/// Pause after a failure of the database.
const RECOVER: Duration = Duration::from_millis(250);

/// Runs every projection until stopped.
pub struct Runner {
    views: Views,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Runner {
    /// Makes the tables where there are none and starts one task per projection. `pool` connects as the service's
    /// role; each projection takes one connection beside it.
    ///
    /// # Errors
    /// When the database can't be reached or is not migrated.
    pub async fn start(ledger: Ledger, pool: PgPool) -> sqlx::Result<Self> {
        tables::install(&pool).await?;
        let progress = Progress::new(pool.clone());
        let pages = Pages::new(ledger.clone());
        let (stop, _) = watch::channel(false);
        let tasks = Name::ALL.into_iter().map(|name| {
            let task = Task {
                name,
                ledger: ledger.clone(),
                pool: pool.clone(),
                pages: pages.clone(),
                progress: progress.clone(),
                stop: stop.subscribe(),
                halt: Halt::default(),
                cut: Cut::default(),
            };
            tokio::spawn(task.run())
        });
        let tasks = tasks.collect();
        Ok(Self { views: Views::with_progress(pool, progress), stop, tasks })
    }

    /// The typed reads, with [`Views::caught_up`] fed by this runner.
    pub fn views(&self) -> Views {
        self.views.clone()
    }

    /// Lets the batches in progress end, then stops.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..) {
            // A task that panicked has been reported by the runtime.
            let _ = task.await;
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// One projection's task.
struct Task {
    name: Name,
    ledger: Ledger,
    pool: PgPool,
    pages: Pages,
    progress: Progress,
    stop: watch::Receiver<bool>,
    /// The event it stands at, if any.
    halt: Halt,
    cut: Cut,
}

/// Why a task no longer leads.
enum Ended {
    /// The runner stops.
    Stop,
    /// Another instance leads.
    Following,
    /// The tables are of a newer program.
    Newer(i32),
    Fault(Fault),
    Database(sqlx::Error),
    Ledger(ledger::ReadError),
    Rebuild(RebuildError),
    Panicked,
}

impl From<sqlx::Error> for Ended {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl Task {
    async fn run(mut self) {
        let projection = self.name.as_str();
        loop {
            let led = AssertUnwindSafe(self.lead()).catch_unwind().await;
            let Err(ended) = led.unwrap_or(Err(Ended::Panicked));
            if !self.halt.is_set() {
                self.progress.set(self.name, Standing::Following);
            }
            let pause = match ended {
                Ended::Stop => return,
                Ended::Following => {
                    self.follow();
                    ASK_AGAIN
                }
                Ended::Newer(version) => {
                    self.follow();
                    tracing::warn!(projection, version, "a newer program keeps this view; this one only reads it");
                    30 * ASK_AGAIN
                }
                // Tried again: an operator may have it skipped, or another program have gone past it.
                Ended::Fault(fault) => {
                    self.halt(fault).await;
                    ASK_AGAIN
                }
                Ended::Rebuild(RebuildError::Fault { fault, .. }) => {
                    let position = fault.position;
                    self.halt(fault).await;
                    if self.until_decided(position).await {
                        continue;
                    }
                    return;
                }
                Ended::Ledger(error) => {
                    tracing::warn!(projection, %error, "reading the ledger failed; trying again");
                    RECOVER
                }
                Ended::Database(error) => {
                    tracing::warn!(projection, error = %redacted(&error), "writing the view failed; trying again");
                    RECOVER
                }
                Ended::Rebuild(error) => {
                    tracing::error!(projection, %error, "rebuilding the view failed; trying again");
                    ASK_AGAIN
                }
                Ended::Panicked => {
                    tracing::error!(projection, "keeping the view panicked; trying again");
                    ASK_AGAIN
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Waits until somebody decides to go on without an event, or until it is time to see whether a rebuild gets past
    /// it by now; false when all is to stop.
    async fn until_decided(&mut self, position: u64) -> bool {
        let (pool, name) = (self.pool.clone(), self.name);
        let decided = async {
            let until = tokio::time::Instant::now() + REBUILD_AGAIN;
            while tokio::time::Instant::now() < until {
                tokio::time::sleep(ASK_AGAIN).await;
                let skips = poison::skips(&pool).await.unwrap_or_default();
                if skips.iter().any(|skip| skip.view == name && skip.fault.position == position) {
                    break;
                }
            }
        };
        tokio::select! {
            () = decided => true,
            _ = self.stop.wait_for(|stop| *stop) => false,
        }
    }

    /// Feeds the projection for as long as nothing ends it.
    async fn lead(&mut self) -> Result<std::convert::Infallible, Ended> {
        if *self.stop.borrow() {
            return Err(Ended::Stop);
        }
        let mut connection = session::connect(&self.pool, self.name.schema()).await?;
        if !session::try_lead(&mut connection, self.name).await? {
            return Err(Ended::Following);
        }
        let mut tail = self.ledger.tail();
        let mut next = self.start(&mut connection).await?;
        let skips = Skips::of(&mut connection, self.name).await?;
        self.halt.inherit(poison::stop_of(&mut connection, self.name).await?);
        loop {
            if self.halt.holds(next) {
                // Not beyond the event yet at which it stood.
            } else {
                if self.halt.end() {
                    tracing::info!(projection = self.name.as_str(), next, "the view goes on");
                    poison::clear_stop(&mut connection, self.name, next).await?;
                }
                self.progress.set(self.name, Standing::Leading { next });
            }
            tail.mark_unchanged();
            match self.pages.get(next).await {
                Ok(page) => {
                    self.pages.read_ahead(&page);
                    let page = self.cut.of(&page);
                    next = match batch::apply_live(&mut connection, self.name, page, &skips).await {
                        Ok(next) => self.cut.passed(next),
                        Err(BatchError::Moved) => self.start(&mut connection).await?,
                        Err(BatchError::Fault(fault)) => self.cut.before(page, fault).map_err(Ended::Fault)?,
                        Err(BatchError::Database(error)) if batch::is_about_data(&error) => {
                            self.cut.half(page, redacted(&error)).map_err(Ended::Fault)?
                        }
                        Err(BatchError::Database(error)) => return Err(Ended::Database(error)),
                    };
                }
                Err(NoPage::Read(ledger::ReadError::Event { position, reason })) if position == next => {
                    let fault = Fault { position, problem: reason };
                    next = self.unreadable(&mut connection, &skips, fault).await?;
                }
                Err(NoPage::End) => tokio::select! {
                    grown = tail.changed() => if grown.is_err() { return Err(Ended::Stop) },
                    _ = self.stop.wait_for(|stop| *stop) => return Err(Ended::Stop),
                },
                Err(NoPage::Read(error)) => return Err(Ended::Ledger(error)),
            }
            if *self.stop.borrow() {
                return Err(Ended::Stop);
            }
        }
    }

    /// Passes an event that can't be decoded where that is none of this view's concern, or decided.
    async fn unreadable(&self, connection: &mut PgConnection, skips: &Skips, fault: Fault) -> Result<u64, Ended> {
        let position = fault.position;
        let event = self.ledger.header(position).await.map_err(Ended::Ledger)?;
        let concerned = event.is_none_or(|event| self.name.reads(&event.stream_type));
        if concerned && !skips.contains(position) {
            return Err(Ended::Fault(fault));
        }
        match batch::pass(connection, self.name, session::begin_batch(self.name), position).await {
            Ok(next) => Ok(next),
            Err(BatchError::Moved) => self.start(connection).await,
            Err(BatchError::Fault(fault)) => Err(Ended::Fault(fault)),
            Err(BatchError::Database(error)) => Err(Ended::Database(error)),
        }
    }

    /// Another program keeps the view now: what this one stood at no longer counts.
    fn follow(&mut self) {
        self.halt.end();
        self.progress.set(self.name, Standing::Following);
    }

    /// Stands still at an event: says so to waiting requests, in the database and in the log.
    async fn halt(&mut self, fault: Fault) {
        let projection = self.name.as_str();
        self.progress.set(self.name, Standing::Stopped(fault.clone()));
        // What can't be asked or recorded now will be at the next attempt.
        let event = self.ledger.header(fault.position).await.unwrap_or_default();
        let recorded = poison::record_stop(&self.pool, self.name, &fault, event.as_ref(), self.ledger.now()).await;
        if let Err(error) = recorded {
            tracing::warn!(projection, error = %redacted(&error), "recording where the view stopped failed");
        }
        let (position, problem) = (fault.position, fault.problem.clone());
        if self.halt.set(fault) {
            let event =
                event.map_or_else(|| "none".to_owned(), |event| format!("{} {}", event.stream_type, event.event_type));
            tracing::error!(
                projection,
                position,
                event,
                problem,
                "the view has stopped at an event that it can't take in; see `matricule views status`"
            );
        }
    }

    /// Where to go on; rebuilds first when the tables are of an earlier version.
    async fn start(&self, connection: &mut PgConnection) -> Result<u64, Ended> {
        let found = tables::checkpoint(connection, self.name.schema()).await?;
        let version = found.map_or(0, |checkpoint| checkpoint.version);
        if version > self.name.version() {
            return Err(Ended::Newer(version));
        }
        if let Some(found) = found.filter(|checkpoint| checkpoint.version == self.name.version()) {
            return Ok(found.next);
        }
        tracing::info!(
            projection = self.name.as_str(),
            from = version,
            to = self.name.version(),
            "rebuilding the view"
        );
        let rebuilt = rebuild::rebuild(&self.ledger, &self.pool, &[self.name], |_| {}).await;
        rebuilt.map_err(Ended::Rebuild)?;
        let found = tables::checkpoint(connection, self.name.schema()).await?;
        Ok(found.map_or(0, |checkpoint| checkpoint.next))
    }
}

/// A server's message may quote a value; its code and the table's name do not.
fn redacted(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(database) => format!(
            "database error {} on {}",
            database.code().unwrap_or_default(),
            database.table().unwrap_or("an unnamed table")
        ),
        None => error.to_string(),
    }
}
