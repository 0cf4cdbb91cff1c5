//! Rebuilding views from the ledger: beside the live ones, which stay in use, then swapped in one transaction.
//!
//! The copy is filled in `rebuild_view_x` by the code that runs live. When it is as far as the ledger, the gate is
//! closed (no live batch is half-way), the last few events are added, the live tables are dropped and the copy's are
//! moved into `view_x`, checkpoint included. Readers wait for the lock of a table for that moment; a query sees the
//! old tables or the new ones, never some of each. All of it is done as the service's role, which may make and drop
//! tables in the views' schemas only.

use crate::batch::{self, BatchError};
use crate::projection::{Fault, Name};
use crate::session;
use crate::tables;
use futures::TryStreamExt;
use ledger::{Ledger, ReadError, RecordedEvent};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use std::time::Duration;

/// Events added at once while the gate is closed.
const PAGE: u32 = 4_000;
/// How often a swap that readers keep waiting is tried again.
const SWAP_ATTEMPTS: u32 = 40;
/// Between two attempts.
const SWAP_PAUSE: Duration = Duration::from_millis(100);

/// A view was not rebuilt; the live one is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Another program uses the rebuild schema.
    #[error("the view {0} is already being rebuilt or compared")]
    Busy(Name),
    /// Nobody made the live tables.
    #[error("the view {0} has no tables yet: start the service once, or rebuild it")]
    NotInstalled(Name),
    /// The live tables belong to another version of the program.
    #[error("the view {name} is of version {found} and this program of version {}: rebuild it first", name.version())]
    OtherVersion {
        /// Which view.
        name: Name,
        /// The version of its tables.
        found: i32,
    },
    /// An event can't be applied.
    #[error("the view {name} can't be rebuilt: {fault}")]
    Fault {
        /// Which view.
        name: Name,
        /// At which event, and why.
        fault: Fault,
    },
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] ReadError),
    /// Readers held on to the live tables all the time.
    #[error("the tables of the view {0} could not be locked for the swap; try again when fewer long queries run")]
    Locked(Name),
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// Rebuilds views from the first event and swaps each with the live one. They are filled side by side, so the ledger
/// is read once. `progress` hears the position reached, page by page. Returns the position each copy started to
/// serve at.
///
/// # Errors
/// [`RebuildError`]; views swapped before it stay swapped.
pub async fn rebuild(
    ledger: &Ledger,
    pool: &PgPool,
    names: &[Name],
    progress: impl FnMut(u64) + Send,
) -> Result<Vec<(Name, u64)>, RebuildError> {
    let mut copies = Vec::new();
    for name in names {
        copies.push(Copy::begin(pool, *name).await?);
    }
    fill(ledger, &mut copies, u64::MAX, progress).await?;
    let mut swapped = Vec::new();
    for mut copy in copies {
        swapped.push((copy.name, copy.swap(ledger).await?));
        copy.end().await?;
    }
    Ok(swapped)
}

/// A view under construction.
pub(crate) struct Copy {
    pub name: Name,
    pub connection: PgConnection,
    /// Position of the next event to apply.
    pub next: u64,
}

impl Copy {
    /// Empty tables in the rebuild schema, held by this value's connection.
    pub(crate) async fn begin(pool: &PgPool, name: Name) -> Result<Self, RebuildError> {
        let schema = name.rebuild_schema();
        let mut connection = session::connect(pool, schema).await?;
        if !session::try_rebuild(&mut connection, name).await? {
            return Err(RebuildError::Busy(name));
        }
        let mut transaction = connection.begin().await?;
        tables::clear(&mut transaction, schema).await?; // what an interrupted run left
        tables::create(&mut transaction, name, schema).await?;
        transaction.commit().await?;
        Ok(Self { name, connection, next: 0 })
    }

    async fn apply(&mut self, events: &[RecordedEvent]) -> Result<(), RebuildError> {
        let applied = batch::apply(&mut self.connection, self.name, "BEGIN".to_owned(), events).await;
        self.next = applied.map_err(|error| self.error(error))?;
        Ok(())
    }

    fn error(&self, error: BatchError) -> RebuildError {
        let name = self.name;
        match error {
            BatchError::Moved => RebuildError::Busy(name),
            BatchError::Fault(fault) => RebuildError::Fault { name, fault },
            BatchError::Database(error) => RebuildError::Database(error),
        }
    }

    /// Drops the copy.
    pub(crate) async fn discard(mut self) -> Result<(), RebuildError> {
        let mut transaction = self.connection.begin().await?;
        tables::clear(&mut transaction, self.name.rebuild_schema()).await?;
        transaction.commit().await?;
        self.end().await
    }

    /// Gives back the rebuild schema.
    async fn end(mut self) -> Result<(), RebuildError> {
        session::end_rebuild(&mut self.connection, self.name).await?;
        self.connection.close().await?;
        Ok(())
    }

    async fn swap(&mut self, ledger: &Ledger) -> Result<u64, RebuildError> {
        for _ in 0..SWAP_ATTEMPTS {
            match self.try_swap(ledger).await {
                Err(RebuildError::Database(error)) if is_contention(&error) => tokio::time::sleep(SWAP_PAUSE).await,
                result => return result,
            }
        }
        Err(RebuildError::Locked(self.name))
    }

    async fn try_swap(&mut self, ledger: &Ledger) -> Result<u64, RebuildError> {
        let (name, live, beside) = (self.name, self.name.schema(), self.name.rebuild_schema());
        let mut next = self.next;
        let mut transaction = self.connection.begin_with(session::begin_closed(name)).await?;
        // The live view must not go back: add what it has and the copy has not.
        let reached = tables::checkpoint(&mut transaction, live).await?.map_or(0, |checkpoint| checkpoint.next);
        while next < reached {
            let events = ledger.read(next, limit(reached - next)).await?;
            let applied = batch::apply_within(&mut transaction, name, &events).await;
            next = applied.map_err(|error| match error {
                BatchError::Moved => RebuildError::Busy(name),
                BatchError::Fault(fault) => RebuildError::Fault { name, fault },
                BatchError::Database(error) => RebuildError::Database(error),
            })?;
        }
        let old = tables::list(&mut transaction, live).await?;
        if !old.is_empty() {
            let all = old.iter().map(|table| format!("{live}.\"{table}\"")).collect::<Vec<_>>().join(", ");
            let replace = format!("LOCK TABLE {all} IN ACCESS EXCLUSIVE MODE; DROP TABLE {all}");
            transaction.execute(replace.as_str()).await?;
        }
        for table in tables::list(&mut transaction, beside).await? {
            let moved = format!("ALTER TABLE {beside}.\"{table}\" SET SCHEMA {live}");
            transaction.execute(moved.as_str()).await?;
        }
        transaction.commit().await?;
        Ok(next)
    }
}

/// Fills copies side by side up to position `end` or the end of the ledger, reading the next page while one is
/// applied.
pub(crate) async fn fill(
    ledger: &Ledger,
    copies: &mut [Copy],
    end: u64,
    mut progress: impl FnMut(u64) + Send,
) -> Result<(), RebuildError> {
    let Some(from) = copies.iter().map(|copy| copy.next).min().filter(|from| *from < end) else { return Ok(()) };
    let mut pages = std::pin::pin!(ledger.stream(from));
    let mut page = first_up_to(end, pages.try_next().await?);
    while let Some(last) = page.last() {
        let next = last.position + 1;
        let mut batches = Vec::new();
        for copy in copies.iter_mut() {
            batches.push(copy.apply(&page));
        }
        let apply = futures::future::try_join_all(batches);
        let read = async { pages.try_next().await.map_err(RebuildError::from) };
        let (_, following) = futures::try_join!(apply, read)?;
        progress(next);
        page = first_up_to(end, following);
    }
    Ok(())
}

/// The events before position `end`.
fn first_up_to(end: u64, page: Option<Vec<RecordedEvent>>) -> Vec<RecordedEvent> {
    let mut page = page.unwrap_or_default();
    page.truncate(page.partition_point(|event| event.position < end));
    page
}

fn limit(wanted: u64) -> u32 {
    u32::try_from(wanted).unwrap_or(PAGE).min(PAGE)
}

/// A lock not had in time, or a deadlock broken: worth another attempt.
fn is_contention(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    // 25P02: the wait for the gate, in the statement that begins the transaction, ended it.
    matches!(code.as_deref(), Some("55P03" | "40P01" | "25P02"))
}
