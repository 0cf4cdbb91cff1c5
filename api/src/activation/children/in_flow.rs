//! `GET /children`, `POST /children/confirm`, `POST /children/report`: on the way in.

use super::super::flow::{Flow, Kind, Step};
use super::{Answer, Child, ChildrenPage, Compared, Wrong, compare, may_be_wrong, proposals, read_date, report};
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::pages::{Page, View};
use crate::session::cookies::Cookies;
use crate::session::form::{Binding, PageForm, Submitted};
use crate::upstream;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use domain::account::Account;
use domain::ids::{AccountId, PupilId};
use domain::pupil::Pupil;
use serde::Deserialize;

pub(super) const PATH: &str = "/children";
/// Wrong birth dates in one flow.
const WRONG_DATES: i32 = 6;

/// A child's birth date as typed.
#[derive(Deserialize)]
pub struct ConfirmForm {
    pupil: PupilId,
    day: String,
    month: String,
    year: String,
}

impl PageForm for ConfirmForm {
    const NAME: &'static str = "confirm-child";
    const BINDING: Binding = Binding::Flow;
}

/// A child that is not theirs.
#[derive(Deserialize)]
pub struct ReportForm {
    pupil: PupilId,
}

impl PageForm for ReportForm {
    const NAME: &'static str = "report-child";
    const BINDING: Binding = Binding::Flow;
}

/// The flow and its account, once the phone is proved and while children are to be confirmed.
async fn confirming(app: &App, cookies: &Cookies) -> Result<Result<(Flow, AccountId, Account), Redirect>, AppError> {
    let flow = Flow::of(app, cookies).await?;
    let Some(id) = flow.account.filter(|_| flow.step == Step::Children) else {
        return Ok(Err(Redirect::to(flow.step.path())));
    };
    let account = app.ledger.load::<Account>(&id.to_string()).await?.aggregate;
    if account.proved.is_none_or(|(proved, _)| proved != flow.id) {
        return Err(AppError::refused(StatusCode::GONE, "flow-expired"));
    }
    Ok(Ok((flow, id, account)))
}

/// The page; or, when all is answered, the way on.
async fn respond(
    app: &App,
    view: View,
    cookies: &Cookies,
    flow: &Flow,
    account: &Account,
    wrong: Option<Wrong>,
) -> Result<Response, AppError> {
    let proposals = proposals(app, account, &flow.confirmed).await?;
    let pending = proposals.iter().any(|child| child.answer == Answer::Pending);
    if !pending && proposals.iter().any(|child| child.answer == Answer::Confirmed) {
        flow.advance(app, Step::Password).await?;
        let tying = flow.kind == Kind::Activation && upstream::recognised(app, cookies).await?.is_some();
        let next = if tying { "/sign-in/link" } else { Step::Password.path() };
        return Ok(Redirect::to(next).into_response());
    }
    let (wrong, errors, status) = Wrong::parts(wrong, &view);
    let token = |form: fn(&App, &crate::session::Token) -> String| {
        cookies.flow.as_ref().map(|flow| form(app, flow)).unwrap_or_default()
    };
    let (confirm_token, report_token) = (token(ConfirmForm::token), token(ReportForm::token));
    let (base, onward, return_to) = (PATH, None, None);
    let page = ChildrenPage { view, base, onward, return_to, confirm_token, report_token, proposals, wrong, errors };
    Ok((status, Page(page)).into_response())
}

/// Shows the children.
///
/// # Errors
/// When there is no such flow (any more).
pub async fn show_children(State(app): State<App>, view: View, cookies: Cookies) -> Result<Response, AppError> {
    match confirming(&app, &cookies).await? {
        Ok((flow, _, account)) => respond(&app, view, &cookies, &flow, &account, None).await,
        Err(elsewhere) => Ok(elsewhere.into_response()),
    }
}

/// Takes a birth date.
///
/// # Errors
/// When too many were wrong, or something fails.
pub async fn confirm_child(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    Submitted(form): Submitted<ConfirmForm>,
) -> Result<Response, AppError> {
    let (flow, id, account) = match confirming(&app, &cookies).await? {
        Ok(found) => found,
        Err(elsewhere) => return Ok(elsewhere.into_response()),
    };
    let typed = [form.day.trim().to_owned(), form.month.trim().to_owned(), form.year.trim().to_owned()];
    let wrong = |message| Wrong { pupil: form.pupil, typed: typed.clone(), message };
    let Some(claimed) = read_date(&typed) else {
        let wrong = wrong("activation-birth-date-shape");
        return respond(&app, view, &cookies, &flow, &account, Some(wrong)).await;
    };
    let pupil = app.ledger.load::<Pupil>(&form.pupil.to_string()).await?.aggregate;
    let Some(child) = Child::of(&pupil, &account.guardians) else {
        // Taken back by the school while the page was open: shown again without this child.
        return Ok(Redirect::to(PATH).into_response());
    };
    may_be_wrong(&app, id).await?;
    // Parallel tries are bounded by the flow's own count.
    if !flow.count_date(&app, WRONG_DATES).await? {
        return Err(AppError::refused(StatusCode::TOO_MANY_REQUESTS, "birth-dates-exhausted"));
    }
    match compare(&app, &incident, id, &child, claimed).await? {
        Compared::Right => {
            flow.child_confirmed(&app, child.pupil).await?;
            Ok(Redirect::to(PATH).into_response())
        }
        Compared::Wrong => {
            let wrong = wrong("activation-birth-date-wrong");
            respond(&app, view, &cookies, &flow, &account, Some(wrong)).await
        }
        Compared::Refused => Err(AppError::refused(StatusCode::GONE, "flow-expired")),
    }
}

/// Takes "not my child".
///
/// # Errors
/// When there is no such flow (any more), or something fails.
pub async fn report_child(
    State(app): State<App>,
    incident: Incident,
    cookies: Cookies,
    Submitted(form): Submitted<ReportForm>,
) -> Result<Response, AppError> {
    let (flow, id, account) = match confirming(&app, &cookies).await? {
        Ok(found) => found,
        Err(elsewhere) => return Ok(elsewhere.into_response()),
    };
    let pupil = app.ledger.load::<Pupil>(&form.pupil.to_string()).await?.aggregate;
    let theirs = Child::of(&pupil, &account.guardians).is_some() && !flow.confirmed.contains(&form.pupil);
    if theirs && !report(&app, &incident, id, form.pupil).await? {
        return Err(AppError::refused(StatusCode::GONE, "flow-expired"));
    }
    Ok(Redirect::to(PATH).into_response())
}
