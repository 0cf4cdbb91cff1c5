//! What a relying party may do at the protocol's endpoints, and how: grants, response modes, keys, lifetimes, what is
//! released to it, where it is told of a logout, how people find it.

use super::registration::{ClientAuthentication, acceptable_uri};
use crate::ids::RelyingPartyId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::str::FromStr;

/// How tokens are come by (RFC 6749 §1.3, RFC 8693).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// A person signs in.
    AuthorizationCode,
    /// Once more, without the person.
    RefreshToken,
    /// The relying party for itself.
    ClientCredentials,
    /// One token for another, on a person's behalf (RFC 8693).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

impl GrantType {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::TokenExchange];

    /// As the protocol writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }
}

/// The text names no grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("grants are authorization_code, refresh_token, client_credentials and token-exchange")]
pub struct UnknownGrant;

impl FromStr for GrantType {
    type Err = UnknownGrant;

    /// The protocol's own name, or `token-exchange` for short.
    fn from_str(text: &str) -> Result<Self, UnknownGrant> {
        let short = (text == "token-exchange").then_some(Self::TokenExchange);
        short.or_else(|| Self::ALL.into_iter().find(|grant| grant.as_str() == text)).ok_or(UnknownGrant)
    }
}

/// How an answer travels to the redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of a redirect.
    Query,
    /// In a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

impl ResponseMode {
    /// As the protocol writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::FormPost => "form_post",
        }
    }
}

/// What tokens for it are signed with (RFC 7518 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    ES256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, for libraries that know no other.
    RS256,
    /// Ed25519 (RFC 8037 §3.1), where the provider is configured to have such keys.
    EdDSA,
}

impl SigningAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ES256, Self::RS256, Self::EdDSA];

    /// As the protocol writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// A public key of the client (RFC 7517, RFC 7518 §6, RFC 8037 §2). It has no member for a private one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientKey {
    /// `EC`, `RSA` or `OKP`.
    pub kty: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// `P-256` or `Ed25519`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// Coordinate, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Coordinate, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// Modulus, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// Exponent, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
}

impl ClientKey {
    /// Whether assertions signed by it can be verified here: P-256, Ed25519, or RSA of 2048 to 4096 bits.
    pub fn is_usable(&self) -> bool {
        let has = |value: &Option<String>| value.as_ref().is_some_and(|value| !value.is_empty() && value.is_ascii());
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) => has(&self.x) && has(&self.y),
            ("OKP", Some("Ed25519")) => has(&self.x),
            // base64url: 4 characters for 3 bytes.
            ("RSA", None) => has(&self.e) && self.n.as_ref().is_some_and(|n| (341..=683).contains(&n.len())),
            _ => false,
        }
    }
}

/// Where the client's public keys are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKeys {
    /// Here (`jwks`).
    Set(Vec<ClientKey>),
    /// At an address of the client's own (`jwks_uri`).
    At(String),
}

/// Where the relying party is told that a session has ended (OpenID Connect Back-Channel Logout 1.0 §2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackchannelLogout {
    /// Its address.
    pub uri: String,
    /// Whether it wants the session's `sid`.
    #[serde(default)]
    pub session_required: bool,
}

/// How long what is issued to it lives, in seconds; without a value, as the provider is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lifetimes {
    /// An access token: 30 s to a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<u32>,
    /// An ID token: 30 s to a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<u32>,
    /// A refresh token's family, from its first token on: a minute to 400 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<u32>,
}

/// A set of rules that the relying party keeps as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityProfile {
    /// OAuth 2.0 with the best practice of RFC 9700, as everybody here.
    #[default]
    Plain,
    /// FAPI 2.0 Security Profile: pushed requests, `private_key_jwt`, tokens bound by DPoP, no RSA of PKCS #1 v1.5.
    Fapi2,
}

impl SecurityProfile {
    /// As on the command line and in the console.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Fapi2 => "fapi2",
        }
    }

    fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

/// Where people find the service, and under which names: what a school's list of services is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceLink {
    /// Its home page (RFC 7591 §2 `client_uri`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_uri: Option<String>,
    /// Where a sign-in begins that somebody else begins (OpenID Connect Core §4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    /// Its name in English; the registration's own is French.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub english_name: Option<String>,
}

impl ServiceLink {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The terms. Their default is what version 1 of the events meant by saying nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// How it may come by tokens.
    pub grant_types: BTreeSet<GrantType>,
    /// How answers may travel to it.
    pub response_modes: BTreeSet<ResponseMode>,
    /// Its public keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<ClientKeys>,
    /// Of the claims that its scopes would release, only these; `None`: all but those that must be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<BTreeSet<String>>,
    /// Relying parties whose services it may ask tokens for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub audiences: BTreeSet<RelyingPartyId>,
    /// Where it is told of a logout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout: Option<BackchannelLogout>,
    /// How long what it gets lives.
    pub lifetimes: Lifetimes,
    /// What its ID tokens are signed with.
    pub id_token_signed_response_alg: SigningAlgorithm,
    /// What userinfo is signed with for it; `None`: userinfo is plain JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<SigningAlgorithm>,
    /// Whether its authorization requests must be pushed first (RFC 9126 §6).
    pub require_pushed_authorization_requests: bool,
    /// Whether its access tokens are always bound to a key (RFC 9449 §5.2).
    pub dpop_bound_access_tokens: bool,
    /// The rules that it keeps as a whole. From here on members came with version 3 of the events, and are left out
    /// where they say what silence meant.
    #[serde(skip_serializing_if = "SecurityProfile::is_plain")]
    pub profile: SecurityProfile,
    /// Where people find it.
    #[serde(skip_serializing_if = "ServiceLink::is_empty")]
    pub link: ServiceLink,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            grant_types: [GrantType::AuthorizationCode].into(),
            response_modes: [ResponseMode::Query, ResponseMode::FormPost].into(),
            keys: None,
            claims: None,
            audiences: BTreeSet::new(),
            backchannel_logout: None,
            lifetimes: Lifetimes::default(),
            id_token_signed_response_alg: SigningAlgorithm::ES256,
            userinfo_signed_response_alg: None,
            require_pushed_authorization_requests: false,
            dpop_bound_access_tokens: false,
            profile: SecurityProfile::Plain,
            link: ServiceLink::default(),
        }
    }
}

/// What is wrong with the terms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTerms {
    /// Nothing may be done.
    #[error("a relying party needs at least one grant type")]
    NoGrant,
    /// Refreshing what was never got.
    #[error("refresh_token needs authorization_code beside it")]
    RefreshAlone,
    /// A client that can't prove to be itself acts for itself.
    #[error("client_credentials and token-exchange are for clients that authenticate")]
    PublicActsAlone,
    /// Nothing answers.
    #[error("a relying party that signs people in needs at least one response mode")]
    NoResponseMode,
    /// No key to verify assertions with.
    #[error("private_key_jwt needs the client's public keys: give a key set or its address")]
    NoKeys,
    /// A key that is of no use here.
    #[error("public keys must be P-256, Ed25519, or RSA of 2048 to 4096 bits")]
    UnusableKey,
    /// An address that can't be fetched from or posted to.
    #[error(
        "`{0}` can't be called: give an absolute https URI without fragment (http only for 127.0.0.1, [::1] and localhost)"
    )]
    Uri(String),
    /// The profile asks for more.
    #[error(
        "the fapi2 profile needs private_key_jwt, pushed requests, DPoP-bound tokens, https addresses, and ES256 or EdDSA: {0} does not fit"
    )]
    Fapi2(&'static str),
    /// A name that says nothing.
    #[error("the English name must not be empty")]
    EnglishName,
    /// A lifetime out of bounds.
    #[error("access and ID tokens live 30 s to a day, refresh tokens a minute to 400 days")]
    Lifetime,
}

impl Terms {
    /// Whether they say no more than version 1 of the events did.
    pub fn are_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Whether people sign in to it.
    pub fn signs_people_in(&self) -> bool {
        self.grant_types.contains(&GrantType::AuthorizationCode)
    }

    /// Whether it may come by tokens this way.
    pub fn allow(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    pub(super) fn validate(&self, authentication: ClientAuthentication) -> Result<(), InvalidTerms> {
        let public = authentication == ClientAuthentication::None;
        if self.grant_types.is_empty() {
            return Err(InvalidTerms::NoGrant);
        }
        if self.allow(GrantType::RefreshToken) && !self.signs_people_in() {
            return Err(InvalidTerms::RefreshAlone);
        }
        if public && (self.allow(GrantType::ClientCredentials) || self.allow(GrantType::TokenExchange)) {
            return Err(InvalidTerms::PublicActsAlone);
        }
        if self.response_modes.is_empty() && self.signs_people_in() {
            return Err(InvalidTerms::NoResponseMode);
        }
        let callable = |uri: &String| if acceptable_uri(uri) { Ok(()) } else { Err(InvalidTerms::Uri(uri.clone())) };
        match &self.keys {
            None if authentication == ClientAuthentication::PrivateKeyJwt => return Err(InvalidTerms::NoKeys),
            Some(ClientKeys::Set(keys)) if keys.is_empty() => return Err(InvalidTerms::NoKeys),
            Some(ClientKeys::Set(keys)) if !keys.iter().all(ClientKey::is_usable) => {
                return Err(InvalidTerms::UnusableKey);
            }
            Some(ClientKeys::At(uri)) => callable(uri)?,
            Some(ClientKeys::Set(_)) | None => {}
        }
        self.backchannel_logout.iter().try_for_each(|logout| callable(&logout.uri))?;
        let link = &self.link;
        [&link.home_uri, &link.initiate_login_uri].into_iter().flatten().try_for_each(callable)?;
        if link.english_name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Err(InvalidTerms::EnglishName);
        }
        if self.profile == SecurityProfile::Fapi2 {
            self.fit_fapi2(authentication)?;
        }
        let Lifetimes { access_token, id_token, refresh_token } = self.lifetimes;
        let short = [access_token, id_token].into_iter().flatten().all(|seconds| (30..=86_400).contains(&seconds));
        if !short || refresh_token.is_some_and(|seconds| !(60..=400 * 86_400).contains(&seconds)) {
            return Err(InvalidTerms::Lifetime);
        }
        Ok(())
    }

    /// FAPI 2.0 Security Profile §5.3.2 and §5.4, as far as a registration can break it.
    fn fit_fapi2(&self, authentication: ClientAuthentication) -> Result<(), InvalidTerms> {
        let algorithms = [Some(self.id_token_signed_response_alg), self.userinfo_signed_response_alg];
        let misfits = [
            (authentication != ClientAuthentication::PrivateKeyJwt, "the client authentication"),
            (self.signs_people_in() && !self.require_pushed_authorization_requests, "requests that are not pushed"),
            (!self.dpop_bound_access_tokens, "access tokens that are not bound"),
            (algorithms.contains(&Some(SigningAlgorithm::RS256)), "RS256"),
        ];
        match misfits.into_iter().find(|(misfit, _)| *misfit) {
            Some((_, what)) => Err(InvalidTerms::Fapi2(what)),
            None => Ok(()),
        }
    }
}
