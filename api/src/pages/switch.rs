//! `GET /language/{code}`: keeps the chosen language in a cookie and goes back.

use super::Language;
use super::language::COOKIE;
use crate::app::App;
use crate::incident::AppError;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use serde::Deserialize;

/// Where to go back to.
#[derive(Deserialize)]
pub struct Back {
    from: Option<String>,
}

/// Sets the cookie and redirects to `from`, which must be a path of this service.
pub async fn switch_language(
    State(app): State<App>,
    Path(code): Path<String>,
    Query(back): Query<Back>,
) -> Result<Response, AppError> {
    let language = Language::from_code(&code).ok_or_else(AppError::not_found)?;
    let mut cookie = language_cookie(&app, language);
    cookie.make_permanent();
    let target = local_path(&app, back.from.as_deref().unwrap_or("/"));
    Ok((CookieJar::new().add(cookie), Redirect::to(&target)).into_response())
}

/// Keeps a language as long as the browser is open.
pub fn language_cookie(app: &App, language: Language) -> Cookie<'static> {
    let mut cookie = Cookie::new(COOKIE, language.code());
    cookie.set_path("/");
    cookie.set_same_site(SameSite::Lax);
    cookie.set_http_only(true);
    cookie.set_secure(app.config.is_https());
    cookie
}

/// The path if it is one of ours, else the home page: `//elsewhere`, `/\elsewhere` and the like are links to
/// other places, so what counts is what a browser makes of it.
fn local_path(app: &App, from: &str) -> String {
    let home = &app.config.public_origin;
    match home.join(from) {
        Ok(url) if url.origin() == home.origin() && from.starts_with('/') => {
            url[url::Position::BeforePath..].to_owned()
        }
        _ => "/".to_owned(),
    }
}
