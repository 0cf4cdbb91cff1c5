//! `/account/services`: which services hold something of mine, what they receive, and an end to it.

use super::consent::labels;
use super::{grants, scopes};
use crate::app::App;
use crate::incident::AppError;
use crate::pages::{Page, Sample, View};
use crate::session::CurrentUser;
use crate::session::cookies::Cookies;
use crate::session::form::{Binding, PageForm, Submitted};
use askama::Template;
use axum::extract::State;
use axum::response::Redirect;
use chrono::{DateTime, Utc};
use domain::ids::{AccountId, RelyingPartyId};
use domain::relying_party::RelyingParty;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The page's path.
pub const PATH: &str = "/account/services";
/// Where its form is sent.
pub const REVOKE: &str = "/account/services/revoke";

/// One service.
#[derive(Clone, Debug)]
pub struct Service {
    client: String,
    name: String,
    /// Since when, as a date.
    since: String,
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
    services: Vec<Service>,
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

/// What one client holds.
struct Held {
    scopes: BTreeSet<String>,
    since: DateTime<Utc>,
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
    let held = held(&app, user.account).await?;
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
                name: registration.name,
                since: held.since.format("%d/%m/%Y").to_string(),
                released: labels(&scopes).into_iter().map(|label| view.t(label)).collect(),
                stays: held.stays,
            })
        })
        .collect();
    services.sort_by(|a, b| (&a.name, &a.client).cmp(&(&b.name, &b.client)));
    let token = cookies.session.as_ref().map(|session| RevokeForm::token(&app, session)).unwrap_or_default();
    Ok(Page(ServicesPage { view, action: REVOKE, token, services }))
}

/// Families of refresh tokens that could still be used, and what was agreed to.
async fn held(app: &App, account: AccountId) -> Result<BTreeMap<RelyingPartyId, Held>, sqlx::Error> {
    let now = app.clock.now();
    let rows: Vec<(Uuid, String, DateTime<Utc>, bool)> = sqlx::query_as(
        "SELECT client, scope, created_at, offline FROM service.refresh_family f
         WHERE account = $1 AND revoked_at IS NULL AND expires_at > $2 AND rotated_at > $3
           AND (offline OR EXISTS (SELECT FROM service.session s WHERE s.sid = f.session AND s.expires_at > $2))
         UNION ALL SELECT client, scope, given_at, true FROM service.consent
         WHERE account = $1 AND 'offline_access' = ANY (string_to_array(scope, ' '))",
    )
    .bind(account.0)
    .bind(now)
    .bind(now - app.config.oidc.refresh_token_idle.delta())
    .fetch_all(&app.db)
    .await?;
    let mut held: BTreeMap<RelyingPartyId, Held> = BTreeMap::new();
    for (client, scope, since, stays) in rows {
        let of = held.entry(client.into()).or_insert(Held { scopes: BTreeSet::new(), since, stays });
        of.scopes.extend(scope.split(' ').map(str::to_owned));
        of.since = of.since.min(since);
        of.stays |= stays;
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

impl Sample for ServicesPage {
    fn samples(view: &View) -> Vec<Self> {
        let all = scopes::ALL.iter().map(|scope| (*scope).to_owned()).collect();
        let service = |name: &str, stays| Service {
            client: Uuid::nil().to_string(),
            name: name.to_owned(),
            since: "01/09/2026".to_owned(),
            released: labels(&all).into_iter().map(|label| view.t(label)).collect(),
            stays,
        };
        let page = |services| Self { view: view.clone(), action: REVOKE, token: "…".to_owned(), services };
        vec![page(vec![]), page(vec![service("Notes <Exemple>", false), service("Cantine", true)])]
    }
}
