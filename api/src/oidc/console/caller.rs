//! Who calls: a console, and the operator it calls for. Every route but the description takes it: without both there
//! is no handler.

use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::oidc::dpop::{self, NoProof};
use crate::oidc::endpoint::with_nonce;
use crate::oidc::metadata::BadMetadata;
use crate::oidc::registration::RegistrationError;
use crate::oidc::registry::RegistryError;
use crate::oidc::{live, scopes};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::context::{Actor, Context, Reason};
use domain::ids::RelyingPartyId;
use domain::relying_party::RelyingPartyError;
use ledger::{AppendError, ReadError};
use serde_json::json;

/// The request header with the operator's number.
pub const OPERATOR: HeaderName = HeaderName::from_static("console-operator");
/// Longest number.
const LONGEST: usize = 40;

/// A console that calls for an operator.
pub struct Caller {
    console: RelyingPartyId,
    operator: String,
    /// The request.
    pub incident: Incident,
}

impl Caller {
    /// The circumstances of a command of theirs.
    pub fn context(&self, app: &App) -> Context {
        let actor = Actor::Operator(self.operator.clone());
        let context = self.incident.context(actor, Reason::Administration, app.clock.now());
        Context { on_behalf_of: Some(Actor::RelyingParty(self.console)), ..context }
    }
}

/// Why there is no caller: an answer that is made already.
pub struct Refused(Response);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0
    }
}

impl From<AppError> for Refused {
    fn from(error: AppError) -> Self {
        Self(error.into_response())
    }
}

fn unauthorized() -> Refused {
    let refused = AppError::refused(StatusCode::UNAUTHORIZED, "unauthorized");
    let challenge = HeaderValue::from_static("Bearer realm=\"Matricule\", scope=\"console\"");
    refused.with_header(header::WWW_AUTHENTICATE, challenge).into()
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let Ok(incident) = Incident::from_request_parts(parts, app).await;
        let console = console(parts, app).await?;
        let number = parts.headers.get(OPERATOR).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let plain = number.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'));
        if number.is_empty() || number.len() > LONGEST || !plain {
            let detail = "Say in the header Console-Operator who acts: an opaque staff number of up to 40 letters, digits, `.`, `_` or `-`, and no name.";
            return Err(Refused(problem(StatusCode::BAD_REQUEST, "console-operator", detail, &incident)));
        }
        Ok(Self { console, operator: number.to_owned(), incident })
    }
}

/// The console whose token stands in the one `Authorization` header, as everything it rests on is now.
async fn console(parts: &Parts, app: &App) -> Result<RelyingPartyId, Refused> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let shown = values.next().and_then(|value| value.to_str().ok()).filter(|_| values.next().is_none());
    let (scheme, token) = shown.and_then(|shown| shown.split_once(' ')).ok_or_else(unauthorized)?;
    let (scheme, token) = (scheme.to_ascii_lowercase(), token.trim());
    let jkt = match dpop::proved(app, &parts.headers, parts.method.as_str(), parts.uri.path(), Some(token)).await {
        Ok(jkt) => jkt,
        Err(NoProof::Told(_)) => return Err(unauthorized()),
        Err(NoProof::Nonce(nonce)) => return Err(Refused(with_nonce(unauthorized().into_response(), &nonce))),
        Err(NoProof::Fault(error)) => return Err(error.into()),
    };
    let live = live::look(app, token).await?.ok_or_else(unauthorized)?;
    // As at userinfo: a bound token is worth nothing without its key, and none is bound by pretending.
    let usable = match &live.token.cnf {
        Some(bound) => scheme == "dpop" && jkt.as_ref() == Some(&bound.jkt),
        None => scheme == "bearer",
    };
    let for_us = live.token.aud == app.config.origin() && live.person.is_none();
    if usable && for_us && live.scopes().contains(scopes::CONSOLE) {
        Ok(live.token.client_id)
    } else {
        Err(unauthorized())
    }
}

/// Why a request is not answered as asked.
#[derive(Debug)]
pub enum Unanswered {
    /// It is at fault; the second says how.
    Refused(StatusCode, String),
    /// Something of ours is.
    Fault(AppError),
}

impl Unanswered {
    /// The answer, to this caller.
    ///
    /// # Errors
    /// The fault.
    pub fn answer(self, caller: &Caller) -> Result<Response, AppError> {
        match self {
            Self::Refused(status, detail) => Ok(problem(status, "relying-party", &detail, &caller.incident)),
            Self::Fault(error) => Err(error),
        }
    }

    /// The request makes no sense.
    pub fn malformed(detail: impl ToString) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, detail.to_string())
    }
}

impl From<RegistryError> for Unanswered {
    fn from(error: RegistryError) -> Self {
        let status = match &error {
            RegistryError::Refused(RelyingPartyError::NotRegistered) => StatusCode::NOT_FOUND,
            RegistryError::Refused(RelyingPartyError::Deregistered) => StatusCode::GONE,
            RegistryError::Append(AppendError::Conflict { .. }) => StatusCode::CONFLICT,
            RegistryError::Read(_) | RegistryError::Append(_) | RegistryError::Random(_) => {
                return Self::Fault(error.into());
            }
            RegistryError::Refused(_)
            | RegistryError::UnknownScope(_)
            | RegistryError::UnknownClaim(_)
            | RegistryError::UnknownAudience(_)
            | RegistryError::Console
            | RegistryError::NotOffered(_)
            | RegistryError::NoMetadata => StatusCode::UNPROCESSABLE_ENTITY,
        };
        // The same words as on the command line.
        Self::Refused(status, error.to_string())
    }
}

impl From<BadMetadata> for Unanswered {
    fn from(error: BadMetadata) -> Self {
        Self::Refused(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

impl From<RegistrationError> for Unanswered {
    fn from(error: RegistrationError) -> Self {
        match error {
            RegistrationError::Registry(error) => error.into(),
            RegistrationError::Metadata(error) => error.into(),
            RegistrationError::Random(error) => Self::Fault(error.into()),
            RegistrationError::Initial(_) | RegistrationError::Wider | RegistrationError::Sector(_) => {
                Self::Refused(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
            }
        }
    }
}

impl From<sqlx::Error> for Unanswered {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<ReadError> for Unanswered {
    fn from(error: ReadError) -> Self {
        Self::Fault(error.into())
    }
}

/// A refusal as its caller sees it: a problem document (RFC 9457).
fn problem(status: StatusCode, code: &'static str, detail: &str, incident: &Incident) -> Response {
    let document = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
        "reference": incident.reference().to_string(),
    });
    let mut response = (status, Json(document)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
