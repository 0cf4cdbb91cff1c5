//! `GET` and `POST /sign-in/second`, `POST /sign-in/second/start-over`

use super::super::address::ClientAddress;
use super::super::cookies::{Cookies, Kind, removal};
use super::super::current::{self, CurrentUser, sign_in_path};
use super::super::form::{Binding, PageForm, Submitted};
use super::super::return_to::{self, ReturnTo};
use super::{Step, charge, consume, forgive, prove, waiting};
use crate::access;
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::pages::{FormErrors, Page, Sample, View, section};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use domain::account::Account;
use domain::personal::Personal;
use ledger::access::SignInOutcome;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Where to go afterwards.
#[derive(Deserialize)]
pub struct Back {
    #[serde(default, deserialize_with = "return_to::lenient")]
    return_to: Option<ReturnTo>,
}

/// A code of the app, or a recovery code.
#[derive(Deserialize)]
pub struct SecondForm {
    code: Zeroizing<String>,
    #[serde(default, deserialize_with = "return_to::lenient")]
    return_to: Option<ReturnTo>,
}

impl PageForm for SecondForm {
    const NAME: &'static str = "second-factor";
    const BINDING: Binding = Binding::Second;
}

/// Not me after all.
#[derive(Deserialize)]
pub struct StartOverForm {}

impl PageForm for StartOverForm {
    const NAME: &'static str = "second-factor-start-over";
    const BINDING: Binding = Binding::Second;
}

/// The code, please.
#[derive(Template, Debug)]
#[template(path = "session/second.html")]
pub struct SecondPage {
    view: View,
    token: String,
    start_over_token: String,
    return_to: Option<ReturnTo>,
    errors: FormErrors,
    /// What to say above the form; empty for nothing.
    notice: String,
}

impl Sample for SecondPage {
    fn samples(view: &View) -> Vec<Self> {
        let mut errors = FormErrors::new();
        errors.add("code", view.t("second-wrong"));
        let page = |errors, notice| Self {
            view: view.clone(),
            token: "…".into(),
            start_over_token: "…".into(),
            return_to: ReturnTo::read("/account"),
            errors,
            notice,
        };
        vec![
            page(FormErrors::new(), String::new()),
            page(errors, String::new()),
            page(FormErrors::new(), view.tn("second-too-many", "minutes", 2)),
        ]
    }
}

fn page(app: &App, view: View, cookies: &Cookies, return_to: Option<ReturnTo>) -> SecondPage {
    let token = |form: fn(&App, &super::super::Token) -> String| {
        cookies.second.as_ref().map(|second| form(app, second)).unwrap_or_default()
    };
    let (token, start_over_token) = (token(SecondForm::token), token(StartOverForm::token));
    SecondPage { view, token, start_over_token, return_to, errors: FormErrors::new(), notice: String::new() }
}

fn from_the_start(return_to: Option<&ReturnTo>) -> Response {
    let target = return_to.map_or_else(|| "/sign-in".to_owned(), |back| sign_in_path(back.as_str()));
    Redirect::to(&target).into_response()
}

/// Asks.
///
/// # Errors
/// When the database fails.
pub async fn show_second(
    State(app): State<App>,
    view: View,
    cookies: Cookies,
    Query(back): Query<Back>,
) -> Result<Response, AppError> {
    if waiting(&app, &cookies).await?.is_none() {
        return Ok(from_the_start(back.return_to.as_ref()));
    }
    Ok(Page(page(&app, view, &cookies, back.return_to)).into_response())
}

/// Takes the code.
///
/// # Errors
/// When something fails.
pub async fn second_step(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    Submitted(form): Submitted<SecondForm>,
) -> Result<Response, AppError> {
    let Some(step) = waiting(&app, &cookies).await? else { return Ok(from_the_start(form.return_to.as_ref())) };
    let told = |outcome| access::sign_in(&app, &incident, address, Some(step.account), step.method, outcome);
    let mut page = page(&app, view, &cookies, form.return_to);
    if let Err(refused) = charge(&app, &step).await? {
        told(SignInOutcome::Throttled);
        let wait = refused.retry_after(app.clock.now()).as_secs();
        page.notice = page.view.tn("second-too-many", "minutes", wait.div_ceil(60));
        let retry = [(header::RETRY_AFTER, wait.to_string())];
        return Ok((StatusCode::TOO_MANY_REQUESTS, retry, Page(page)).into_response());
    }
    let Some(second) = prove(&app, &incident, &step, &form.code).await? else {
        told(SignInOutcome::SecondFactorWrong);
        tracing::info!(account = %step.account, "a second factor was wrong");
        if waiting(&app, &cookies).await?.is_none() {
            return Ok(from_the_start(page.return_to.as_ref()));
        }
        page.errors.add("code", page.view.t("second-wrong"));
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response());
    };
    if !consume(&app, &step).await? {
        return Ok(from_the_start(page.return_to.as_ref()));
    }
    forgive(&app, step.account).await?;
    let Step { account, method, .. } = step;
    let jar = current::open_proved(&app, &cookies, step.opening(&cookies, second)).await?;
    told(SignInOutcome::Success);
    let state = app.ledger.load::<Account>(&account.to_string()).await?.aggregate;
    let name = state.login.as_ref().and_then(Personal::known).cloned().unwrap_or_default();
    incident.note_user(CurrentUser::new(account, name, app.clock.now(), method));
    let target = page.return_to.as_ref().map_or(section::HOME, ReturnTo::as_str);
    Ok((jar.add(removal(&app, Kind::Second)), Redirect::to(target)).into_response())
}

/// Gives the sign-in up.
///
/// # Errors
/// When the database fails.
pub async fn start_over(
    State(app): State<App>,
    cookies: Cookies,
    Submitted(StartOverForm {}): Submitted<StartOverForm>,
) -> Result<Response, AppError> {
    if let Some(step) = waiting(&app, &cookies).await? {
        consume(&app, &step).await?;
    }
    Ok((CookieJar::new().add(removal(&app, Kind::Second)), Redirect::to("/sign-in")).into_response())
}
