//! A failure as its caller sees it: a page, or a problem document (RFC 9457).

use super::error::Failure;
use crate::app::App;
use crate::pages::{ErrorPage, View, page};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

/// The form a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Page,
    Problem,
}

impl Wants {
    /// By `Accept`: a browser names `text/html`. Who names neither gets a page, except under `/api/` and
    /// `/audit/`.
    pub(super) fn of(headers: &HeaderMap, path: &str) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let names =
            |kind: &str| accept.split(',').any(|part| part.split(';').next().unwrap_or_default().trim() == kind);
        if names("text/html") || names("application/xhtml+xml") {
            Self::Page
        } else if names("application/json")
            || names("application/problem+json")
            || path.starts_with("/api/")
            || path.starts_with("/audit/")
        {
            Self::Problem
        } else {
            Self::Page
        }
    }
}

/// The members of a problem document; `code` and `reference` are extensions.
#[derive(serde::Serialize)]
struct Problem<'a> {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    code: &'a str,
    reference: String,
}

pub(super) fn failure(app: &App, view: &View, wants: Wants, failure: &Failure) -> Response {
    let mut response = match wants {
        Wants::Page => page(&ErrorPage::new(view.clone(), failure.code)),
        Wants::Problem => problem(app, view, failure),
    };
    *response.status_mut() = failure.status;
    for (name, value) in &failure.headers {
        // The body is ours: what described another one would be wrong.
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

fn problem(app: &App, view: &View, failure: &Failure) -> Response {
    let document = Problem {
        r#type: app.config.link(&format!("/problems/{}", failure.code)),
        title: view.t(&format!("error-{}-title", failure.code)),
        status: failure.status.as_u16(),
        detail: view.t(&format!("error-{}-text", failure.code)),
        code: failure.code,
        reference: view.reference.to_string(),
    };
    // A struct of texts and a number always serialises.
    let body = serde_json::to_vec(&document).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
