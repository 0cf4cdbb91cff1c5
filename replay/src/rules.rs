//! Under which rules an event was decided: those last announced before it.

use anyhow::Context;
use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use domain::Event;
use domain::rules::{self, Rules, RulesEvent};
use ledger::{Ledger, RecordedEvent};
use serde::Serialize;

/// The rules of one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RulesOfEvent {
    /// Number of the announcement.
    pub number: u32,
    /// Position of the announcement: the rules stand there, proved like every event.
    pub announced_at: u64,
    /// When it was recorded.
    pub since: DateTime<Utc>,
    /// Version of the program.
    pub program: String,
    /// Version of the decisions of the event's aggregate.
    pub decisions: Option<u16>,
}

/// All announcements, in order.
#[derive(Clone, Debug, Default)]
pub struct Announced(Vec<RecordedEvent>);

impl Announced {
    /// Reads them: a stream of one event for each change of rules.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn read(ledger: &Ledger) -> anyhow::Result<Self> {
        let stream = ledger.read_stream(Rules::TYPE, rules::STREAM, 1).await;
        stream.map(Self).context("the announcements of rules can't be read")
    }

    /// The rules of an event; `None` where none had been announced yet: nobody recorded them.
    pub fn of(&self, event: &RecordedEvent) -> Option<RulesOfEvent> {
        let before = self.0.partition_point(|announced| announced.position < event.position);
        let announced = &self.0[before.checked_sub(1)?];
        match &announced.event {
            Event::Rules(RulesEvent::RulesAnnounced { number, program, rules }) => Some(RulesOfEvent {
                number: *number,
                announced_at: announced.position,
                since: announced.recorded_at,
                program: program.clone(),
                decisions: rules.decisions.get(&event.stream_type).copied(),
            }),
            Event::Pupil(_)
            | Event::Guardian(_)
            | Event::Account(_)
            | Event::Establishment(_)
            | Event::RelyingParty(_)
            | Event::LedgerManifest(_)
            | Event::InitialAccess(_)
            | Event::Auditor(_) => None,
        }
    }
}
