//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0).
//!
//! ```text
//!                 hint of this very session ─────────────▶ signed out ──▶ back to the client, or a page
//! request ──▶ read
//!                 no hint, or another session's: ask ────▶ signed out ──▶ the same
//!                 nobody signed in ──────────────────────────────────────▶ the same
//! ```
//!
//! Nobody is signed out by a link or an image on some page, and nobody is sent to an address that the client has
//! not registered.

use super::discovery::path;
use super::parameters::Parameters;
use super::redirect_uri::is_registered_after_logout;
use super::response::{redirect, with_query};
use super::tokens::IdToken;
use super::who;
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::pages::{Page, Sample, View};
use crate::session::cookies::{Cookies, Kind, removal};
use crate::session::form::{Binding, PageForm, Submitted};
use askama::Template;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::CookieJar;
use domain::ids::RelyingPartyId;
use domain::relying_party::RelyingParty;
use serde::Deserialize;
use uuid::Uuid;

/// Where to go once signed out: an address of a client, and what it wants back.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Afterwards {
    client: RelyingPartyId,
    uri: String,
    state: Option<String>,
}

/// A logout request, checked.
struct Logout {
    /// The session that the hint names.
    sid: Option<Uuid>,
    afterwards: Option<Afterwards>,
}

/// `GET /end-session`
///
/// # Errors
/// When the request contradicts itself, or names an address that is not the client's.
pub async fn get(
    State(app): State<App>,
    incident: Incident,
    view: View,
    cookies: Cookies,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes());
    let logout = read(&app, &parameters).await?;
    let who = who::in_browser(&app, &incident, &cookies).await?;
    match who {
        None => Ok(signed_out(&app, view, logout.afterwards)),
        Some(who) if logout.sid == Some(who.sid) => {
            who::end(&app, who.sid).await?;
            Ok(signed_out(&app, view, logout.afterwards))
        }
        Some(_) => Ok(ask(&app, view, &cookies, logout.afterwards)),
    }
}

/// `POST /end-session`. A form posted from the client's page comes without our cookies (`SameSite=Lax`): the same
/// request by GET has them.
///
/// # Errors
/// As for GET.
pub async fn post(State(app): State<App>, RawQuery(query): RawQuery, body: Bytes) -> Result<Response, AppError> {
    let all = [query.unwrap_or_default().as_bytes(), b"&", &body].concat();
    let parameters = Parameters::parse(&all);
    read(&app, &parameters).await?;
    let known = ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"];
    let fields: Vec<_> = known.into_iter().filter_map(|name| Some((name, parameters.get(name)?.to_owned()))).collect();
    Ok(redirect(&with_query(path::END_SESSION, &fields)))
}

/// The confirmation.
#[derive(Deserialize)]
pub struct ConfirmForm {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    post_logout_redirect_uri: String,
    #[serde(default)]
    state: String,
}

impl PageForm for ConfirmForm {
    const NAME: &'static str = "end-session";
    const BINDING: Binding = Binding::Session;
}

/// `POST /end-session/confirm`: yes, sign me out.
///
/// # Errors
/// When the form is not ours, or its address is not the client's.
pub async fn confirm(
    State(app): State<App>,
    incident: Incident,
    view: View,
    cookies: Cookies,
    Submitted(form): Submitted<ConfirmForm>,
) -> Result<Response, AppError> {
    let afterwards = match form.post_logout_redirect_uri.as_str() {
        "" => None,
        uri => {
            let client = form.client_id.parse().map_err(|_| bad_address())?;
            let state = Some(form.state).filter(|state| !state.is_empty());
            Some(checked(&app, Afterwards { client, uri: uri.to_owned(), state }).await?)
        }
    };
    if let Some(who) = who::in_browser(&app, &incident, &cookies).await? {
        who::end(&app, who.sid).await?;
    }
    Ok(signed_out(&app, view, afterwards))
}

/// Checks a request before anything is done for it.
async fn read(app: &App, parameters: &Parameters) -> Result<Logout, AppError> {
    if parameters.any_repeated() {
        return Err(AppError::bad_request().because("a parameter comes more than once"));
    }
    let named: Option<RelyingPartyId> = match parameters.get("client_id") {
        Some(id) => Some(id.parse().map_err(|_| AppError::bad_request().because("client_id is no identifier"))?),
        None => None,
    };
    // A hint that is not ours, or whose key is gone, is no hint: the person is asked.
    let hint = match parameters.get("id_token_hint") {
        Some(hint) => IdToken::from_hint(hint, &*app.keys.get(app.clock.now()).await?, &app.config.origin()).ok(),
        None => None,
    };
    let hinted = hint.as_ref().and_then(|hint| hint.aud.parse::<RelyingPartyId>().ok());
    if named.is_some() && hinted.is_some() && named != hinted {
        return Err(AppError::bad_request().because("client_id is not the audience of id_token_hint"));
    }
    let state = parameters.get("state").map(str::to_owned);
    let afterwards = match (parameters.get("post_logout_redirect_uri"), hinted.or(named)) {
        (None, _) => None,
        (Some(_), None) => return Err(bad_address()),
        (Some(uri), Some(client)) => Some(checked(app, Afterwards { client, uri: uri.to_owned(), state }).await?),
    };
    Ok(Logout { sid: hint.map(|hint| hint.sign_in.sid), afterwards })
}

fn bad_address() -> AppError {
    AppError::refused(StatusCode::BAD_REQUEST, "logout-redirect-uri")
}

/// The same, if the address is the client's.
async fn checked(app: &App, afterwards: Afterwards) -> Result<Afterwards, AppError> {
    let party = app.ledger.load::<RelyingParty>(&afterwards.client.to_string()).await?.aggregate;
    match party.registration {
        Some(registration) if party.enabled && is_registered_after_logout(&registration, &afterwards.uri) => {
            Ok(afterwards)
        }
        _ => Err(bad_address()),
    }
}

fn signed_out(app: &App, mut view: View, afterwards: Option<Afterwards>) -> Response {
    view.user = None;
    let jar = CookieJar::new().add(removal(app, Kind::Session)).add(removal(app, Kind::Flow));
    match afterwards {
        Some(Afterwards { uri, state, client: _ }) => {
            let fields: Vec<_> = state.map(|state| ("state", state)).into_iter().collect();
            let to = if fields.is_empty() { uri } else { with_query(&uri, &fields) };
            (jar, redirect(&to)).into_response()
        }
        None => (jar, Page(SignedOutPage { view })).into_response(),
    }
}

fn ask(app: &App, view: View, cookies: &Cookies, afterwards: Option<Afterwards>) -> Response {
    let token = cookies.session.as_ref().map(|session| ConfirmForm::token(app, session)).unwrap_or_default();
    let fields = match afterwards {
        Some(Afterwards { client, uri, state }) => vec![
            ("client_id", client.to_string()),
            ("post_logout_redirect_uri", uri),
            ("state", state.unwrap_or_default()),
        ],
        None => vec![],
    };
    Page(ConfirmPage { view, action: path::END_SESSION_CONFIRM, token, fields }).into_response()
}

/// Sign out?
#[derive(Template, Debug)]
#[template(path = "oidc/confirm_sign_out.html")]
pub struct ConfirmPage {
    view: View,
    action: &'static str,
    token: String,
    fields: Vec<(&'static str, String)>,
}

impl Sample for ConfirmPage {
    fn samples(view: &View) -> Vec<Self> {
        let fields = vec![("state", "\"><script>".to_owned())];
        vec![Self { view: view.clone(), action: path::END_SESSION_CONFIRM, token: "…".to_owned(), fields }]
    }
}

/// Signed out.
#[derive(Template, Debug)]
#[template(path = "oidc/signed_out.html")]
pub struct SignedOutPage {
    view: View,
}

impl Sample for SignedOutPage {
    fn samples(view: &View) -> Vec<Self> {
        vec![Self { view: view.clone() }]
    }
}
