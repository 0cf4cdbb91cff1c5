//! What a handler returns when it can't do what was asked.
//!
//! An [`AppError`] carries the status, a stable code, and, for internal faults, the cause. It does not render
//! itself: the middleware around every route knows the reference, the language and what the client accepts, and
//! makes the page or the problem document (see [`super::render`]). The cause goes into the request's record
//! and the log, once, and never to the caller.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// A refusal or a fault, as its caller sees it.
#[derive(Debug)]
pub struct AppError(Box<Failure>);

/// What the middleware needs to know of a failed request.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub status: StatusCode,
    /// Stable, kebab-case; the catalogues have `error-CODE-title` and `error-CODE-text`.
    pub code: &'static str,
    /// For the record and the log only; no personal data.
    pub cause: Option<String>,
    pub headers: HeaderMap,
}

impl AppError {
    /// A refusal. `code` names what was wrong, in kebab-case, and needs the messages `error-CODE-title` and
    /// `error-CODE-text` in both catalogues, the second saying what to do.
    pub fn refused(status: StatusCode, code: &'static str) -> Self {
        Self(Box::new(Failure { status, code, cause: None, headers: HeaderMap::new() }))
    }

    /// There is no such page or thing.
    pub fn not_found() -> Self {
        Self::refused(StatusCode::NOT_FOUND, "not-found")
    }

    /// The request makes no sense: a field is missing, given twice, or not of its type.
    pub fn bad_request() -> Self {
        Self::refused(StatusCode::BAD_REQUEST, "bad-request")
    }

    /// Signed in, but not allowed this.
    pub fn forbidden() -> Self {
        Self::refused(StatusCode::FORBIDDEN, "forbidden")
    }

    /// Asked too often; `retry_after` tells when it makes sense again.
    pub fn too_many(retry_after: Duration) -> Self {
        let seconds = retry_after.as_secs().max(1);
        Self::refused(StatusCode::TOO_MANY_REQUESTS, "too-many").with_header(header::RETRY_AFTER, seconds.into())
    }

    /// A fault of ours.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::refused(StatusCode::INTERNAL_SERVER_ERROR, "internal").because(describe(&*cause.into()))
    }

    /// Busy or not reachable for the moment.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            .because(describe(&*cause.into()))
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// Adds what support should know. No personal data, no secret.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.0.code
    }
}

/// `?` on any error inside a handler that returns [`AppError`] is an internal fault. What is not a fault of ours
/// has its own variant in the endpoint's error type, which does not implement [`Error`] but converts to this.
impl<E: Error + Send + Sync + 'static> From<E> for AppError {
    fn from(error: E) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.status;
        response.extensions_mut().insert(*self.0);
        response
    }
}

/// An error and its sources, for the record. A database's message may quote a value, so where a database
/// refused, only its SQLSTATE and the names of table and constraint are told.
pub(super) fn describe(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(database) = refusal(error) {
            return database;
        }
        let message = error.to_string();
        // Many errors print their source too: say it once.
        if !parts.iter().any(|said| said.contains(&message)) {
            parts.push(message);
        }
        next = error.source();
    }
    parts.join(": ")
}

/// What a database refused, however the error is wrapped.
fn refusal(error: &(dyn Error + 'static)) -> Option<String> {
    let sqlx_error = error
        .downcast_ref::<sqlx::Error>()
        .or_else(|| error.downcast_ref::<Arc<sqlx::Error>>().map(AsRef::as_ref))
        .and_then(sqlx::Error::as_database_error);
    let database = sqlx_error.or_else(|| {
        let postgres = error.downcast_ref::<sqlx::postgres::PgDatabaseError>()?;
        Some(postgres as &dyn sqlx::error::DatabaseError)
    })?;
    let mut text = format!("database error {}", database.code().as_deref().unwrap_or("without a code"));
    for (what, name) in [(" on table ", database.table()), (", constraint ", database.constraint())] {
        if let Some(name) = name {
            text.push_str(what);
            text.push_str(name);
        }
    }
    Some(text)
}
