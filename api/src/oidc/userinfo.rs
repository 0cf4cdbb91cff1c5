//! The userinfo endpoint (OpenID Connect Core §5.3): claims as they are at this moment.

use super::claims::Claims;
use super::codes::is_revoked;
use super::endpoint::{no_store, refusal};
use super::entitlement::{Entitlement, NotEntitled};
use super::error::{ErrorCode, ProtocolError, refuse};
use super::parameters::Parameters;
use super::subject::Pairwise;
use super::tokens::AccessToken;
use super::who;
use crate::app::App;
use crate::incident::AppError;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::relying_party::RelyingParty;
use serde_json::json;
use std::collections::BTreeSet;

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
    match claims(&app, token).await? {
        Some(claims) => Ok(no_store(Json(claims).into_response())),
        None => {
            let error = refuse(ErrorCode::InvalidToken, "the access token is not good, or no longer");
            Ok(challenge(StatusCode::UNAUTHORIZED, Some(error)))
        }
    }
}

/// The claims, or `None` where the token opens nothing (any more): everything it stands on is looked at again.
async fn claims(app: &App, token: &str) -> Result<Option<serde_json::Map<String, serde_json::Value>>, AppError> {
    let now = app.clock.now();
    let kid = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid);
    let Some(kid) = kid else { return Ok(None) };
    let keys = app.keys.get_with(&kid, now).await?;
    let issuer = app.config.origin();
    let Ok(token) = AccessToken::open(token, &keys, &issuer, now) else { return Ok(None) };
    if token.aud != issuer {
        return Ok(None);
    }
    if is_revoked(&app.db, token.jti).await? {
        return Ok(None);
    }
    let party = app.ledger.load::<RelyingParty>(&token.client_id.to_string()).await?.aggregate;
    let Some(registration) = party.registration.filter(|_| party.enabled) else { return Ok(None) };
    let Some(who) = who::by_token(app, &token).await? else { return Ok(None) };
    let entitlement = match Entitlement::of(&app.ledger, &who.account, &registration).await {
        Ok(entitlement) => entitlement,
        Err(NotEntitled::Read(error)) => return Err(error.into()),
        Err(NotEntitled::AccountNotInUse | NotEntitled::NobodyServed) => return Ok(None),
    };
    let pairwise = Pairwise::new(&app.ledger, &registration.sector_identifier);
    if pairwise.holder(who.id, entitlement.holder) != token.sub {
        // The relying party has moved to another sector since: its old tokens name nobody it should know.
        return Ok(None);
    }
    // A scope withdrawn from the registration is withdrawn from tokens already out.
    let granted: BTreeSet<String> =
        token.scope.split(' ').filter(|scope| registration.scopes.contains(*scope)).map(str::to_owned).collect();
    let mut claims = Claims::read(&app.views, &entitlement).await?.for_userinfo(
        &granted,
        registration.terms.claims.as_ref(),
        &pairwise,
    );
    claims.insert("sub".to_owned(), json!(token.sub));
    Ok(Some(claims))
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
