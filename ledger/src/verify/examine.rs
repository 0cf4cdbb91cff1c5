//! One page of rows, looked at row by row: everything about an event that needs no other event. Pages are examined
//! side by side.

use super::check::{Check, Finding, Findings};
use super::nonces::Use;
use crate::bulk::{Buffers, each_row};
use crate::error::ReadError;
use crate::leaf::{Entry, Hash, NO_LEAF, finish};
use crate::merkle::Frontier;
use crate::record::{AnyEvent, Ciphers, Raw};
use crate::seal::{Cipher, KnownKeys, SealError, Sealed, parse, segments};
use crate::tree::TILE_WIDTH;
use crate::{Ledger, Upcasters};
use domain::context::{Actor, Reason};
use domain::ids::SubjectId;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

/// Looks into an event beyond its leaf: its keys, its segments, its form.
pub(super) type Look = fn(&Raw<'_>, &[Sealed<'_>], &Upcasters, &Ciphers<'_>, &mut Examined);

/// What remains of an event once its page is examined: what chain and tree need.
pub(super) struct Line {
    /// The first bytes of the hash of the stream's type and id.
    pub name: [u8; 16],
    pub position: u64,
    pub sequence: u64,
    pub leaf: Hash,
    /// The entry, its previous leaf blank, in [`Examined::entries`].
    pub entry: Range<usize>,
}

/// An examined page.
#[derive(Default)]
pub(super) struct Examined {
    pub lines: Vec<Line>,
    pub entries: Vec<u8>,
    /// The page as it came, for naming streams in findings.
    pub bytes: Vec<u8>,
    from: u64,
    /// Of its stored leaves, when it is whole.
    pub subtree: Option<Hash>,
    /// The roots of the tiles of 256 stored leaves that it fills.
    pub tiles: Vec<Hash>,
    pub nonces: Vec<Use>,
    pub findings: Findings,
    /// Recorded times of its first and last event, microseconds since the Unix epoch.
    pub times: Option<(i64, i64)>,
    /// Segments opened and found as committed to.
    pub opened: u64,
    /// Segments whose key is destroyed.
    pub erased: u64,
}

impl Examined {
    /// The stream of a line: read again from the page, since it is wanted only where something is wrong.
    pub fn stream(&self, position: u64) -> Option<(String, String)> {
        let mut rows = each_row(&self.bytes, self.from).filter_map(Result::ok);
        let row = rows.find(|row| row.position == position)?;
        Some((row.stream_type.to_owned(), row.stream_id.to_owned()))
    }
}

/// Keys as far as they can be used, and those that can't.
type Keys = (KnownKeys, Findings);

impl Ledger {
    /// Reads and examines the positions `from..from + count`.
    pub(super) async fn examine(
        self,
        from: u64,
        count: u64,
        look: Option<Look>,
        buffers: Buffers,
    ) -> Result<Examined, ReadError> {
        let bytes = self.rows(from, count, &buffers).await?;
        let (bytes, keys) = match look {
            None => (bytes, Keys::default()),
            Some(_) => {
                let parsed = tokio::task::spawn_blocking(move || (subjects(&bytes, from), bytes));
                let (wanted, bytes) = parsed.await.map_err(|_| ReadError::Cancelled)?;
                (bytes, self.usable_keys(wanted).await?)
            }
        };
        let upcasters = self.upcasters();
        let work = move || examine_page(bytes, from, count, look, &upcasters, keys);
        tokio::task::spawn_blocking(work).await.map_err(|_| ReadError::Cancelled)?
    }

    /// The keys of these subjects. One that can't be unwrapped is a finding and keeps no other back.
    async fn usable_keys(&self, Wanted { subjects: wanted, from, to }: Wanted) -> Result<Keys, ReadError> {
        let all = self.keys().get_created(wanted.keys().copied().collect(), from, to).await.map_err(ReadError::from);
        let mut keys = match all {
            Ok(keys) => return Ok((keys, Findings::default())),
            Err(ReadError::Seal(_)) => KnownKeys::default(),
            Err(error) => return Err(error),
        };
        let mut findings = Findings::default();
        for (subject, position) in wanted {
            match self.keys().get([subject]).await.map_err(ReadError::from) {
                Ok(known) => keys.extend(known),
                Err(ReadError::Seal(error)) => {
                    findings.push(Finding::at(Check::SegmentKey, position, format!("key of {subject}: {error}")));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((keys, findings))
    }
}

/// Who has a segment in a page.
#[derive(Default)]
struct Wanted {
    /// And where first.
    subjects: HashMap<SubjectId, u64>,
    /// Recorded times of the page's first and last event, microseconds since the Unix epoch.
    from: i64,
    to: i64,
}

/// Who has a segment in these rows. What can't be parsed is found later.
fn subjects(bytes: &[u8], from: u64) -> Wanted {
    let mut wanted = Wanted { from: i64::MAX, to: i64::MIN, ..Wanted::default() };
    for raw in each_row(bytes, from).filter_map(Result::ok) {
        (wanted.from, wanted.to) = (wanted.from.min(raw.recorded_at), wanted.to.max(raw.recorded_at));
        for sealed in segments(raw.segments).into_iter().flatten().filter_map(Result::ok) {
            wanted.subjects.entry(sealed.subject).or_insert(raw.position);
        }
    }
    wanted
}

fn examine_page(
    bytes: Vec<u8>,
    from: u64,
    count: u64,
    look: Option<Look>,
    upcasters: &Upcasters,
    (keys, findings): Keys,
) -> Result<Examined, ReadError> {
    let mut page = Examined { from, findings, ..Examined::default() };
    page.lines.reserve(usize::try_from(count).unwrap_or_default());
    page.entries.reserve(bytes.len());
    let ciphers = Ciphers::new(&keys);
    let (mut expected, mut subtree, mut tile) = (from, Frontier::default(), Frontier::default());
    for raw in each_row(&bytes, from) {
        let raw = raw?;
        page.place(&raw, &mut expected);
        page.line(&raw, look.map(|look| (look, upcasters, &ciphers)));
        tile.push(raw.leaf);
        if tile.size() == TILE_WIDTH {
            page.tiles.push(tile.root());
            subtree.push_perfect(tile.root(), TILE_WIDTH.trailing_zeros());
            tile = Frontier::default();
        }
    }
    subtree.append(tile);
    page.missing(expected, from + count);
    page.subtree = (subtree.size() == count && page.findings.count(Check::PositionGap) == 0).then(|| subtree.root());
    page.bytes = bytes;
    Ok(page)
}

impl Examined {
    /// The event stands at the next position and was not recorded before the last one.
    fn place(&mut self, raw: &Raw<'_>, expected: &mut u64) {
        self.missing(*expected, raw.position);
        if raw.position < *expected {
            self.findings.push(Finding::at(Check::PositionGap, raw.position, "the position is there twice"));
        }
        *expected = raw.position + 1;
        let first = self.times.map_or(raw.recorded_at, |(first, _)| first);
        if self.times.is_some_and(|(_, last)| raw.recorded_at < last) {
            self.findings.push(earlier(raw.position));
        }
        self.times = Some((first, raw.recorded_at));
    }

    fn missing(&mut self, from: u64, to: u64) {
        for position in from..to {
            self.findings.push(Finding::at(Check::PositionGap, position, "there is no event at this position"));
        }
    }

    fn line(&mut self, raw: &Raw<'_>, look: Option<(Look, &Upcasters, &Ciphers<'_>)>) {
        let mut committed = Vec::new();
        match parse(raw.segments) {
            Err(error) => self.find(Check::SegmentFrame, raw, error.to_string()),
            Ok(sealed) => {
                committed.extend(sealed.iter().map(|sealed| (sealed.subject.0, sealed.commitment)));
                self.nonces.extend(sealed.iter().map(|sealed| Use::new(sealed.nonce, sealed.subject, raw.position)));
                if let Some((look, upcasters, ciphers)) = look {
                    look(raw, &sealed, upcasters, ciphers, self);
                }
            }
        }
        let start = self.entries.len();
        let entry = Entry {
            recorded_at: raw.recorded_at,
            previous: NO_LEAF,
            sequence: raw.sequence,
            effective_at: raw.effective_at,
            command: raw.command,
            event_version: raw.event_version,
            payload: raw.payload,
            stream_type: raw.stream_type,
            stream_id: raw.stream_id,
            event_type: raw.event_type,
            actor: raw.actor,
            on_behalf_of: raw.on_behalf_of,
            reason: raw.reason,
            reference: raw.reference,
            segments: &committed,
        };
        entry.encode_into(&mut self.entries);
        let (position, sequence, leaf) = (raw.position, raw.sequence, raw.leaf);
        let name = name(raw.stream_type, raw.stream_id);
        self.lines.push(Line { name, position, sequence, leaf, entry: start..self.entries.len() });
    }

    fn find(&mut self, check: Check, raw: &Raw<'_>, detail: impl Into<String>) {
        self.findings.push(Finding::at(check, raw.position, detail).in_stream(raw.stream_type, raw.stream_id));
    }
}

/// A name for a stream that needs no allocation of its own.
fn name(stream_type: &str, stream_id: &str) -> [u8; 16] {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    hash.update(stream_type.as_bytes());
    hash.update(&[0]);
    hash.update(stream_id.as_bytes());
    *finish(hash).first_chunk().expect("a hash has more than 16 bytes")
}

/// A recorded time that goes back.
pub(super) fn earlier(position: u64) -> Finding {
    Finding::at(Check::ClockOrder, position, "recorded earlier than the event before it")
}

/// The [`Look`] that opens every segment whose key exists, and decodes the event.
pub(super) fn open<E: AnyEvent>(
    raw: &Raw<'_>,
    sealed: &[Sealed<'_>],
    upcasters: &Upcasters,
    ciphers: &Ciphers<'_>,
    page: &mut Examined,
) {
    let decode = |payload: &[u8]| E::decode(raw.stream_type, payload).map_err(|error| error.to_string());
    let decoded = raw.current(upcasters, decode, E::event_version);
    let mut event = match decoded {
        Ok(event) => Some(event),
        Err(error) => {
            page.find(Check::EventForm, raw, error);
            None
        }
    };
    let decoded = event.is_some();
    let mut fields = event.as_mut().map(|event| event.segments()).unwrap_or_default();
    if decoded && fields.len() != sealed.len() {
        let detail = format!("{} sealed segments for {} personal fields", sealed.len(), fields.len());
        page.find(Check::SegmentSubject, raw, detail);
        fields.clear();
    }
    let mut room = ciphers.room.borrow_mut();
    room.enter(raw.place());
    for (index, segment) in sealed.iter().enumerate() {
        let field = fields.get_mut(index);
        let of_field = field.as_ref().is_none_or(|field| field.subject() == segment.subject);
        if !of_field {
            page.find(Check::SegmentSubject, raw, format!("segment {index} is of another subject than its field"));
        }
        let Some(cipher) = cipher(raw, segment, ciphers, page) else { continue };
        match room.open(raw.place(), index as u16, segment, &cipher) {
            Err(error) => {
                let commitment = matches!(error, SealError::Commitment(_));
                let check = if commitment { Check::SegmentCommitment } else { Check::SegmentOpen };
                page.find(check, raw, error.to_string());
            }
            Ok(plain) => {
                page.opened += 1;
                // serde's message may quote the value.
                if of_field && field.is_some_and(|field| field.reveal(plain).is_err()) {
                    page.find(Check::EventForm, raw, format!("segment {index} is not of its field's type"));
                }
            }
        }
    }
    if raw.actor.parse::<Actor>().is_err() || raw.on_behalf_of.is_some_and(|actor| actor.parse::<Actor>().is_err()) {
        page.find(Check::EventForm, raw, "the actor is none that this version knows");
    }
    if raw.reason.parse::<Reason>().is_err() {
        page.find(Check::EventForm, raw, "the reason is none that this version knows");
    }
}

/// The subject's cipher. None where it was destroyed, which is counted, or is missing, which is found.
fn cipher(raw: &Raw<'_>, segment: &Sealed<'_>, ciphers: &Ciphers<'_>, page: &mut Examined) -> Option<Rc<Cipher>> {
    match ciphers.get(segment.subject) {
        Ok(Some(cipher)) => return Some(cipher),
        Ok(None) => page.erased += 1,
        // One that can't be unwrapped is told once for its page.
        Err(SealError::NoKey(_)) if page.findings.count(Check::SegmentKey) > 0 => {}
        Err(SealError::NoKey(subject)) => {
            page.find(Check::SegmentKey, raw, format!("{subject} has no key, nor is one said to be destroyed"));
        }
        Err(error) => page.find(Check::SegmentKey, raw, error.to_string()),
    }
    None
}
