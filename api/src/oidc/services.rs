//! `/account/services`: the services of my children's schools; which services I have signed in to, what they receive,
//! and an end to it.

use super::consent::labels;
use super::portal::{self, Link, Offer};
use super::{grants, scopes};
use crate::app::App;
use crate::incident::AppError;
use crate::pages::{Page, Sample, View};
use crate::session::cookies::{Cookies, Kind, removal};
use crate::session::form::{Binding, PageForm, Submitted};
use crate::session::{CurrentUser, end_all};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use chrono::{DateTime, TimeDelta, Utc};
use domain::account::Account;
use domain::ids::{AccountId, RelyingPartyId};
use domain::relying_party::RelyingParty;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The page's path.
pub const PATH: &str = "/account/services";
/// Where its form is sent.
pub const REVOKE: &str = "/account/services/revoke";
/// Where the form that ends everything is sent.
pub const EVERYWHERE: &str = "/account/sign-out-everywhere";

/// How long after the last sign-in a service is still shown.
pub const REMEMBERED: TimeDelta = TimeDelta::days(395);

/// One service.
#[derive(Clone, Debug)]
pub struct Service {
    client: String,
    name: String,
    /// Since when, as a date.
    since: String,
    /// Whether it can still ask, or only received something when I signed in.
    holds: bool,
    /// What it receives, in words.
    released: Vec<String>,
    /// Whether it stays connected when I sign out.
    stays: bool,
}

/// What services hold.
#[derive(Template, Debug)]
#[template(path = "oidc/services.html")]
pub struct ServicesPage {
    view: View,
    action: &'static str,
    token: String,
    /// By child.
    offers: Vec<Offer>,
    services: Vec<Service>,
    everywhere: &'static str,
    everywhere_token: String,
}

/// Which service to end.
#[derive(Deserialize)]
pub struct RevokeForm {
    client: RelyingPartyId,
}

impl PageForm for RevokeForm {
    const NAME: &'static str = "revoke-service";
    const BINDING: Binding = Binding::Session;
}

/// Sign me out on all devices and at all services.
#[derive(Deserialize)]
pub struct EverywhereForm {}

impl PageForm for EverywhereForm {
    const NAME: &'static str = "sign-out-everywhere";
    const BINDING: Binding = Binding::Session;
}

/// What one client holds.
struct Held {
    scopes: BTreeSet<String>,
    since: DateTime<Utc>,
    holds: bool,
    stays: bool,
}

/// `GET /account/services`
///
/// # Errors
/// When something fails.
pub async fn show(
    State(app): State<App>,
    view: View,
    cookies: Cookies,
    user: CurrentUser,
) -> Result<Page<ServicesPage>, AppError> {
    let services = services(&app, &view, user.account).await?;
    let token = cookies.session.as_ref().map(|session| RevokeForm::token(&app, session)).unwrap_or_default();
    let everywhere = cookies.session.as_ref().map(|session| EverywhereForm::token(&app, session)).unwrap_or_default();
    let holder = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate.holder;
    let offers = match holder {
        Some(holder) => portal::offers(&app, &view, user.account, holder).await?,
        None => Vec::new(),
    };
    let page = ServicesPage {
        offers,
        view,
        action: REVOKE,
        token,
        services,
        everywhere: EVERYWHERE,
        everywhere_token: everywhere,
    };
    Ok(Page(page))
}

/// What a service receives, for the person's own file.
#[derive(Debug, serde::Serialize)]
pub struct Received {
    /// The service.
    pub name: String,
    /// Since when, as a date.
    pub since: String,
    /// What it receives, in words.
    pub released: Vec<String>,
}

/// What each service that holds something of an account receives.
///
/// # Errors
/// When ledger or database fail.
pub async fn received(app: &App, view: &View, account: AccountId) -> Result<Vec<Received>, AppError> {
    let services = services(app, view, account).await?.into_iter();
    Ok(services.map(|Service { name, since, released, .. }| Received { name, since, released }).collect())
}

/// Names of relying parties, by id.
///
/// # Errors
/// When the ledger fails.
pub async fn names(app: &App, ids: impl Iterator<Item = Uuid>) -> Result<BTreeMap<Uuid, String>, AppError> {
    let ids: BTreeSet<Uuid> = ids.collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let keys: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let mut parties = app.ledger.load_many::<RelyingParty>(&keys).await?;
    let named = ids.into_iter().filter_map(|id| {
        let registration = parties.remove(&id.to_string())?.aggregate.registration?;
        Some((id, registration.name))
    });
    Ok(named.collect())
}

async fn services(app: &App, view: &View, account: AccountId) -> Result<Vec<Service>, AppError> {
    let held = held(app, account).await?;
    let ids: Vec<String> = held.keys().map(ToString::to_string).collect();
    let mut parties =
        if ids.is_empty() { Default::default() } else { app.ledger.load_many::<RelyingParty>(&ids).await? };
    let mut services: Vec<Service> = held
        .into_iter()
        .filter_map(|(client, held)| {
            let registration = parties.remove(&client.to_string())?.aggregate.registration?;
            let scopes = held.scopes.intersection(&registration.scopes).cloned().collect();
            Some(Service {
                client: client.to_string(),
                name: portal::name(&registration, view.language),
                holds: held.holds,
                since: held.since.format("%d/%m/%Y").to_string(),
                released: labels(&scopes).into_iter().map(|label| view.t(label)).collect(),
                stays: held.stays,
            })
        })
        .collect();
    services.sort_by(|a, b| (&a.name, &a.client).cmp(&(&b.name, &b.client)));
    Ok(services)
}

/// Families of refresh tokens that could still be used, what was agreed to, and where the person has signed in.
async fn held(app: &App, account: AccountId) -> Result<BTreeMap<RelyingPartyId, Held>, sqlx::Error> {
    let now = app.clock.now();
    let rows: Vec<(Uuid, String, DateTime<Utc>, bool, bool)> = sqlx::query_as(
        "SELECT client, scope, created_at, offline, true FROM service.refresh_family f
         WHERE account = $1 AND revoked_at IS NULL AND expires_at > $2 AND rotated_at > $3
           AND (offline OR EXISTS (SELECT FROM service.session s WHERE s.sid = f.session AND s.expires_at > $2))
         UNION ALL SELECT client, scope, given_at, true, true FROM service.consent
         WHERE account = $1 AND 'offline_access' = ANY (string_to_array(scope, ' '))
         UNION ALL SELECT client, scope, last_at, false, false FROM service.released
         WHERE account = $1 AND last_at > $4",
    )
    .bind(account.0)
    .bind(now)
    .bind(now - app.config.oidc.refresh_token_idle.delta())
    .bind(now - REMEMBERED)
    .fetch_all(&app.db)
    .await?;
    let mut held: BTreeMap<RelyingPartyId, Held> = BTreeMap::new();
    for (client, scope, since, stays, holds) in rows {
        let of = held.entry(client.into()).or_insert(Held { scopes: BTreeSet::new(), since, holds, stays });
        of.scopes.extend(scope.split(' ').map(str::to_owned));
        of.since = of.since.min(since);
        of.stays |= stays;
        of.holds |= holds;
    }
    Ok(held)
}

/// `POST /account/services/revoke`: the service's tokens stop working at once, on all devices.
///
/// # Errors
/// When the form is not ours, or the database fails.
pub async fn revoke(
    State(app): State<App>,
    user: CurrentUser,
    Submitted(form): Submitted<RevokeForm>,
) -> Result<Redirect, AppError> {
    grants::revoke_client(&app.db, user.account, form.client, app.clock.now()).await?;
    tracing::info!(account = %user.account, client = %form.client, "a person ended a service's access");
    Ok(Redirect::to(PATH))
}

/// `POST /account/sign-out-everywhere`: every session of the account and whatever services hold; those that want to
/// know are told.
///
/// # Errors
/// When the form is not ours, or the database fails.
pub async fn sign_out_everywhere(
    State(app): State<App>,
    user: CurrentUser,
    Submitted(EverywhereForm {}): Submitted<EverywhereForm>,
) -> Result<Response, AppError> {
    grants::revoke_all(&app.db, user.account, app.clock.now()).await?;
    end_all(&app.db, user.account).await?;
    tracing::info!(account = %user.account, "a person signed out everywhere");
    let jar = CookieJar::new().add(removal(&app, Kind::Session)).add(removal(&app, Kind::Flow));
    Ok((jar, Redirect::to("/")).into_response())
}

impl Sample for ServicesPage {
    fn samples(view: &View) -> Vec<Self> {
        let all = scopes::ALL.iter().map(|scope| (*scope).to_owned()).collect();
        let service = |name: &str, stays| Service {
            client: Uuid::nil().to_string(),
            name: name.to_owned(),
            since: "01/09/2026".to_owned(),
            holds: stays || name == "Cantine",
            released: labels(&all).into_iter().map(|label| view.t(label)).collect(),
            stays,
        };
        let link = |name: &str| Link { name: name.to_owned(), address: "https://notes.example.org/".to_owned() };
        let offer = |child: Option<&str>| Offer {
            child: child.map(str::to_owned),
            schools: "Collège Fictif".to_owned(),
            links: vec![link("Cantine"), link("Notes <Exemple>")],
        };
        let page = |offers, services| Self {
            offers,
            view: view.clone(),
            action: REVOKE,
            token: "…".to_owned(),
            services,
            everywhere: EVERYWHERE,
            everywhere_token: "…".to_owned(),
        };
        let all = vec![service("Notes <Exemple>", false), service("Cantine", true)];
        vec![
            page(vec![], vec![]),
            page(vec![offer(Some("Zoé")), offer(Some("Élie"))], all.clone()),
            page(vec![offer(None)], all),
        ]
    }
}
