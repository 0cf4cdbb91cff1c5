//! `GET /account/ways-in` and `POST /account/ways-in/remove`: how the holder may sign in, and what they add or give up.

use super::answer::{Arrival, Arrived, may_use};
use super::link::{self, New, former_subjects, name_of};
use super::matching;
use super::stopped::Why;
use super::{SUBJECT, subject_hash};
use crate::activation::{Names, notify, record};
use crate::app::App;
use crate::config::MatchBy;
use crate::delivery::Message;
use crate::incident::{AppError, Incident};
use crate::pages::{Page, Sample, View};
use crate::session::cookies::Cookies;
use crate::session::form::{Binding, PageForm, Submitted};
use crate::session::{CurrentUser, end_by_link, sign_in_path};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::TimeDelta;
use domain::account::{Account, AccountCommand, AccountError, UpstreamProof};
use domain::ids::{AccountId, LinkId};
use serde::Deserialize;

const PATH: &str = "/account/ways-in";
/// Ways in change behind a sign-in that is not older.
const FRESH: TimeDelta = TimeDelta::minutes(10);

/// A provider that opens the account.
#[derive(Clone, Debug)]
pub struct Linked {
    link: LinkId,
    label: String,
    /// As the provider names the holder; empty where it does not.
    name: String,
}

/// A provider that may be added.
#[derive(Clone, Debug)]
pub struct Offered {
    label: String,
    href: String,
}

/// The ways in.
#[derive(Template, Debug)]
#[template(path = "upstream/ways.html")]
pub struct WaysPage {
    view: View,
    token: String,
    login: String,
    has_password: bool,
    linked: Vec<Linked>,
    offered: Vec<Offered>,
    /// What was done just now, as a message; empty for nothing.
    done: String,
    /// Why not; empty where nothing was refused.
    refused: String,
}

impl WaysPage {
    /// Whether this way may be given up.
    fn may_go(&self) -> bool {
        self.has_password || self.linked.len() > 1
    }
}

impl Sample for WaysPage {
    fn samples(view: &View) -> Vec<Self> {
        let linked = Linked {
            link: LinkId(uuid::Uuid::from_u128(1)),
            label: "FranceConnect".into(),
            name: "Aude Marie LEFICTIF".into(),
        };
        let offered = Offered { label: "FranceConnect".into(), href: "/account/ways-in/add/franceconnect".into() };
        let page = |has_password, linked: Vec<Linked>, offered, done: &str, refused: &str| Self {
            view: view.clone(),
            token: "…".into(),
            login: "a.lefictif".into(),
            has_password,
            linked,
            offered,
            done: done.into(),
            refused: refused.into(),
        };
        vec![
            page(true, vec![], vec![offered], "", ""),
            page(true, vec![linked.clone()], vec![], "…", ""),
            page(false, vec![linked], vec![], "", "…"),
            page(true, vec![], vec![], "", ""),
        ]
    }
}

/// What was done just now.
#[derive(Deserialize)]
pub struct Told {
    done: Option<String>,
}

/// "I give this one up."
#[derive(Deserialize)]
pub struct RemoveForm {
    link: LinkId,
}

impl PageForm for RemoveForm {
    const NAME: &'static str = "upstream-remove";
    const BINDING: Binding = Binding::Session;
}

/// Sends a holder who signed in a while ago to do so again: someone else's hand on an open browser adds no way in.
pub(super) fn sign_in_again(app: &App, user: &CurrentUser) -> Option<Redirect> {
    let stale = app.clock.now() - user.authenticated_at > FRESH;
    stale.then(|| Redirect::to(&sign_in_path(PATH)))
}

/// Shows them.
///
/// # Errors
/// When something fails.
pub async fn show_ways(
    State(app): State<App>,
    view: View,
    cookies: Cookies,
    user: CurrentUser,
    Query(told): Query<Told>,
) -> Result<Response, AppError> {
    let done = match told.done.as_deref() {
        Some("added") => view.t("upstream-ways-added"),
        Some("removed") => view.t("upstream-ways-removed"),
        _ => String::new(),
    };
    let page = page(&app, view, &cookies, &user, done, String::new()).await?;
    Ok(page.into_response())
}

async fn page(
    app: &App,
    view: View,
    cookies: &Cookies,
    user: &CurrentUser,
    done: String,
    refused: String,
) -> Result<Page<WaysPage>, AppError> {
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    let label = |name: &str| match app.upstreams.find(name) {
        Some(provider) => provider.label(view.language).to_owned(),
        // Configured no longer; it opens nothing, and may still be given up.
        None => name.to_owned(),
    };
    let linked = account.links.iter().map(|(link, one)| Linked {
        link: *link,
        label: label(&one.provider),
        name: one.identity.known().map(name_of).unwrap_or_default(),
    });
    let linked = linked.collect();
    let free = app.upstreams.all().iter().filter(|provider| {
        may_use(provider, &account) && !account.links.values().any(|link| link.provider == provider.name())
    });
    let offered = free.map(|provider| Offered {
        label: provider.label(view.language).to_owned(),
        href: format!("{PATH}/add/{}", provider.name()),
    });
    let offered = offered.collect();
    let token = cookies.session.as_ref().map(|session| RemoveForm::token(app, session)).unwrap_or_default();
    let (login, has_password) = (user.name.clone(), account.password.is_some());
    Ok(Page(WaysPage { view, token, login, has_password, linked, offered, done, refused }))
}

/// Gives a way in up. Whatever it had opened ends.
///
/// # Errors
/// When something fails.
pub async fn unlink(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    user: CurrentUser,
    Submitted(form): Submitted<RemoveForm>,
) -> Result<Response, AppError> {
    if let Some(first) = sign_in_again(&app, &user) {
        return Ok(first.into_response());
    }
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    let names = Names::of(&app.ledger, &account).await?;
    let (language, now) = (view.language, app.clock.now());
    let recorded = record(&app, &incident, user.account, |loaded, unit| {
        let events = loaded.aggregate.decide(AccountCommand::UnlinkUpstreamIdentity { link: form.link })?;
        let provider = loaded.aggregate.links.get(&form.link).map(|link| link.provider.clone()).unwrap_or_default();
        let hashes = former_subjects(&loaded.aggregate, &events);
        let hashes = hashes.iter().map(|subject| subject_hash(&app, &provider, subject));
        let unit = hashes.fold(unit, |unit, hash| unit.release(SUBJECT, &loaded.id, hash));
        let unit = unit.stream::<Account>(&loaded.id, loaded.version, events);
        Ok(notify(unit, &Message::WayInRemoved, language, &names.emails, now))
    });
    match recorded.await? {
        Ok(_) => {
            end_by_link(&app.db, form.link).await?;
            Ok(Redirect::to(&format!("{PATH}?done=removed")).into_response())
        }
        Err(AccountError::LastWayIn) => {
            let refused = view.t("upstream-ways-last");
            let page = page(&app, view, &cookies, &user, String::new(), refused).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
        // Given up a moment ago in another tab.
        Err(_) => Ok(Redirect::to(PATH).into_response()),
    }
}

/// A signed-in holder is back from a provider: the identity is tied to the account if it is the same person's.
pub(super) async fn add_arrived(arrival: Arrival<'_>, id: AccountId, arrived: Arrived) -> Result<Response, AppError> {
    let (app, provider) = (arrival.app, arrival.provider);
    // Whoever left is who comes back, still signed in.
    let Some(user) = arrival.incident.user().filter(|user| user.account == id) else {
        return Ok(arrival.stopped(None, Why::Stale, None));
    };
    let account = app.ledger.load::<Account>(&id.to_string()).await?.aggregate;
    if !may_use(provider, &account) {
        return Ok(arrival.stopped(Some(id), Why::NotForThem, None));
    }
    let proof = if provider.config.matching.by == MatchBy::Names {
        let (agree, _) = link::school_names(&app.ledger, &account, &arrived.identity).await?;
        agree.then_some(UpstreamProof::SignedIn)
    } else {
        let found = matching::find(app, provider, &arrived).await?;
        found.filter(|(account, _)| *account == id).map(|(_, proof)| proof)
    };
    let Some(proof) = proof else { return Ok(arrival.stopped(Some(id), Why::OtherNames, None)) };
    let new = New { provider, identity: &arrived.identity, proof, flow: None, consumed: None };
    if let Err(why) = link::tie(app, arrival.incident, arrival.view.language, id, &new).await? {
        return Ok(arrival.stopped(Some(id), why, None));
    }
    tracing::info!(account = %user.account, provider = provider.name(), "a way in was added");
    Ok(Redirect::to(&format!("{PATH}?done=added")).into_response())
}
