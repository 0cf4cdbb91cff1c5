//! `GET /children`, `POST /children/confirm`, `POST /children/report`: each child by birth date.

use super::flow::{Flow, Step};
use super::{record, views_caught_up};
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::limits::Charge;
use crate::pages::{FormErrors, Page, Sample, View};
use crate::session::cookies::Cookies;
use crate::session::form::{Binding, PageForm, Submitted};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::NaiveDate;
use domain::account::{Account, AccountCommand, AccountError};
use domain::ids::{AccountId, GuardianId, PupilId};
use domain::personal::Personal;
use domain::pupil::Pupil;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

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

/// What became of a proposed child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not answered yet.
    Pending,
    /// Confirmed in this flow.
    Confirmed,
    /// Reported as not theirs.
    Reported,
}

/// A child proposed: by first name and school only, until the birth date is given.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The child.
    pub pupil: PupilId,
    /// First name.
    pub given_name: String,
    /// Names of the schools.
    pub schools: Vec<String>,
    /// The answer so far.
    pub answer: Answer,
}

/// The children.
#[derive(Template, Debug)]
#[template(path = "activation/children.html")]
pub struct ChildrenPage {
    view: View,
    confirm_token: String,
    report_token: String,
    proposals: Vec<Proposal>,
    /// The child whose form is wrong, and what was typed.
    wrong: Option<(PupilId, [String; 3])>,
    errors: FormErrors,
}

impl ChildrenPage {
    /// Whether nothing is left to answer, and yet nothing was confirmed.
    fn stuck(&self) -> bool {
        self.proposals.iter().all(|child| child.answer == Answer::Reported)
    }

    fn errors_of(&self, pupil: &PupilId) -> FormErrors {
        if self.wrong.as_ref().is_some_and(|(wrong, _)| wrong == pupil) {
            self.errors.clone()
        } else {
            FormErrors::new()
        }
    }

    fn typed(&self, pupil: &PupilId, part: usize) -> &str {
        self.wrong.as_ref().filter(|(wrong, _)| wrong == pupil).map_or("", |(_, typed)| &typed[part])
    }
}

impl Sample for ChildrenPage {
    fn samples(view: &View) -> Vec<Self> {
        let child = |n: u128, name: &str, answer| Proposal {
            pupil: PupilId(Uuid::from_u128(n)),
            given_name: name.into(),
            schools: vec!["Collège des Exemples".into()],
            answer,
        };
        let all = vec![
            child(1, "Anaïs", Answer::Pending),
            child(2, "Basile", Answer::Confirmed),
            child(3, "Côme", Answer::Reported),
        ];
        let mut errors = FormErrors::new();
        errors.add("day", view.t("activation-birth-date-wrong"));
        let page = |proposals, wrong, errors| Self {
            view: view.clone(),
            confirm_token: "…".into(),
            report_token: "…".into(),
            proposals,
            wrong,
            errors,
        };
        let typed = Some((PupilId(Uuid::from_u128(1)), ["1".into(), "2".into(), "2014".into()]));
        vec![
            page(all.clone(), None, FormErrors::new()),
            page(all, typed, errors),
            page(vec![], None, FormErrors::new()),
        ]
    }
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

/// The children whose schools declare the holder a legal guardian now. Candidates come from the view, the right
/// from each pupil's own stream.
async fn proposals(app: &App, account: &Account, confirmed: &[PupilId]) -> Result<Vec<Proposal>, AppError> {
    views_caught_up(app).await?;
    let guardians: Vec<Uuid> = account.guardians.iter().map(|guardian| guardian.0).collect();
    let candidates: Vec<Uuid> = sqlx::query_scalar(
        "SELECT DISTINCT pupil FROM view_people.link WHERE guardian = ANY ($1) AND level = 1 ORDER BY pupil",
    )
    .bind(&guardians)
    .fetch_all(&app.db)
    .await?;
    let ids: Vec<String> = candidates.iter().map(Uuid::to_string).collect();
    let mut pupils = app.ledger.load_many::<Pupil>(&ids).await?;
    let mut found = Vec::new();
    for id in ids {
        let Some(pupil) = pupils.remove(&id).map(|loaded| loaded.aggregate) else { continue };
        let Some(child) = Child::of(&pupil, &account.guardians) else { continue };
        let answer = if confirmed.contains(&child.pupil) {
            Answer::Confirmed
        } else if account.reported.contains(&child.pupil) {
            Answer::Reported
        } else {
            Answer::Pending
        };
        found.push((child, answer));
    }
    let names = school_names(app, found.iter().flat_map(|(child, _)| child.schools.clone()).collect()).await?;
    let shown = found.into_iter().map(|(child, answer)| Proposal {
        pupil: child.pupil,
        given_name: child.given_name,
        schools: child.schools.into_iter().map(|uai| names.get(&uai).cloned().unwrap_or(uai)).collect(),
        answer,
    });
    let mut shown: Vec<Proposal> = shown.collect();
    shown.sort_by(|a, b| (&a.given_name, a.pupil).cmp(&(&b.given_name, b.pupil)));
    Ok(shown)
}

/// Names of establishments by UAI.
pub(crate) async fn school_names(app: &App, uais: Vec<String>) -> sqlx::Result<BTreeMap<String, String>> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT uai, name FROM view_services.establishment WHERE uai = ANY ($1) AND name IS NOT NULL")
            .bind(uais)
            .fetch_all(&app.db)
            .await?;
    Ok(rows.into_iter().collect())
}

/// What a pupil's stream says to a guardian.
struct Child {
    pupil: PupilId,
    given_name: String,
    schools: Vec<String>,
    birth_date: NaiveDate,
}

impl Child {
    /// `None` unless one of these records is a legal guardian's now and the record can be confirmed at all.
    fn of(pupil: &Pupil, guardians: &BTreeSet<GuardianId>) -> Option<Self> {
        pupil.legal_guardians().any(|guardian| guardians.contains(&guardian)).then_some(())?;
        let status = pupil.civil_status.as_ref().and_then(Personal::known)?;
        Some(Self {
            pupil: pupil.id?,
            given_name: status.given_names.first()?.clone(),
            schools: pupil.enrolments.keys().map(ToString::to_string).collect(),
            birth_date: status.birth_date?,
        })
    }
}

/// What was wrong with one child's form.
struct Wrong {
    pupil: PupilId,
    typed: [String; 3],
    message: &'static str,
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
        return Ok(Redirect::to(Step::Password.path()).into_response());
    }
    let mut errors = FormErrors::new();
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let wrong = wrong.map(|wrong| {
        errors.add("day", view.t(wrong.message));
        (wrong.pupil, wrong.typed)
    });
    let token = |form: fn(&App, &crate::session::Token) -> String| {
        cookies.flow.as_ref().map(|flow| form(app, flow)).unwrap_or_default()
    };
    let (confirm_token, report_token) = (token(ConfirmForm::token), token(ReportForm::token));
    Ok((status, Page(ChildrenPage { view, confirm_token, report_token, proposals, wrong, errors })).into_response())
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
        return Ok(Redirect::to(Step::Children.path()).into_response());
    };
    let now = app.clock.now();
    let charge = Charge::new(&app.guard.caps.dates, id.to_string());
    let charge = std::slice::from_ref(&charge);
    if let Some(Err(refused)) = app.guard.limits.check(charge, now).await?.first() {
        return Err(AppError::too_many(refused.retry_after(now)).because(refused.cap));
    }
    if !flow.count_date(&app, WRONG_DATES).await? {
        return Err(AppError::refused(StatusCode::TOO_MANY_REQUESTS, "birth-dates-exhausted"));
    }
    let (pupil, on_record) = (child.pupil, child.birth_date);
    let recorded = record(&app, &incident, id, |loaded, unit| {
        let command = AccountCommand::ConfirmChild { pupil, claimed, on_record };
        Ok(unit.stream::<Account>(&loaded.id, loaded.version, loaded.aggregate.decide(command)?))
    });
    match recorded.await? {
        Ok(_) => {
            flow.child_confirmed(&app, pupil).await?;
            Ok(Redirect::to(Step::Children.path()).into_response())
        }
        Err(AccountError::BirthDateMismatch) => {
            // Only wrong dates count, and right ones don't make up for them: or one known child would open the
            // way to guessing another's. Parallel tries are bounded by the flow's own count.
            let _ = app.guard.limits.take(charge, now).await?;
            let wrong = wrong("activation-birth-date-wrong");
            respond(&app, view, &cookies, &flow, &account, Some(wrong)).await
        }
        Err(_) => Err(AppError::refused(StatusCode::GONE, "flow-expired")),
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
    if Child::of(&pupil, &account.guardians).is_some() && !flow.confirmed.contains(&form.pupil) {
        let recorded = record(&app, &incident, id, |loaded, unit| {
            let events = loaded.aggregate.decide(AccountCommand::ReportChild { pupil: form.pupil })?;
            Ok(unit.stream::<Account>(&loaded.id, loaded.version, events))
        });
        recorded.await?.map_err(|_| AppError::refused(StatusCode::GONE, "flow-expired"))?;
    }
    Ok(Redirect::to(Step::Children.path()).into_response())
}

fn read_date([day, month, year]: &[String; 3]) -> Option<NaiveDate> {
    let short = |text: &str| (1..=2).contains(&text.len()).then(|| text.parse().ok()).flatten();
    let year = (year.len() == 4).then(|| year.parse().ok()).flatten()?;
    NaiveDate::from_ymd_opt(year, short(month)?, short(day)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn birth_dates_are_read_as_people_write_them() {
        let read = |d: &str, m: &str, y: &str| read_date(&[d.into(), m.into(), y.into()]);
        assert_eq!(read("3", "09", "2014"), NaiveDate::from_ymd_opt(2014, 9, 3));
        for bad in
            [["31", "2", "2014"], ["3", "9", "14"], ["", "9", "2014"], ["003", "9", "2014"], ["3", "mars", "2014"]]
        {
            assert_eq!(read(bad[0], bad[1], bad[2]), None, "{bad:?}");
        }
    }
}
