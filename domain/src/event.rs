//! The union of all events: what a reader of the whole ledger meets.

use crate::account::{Account, AccountEvent};
use crate::auditor::{Auditor, AuditorEvent};
use crate::establishment::{Establishment, EstablishmentEvent};
use crate::guardian::{Guardian, GuardianEvent};
use crate::ids::SubjectId;
use crate::initial_access::{InitialAccess, InitialAccessEvent};
use crate::ledger_manifest::{LedgerManifest, LedgerManifestEvent};
use crate::personal::{Sealable, Segment, from_json};
use crate::pupil::{Pupil, PupilEvent};
use crate::relying_party::{RelyingParty, RelyingPartyEvent};
use crate::rules::{Rules, RulesEvent};
use cqrs_es::{Aggregate, DomainEvent};

/// An event of any aggregate.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Of a pupil's school record.
    Pupil(PupilEvent),
    /// Of a guardian record.
    Guardian(GuardianEvent),
    /// Of an account.
    Account(AccountEvent),
    /// Of an establishment.
    Establishment(EstablishmentEvent),
    /// Of the daily manifests.
    LedgerManifest(LedgerManifestEvent),
    /// Of a relying party.
    RelyingParty(RelyingPartyEvent),
    /// Of an initial access token.
    InitialAccess(InitialAccessEvent),
    /// Of an auditor.
    Auditor(AuditorEvent),
    /// Of the rules in force.
    Rules(RulesEvent),
}

/// A stored payload could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The stream type is none of this version's aggregates.
    #[error("no aggregate is called `{0}`; a newer version wrote this event")]
    UnknownStream(String),
    /// The JSON does not fit the event's type.
    #[error("the payload does not fit: {0}")]
    Payload(#[from] serde_json::Error),
}

impl Event {
    /// The kinds of streams that this version knows.
    pub const STREAM_TYPES: [&'static str; 8] = [
        Pupil::TYPE,
        Guardian::TYPE,
        Account::TYPE,
        Establishment::TYPE,
        RelyingParty::TYPE,
        InitialAccess::TYPE,
        Auditor::TYPE,
        Rules::TYPE,
    ];

    /// Decodes a payload by the type of its stream. Personal fields are still sealed afterwards.
    ///
    /// # Errors
    /// [`DecodeError`] when the stream type or the payload is not of this version.
    pub fn decode(stream_type: &str, payload: &[u8]) -> Result<Self, DecodeError> {
        match stream_type {
            Pupil::TYPE => Ok(Self::Pupil(from_json(payload)?)),
            Guardian::TYPE => Ok(Self::Guardian(from_json(payload)?)),
            Account::TYPE => Ok(Self::Account(from_json(payload)?)),
            Establishment::TYPE => Ok(Self::Establishment(from_json(payload)?)),
            LedgerManifest::TYPE => Ok(Self::LedgerManifest(from_json(payload)?)),
            RelyingParty::TYPE => Ok(Self::RelyingParty(from_json(payload)?)),
            InitialAccess::TYPE => Ok(Self::InitialAccess(from_json(payload)?)),
            Auditor::TYPE => Ok(Self::Auditor(from_json(payload)?)),
            Rules::TYPE => Ok(Self::Rules(from_json(payload)?)),
            other => Err(DecodeError::UnknownStream(other.to_owned())),
        }
    }

    /// The type of the stream it belongs to, as stored.
    pub fn stream_type(&self) -> &'static str {
        match self {
            Self::Pupil(_) => Pupil::TYPE,
            Self::Guardian(_) => Guardian::TYPE,
            Self::Account(_) => Account::TYPE,
            Self::Establishment(_) => Establishment::TYPE,
            Self::LedgerManifest(_) => LedgerManifest::TYPE,
            Self::RelyingParty(_) => RelyingParty::TYPE,
            Self::InitialAccess(_) => InitialAccess::TYPE,
            Self::Auditor(_) => Auditor::TYPE,
            Self::Rules(_) => Rules::TYPE,
        }
    }

    /// The public part as JSON: what the ledger stores beside the sealed segments.
    ///
    /// # Errors
    /// When a value has no JSON form; no event of this version has such a value.
    pub fn payload(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Pupil(event) => serde_json::to_string(event),
            Self::Guardian(event) => serde_json::to_string(event),
            Self::Account(event) => serde_json::to_string(event),
            Self::Establishment(event) => serde_json::to_string(event),
            Self::LedgerManifest(event) => serde_json::to_string(event),
            Self::RelyingParty(event) => serde_json::to_string(event),
            Self::InitialAccess(event) => serde_json::to_string(event),
            Self::Auditor(event) => serde_json::to_string(event),
            Self::Rules(event) => serde_json::to_string(event),
        }
    }

    /// The stored names of all events, of whichever aggregate.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let own = [PupilEvent::NAMES, GuardianEvent::NAMES, AccountEvent::NAMES, EstablishmentEvent::NAMES];
        let others = [LedgerManifestEvent::NAMES, RelyingPartyEvent::NAMES, InitialAccessEvent::NAMES];
        let others = others.into_iter().chain([AuditorEvent::NAMES, RulesEvent::NAMES]);
        own.into_iter().chain(others).flatten().copied()
    }

    /// The version of its stored form.
    pub fn event_version(&self) -> String {
        match self {
            Self::Pupil(event) => event.event_version(),
            Self::Guardian(event) => event.event_version(),
            Self::Account(event) => event.event_version(),
            Self::Establishment(event) => event.event_version(),
            Self::LedgerManifest(event) => event.event_version(),
            Self::RelyingParty(event) => event.event_version(),
            Self::InitialAccess(event) => event.event_version(),
            Self::Auditor(event) => event.event_version(),
            Self::Rules(event) => event.event_version(),
        }
    }

    /// Whose key was destroyed with this event: everything sealed for them is erased by it, and by nothing else.
    pub fn erases(&self) -> Option<SubjectId> {
        match self {
            Self::Pupil(PupilEvent::PupilErased { pupil, .. }) => Some((*pupil).into()),
            Self::Guardian(GuardianEvent::GuardianErased { guardian, .. }) => Some((*guardian).into()),
            Self::Account(AccountEvent::AccountErased { account, .. }) => Some((*account).into()),
            Self::Pupil(_) | Self::Guardian(_) | Self::Account(_) => None,
            Self::Establishment(_) | Self::LedgerManifest(_) | Self::RelyingParty(_) | Self::InitialAccess(_) => None,
            Self::Auditor(_) | Self::Rules(_) => None,
        }
    }

    /// The names of the events that destroy a key.
    pub const ERASING: [&'static str; 3] = ["AccountErased", "GuardianErased", "PupilErased"];

    /// The event's name, as stored.
    pub fn event_type(&self) -> String {
        match self {
            Self::Pupil(event) => event.event_type(),
            Self::Guardian(event) => event.event_type(),
            Self::Account(event) => event.event_type(),
            Self::Establishment(event) => event.event_type(),
            Self::LedgerManifest(event) => event.event_type(),
            Self::RelyingParty(event) => event.event_type(),
            Self::InitialAccess(event) => event.event_type(),
            Self::Auditor(event) => event.event_type(),
            Self::Rules(event) => event.event_type(),
        }
    }
}

impl Sealable for Event {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        match self {
            Self::Pupil(event) => event.segments(),
            Self::Guardian(event) => event.segments(),
            Self::Account(event) => event.segments(),
            Self::Establishment(event) => event.segments(),
            Self::LedgerManifest(event) => event.segments(),
            Self::RelyingParty(event) => event.segments(),
            Self::InitialAccess(event) => event.segments(),
            Self::Auditor(event) => event.segments(),
            Self::Rules(event) => event.segments(),
        }
    }
}

/// Names the variants of an event enum for the ledger: the stored `event_type` is the variant's name. A variant whose
/// payload has changed names its own version: `LoginAssigned = "2"`.
macro_rules! event_names {
    ($enum:ident, version $version:literal: $($variant:ident $(= $own:literal)?),+ $(,)?) => {
        impl $enum {
            /// The stored names of all variants.
            pub const NAMES: &[&str] = &[$(stringify!($variant)),+];
        }

        impl cqrs_es::DomainEvent for $enum {
            fn event_type(&self) -> String {
                match self {
                    $(Self::$variant { .. } => stringify!($variant).to_owned(),)+
                }
            }

            fn event_version(&self) -> String {
                match self {
                    // The variant's own version, or that of the enum.
                    $(Self::$variant { .. } => [$($own,)? $version][0].to_owned(),)+
                }
            }
        }
    };
}
pub(crate) use event_names;

/// Implements cqrs-es's asynchronous `handle` by the aggregate's own pure `decide`.
macro_rules! handle_by_decide {
    () => {
        async fn handle(
            &mut self,
            command: Self::Command,
            (): &Self::Services,
            sink: &cqrs_es::event_sink::EventSink<Self>,
        ) -> Result<(), Self::Error> {
            for event in self.decide(command)? {
                sink.write(event, self).await;
            }
            Ok(())
        }
    };
}
pub(crate) use handle_by_decide;
