//! `/account/sessions`: where I am signed in, and an end to it.

use super::agent::Agent;
use super::cookies::{Cookies, Kind, removal};
use super::current::CurrentUser;
use super::form::{Binding, PageForm, Submitted};
use super::store::{self, Listed};
use crate::app::App;
use crate::incident::AppError;
use crate::oidc::{EVERYWHERE, EverywhereForm, names};
use crate::pages::{Page, Sample, View};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use chrono::{DateTime, TimeDelta, Utc};
use domain::account::{Account, NO_PASSWORD, Password};
use fluent_templates::fluent_bundle::FluentValue;
use serde::Deserialize;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The page's path.
pub const PATH: &str = "/account/sessions";
/// Where the forms that end one session are sent.
pub const END: &str = "/account/sessions/end";

/// One session, in words.
#[derive(Clone, Debug)]
pub struct OwnSession {
    sid: String,
    /// This browser's.
    own: bool,
    /// `Firefox on Android`
    device: String,
    /// How long ago it began.
    began: String,
    /// How long ago it was used.
    seen: String,
    /// Services it signed in to.
    services: Vec<String>,
}

/// Where the holder is signed in.
#[derive(Template, Debug)]
#[template(path = "session/own_sessions.html")]
pub struct OwnSessionsPage {
    view: View,
    token: String,
    sessions: Vec<OwnSession>,
    everywhere: &'static str,
    everywhere_token: String,
}

/// Which session to end.
#[derive(Deserialize)]
pub struct EndSessionForm {
    session: Uuid,
}

impl PageForm for EndSessionForm {
    const NAME: &'static str = "end-own-session";
    const BINDING: Binding = Binding::Session;
}

/// Shows them.
///
/// # Errors
/// When the ledger or the database fail.
pub async fn own_sessions(
    State(app): State<App>,
    view: View,
    cookies: Cookies,
    user: CurrentUser,
) -> Result<Page<OwnSessionsPage>, AppError> {
    let now = app.clock.now();
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    let own = cookies.session.as_ref().map_or([0; 32], |token| token.hash(&app.ledger, "session"));
    let credential = account.password.as_ref().map_or(NO_PASSWORD, Password::secret);
    let listed = store::of_account(&app, (user.account, credential), &own, now).await?;
    let names = names(&app, listed.iter().flat_map(|session| session.clients.iter().copied())).await?;
    let sessions = listed.iter().map(|session| in_words(&view, session, &names, now)).collect();
    let token = cookies.session.as_ref().map(|session| EndSessionForm::token(&app, session)).unwrap_or_default();
    let everywhere_token =
        cookies.session.as_ref().map(|session| EverywhereForm::token(&app, session)).unwrap_or_default();
    Ok(Page(OwnSessionsPage { view, token, sessions, everywhere: EVERYWHERE, everywhere_token }))
}

fn in_words(view: &View, session: &Listed, names: &BTreeMap<Uuid, String>, now: DateTime<Utc>) -> OwnSession {
    OwnSession {
        sid: session.sid.to_string(),
        own: session.own,
        device: device(view, &Agent::read(session.device.as_deref())),
        began: ago(view, now - session.began_at),
        // Its own use is this very page; the row is brought up to date once a minute.
        seen: ago(view, if session.own { TimeDelta::zero() } else { now - session.seen_at }),
        services: session.clients.iter().filter_map(|id| names.get(id).cloned()).collect(),
    }
}

/// A browser in words.
pub(super) fn device(view: &View, agent: &Agent) -> String {
    match (&agent.browser, &agent.system) {
        (Some(browser), Some(system)) => {
            let words = [("browser", FluentValue::from(browser)), ("system", FluentValue::from(system))];
            view.with("sessions-device", &words)
        }
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => view.t("sessions-device-unknown"),
    }
}

/// How long ago: a session is hours old at most, so no date and no time zone is needed.
fn ago(view: &View, since: TimeDelta) -> String {
    match (since.num_hours(), since.num_minutes()) {
        (..=0, ..=1) => view.t("sessions-now"),
        (..=0, minutes) => view.tn("sessions-minutes-ago", "count", minutes),
        (hours, _) => view.tn("sessions-hours-ago", "count", hours),
    }
}

/// Ends one: it is signed out, and the services it signed in to are told. Ending one's own is signing out.
///
/// # Errors
/// When the form is not ours, or the database fails.
pub async fn end_own_session(
    State(app): State<App>,
    cookies: Cookies,
    user: CurrentUser,
    Submitted(form): Submitted<EndSessionForm>,
) -> Result<Response, AppError> {
    let ended = store::end_named(&app.db, user.account, form.session).await?;
    tracing::info!(account = %user.account, ended, "a person ended a session");
    let Some(token) = &cookies.session else { return Ok(Redirect::to(PATH).into_response()) };
    if store::find(&app, &token.hash(&app.ledger, "session"), app.clock.now()).await?.is_some() {
        return Ok(Redirect::to(PATH).into_response());
    }
    let jar = CookieJar::new().add(removal(&app, Kind::Session)).add(removal(&app, Kind::Flow));
    Ok((jar, Redirect::to("/")).into_response())
}

impl Sample for OwnSessionsPage {
    fn samples(view: &View) -> Vec<Self> {
        let session = |own, agent: Agent, hours: i64, services: &[&str]| OwnSession {
            sid: Uuid::nil().to_string(),
            own,
            device: device(view, &agent),
            began: ago(view, TimeDelta::hours(hours)),
            seen: ago(view, TimeDelta::minutes(hours)),
            services: services.iter().map(|name| (*name).to_owned()).collect(),
        };
        let agent = |browser: &str, system: &str| Agent { browser: Some(browser.into()), system: Some(system.into()) };
        let sessions = vec![
            session(true, agent("Firefox", "Android"), 0, &["Notes <Exemple>", "Cantine"]),
            session(false, agent("Edge", "Windows"), 7, &[]),
            session(false, Agent::default(), 1, &["Cantine"]),
        ];
        vec![Self {
            view: view.signed_in(PATH),
            token: "…".into(),
            sessions,
            everywhere: EVERYWHERE,
            everywhere_token: "…".into(),
        }]
    }
}
