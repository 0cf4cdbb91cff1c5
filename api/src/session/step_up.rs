//! The guard of sensitive acts, and `GET` and `POST /sign-in/again`.
//!
//! ```text
//!  a page or form that takes StepUp ──▶ proved to be themselves lately ──▶ goes on
//!                                   └─▶ longer ago ──▶ /sign-in/again ──▶ right: the session goes on under a new id,
//!                                                                        and back to where they were
//! ```
//!
//! What was posted is not kept on the way: who proves again comes back to the page whose form it was.

use super::address::ClientAddress;
use super::cookies::Cookies;
use super::current::{self, CurrentUser, sign_in_path};
use super::form::{Binding, PageForm, Submitted};
use super::proving::{self, Proved};
use super::return_to::{self, ReturnTo};
use super::second;
use super::store::Method;
use super::switch;
use crate::access;
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::pages::{FormErrors, Page, Sample, View, section};
use crate::upstream;
use askama::Template;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{Method as Verb, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use domain::account::Account;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Where people prove to be themselves again.
pub const PATH: &str = "/sign-in/again";

/// Who is signed in and has proved so within `sessions.step_up`. An extractor for pages and forms of sensitive acts:
/// who is not signed in is sent to sign in; who proved longer ago, to prove again. Both come back.
#[derive(Clone, Debug)]
pub struct StepUp(pub CurrentUser);

impl StepUp {
    /// Whether the last proof is young enough.
    pub fn is_met(app: &App, user: &CurrentUser, now: DateTime<Utc>) -> bool {
        now - user.authenticated_at <= app.config.sessions.step_up.delta()
    }
}

/// The page that asks for the proof and leads back to `here` (path and query of this service).
pub fn step_up_path(here: &str) -> String {
    let back: String = url::form_urlencoded::byte_serialize(here.as_bytes()).collect();
    format!("{PATH}?return_to={back}")
}

impl FromRequestParts<App> for StepUp {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let user = CurrentUser::from_request_parts(parts, app).await?;
        if Self::is_met(app, &user, app.clock.now()) {
            return Ok(Self(user));
        }
        let here = match (&parts.method, parts.uri.path_and_query()) {
            (&Verb::GET, Some(here)) => here.as_str(),
            _ => section::of(parts.uri.path()),
        };
        Err(Redirect::to(&step_up_path(here)).into_response())
    }
}

/// Where to go afterwards.
#[derive(Deserialize)]
pub struct Back {
    #[serde(default, deserialize_with = "return_to::lenient")]
    return_to: Option<ReturnTo>,
}

/// The password once more.
#[derive(Deserialize)]
pub struct AgainForm {
    /// Carried for password managers only.
    #[serde(default, rename = "username")]
    _username: String,
    password: Zeroizing<String>,
    #[serde(default, deserialize_with = "return_to::lenient")]
    return_to: Option<ReturnTo>,
}

impl PageForm for AgainForm {
    const NAME: &'static str = "sign-in-again";
    const BINDING: Binding = Binding::Session;
}

/// Is it still you?
#[derive(Template, Debug)]
#[template(path = "session/again.html")]
pub struct AgainPage {
    view: View,
    token: String,
    login: String,
    return_to: Option<ReturnTo>,
    errors: FormErrors,
    /// What to say above the form; empty for nothing.
    notice: String,
    /// Token of the form that lets somebody else sign in.
    switch_token: String,
    /// Whether there is a password to ask for.
    has_password: bool,
    /// Providers that open the account: what stands on the button, and where it leads.
    providers: Vec<(String, String)>,
}

impl Sample for AgainPage {
    fn samples(view: &View) -> Vec<Self> {
        let mut errors = FormErrors::new();
        errors.add("password", view.t("session-own-password-wrong"));
        let page = |errors, notice| Self {
            view: view.signed_in(PATH),
            token: "…".into(),
            login: "p.fictif".into(),
            return_to: ReturnTo::read("/account/data"),
            errors,
            notice,
            switch_token: "…".into(),
            has_password: true,
            providers: vec![],
        };
        let button = ("S’identifier avec FranceConnect".to_owned(), "/sign-in/with/franceconnect".to_owned());
        let by_provider =
            Self { has_password: false, providers: vec![button], ..page(FormErrors::new(), String::new()) };
        vec![
            by_provider,
            page(FormErrors::new(), String::new()),
            page(errors, String::new()),
            page(FormErrors::new(), view.tn("session-too-many", "minutes", 2)),
        ]
    }
}

fn page(
    app: &App,
    view: View,
    cookies: &Cookies,
    (login, account): (String, &Account),
    return_to: Option<ReturnTo>,
) -> AgainPage {
    let token = cookies.session.as_ref().map(|session| AgainForm::token(app, session)).unwrap_or_default();
    let (errors, notice, switch_token) = (FormErrors::new(), String::new(), switch::token(app, cookies));
    let has_password = account.password.is_some();
    let providers = upstream::again(app, &view, account, return_to.as_ref());
    AgainPage { view, token, login, return_to, errors, notice, switch_token, has_password, providers }
}

/// Asks.
///
/// # Errors
/// When the ledger or the database fails.
pub async fn show_again(
    State(app): State<App>,
    view: View,
    cookies: Cookies,
    user: CurrentUser,
    Query(back): Query<Back>,
) -> Result<Response, AppError> {
    // The password was right a moment ago, and the code is still due.
    if let Some(step) = second::path_of(&app, &cookies, Some(&user), back.return_to.as_ref()).await? {
        return Ok(Redirect::to(&step).into_response());
    }
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    Ok(Page(page(&app, view, &cookies, (user.name, &account), back.return_to)).into_response())
}

/// Takes the password.
///
/// # Errors
/// When too many passwords wait, or something fails.
pub async fn sign_in_again(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    user: CurrentUser,
    Submitted(form): Submitted<AgainForm>,
) -> Result<Response, AppError> {
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    let proved = proving::by_password(&app, &incident, address, &cookies, (&user, &account), &form.password).await?;
    let mut page = page(&app, view, &cookies, (user.name.clone(), &account), form.return_to);
    match proved {
        Proved::Right(credential) => {
            let target = page.return_to.as_ref().map_or(section::HOME, ReturnTo::as_str).to_owned();
            let jar = current::open(&app, &cookies, user.account, credential, Method::Password).await?;
            let told = second::outcome(&app, &jar);
            access::sign_in(&app, &incident, address, Some(user.account), Method::Password, told);
            Ok((jar, Redirect::to(&target)).into_response())
        }
        Proved::Wrong => {
            page.errors.add("password", page.view.t("session-own-password-wrong"));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
        }
        Proved::TooMany(wait) => {
            page.notice = page.view.tn("session-too-many", "minutes", wait.as_secs().div_ceil(60));
            let retry = [(header::RETRY_AFTER, wait.as_secs().to_string())];
            Ok((StatusCode::TOO_MANY_REQUESTS, retry, Page(page)).into_response())
        }
        // Reset a moment ago.
        Proved::NoPassword => Ok(Redirect::to(&sign_in_path(section::HOME)).into_response()),
    }
}
