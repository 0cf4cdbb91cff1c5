//! `GET /account/children`, `POST /account/children/confirm`, `POST /account/children/report`: children declared by a
//! school after the account was activated, or of an account that was activated by a provisional password.

use super::{Answer, Child, ChildrenPage, Compared, Wrong, compare, may_be_wrong, proposals, read_date, report};
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::limits::Charge;
use crate::pages::{Page, View};
use crate::session::cookies::Cookies;
use crate::session::form::{Binding, PageForm, Submitted};
use crate::session::return_to::{self, ReturnTo};
use crate::session::{CurrentUser, sign_in_path};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::account::{Account, Holder};
use domain::ids::PupilId;
use domain::pupil::Pupil;
use serde::Deserialize;

pub(super) const PATH: &str = "/account/children";
const ACCOUNT: &str = "/account";

/// Where to go afterwards.
#[derive(Deserialize)]
pub struct Destination {
    #[serde(default, deserialize_with = "return_to::lenient")]
    return_to: Option<ReturnTo>,
}

/// A child's birth date as typed.
#[derive(Deserialize)]
pub struct OwnConfirmForm {
    pupil: PupilId,
    day: String,
    month: String,
    year: String,
    #[serde(default, deserialize_with = "return_to::lenient")]
    return_to: Option<ReturnTo>,
}

impl PageForm for OwnConfirmForm {
    const NAME: &'static str = "own-confirm-child";
    const BINDING: Binding = Binding::Session;
}

/// A child that is not theirs.
#[derive(Deserialize)]
pub struct OwnReportForm {
    pupil: PupilId,
    #[serde(default, deserialize_with = "return_to::lenient")]
    return_to: Option<ReturnTo>,
}

impl PageForm for OwnReportForm {
    const NAME: &'static str = "own-report-child";
    const BINDING: Binding = Binding::Session;
}

/// The page that leads back to `return_to` in the end.
pub fn own_children_path(return_to: Option<&ReturnTo>) -> String {
    let Some(return_to) = return_to else { return PATH.to_owned() };
    let back: String = url::form_urlencoded::byte_serialize(return_to.as_str().as_bytes()).collect();
    format!("{PATH}?return_to={back}")
}

/// The holder's account, as long as it is a guardian's.
async fn guardians_account(app: &App, user: &CurrentUser) -> Result<Result<Account, Redirect>, AppError> {
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    Ok(match account.holder {
        Some(Holder::Guardian(_)) => Ok(account),
        Some(Holder::Pupil(_)) | None => Err(Redirect::to(ACCOUNT)),
    })
}

/// The page; or, when all is answered and a child is confirmed, the way on. Who comes by themselves sees the page for
/// a reported child too: it may have been a mistake.
async fn respond(
    app: &App,
    view: View,
    cookies: &Cookies,
    account: &Account,
    return_to: Option<ReturnTo>,
    wrong: Option<Wrong>,
) -> Result<Response, AppError> {
    let proposals = proposals(app, account, &account.confirmed).await?;
    let pending = proposals.iter().any(|child| child.answer == Answer::Pending);
    let onward = return_to.clone().or_else(|| ReturnTo::read(ACCOUNT));
    let reported = proposals.iter().any(|child| child.answer == Answer::Reported);
    let reconsiders = reported && (return_to.is_none() || wrong.is_some());
    if !pending && !reconsiders && proposals.iter().any(|child| child.answer == Answer::Confirmed) {
        return Ok(Redirect::to(onward.as_ref().map_or(ACCOUNT, ReturnTo::as_str)).into_response());
    }
    let (wrong, errors, status) = Wrong::parts(wrong, &view);
    let token = |form: fn(&App, &crate::session::Token) -> String| {
        cookies.session.as_ref().map(|session| form(app, session)).unwrap_or_default()
    };
    let (confirm_token, report_token) = (token(OwnConfirmForm::token), token(OwnReportForm::token));
    let base = PATH;
    let view = view.at(own_children_path(return_to.as_ref()));
    let page = ChildrenPage { view, base, onward, return_to, confirm_token, report_token, proposals, wrong, errors };
    Ok((status, Page(page)).into_response())
}

/// Shows the children.
///
/// # Errors
/// When something fails.
pub async fn show_own_children(
    State(app): State<App>,
    view: View,
    cookies: Cookies,
    user: CurrentUser,
    Query(destination): Query<Destination>,
) -> Result<Response, AppError> {
    match guardians_account(&app, &user).await? {
        Ok(account) => respond(&app, view, &cookies, &account, destination.return_to, None).await,
        Err(elsewhere) => Ok(elsewhere.into_response()),
    }
}

/// Takes a birth date.
///
/// # Errors
/// When too many were tried or wrong, or something fails.
pub async fn confirm_own_child(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    user: CurrentUser,
    Submitted(form): Submitted<OwnConfirmForm>,
) -> Result<Response, AppError> {
    let account = match guardians_account(&app, &user).await? {
        Ok(account) => account,
        Err(elsewhere) => return Ok(elsewhere.into_response()),
    };
    let typed = [form.day.trim().to_owned(), form.month.trim().to_owned(), form.year.trim().to_owned()];
    let wrong = |message| Wrong { pupil: form.pupil, typed: typed.clone(), message };
    let here = own_children_path(form.return_to.as_ref());
    let Some(claimed) = read_date(&typed) else {
        let wrong = wrong("activation-birth-date-shape");
        return respond(&app, view, &cookies, &account, form.return_to, Some(wrong)).await;
    };
    let pupil = app.ledger.load::<Pupil>(&form.pupil.to_string()).await?.aggregate;
    let Some(child) = Child::of(&pupil, &account.guardians) else {
        // Taken back by the school while the page was open: shown again without this child.
        return Ok(Redirect::to(&here).into_response());
    };
    may_be_wrong(&app, user.account).await?;
    // Every try counts here, right or wrong, before it is compared: so parallel ones are bounded too.
    let (now, tried) = (app.clock.now(), Charge::new(&app.guard.caps.tried_dates, user.account.to_string()));
    if let Err(refused) = app.guard.limits.take(&[tried], now).await? {
        return Err(AppError::too_many(refused.retry_after(now)).because(refused.cap));
    }
    match compare(&app, &incident, user.account, &child, claimed).await? {
        Compared::Right => Ok(Redirect::to(&here).into_response()),
        Compared::Wrong => {
            let wrong = wrong("activation-birth-date-wrong");
            respond(&app, view, &cookies, &account, form.return_to, Some(wrong)).await
        }
        // Disabled a moment ago.
        Compared::Refused => Ok(Redirect::to(&sign_in_path(&here)).into_response()),
    }
}

/// Takes "not my child". A child confirmed before stays so: it is for the school to end that.
///
/// # Errors
/// When something fails.
pub async fn report_own_child(
    State(app): State<App>,
    incident: Incident,
    user: CurrentUser,
    Submitted(form): Submitted<OwnReportForm>,
) -> Result<Response, AppError> {
    let account = match guardians_account(&app, &user).await? {
        Ok(account) => account,
        Err(elsewhere) => return Ok(elsewhere.into_response()),
    };
    let here = own_children_path(form.return_to.as_ref());
    let pupil = app.ledger.load::<Pupil>(&form.pupil.to_string()).await?.aggregate;
    let theirs = Child::of(&pupil, &account.guardians).is_some() && !account.confirmed.contains(&form.pupil);
    if theirs && !report(&app, &incident, user.account, form.pupil).await? {
        return Ok(Redirect::to(&sign_in_path(&here)).into_response());
    }
    Ok(Redirect::to(&here).into_response())
}
