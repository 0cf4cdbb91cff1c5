//! The userinfo endpoint (OpenID Connect Core §5.3): claims as they are at this moment, as JSON or signed.

use super::claims::Claims;
use super::endpoint::{no_store, refusal};
use super::error::{ErrorCode, ProtocolError, refuse};
use super::live::{self, Live};
use super::parameters::Parameters;
use super::subject::Pairwise;
use super::tokens::sign;
use crate::app::App;
use crate::incident::AppError;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// `GET` and `POST /userinfo`, the token in the `Authorization` header only.
///
/// # Errors
/// Faults of ours only; refusals are answered in the protocol's form.
pub async fn answer(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    let in_url = query.is_some_and(|query| !Parameters::parse(query.as_bytes()).is_empty());
    if in_url {
        let error = refuse(ErrorCode::InvalidRequest, "send the token in the Authorization header, never in the URL");
        return Ok(challenge(StatusCode::BAD_REQUEST, Some(error)));
    }
    let Some(token) = bearer(&headers) else { return Ok(challenge(StatusCode::UNAUTHORIZED, None)) };
    let live = live::look(&app, token).await?;
    match live.filter(|live| live.token.aud == app.config.origin()) {
        Some(live) => show(&app, live).await,
        None => {
            let error = refuse(ErrorCode::InvalidToken, "the access token is not good, or no longer");
            Ok(challenge(StatusCode::UNAUTHORIZED, Some(error)))
        }
    }
}

async fn show(app: &App, live: Live) -> Result<Response, AppError> {
    let granted = live.scopes();
    let Live { token, registration, person } = live;
    let Some((_, entitlement)) = person.filter(|_| granted.contains(super::scopes::OPENID)) else {
        let error = refuse(ErrorCode::InsufficientScope, "the access token has no openid scope: it is nobody's");
        return Ok(challenge(StatusCode::FORBIDDEN, Some(error)));
    };
    let pairwise = Pairwise::new(&app.ledger, &registration.sector_identifier);
    let allowed = registration.terms.claims.as_ref();
    let mut claims: Map<String, Value> =
        Claims::read(&app.views, &entitlement).await?.for_userinfo(&granted, allowed, &pairwise);
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

/// The token of the one `Authorization: Bearer …` header (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
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
