//! The circumstances of a command: who acts, for whom, why, and under which incident reference.
//!
//! They are written into the header of every event the command causes and so into its proof.

use crate::ids::{AccountId, CommandId, ImportId, RelyingPartyId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Who acts. Its text form (`account:…`, `operator:…`) is what the ledger stores.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Actor {
    /// The service itself: schedules, expiries, consequences of rules.
    Service,
    /// A run of the school data import.
    Import(ImportId),
    /// The holder of an account, signed in or proving to be so.
    Account(AccountId),
    /// Staff, by an opaque staff number, never by name.
    Operator(String),
    /// A relying party acting by itself.
    RelyingParty(RelyingPartyId),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => f.write_str("service"),
            Self::Import(id) => write!(f, "import:{id}"),
            Self::Account(id) => write!(f, "account:{id}"),
            Self::Operator(number) => write!(f, "operator:{number}"),
            Self::RelyingParty(id) => write!(f, "relying-party:{id}"),
        }
    }
}

/// The text is not an actor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an actor (service, import:…, account:…, operator:… or relying-party:…)")]
pub struct UnknownActor(pub String);

impl FromStr for Actor {
    type Err = UnknownActor;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownActor(s.to_owned());
        match s.split_once(':') {
            None if s == "service" => Ok(Self::Service),
            Some(("import", id)) => id.parse().map(Self::Import).map_err(|_| unknown()),
            Some(("account", id)) => id.parse().map(Self::Account).map_err(|_| unknown()),
            Some(("operator", number)) if !number.is_empty() => Ok(Self::Operator(number.to_owned())),
            Some(("relying-party", id)) => id.parse().map(Self::RelyingParty).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

impl TryFrom<String> for Actor {
    type Error = UnknownActor;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.to_string()
    }
}

/// Why a command was given; one word of a closed vocabulary, so that a timeline can be read in any language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The school's file says so.
    SchoolData,
    /// The holder asked for it.
    OwnRequest,
    /// Support did it at the holder's request.
    SupportRequest,
    /// An operator set something up.
    Administration,
    /// A rule of the service required it.
    Rule,
}

impl Reason {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SchoolData => "school-data",
            Self::OwnRequest => "own-request",
            Self::SupportRequest => "support-request",
            Self::Administration => "administration",
            Self::Rule => "rule",
        }
    }
}

/// The text is not a known reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a known reason")]
pub struct UnknownReason(pub String);

impl FromStr for Reason {
    type Err = UnknownReason;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        [Self::SchoolData, Self::OwnRequest, Self::SupportRequest, Self::Administration, Self::Rule]
            .into_iter()
            .find(|reason| reason.as_str() == s)
            .ok_or_else(|| UnknownReason(s.to_owned()))
    }
}

/// The circumstances of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The command's own id: its events share it, over however many streams.
    pub command: CommandId,
    /// Who acts.
    pub actor: Actor,
    /// For whom, when the actor acts for someone else.
    pub on_behalf_of: Option<Actor>,
    /// Why.
    pub reason: Reason,
    /// The incident reference of the request that brought the command, if a request did.
    pub reference: Option<String>,
    /// From when on the facts hold; may lie before the moment they are recorded (a departure told late).
    pub effective_at: DateTime<Utc>,
}
