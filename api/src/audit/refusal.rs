//! Refusals that say what was wrong with a question: problem documents (RFC 9457) with a detail of their own.

use crate::incident::Incident;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a question has no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// The question is at fault; the second says how, to its asker only.
    Refused(StatusCode, &'static str, String),
    /// Something of ours is.
    Fault(anyhow::Error),
}

impl Unanswered {
    /// The question makes no sense.
    pub fn malformed(detail: impl ToString) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, "audit-question", detail.to_string())
    }

    /// What it asks about is not there.
    pub fn unknown(detail: impl ToString) -> Self {
        Self::Refused(StatusCode::NOT_FOUND, "audit-unknown", detail.to_string())
    }

    /// A second person must allow it.
    pub fn not_allowed(detail: impl ToString) -> Self {
        Self::Refused(StatusCode::FORBIDDEN, "audit-disclosure", detail.to_string())
    }
}

impl<E: Into<anyhow::Error>> From<E> for Unanswered {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// A refusal as its caller sees it.
pub fn problem(status: StatusCode, code: &'static str, detail: &str, incident: &Incident) -> Response {
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
