//! Who asks, and what for. Every route but the description takes it: without an auditor's credential and a purpose
//! there is no handler.

use super::auditors;
use super::refusal::problem;
use crate::app::App;
use crate::incident::{AppError, Incident};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::context::Actor;
use domain::ids::AuditorId;
use ledger::access::{Access, Deed, Query, record};

/// The request header with the purpose.
pub const PURPOSE: HeaderName = HeaderName::from_static("audit-purpose");
/// Longest purpose, in characters.
const LONGEST: usize = 500;

/// An auditor who asks something for a purpose.
pub struct Asker {
    /// The auditor.
    pub id: AuditorId,
    /// As the ledger and the access log name them.
    pub actor: Actor,
    /// What for, in their own words.
    pub purpose: String,
    /// The request.
    pub incident: Incident,
}

/// Why there is no asker: an answer that is made already.
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

impl FromRequestParts<App> for Asker {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let Ok(incident) = Incident::from_request_parts(parts, app).await;
        let shown = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
        let known = match shown {
            Some(shown) => auditors::recognise(&app.ledger, shown, app.clock.now()).await.map_err(AppError::from)?,
            None => None,
        };
        let Some((id, number)) = known else {
            let detail = "Show an auditor's credential that is in force, in the header Authorization: Bearer …";
            let mut refused = problem(StatusCode::UNAUTHORIZED, "unauthorized", detail, &incident);
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return Err(Refused(refused));
        };
        // Headers are bytes; purposes are written in French.
        let purpose = parts.headers.get(PURPOSE).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        let purpose = purpose.map(str::trim).filter(|text| !text.is_empty() && text.chars().count() <= LONGEST);
        let Some(purpose) = purpose else {
            let detail = "Say in the header Audit-Purpose what the answer is needed for, in up to 500 characters.";
            return Err(Refused(problem(StatusCode::BAD_REQUEST, "audit-purpose", detail, &incident)));
        };
        Ok(Self { id, actor: Actor::Operator(number), purpose: purpose.to_owned(), incident })
    }
}

impl Asker {
    /// Writes a query into the access log. On disk when this returns: answer only then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record(&self, app: &App, query: Query) -> sqlx::Result<()> {
        let query = Query { purpose: Some(self.purpose.clone()), ..query };
        let access = Access {
            at: app.clock.now(),
            actor: Some(self.actor.clone()),
            origin: None,
            reference: Some(self.incident.reference()),
            deed: Deed::AuditQuery(query),
        };
        record(&app.db, &[access]).await
    }
}
