//! A relying party: a service that consumes tokens, and what it may ask for.
//!
//! Terms follow OpenID Connect Dynamic Client Registration 1.0 §2 and RP-Initiated Logout 1.0 §3.1.

use crate::event::{event_names, handle_by_decide};
use crate::ids::{RelyingPartyId, SecretId};
use crate::personal::{Sealable, Segment};
use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};

mod registration;
mod terms;

pub use registration::{ClientAuthentication, Establishments, InvalidRegistration, Registration};
pub use terms::{
    BackchannelLogout, ClientKey, ClientKeys, GrantType, InvalidTerms, Lifetimes, ResponseMode, SecurityProfile,
    ServiceLink, SigningAlgorithm, Terms,
};

/// Intentions about a relying party.
#[derive(Clone, Debug)]
pub enum RelyingPartyCommand {
    /// Register it.
    Register {
        /// Its `client_id`, newly named.
        id: RelyingPartyId,
        /// Its registration.
        registration: Registration,
        /// Vault row of its client secret's hash, for confidential clients.
        secret: Option<SecretId>,
    },
    /// Change its registration.
    Change {
        /// The registration, whole.
        registration: Registration,
        /// Vault row of a new client secret's hash, where it begins to authenticate by one.
        secret: Option<SecretId>,
    },
    /// Give it another client secret.
    ReplaceSecret {
        /// Vault row of the new secret's hash.
        secret: SecretId,
    },
    /// Stop serving it.
    Disable,
    /// Serve it again.
    Enable,
    /// Let whoever holds this token read, change and end the registration (RFC 7592 §3).
    IssueRegistrationToken {
        /// Vault row of the token's hash.
        token: SecretId,
    },
    /// End the registration for good (RFC 7592 §2.3).
    Deregister,
}

/// Facts of a relying party.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RelyingPartyEvent {
    /// It was registered.
    RelyingPartyRegistered {
        /// Its `client_id`.
        id: RelyingPartyId,
        /// Its registration.
        registration: Box<Registration>,
        /// Vault row of its client secret's hash.
        secret: Option<SecretId>,
    },
    /// Its registration changed.
    RelyingPartyChanged {
        /// The registration, whole.
        registration: Box<Registration>,
    },
    /// Its client secret was replaced.
    ClientSecretReplaced {
        /// Vault row of the new secret's hash.
        secret: SecretId,
    },
    /// It authenticates without a client secret from now on; the former one is worth nothing.
    ClientSecretWithdrawn {},
    /// It is no longer served.
    RelyingPartyDisabled {},
    /// It is served again.
    RelyingPartyEnabled {},
    /// Whoever holds this token may read, change and end the registration; a former one may no longer.
    RegistrationTokenIssued {
        /// Vault row of the token's hash.
        token: SecretId,
    },
    /// Its registration has ended for good: its `client_id` is never served again.
    RelyingPartyDeregistered {},
}

// Versions 2 and 3 say more of a registration (see `Terms`). What an earlier one did not say reads as it was meant then.
event_names!(RelyingPartyEvent, version "2":
    RelyingPartyRegistered = "3", RelyingPartyChanged = "3", ClientSecretReplaced, ClientSecretWithdrawn,
    RelyingPartyDisabled, RelyingPartyEnabled, RegistrationTokenIssued = "1", RelyingPartyDeregistered = "1");

impl Sealable for RelyingPartyEvent {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        match self {
            Self::RelyingPartyRegistered { .. }
            | Self::RelyingPartyChanged { .. }
            | Self::ClientSecretReplaced { .. }
            | Self::ClientSecretWithdrawn {}
            | Self::RelyingPartyDisabled {}
            | Self::RelyingPartyEnabled {}
            | Self::RegistrationTokenIssued { .. }
            | Self::RelyingPartyDeregistered {} => vec![],
        }
    }
}

/// Why a command about a relying party is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelyingPartyError {
    /// Nobody registered it.
    #[error("this relying party is not registered")]
    NotRegistered,
    /// It exists already.
    #[error("this relying party is already registered")]
    AlreadyRegistered,
    /// The registration can't work or can't be trusted.
    #[error("{0}")]
    Invalid(#[from] InvalidRegistration),
    /// A client that authenticates by secret needs one, any other has none.
    #[error("a client that authenticates by secret needs one, and any other has none")]
    SecretMismatch,
    /// Its registration has ended for good.
    #[error("the registration of this relying party has ended; register it anew")]
    Deregistered,
}

/// The relying party as its events make it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RelyingParty {
    /// Its `client_id`; `None` before registration.
    pub id: Option<RelyingPartyId>,
    /// Its registration.
    pub registration: Option<Registration>,
    /// Vault row of its client secret's hash.
    pub secret: Option<SecretId>,
    /// Whether it is served.
    pub enabled: bool,
    /// Vault row of the hash of the token by which its developer manages the registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_token: Option<SecretId>,
    /// Its registration has ended for good.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deregistered: bool,
}

impl RelyingParty {
    /// Which facts a command adds.
    ///
    /// # Errors
    /// [`RelyingPartyError`]; nothing is recorded then.
    pub fn decide(&self, command: RelyingPartyCommand) -> Result<Vec<RelyingPartyEvent>, RelyingPartyError> {
        use RelyingPartyCommand as C;
        use RelyingPartyEvent as E;
        let registered = || match &self.registration {
            Some(_) if self.deregistered => Err(RelyingPartyError::Deregistered),
            Some(registration) => Ok(registration),
            None => Err(RelyingPartyError::NotRegistered),
        };
        match command {
            C::Register { id, registration, secret } => {
                if self.id.is_some() {
                    return Err(RelyingPartyError::AlreadyRegistered);
                }
                registration.validate()?;
                if secret.is_some() != registration.authentication.by_secret() {
                    return Err(RelyingPartyError::SecretMismatch);
                }
                Ok(vec![E::RelyingPartyRegistered { id, registration: registration.into(), secret }])
            }
            C::Change { registration, secret } => {
                let known = registered()?;
                registration.validate()?;
                let by_secret = registration.authentication.by_secret();
                // A new secret exactly where none was and one is needed now.
                if secret.is_some() != (by_secret && self.secret.is_none()) {
                    return Err(RelyingPartyError::SecretMismatch);
                }
                let mut events = Vec::new();
                if *known != registration {
                    events.push(E::RelyingPartyChanged { registration: registration.into() });
                }
                events.extend(secret.map(|secret| E::ClientSecretReplaced { secret }));
                if self.secret.is_some() && !by_secret {
                    events.push(E::ClientSecretWithdrawn {});
                }
                Ok(events)
            }
            C::ReplaceSecret { secret } => {
                if !registered()?.authentication.by_secret() {
                    return Err(RelyingPartyError::SecretMismatch);
                }
                Ok(vec![E::ClientSecretReplaced { secret }])
            }
            C::Disable => {
                registered()?;
                Ok(self.enabled.then_some(E::RelyingPartyDisabled {}).into_iter().collect())
            }
            C::Enable => {
                registered()?;
                Ok((!self.enabled).then_some(E::RelyingPartyEnabled {}).into_iter().collect())
            }
            C::IssueRegistrationToken { token } => {
                registered()?;
                Ok(vec![E::RegistrationTokenIssued { token }])
            }
            C::Deregister => {
                registered()?;
                Ok(vec![E::RelyingPartyDeregistered {}])
            }
        }
    }
}

impl Aggregate for RelyingParty {
    const TYPE: &'static str = "relying_party";
    type Command = RelyingPartyCommand;
    type Event = RelyingPartyEvent;
    type Error = RelyingPartyError;
    type Services = ();

    handle_by_decide!();

    fn apply(&mut self, event: RelyingPartyEvent) {
        match event {
            RelyingPartyEvent::RelyingPartyRegistered { id, registration, secret } => {
                *self =
                    Self { id: Some(id), registration: Some(*registration), secret, enabled: true, ..Self::default() };
            }
            RelyingPartyEvent::RelyingPartyChanged { registration } => self.registration = Some(*registration),
            RelyingPartyEvent::ClientSecretReplaced { secret } => self.secret = Some(secret),
            RelyingPartyEvent::ClientSecretWithdrawn {} => self.secret = None,
            RelyingPartyEvent::RelyingPartyDisabled {} => self.enabled = false,
            RelyingPartyEvent::RelyingPartyEnabled {} => self.enabled = true,
            RelyingPartyEvent::RegistrationTokenIssued { token } => self.registration_token = Some(token),
            RelyingPartyEvent::RelyingPartyDeregistered {} => {
                (self.secret, self.registration_token) = (None, None);
                (self.enabled, self.deregistered) = (false, true);
            }
        }
    }
}

#[cfg(test)]
mod tests;
