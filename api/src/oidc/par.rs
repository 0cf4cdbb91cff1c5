//! Pushed authorization requests (RFC 9126): the client says beforehand, authenticated, what its browser will ask.

use super::authorize::{Asking, kept_request};
use super::discovery::path;
use super::dpop;
use super::endpoint::{Fault, FormRequest, Refused, no_store};
use super::error::{ErrorCode, refuse};
use super::parameters::Parameters;
use super::request::{AuthorizationRequest, Target};
use crate::app::App;
use crate::incident::AppError;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::RelyingPartyId;
use domain::relying_party::{Registration, RelyingParty, SecurityProfile};
use serde_json::json;
use uuid::Uuid;

/// What the answer's `request_uri` begins with (§2.2).
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// How long the browser may take to bring it.
const LIFETIME: TimeDelta = TimeDelta::seconds(90);
/// The same under the FAPI 2.0 profile.
const SHORT_LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// `POST /par`
///
/// # Errors
/// Faults of ours only; refusals are answered in the protocol's form.
pub async fn post(State(app): State<App>, request: FormRequest) -> Result<Response, AppError> {
    match push(&app, &request).await {
        Ok(response) => Ok(dpop::with_nonce(&app, no_store(response))),
        Err(refused) => refused.answer(),
    }
}

async fn push(app: &App, request: &FormRequest) -> Result<Response, Refused> {
    let (parameters, client) = request.authenticated(app).await?;
    let refused = |description| Refused::from(refuse(ErrorCode::InvalidRequest, description));
    if parameters.get("request_uri").is_some() {
        return Err(refused("request_uri is what this endpoint answers with"));
    }
    if parameters.get("client_id").is_none() {
        return Err(refused("client_id is missing"));
    }
    let party = app.ledger.load::<RelyingParty>(&client.id.to_string()).await.map_err(Fault)?.aggregate;
    let target =
        Target::prove(&parameters, &party).map_err(|_| refused("redirect_uri is missing or not registered"))?;
    let read = Asking::read(app, &parameters, target, &client.registration).await.map_err(Refused::Fault)?;
    let mut asked: AuthorizationRequest = read?;
    let jkt = dpop::proved(app, &request.headers, "POST", path::PAR, None).await?;
    if jkt.is_some() && asked.dpop_jkt.is_some() && jkt != asked.dpop_jkt {
        return Err(refused("dpop_jkt is not the key of the DPoP proof"));
    }
    asked.dpop_jkt = jkt.or(asked.dpop_jkt);
    let strict = client.registration.terms.profile == SecurityProfile::Fapi2;
    let lifetime = if strict { SHORT_LIFETIME } else { LIFETIME };
    let id = Asking::keep_for(app, &asked, lifetime).await.map_err(Refused::Fault)?;
    let answer = json!({ "request_uri": format!("{PREFIX}{id}"), "expires_in": lifetime.num_seconds() });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// The pushed request that an authorization request names, if it names one of ours.
pub fn named(parameters: &Parameters) -> Option<Uuid> {
    parameters.get("request_uri")?.strip_prefix(PREFIX)?.parse().ok()
}

/// Takes a pushed request up, for the client that pushed it: from now on it waits like any other for its browser to
/// sign in, shorter under the FAPI 2.0 profile. It is used up by its answer (§4).
///
/// # Errors
/// When it is gone, or another client's.
pub async fn take_up(
    app: &App,
    id: Uuid,
    client: RelyingPartyId,
    [patience, fapi2]: [TimeDelta; 2],
) -> Result<(AuthorizationRequest, DateTime<Utc>, Registration), AppError> {
    let found = kept_request(app, id).await?;
    if found.0.target.client != client {
        return Err(AppError::refused(StatusCode::BAD_REQUEST, "authorization-expired"));
    }
    let patience = if found.2.terms.profile == SecurityProfile::Fapi2 { fapi2 } else { patience };
    sqlx::query("UPDATE service.authorization_request SET expires_at = greatest(expires_at, $2) WHERE id = $1")
        .bind(id)
        .bind(app.clock.now() + patience)
        .execute(&app.db)
        .await?;
    Ok(found)
}
