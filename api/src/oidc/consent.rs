//! What a person agrees to beyond signing in: `prompt=consent`, and services that stay connected (`offline_access`,
//! OpenID Connect Core §11).
//!
//! Which service may know what of whom is agreed between school and operator, by registration: a parent is not asked
//! to accept it. That a service acts while the parent is away is theirs to accept, once for each service, and theirs
//! to end ([`super::services`]).

use super::authorize::{Asking, belongs_here, kept_request};
use super::discovery::path;
use super::error::{ErrorCode, refuse};
use super::request::AuthorizationRequest;
use super::response::{Answer, send};
use super::{grants, scopes, who};
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::pages::{Page, Sample, View};
use crate::session::cookies::Cookies;
use crate::session::form::{Binding, PageForm, Submitted};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::relying_party::Registration;
use serde::Deserialize;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The answer.
#[derive(Deserialize)]
pub struct ConsentForm {
    request: Uuid,
    #[serde(default)]
    answer: String,
}

impl PageForm for ConsentForm {
    const NAME: &'static str = "consent";
    const BINDING: Binding = Binding::Session;
}

/// Shows what is asked. `kept` is the request's row.
pub(super) fn page(
    app: &App,
    view: &View,
    cookies: &Cookies,
    request: &AuthorizationRequest,
    kept: Uuid,
    party: &Registration,
) -> Response {
    let token = cookies.session.as_ref().map(|session| ConsentForm::token(app, session)).unwrap_or_default();
    let touched = scopes::touched(&request.scopes, &request.claims, party);
    let released = labels(&touched).into_iter().map(|label| view.t(label)).collect();
    let stays = request.scopes.contains(scopes::OFFLINE_ACCESS);
    let page = ConsentPage {
        view: view.clone(),
        action: path::CONSENT,
        token,
        request: kept.to_string(),
        service: party.name.clone(),
        released,
        stays,
    };
    Page(page).into_response()
}

/// What scopes release, as keys of the catalogue.
pub(super) fn labels(granted: &BTreeSet<String>) -> Vec<&'static str> {
    [
        (scopes::PROFILE, "oidc-released-profile"),
        (scopes::AFFILIATION, "oidc-released-affiliation"),
        (scopes::CONNECTION, "oidc-released-connection"),
        (scopes::ESTABLISHMENT, "oidc-released-establishment"),
        (scopes::CHILDREN, "oidc-released-children"),
        (scopes::BIRTHDATE, "oidc-released-birthdate"),
        (scopes::INE, "oidc-released-ine"),
    ]
    .into_iter()
    .filter_map(|(scope, label)| granted.contains(scope).then_some(label))
    .collect()
}

/// `POST /authorize/consent`
///
/// # Errors
/// When the form is not ours, or the request is gone.
pub async fn answer(
    State(app): State<App>,
    incident: Incident,
    view: View,
    cookies: Cookies,
    Submitted(form): Submitted<ConsentForm>,
) -> Result<Response, AppError> {
    let (mut request, asked_at, party) = kept_request(&app, form.request).await?;
    let _known = belongs_here(&app, &cookies, form.request).await?;
    let who = who::in_browser(&app, &incident, &cookies).await?;
    // Whoever has come so far has been shown the better way, if there was one.
    let asking = Asking::new(&app, &view, &cookies, who).going_on_as_is(true);
    if form.answer != "yes" {
        asking.forget(form.request).await?;
        let error = refuse(ErrorCode::AccessDenied, "the person did not agree");
        return Ok(send(&view, &app.config.origin(), &request.target, Answer::Refusal(error)));
    }
    if let Some(who) = asking.who() {
        let scope = scopes::join(&request.scopes);
        grants::consent(&app.db, who.id, request.target.client, &scope, app.clock.now()).await?;
        request.consent = false;
    }
    asking.answer(request, Some((form.request, asked_at)), &party).await
}

/// Do you agree?
#[derive(Template, Debug)]
#[template(path = "oidc/consent.html")]
pub struct ConsentPage {
    view: View,
    action: &'static str,
    token: String,
    request: String,
    service: String,
    /// What the service receives, in words.
    released: Vec<String>,
    /// Whether it stays connected.
    stays: bool,
}

impl Sample for ConsentPage {
    fn samples(view: &View) -> Vec<Self> {
        let page = |released: Vec<String>, stays| Self {
            view: view.clone(),
            action: path::CONSENT,
            token: "…".to_owned(),
            request: Uuid::nil().to_string(),
            service: "Notes du collège <Exemple>".to_owned(),
            released,
            stays,
        };
        let all = scopes::ALL.iter().map(|scope| (*scope).to_owned()).collect();
        let released: Vec<String> = labels(&all).into_iter().map(|label| view.t(label)).collect();
        vec![page(vec![], false), page(released.clone(), false), page(released, true)]
    }
}
