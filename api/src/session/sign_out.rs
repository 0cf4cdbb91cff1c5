//! `POST /sign-out`

use super::cookies::{Cookies, Kind, removal};
use super::store;
use crate::app::App;
use crate::incident::AppError;
use crate::upstream;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;

/// Ends the browser's session, here and in the database, and goes on to the provider that opened it, to sign out there
/// too. Without a form token: its button stands on every page, the
/// cookie does not travel with other sites' forms, and the router refuses those anyway.
///
/// # Errors
/// When the database fails: the user is told that they may still be signed in.
pub async fn sign_out(State(app): State<App>, cookies: Cookies) -> Result<Response, AppError> {
    let mut onward = "/".to_owned();
    if let Some(token) = &cookies.session {
        let cookie = token.hash(&app.ledger, "session");
        let hint = upstream::sign_out_hint(&app, store::upstream_sign_out(&app.db, &cookie).await?).await;
        store::end(&app.db, &cookie).await?;
        if let Some(there) = upstream::sign_out_address(&app, hint).await {
            onward = there;
        }
    }
    let jar = CookieJar::new().add(removal(&app, Kind::Session)).add(removal(&app, Kind::Flow));
    Ok((jar, Redirect::to(&onward)).into_response())
}
