//! Moments, and the positions they are resolved to, so that every answer can be asked for again.
//!
//! There are two clocks. What had been *recorded* by a moment is a position in the ledger. What was *effective* by a
//! moment is each event that holds from then on or earlier; of those recorded, the others are passed over. Events are
//! folded in the order of the ledger either way, for in that order they were decided.

use chrono::{DateTime, SecondsFormat, Utc};
use ledger::{Ledger, ReadError, RecordedEvent};
use serde::Serialize;
use std::fmt;

/// A moment of the ledger, as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// After the event at this position.
    Position(u64),
    /// After the last event recorded at or before this time.
    Time(DateTime<Utc>),
}

/// A moment on both clocks, as asked for: `4711`, `2026-09-01T08:00:00Z`, `effective:2026-09-01T08:00:00Z` or
/// `4711,effective:2026-09-01T08:00:00Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// What had been recorded; all there is without it.
    pub recorded: Option<Recorded>,
    /// And held by then; all of it without it.
    pub effective: Option<DateTime<Utc>>,
}

impl From<Recorded> for Moment {
    fn from(recorded: Recorded) -> Self {
        Self { recorded: Some(recorded), effective: None }
    }
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || {
            "give a position (a number), a time such as 2026-09-01T08:00:00Z, or effective: before a time for what held \
             then; both with a comma: 4711,effective:2026-09-01T08:00:00Z"
                .to_owned()
        };
        let time = |text| DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).map_err(|_| refused());
        let mut moment = Self::default();
        for part in text.split(',') {
            match part.strip_prefix("effective:") {
                Some(part) if moment.effective.is_none() => moment.effective = Some(time(part)?),
                None if moment == Self::default() => {
                    moment.recorded = Some(match part.parse() {
                        Ok(position) => Recorded::Position(position),
                        Err(_) => Recorded::Time(time(part)?),
                    });
                }
                Some(_) | None => return Err(refused()),
            }
        }
        Ok(moment)
    }
}

/// A moment as it was resolved: asked for as it prints itself, the same question has the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AsOf {
    /// The last event that counts.
    pub position: u64,
    /// When that event was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Only what held by then counts; events of a later effect don't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_at: Option<DateTime<Utc>>,
}

impl AsOf {
    /// Whether an event counts.
    pub fn counts(&self, event: &RecordedEvent) -> bool {
        event.position <= self.position && self.held(event)
    }

    /// Whether an event held by then, whenever it was recorded.
    pub fn held(&self, event: &RecordedEvent) -> bool {
        self.effective_at.is_none_or(|time| event.effective_at <= time)
    }
}

/// As it is asked for again.
impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.position)?;
        match self.effective_at {
            Some(time) => write!(f, ",effective:{}", time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => Ok(()),
        }
    }
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
    let Moment { recorded, effective } = moment.unwrap_or_default();
    let position = match recorded {
        None => last,
        Some(Recorded::Position(asked)) if asked > last => return Err(MomentError::Beyond { last, asked }),
        Some(Recorded::Position(position)) => position,
        Some(Recorded::Time(time)) => {
            count_until(ledger, time).await?.checked_sub(1).ok_or(MomentError::BeforeAll(time))?
        }
    };
    Ok(AsOf { position, recorded_at: recorded_at(ledger, position).await?, effective_at: effective })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_it_was_asked_and_prints_as_it_is_asked_again() {
        let time: DateTime<Utc> = "2026-09-01T08:00:00Z".parse().unwrap();
        let read = |text: &str| text.parse::<Moment>();
        assert_eq!(read("4711"), Ok(Recorded::Position(4711).into()));
        assert_eq!(read("2026-09-01T10:00:00+02:00"), Ok(Recorded::Time(time).into()));
        let effective = Moment { recorded: None, effective: Some(time) };
        assert_eq!(read("effective:2026-09-01T08:00:00Z"), Ok(effective));
        let as_of = AsOf { position: 4711, recorded_at: time, effective_at: Some(time) };
        assert_eq!(as_of.to_string(), "4711,effective:2026-09-01T08:00:00Z");
        let both = Moment { recorded: Some(Recorded::Position(4711)), effective: Some(time) };
        assert_eq!(read(&as_of.to_string()), Ok(both));
        for refused in ["", "hier", "4711,4712", "effective:4711", "4711,", "effective:2026-09-01T08:00:00Z,4711"] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }
}
