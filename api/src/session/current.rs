//! Who is signed in.
//!
//! A session is alive while four things are: its row (not idle, not too old), its account (in use), the very password
//! it was opened under, and the upstream identity that opened it, if one did. The last three are read from the
//! account's own stream, under each request. So a reset, a disabling and the end of a link end every session in the
//! transaction that records them; deleting the rows afterwards is tidying.

use super::cookies::{Cookies, Kind};
use super::second;
use super::store::{self, ByLink, Method, Opening, Second};
use super::token::Token;
use crate::app::App;
use crate::incident::{AppError, Incident};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use chrono::{DateTime, Utc};
use domain::account::{Account, Holder, NO_PASSWORD, Password};
use domain::ids::{AccountId, SecretId};
use domain::personal::Personal;

/// Who is signed in, as pages and endpoints see it. An extractor: who is not is sent to sign in, and comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentUser {
    /// The account.
    pub account: AccountId,
    /// What to call them on a page: their login.
    pub name: String,
    /// When they proved to be so.
    pub authenticated_at: DateTime<Utc>,
    /// How.
    pub method: Method,
    /// With what besides.
    pub second: Option<Second>,
    /// Whether it is a pupil's account, which has no children.
    pub pupil: bool,
}

impl CurrentUser {
    /// Who has just signed in. What the account says of its holder, the next request's look at it tells.
    pub fn new(account: AccountId, name: String, authenticated_at: DateTime<Utc>, method: Method) -> Self {
        Self { account, name, authenticated_at, method, second: None, pupil: false }
    }
}

/// The sign-in page that leads back to `here` (path and query of this service).
pub fn sign_in_path(here: &str) -> String {
    let back: String = url::form_urlencoded::byte_serialize(here.as_bytes()).collect();
    format!("/sign-in?return_to={back}")
}

/// Middleware around all pages: finds the session, and tells the incident's record and the pages who it is.
pub async fn recognise(State(app): State<App>, request: Request, next: Next) -> Result<Response, AppError> {
    let (mut parts, body) = request.into_parts();
    let Ok(cookies) = Cookies::from_request_parts(&mut parts, &app).await;
    if let Some(token) = cookies.session.filter(|_| !parts.uri.path().starts_with("/assets/"))
        && let Some(user) = current(&app, &token).await?
    {
        let Ok(incident) = Incident::from_request_parts(&mut parts, &app).await;
        incident.note_user(user);
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// The holder of a live session.
async fn current(app: &App, token: &Token) -> Result<Option<CurrentUser>, AppError> {
    let now = app.clock.now();
    let cookie = token.hash(&app.ledger, "session");
    let Some(session) = store::find(app, &cookie, now).await? else { return Ok(None) };
    let account = app.ledger.load::<Account>(&session.account.to_string()).await?.aggregate;
    if !account.still_opens(session.credential, session.link) {
        store::end(&app.db, &cookie).await?;
        return Ok(None);
    }
    store::touch(app, &cookie, &session, now).await?;
    Ok(Some(CurrentUser {
        account: session.account,
        name: account.login.as_ref().and_then(Personal::known).cloned().unwrap_or_default(),
        authenticated_at: session.authenticated_at,
        method: session.method,
        second: session.second,
        pupil: matches!(account.holder, Some(Holder::Pupil(_))),
    }))
}

/// Opens a session, always under a new id, in place of whatever the browser held. Where that was a session of the
/// same person by the same password, it goes on under the new id: signing in again for one service ends nothing at
/// the others. Where the account wants a second factor, nobody is signed in yet: [`super::second`] asks for it first.
/// Returns the cookies to set.
///
/// # Errors
/// When the database fails or there is no randomness.
pub async fn open(
    app: &App,
    cookies: &Cookies,
    account: AccountId,
    credential: SecretId,
    method: Method,
) -> Result<CookieJar, AppError> {
    let device = cookies.agent.stored();
    let new = Opening { account, credential, method, second: None, device, upstream: None };
    let state = app.ledger.load::<Account>(&account.to_string()).await?.aggregate;
    open_or_ask(app, cookies, &state, new).await
}

/// [`open`] by an upstream identity, for an account as it stands.
///
/// # Errors
/// As [`open`].
pub async fn open_by_link(
    app: &App,
    cookies: &Cookies,
    id: AccountId,
    account: &Account,
    method: Method,
    by: ByLink,
) -> Result<CookieJar, AppError> {
    let credential = account.password.as_ref().map_or(NO_PASSWORD, Password::secret);
    let (second, device, upstream) = (None, cookies.agent.stored(), Some(by));
    let new = Opening { account: id, credential, method, second, device, upstream };
    let jar = open_or_ask(app, cookies, account, new).await?;
    Ok(jar.add(super::cookies::removal(app, Kind::Upstream)))
}

async fn open_or_ask(app: &App, cookies: &Cookies, state: &Account, new: Opening) -> Result<CookieJar, AppError> {
    if state.wants_second_factor() {
        return second::begin(app, cookies, &new).await;
    }
    open_proved(app, cookies, new).await
}

/// [`open`], once all is proved that the account wants.
pub(super) async fn open_proved(app: &App, cookies: &Cookies, new: Opening) -> Result<CookieJar, AppError> {
    let token = Token::draw()?;
    let (cookie, now) = (token.hash(&app.ledger, "session"), app.clock.now());
    let Opening { account, method, .. } = new;
    let goes_on = match &cookies.session {
        Some(old) => {
            let old = old.hash(&app.ledger, "session");
            let goes_on = store::renew(app, &old, &cookie, &new, now).await?;
            if !goes_on {
                store::end(&app.db, &old).await?;
            }
            goes_on
        }
        None => false,
    };
    if !goes_on {
        store::insert(app, &cookie, &new, now).await?;
    }
    tracing::info!(%account, method = method.as_str(), "signed in");
    Ok(CookieJar::new()
        .add(super::cookies::cookie(app, Kind::Session, token.expose()))
        .add(super::cookies::removal(app, Kind::Flow))
        .add(super::cookies::removal(app, Kind::Browser)))
}

impl FromRequestParts<App> for CurrentUser {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Ok(incident) = Incident::from_request_parts(parts, app).await;
        incident.user().ok_or_else(|| {
            // What was posted is lost on the way: come back to the start page of the account instead.
            let here = parts.uri.path_and_query().filter(|_| parts.method == axum::http::Method::GET);
            Redirect::to(&sign_in_path(here.map_or("/account", |here| here.as_str()))).into_response()
        })
    }
}
