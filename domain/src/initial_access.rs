//! An initial access token (RFC 7591 §3): what an operator hands out so that a service can register itself, within
//! bounds that the operator sets.
//!
//! ```text
//!   issued ──used──▶ issued with one use less ──▶ … ──▶ used up
//!      └──withdrawn──▶ nothing                          past its end: nothing
//! ```
//!
//! A use and the registration that it allows are one unit: of many attempts at once with the last use, one registers.

use crate::event::{event_names, handle_by_decide};
use crate::ids::{InitialAccessId, RelyingPartyId, SecretId};
use crate::personal::{Sealable, Segment};
use crate::relying_party::{Establishments, Registration};
use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The most registrations that one token allows.
pub const MOST_USES: u32 = 1000;

/// What may be registered with a token. The service that registers chooses among the scopes; the rest is as set here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Scopes that it may choose.
    pub scopes: BTreeSet<String>,
    /// Of what they release, only these claims; `None`: all but those that must be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<BTreeSet<String>>,
    /// Whose people it sees.
    pub establishments: Establishments,
}

impl Bounds {
    /// Whether a registration keeps within them.
    fn hold(&self, registration: &Registration) -> bool {
        registration.scopes.is_subset(&self.scopes)
            && registration.establishments == self.establishments
            && registration.terms.claims == self.claims
            && registration.terms.audiences.is_empty()
    }
}

/// Intentions about an initial access token.
#[derive(Clone, Debug)]
pub enum InitialAccessCommand {
    /// Hand one out.
    Issue {
        /// The token, newly named.
        id: InitialAccessId,
        /// Vault row of its hash.
        token: SecretId,
        /// How many registrations it allows.
        uses: u32,
        /// Until when.
        expires_at: DateTime<Utc>,
        /// Which.
        bounds: Bounds,
    },
    /// Register with it.
    Use {
        /// The relying party, newly named.
        relying_party: RelyingPartyId,
        /// What it registers.
        registration: Box<Registration>,
        /// Now.
        now: DateTime<Utc>,
    },
    /// End it.
    Withdraw,
}

/// Facts of an initial access token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum InitialAccessEvent {
    /// It was handed out.
    InitialAccessTokenIssued {
        /// The token.
        id: InitialAccessId,
        /// Vault row of its hash.
        token: SecretId,
        /// How many registrations it allows.
        uses: u32,
        /// Until when.
        expires_at: DateTime<Utc>,
        /// Which.
        bounds: Bounds,
    },
    /// A relying party was registered with it.
    InitialAccessTokenUsed {
        /// The relying party.
        relying_party: RelyingPartyId,
    },
    /// It is worth nothing any more.
    InitialAccessTokenWithdrawn {},
}

event_names!(InitialAccessEvent, version "1":
    InitialAccessTokenIssued, InitialAccessTokenUsed, InitialAccessTokenWithdrawn);

impl Sealable for InitialAccessEvent {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        match self {
            Self::InitialAccessTokenIssued { .. }
            | Self::InitialAccessTokenUsed { .. }
            | Self::InitialAccessTokenWithdrawn {} => vec![],
        }
    }
}

/// Why a command about an initial access token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitialAccessError {
    /// Nobody handed it out, or it was withdrawn.
    #[error("there is no such initial access token, or it was withdrawn")]
    NotIssued,
    /// It exists already.
    #[error("this initial access token is already issued")]
    AlreadyIssued,
    /// None, or too many.
    #[error("an initial access token allows 1 to {MOST_USES} registrations")]
    Uses,
    /// Its end lies behind.
    #[error("the initial access token has expired")]
    Expired,
    /// Every use was made.
    #[error("the initial access token is used up")]
    UsedUp,
    /// More is asked for than it allows.
    #[error("the initial access token allows these scopes only: {0}")]
    OutOfBounds(String),
}

/// The token as its events make it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InitialAccess {
    /// The token; `None` before it is issued.
    pub id: Option<InitialAccessId>,
    /// Vault row of its hash; `None` once it is withdrawn or used up.
    pub token: Option<SecretId>,
    /// Registrations that it still allows.
    pub uses_left: u32,
    /// Until when.
    pub expires_at: Option<DateTime<Utc>>,
    /// Which.
    pub bounds: Option<Bounds>,
}

impl InitialAccess {
    /// Which facts a command adds.
    ///
    /// # Errors
    /// [`InitialAccessError`]; nothing is recorded then.
    pub fn decide(&self, command: InitialAccessCommand) -> Result<Vec<InitialAccessEvent>, InitialAccessError> {
        use InitialAccessCommand as C;
        use InitialAccessError as X;
        use InitialAccessEvent as E;
        match command {
            C::Issue { id, token, uses, expires_at, bounds } => {
                if self.id.is_some() {
                    return Err(X::AlreadyIssued);
                }
                if !(1..=MOST_USES).contains(&uses) {
                    return Err(X::Uses);
                }
                Ok(vec![E::InitialAccessTokenIssued { id, token, uses, expires_at, bounds }])
            }
            C::Use { relying_party, registration, now } => {
                let (Some(expires_at), Some(bounds)) = (self.expires_at, &self.bounds) else {
                    return Err(X::NotIssued);
                };
                if self.uses_left == 0 {
                    return Err(X::UsedUp);
                }
                if self.token.is_none() {
                    return Err(X::NotIssued);
                }
                if expires_at <= now {
                    return Err(X::Expired);
                }
                if !bounds.hold(&registration) {
                    let scopes: Vec<&str> = bounds.scopes.iter().map(String::as_str).collect();
                    return Err(X::OutOfBounds(scopes.join(" ")));
                }
                Ok(vec![E::InitialAccessTokenUsed { relying_party }])
            }
            C::Withdraw => match (self.id, self.token) {
                (None, _) => Err(X::NotIssued),
                (Some(_), None) => Ok(vec![]),
                (Some(_), Some(_)) => Ok(vec![E::InitialAccessTokenWithdrawn {}]),
            },
        }
    }
}

impl Aggregate for InitialAccess {
    const TYPE: &'static str = "initial_access";
    type Command = InitialAccessCommand;
    type Event = InitialAccessEvent;
    type Error = InitialAccessError;
    type Services = ();

    handle_by_decide!();

    fn apply(&mut self, event: InitialAccessEvent) {
        match event {
            InitialAccessEvent::InitialAccessTokenIssued { id, token, uses, expires_at, bounds } => {
                *self = Self {
                    id: Some(id),
                    token: Some(token),
                    uses_left: uses,
                    expires_at: Some(expires_at),
                    bounds: Some(bounds),
                };
            }
            InitialAccessEvent::InitialAccessTokenUsed { relying_party: _ } => {
                self.uses_left = self.uses_left.saturating_sub(1);
            }
            InitialAccessEvent::InitialAccessTokenWithdrawn {} => self.token = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use uuid::Uuid;

    const ID: InitialAccessId = InitialAccessId(Uuid::from_u128(1));
    const SECRET: SecretId = SecretId(Uuid::from_u128(2));
    const PARTY: RelyingPartyId = RelyingPartyId(Uuid::from_u128(3));

    fn at(hour: u32) -> DateTime<Utc> {
        use chrono::TimeZone;
        Utc.with_ymd_and_hms(2026, 11, 2, hour, 0, 0).unwrap()
    }

    fn within() -> Registration {
        let mut registration = samples::rich_registration();
        registration.terms.audiences.clear();
        registration
    }

    fn issued(uses: u32) -> InitialAccess {
        let registration = within();
        let bounds = Bounds {
            scopes: registration.scopes.clone(),
            claims: registration.terms.claims.clone(),
            establishments: registration.establishments,
        };
        let mut token = InitialAccess::default();
        let issue = InitialAccessCommand::Issue { id: ID, token: SECRET, uses, expires_at: at(12), bounds };
        token.decide(issue).unwrap().into_iter().for_each(|event| token.apply(event));
        token
    }

    fn used(registration: Registration, hour: u32) -> InitialAccessCommand {
        InitialAccessCommand::Use { relying_party: PARTY, registration: Box::new(registration), now: at(hour) }
    }

    #[test]
    fn it_allows_so_many_registrations_and_no_more() {
        let mut token = issued(2);
        for _ in 0..2 {
            let events = token.decide(used(within(), 11)).unwrap();
            events.into_iter().for_each(|event| token.apply(event));
        }
        assert_eq!(token.decide(used(within(), 11)), Err(InitialAccessError::UsedUp));
    }

    #[test]
    fn it_ends_with_its_time_and_when_withdrawn() {
        let mut token = issued(1);
        assert_eq!(token.decide(used(within(), 12)), Err(InitialAccessError::Expired));
        let events = token.decide(InitialAccessCommand::Withdraw).unwrap();
        events.into_iter().for_each(|event| token.apply(event));
        assert_eq!(token.decide(used(within(), 11)), Err(InitialAccessError::NotIssued));
        assert_eq!(token.decide(InitialAccessCommand::Withdraw), Ok(vec![]));
    }

    #[test]
    fn nothing_beyond_its_bounds_is_registered() {
        let token = issued(1);
        let mut more = within();
        more.scopes.insert("ine".to_owned());
        assert!(matches!(token.decide(used(more, 11)), Err(InitialAccessError::OutOfBounds(_))));
        let mut others = within();
        others.establishments = Establishments::Only(BTreeSet::new());
        assert!(matches!(token.decide(used(others, 11)), Err(InitialAccessError::OutOfBounds(_))));
        let mut unbound = within();
        unbound.terms.claims = None;
        assert!(matches!(token.decide(used(unbound, 11)), Err(InitialAccessError::OutOfBounds(_))));
        assert!(token.decide(used(within(), 11)).is_ok());
    }

    #[test]
    fn none_is_issued_for_no_use_or_twice() {
        let bounds = issued(1).bounds.unwrap();
        let issue = |uses| InitialAccessCommand::Issue {
            id: ID,
            token: SECRET,
            uses,
            expires_at: at(12),
            bounds: bounds.clone(),
        };
        assert_eq!(InitialAccess::default().decide(issue(0)), Err(InitialAccessError::Uses));
        assert_eq!(InitialAccess::default().decide(issue(MOST_USES + 1)), Err(InitialAccessError::Uses));
        assert_eq!(issued(1).decide(issue(1)), Err(InitialAccessError::AlreadyIssued));
    }
}
