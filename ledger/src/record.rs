//! One recorded event: from its row to its typed form.

use crate::Upcasters;
use crate::error::ReadError;
use crate::leaf::Hash;
use crate::seal::{Cipher, KnownKeys, Place, Room, SealError, segments};
use crate::unit::parse_version;
use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use domain::context::{Actor, Reason};
use domain::ids::{CommandId, SubjectId};
use domain::personal::{Sealable, from_json};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use uuid::Uuid;

/// What a reader of many streams decodes into: [`domain::Event`], or a program's own union of events.
pub trait AnyEvent: Sealable + Send + Sized + 'static {
    /// Decodes a payload by the type of its stream; personal fields are put back afterwards.
    ///
    /// # Errors
    /// When the stream type or the payload is unknown.
    fn decode(stream_type: &str, payload: &[u8]) -> Result<Self, Box<dyn std::error::Error + Send + Sync>>;

    /// The version of its payload's format that the program knows.
    fn event_version(&self) -> String;
}

impl AnyEvent for domain::Event {
    fn decode(stream_type: &str, payload: &[u8]) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Self::decode(stream_type, payload).map_err(Into::into)
    }

    fn event_version(&self) -> String {
        Self::event_version(self)
    }
}

/// Refuses a payload of a later version than the program knows: even where it fits, it may mean something else.
pub(crate) fn refuse_newer(stored: u16, known: impl FnOnce() -> String) -> Result<(), String> {
    // The first is older than none: most events, which need not ask.
    if stored <= 1 {
        return Ok(());
    }
    match parse_version(&known()) {
        Some(known) if stored > known => {
            Err(format!("its payload is of version {stored}, and this program knows {known}: a newer one wrote it"))
        }
        _ => Ok(()),
    }
}

/// An event as recorded, with its personal data in clear where their keys still exist.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEvent<E = domain::Event> {
    /// Place in the ledger, from 0: gapless, in commit order; also its leaf's index.
    pub position: u64,
    /// Kind of aggregate.
    pub stream_type: String,
    /// Which one.
    pub stream_id: String,
    /// Place in its stream, from 1.
    pub sequence: u64,
    /// When it was recorded; never earlier than the event before it.
    pub recorded_at: DateTime<Utc>,
    /// From when on it holds.
    pub effective_at: DateTime<Utc>,
    /// Who acted.
    pub actor: Actor,
    /// For whom.
    pub on_behalf_of: Option<Actor>,
    /// Why.
    pub reason: Reason,
    /// The command that caused it; events of one command share it.
    pub command: CommandId,
    /// Incident reference of the request.
    pub reference: Option<String>,
    /// Its leaf in the Merkle tree.
    pub leaf: Hash,
    /// What happened.
    pub event: E,
}

/// What an event is, as its row says: known even where its payload can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Kind of aggregate.
    pub stream_type: String,
    /// The event's name.
    pub event_type: String,
}

/// A row of `ledger.event`, borrowed from wherever it was read.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub position: u64,
    pub stream_type: &'a str,
    pub stream_id: &'a str,
    pub sequence: u64,
    pub event_type: &'a str,
    pub event_version: u16,
    pub payload: &'a [u8],
    pub segments: &'a [u8],
    /// Microseconds since the Unix epoch.
    pub recorded_at: i64,
    /// Microseconds since the Unix epoch.
    pub effective_at: i64,
    pub actor: &'a str,
    pub on_behalf_of: Option<&'a str>,
    pub reason: &'a str,
    pub command: Uuid,
    pub reference: Option<&'a str>,
    pub leaf: Hash,
}

/// Ciphers kept ready: those of a family, whose events mostly follow one another.
const READY: usize = 8;

/// The keys for a set of events. A cipher is made when first needed and kept while few others are. For one thread.
pub(crate) struct Ciphers<'k> {
    known: &'k KnownKeys,
    ready: RefCell<VecDeque<(SubjectId, Rc<Cipher>)>>,
    pub(crate) room: RefCell<Room>,
}

impl<'k> Ciphers<'k> {
    pub(crate) fn new(known: &'k KnownKeys) -> Self {
        Self { known, ready: RefCell::default(), room: RefCell::default() }
    }

    /// The subject's cipher; `None` when the key is destroyed.
    pub(crate) fn get(&self, subject: SubjectId) -> Result<Option<Rc<Cipher>>, SealError> {
        if let Some((_, cipher)) = self.ready.borrow().iter().find(|(ready, _)| *ready == subject) {
            return Ok(Some(cipher.clone()));
        }
        let known = self.known.get(&subject).ok_or(SealError::NoKey(subject))?;
        let cipher = known.cipher().map(Rc::new);
        if let Some(cipher) = &cipher {
            let mut ready = self.ready.borrow_mut();
            ready.truncate(READY - 1);
            ready.push_front((subject, cipher.clone()));
        }
        Ok(cipher)
    }
}

/// Who has a segment in this frame.
pub(crate) fn subjects(
    position: u64,
    frame: &[u8],
) -> Result<impl Iterator<Item = Result<SubjectId, ReadError>>, ReadError> {
    let sealed = segments(frame).map_err(|error| broken(position, &error))?;
    Ok(sealed.map(move |sealed| sealed.map(|sealed| sealed.subject).map_err(|error| broken(position, &error))))
}

/// Puts an event's personal fields back.
pub(crate) fn reveal(
    event: &mut impl Sealable,
    place: Place<'_>,
    frame: &[u8],
    ciphers: &Ciphers<'_>,
) -> Result<(), String> {
    if frame.is_empty() && event.segments().is_empty() {
        return Ok(());
    }
    let sealed = segments(frame).map_err(|error| error.to_string())?;
    let fields = event.segments();
    if sealed.left() != fields.len() {
        return Err(format!("{} sealed segments for {} personal fields", sealed.left(), fields.len()));
    }
    let mut room = ciphers.room.borrow_mut();
    room.enter(place);
    for (index, (field, sealed)) in fields.into_iter().zip(sealed).enumerate() {
        let sealed = sealed.map_err(|error| error.to_string())?;
        if field.subject() != sealed.subject {
            return Err(format!("segment {index} is of another subject than its field"));
        }
        match ciphers.get(sealed.subject).map_err(|error| error.to_string())? {
            None => field.erase(),
            Some(cipher) => {
                let plain = room.open(place, index as u16, &sealed, &cipher).map_err(|error| error.to_string())?;
                // serde's message may quote the value.
                field.reveal(plain).map_err(|_| format!("segment {index} is not of its field's type"))?;
            }
        }
    }
    Ok(())
}

impl Raw<'_> {
    pub(crate) fn place(&self) -> Place<'_> {
        Place {
            stream_type: self.stream_type,
            stream_id: self.stream_id,
            sequence: self.sequence,
            event_type: self.event_type,
        }
    }

    /// The payload as the current version would have written it.
    pub(crate) fn current<E>(
        &self,
        upcasters: &Upcasters,
        decode: impl FnOnce(&[u8]) -> Result<E, String>,
        version: impl FnOnce(&E) -> String,
    ) -> Result<E, String> {
        if !upcasters.wants(self.stream_type, self.event_type, self.event_version) {
            let event = decode(self.payload)?;
            refuse_newer(self.event_version, || version(&event))?;
            return Ok(event);
        }
        let old = serde_json::from_slice(self.payload).map_err(|error| error.to_string())?;
        let new = upcasters.apply(self.stream_type, self.event_type, self.event_version, old);
        decode(new.to_string().as_bytes())
    }

    /// The typed event, of whichever aggregate.
    pub(crate) fn decode<E: AnyEvent>(
        &self,
        upcasters: &Upcasters,
        ciphers: &Ciphers<'_>,
    ) -> Result<RecordedEvent<E>, ReadError> {
        let decode = |payload: &[u8]| E::decode(self.stream_type, payload).map_err(|error| error.to_string());
        let event = self.current(upcasters, decode, E::event_version);
        self.complete(event, ciphers)
    }

    /// The typed event of an aggregate known beforehand.
    pub(crate) fn decode_of<E: DomainEvent + Sealable>(
        &self,
        upcasters: &Upcasters,
        ciphers: &Ciphers<'_>,
    ) -> Result<RecordedEvent<E>, ReadError> {
        let decode = |payload: &[u8]| from_json(payload).map_err(|error| error.to_string());
        let event = self.current(upcasters, decode, E::event_version);
        self.complete(event, ciphers)
    }

    fn complete<E: Sealable>(
        &self,
        event: Result<E, String>,
        ciphers: &Ciphers<'_>,
    ) -> Result<RecordedEvent<E>, ReadError> {
        let recorded = || -> Result<RecordedEvent<E>, String> {
            let mut event = event?;
            reveal(&mut event, self.place(), self.segments, ciphers)?;
            let actor = |text: &str| text.parse::<Actor>().map_err(|error| error.to_string());
            Ok(RecordedEvent {
                position: self.position,
                stream_type: self.stream_type.to_owned(),
                stream_id: self.stream_id.to_owned(),
                sequence: self.sequence,
                recorded_at: time(self.recorded_at)?,
                effective_at: time(self.effective_at)?,
                actor: actor(self.actor)?,
                on_behalf_of: self.on_behalf_of.map(actor).transpose()?,
                reason: self.reason.parse::<Reason>().map_err(|error| error.to_string())?,
                command: CommandId(self.command),
                reference: self.reference.map(str::to_owned),
                leaf: self.leaf,
                event,
            })
        };
        recorded().map_err(|reason| ReadError::Event { position: self.position, reason })
    }
}

fn time(micros: i64) -> Result<DateTime<Utc>, String> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| format!("{micros} µs is no time"))
}

pub(crate) fn broken(position: u64, reason: &impl ToString) -> ReadError {
    ReadError::Event { position, reason: reason.to_string() }
}
