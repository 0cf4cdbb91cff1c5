//! What relying parties read first: the provider's metadata and its public keys.

use super::{client, dpop, scopes, tokens};
use crate::app::App;
use crate::config::Oidc;
use crate::incident::AppError;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::relying_party::{ClientAuthentication, GrantType, SigningAlgorithm};
use serde_json::{Value, json};

/// Paths of the endpoints, for the router and the metadata.
pub mod path {
    /// Metadata.
    pub const DISCOVERY: &str = "/.well-known/openid-configuration";
    /// Public keys.
    pub const JWKS: &str = "/jwks";
    /// Authorization endpoint.
    pub const AUTHORIZE: &str = "/authorize";
    /// Where the browser comes back after signing in.
    pub const CONTINUE: &str = "/authorize/continue";
    /// Where the person's agreement is sent.
    pub const CONSENT: &str = "/authorize/consent";
    /// Where the choice of an account is sent.
    pub const CHOOSE: &str = "/authorize/choose";
    /// Pushed authorization requests.
    pub const PAR: &str = "/par";
    /// Token endpoint.
    pub const TOKEN: &str = "/token";
    /// Introspection endpoint.
    pub const INTROSPECT: &str = "/introspect";
    /// Revocation endpoint.
    pub const REVOKE: &str = "/revoke";
    /// Userinfo endpoint.
    pub const USERINFO: &str = "/userinfo";
    /// RP-initiated logout.
    pub const END_SESSION: &str = "/end-session";
    /// Where services register themselves.
    pub const REGISTER: &str = "/register";
    /// Where one manages its registration.
    pub const REGISTERED: &str = "/register/{client_id}";
    /// Where its confirmation is sent.
    pub const END_SESSION_CONFIRM: &str = "/end-session/confirm";
}

/// `GET /.well-known/openid-configuration` (OpenID Connect Discovery 1.0 §4; RFC 8414).
pub async fn metadata(State(app): State<App>) -> Response {
    public(metadata_of(&app.config.origin(), &app.config.oidc), 3600)
}

/// Built from the configured origin only, never from the request.
pub(super) fn metadata_of(issuer: &str, config: &Oidc) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    let of_tokens = ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"];
    let confidential: Vec<&str> = ClientAuthentication::ALL
        .into_iter()
        .filter(|method| *method != ClientAuthentication::None)
        .map(ClientAuthentication::as_str)
        .collect();
    let offered = |one: &SigningAlgorithm| config.eddsa || *one != SigningAlgorithm::EdDSA;
    let algorithms: Vec<&str> =
        SigningAlgorithm::ALL.into_iter().filter(offered).map(SigningAlgorithm::as_str).collect();
    let claims: Vec<&str> = of_tokens.into_iter().chain(scopes::claim_names()).collect();
    let mut metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": at(path::AUTHORIZE),
        "pushed_authorization_request_endpoint": at(path::PAR),
        "require_pushed_authorization_requests": false,
        "token_endpoint": at(path::TOKEN),
        "dpop_signing_alg_values_supported": dpop::ALGORITHMS,
        "userinfo_endpoint": at(path::USERINFO),
        "introspection_endpoint": at(path::INTROSPECT),
        "revocation_endpoint": at(path::REVOKE),
        "jwks_uri": at(path::JWKS),
        "end_session_endpoint": at(path::END_SESSION),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "scopes_supported": scopes::ALL,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": GrantType::ALL.map(GrantType::as_str),
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": algorithms,
        "userinfo_signing_alg_values_supported": algorithms,
        "introspection_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": confidential,
        "revocation_endpoint_auth_methods_supported": ClientAuthentication::ALL.map(ClientAuthentication::as_str),
        "token_endpoint_auth_methods_supported": ClientAuthentication::ALL.map(ClientAuthentication::as_str),
        "token_endpoint_auth_signing_alg_values_supported": client::assertion::ALGORITHMS,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "acr_values_supported": tokens::acr::every(),
        "claim_types_supported": ["normal"],
        "claims_supported": claims,
        "ui_locales_supported": ["fr", "en"],
        "claims_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true
    });
    if config.dynamic_registration {
        metadata["registration_endpoint"] = json!(at(path::REGISTER));
    }
    metadata
}

/// `GET /jwks` (RFC 7517).
///
/// # Errors
/// When the keys can't be read.
pub async fn jwks(State(app): State<App>) -> Result<Response, AppError> {
    let keys = app.keys.get(app.clock.now()).await?;
    // A third of the time that a key is published before it signs.
    Ok(public(json!({ "keys": keys.published() }), super::keys::PUBLISH_AHEAD.num_seconds() / 3))
}

/// Readable by anyone, scripts of other sites too, and by caches for so many seconds.
fn public(document: Value, seconds: i64) -> Response {
    let mut response = Json(document).into_response();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={seconds}")) {
        headers.insert(header::CACHE_CONTROL, value);
    }
    headers.insert(HeaderName::from_static("access-control-allow-origin"), HeaderValue::from_static("*"));
    response
}
