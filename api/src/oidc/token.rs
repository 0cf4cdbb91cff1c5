//! The token endpoint (OpenID Connect Core §3.1.3).

use super::client::{self, Client, Unauthenticated};
use super::codes::{self, Lifetimes, NotRedeemed, Presented};
use super::entitlement::{Entitlement, NotEntitled};
use super::error::{ErrorCode, ProtocolError, refuse};
use super::parameters::Parameters;
use super::subject::Pairwise;
use super::tokens::{AccessToken, IdToken, at_hash};
use super::{claims::Claims, scopes, who};
use crate::access::{self, TokenRequest};
use crate::app::App;
use crate::incident::{AppError, Incident};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledger::access::{Grant, TokenOutcome};
use serde::Serialize;
use uuid::Uuid;

/// What the client gets (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
#[derive(Serialize)]
struct Tokens {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    id_token: String,
    scope: String,
}

/// Why there are no tokens.
enum Refused {
    /// To tell the client.
    Told(ProtocolError),
    /// The client is not who it says; the flag: it used the `Authorization` header.
    Unauthenticated(ProtocolError, bool),
    /// A fault of ours.
    Fault(AppError),
}

impl From<ProtocolError> for Refused {
    fn from(error: ProtocolError) -> Self {
        Self::Told(error)
    }
}

impl From<Unauthenticated> for Refused {
    fn from(error: Unauthenticated) -> Self {
        match error {
            Unauthenticated::Refused { error, by_header } => Self::Unauthenticated(error, by_header),
            Unauthenticated::Read(error) => Self::Fault(error.into()),
        }
    }
}

impl<E: Into<AppError>> From<Fault<E>> for Refused {
    fn from(Fault(error): Fault<E>) -> Self {
        Self::Fault(error.into())
    }
}

/// Marks an error as ours.
struct Fault<E>(E);

/// `POST /token`
///
/// # Errors
/// Faults of ours only; refusals are answered in the protocol's form.
pub async fn post(
    State(app): State<App>,
    incident: Incident,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AppError> {
    let mut about = TokenRequest::default();
    let answer = issue(&app, query.as_deref(), &headers, &body, &mut about).await;
    let outcome = match &answer {
        Ok(_) => TokenOutcome::Success,
        Err(Refused::Told(error) | Refused::Unauthenticated(error, _)) => TokenOutcome::Refused(error.code.as_str()),
        Err(Refused::Fault(_)) => TokenOutcome::Refused("server_error"),
    };
    access::token(&app, &incident, &about, outcome);
    match answer {
        Ok(tokens) => Ok(no_store(Json(tokens).into_response())),
        Err(Refused::Told(error)) => Ok(refusal(StatusCode::BAD_REQUEST, error)),
        Err(Refused::Unauthenticated(error, by_header)) => Ok(unauthenticated(error, by_header)),
        Err(Refused::Fault(error)) => Err(error),
    }
}

async fn issue(
    app: &App,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
    about: &mut TokenRequest,
) -> Result<Tokens, Refused> {
    let now = app.clock.now();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        Err(refuse(ErrorCode::InvalidRequest, "send the parameters as application/x-www-form-urlencoded"))?;
    }
    if query.is_some_and(|query| !query.is_empty()) {
        Err(refuse(ErrorCode::InvalidRequest, "send the parameters in the body, never in the URL"))?;
    }
    let parameters = Parameters::parse(body);
    if parameters.any_repeated() {
        Err(refuse(ErrorCode::InvalidRequest, "a parameter comes more than once"))?;
    }
    let client = client::authenticate(&app.ledger, headers, &parameters, now).await?;
    about.relying_party = Some(client.id);
    match parameters.get("grant_type") {
        Some("authorization_code") => about.grant = Some(Grant::AuthorizationCode),
        None => Err(refuse(ErrorCode::InvalidRequest, "grant_type is missing"))?,
        Some(_) => Err(refuse(ErrorCode::UnsupportedGrantType, "only grant_type=authorization_code is supported"))?,
    }
    let required = |name, description| parameters.get(name).ok_or(refuse(ErrorCode::InvalidRequest, description));
    let presented = Presented {
        code: required("code", "code is missing")?,
        client: client.id,
        redirect_uri: required("redirect_uri", "redirect_uri is missing")?,
        verifier: required("code_verifier", "code_verifier is missing: PKCE is required")?,
    };
    let lifetimes = Lifetimes::of(&app.config.oidc);
    let grant = match codes::redeem(&app.db, presented, Uuid::new_v4(), now, lifetimes).await {
        Ok(grant) => grant,
        Err(NotRedeemed::Database(error)) => Err(Fault(error))?,
        Err(why) => {
            // The client learns no more than that; support reads the rest by the reference.
            tracing::warn!(client = %client.id, %why, "code refused");
            return Err(invalid_grant());
        }
    };
    about.account = Some(grant.account);
    sign(app, &client, grant, lifetimes).await
}

fn invalid_grant() -> Refused {
    Refused::Told(refuse(ErrorCode::InvalidGrant, "the code is unknown, expired, used, or not for this request"))
}

/// Tokens for a redeemed code, if its session is still alive and the person still has to do with the client.
async fn sign(app: &App, client: &Client, grant: codes::Grant, lifetimes: Lifetimes) -> Result<Tokens, Refused> {
    let now = app.clock.now();
    let who = who::by_sid(app, grant.session, Some(grant.account)).await.map_err(Refused::Fault)?;
    let who = who.ok_or_else(invalid_grant)?;
    let entitlement = match Entitlement::of(&app.ledger, &who.account, &client.registration).await {
        Ok(entitlement) => entitlement,
        Err(NotEntitled::Read(error)) => return Err(Fault(error).into()),
        Err(NotEntitled::AccountNotInUse | NotEntitled::NobodyServed) => return Err(invalid_grant()),
    };
    let claims = Claims::read(&app.views, &entitlement).await.map_err(Fault)?;
    let keys = app.keys.get(now).await.map_err(Fault)?;
    let issuer = app.config.origin();
    let sub = Pairwise::new(&app.ledger, &client.registration.sector_identifier).holder(who.id, entitlement.holder);
    let access_token = AccessToken {
        iss: issuer.clone(),
        sub: sub.clone(),
        aud: issuer.clone(),
        exp: (now + lifetimes.access_token).timestamp(),
        iat: now.timestamp(),
        jti: grant.jti,
        client_id: client.id,
        scope: scopes::join(&grant.scopes),
        sign_in: who.sign_in(entitlement.holder),
    };
    let signed = access_token.sign(keys.signing()).map_err(Fault)?;
    let id_token = IdToken {
        iss: issuer,
        sub,
        aud: client.id.to_string(),
        exp: (now + lifetimes.id_token).timestamp(),
        iat: now.timestamp(),
        nonce: grant.nonce,
        at_hash: at_hash(&signed),
        sign_in: access_token.sign_in,
        claims: claims.for_id_token(&grant.scopes),
    };
    Ok(Tokens {
        access_token: signed,
        token_type: "Bearer",
        expires_in: lifetimes.access_token.num_seconds(),
        id_token: id_token.sign(keys.signing()).map_err(Fault)?,
        scope: access_token.scope,
    })
}

/// A refusal in the protocol's form (RFC 6749 §5.2).
pub(super) fn refusal(status: StatusCode, error: ProtocolError) -> Response {
    no_store((status, Json(error)).into_response())
}

fn unauthenticated(error: ProtocolError, by_header: bool) -> Response {
    if error.code != ErrorCode::InvalidClient {
        return refusal(StatusCode::BAD_REQUEST, error);
    }
    let mut response = refusal(StatusCode::UNAUTHORIZED, error);
    if by_header {
        let challenge = HeaderValue::from_static("Basic realm=\"Matricule\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

pub(super) fn no_store(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
