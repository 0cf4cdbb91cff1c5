//! A relying party: a service that consumes tokens, and what it may ask for.
//!
//! Terms follow OpenID Connect Dynamic Client Registration 1.0 §2 and RP-Initiated Logout 1.0 §3.1.

use crate::event::{event_names, handle_by_decide};
use crate::identifiers::Uai;
use crate::ids::{RelyingPartyId, SecretId};
use crate::personal::{Sealable, Segment};
use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How the client authenticates at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// Public client.
    None,
    /// HTTP Basic with the client secret.
    ClientSecretBasic,
    /// Client secret in the form body.
    ClientSecretPost,
}

/// Which establishments' people a relying party sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Establishments {
    /// All of them (a national téléservice).
    All,
    /// These (a school's portal or mark book).
    Only(BTreeSet<Uai>),
}

impl Establishments {
    /// Whether people of this establishment may be shown.
    pub fn includes(&self, uai: &Uai) -> bool {
        match self {
            Self::All => true,
            Self::Only(served) => served.contains(uai),
        }
    }
}

/// What a relying party is registered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Name shown to users.
    pub name: String,
    /// Exact redirect URIs.
    pub redirect_uris: Vec<String>,
    /// Exact URIs to return to after logout.
    pub post_logout_redirect_uris: Vec<String>,
    /// Scopes it may ask for.
    pub scopes: BTreeSet<String>,
    /// Host that groups relying parties for pairwise subjects (OpenID Connect Core §8.1).
    pub sector_identifier: String,
    /// How it authenticates.
    pub authentication: ClientAuthentication,
    /// Whom it sees.
    pub establishments: Establishments,
}

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
}

/// Facts of a relying party.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RelyingPartyEvent {
    /// It was registered.
    RelyingPartyRegistered {
        /// Its `client_id`.
        id: RelyingPartyId,
        /// Its registration.
        registration: Registration,
        /// Vault row of its client secret's hash.
        secret: Option<SecretId>,
    },
    /// Its registration changed.
    RelyingPartyChanged {
        /// The registration, whole.
        registration: Registration,
    },
    /// Its client secret was replaced.
    ClientSecretReplaced {
        /// Vault row of the new secret's hash.
        secret: SecretId,
    },
    /// It is no longer served.
    RelyingPartyDisabled {},
    /// It is served again.
    RelyingPartyEnabled {},
}

event_names!(RelyingPartyEvent, version "1":
    RelyingPartyRegistered, RelyingPartyChanged, ClientSecretReplaced, RelyingPartyDisabled, RelyingPartyEnabled);

impl Sealable for RelyingPartyEvent {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        match self {
            Self::RelyingPartyRegistered { .. }
            | Self::RelyingPartyChanged { .. }
            | Self::ClientSecretReplaced { .. }
            | Self::RelyingPartyDisabled {}
            | Self::RelyingPartyEnabled {} => vec![],
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
    /// A confidential client needs a secret, a public one has none.
    #[error("a confidential client needs a secret and a public client has none")]
    SecretMismatch,
}

/// What is wrong with a registration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRegistration {
    /// No name.
    #[error("a relying party needs a name that users will recognise")]
    NoName,
    /// No redirect URI.
    #[error("a relying party needs at least one redirect URI")]
    NoRedirectUri,
    /// A redirect URI that can't be allowed.
    #[error(
        "`{0}` can't be a redirect URI: give an absolute https URI without fragment or wildcard (http only for 127.0.0.1, [::1] and localhost)"
    )]
    RedirectUri(String),
    /// `openid` is missing.
    #[error("the scopes must include `openid`")]
    NoOpenidScope,
    /// No sector.
    #[error("a relying party needs a sector identifier (a host name)")]
    NoSector,
}

impl Registration {
    /// Checks what OAuth 2.1 and OpenID Connect ask of a registration.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn validate(&self) -> Result<(), InvalidRegistration> {
        if self.name.trim().is_empty() {
            return Err(InvalidRegistration::NoName);
        }
        if self.redirect_uris.is_empty() {
            return Err(InvalidRegistration::NoRedirectUri);
        }
        for uri in self.redirect_uris.iter().chain(&self.post_logout_redirect_uris) {
            if !acceptable_redirect(uri) {
                return Err(InvalidRegistration::RedirectUri(uri.clone()));
            }
        }
        if !self.scopes.contains("openid") {
            return Err(InvalidRegistration::NoOpenidScope);
        }
        if self.sector_identifier.trim().is_empty() {
            return Err(InvalidRegistration::NoSector);
        }
        Ok(())
    }
}

/// Plain text rules only: the strings are later compared exactly, never parsed.
fn acceptable_redirect(uri: &str) -> bool {
    let host_of = |rest: &str| rest.split(['/', '?']).next().unwrap_or_default().to_owned();
    let plain = !uri.contains(['#', '*', '\\', '@', '"', '<', '>', '\''])
        && uri.is_ascii()
        && !uri.contains(char::is_whitespace);
    let host = match (uri.strip_prefix("https://"), uri.strip_prefix("http://")) {
        (Some(rest), _) => host_of(rest),
        (None, Some(rest)) => {
            let host = host_of(rest);
            let loopback = ["localhost", "127.0.0.1", "[::1]"];
            if !loopback
                .iter()
                .any(|name| host == *name || host.strip_prefix(name).is_some_and(|port| port.starts_with(':')))
            {
                return false;
            }
            host
        }
        (None, None) => return false,
    };
    plain && !host.is_empty()
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
}

impl RelyingParty {
    /// Which facts a command adds.
    ///
    /// # Errors
    /// [`RelyingPartyError`]; nothing is recorded then.
    pub fn decide(&self, command: RelyingPartyCommand) -> Result<Vec<RelyingPartyEvent>, RelyingPartyError> {
        use RelyingPartyCommand as C;
        use RelyingPartyEvent as E;
        let registered = || self.registration.as_ref().ok_or(RelyingPartyError::NotRegistered);
        match command {
            C::Register { id, registration, secret } => {
                if self.id.is_some() {
                    return Err(RelyingPartyError::AlreadyRegistered);
                }
                registration.validate()?;
                if secret.is_none() != (registration.authentication == ClientAuthentication::None) {
                    return Err(RelyingPartyError::SecretMismatch);
                }
                Ok(vec![E::RelyingPartyRegistered { id, registration, secret }])
            }
            C::Change { registration } => {
                let known = registered()?;
                registration.validate()?;
                if self.secret.is_none() != (registration.authentication == ClientAuthentication::None) {
                    return Err(RelyingPartyError::SecretMismatch);
                }
                let changed = *known != registration;
                Ok(changed.then_some(E::RelyingPartyChanged { registration }).into_iter().collect())
            }
            C::ReplaceSecret { secret } => {
                if registered()?.authentication == ClientAuthentication::None {
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
                *self = Self { id: Some(id), registration: Some(registration), secret, enabled: true };
            }
            RelyingPartyEvent::RelyingPartyChanged { registration } => self.registration = Some(registration),
            RelyingPartyEvent::ClientSecretReplaced { secret } => self.secret = Some(secret),
            RelyingPartyEvent::RelyingPartyDisabled {} => self.enabled = false,
            RelyingPartyEvent::RelyingPartyEnabled {} => self.enabled = true,
        }
    }
}

#[cfg(test)]
mod tests;
