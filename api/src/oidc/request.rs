//! Reading an authorization request: first who asks and where the answer may go, then what is asked.
//!
//! ```text
//! parameters ──▶ Target::prove ──▶ AuthorizationRequest::read ──▶ session, entitlement, code
//!                    │ fails              │ fails
//!                    ▼                    ▼
//!               an error page       an error to the redirect URI
//! ```

use super::error::{ErrorCode, ProtocolError, refuse};
use super::parameters::Parameters;
use super::pkce::Challenge;
use super::requested::{Asked, Requested, WantedAcr};
use super::{redirect_uri, scopes};
use domain::ids::RelyingPartyId;
use domain::relying_party::{GrantType, Registration, RelyingParty};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The longest `state` and `nonce` taken, in bytes: they come back in a URL.
const MAX_OPAQUE: usize = 2048;

pub use domain::relying_party::ResponseMode;
/// Where the answer goes; exists only for a registered client and its own redirect URI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The client.
    pub client: RelyingPartyId,
    /// One of its redirect URIs.
    pub redirect_uri: String,
    /// How.
    pub response_mode: ResponseMode,
    /// Returned unchanged.
    pub state: Option<String>,
}

/// Why a request gets an error page: the answer has nowhere to go that can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// No `client_id`, or two.
    NoClient,
    /// Nobody registered it, or it is disabled.
    UnknownClient,
    /// No `redirect_uri`, or two.
    NoRedirectUri,
    /// Not the client's.
    UnregisteredRedirectUri,
}

/// The `client_id` of a request, if it is one.
///
/// # Errors
/// When it is missing, repeated or no identifier.
pub fn client_id(parameters: &Parameters) -> Result<RelyingPartyId, Unproven> {
    parameters.get("client_id").ok_or(Unproven::NoClient)?.parse().map_err(|_| Unproven::UnknownClient)
}

impl Target {
    /// Proves that the answer may go where the request says. `party` is what the ledger knows of `client_id`.
    ///
    /// # Errors
    /// [`Unproven`]: show a page, redirect nowhere.
    pub fn prove(parameters: &Parameters, party: &RelyingParty) -> Result<Self, Unproven> {
        let client = client_id(parameters)?;
        let registration = match (party.id, &party.registration) {
            (Some(id), Some(registration)) if id == client && party.enabled => registration,
            _ => return Err(Unproven::UnknownClient),
        };
        let redirect_uri = parameters.get("redirect_uri").ok_or(Unproven::NoRedirectUri)?;
        if !redirect_uri::is_registered(registration, redirect_uri) {
            return Err(Unproven::UnregisteredRedirectUri);
        }
        Ok(Self {
            client,
            redirect_uri: redirect_uri.to_owned(),
            // An unknown mode is refused by `read`; until then errors go the ordinary way.
            response_mode: match parameters.get("response_mode") {
                Some("form_post") => ResponseMode::FormPost,
                _ => ResponseMode::Query,
            },
            state: parameters.get("state").filter(|state| state.len() <= MAX_OPAQUE).map(str::to_owned),
        })
    }
}

/// What the client wants of the sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// A present session will do.
    AsNeeded,
    /// No page may be shown.
    None,
    /// The person must sign in anew.
    Login,
    /// The person says with which account to go on.
    SelectAccount,
}

/// A request that can be answered. `login_hint` and `ui_locales` are tolerated and not kept: they may name or
/// describe a person, and this is stored in clear while it waits for the sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Where the answer goes.
    pub target: Target,
    /// What is granted of what was asked.
    pub scopes: BTreeSet<String>,
    /// PKCE.
    pub challenge: Challenge,
    /// Returned in the ID token.
    pub nonce: Option<String>,
    /// What the client wants of the sign-in.
    pub prompt: Prompt,
    /// Whether the person must be asked to agree.
    #[serde(default)]
    pub consent: bool,
    /// How old the sign-in may be, in seconds.
    pub max_age: Option<i64>,
    /// Whom the client expects, by pairwise subject: from `claims`, or from a verified `id_token_hint`.
    pub subject: Option<String>,
    /// The key that tokens must be bound to (RFC 9449 §10).
    #[serde(default)]
    pub dpop_jkt: Option<String>,
    /// Claims asked for by name.
    #[serde(default, skip_serializing_if = "Requested::is_empty")]
    pub claims: Requested,
    /// How the person must have been identified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<WantedAcr>,
}

impl AuthorizationRequest {
    /// Reads what is asked, once the target is proven.
    ///
    /// # Errors
    /// A [`ProtocolError`] to send to the target.
    pub fn read(parameters: &Parameters, target: Target, registration: &Registration) -> Result<Self, ProtocolError> {
        use ErrorCode as E;
        if parameters.any_repeated() {
            return Err(refuse(E::InvalidRequest, "a parameter comes more than once"));
        }
        if parameters.get("request").is_some() {
            return Err(refuse(E::RequestNotSupported, "request objects are not supported"));
        }
        if parameters.get("request_uri").is_some() {
            return Err(refuse(E::RequestUriNotSupported, "request_uri is not supported"));
        }
        if parameters.get("registration").is_some() {
            return Err(refuse(E::RegistrationNotSupported, "the registration parameter is not supported"));
        }
        match parameters.get("response_type") {
            Some("code") => {}
            None => return Err(refuse(E::InvalidRequest, "response_type is missing; only `code` is supported")),
            Some(_) => return Err(refuse(E::UnsupportedResponseType, "only response_type=code is supported")),
        }
        if !matches!(parameters.get("response_mode"), None | Some("query" | "form_post")) {
            return Err(refuse(E::InvalidRequest, "only response_mode query and form_post are supported"));
        }
        if !registration.terms.response_modes.contains(&target.response_mode) {
            return Err(refuse(E::InvalidRequest, "the client is not registered for this response_mode"));
        }
        if !registration.terms.signs_people_in() {
            return Err(refuse(E::UnauthorizedClient, "the client is not registered to sign people in"));
        }
        for opaque in ["state", "nonce"] {
            if parameters.get(opaque).is_some_and(|value| value.len() > MAX_OPAQUE || value.contains('\0')) {
                return Err(refuse(E::InvalidRequest, "state and nonce may have 2048 bytes, without NUL"));
            }
        }
        let mut scopes = scopes::granted(parameters.get("scope").unwrap_or_default(), &registration.scopes);
        if !registration.terms.allow(GrantType::RefreshToken) {
            scopes.remove(scopes::OFFLINE_ACCESS);
        }
        if !scopes.contains(scopes::OPENID) {
            return Err(refuse(E::InvalidScope, "the scope must include openid"));
        }
        let asked = Asked::read(parameters)?;
        Ok(Self {
            scopes,
            challenge: challenge(parameters)?,
            nonce: parameters.get("nonce").map(str::to_owned),
            prompt: prompt(parameters)?,
            consent: parameters.get("prompt").is_some_and(|all| all.split_whitespace().any(|one| one == "consent")),
            max_age: max_age(parameters)?,
            subject: asked.subject,
            dpop_jkt: dpop_jkt(parameters)?,
            claims: asked.claims,
            acr: asked.acr,
            target,
        })
    }
}

fn challenge(parameters: &Parameters) -> Result<Challenge, ProtocolError> {
    let required = refuse(ErrorCode::InvalidRequest, "PKCE is required: send code_challenge with S256");
    let text = parameters.get("code_challenge").ok_or(required)?;
    match parameters.get("code_challenge_method") {
        Some("S256") => {}
        // Without a method RFC 7636 means `plain`.
        _ => return Err(refuse(ErrorCode::InvalidRequest, "code_challenge_method must be S256")),
    }
    Challenge::try_from(text.to_owned())
        .map_err(|_| refuse(ErrorCode::InvalidRequest, "code_challenge must be 43 characters of base64url"))
}

fn prompt(parameters: &Parameters) -> Result<Prompt, ProtocolError> {
    let values: BTreeSet<&str> = parameters.get("prompt").unwrap_or_default().split_whitespace().collect();
    let known = ["none", "login", "consent", "select_account"];
    if values.iter().any(|value| !known.contains(value)) {
        return Err(refuse(ErrorCode::InvalidRequest, "prompt may be none, login, consent or select_account"));
    }
    if values.contains("none") {
        let alone = values.len() == 1;
        return if alone {
            Ok(Prompt::None)
        } else {
            Err(refuse(ErrorCode::InvalidRequest, "prompt=none can't go with another prompt"))
        };
    }
    // Whoever signs in anew has chosen with that.
    Ok(match (values.contains("login"), values.contains("select_account")) {
        (true, _) => Prompt::Login,
        (false, true) => Prompt::SelectAccount,
        (false, false) => Prompt::AsNeeded,
    })
}

fn dpop_jkt(parameters: &Parameters) -> Result<Option<String>, ProtocolError> {
    let Some(text) = parameters.get("dpop_jkt") else { return Ok(None) };
    let thumbprint = text.len() == 43 && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c));
    let refused = refuse(ErrorCode::InvalidRequest, "dpop_jkt must be 43 characters of base64url");
    if thumbprint { Ok(Some(text.to_owned())) } else { Err(refused) }
}

fn max_age(parameters: &Parameters) -> Result<Option<i64>, ProtocolError> {
    let Some(text) = parameters.get("max_age") else { return Ok(None) };
    let plain = text.bytes().all(|c| c.is_ascii_digit());
    // More than a century means no limit; it also keeps the arithmetic from overflowing.
    match text.parse::<u64>() {
        Ok(seconds) if plain => Ok(Some(i64::try_from(seconds).unwrap_or(i64::MAX).min(3_200_000_000))),
        _ => Err(refuse(ErrorCode::InvalidRequest, "max_age must be a number of seconds")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::samples::{self, CALLBACK};
    use domain::relying_party::ClientAuthentication;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn asked(change: &[(&str, Option<&str>)]) -> Parameters {
        let party = samples::party();
        let client = party.id.unwrap().to_string();
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", &client),
            ("redirect_uri", CALLBACK),
            ("scope", "openid profile"),
            ("state", "s"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in change {
            fields.retain(|(known, _)| known != name);
            fields.extend(value.map(|value| (*name, value)));
        }
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Parameters::parse(text.as_bytes())
    }

    fn read(parameters: &Parameters) -> Result<AuthorizationRequest, ErrorCode> {
        let party = samples::party();
        let target = Target::prove(parameters, &party).expect("the target is proven in these tests");
        AuthorizationRequest::read(parameters, target, party.registration.as_ref().unwrap()).map_err(|error| error.code)
    }

    #[test]
    fn a_plain_request_is_understood() {
        let request =
            read(&asked(&[("max_age", Some("60")), ("nonce", Some("n")), ("prompt", Some("login"))])).unwrap();
        assert_eq!(request.target.state.as_deref(), Some("s"));
        assert_eq!(scopes::join(&request.scopes), "openid profile");
        assert_eq!((request.prompt, request.max_age), (Prompt::Login, Some(60)));
        assert_eq!(request.challenge.as_str(), CHALLENGE);
        let stored = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<AuthorizationRequest>(&stored).unwrap(), request);
    }

    #[test]
    fn without_client_or_redirect_uri_there_is_no_target() {
        let party = samples::party();
        let prove = |change| Target::prove(&asked(change), &party).unwrap_err();
        assert_eq!(prove(&[("client_id", None)]), Unproven::NoClient);
        assert_eq!(prove(&[("client_id", Some("x"))]), Unproven::UnknownClient);
        assert_eq!(prove(&[("client_id", Some("00000000-0000-0000-0000-00000000ffff"))]), Unproven::UnknownClient);
        assert_eq!(prove(&[("redirect_uri", None)]), Unproven::NoRedirectUri);
        assert_eq!(prove(&[("redirect_uri", Some("https://example.test/"))]), Unproven::UnregisteredRedirectUri);
        let disabled = RelyingParty { enabled: false, ..samples::party() };
        assert_eq!(Target::prove(&asked(&[]), &disabled), Err(Unproven::UnknownClient));
        let twice = format!("client_id={0}&client_id={0}&redirect_uri={CALLBACK}", party.id.unwrap());
        assert_eq!(Target::prove(&Parameters::parse(twice.as_bytes()), &party), Err(Unproven::NoClient));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_its_own_name() {
        use ErrorCode as E;
        let cases: &[(&str, Option<&str>, E)] = &[
            ("response_type", None, E::InvalidRequest),
            ("response_type", Some("token"), E::UnsupportedResponseType),
            ("response_type", Some("id_token"), E::UnsupportedResponseType),
            ("response_type", Some("code id_token"), E::UnsupportedResponseType),
            ("response_mode", Some("fragment"), E::InvalidRequest),
            ("response_mode", Some("web_message"), E::InvalidRequest),
            ("request", Some("e30.e30."), E::RequestNotSupported),
            ("request_uri", Some("https://example.test/r"), E::RequestUriNotSupported),
            ("registration", Some("{}"), E::RegistrationNotSupported),
            ("scope", None, E::InvalidScope),
            ("scope", Some("profile"), E::InvalidScope),
            ("code_challenge", None, E::InvalidRequest),
            ("code_challenge_method", None, E::InvalidRequest),
            ("code_challenge_method", Some("plain"), E::InvalidRequest),
            ("code_challenge", Some("x"), E::InvalidRequest),
            ("prompt", Some("none login"), E::InvalidRequest),
            ("prompt", Some("surprise"), E::InvalidRequest),
            ("max_age", Some("-1"), E::InvalidRequest),
            ("max_age", Some("+1"), E::InvalidRequest),
            ("max_age", Some("soon"), E::InvalidRequest),
        ];
        for (name, value, code) in cases {
            assert_eq!(read(&asked(&[(name, *value)])), Err(*code), "{name}={value:?}");
        }
    }

    #[test]
    fn scopes_not_registered_are_left_out() {
        let request = read(&asked(&[("scope", Some("openid profile children birthdate offline_access"))])).unwrap();
        assert_eq!(scopes::join(&request.scopes), "children openid profile");
    }

    #[test]
    fn a_repeated_state_is_not_returned() {
        let party = samples::party();
        let text = format!("client_id={}&redirect_uri={CALLBACK}&state=a&state=b", party.id.unwrap());
        let parameters = Parameters::parse(text.as_bytes());
        let target = Target::prove(&parameters, &party).unwrap();
        assert_eq!(target.state, None);
        assert_eq!(read(&parameters), Err(ErrorCode::InvalidRequest));
    }

    #[test]
    fn a_public_client_needs_pkce_like_any_other() {
        let mut party = samples::party();
        if let Some(registration) = &mut party.registration {
            registration.authentication = ClientAuthentication::None;
        }
        let parameters = asked(&[("code_challenge", None)]);
        let target = Target::prove(&parameters, &party).unwrap();
        let refused = AuthorizationRequest::read(&parameters, target, party.registration.as_ref().unwrap());
        assert_eq!(refused.unwrap_err().code, ErrorCode::InvalidRequest);
    }
}
