//! The queue of ONDE links that wait for a school's answer.

use super::Importer;
use super::draft::{Draft, Planned};
use super::held::{SettleError, decide_settlement};
use super::known::Known;
use super::report::Part;
use domain::context::{Actor, Context, Reason};
use domain::identifiers::Uai;
use domain::ids::{CommandId, GuardianId, PupilId};
use ledger::AppendError;
use sqlx::{PgPool, Row};
use uuid::Uuid;

/// A link that waits, as an operator of the school's side sees it. `Debug` prints no name.
pub struct Waiting {
    /// Whose file left it open.
    pub establishment: String,
    /// The guardian record.
    pub guardian: GuardianId,
    /// The guardian's name.
    pub guardian_name: String,
    /// Number within the record.
    pub number: i32,
    /// `ambiguous` or `no_such_pupil`.
    pub reason: String,
    /// The child as the file writes it.
    pub child: String,
    /// Pupils it may be.
    pub candidates: Vec<Candidate>,
}

/// A pupil a waiting link may mean.
pub struct Candidate {
    /// The pupil.
    pub pupil: PupilId,
    /// Name, birth date and class.
    pub shown: String,
}

/// Links that wait, of one establishment or all.
///
/// # Errors
/// When the database fails.
pub async fn waiting(db: &PgPool, uai: Option<Uai>) -> sqlx::Result<Vec<Waiting>> {
    let rows = sqlx::query(
        "SELECT h.establishment, h.guardian, h.number, h.reason, h.candidates::text AS candidates, \
                concat_ws(' ', g.given_name, g.family_name) AS guardian_name, \
                concat_ws(' ', h.child_given_name, h.child_family_name, h.child_class) AS child \
         FROM view_people.held_link h LEFT JOIN view_people.guardian g ON g.id = h.guardian \
         WHERE $1::text IS NULL OR h.establishment = $1 ORDER BY h.establishment, h.guardian, h.number",
    )
    .bind(uai.map(|uai| uai.to_string()))
    .fetch_all(db)
    .await?;
    let mut waiting = Vec::with_capacity(rows.len());
    for row in rows {
        let establishment: String = row.try_get("establishment")?;
        let candidates: String = row.try_get("candidates")?;
        let candidates: Vec<Uuid> =
            serde_json::from_str(&candidates).map_err(|error| sqlx::Error::Decode(error.into()))?;
        waiting.push(Waiting {
            guardian: GuardianId(row.try_get("guardian")?),
            guardian_name: row.try_get("guardian_name")?,
            number: row.try_get("number")?,
            reason: row.try_get("reason")?,
            child: row.try_get("child")?,
            candidates: shown(db, &candidates, &establishment).await?,
            establishment,
        });
    }
    Ok(waiting)
}

async fn shown(db: &PgPool, pupils: &[Uuid], establishment: &str) -> sqlx::Result<Vec<Candidate>> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT p.id, concat_ws(' ', p.given_names ->> 0, p.family_name, p.birth_date, e.class) \
         FROM view_people.pupil p \
         LEFT JOIN view_people.enrolment e ON e.pupil = p.id AND e.establishment = $2 \
         WHERE p.id = ANY($1) ORDER BY p.id",
    )
    .bind(pupils)
    .bind(establishment)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(id, shown)| Candidate { pupil: PupilId(id), shown }).collect())
}

/// Why an answer was not taken.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// It does not fit.
    #[error(transparent)]
    Refused(#[from] SettleError),
    /// It could not be recorded.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// It is recorded, but the views don't follow.
    #[error("the answer is recorded, but the views have not caught up: {0}")]
    Views(String),
}

/// Takes a school's answer: the link is made or dropped, and accounts follow.
///
/// # Errors
/// [`QueueError`] says why it was not taken; nothing is recorded then.
pub async fn settle(
    importer: &Importer,
    guardian: GuardianId,
    number: u32,
    pupil: Option<PupilId>,
) -> Result<(), QueueError> {
    let context = Context {
        command: CommandId(Uuid::now_v7()),
        actor: Actor::Operator("console".to_owned()),
        on_behalf_of: None,
        reason: Reason::SchoolData,
        reference: None,
        effective_at: importer.ledger.now(),
    };
    let mut attempts = 5;
    let appended = loop {
        let mut known = Known::default();
        let mut draft = Draft::new(&mut known, &importer.ledger, context.clone(), Part::Guardians);
        decide_settlement(&mut draft, &importer.loader, guardian, number, pupil).await?;
        let Planned { unit, .. } = draft.finish();
        match importer.ledger.append(unit).await {
            Err(AppendError::Conflict { .. } | AppendError::Reserved { .. }) if attempts > 0 => attempts -= 1,
            other => break other?,
        }
    };
    importer.await_views(appended.last()).await.map_err(|error| QueueError::Views(error.to_string()))
}
