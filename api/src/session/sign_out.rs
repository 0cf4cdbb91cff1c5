//! `POST /sign-out`

use super::cookies::{Cookies, Kind, removal};
use super::store;
use crate::app::App;
use crate::incident::AppError;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;

/// Ends the browser's session, here and in the database. Without a form token: its button stands on every page, the
/// cookie does not travel with other sites' forms, and the router refuses those anyway.
///
/// # Errors
/// When the database fails: the user is told that they may still be signed in.
pub async fn sign_out(State(app): State<App>, cookies: Cookies) -> Result<Response, AppError> {
    if let Some(token) = &cookies.session {
        store::end(&app.db, &token.hash(&app.ledger, "session")).await?;
    }
    let jar = CookieJar::new().add(removal(&app, Kind::Session)).add(removal(&app, Kind::Flow));
    Ok((jar, Redirect::to("/")).into_response())
}
