//! Revocation (RFC 7009): a client gives back what it holds.

use super::endpoint::{Fault, FormRequest, Refused, no_store, required};
use super::error::{ErrorCode, refuse};
use super::tokens::AccessToken;
use super::{codes, grants};
use crate::app::App;
use crate::incident::AppError;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta};

/// `POST /revoke`. A refresh token ends its whole family, access tokens included; an access token ends alone. What is
/// unknown, expired or revoked before is as gone as the client wants it: the answer is the same.
///
/// # Errors
/// Faults of ours only; refusals are answered in the protocol's form.
pub async fn post(State(app): State<App>, request: FormRequest) -> Result<Response, AppError> {
    match revoke(&app, &request).await {
        Ok(()) => Ok(no_store(StatusCode::OK.into_response())),
        Err(refused) => refused.answer(),
    }
}

async fn revoke(app: &App, request: &FormRequest) -> Result<(), Refused> {
    let (parameters, client) = request.authenticated(app).await?;
    let text = required(&parameters, "token", "token is missing")?;
    let now = app.clock.now();
    if let Some((family, _)) = grants::read(&app.ledger, client.id, text) {
        return Ok(grants::revoke(&app.db, family, now).await.map_err(Fault)?);
    }
    let Some(kid) = jsonwebtoken::decode_header(text).ok().and_then(|header| header.kid) else { return Ok(()) };
    let keys = app.keys.get_with(&kid, now).await.map_err(Fault)?;
    let Ok(token) = AccessToken::open(text, &keys, &app.config.origin(), now) else { return Ok(()) };
    if token.client_id != client.id {
        return Err(refuse(ErrorCode::UnauthorizedClient, "the token was issued to another client").into());
    }
    let expires_at = DateTime::from_timestamp(token.exp, 0).unwrap_or(now + TimeDelta::days(1));
    Ok(codes::revoke(&app.db, token.jti, expires_at).await.map_err(Fault)?)
}
