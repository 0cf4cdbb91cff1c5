//! Events as a proof sees them: every field that the leaf commits to, with what opens the commitments. Read without
//! stopping at what is wrong with them: that is for whoever verifies.

use crate::Ledger;
use crate::error::ReadError;
use crate::leaf::{Entry, Hash, NO_LEAF};
use crate::reader::{COLUMNS, raw};
use crate::record::{Ciphers, Raw, subjects};
use crate::seal::parse;
use domain::ids::SubjectId;
use sqlx::Row;
use sqlx::postgres::PgRow;
use std::collections::HashSet;
use uuid::Uuid;
use zeroize::Zeroizing;

/// One event. No `Debug`: it may hold personal data in clear.
#[derive(Clone, PartialEq, Eq)]
pub struct CanonicalEvent {
    /// Place in the ledger; its leaf's index.
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
    /// The payload's exact bytes.
    pub payload: Vec<u8>,
    /// Microseconds since the Unix epoch.
    pub recorded_at: i64,
    /// Microseconds since the Unix epoch.
    pub effective_at: i64,
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
    /// Leaf of the stream's previous event; [`NO_LEAF`] for its first.
    pub previous: Hash,
    /// Its leaf, as stored.
    pub leaf: Hash,
    /// Its personal data.
    pub segments: Vec<CanonicalSegment>,
}

/// One sealed segment of an event.
#[derive(Clone, PartialEq, Eq)]
pub struct CanonicalSegment {
    /// Whose it is.
    pub subject: SubjectId,
    /// What the leaf commits to.
    pub commitment: Hash,
    /// What it holds.
    pub content: Content,
}

/// What a segment holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// It opens; SHA-256(blind ‖ plaintext) should be the commitment.
    Open {
        /// 32 random bytes.
        blind: Vec<u8>,
        /// The value as JSON.
        plaintext: Zeroizing<Vec<u8>>,
    },
    /// Its key is destroyed.
    Erased,
    /// It does not open under its subject's key, or there is none.
    Damaged,
}

impl CanonicalEvent {
    /// The bytes that its leaf should be the hash of.
    pub fn entry(&self) -> Vec<u8> {
        let segments: Vec<_> = self.segments.iter().map(|segment| (segment.subject.0, segment.commitment)).collect();
        Entry {
            recorded_at: self.recorded_at,
            previous: self.previous,
            sequence: self.sequence,
            effective_at: self.effective_at,
            command: self.command,
            event_version: self.event_version,
            payload: &self.payload,
            stream_type: &self.stream_type,
            stream_id: &self.stream_id,
            event_type: &self.event_type,
            actor: &self.actor,
            on_behalf_of: self.on_behalf_of.as_deref(),
            reason: &self.reason,
            reference: self.reference.as_deref(),
            segments: &segments,
        }
        .encode()
    }
}

impl Ledger {
    /// The events at these positions, in order of position; those that are not there are missing from the answer.
    ///
    /// # Errors
    /// When the database fails, or a row's sealed segments have no form at all.
    pub async fn canonical(&self, positions: &[u64]) -> Result<Vec<CanonicalEvent>, ReadError> {
        let positions: Vec<i64> = positions.iter().map(|position| position.cast_signed()).collect();
        let rows = sqlx::query(&format!(
            "SELECT {COLUMNS}, (SELECT p.leaf FROM ledger.event p WHERE p.stream_type = e.stream_type \
             AND p.stream_id = e.stream_id AND p.sequence = e.sequence - 1) \
             FROM ledger.event e WHERE e.position = ANY($1) ORDER BY e.position"
        ))
        .bind(positions)
        .fetch_all(self.pool())
        .await?;
        let mut wanted: HashSet<SubjectId> = HashSet::new();
        for row in &rows {
            let raw = raw(row)?;
            for subject in subjects(raw.position, raw.segments)? {
                wanted.insert(subject?);
            }
        }
        let known = self.keys().get(wanted).await?;
        let ciphers = Ciphers::new(&known);
        rows.iter().map(|row| event(row, &ciphers)).collect()
    }

    /// Positions of the events of one stream, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stream_positions(&self, stream_type: &str, stream_id: &str) -> Result<Vec<u64>, ReadError> {
        let sql = "SELECT position FROM ledger.event WHERE stream_type = $1 AND stream_id = $2 ORDER BY sequence";
        let positions: Vec<i64> =
            sqlx::query_scalar(sql).bind(stream_type).bind(stream_id).fetch_all(self.pool()).await?;
        Ok(positions.into_iter().map(i64::cast_unsigned).collect())
    }
}

fn event(row: &PgRow, ciphers: &Ciphers<'_>) -> Result<CanonicalEvent, ReadError> {
    let raw = raw(row)?;
    let previous: Option<Hash> = row.try_get(16)?;
    Ok(CanonicalEvent {
        position: raw.position,
        stream_type: raw.stream_type.to_owned(),
        stream_id: raw.stream_id.to_owned(),
        sequence: raw.sequence,
        event_type: raw.event_type.to_owned(),
        event_version: raw.event_version,
        payload: raw.payload.to_vec(),
        recorded_at: raw.recorded_at,
        effective_at: raw.effective_at,
        actor: raw.actor.to_owned(),
        on_behalf_of: raw.on_behalf_of.map(str::to_owned),
        reason: raw.reason.to_owned(),
        command: raw.command,
        reference: raw.reference.map(str::to_owned),
        previous: previous.unwrap_or(NO_LEAF),
        leaf: raw.leaf,
        segments: segments(&raw, ciphers)?,
    })
}

fn segments(raw: &Raw<'_>, ciphers: &Ciphers<'_>) -> Result<Vec<CanonicalSegment>, ReadError> {
    let sealed = parse(raw.segments).map_err(|error| crate::record::broken(raw.position, &error))?;
    let mut room = ciphers.room.borrow_mut();
    room.enter(raw.place());
    let mut segments = Vec::with_capacity(sealed.len());
    for (index, sealed) in sealed.iter().enumerate() {
        let content = match ciphers.get(sealed.subject) {
            Ok(None) => Content::Erased,
            Err(_) => Content::Damaged,
            Ok(Some(cipher)) => match room.open_blinded(raw.place(), index as u16, sealed, &cipher) {
                Ok((blind, plain)) => {
                    Content::Open { blind: blind.to_vec(), plaintext: Zeroizing::new(plain.to_vec()) }
                }
                Err(_) => Content::Damaged,
            },
        };
        segments.push(CanonicalSegment { subject: sealed.subject, commitment: sealed.commitment, content });
    }
    Ok(segments)
}
