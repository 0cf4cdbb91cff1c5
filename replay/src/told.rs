//! An event in an answer: everything of its header, both of its clocks, and as much of its content as may be seen.

use crate::fields::Sight;
use crate::rules::{Announced, RulesOfEvent};
use chrono::{DateTime, Utc};
use domain::personal::Sealable;
use ledger::RecordedEvent;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// One event.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// Place in the ledger, and leaf index.
    pub position: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// From when on it holds.
    pub effective_at: DateTime<Utc>,
    /// Kind of aggregate.
    pub stream_type: String,
    /// Which one.
    pub stream_id: String,
    /// Place in its stream.
    pub sequence: u64,
    /// Its type.
    pub r#type: String,
    /// Who acted.
    pub actor: String,
    /// For whom.
    pub on_behalf_of: Option<String>,
    /// Why.
    pub reason: &'static str,
    /// The command that caused it.
    pub command: Uuid,
    /// Incident reference of the request.
    pub reference: Option<String>,
    /// The rules it was decided under; `null` where none had been announced.
    pub rules: Option<RulesOfEvent>,
    /// Its leaf in the Merkle tree, hexadecimal.
    pub leaf: String,
    /// What it says, without the personal values.
    pub payload: Value,
    /// The personal values in the order of the event's segments, each with whose it is.
    pub personal: Vec<Value>,
}

impl Told {
    /// The event as told to who may see so much.
    pub fn new(event: &RecordedEvent, rules: &Announced, sight: Sight) -> Self {
        let mut content = event.event.clone();
        let payload = content.payload().ok().and_then(|payload| serde_json::from_str(&payload).ok());
        let personal = content.segments().into_iter().map(|segment| {
            let subject = segment.subject();
            let value = segment.plaintext().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
            match (value, sight) {
                (None, _) => json!({ "subject": subject, "erased": true }),
                (Some(_), Sight::Masked) => json!({ "subject": subject, "masked": true }),
                (Some(value), Sight::Clear) => json!({ "subject": subject, "value": value }),
            }
        });
        let personal = personal.collect();
        Self {
            position: event.position,
            recorded_at: event.recorded_at,
            effective_at: event.effective_at,
            stream_type: event.stream_type.clone(),
            stream_id: event.stream_id.clone(),
            sequence: event.sequence,
            r#type: event.event.event_type(),
            actor: event.actor.to_string(),
            on_behalf_of: event.on_behalf_of.as_ref().map(ToString::to_string),
            reason: event.reason.as_str(),
            command: event.command.0,
            reference: event.reference.clone(),
            rules: rules.of(event),
            leaf: hex::encode(event.leaf),
            payload: payload.unwrap_or_default(),
            personal,
        }
    }
}
