//! Rebuilding views from the ledger: beside the live ones, which stay in use, then swapped in one transaction.
//!
//! The copy is filled in `rebuild_view_x` by the code that runs live. When it is as far as the ledger, the gate is
//! closed (no live batch is half-way), the last few events are added, the live tables are dropped and the copy's are
//! moved into `view_x`, checkpoint included. Readers wait for the lock of a table for that moment; a query sees the
//! old tables or the new ones, never some of each. All of it is done as the service's role, which may make and drop
//! tables in the views' schemas only.

use crate::batch::{self, BatchError};
use crate::poison::{self, Skips};
use crate::projection::{Fault, Name};
use crate::session;
use crate::tables;
use futures::TryStreamExt;
use ledger::{Header, Ledger, ReadError, RecordedEvent};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use std::time::Duration;

/// Events added at once while the gate is closed.
const PAGE: u32 = 4_000;
/// How often a swap that readers keep waiting is tried again.
const SWAP_ATTEMPTS: u32 = 40;
/// How often a rebuild schema in use is asked for again: what a killed program held is free a moment after it.
const BUSY_ATTEMPTS: u32 = 30;
/// Between two attempts.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// Between two attempts.
const SWAP_PAUSE: Duration = Duration::from_millis(100);

/// A view was not rebuilt; the live one is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Another program uses the rebuild schema.
    #[error("the view {0} is being rebuilt or compared by another program: try again when it has ended")]
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
    /// An event can't be applied, and nobody decided to skip it.
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

/// What a rebuild does with the events that an operator had the view skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Skips them again.
    Again,
    /// Takes them in, as an upgraded program may be able to, and forgets that they were skipped.
    TakeIn,
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
    rebuild_with(ledger, pool, names, Skipped::Again, progress).await
}

/// [`rebuild`], with a choice about skipped events.
///
/// # Errors
/// As [`rebuild`].
pub async fn rebuild_with(
    ledger: &Ledger,
    pool: &PgPool,
    names: &[Name],
    skipped: Skipped,
    progress: impl FnMut(u64) + Send,
) -> Result<Vec<(Name, u64)>, RebuildError> {
    let mut copies = Vec::new();
    for name in names {
        copies.push(Copy::begin(pool, *name, skipped).await?);
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
    skipped: Skipped,
    skips: Skips,
}

impl Copy {
    /// Empty tables in the rebuild schema, held by this value's connection.
    pub(crate) async fn begin(pool: &PgPool, name: Name, skipped: Skipped) -> Result<Self, RebuildError> {
        let schema = name.rebuild_schema();
        let mut connection = session::connect(pool, schema).await?;
        let mut attempts = 0;
        while !session::try_rebuild(&mut connection, name).await? {
            if attempts == BUSY_ATTEMPTS {
                return Err(RebuildError::Busy(name));
            }
            attempts += 1;
            tokio::time::sleep(BUSY_PAUSE).await;
        }
        let mut transaction = connection.begin().await?;
        tables::clear(&mut transaction, schema).await?; // what an interrupted run left
        tables::create(&mut transaction, name, schema).await?;
        transaction.commit().await?;
        let mut copy = Self { name, connection, next: 0, skipped, skips: Skips::default() };
        copy.read_skips().await?;
        Ok(copy)
    }

    /// Learns what has been decided since.
    pub(crate) async fn read_skips(&mut self) -> Result<(), RebuildError> {
        if self.skipped == Skipped::Again {
            self.skips = Skips::of(&mut self.connection, self.name).await?;
        }
        Ok(())
    }

    async fn apply(&mut self, events: &[RecordedEvent]) -> Result<(), RebuildError> {
        let applied = batch::apply(&mut self.connection, self.name, "BEGIN".to_owned(), events, &self.skips).await;
        self.next = applied.map_err(|error| failed(self.name, error))?;
        Ok(())
    }

    /// Passes an event that can't be decoded where that is none of this view's concern, or decided.
    async fn pass(&mut self, event: &Unreadable) -> Result<(), RebuildError> {
        event.may_be_passed(self.name, &self.skips)?;
        let position = event.fault.position;
        let passed = batch::pass(&mut self.connection, self.name, "BEGIN".to_owned(), position).await;
        self.next = passed.map_err(|error| failed(self.name, error))?;
        Ok(())
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
        self.read_skips().await?;
        let mut transaction = self.connection.begin_with(session::begin_closed(name)).await?;
        // The live view must not go back: add what it has and the copy has not, once no batch moves its checkpoint.
        tables::hold_checkpoint(&mut transaction, live).await?;
        let reached = tables::checkpoint(&mut transaction, live).await?.map_or(0, |checkpoint| checkpoint.next);
        while next < reached {
            let applied = match read(ledger, next, reached).await? {
                Read::Events(events) => batch::apply_within(&mut transaction, name, &events, &self.skips).await,
                Read::Unreadable(event) => {
                    event.may_be_passed(name, &self.skips)?;
                    let passed = batch::advance(&mut transaction, name, next, next + 1).await;
                    passed.map(|()| next + 1)
                }
            };
            next = applied.map_err(|error| failed(name, error))?;
        }
        if self.skipped == Skipped::TakeIn {
            poison::applied(&mut transaction, name, ledger.now()).await?;
        }
        poison::clear_stop(&mut transaction, name, next).await?;
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

fn failed(name: Name, error: BatchError) -> RebuildError {
    match error {
        BatchError::Moved => RebuildError::Busy(name),
        BatchError::Fault(fault) => RebuildError::Fault { name, fault },
        BatchError::Database(error) => RebuildError::Database(error),
    }
}

/// Fills copies side by side up to position `end` or the end of the ledger.
pub(crate) async fn fill(
    ledger: &Ledger,
    copies: &mut [Copy],
    end: u64,
    mut progress: impl FnMut(u64) + Send,
) -> Result<(), RebuildError> {
    loop {
        let Some(from) = copies.iter().map(|copy| copy.next).min().filter(|from| *from < end) else { return Ok(()) };
        let beyond = match stream(ledger, copies, from, end, &mut progress).await {
            Err(RebuildError::Ledger(ReadError::Event { position, .. })) => end.min(position + 1),
            filled => return filled,
        };
        // Up to that event by itself, and past it where that is allowed; then on as before.
        while let Some(next) = copies.iter().map(|copy| copy.next).min().filter(|next| *next < beyond) {
            let read = read(ledger, next, beyond).await?;
            for copy in copies.iter_mut() {
                match &read {
                    Read::Events(events) => copy.apply(events).await?,
                    Read::Unreadable(event) => copy.pass(event).await?,
                }
            }
        }
    }
}

/// [`fill`] while every event can be read, reading the next page while one is applied.
async fn stream(
    ledger: &Ledger,
    copies: &mut [Copy],
    from: u64,
    end: u64,
    progress: &mut (impl FnMut(u64) + Send),
) -> Result<(), RebuildError> {
    let mut pages = std::pin::pin!(ledger.stream(from));
    let mut page = first_up_to(end, pages.try_next().await?);
    while let Some(last) = page.last() {
        let next = last.position + 1;
        let mut batches = Vec::new();
        for copy in copies.iter_mut() {
            batches.push(copy.apply(&page));
        }
        let apply = futures::future::try_join_all(batches);
        // A page that can't be read must not cut short the one before it.
        let (applied, following) = futures::join!(apply, pages.try_next());
        applied?;
        progress(next);
        if next >= end {
            return Ok(());
        }
        page = first_up_to(end, following?);
    }
    Ok(())
}

/// What there is to read at a position.
enum Read {
    /// Events that can be decoded.
    Events(Vec<RecordedEvent>),
    /// One that can't.
    Unreadable(Unreadable),
}

/// An event that can't be decoded.
struct Unreadable {
    fault: Fault,
    event: Option<Header>,
}

impl Unreadable {
    fn may_be_passed(&self, name: Name, skips: &Skips) -> Result<(), RebuildError> {
        let concerned = self.event.as_ref().is_none_or(|event| name.reads(&event.stream_type));
        if concerned && !skips.contains(self.fault.position) {
            return Err(RebuildError::Fault { name, fault: self.fault.clone() });
        }
        Ok(())
    }
}

/// Reads from a position on, up to position `end` or to an event that can't be decoded.
async fn read(ledger: &Ledger, from: u64, end: u64) -> Result<Read, RebuildError> {
    let mut count = limit(end - from);
    loop {
        match ledger.read(from, count).await {
            Ok(events) if events.is_empty() => {
                // The head says that there is one: waiting for it would never end.
                return Err(ReadError::Event { position: from, reason: "missing".to_owned() }.into());
            }
            Ok(events) => return Ok(Read::Events(events)),
            Err(ReadError::Event { position, .. }) if position > from && position - from < count.into() => {
                count = limit(position - from);
            }
            Err(ReadError::Event { position, reason }) if position == from => {
                let event = ledger.header(position).await?;
                return Ok(Read::Unreadable(Unreadable { fault: Fault { position, problem: reason }, event }));
            }
            Err(error) => return Err(error.into()),
        }
    }
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
