//! What a leaf of the Merkle tree commits to: the *entry*, a fixed binary encoding of one event.
//!
//! `leaf = SHA-256(0x00 ‖ entry)` (RFC 6962, section 2.1). Nothing personal is hashed but behind 32 random bytes
//! that are sealed with the segment: after its key is destroyed the proof still holds, and nobody can test a
//! guessed value against it.
//!
//! Entry, format version 1. Integers are big-endian; *text* is a `u32` length in bytes, then UTF-8.
//!
//! | Offset | Bytes | Field |
//! |-------:|------:|-------|
//! | 0   | 1  | format version, `0x01` |
//! | 1   | 8  | `recorded_at`, microseconds since 1970-01-01T00:00:00Z, signed |
//! | 9   | 32 | leaf of the previous event of the same stream; zeros for a stream's first event |
//! | 41  | 8  | sequence in its stream, from 1 |
//! | 49  | 8  | `effective_at`, microseconds since 1970-01-01T00:00:00Z, signed |
//! | 57  | 16 | command id |
//! | 73  | 2  | event version |
//! | 75  | 32 | SHA-256 of the payload's exact bytes |
//! | 107 | …  | text: stream type |
//! |     | …  | text: stream id |
//! |     | …  | text: event type |
//! |     | …  | text: actor |
//! |     | …  | on behalf of: `0x00`, or `0x01` and a text |
//! |     | …  | text: reason |
//! |     | …  | incident reference: `0x00`, or `0x01` and a text |
//! |     | 2  | number of segments |
//! |     | 48 each | subject (16), then SHA-256(32 random bytes ‖ plaintext) (32) |
//!
//! The position is not in the entry: it is the leaf's index in the tree.

use aws_lc_rs::digest;
use uuid::Uuid;

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// The entry's format version, its first byte.
pub const FORMAT: u8 = 1;

/// What stands for the previous leaf before a stream's first event.
pub const NO_LEAF: Hash = [0; 32];

const RECORDED_AT: std::ops::Range<usize> = 1..9;
const PREVIOUS: std::ops::Range<usize> = 9..41;

/// The fields of one event that its leaf commits to.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Microseconds since the Unix epoch.
    pub recorded_at: i64,
    /// Leaf of the previous event of the same stream, or [`NO_LEAF`].
    pub previous: Hash,
    /// From 1.
    pub sequence: u64,
    /// Microseconds since the Unix epoch.
    pub effective_at: i64,
    /// Id of the command that caused the event.
    pub command: Uuid,
    /// Version of the event's payload format.
    pub event_version: u16,
    /// The payload's exact bytes.
    pub payload: &'a [u8],
    /// Kind of aggregate.
    pub stream_type: &'a str,
    /// Which aggregate.
    pub stream_id: &'a str,
    /// The event's name.
    pub event_type: &'a str,
    /// Who acted, in the text form of [`domain::context::Actor`].
    pub actor: &'a str,
    /// For whom.
    pub on_behalf_of: Option<&'a str>,
    /// Why.
    pub reason: &'a str,
    /// Incident reference of the request.
    pub reference: Option<&'a str>,
    /// Subject and commitment of each sealed segment.
    pub segments: &'a [(Uuid, Hash)],
}

impl Entry<'_> {
    /// The entry's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + 48 * self.segments.len());
        self.encode_into(&mut out);
        out
    }

    /// Appends the entry's bytes.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.extend_from_slice(&self.recorded_at.to_be_bytes());
        out.extend_from_slice(&self.previous);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.effective_at.to_be_bytes());
        out.extend_from_slice(self.command.as_bytes());
        out.extend_from_slice(&self.event_version.to_be_bytes());
        out.extend_from_slice(&sha256(self.payload));
        text(out, self.stream_type);
        text(out, self.stream_id);
        text(out, self.event_type);
        text(out, self.actor);
        optional_text(out, self.on_behalf_of);
        text(out, self.reason);
        optional_text(out, self.reference);
        out.extend_from_slice(&(self.segments.len() as u16).to_be_bytes());
        for (subject, commitment) in self.segments {
            out.extend_from_slice(subject.as_bytes());
            out.extend_from_slice(commitment);
        }
    }

    /// The leaf: what the tree holds at the event's position.
    pub fn leaf(&self) -> Hash {
        leaf_of(&self.encode())
    }
}

/// Puts in the two fields that only the writer knows, under the head's lock.
pub(crate) fn complete(entry: &mut [u8], recorded_at: i64, previous: &Hash) {
    entry[RECORDED_AT].copy_from_slice(&recorded_at.to_be_bytes());
    entry[PREVIOUS].copy_from_slice(previous);
}

/// The leaf of an entry whose previous leaf is still blank.
pub(crate) fn leaf_after(previous: &Hash, entry: &[u8]) -> Hash {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&[0]);
    hash.update(&entry[..PREVIOUS.start]);
    hash.update(previous);
    hash.update(&entry[PREVIOUS.end..]);
    finish(hash)
}

/// SHA-256(0x00 ‖ entry), RFC 6962's leaf hash.
pub fn leaf_of(entry: &[u8]) -> Hash {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&[0]);
    hash.update(entry);
    finish(hash)
}

/// Plain SHA-256.
pub fn sha256(bytes: &[u8]) -> Hash {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

pub(crate) fn finish(hash: digest::Context) -> Hash {
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn optional_text(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(1);
            text(out, value);
        }
    }
}
