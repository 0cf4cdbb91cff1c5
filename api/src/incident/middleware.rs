//! Around every route: the reference, the span, the time limit, the last resort, and the record.

use super::error::Failure;
use super::notes::Notes;
use super::record::RequestRow;
use super::{AppError, HEADER, Incident, panics, render};
use crate::app::App;
use crate::pages::View;
use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};
use tracing::Instrument;

/// Paths whose successes are not worth a row.
const QUIET: [&str; 3] = ["/healthz", "/readyz", "/assets/{*file}"];

/// What is known of a request on its arrival.
struct Arrival {
    incident: Incident,
    started_at: DateTime<Utc>,
    clock: Instant,
    method: Method,
    route: String,
}

/// The middleware. It must be the outermost one that knows the routes.
pub async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let incident = Incident::new(super::new_reference());
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let arrival = Arrival {
        incident: incident.clone(),
        started_at: app.clock.now(),
        clock: Instant::now(),
        method: request.method().clone(),
        route,
    };
    let span = tracing::info_span!(
        "request",
        reference = incident.reference().compact(),
        method = %arrival.method,
        route = arrival.route,
    );
    answer(app, arrival, incident, request, next).instrument(span).await
}

async fn answer(app: App, arrival: Arrival, incident: Incident, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(incident.clone());
    // What an error page needs is taken from the request before the handler consumes it.
    let Ok(mut view) = View::from_request_parts(&mut parts, &app).await;
    let wants = render::Wants::of(&parts.headers, parts.uri.path());
    // An upload may take its time as long as it goes on: its handler limits the pauses.
    let is_upload = arrival.method == Method::POST && arrival.route == crate::import::http::UPLOAD;
    let limit = if is_upload { Duration::MAX } else { app.config.http.request_timeout.0 };

    let handled = AssertUnwindSafe(next.run(Request::from_parts(parts, body))).catch_unwind();
    let response = match tokio::time::timeout(limit, handled).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => AppError::internal(panics::describe(&*panic)).into_response(),
        Err(_) => AppError::refused(StatusCode::SERVICE_UNAVAILABLE, "timeout").into_response(),
    };
    let failure = failure_of(&response);
    let mut response = match &failure {
        Some(failure) if needs_rendering(&response) => {
            view.user = incident.user();
            render::failure(&app, &view, wants, failure)
        }
        _ => response,
    };
    if let Ok(value) = HeaderValue::from_str(&incident.reference().to_string()) {
        response.headers_mut().insert(HEADER, value);
    }
    let notes = incident.take_notes();
    finish(&app, arrival, response.status(), failure, notes).await;
    response
}

/// Writes the log line and the record.
async fn finish(app: &App, arrival: Arrival, status: StatusCode, failure: Option<Failure>, notes: Notes) {
    let duration = arrival.clock.elapsed();
    let code = failure.as_ref().map(|failure| failure.code);
    let cause = failure.and_then(|failure| failure.cause);
    let ms = (duration.as_secs_f64() * 10_000.0).round() / 10.0;
    if status.is_server_error() {
        tracing::error!(status = status.as_u16(), ms, code, cause, "failed");
    } else if code.is_some() {
        tracing::warn!(status = status.as_u16(), ms, code, cause, "refused");
    } else {
        tracing::info!(status = status.as_u16(), ms, "answered");
    }
    let quiet = QUIET.contains(&arrival.route.as_str()) || arrival.route.ends_with(crate::proof::RESOURCE);
    if code.is_none() && quiet {
        return;
    }
    let row = RequestRow {
        reference: arrival.incident.reference(),
        started_at: arrival.started_at,
        duration,
        method: arrival.method.to_string(),
        route: arrival.route,
        status: status.as_u16(),
        account: notes.user.map(|user| user.account),
        error_code: code.map(ToOwned::to_owned),
        cause,
        commands: notes.commands,
    };
    if row.error_code.is_some() { app.requests.record(row).await } else { app.requests.note(row) }
}

/// The codes that [`failure_of`] gives to bare statuses.
#[cfg(test)]
pub(crate) const BARE_CODES: [&str; 10] = [
    "not-found",
    "method-not-allowed",
    "too-large",
    "too-many",
    "bad-request",
    "cross-origin",
    "forbidden",
    "unauthorized",
    "unavailable",
    "internal",
];

/// The failure of a response: what its handler said, or for a bare status (a rejected extractor, a fallback, a
/// layer's refusal) the code that fits.
fn failure_of(response: &Response) -> Option<Failure> {
    if let Some(failure) = response.extensions().get::<Failure>() {
        return Some(failure.clone());
    }
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let code = match status {
        StatusCode::NOT_FOUND => "not-found",
        StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        StatusCode::TOO_MANY_REQUESTS => "too-many",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "bad-request",
        StatusCode::FORBIDDEN if response.extensions().get::<tower_http::csrf::ProtectionError>().is_some() => {
            "cross-origin"
        }
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::UNAUTHORIZED => "unauthorized",
        status if status.is_client_error() => "bad-request",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "internal",
    };
    Some(Failure { status, code, cause: None, headers: response.headers().clone() })
}

/// Whether the body is still to be made. An endpoint that answers errors in its protocol's own form (OAuth's
/// JSON, a form shown again with its errors) has made it.
fn needs_rendering(response: &Response) -> bool {
    if response.extensions().get::<Failure>().is_some() {
        return true;
    }
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_none_or(|kind| kind.starts_with("text/plain"))
}

/// The answer when even the middleware panics: no page of ours is trusted any more, so a fixed text.
pub fn last_resort(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("panic outside of a handler");
    let text =
        "Une erreur est survenue. Veuillez réessayer plus tard.\nSomething went wrong. Please try again later.\n";
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
