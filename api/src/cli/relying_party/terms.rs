//! The options that say what a relying party may do at the endpoints, for `register` and `change` alike: what is not
//! given stays as it is.

use crate::oidc::client::keys;
use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use domain::ids::RelyingPartyId;
use domain::relying_party::{
    BackchannelLogout, ClientAuthentication, ClientKeys, GrantType, ResponseMode, SecurityProfile, SigningAlgorithm,
    Terms,
};
use std::path::PathBuf;

/// How a client authenticates.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Authentication {
    /// HTTP Basic with the client secret
    Basic,
    /// Client secret in the form body
    Post,
    /// A JWT signed by the client's own key
    PrivateKeyJwt,
    /// None: a public client
    None,
}

impl From<Authentication> for ClientAuthentication {
    fn from(authentication: Authentication) -> Self {
        match authentication {
            Authentication::Basic => Self::ClientSecretBasic,
            Authentication::Post => Self::ClientSecretPost,
            Authentication::PrivateKeyJwt => Self::PrivateKeyJwt,
            Authentication::None => Self::None,
        }
    }
}

/// How answers travel.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// In the query of a redirect
    Query,
    /// In a form that the browser posts
    FormPost,
}

/// What signs.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Algorithm {
    /// ECDSA on P-256
    #[value(name = "ES256")]
    Es256,
    /// RSA
    #[value(name = "RS256")]
    Rs256,
    /// Ed25519, where the service is configured to have such keys
    #[value(name = "EdDSA")]
    EdDsa,
    /// Nothing: plain JSON
    None,
}

impl Algorithm {
    fn read(self) -> Option<SigningAlgorithm> {
        match self {
            Self::Es256 => Some(SigningAlgorithm::ES256),
            Self::Rs256 => Some(SigningAlgorithm::RS256),
            Self::EdDsa => Some(SigningAlgorithm::EdDSA),
            Self::None => None,
        }
    }
}

/// A set of rules kept as a whole.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    /// OAuth 2.0 with its best practice
    Plain,
    /// FAPI 2.0: private-key-jwt, pushed requests, DPoP, no RS256
    Fapi2,
}

/// The options.
#[derive(Debug, Args)]
pub(super) struct TermOptions {
    /// Grants, in place of the present ones: authorization_code, refresh_token, client_credentials, token-exchange
    #[arg(long = "grant", value_name = "GRANT", value_delimiter = ',')]
    grants: Vec<GrantType>,
    /// Response modes, in place of the present ones
    #[arg(long = "response-mode", value_enum, value_name = "MODE", value_delimiter = ',')]
    response_modes: Vec<Mode>,
    /// A file with its public keys (a JWK set)
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    jwks: Option<PathBuf>,
    /// Where it publishes its public keys
    #[arg(long, value_name = "URI")]
    jwks_uri: Option<String>,
    /// Release only these of the claims that its scopes release
    #[arg(long = "claim", value_name = "CLAIM", value_delimiter = ',')]
    claims: Vec<String>,
    /// Release all claims that its scopes release
    #[arg(long, conflicts_with = "claims")]
    all_claims: bool,
    /// Relying parties whose services it calls, by client_id, in place of the present ones
    #[arg(long = "audience", value_name = "CLIENT_ID", value_delimiter = ',')]
    audiences: Vec<RelyingPartyId>,
    /// Where it is told that a session has ended; empty: nowhere
    #[arg(long, value_name = "URI")]
    backchannel_logout_uri: Option<String>,
    /// Whether it wants to be told which session
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    backchannel_logout_session: Option<bool>,
    /// How long its access tokens live, such as 5min
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    access_token_lifetime: Option<std::time::Duration>,
    /// How long its ID tokens live
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    id_token_lifetime: Option<std::time::Duration>,
    /// How long its refresh tokens go on in all
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    refresh_token_lifetime: Option<std::time::Duration>,
    /// What its ID tokens are signed with: ES256, RS256 or EdDSA
    #[arg(long, value_enum, value_name = "ALGORITHM")]
    id_token_alg: Option<Algorithm>,
    /// What userinfo is signed with for it; none: plain JSON
    #[arg(long, value_enum, value_name = "ALGORITHM")]
    userinfo_alg: Option<Algorithm>,
    /// Whether its authorization requests must be pushed first
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    require_pushed_requests: Option<bool>,
    /// Whether its access tokens must be bound to a key by DPoP
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    dpop_bound: Option<bool>,
    /// A set of rules kept as a whole; fapi2 requires pushed requests and DPoP too
    #[arg(long, value_enum, value_name = "PROFILE")]
    profile: Option<Profile>,
    /// Its home page, for the schools' lists of services; empty: none
    #[arg(long, value_name = "URI")]
    home_uri: Option<String>,
    /// Where a sign-in begins that the list of services begins; empty: nowhere
    #[arg(long, value_name = "URI")]
    initiate_login_uri: Option<String>,
    /// Its name in English; empty: as in French
    #[arg(long, value_name = "NAME")]
    english_name: Option<String>,
}

/// What can go wrong, read before anything is changed.
pub(super) struct Read {
    keys: Option<ClientKeys>,
    id_token_alg: Option<SigningAlgorithm>,
}

impl TermOptions {
    /// Reads the file of keys.
    ///
    /// # Errors
    /// It is not there or has no usable key.
    pub(super) fn read(&self) -> anyhow::Result<Read> {
        let keys = match (&self.jwks, &self.jwks_uri) {
            (Some(file), _) => {
                let set = std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))?;
                let keys = keys::read(&set);
                ensure!(
                    !keys.is_empty(),
                    "{} has no usable key: P-256, Ed25519, or RSA of 2048 to 4096 bits",
                    file.display()
                );
                Some(ClientKeys::Set(keys))
            }
            (None, uri) => uri.clone().map(ClientKeys::At),
        };
        let id_token_alg = match self.id_token_alg {
            Some(algorithm) => Some(algorithm.read().context("an ID token is always signed: ES256, RS256 or EdDSA")?),
            None => None,
        };
        Ok(Read { keys, id_token_alg })
    }

    /// Changes the terms to what is given.
    pub(super) fn apply(&self, read: &Read, terms: &mut Terms) {
        if !self.grants.is_empty() {
            terms.grant_types = self.grants.iter().copied().collect();
        }
        if !self.response_modes.is_empty() {
            let mode = |mode: &Mode| match mode {
                Mode::Query => ResponseMode::Query,
                Mode::FormPost => ResponseMode::FormPost,
            };
            terms.response_modes = self.response_modes.iter().map(mode).collect();
        }
        if read.keys.is_some() {
            terms.keys.clone_from(&read.keys);
        }
        if self.all_claims {
            terms.claims = None;
        } else if !self.claims.is_empty() {
            terms.claims = Some(self.claims.iter().cloned().collect());
        }
        if !self.audiences.is_empty() {
            terms.audiences = self.audiences.iter().copied().collect();
        }
        self.apply_logout(terms);
        let seconds = |given: std::time::Duration| u32::try_from(given.as_secs()).unwrap_or(u32::MAX);
        let lifetimes = &mut terms.lifetimes;
        for (given, kept) in [
            (self.access_token_lifetime, &mut lifetimes.access_token),
            (self.id_token_lifetime, &mut lifetimes.id_token),
            (self.refresh_token_lifetime, &mut lifetimes.refresh_token),
        ] {
            *kept = given.map(seconds).or(*kept);
        }
        terms.id_token_signed_response_alg = read.id_token_alg.unwrap_or(terms.id_token_signed_response_alg);
        if let Some(algorithm) = self.userinfo_alg {
            terms.userinfo_signed_response_alg = algorithm.read();
        }
        for (given, kept) in [
            (self.require_pushed_requests, &mut terms.require_pushed_authorization_requests),
            (self.dpop_bound, &mut terms.dpop_bound_access_tokens),
        ] {
            *kept = given.unwrap_or(*kept);
        }
        match self.profile {
            Some(Profile::Plain) => terms.profile = SecurityProfile::Plain,
            Some(Profile::Fapi2) => {
                terms.profile = SecurityProfile::Fapi2;
                (terms.require_pushed_authorization_requests, terms.dpop_bound_access_tokens) = (true, true);
            }
            None => {}
        }
        let link = &mut terms.link;
        for (given, kept) in [
            (&self.home_uri, &mut link.home_uri),
            (&self.initiate_login_uri, &mut link.initiate_login_uri),
            (&self.english_name, &mut link.english_name),
        ] {
            if let Some(given) = given {
                *kept = Some(given.clone()).filter(|given| !given.is_empty());
            }
        }
    }

    /// What tokens are to be signed with, as far as it is said.
    pub(super) fn algorithms(&self) -> impl Iterator<Item = SigningAlgorithm> {
        [self.id_token_alg, self.userinfo_alg].into_iter().flatten().filter_map(Algorithm::read)
    }

    fn apply_logout(&self, terms: &mut Terms) {
        match self.backchannel_logout_uri.as_deref() {
            Some("") => terms.backchannel_logout = None,
            Some(uri) => {
                let known = terms.backchannel_logout.as_ref().is_some_and(|logout| logout.session_required);
                terms.backchannel_logout = Some(BackchannelLogout { uri: uri.to_owned(), session_required: known });
            }
            None => {}
        }
        if let (Some(logout), Some(required)) = (&mut terms.backchannel_logout, self.backchannel_logout_session) {
            logout.session_required = required;
        }
    }
}
