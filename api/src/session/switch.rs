//! One browser, one person. Parents and pupils share tablets; so signing in as somebody else is said, never slipped into.
//!
//! ```text
//!  /sign-in, signed in ──▶ "you are signed in as A" ──▶ go on as A
//!                                                  └─▶ another user: A's session ends, its services are told,
//!                                                      and the sign-in page asks for the other's login
//! ```
//!
//! The former session is ended, not parked: a session that waits behind another person's back would be theirs to take up.

use super::cookies::{Cookies, Kind, removal};
use super::current::sign_in_path;
use super::form::{Binding, PageForm, Submitted};
use super::return_to::{self, ReturnTo};
use super::store;
use crate::app::App;
use crate::incident::AppError;
use crate::pages::{Page, Sample, View, section};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use serde::Deserialize;

/// Where the form is sent.
pub const PATH: &str = "/sign-in/switch";

/// Let somebody else sign in.
#[derive(Deserialize)]
pub struct SwitchForm {
    #[serde(default, deserialize_with = "return_to::lenient")]
    return_to: Option<ReturnTo>,
}

impl PageForm for SwitchForm {
    const NAME: &'static str = "switch-user";
    const BINDING: Binding = Binding::Session;
}

/// Who is signed in, and whether it shall be somebody else.
#[derive(Template, Debug)]
#[template(path = "session/switch.html")]
pub struct SwitchPage {
    view: View,
    token: String,
    login: String,
    onward: String,
    return_to: Option<ReturnTo>,
}

impl Sample for SwitchPage {
    fn samples(view: &View) -> Vec<Self> {
        let (onward, return_to) = (section::HOME.to_owned(), ReturnTo::read("/account/children"));
        vec![Self {
            view: view.signed_in("/sign-in"), token: "…".into(), login: "p.fictif".into(), onward, return_to
        }]
    }
}

/// The form's token.
pub(super) fn token(app: &App, cookies: &Cookies) -> String {
    cookies.session.as_ref().map(|session| SwitchForm::token(app, session)).unwrap_or_default()
}

/// Asks, where `login` is signed in.
pub(super) fn page(
    app: &App,
    view: View,
    cookies: &Cookies,
    login: String,
    return_to: Option<ReturnTo>,
) -> Page<SwitchPage> {
    let onward = return_to.as_ref().map_or(section::HOME, ReturnTo::as_str).to_owned();
    Page(SwitchPage { token: token(app, cookies), view, login, onward, return_to })
}

/// Ends the session of this browser, and asks who is there now.
///
/// # Errors
/// When the form is not ours, or the database fails.
pub async fn switch_user(
    State(app): State<App>,
    cookies: Cookies,
    Submitted(form): Submitted<SwitchForm>,
) -> Result<Response, AppError> {
    if let Some(token) = &cookies.session {
        store::end(&app.db, &token.hash(&app.ledger, "session")).await?;
    }
    let jar = CookieJar::new().add(removal(&app, Kind::Session)).add(removal(&app, Kind::Flow));
    let target = form.return_to.as_ref().map_or_else(|| "/sign-in".to_owned(), |back| sign_in_path(back.as_str()));
    Ok((jar, Redirect::to(&target)).into_response())
}
