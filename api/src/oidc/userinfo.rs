//! The userinfo endpoint (OpenID Connect Core §5.3): claims as they are at this moment, as JSON or signed.

use super::claims::{Claims, Telling};
use super::discovery::path;
use super::dpop::{self, NoProof};
use super::endpoint::{no_store, refusal, with_nonce};
use super::error::{ErrorCode, ProtocolError, refuse};
use super::live::{self, Live};
use super::parameters::Parameters;
use super::scopes::{Place, Release};
use super::subject::Pairwise;
use super::tokens::sign;
use crate::app::App;
use crate::incident::AppError;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// `GET` and `POST /userinfo`, the token in the `Authorization` header or the body of a POST, never in the URL.
///
/// # Errors
/// Faults of ours only; refusals are answered in the protocol's form.
pub async fn answer(
    State(app): State<App>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AppError> {
    let in_url = query.is_some_and(|query| !Parameters::parse(query.as_bytes()).is_empty());
    if in_url {
        let error = refuse(ErrorCode::InvalidRequest, "send the token in the Authorization header, never in the URL");
        return Ok(challenge(StatusCode::BAD_REQUEST, Some(error)));
    }
    let Some((scheme, token)) = presented(&headers, &body) else {
        return Ok(challenge(StatusCode::UNAUTHORIZED, None));
    };
    let jkt = match dpop::proved(&app, &headers, method.as_str(), path::USERINFO, Some(&token)).await {
        Ok(jkt) => jkt,
        Err(NoProof::Told(error)) => return Ok(challenge(StatusCode::UNAUTHORIZED, Some(error))),
        Err(NoProof::Nonce(nonce)) => return Ok(with_nonce(nonce_wanted(), &nonce)),
        Err(NoProof::Fault(error)) => return Err(error),
    };
    let live = live::look(&app, &token).await?;
    // A bound token is worth nothing without its key, and none is bound by pretending (RFC 9449 §7.1).
    let usable = |live: &Live| match (&live.token.cnf, scheme) {
        (Some(bound), Scheme::Dpop) => jkt.as_ref() == Some(&bound.jkt),
        (None, Scheme::Bearer) => true,
        (Some(_), Scheme::Bearer) | (None, Scheme::Dpop) => false,
    };
    match live.filter(|live| live.token.aud == app.config.origin() && usable(live)) {
        Some(live) => Ok(dpop::with_nonce(&app, show(&app, live).await?)),
        None => {
            let error = refuse(ErrorCode::InvalidToken, "the access token is not good, or no longer");
            Ok(challenge(StatusCode::UNAUTHORIZED, Some(error)))
        }
    }
}

/// RFC 9449 §9.
fn nonce_wanted() -> Response {
    let mut response = refusal(StatusCode::UNAUTHORIZED, dpop::WANTED);
    let text = HeaderValue::from_static("DPoP error=\"use_dpop_nonce\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, text);
    response
}

/// How a token is presented.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Dpop,
}

async fn show(app: &App, live: Live) -> Result<Response, AppError> {
    let granted = live.scopes();
    let Live { token, registration, person } = live;
    let Some((who, entitlement)) = person.filter(|_| granted.contains(super::scopes::OPENID)) else {
        let error = refuse(ErrorCode::InsufficientScope, "the access token has no openid scope: it is nobody's");
        return Ok(challenge(StatusCode::FORBIDDEN, Some(error)));
    };
    let telling = Telling {
        release: Release {
            place: Place::Userinfo,
            granted: &granted,
            registration: &registration,
            wanted: &token.claims,
        },
        pairwise: Pairwise::new(&app.ledger, &registration.sector_identifier),
        auth_time: who.authenticated_at.timestamp(),
        issuer: &token.iss,
        stages: &app.config.oidc.stages,
    };
    let mut claims: Map<String, Value> = Claims::read(&app.views, &entitlement).await?.tell(&telling);
    claims.insert("sub".to_owned(), json!(token.sub));
    let Some(algorithm) = registration.terms.userinfo_signed_response_alg else {
        return Ok(no_store(Json(claims).into_response()));
    };
    // §5.3.2: signed, it says who says it, and to whom.
    claims.insert("iss".to_owned(), json!(token.iss));
    claims.insert("aud".to_owned(), json!(token.client_id));
    let keys = app.keys.get(app.clock.now()).await?;
    let signed = sign("JWT", &claims, keys.signing(algorithm)?)?;
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/jwt"))];
    Ok(no_store((kind, signed).into_response()))
}

/// The token of the one `Authorization` header (RFC 6750 §2.1, RFC 9449 §7.1) or, without one, of the form in the
/// body (RFC 6750 §2.2). Two of them are none.
fn presented(headers: &HeaderMap, body: &[u8]) -> Option<(Scheme, String)> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_form = kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded");
    let form = if is_form { Parameters::parse(body) } else { Parameters::default() };
    match (values.next(), values.next()) {
        (None, _) => Some((Scheme::Bearer, form.get("access_token")?.to_owned())),
        (Some(only), None) if form.get("access_token").is_none() && !form.is_repeated("access_token") => {
            let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
            let scheme = match scheme.to_ascii_lowercase().as_str() {
                "bearer" => Scheme::Bearer,
                "dpop" => Scheme::Dpop,
                _ => return None,
            };
            Some((scheme, token.trim().to_owned())).filter(|(_, token)| !token.is_empty())
        }
        _ => None,
    }
}

/// RFC 6750 §3: without a token no error code, with a bad one the code and its explanation.
fn challenge(status: StatusCode, error: Option<ProtocolError>) -> Response {
    let mut response = match error {
        Some(error) => refusal(status, error),
        None => no_store((status, Json(json!({}))).into_response()),
    };
    let text = match error {
        None => "Bearer realm=\"Matricule\"".to_owned(),
        Some(ProtocolError { code, description }) => {
            format!("Bearer realm=\"Matricule\", error=\"{}\", error_description=\"{description}\"", code.as_str())
        }
    };
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}
