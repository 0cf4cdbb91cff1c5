//! What a projection is, and which there are.

use crate::writes::Writes;
use crate::{accounts::Accounts, audit::Audit, people::People, services::Services};
use cqrs_es::Aggregate;
use domain::Event;
use domain::account::Account;
use domain::establishment::Establishment;
use domain::guardian::Guardian;
use domain::pupil::Pupil;
use domain::relying_party::RelyingParty;
use ledger::RecordedEvent;
use sqlx::PgConnection;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use uuid::Uuid;

/// The rows a batch of events touches in one projection, and how events change them.
///
/// The same code runs live and in replay. It may look at nothing but the events and its own rows: no clock, no
/// other view, no serial numbers; so that the same events always give the same rows.
pub(crate) trait Projection: Default + Send {
    /// Which rows the event will change: they are loaded before any event of the batch is applied.
    fn want(&mut self, event: &RecordedEvent) -> Result<(), Fault>;

    fn load(&mut self, connection: &mut PgConnection) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Changes the rows in memory.
    fn apply(&mut self, event: &RecordedEvent) -> Result<(), Fault>;

    /// Adds what changed to what is to be written.
    fn write(self, writes: &mut Writes);
}

/// An event that a projection can't apply. It will not get better by trying again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {position}: {problem}")]
pub struct Fault {
    /// Position of the event.
    pub position: u64,
    /// What is wrong; no personal data.
    pub problem: String,
}

impl Fault {
    pub(crate) fn no_row(event: &RecordedEvent, what: &str) -> Self {
        Self {
            position: event.position,
            problem: format!(
                "{} of {what} {}, which the view does not know",
                event.event.event_type(),
                event.stream_id
            ),
        }
    }
}

/// The stream's id, where it is an opaque id.
pub(crate) fn stream_uuid(event: &RecordedEvent) -> Result<Uuid, Fault> {
    event.stream_id.parse().map_err(|_| Fault {
        position: event.position,
        problem: format!("the id of its {} stream is not a UUID", event.stream_type),
    })
}

/// The projections there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// What the schools say now: pupils, enrolments, guardians, responsibilities, held links.
    People,
    /// Accounts, the guardian records behind them, their children.
    Accounts,
    /// Establishments and relying parties.
    Services,
    /// Who or what each event is about; import runs.
    Audit,
}

impl Name {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::People, Self::Accounts, Self::Services, Self::Audit];

    /// As in schema names and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Accounts => "accounts",
            Self::Services => "services",
            Self::Audit => "audit",
        }
    }

    /// The version of its tables and of its `apply`. A change of either takes a new number: programs that meet
    /// tables of another version rebuild them beside and swap.
    pub fn version(self) -> i32 {
        match self {
            // 2: services by the establishments they serve; registrations that have ended.
            Self::Services => 2,
            // 2: erasure takes a person's rows away. 3: pupils are found by birth date.
            Self::People => 3,
            // 2: erasure takes a person's rows away.
            Self::Accounts => 2,
            // 2: marks.
            Self::Audit => 2,
        }
    }

    /// The schema with the live tables.
    pub fn schema(self) -> &'static str {
        match self {
            Self::People => "view_people",
            Self::Accounts => "view_accounts",
            Self::Services => "view_services",
            Self::Audit => "view_audit",
        }
    }

    /// The schema where it is rebuilt.
    pub(crate) fn rebuild_schema(self) -> &'static str {
        match self {
            Self::People => "rebuild_view_people",
            Self::Accounts => "rebuild_view_accounts",
            Self::Services => "rebuild_view_services",
            Self::Audit => "rebuild_view_audit",
        }
    }

    /// Its tables, with unqualified names.
    pub(crate) fn tables(self) -> &'static str {
        match self {
            Self::People => include_str!("people/tables.sql"),
            Self::Accounts => include_str!("accounts/tables.sql"),
            Self::Services => include_str!("services/tables.sql"),
            Self::Audit => include_str!("audit/tables.sql"),
        }
    }

    /// Whether events of these streams may change it. It does nothing with others, whatever they say, so that one
    /// that can't be decoded is no obstacle to it. Streams of a kind that this program does not know may.
    pub(crate) fn reads(self, stream_type: &str) -> bool {
        let own: &[&str] = match self {
            Self::People => &[Pupil::TYPE, Guardian::TYPE],
            Self::Accounts => &[Account::TYPE],
            Self::Services => &[Establishment::TYPE, RelyingParty::TYPE],
            Self::Audit => return true,
        };
        own.contains(&stream_type) || !Event::STREAM_TYPES.contains(&stream_type)
    }

    /// Index in [`Name::ALL`]; also its number in advisory locks, so it must not change.
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::People => 0,
            Self::Accounts => 1,
            Self::Services => 2,
            Self::Audit => 3,
        }
    }

    /// Loads what a batch touches, from the tables of the search path, and applies it in memory: what is then to be
    /// written.
    pub(crate) async fn fold(
        self,
        connection: &mut PgConnection,
        events: &[RecordedEvent],
    ) -> Result<Writes, FoldError> {
        match self {
            Self::People => fold::<People>(connection, events).await,
            Self::Accounts => fold::<Accounts>(connection, events).await,
            Self::Services => fold::<Services>(connection, events).await,
            Self::Audit => fold::<Audit>(connection, events).await,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Name {
    type Err = UnknownProjection;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or_else(|| UnknownProjection(text.to_owned()))
    }
}

/// No projection has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no projection; there are people, accounts, services and audit")]
pub struct UnknownProjection(String);

/// A batch could not be applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

async fn fold<P: Projection>(connection: &mut PgConnection, events: &[RecordedEvent]) -> Result<Writes, FoldError> {
    let mut rows = P::default();
    for event in events {
        guarded(event, || rows.want(event))?;
    }
    rows.load(connection).await?;
    for event in events {
        guarded(event, || rows.apply(event))?;
    }
    let mut writes = Writes::default();
    rows.write(&mut writes);
    Ok(writes)
}

/// A panic over an event is a fault like any other: it stops this projection at this event, and the rows in memory,
/// whatever they are now, are dropped with the batch.
fn guarded(event: &RecordedEvent, work: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Fault { position: event.position, problem: "the program panicked over it".to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::samples;

    #[test]
    fn a_panic_over_an_event_is_a_fault_at_its_position() {
        let event = crate::testing::recorded(7, samples::every_event().remove(0));
        let fault = guarded(&event, || panic!("of the test")).unwrap_err();
        assert_eq!(fault.position, 7);
    }
}
