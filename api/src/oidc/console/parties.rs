//! Relying parties: listed, registered, changed, ended; the same rules and refusals as on the command line.

use super::caller::{Caller, Unanswered};
use crate::app::App;
use crate::incident::AppError;
use crate::oidc::endpoint::no_store;
use crate::oidc::metadata::{Metadata, merge};
use crate::oidc::registry::{self, ClientSecret, RegistryError};
use crate::oidc::scopes;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::ids::RelyingPartyId;
use domain::relying_party::{Registration, RelyingParty, RelyingPartyError};
use ledger::Appended;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How long an answer waits for the list to show what was recorded.
const PATIENCE: Duration = Duration::from_secs(5);
/// Relying parties in one part of the list.
const PAGE: u32 = 100;

/// A relying party as the console sees it.
fn told(id: RelyingPartyId, registration: &Registration, (enabled, deregistered): (bool, bool)) -> Value {
    let mut told = serde_json::to_value(Metadata::of(registration)).unwrap_or_default();
    told["client_id"] = json!(id);
    told["enabled"] = json!(enabled);
    told["deregistered"] = json!(deregistered);
    told
}

fn of(id: RelyingPartyId, party: &RelyingParty) -> Result<Value, Unanswered> {
    let registration = party.registration.as_ref().ok_or(RegistryError::Refused(RelyingPartyError::NotRegistered))?;
    Ok(told(id, registration, (party.enabled, party.deregistered)))
}

/// Shown this once.
fn with_secret(mut told: Value, secret: Option<&ClientSecret>) -> Value {
    if let Some(secret) = secret {
        told["client_secret"] = json!(secret.expose());
    }
    told
}

fn id(text: &str) -> Result<RelyingPartyId, Unanswered> {
    text.parse().map_err(|_| RegistryError::Refused(RelyingPartyError::NotRegistered).into())
}

/// Waits until the list shows it. An answer that does not come in time is no refusal: it is recorded.
async fn shown(app: &App, appended: Appended) {
    if let Some(position) = appended.last() {
        let services = [projections::Name::Services];
        if let Err(error) = app.views.caught_up_in(&services, position, PATIENCE).await {
            tracing::warn!(%error, "recorded, but not visible yet");
        }
    }
}

fn respond(caller: &Caller, answer: Result<(StatusCode, Value), Unanswered>) -> Result<Response, AppError> {
    match answer {
        Ok((status, told)) => Ok(no_store((status, Json(told)).into_response())),
        Err(unanswered) => unanswered.answer(caller),
    }
}

/// Where a list goes on.
#[derive(Deserialize)]
pub struct Part {
    after: Option<RelyingPartyId>,
    limit: Option<u32>,
}

/// `GET /console/v1/relying-parties`
///
/// # Errors
/// When something of ours fails.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    part: Result<Query<Part>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, AppError> {
    let answer = async {
        let Query(part) = part.map_err(|_| Unanswered::malformed("after is a client_id, limit a number"))?;
        let limit = part.limit.unwrap_or(PAGE).clamp(1, PAGE);
        let page = app.views.relying_parties(part.after, limit).await?;
        let full = u32::try_from(page.len()).is_ok_and(|length| length == limit);
        let next = page.last().filter(|_| full).map(|last| last.id);
        let all = page.iter().map(|one| told(one.id, &one.registration, (one.enabled, one.deregistered)));
        Ok((StatusCode::OK, json!({ "relying_parties": all.collect::<Vec<_>>(), "next": next })))
    };
    respond(&caller, answer.await)
}

/// `POST /console/v1/relying-parties`
///
/// # Errors
/// When something of ours fails.
pub async fn register(State(app): State<App>, caller: Caller, body: Bytes) -> Result<Response, AppError> {
    let answer = async {
        let metadata: Metadata = read(&body)?;
        let registration = checked(&app, metadata)?;
        let registered = registry::register(&app.ledger, registration.clone(), caller.context(&app)).await?;
        shown(&app, registered.appended).await;
        let told = told(registered.id, &registration, (true, false));
        Ok((registered.id, with_secret(told, registered.secret.as_ref())))
    };
    match answer.await {
        Ok((id, told)) => {
            let mut response = no_store((StatusCode::CREATED, Json(told)).into_response());
            if let Ok(location) = HeaderValue::from_str(&format!("/console/v1/relying-parties/{id}")) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            Ok(response)
        }
        Err(unanswered) => Unanswered::answer(unanswered, &caller),
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Unanswered> {
    serde_json::from_slice(body).map_err(|error| Unanswered::malformed(format!("the body does not fit: {error}")))
}

/// What a console may register: no other console, nothing that can't be kept here.
fn checked(app: &App, metadata: Metadata) -> Result<Registration, Unanswered> {
    registry::offered(&app.config.oidc, metadata.id_token_signed_response_alg)?;
    registry::offered(&app.config.oidc, metadata.userinfo_signed_response_alg)?;
    let registration = metadata.registration()?;
    if registration.scopes.contains(scopes::CONSOLE) {
        let detail = "a console is registered on the command line only";
        return Err(Unanswered::Refused(StatusCode::FORBIDDEN, detail.to_owned()));
    }
    Ok(registration)
}

/// `GET /console/v1/relying-parties/{client_id}`
///
/// # Errors
/// When something of ours fails.
pub async fn show(State(app): State<App>, Path(client): Path<String>, caller: Caller) -> Result<Response, AppError> {
    let answer = async {
        let id = id(&client)?;
        let party = registry::load(&app.ledger, id).await?.aggregate;
        Ok((StatusCode::OK, of(id, &party)?))
    };
    respond(&caller, answer.await)
}

/// `PATCH /console/v1/relying-parties/{client_id}`: a JSON merge patch (RFC 7396); what is not given stays.
///
/// # Errors
/// When something of ours fails.
pub async fn change(
    State(app): State<App>,
    Path(client): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Result<Response, AppError> {
    let answer = async {
        let id = id(&client)?;
        let patch: serde_json::Map<String, Value> = read(&body)?;
        let party = registry::load(&app.ledger, id).await?.aggregate;
        let known = party.registration.ok_or(RegistryError::Refused(RelyingPartyError::NotRegistered))?;
        if known.scopes.contains(scopes::CONSOLE) {
            let detail = "a console is changed on the command line only";
            return Err(Unanswered::Refused(StatusCode::FORBIDDEN, detail.to_owned()));
        }
        let mut described = serde_json::to_value(Metadata::of(&known)).unwrap_or_default();
        // One kind of keys takes the place of the other.
        for (given, former) in [("jwks", "jwks_uri"), ("jwks_uri", "jwks")] {
            if patch.get(given).is_some_and(|value| !value.is_null()) && !patch.contains_key(former) {
                described[former] = Value::Null;
            }
        }
        merge(&mut described, Value::Object(patch));
        let metadata: Metadata = serde_json::from_value(described)
            .map_err(|error| Unanswered::malformed(format!("the body does not fit: {error}")))?;
        let wanted = checked(&app, metadata)?;
        let replace = |registration: &mut Registration| *registration = wanted.clone();
        let (secret, appended) = registry::change(&app.ledger, id, caller.context(&app), replace).await?;
        shown(&app, appended).await;
        let told = told(id, &wanted, (party.enabled, party.deregistered));
        Ok((StatusCode::OK, with_secret(told, secret.as_ref())))
    };
    respond(&caller, answer.await)
}

/// `POST /console/v1/relying-parties/{client_id}/secret`
///
/// # Errors
/// When something of ours fails.
pub async fn secret(State(app): State<App>, Path(client): Path<String>, caller: Caller) -> Result<Response, AppError> {
    let answer = async {
        let id = id(&client)?;
        let (secret, _) = registry::replace_secret(&app.ledger, id, caller.context(&app)).await?;
        Ok((StatusCode::OK, with_secret(json!({ "client_id": id }), Some(&secret))))
    };
    respond(&caller, answer.await)
}

/// `POST /console/v1/relying-parties/{client_id}/disable`
///
/// # Errors
/// When something of ours fails.
pub async fn disable(State(app): State<App>, Path(client): Path<String>, caller: Caller) -> Result<Response, AppError> {
    let answer = set_enabled(&app, &client, &caller, false).await;
    respond(&caller, answer)
}

/// `POST /console/v1/relying-parties/{client_id}/enable`
///
/// # Errors
/// When something of ours fails.
pub async fn enable(State(app): State<App>, Path(client): Path<String>, caller: Caller) -> Result<Response, AppError> {
    let answer = set_enabled(&app, &client, &caller, true).await;
    respond(&caller, answer)
}

async fn set_enabled(
    app: &App,
    client: &str,
    caller: &Caller,
    enabled: bool,
) -> Result<(StatusCode, Value), Unanswered> {
    let id = id(client)?;
    let appended = registry::set_enabled(&app.ledger, id, caller.context(app), enabled).await?;
    shown(app, appended).await;
    let party = registry::load(&app.ledger, id).await?.aggregate;
    Ok((StatusCode::OK, of(id, &party)?))
}

/// `DELETE /console/v1/relying-parties/{client_id}`: for good.
///
/// # Errors
/// When something of ours fails.
pub async fn deregister(
    State(app): State<App>,
    Path(client): Path<String>,
    caller: Caller,
) -> Result<Response, AppError> {
    let answer = async {
        let appended = registry::deregister(&app.ledger, id(&client)?, caller.context(&app)).await?;
        shown(&app, appended).await;
        Ok::<_, Unanswered>(())
    };
    match answer.await {
        Ok(()) => Ok(no_store(StatusCode::NO_CONTENT.into_response())),
        Err(unanswered) => unanswered.answer(&caller),
    }
}
