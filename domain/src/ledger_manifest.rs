//! The daily manifest: one hash over where every stream stands, recorded as an event, so that a stream that is later
//! cut short or left out shows.
//!
//! All manifests are one stream: each is chained to the one before it, and two instances that record the same day
//! conflict.

use crate::event::{event_names, handle_by_decide};
use crate::personal::{Sealable, Segment};
use chrono::NaiveDate;
use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};

/// The id of the only stream.
pub const STREAM: &str = "daily";

/// Intentions about manifests.
#[derive(Clone, Debug)]
pub enum LedgerManifestCommand {
    /// The manifest of a day, as computed at a size of the ledger.
    Record {
        /// The day, UTC.
        day: NaiveDate,
        /// It covers the events before this position.
        size: u64,
        /// Number of streams.
        streams: u64,
        /// Root over the heads of all streams, 64 hexadecimal digits.
        root: String,
    },
}

/// Facts of manifests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LedgerManifestEvent {
    /// Where every stream stood.
    LedgerManifestRecorded {
        /// The day, UTC, on which it was computed.
        day: NaiveDate,
        /// It covers the events before this position.
        size: u64,
        /// Number of streams.
        streams: u64,
        /// Root over the heads of all streams, 64 hexadecimal digits.
        root: String,
    },
}

event_names!(LedgerManifestEvent, version "1": LedgerManifestRecorded);

impl Sealable for LedgerManifestEvent {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        match self {
            Self::LedgerManifestRecorded { .. } => vec![],
        }
    }
}

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerManifestError {
    /// It covers less than an earlier one.
    #[error("the last manifest, of {day}, covers {covered} events; this one covers {given}")]
    Shrunk {
        /// Day of the last one.
        day: NaiveDate,
        /// Events it covers.
        covered: u64,
        /// Events covered by the one refused.
        given: u64,
    },
}

/// The manifests so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerManifest {
    /// Day of the last one.
    pub day: Option<NaiveDate>,
    /// Events it covers.
    pub size: u64,
}

impl LedgerManifest {
    /// Whether the manifest of this day, or of a later one, is recorded.
    pub fn has(&self, day: NaiveDate) -> bool {
        self.day.is_some_and(|last| last >= day)
    }

    /// Which facts a command adds: nothing for a day that has its manifest.
    ///
    /// # Errors
    /// [`LedgerManifestError`]; nothing is recorded then.
    pub fn decide(&self, command: LedgerManifestCommand) -> Result<Vec<LedgerManifestEvent>, LedgerManifestError> {
        let LedgerManifestCommand::Record { day, size, streams, root } = command;
        match self.day {
            Some(_) if self.has(day) => Ok(vec![]),
            Some(last) if size < self.size => {
                Err(LedgerManifestError::Shrunk { day: last, covered: self.size, given: size })
            }
            _ => Ok(vec![LedgerManifestEvent::LedgerManifestRecorded { day, size, streams, root }]),
        }
    }
}

impl Aggregate for LedgerManifest {
    const TYPE: &'static str = "ledger_manifest";
    type Command = LedgerManifestCommand;
    type Event = LedgerManifestEvent;
    type Error = LedgerManifestError;
    type Services = ();

    handle_by_decide!();

    fn apply(&mut self, event: LedgerManifestEvent) {
        match event {
            LedgerManifestEvent::LedgerManifestRecorded { day, size, streams: _, root: _ } => {
                (self.day, self.size) = (Some(day), size);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_es::test::TestFramework;

    fn day(number: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 9, number).expect("a date that exists")
    }

    fn record(number: u32, size: u64) -> LedgerManifestCommand {
        LedgerManifestCommand::Record { day: day(number), size, streams: 2, root: "ab".repeat(32) }
    }

    fn recorded(number: u32, size: u64) -> LedgerManifestEvent {
        LedgerManifestEvent::LedgerManifestRecorded { day: day(number), size, streams: 2, root: "ab".repeat(32) }
    }

    #[test]
    fn each_day_has_one_manifest() {
        let manifests = || TestFramework::<LedgerManifest>::with(());
        manifests().given_no_previous_events().when(record(1, 5)).then_expect_events(vec![recorded(1, 5)]);
        manifests().given(vec![recorded(1, 5)]).when(record(1, 6)).then_expect_events(vec![]);
        manifests().given(vec![recorded(2, 5)]).when(record(1, 6)).then_expect_events(vec![]);
        manifests().given(vec![recorded(1, 5)]).when(record(2, 6)).then_expect_events(vec![recorded(2, 6)]);
    }

    #[test]
    fn a_manifest_never_covers_less_than_the_one_before() {
        TestFramework::<LedgerManifest>::with(())
            .given(vec![recorded(1, 5)])
            .when(record(2, 4))
            .then_expect_error_message("the last manifest, of 2026-09-01, covers 5 events; this one covers 4");
    }
}
