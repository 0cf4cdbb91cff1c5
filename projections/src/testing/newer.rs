//! An event of a program that is newer than this one: recorded like any other, and poison to the views that read
//! guardians.

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use domain::context::{Actor, Context, Reason};
use domain::guardian::Guardian;
use domain::ids::CommandId;
use domain::personal::{Sealable, Segment};
use ledger::Unit;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The guardians of a program that is newer than this one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NewerGuardian;

/// What happens to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NewerEvent {
    /// Which this program has never heard of.
    GuardianMovedAbroad {
        /// Where to.
        country: String,
    },
}

impl DomainEvent for NewerEvent {
    fn event_type(&self) -> String {
        "GuardianMovedAbroad".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Sealable for NewerEvent {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        Vec::new()
    }
}

impl Aggregate for NewerGuardian {
    const TYPE: &'static str = Guardian::TYPE;
    type Command = ();
    type Event = NewerEvent;
    type Error = std::fmt::Error;
    type Services = ();

    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), std::fmt::Error> {
        Ok(())
    }

    fn apply(&mut self, _: NewerEvent) {}
}

/// A unit with one such event, on a stream of its own.
pub fn from_a_newer_program() -> Unit {
    let context = Context {
        command: CommandId(Uuid::new_v4()),
        actor: Actor::Service,
        on_behalf_of: None,
        reason: Reason::Rule,
        reference: None,
        effective_at: chrono::DateTime::UNIX_EPOCH,
    };
    let event = NewerEvent::GuardianMovedAbroad { country: "BE".to_owned() };
    Unit::new(context).stream::<NewerGuardian>(&Uuid::new_v4().to_string(), 0, vec![event])
}
