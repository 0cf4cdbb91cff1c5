//! Initial access tokens, by which services register themselves.

use super::caller::{Caller, Unanswered};
use crate::app::App;
use crate::incident::AppError;
use crate::oidc::endpoint::no_store;
use crate::oidc::registration;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use domain::ids::InitialAccessId;
use domain::initial_access::Bounds;
use serde::Deserialize;
use serde_json::json;

/// The longest that a token may be good, in seconds: 90 days.
const LONGEST: i64 = 90 * 86_400;

/// What an operator asks for.
#[derive(Deserialize)]
struct Wanted {
    /// How many registrations it allows.
    uses: u32,
    /// For how long, in seconds.
    lifetime: i64,
    #[serde(flatten)]
    bounds: Bounds,
}

/// `POST /console/v1/registration-tokens`: shown this once.
///
/// # Errors
/// When something of ours fails.
pub async fn issue(State(app): State<App>, caller: Caller, body: Bytes) -> Result<Response, AppError> {
    let answer = async {
        if !app.config.oidc.dynamic_registration {
            let detail = "services don't register themselves here: set oidc.dynamic_registration first";
            return Err(Unanswered::Refused(StatusCode::UNPROCESSABLE_ENTITY, detail.to_owned()));
        }
        let wanted: Wanted = serde_json::from_slice(&body)
            .map_err(|error| Unanswered::malformed(format!("the body does not fit: {error}")))?;
        if !(1..=LONGEST).contains(&wanted.lifetime) {
            return Err(Unanswered::malformed("lifetime is in seconds, up to 90 days"));
        }
        let expires_at = app.clock.now() + TimeDelta::seconds(wanted.lifetime);
        let context = caller.context(&app);
        let (id, token) = registration::issue(&app.ledger, wanted.uses, expires_at, wanted.bounds, context).await?;
        Ok(json!({ "id": id, "initial_access_token": token.expose(), "expires_at": expires_at, "uses": wanted.uses }))
    };
    match answer.await {
        Ok(told) => Ok(no_store((StatusCode::CREATED, Json(told)).into_response())),
        Err(unanswered) => unanswered.answer(&caller),
    }
}

/// `DELETE /console/v1/registration-tokens/{id}`
///
/// # Errors
/// When something of ours fails.
pub async fn withdraw(State(app): State<App>, Path(id): Path<String>, caller: Caller) -> Result<Response, AppError> {
    let Ok(id) = id.parse::<InitialAccessId>() else {
        let detail = "there is no such initial access token".to_owned();
        return Unanswered::Refused(StatusCode::NOT_FOUND, detail).answer(&caller);
    };
    match registration::withdraw(&app.ledger, id, caller.context(&app)).await {
        Ok(()) => Ok(no_store(StatusCode::NO_CONTENT.into_response())),
        Err(error) => Unanswered::from(error).answer(&caller),
    }
}
