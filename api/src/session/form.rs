//! Forms that only their own page can send.
//!
//! Three walls against forms sent from elsewhere: cookies are `SameSite=Lax`; the router refuses what a browser
//! says comes from another origin; and each form carries a token derived from a cookie that only this service and
//! this browser know, for this form only.

use super::cookies::Cookies;
use super::token::Token;
use crate::app::App;
use crate::incident::AppError;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Name of the hidden field.
pub const FIELD: &str = "form_token";

/// Which cookie a form's token is derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Nobody is known yet.
    Browser,
    /// An activation or recovery in progress.
    Flow,
    /// Someone is signed in.
    Session,
    /// A sign-in that waits for its second step.
    Second,
}

/// A form: its fields, its name and its binding.
pub trait PageForm: DeserializeOwned {
    /// Distinguishes forms; part of their tokens.
    const NAME: &'static str;
    /// Which cookie its token is derived from.
    const BINDING: Binding;

    /// The token to put into the page.
    fn token(app: &App, cookie: &Token) -> String {
        cookie.for_form(&app.ledger, Self::NAME)
    }
}

/// A form that came back from its own page. No field stands in it twice.
pub struct Submitted<T>(pub T);

impl<T: PageForm> FromRequest<App> for Submitted<T> {
    type Rejection = AppError;

    async fn from_request(request: Request, app: &App) -> Result<Self, AppError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return Err(AppError::bad_request().because("not a form"));
        }
        let (mut parts, body) = request.into_parts();
        let Ok(cookies) = Cookies::from_request_parts(&mut parts, app).await;
        let bytes = Bytes::from_request(Request::from_parts(parts, body), app)
            .await
            .map_err(|_| AppError::bad_request().because("body"))?;
        let mut fields = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(&bytes) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(AppError::bad_request().because("a field given twice"));
            }
        }
        let token = fields.remove(FIELD).unwrap_or_default();
        let cookie = match T::BINDING {
            Binding::Browser => cookies.browser,
            Binding::Flow => cookies.flow,
            Binding::Session => cookies.session,
            Binding::Second => cookies.second,
        };
        if !cookie.is_some_and(|cookie| cookie.made(&app.ledger, T::NAME, &token)) {
            return Err(AppError::refused(StatusCode::FORBIDDEN, "form-expired"));
        }
        let encoded = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        let encoded = zeroize::Zeroizing::new(encoded);
        serde_urlencoded::from_str(&encoded).map(Self).map_err(|_| AppError::bad_request().because("fields"))
    }
}
