//! What a relying party is registered with.

use super::terms::{InvalidTerms, SecurityProfile, Terms};
use crate::identifiers::Uai;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How the client authenticates at the token endpoint and wherever else it must (OpenID Connect Core §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// Public client.
    None,
    /// HTTP Basic with the client secret.
    ClientSecretBasic,
    /// Client secret in the form body.
    ClientSecretPost,
    /// A JWT signed by the client's own key (RFC 7523 §2.2).
    PrivateKeyJwt,
}

impl ClientAuthentication {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt, Self::None];

    /// As the protocol writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether it rests on a client secret.
    pub fn by_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
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
    /// What it may do at the endpoints, and how. Left out where it says no more than version 1 of the events did,
    /// so that old events and the views built from them keep their form.
    #[serde(default, skip_serializing_if = "Terms::are_plain")]
    pub terms: Terms,
}

/// What is wrong with a registration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRegistration {
    /// No name.
    #[error("a relying party needs a name that users will recognise")]
    NoName,
    /// No redirect URI.
    #[error("a relying party that signs people in needs at least one redirect URI")]
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
    /// The terms contradict themselves or the rest.
    #[error(transparent)]
    Terms(#[from] InvalidTerms),
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
        if self.redirect_uris.is_empty() && self.terms.signs_people_in() {
            return Err(InvalidRegistration::NoRedirectUri);
        }
        for uri in self.redirect_uris.iter().chain(&self.post_logout_redirect_uris) {
            if !acceptable_uri(uri) {
                return Err(InvalidRegistration::RedirectUri(uri.clone()));
            }
        }
        if !self.scopes.contains("openid") && self.terms.signs_people_in() {
            return Err(InvalidRegistration::NoOpenidScope);
        }
        if self.sector_identifier.trim().is_empty() {
            return Err(InvalidRegistration::NoSector);
        }
        if self.terms.profile == SecurityProfile::Fapi2
            && let Some(uri) = self.redirect_uris.iter().find(|uri| !uri.starts_with("https://"))
        {
            return Err(InvalidRegistration::RedirectUri(uri.clone()));
        }
        Ok(self.terms.validate(self.authentication)?)
    }
}

/// Plain text rules only: redirect URIs are later compared exactly, never parsed.
pub(super) fn acceptable_uri(uri: &str) -> bool {
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
