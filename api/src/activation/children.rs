//! Each child by birth date: on the way in ([`in_flow`]), and later, signed in ([`signed_in`]).
//!
//! The page, who is proposed, and what one account may guess are the same for both.

mod in_flow;
mod signed_in;
#[cfg(test)]
mod tests;

pub use in_flow::{confirm_child, report_child, show_children};
pub use signed_in::{confirm_own_child, own_children_path, report_own_child, show_own_children};

use super::{record, views_caught_up};
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::limits::Charge;
use crate::pages::{FormErrors, Sample, View};
use crate::session::ReturnTo;
use askama::Template;
use axum::http::StatusCode;
use chrono::NaiveDate;
use domain::account::{Account, AccountCommand, AccountError};
use domain::ids::{AccountId, GuardianId, PupilId};
use domain::personal::Personal;
use domain::pupil::Pupil;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What became of a proposed child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not answered yet.
    Pending,
    /// Confirmed: in this flow, or, signed in, at any time.
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
    /// Where its forms go: below `/children` or `/account/children`.
    base: &'static str,
    /// Signed in: where to go without answering. On the way in there is no way around.
    onward: Option<ReturnTo>,
    /// Signed in: where its forms lead in the end.
    return_to: Option<ReturnTo>,
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

    /// Whether every child has its answer. It may still be changed from reported to confirmed.
    fn answered(&self) -> bool {
        self.proposals.iter().all(|child| child.answer != Answer::Pending)
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
        let answered = vec![child(2, "Basile", Answer::Confirmed), child(3, "Côme", Answer::Reported)];
        let mistaken = Some((PupilId(Uuid::from_u128(3)), ["2".into(), "1".into(), "2014".into()]));
        let pending = vec![child(4, "Delphine", Answer::Pending)];
        let mut errors = FormErrors::new();
        errors.add("day", view.t("activation-birth-date-wrong"));
        let own = |page: Self| Self { base: signed_in::PATH, onward: ReturnTo::read("/account"), ..page };
        let page = |proposals, wrong, errors| Self {
            view: view.clone(),
            base: in_flow::PATH,
            onward: None,
            return_to: None,
            confirm_token: "…".into(),
            report_token: "…".into(),
            proposals,
            wrong,
            errors,
        };
        let typed = Some((PupilId(Uuid::from_u128(1)), ["1".into(), "2".into(), "2014".into()]));
        vec![
            page(all.clone(), None, FormErrors::new()),
            page(all, typed, errors.clone()),
            page(vec![], None, FormErrors::new()),
            own(page(pending, None, FormErrors::new())),
            own(page(vec![], None, FormErrors::new())),
            own(page(answered, mistaken, errors)),
        ]
    }
}

/// The children whose schools declare the holder a legal guardian now. Candidates come from the view, the right
/// from each pupil's own stream.
async fn proposals<'a>(
    app: &App,
    account: &Account,
    confirmed: impl IntoIterator<Item = &'a PupilId>,
) -> Result<Vec<Proposal>, AppError> {
    if account.guardians.is_empty() {
        return Ok(vec![]);
    }
    let confirmed: BTreeSet<&PupilId> = confirmed.into_iter().collect();
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

/// The children declared to be the holder's that the holder has not confirmed.
pub(crate) struct Unconfirmed {
    /// How many wait for an answer.
    pub waiting: usize,
    /// How many were reported as not theirs.
    pub reported: usize,
}

/// Counts the children that are not confirmed.
///
/// # Errors
/// When something fails.
pub(crate) async fn unconfirmed(app: &App, account: &Account) -> Result<Unconfirmed, AppError> {
    let proposals = proposals(app, account, &account.confirmed).await?;
    let count = |answer| proposals.iter().filter(|child| child.answer == answer).count();
    Ok(Unconfirmed { waiting: count(Answer::Pending), reported: count(Answer::Reported) })
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

impl Wrong {
    /// For the page: the child and what was typed, the error, and the answer's status.
    fn parts(wrong: Option<Self>, view: &View) -> (Option<(PupilId, [String; 3])>, FormErrors, StatusCode) {
        let mut errors = FormErrors::new();
        let Some(wrong) = wrong else { return (None, errors, StatusCode::OK) };
        errors.add("day", view.t(wrong.message));
        (Some((wrong.pupil, wrong.typed)), errors, StatusCode::UNPROCESSABLE_ENTITY)
    }
}

/// What a birth date for one of the children turned out to be.
enum Compared {
    Right,
    Wrong,
    /// The account may not confirm (any more).
    Refused,
}

/// Whether the account may still be wrong today. What one flow, or one sitting, may try is bounded by the caller.
async fn may_be_wrong(app: &App, account: AccountId) -> Result<(), AppError> {
    let now = app.clock.now();
    let charge = Charge::new(&app.guard.caps.dates, account.to_string());
    match app.guard.limits.check(&[charge], now).await?.first() {
        Some(Err(refused)) => Err(AppError::too_many(refused.retry_after(now)).because(refused.cap)),
        Some(Ok(())) | None => Ok(()),
    }
}

/// Compares a birth date that was counted before, and records the child where it is right.
async fn compare(
    app: &App,
    incident: &Incident,
    account: AccountId,
    child: &Child,
    claimed: NaiveDate,
) -> Result<Compared, AppError> {
    let (pupil, on_record) = (child.pupil, child.birth_date);
    let recorded = record(app, incident, account, |loaded, unit| {
        let command = AccountCommand::ConfirmChild { pupil, claimed, on_record };
        Ok(unit.stream::<Account>(&loaded.id, loaded.version, loaded.aggregate.decide(command)?))
    });
    match recorded.await? {
        Ok(_) => Ok(Compared::Right),
        Err(AccountError::BirthDateMismatch) => {
            // Only wrong dates count, and right ones don't make up for them: or one known child would open the
            // way to guessing another's.
            let charge = Charge::new(&app.guard.caps.dates, account.to_string());
            let _ = app.guard.limits.take(&[charge], app.clock.now()).await?;
            Ok(Compared::Wrong)
        }
        Err(_) => Ok(Compared::Refused),
    }
}

/// Records "not my child". False when the account may not (any more).
async fn report(app: &App, incident: &Incident, account: AccountId, pupil: PupilId) -> Result<bool, AppError> {
    let recorded = record(app, incident, account, |loaded, unit| {
        let events = loaded.aggregate.decide(AccountCommand::ReportChild { pupil })?;
        Ok(unit.stream::<Account>(&loaded.id, loaded.version, events))
    });
    Ok(recorded.await?.is_ok())
}

fn read_date([day, month, year]: &[String; 3]) -> Option<NaiveDate> {
    let short = |text: &str| (1..=2).contains(&text.len()).then(|| text.parse().ok()).flatten();
    let year = (year.len() == 4).then(|| year.parse().ok()).flatten()?;
    NaiveDate::from_ymd_opt(year, short(month)?, short(day)?)
}
