//! From a template to a response.

use crate::incident::AppError;
use askama::Template;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// A page as a response.
#[derive(Debug)]
pub struct Page<T>(pub T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        page(&self.0)
    }
}

/// Renders a page. None is stored by caches: nearly all are personal, and the rest are cheap.
pub fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let mut response = html.into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Language, Cookie"));
            response
        }
        Err(error) => AppError::internal(error).into_response(),
    }
}
