//! The JSON files of a bundle. Field order is that of the files; unknown fields are refused, so that two readers see
//! the same.

use chrono::{DateTime, SecondsFormat};
use ledger::leaf::Hash;
use ledger::{CanonicalEvent, Content};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What `format` must say.
pub const FORMAT: &str = "matricule-bundle/1";

/// `bundle.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// [`FORMAT`]
    pub format: String,
    /// When, RFC 3339, UTC.
    pub made_at: String,
    /// Program and version.
    pub made_by: String,
    /// What for, in the exporter's words; it is in the access log too.
    pub purpose: String,
    /// Whom or what it is about.
    pub about: About,
    /// Number of events in the ledger when it was made.
    pub size: u64,
    /// Number of the last migration of the database's schema.
    pub schema_version: i64,
    /// Version of each kind of event in the bundle.
    pub event_versions: BTreeMap<String, u16>,
    /// Rules in force: the payloads of the last announcements before the bundle was made, by stream type.
    pub rules: BTreeMap<String, serde_json::Value>,
    /// Streams that are in the bundle whole.
    pub streams: Vec<StreamRange>,
    /// Positions of all events in the bundle, ascending.
    pub events: Vec<u64>,
    /// What proves that the streams are whole, as of the last manifest.
    pub completeness: Option<Completeness>,
}

/// Whom or what a bundle is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum About {
    /// An account's life: its stream, and those of the guardian records and pupils that ever belonged to it.
    Account(Uuid),
    /// The events that stand behind an incident reference.
    Case(String),
}

/// A stream that is whole from its first event on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamRange {
    /// Kind of aggregate.
    pub stream_type: String,
    /// Which one.
    pub stream_id: String,
    /// Sequence of its last event.
    pub to: u64,
}

/// Inclusion of the streams' heads in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completeness {
    /// Position of the manifest's event, which is in the bundle.
    pub manifest: u64,
    /// One for each stream of the bundle that had an event before the manifest's size.
    pub heads: Vec<HeadProof>,
}

/// One stream's head in a manifest's tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadProof {
    /// Kind of aggregate.
    pub stream_type: String,
    /// Which one.
    pub stream_id: String,
    /// Sequence of the head.
    pub sequence: u64,
    /// Leaf of the head, hexadecimal.
    pub leaf: String,
    /// Its place among the sorted heads.
    pub index: u64,
    /// From its sibling up to the root's child, hexadecimal.
    pub hashes: Vec<String>,
}

/// `events/<position>.json`
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventFile {
    /// Place in the ledger.
    pub position: u64,
    /// Kind of aggregate.
    pub stream_type: String,
    /// Which one.
    pub stream_id: String,
    /// Place in its stream, from 1.
    pub sequence: u64,
    /// The event's name.
    pub event_type: String,
    /// Version of its payload's format.
    pub event_version: u16,
    /// RFC 3339, UTC, six decimals.
    pub recorded_at: String,
    /// RFC 3339, UTC, six decimals.
    pub effective_at: String,
    /// Who acted.
    pub actor: String,
    /// For whom.
    pub on_behalf_of: Option<String>,
    /// Why.
    pub reason: String,
    /// The command that caused it.
    pub command: Uuid,
    /// Incident reference of the request.
    pub reference: Option<String>,
    /// Leaf of the stream's previous event, hexadecimal; zeros for its first.
    pub previous: String,
    /// Its leaf, hexadecimal.
    pub leaf: String,
    /// The payload's exact text.
    pub payload: String,
    /// Its personal data.
    pub segments: Vec<SegmentFile>,
}

/// One segment of an event.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentFile {
    /// Whose.
    pub subject: Uuid,
    /// SHA-256(blind ‖ plaintext), hexadecimal: what the entry holds.
    pub commitment: String,
    /// `open`, `withheld`, `erased` or `damaged`.
    pub state: SegmentState,
    /// Where open: the random bytes, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blind: Option<String>,
    /// Where open: the value's exact JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaintext: Option<String>,
    /// Where erased: position of the event that erased it, which is in the bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_by: Option<u64>,
}

/// How much of a segment the bundle shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentState {
    /// Its value.
    Open,
    /// Only its commitment: the exporter left the value out.
    Withheld,
    /// Only its commitment: the key is destroyed.
    Erased,
    /// Only its commitment: the value does not open.
    Damaged,
}

/// One line of `erased.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasedSegment {
    /// Position of the event.
    pub position: u64,
    /// Which of its segments, from 0.
    pub segment: usize,
    /// Whose it was.
    pub subject: Uuid,
    /// Position of the event that erased it; none is known where something is wrong.
    pub erased_by: Option<u64>,
}

impl EventFile {
    /// Of an event; `erased_by` tells which event erased a subject. Without `open`, values are left out.
    pub(super) fn new(event: &CanonicalEvent, open: bool, erased_by: impl Fn(Uuid) -> Option<u64>) -> Self {
        let segments = event.segments.iter().map(|segment| {
            let subject = segment.subject.0;
            let mut file = SegmentFile {
                subject,
                commitment: hex::encode(segment.commitment),
                state: SegmentState::Withheld,
                blind: None,
                plaintext: None,
                erased_by: None,
            };
            match &segment.content {
                Content::Open { blind, plaintext } if open => {
                    file.state = SegmentState::Open;
                    file.blind = Some(hex::encode(blind));
                    file.plaintext = Some(String::from_utf8_lossy(plaintext).into_owned());
                }
                Content::Open { .. } => {}
                Content::Erased => (file.state, file.erased_by) = (SegmentState::Erased, erased_by(subject)),
                Content::Damaged => file.state = SegmentState::Damaged,
            }
            file
        });
        Self {
            position: event.position,
            stream_type: event.stream_type.clone(),
            stream_id: event.stream_id.clone(),
            sequence: event.sequence,
            event_type: event.event_type.clone(),
            event_version: event.event_version,
            recorded_at: moment(event.recorded_at),
            effective_at: moment(event.effective_at),
            actor: event.actor.clone(),
            on_behalf_of: event.on_behalf_of.clone(),
            reason: event.reason.clone(),
            command: event.command,
            reference: event.reference.clone(),
            previous: hex::encode(event.previous),
            leaf: hex::encode(event.leaf),
            payload: String::from_utf8_lossy(&event.payload).into_owned(),
            segments: segments.collect(),
        }
    }

    /// The name of one of its files.
    pub(super) fn name(position: u64, kind: &str) -> String {
        format!("events/{position:012}.{kind}")
    }
}

/// Microseconds since the Unix epoch as RFC 3339 with six decimals.
fn moment(micros: i64) -> String {
    let time = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// And back.
pub(super) fn micros(text: &str) -> Option<i64> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    let micros = time.timestamp_micros();
    (moment(micros) == text).then_some(micros)
}

/// 64 hexadecimal digits, lower case.
pub(super) fn hash(text: &str) -> Option<Hash> {
    let hash: Hash = hex::decode(text).ok()?.try_into().ok()?;
    (hex::encode(hash) == text).then_some(hash)
}
