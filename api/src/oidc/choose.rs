//! `prompt=select_account`: with which account to go on (OpenID Connect Core §3.1.2.1). A browser holds one session;
//! so the choice is between its person and another, whose sign-in ends it.

use super::authorize::{belongs_here, continue_at, gone};
use super::discovery::path;
use super::response::redirect;
use super::who;
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::pages::{Page, Sample, View};
use crate::session::cookies::{Cookies, Kind, removal};
use crate::session::form::{Binding, PageForm, Submitted};
use crate::session::sign_in_path;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::CookieJar;
use domain::relying_party::Registration;
use serde::Deserialize;
use uuid::Uuid;

/// The choice.
#[derive(Deserialize)]
pub struct ChooseForm {
    request: Uuid,
    #[serde(default)]
    answer: String,
}

impl PageForm for ChooseForm {
    const NAME: &'static str = "choose-account";
    const BINDING: Binding = Binding::Session;
}

/// Asks. `kept` is the request's row.
pub(super) fn page(app: &App, view: &View, cookies: &Cookies, kept: Uuid, party: &Registration) -> Response {
    let token = cookies.session.as_ref().map(|session| ChooseForm::token(app, session)).unwrap_or_default();
    let login = view.user.as_ref().map(|user| user.name.clone()).unwrap_or_default();
    let (request, service) = (kept.to_string(), party.name.clone());
    Page(ChoosePage { view: view.clone(), action: path::CHOOSE, token, request, service, login }).into_response()
}

/// `POST /authorize/choose`
///
/// # Errors
/// When the form is not ours, the request is gone, or the database fails.
pub async fn answer(
    State(app): State<App>,
    incident: Incident,
    cookies: Cookies,
    Submitted(form): Submitted<ChooseForm>,
) -> Result<Response, AppError> {
    let _known = belongs_here(&app, &cookies, form.request).await?;
    let back = continue_at(form.request);
    let Some(who) = who::in_browser(&app, &incident, &cookies).await? else { return Ok(redirect(&back)) };
    if form.answer == "continue" {
        let chosen = sqlx::query("UPDATE service.authorization_request SET chosen = $2 WHERE id = $1")
            .bind(form.request)
            .bind(who.sid)
            .execute(&app.db)
            .await?;
        return if chosen.rows_affected() == 0 { Err(gone()) } else { Ok(redirect(&back)) };
    }
    who::end(&app, who.sid).await?;
    let jar = CookieJar::new().add(removal(&app, Kind::Session)).add(removal(&app, Kind::Flow));
    Ok((jar, redirect(&sign_in_path(&back))).into_response())
}

/// You, or somebody else?
#[derive(Template, Debug)]
#[template(path = "oidc/choose.html")]
pub struct ChoosePage {
    view: View,
    action: &'static str,
    token: String,
    request: String,
    service: String,
    login: String,
}

impl Sample for ChoosePage {
    fn samples(view: &View) -> Vec<Self> {
        vec![Self {
            view: view.signed_in("/authorize"),
            action: path::CHOOSE,
            token: "…".to_owned(),
            request: Uuid::nil().to_string(),
            service: "Notes du collège <Exemple>".to_owned(),
            login: "p.fictif".to_owned(),
        }]
    }
}
