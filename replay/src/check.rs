//! Proof that the ledger is what was recorded and that the views are what it says.
//!
//! 1. *Tree*: every leaf recomputed from its row, chained to its stream's previous one, and the root from the leaves,
//!    against the stored root. Needs no key: erased data is proved by its commitment.
//! 2. *Reading*: every event decoded, every segment opened and held against its commitment, positions gapless,
//!    recorded times never going back.
//! 3. *Views*: each rebuilt beside the live one and compared row by row.

use futures::TryStreamExt;
use ledger::{Ledger, ReadError, Verified, VerifyError};
use projections::poison::{Skip, Stop, skips, stops};
use projections::{Comparison, Name, RebuildError, compare};
use sqlx::PgPool;

/// Something is not as it was recorded, or could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The tree.
    #[error("tree: {0}")]
    Tree(#[from] VerifyError),
    /// Reading.
    #[error("reading: {0}")]
    Reading(#[from] ReadError),
    /// A position is missing.
    #[error("reading: position {expected} is missing; the next event is at {found}")]
    Gap {
        /// The missing position.
        expected: u64,
        /// The next one there.
        found: u64,
    },
    /// Time went back.
    #[error("reading: event {0} was recorded earlier than the one before it")]
    Time(u64),
    /// The ledger ends too early.
    #[error("reading: {read} events instead of {size}")]
    Short {
        /// Events read.
        read: u64,
        /// Events the tree has.
        size: u64,
    },
    /// A view could not be rebuilt.
    #[error("view: {0}")]
    View(#[from] RebuildError),
    /// Where views stopped, and what they skip, could not be read.
    #[error("view: database: {0}")]
    Database(#[from] sqlx::Error),
}

/// What is being checked, for those who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Leaves and root.
    Tree,
    /// Decoding and opening.
    Reading,
    /// A view.
    View(Name),
}

/// What was found.
#[derive(Debug)]
pub struct Checked {
    /// The tree.
    pub tree: Verified,
    /// Events decoded, all segments of which open or are erased.
    pub read: u64,
    /// Each view against its replay.
    pub views: Vec<Comparison>,
    /// Views that stand still at an event they can't take in: equal to their replay, but only up to there.
    pub stops: Vec<Stop>,
    /// Events that views and their replays pass over, by whose decision and why.
    pub skips: Vec<Skip>,
}

impl Checked {
    /// Whether every view equals its replay.
    pub fn is_sound(&self) -> bool {
        self.views.iter().all(Comparison::is_equal)
    }
}

/// Checks everything; `progress` hears how many events each stage has done.
///
/// # Errors
/// The first thing in the ledger that is not as it was recorded. A view that differs is no error: see
/// [`Checked::is_sound`].
pub async fn check(
    ledger: &Ledger,
    pool: &PgPool,
    mut progress: impl FnMut(Stage, u64) + Send,
) -> Result<Checked, CheckError> {
    let tree = ledger.verify(|done| progress(Stage::Tree, done)).await?;
    let read = read_all(ledger, tree.size, |done| progress(Stage::Reading, done)).await?;
    let mut views = Vec::new();
    for name in Name::ALL {
        views.push(compare(ledger, pool, name, |done| progress(Stage::View(name), done)).await?);
    }
    let (stops, skips) = (stops(pool).await?, skips(pool).await?);
    Ok(Checked { tree, read, views, stops, skips })
}

async fn read_all(ledger: &Ledger, size: u64, mut progress: impl FnMut(u64) + Send) -> Result<u64, CheckError> {
    let (mut next, mut latest) = (0, chrono::DateTime::UNIX_EPOCH);
    let mut pages = std::pin::pin!(ledger.stream(0));
    while let Some(page) = pages.try_next().await? {
        for event in &page {
            if event.position != next {
                return Err(CheckError::Gap { expected: next, found: event.position });
            }
            if event.recorded_at < latest {
                return Err(CheckError::Time(event.position));
            }
            (next, latest) = (event.position + 1, event.recorded_at);
        }
        progress(next);
    }
    // More may have come since the tree was walked.
    if next < size { Err(CheckError::Short { read: next, size }) } else { Ok(next) }
}
