//! Introspection (RFC 7662), plain or as a signed JWT (RFC 9701).

use super::endpoint::{Fault, FormRequest, Refused, no_store, required};
use super::entitlement::{Entitlement, NotEntitled};
use super::error::{ErrorCode, refuse};
use super::tokens::sign;
use super::{client::Client, grants, live, scopes, who};
use crate::app::App;
use crate::incident::AppError;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// Media type of a signed answer, and its `typ`.
const SIGNED: &str = "application/token-introspection+jwt";
const TYP: &str = "token-introspection+jwt";

/// `POST /introspect`
///
/// # Errors
/// Faults of ours only; refusals are answered in the protocol's form.
pub async fn post(State(app): State<App>, request: FormRequest) -> Result<Response, AppError> {
    match answer(&app, &request).await {
        Ok(response) => Ok(no_store(response)),
        Err(refused) => refused.answer(),
    }
}

async fn answer(app: &App, request: &FormRequest) -> Result<Response, Refused> {
    let (parameters, client) = request.authenticated(app).await?;
    if !client.is_confidential() {
        // RFC 7662 §4: whoever may ask without proof may try tokens.
        let error = refuse(ErrorCode::InvalidClient, "introspection is for clients that authenticate");
        return Err(Refused::Unauthenticated(error, false));
    }
    let token = required(&parameters, "token", "token is missing")?;
    // `token_type_hint` would only say where to look first.
    let said = match access_token(app, &client, token).await? {
        Some(said) => said,
        None => refresh_token(app, &client, token).await?.unwrap_or_else(inactive),
    };
    if !wants_jwt(&request.headers) {
        return Ok(Json(said).into_response());
    }
    let claims = json!({
        "iss": app.config.origin(),
        "aud": client.id,
        "iat": app.clock.now().timestamp(),
        "token_introspection": said,
    });
    let keys = app.keys.get(app.clock.now()).await.map_err(Fault)?;
    let key = keys.signing(client.registration.terms.id_token_signed_response_alg).map_err(Fault)?;
    let signed = sign(TYP, &claims, key).map_err(Fault)?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(SIGNED))], signed).into_response())
}

fn wants_jwt(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|kind| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(SIGNED))
}

/// RFC 7662 §2.2: of a token that is not good, or not the asker's business, nothing else is said.
fn inactive() -> Map<String, Value> {
    Map::from_iter([("active".to_owned(), json!(false))])
}

/// An access token, to whom it was issued to and to whom it is for.
async fn access_token(app: &App, client: &Client, text: &str) -> Result<Option<Map<String, Value>>, Refused> {
    let Some(live) = live::look(app, text).await.map_err(Refused::Fault)? else { return Ok(None) };
    let token = &live.token;
    if token.client_id != client.id && token.aud != client.id.to_string() {
        return Ok(None);
    }
    let mut said = match serde_json::to_value(token) {
        Ok(Value::Object(said)) => said,
        _ => return Ok(None),
    };
    // The family is between us and the client that holds it.
    said.remove("grant");
    said.remove("root");
    // And so is what it asked for.
    said.remove("claims");
    said.insert("scope".to_owned(), json!(scopes::join(&live.scopes())));
    said.insert("active".to_owned(), json!(true));
    said.insert("token_type".to_owned(), json!(if token.cnf.is_some() { "DPoP" } else { "Bearer" }));
    Ok(Some(said))
}

/// A refresh token, to its own client.
async fn refresh_token(app: &App, client: &Client, text: &str) -> Result<Option<Map<String, Value>>, Refused> {
    let Some((family, generation)) = grants::read(&app.ledger, client.id, text) else { return Ok(None) };
    let limits = super::token::limits(app, client);
    let found = grants::current(&app.db, family, generation, app.clock.now(), limits).await.map_err(Fault)?;
    let Some((scope, expires_at)) = found else { return Ok(None) };
    let Some(who) = who::by_grant(app, family).await.map_err(Refused::Fault)? else { return Ok(None) };
    match Entitlement::of(&app.ledger, &who.account, &client.registration).await {
        Ok(_) => {}
        Err(NotEntitled::Read(error)) => return Err(Fault(error).into()),
        Err(NotEntitled::AccountNotInUse | NotEntitled::NobodyServed) => return Ok(None),
    }
    Ok(Some(Map::from_iter([
        ("active".to_owned(), json!(true)),
        ("client_id".to_owned(), json!(client.id)),
        ("scope".to_owned(), json!(scope)),
        ("exp".to_owned(), json!(expires_at.timestamp())),
        ("iss".to_owned(), json!(app.config.origin())),
    ])))
}
