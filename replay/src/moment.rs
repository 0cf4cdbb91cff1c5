//! Moments, and the positions they are resolved to, so that every answer can be asked for again.

use chrono::{DateTime, Utc};
use ledger::{Ledger, ReadError};
use serde::Serialize;

/// A moment, as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After the event at this position.
    Position(u64),
    /// After the last event recorded at or before this time.
    Time(DateTime<Utc>),
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(position));
        }
        DateTime::parse_from_rfc3339(text)
            .map(|time| Self::Time(time.to_utc()))
            .map_err(|_| "give a position (a number) or a time such as 2026-09-01T08:00:00Z".to_owned())
    }
}

/// A moment as it was resolved: asked for with this position, the same question has the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AsOf {
    /// The last event that counts.
    pub position: u64,
    /// When that event was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// Why a moment has no position.
#[derive(Debug, thiserror::Error)]
pub enum MomentError {
    /// Nothing was ever recorded.
    #[error("the ledger is empty")]
    Empty,
    /// It lies ahead.
    #[error("the ledger ends at position {last}; there is no event {asked} yet")]
    Beyond {
        /// The last position.
        last: u64,
        /// The one asked for.
        asked: u64,
    },
    /// It lies before the first event.
    #[error("nothing had been recorded yet at {0}")]
    BeforeAll(DateTime<Utc>),
    /// The ledger can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl MomentError {
    /// Whether the moment is at fault, rather than the database.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Read(_))
    }
}

/// The last event recorded at or before a time, or the one at a position; its position and time.
///
/// # Errors
/// Nothing had been recorded then, or the ledger can't be read.
pub async fn resolve(ledger: &Ledger, moment: Option<Moment>) -> Result<AsOf, MomentError> {
    let (size, _) = ledger.root().await?;
    let last = size.checked_sub(1).ok_or(MomentError::Empty)?;
    let position = match moment {
        None => last,
        Some(Moment::Position(asked)) if asked > last => return Err(MomentError::Beyond { last, asked }),
        Some(Moment::Position(position)) => position,
        Some(Moment::Time(time)) => {
            count_until(ledger, time).await?.checked_sub(1).ok_or(MomentError::BeforeAll(time))?
        }
    };
    Ok(AsOf { position, recorded_at: recorded_at(ledger, position).await? })
}

/// How many events were recorded at or before a time: the position of the first one after it.
///
/// # Errors
/// The ledger can't be read.
pub async fn count_until(ledger: &Ledger, time: DateTime<Utc>) -> Result<u64, ReadError> {
    let (size, _) = ledger.root().await?;
    // Recorded times never go back, so they can be searched by halves: positions before `low` are not later than the
    // time, those from `high` on are.
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        if recorded_at(ledger, middle).await? <= time { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

async fn recorded_at(ledger: &Ledger, position: u64) -> Result<DateTime<Utc>, ReadError> {
    let events = ledger.read_positions(&[position]).await?;
    let missing = || ReadError::Event { position, reason: "missing".to_owned() };
    Ok(events.first().ok_or_else(missing)?.recorded_at)
}
