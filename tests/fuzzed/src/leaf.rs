//! The encoding that leaves hash: read back by a parser written from its description alone, so that no two entries
//! can have the same bytes.

use crate::bytes::Bytes;
use ledger::leaf::{Entry, Hash, leaf_of, sha256};
use uuid::Uuid;

/// An entry that owns its fields.
#[derive(Debug, PartialEq)]
struct Owned {
    recorded_at: i64,
    previous: Hash,
    sequence: u64,
    effective_at: i64,
    command: Uuid,
    event_version: u16,
    payload_hash: Hash,
    texts: [String; 4],
    on_behalf_of: Option<String>,
    reason: String,
    reference: Option<String>,
    segments: Vec<(Uuid, Hash)>,
}

/// Fields in their order, see [`Bytes`].
///
/// # Panics
/// An entry does not read back as what was written, or hashes to another leaf.
pub fn leaf(data: &[u8]) {
    let mut bytes = Bytes(data);
    let payload_length = u16::from_be_bytes(bytes.array()).into();
    let payload = bytes.take(payload_length);
    let optional = |bytes: &mut Bytes<'_>| (bytes.byte() % 2 == 1).then(|| bytes.text());
    let owned = Owned {
        recorded_at: i64::from_be_bytes(bytes.array()),
        previous: bytes.array(),
        sequence: u64::from_be_bytes(bytes.array()),
        effective_at: i64::from_be_bytes(bytes.array()),
        command: Uuid::from_bytes(bytes.array()),
        event_version: u16::from_be_bytes(bytes.array()),
        payload_hash: sha256(payload),
        texts: [bytes.text(), bytes.text(), bytes.text(), bytes.text()],
        on_behalf_of: optional(&mut bytes),
        reason: bytes.text(),
        reference: optional(&mut bytes),
        segments: (0..bytes.byte() % 8).map(|_| (Uuid::from_bytes(bytes.array()), bytes.array())).collect(),
    };
    let [stream_type, stream_id, event_type, actor] = &owned.texts;
    let entry = Entry {
        recorded_at: owned.recorded_at,
        previous: owned.previous,
        sequence: owned.sequence,
        effective_at: owned.effective_at,
        command: owned.command,
        event_version: owned.event_version,
        payload,
        stream_type,
        stream_id,
        event_type,
        actor,
        on_behalf_of: owned.on_behalf_of.as_deref(),
        reason: &owned.reason,
        reference: owned.reference.as_deref(),
        segments: &owned.segments,
    };
    let encoded = entry.encode();
    assert_eq!(read(&encoded).as_ref(), Some(&owned));
    assert_eq!(entry.leaf(), leaf_of(&encoded));
    // Any bytes at all: what reads as an entry is written the same way.
    if let Some(found) = read(data) {
        assert_eq!(write_by_description(&found), data);
    }
}

fn read(entry: &[u8]) -> Option<Owned> {
    let mut at = Reader(entry);
    if at.array::<1>()? != [1] {
        return None;
    }
    let owned = Owned {
        recorded_at: i64::from_be_bytes(at.array()?),
        previous: at.array()?,
        sequence: u64::from_be_bytes(at.array()?),
        effective_at: i64::from_be_bytes(at.array()?),
        command: Uuid::from_bytes(at.array()?),
        event_version: u16::from_be_bytes(at.array()?),
        payload_hash: at.array()?,
        texts: [at.text()?, at.text()?, at.text()?, at.text()?],
        on_behalf_of: at.optional()?,
        reason: at.text()?,
        reference: at.optional()?,
        segments: {
            let count = u16::from_be_bytes(at.array()?);
            (0..count).map(|_| Some((Uuid::from_bytes(at.array()?), at.array()?))).collect::<Option<_>>()?
        },
    };
    at.0.is_empty().then_some(owned)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn text(&mut self) -> Option<String> {
        let length = u32::from_be_bytes(self.array()?) as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn optional(&mut self) -> Option<Option<String>> {
        match self.array::<1>()? {
            [0] => Some(None),
            [1] => Some(Some(self.text()?)),
            _ => None,
        }
    }
}

fn write_by_description(entry: &Owned) -> Vec<u8> {
    let text = |text: &String| [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat();
    let optional = |value: &Option<String>| value.as_ref().map_or(vec![0], |value| [vec![1], text(value)].concat());
    let mut out = vec![1];
    out.extend(entry.recorded_at.to_be_bytes());
    out.extend(entry.previous);
    out.extend(entry.sequence.to_be_bytes());
    out.extend(entry.effective_at.to_be_bytes());
    out.extend(entry.command.as_bytes());
    out.extend(entry.event_version.to_be_bytes());
    out.extend(entry.payload_hash);
    entry.texts.iter().for_each(|value| out.extend(text(value)));
    out.extend(optional(&entry.on_behalf_of));
    out.extend(text(&entry.reason));
    out.extend(optional(&entry.reference));
    out.extend((entry.segments.len() as u16).to_be_bytes());
    for (subject, commitment) in &entry.segments {
        out.extend(subject.as_bytes());
        out.extend(commitment);
    }
    out
}
