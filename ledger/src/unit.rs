//! What one command wants recorded: all of it or nothing.

use crate::leaf::Hash;
use chrono::{DateTime, Utc};
use cqrs_es::{Aggregate, DomainEvent};
use domain::context::Context;
use domain::ids::{SecretId, SubjectId};
use domain::personal::Sealable;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The events of one command over any number of streams, with what must change in the same transaction.
///
/// ```ignore
/// Unit::new(context)
///     .stream::<Account>(&id, loaded.version, events)
///     .claim("login", &id, ledger.lookup_hash("login", &login))
///     .outbox(message)
/// ```
pub struct Unit {
    pub(crate) context: Context,
    pub(crate) streams: Vec<StreamChange>,
    pub(crate) claims: Vec<Reservation>,
    pub(crate) releases: Vec<Reservation>,
    pub(crate) vault: Vec<VaultChange>,
    pub(crate) outbox: Vec<OutboxMessage>,
    pub(crate) erase: Vec<SubjectId>,
    /// The first thing found wrong while building; reported when the unit is appended.
    pub(crate) fault: Option<String>,
}

/// Events to add to one stream.
pub(crate) struct StreamChange {
    pub stream_type: &'static str,
    pub stream_id: String,
    pub expected: u64,
    pub events: Vec<PlainEvent>,
}

/// An event with its personal data still in clear. No `Debug`.
pub(crate) struct PlainEvent {
    pub event_type: String,
    pub event_version: u16,
    pub payload: String,
    pub segments: Vec<(SubjectId, Zeroizing<Vec<u8>>)>,
}

/// A value that must be unique within its kind, by its keyed hash, and who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reservation {
    /// Namespace: `ine`, `login`, ….
    pub kind: String,
    /// Who holds the value.
    pub owner: String,
    /// [`crate::Ledger::lookup_hash`] of the value.
    pub hash: Hash,
}

/// A change of the vault.
pub enum VaultChange {
    /// Stores a secret under a new id.
    Put {
        /// The id that the event names.
        id: SecretId,
        /// What it is for, e.g. `password`.
        kind: &'static str,
        /// The secret itself; sealed by the master key before it leaves the process.
        secret: Zeroizing<Vec<u8>>,
        /// When it stops being valid and may be deleted.
        expires_at: Option<DateTime<Utc>>,
    },
    /// Deletes a secret: replaced, used or withdrawn. No error when it is already gone.
    Delete(SecretId),
}

/// A message to send once the unit is recorded.
pub struct OutboxMessage {
    /// Chosen by the caller; the same id is never stored twice.
    pub id: Uuid,
    /// `sms`, `mail`, ….
    pub channel: &'static str,
    /// What the channel needs, addresses included; sealed by the master key.
    pub body: Zeroizing<Vec<u8>>,
    /// Not to be sent before.
    pub not_before: DateTime<Utc>,
    /// Pointless after: never tried again later than this.
    pub not_after: Option<DateTime<Utc>>,
    /// An earlier message that this one makes pointless: dropped if it is still pending.
    pub replaces: Option<Uuid>,
}

/// Where a unit landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Position of its first event; for a unit without events, the ledger's size.
    pub first: u64,
    /// How many events it had.
    pub count: u64,
}

impl Appended {
    /// Position of the last event: what a projection must have passed for the caller to read its own write.
    /// `None` for a unit without events.
    pub fn last(&self) -> Option<u64> {
        self.count.checked_sub(1).map(|behind| self.first + behind)
    }
}

impl Unit {
    /// An empty unit under these circumstances.
    pub fn new(context: Context) -> Self {
        let fault = [context.actor.to_string()]
            .into_iter()
            .chain(context.on_behalf_of.as_ref().map(ToString::to_string))
            .chain(context.reference.clone())
            .any(|text| text.contains('\0'))
            .then(|| "a NUL character in the actor or the reference".to_owned());
        Self {
            context,
            streams: Vec::new(),
            claims: Vec::new(),
            releases: Vec::new(),
            vault: Vec::new(),
            outbox: Vec::new(),
            erase: Vec::new(),
            fault,
        }
    }

    /// Adds events to a stream that is at version `expected` (0: does not exist yet).
    ///
    /// A second call for the same stream continues it: its `expected` counts the events of the first.
    #[must_use]
    pub fn stream<A>(mut self, id: &str, expected: u64, events: Vec<A::Event>) -> Self
    where
        A: Aggregate,
        A::Event: Sealable,
    {
        self.push::<A>(id, expected, events);
        self
    }

    /// [`Unit::stream`] for callers that fill a unit in a loop.
    pub fn push<A>(&mut self, id: &str, expected: u64, events: Vec<A::Event>)
    where
        A: Aggregate,
        A::Event: Sealable,
    {
        if events.is_empty() {
            return;
        }
        if id.is_empty() || id.contains('\0') {
            self.fault.get_or_insert_with(|| format!("a stream of {} has an empty id or one with NUL", A::TYPE));
        }
        let mut plain = Vec::with_capacity(events.len());
        for event in events {
            match PlainEvent::new(event) {
                Ok(event) => plain.push(event),
                Err(reason) => {
                    self.fault.get_or_insert(reason);
                }
            }
        }
        self.streams.push(StreamChange { stream_type: A::TYPE, stream_id: id.to_owned(), expected, events: plain });
    }

    /// Claims a unique value. Claiming again what the same owner already holds is no error.
    #[must_use]
    pub fn claim(mut self, kind: &str, owner: impl Into<String>, hash: Hash) -> Self {
        self.claims.push(Reservation { kind: kind.to_owned(), owner: owner.into(), hash });
        self
    }

    /// Gives a value up, if this owner holds it. Releases come before the claims of the same unit.
    #[must_use]
    pub fn release(mut self, kind: &str, owner: impl Into<String>, hash: Hash) -> Self {
        self.releases.push(Reservation { kind: kind.to_owned(), owner: owner.into(), hash });
        self
    }

    /// Changes the vault.
    #[must_use]
    pub fn vault(mut self, change: VaultChange) -> Self {
        self.vault.push(change);
        self
    }

    /// Queues a message.
    #[must_use]
    pub fn outbox(mut self, message: OutboxMessage) -> Self {
        self.outbox.push(message);
        self
    }

    /// Destroys a person's key: everything sealed with it reads as erased from then on. The unit must hold the
    /// event that says so.
    #[must_use]
    pub fn erase(mut self, subject: impl Into<SubjectId>) -> Self {
        self.erase.push(subject.into());
        self
    }

    /// Whose personal data its events hold; repeated as often as there are fields.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = SubjectId> {
        let events = self.streams.iter().flat_map(|stream| &stream.events);
        events.flat_map(|event| &event.segments).map(|(subject, _)| *subject)
    }

    /// Who is the subject of a stream that begins with this unit.
    pub(crate) fn newcomers(&self) -> impl Iterator<Item = SubjectId> {
        let begun = self.streams.iter().filter(|stream| stream.expected == 0);
        begun.filter_map(|stream| stream.stream_id.parse().ok().map(SubjectId))
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.streams.iter().map(|stream| stream.events.len()).sum()
    }

    /// Whether the unit would change nothing at all.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
            && self.claims.is_empty()
            && self.releases.is_empty()
            && self.vault.is_empty()
            && self.outbox.is_empty()
            && self.erase.is_empty()
    }

    /// The circumstances it is recorded under.
    pub fn context(&self) -> &Context {
        &self.context
    }
}

impl PlainEvent {
    fn new<E: DomainEvent + Sealable>(mut event: E) -> Result<Self, String> {
        let event_type = event.event_type();
        let event_version = parse_version(&event.event_version())
            .ok_or_else(|| format!("{event_type}: its version must be a number from 1 to 32767"))?;
        let payload = serde_json::to_string(&event).map_err(|error| format!("{event_type}: {error}"))?;
        let mut segments = Vec::new();
        for segment in event.segments() {
            let plaintext = segment
                .plaintext()
                .ok_or_else(|| format!("{event_type}: personal data of {} is not in clear", segment.subject()))?;
            segments.push((segment.subject(), Zeroizing::new(plaintext)));
        }
        if segments.len() > usize::from(u16::MAX) {
            return Err(format!("{event_type}: more than {} personal fields", u16::MAX));
        }
        Ok(Self { event_type, event_version, payload, segments })
    }
}

/// Event versions are plain numbers in the ledger; cqrs-es hands them over as text.
pub(crate) fn parse_version(text: &str) -> Option<u16> {
    text.parse().ok().filter(|version| (1..=i16::MAX as u16).contains(version))
}
