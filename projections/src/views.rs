//! The typed reads of the service. Each is one or two queries on indexes; those of one projection stand beside it
//! (`*/reads.rs`), those that join several stand here.

use crate::people::Enrolment;
use crate::progress::{CaughtUpError, Progress};
use crate::projection::Name;
use chrono::NaiveDate;
use domain::identifiers::{Ine, Relationship, Sex};
use domain::ids::{AccountId, PupilId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgPool, Row};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Reads of the views. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Views {
    pub(crate) pool: PgPool,
    progress: Progress,
}

/// A child as shown to a legal guardian, or put into their claims.
#[derive(Clone, PartialEq)]
pub struct Child {
    /// The child.
    pub pupil: PupilId,
    /// National identifier, where known.
    pub ine: Option<Ine>,
    /// Who it is; nothing in it after erasure.
    pub person: Person,
    /// What the account's holder is to the child, where the school says.
    pub relationship: Option<Relationship>,
    /// Where the child is enrolled now.
    pub enrolments: Vec<Enrolment>,
}

/// Who someone is, as the school's file says. All empty after erasure.
#[derive(Clone, Default, PartialEq)]
pub struct Person {
    /// `M.` or `MME`; guardians only.
    pub title: Option<String>,
    /// Birth name.
    pub family_name: Option<String>,
    /// Name in use, where it differs.
    pub usage_name: Option<String>,
    /// Given names in their order; guardians have one.
    pub given_names: Vec<String>,
    /// Birth date; pupils only.
    pub birth_date: Option<NaiveDate>,
    /// Sex; pupils only.
    pub sex: Option<Sex>,
    /// The data was erased.
    pub erased: bool,
}

/// Prints no personal data.
impl std::fmt::Debug for Child {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Child").field("pupil", &self.pupil).finish_non_exhaustive()
    }
}

/// Prints no personal data.
impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person").field("erased", &self.erased).finish_non_exhaustive()
    }
}

impl Person {
    /// The name to show: the name in use before the birth name.
    pub fn shown_family_name(&self) -> Option<&str> {
        self.usage_name.as_deref().or(self.family_name.as_deref())
    }

    /// The first given name.
    pub fn first_given_name(&self) -> Option<&str> {
        self.given_names.first().map(String::as_str)
    }
}

impl FromRow<'_, PgRow> for Person {
    /// Columns of `view_people.pupil`, or those given the same names; what a query leaves out stays empty.
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let given_names: Option<Json<Vec<String>>> = row.try_get("given_names")?;
        let sex: Option<&str> = row.try_get("sex")?;
        Ok(Self {
            title: row.try_get("title")?,
            family_name: row.try_get("family_name")?,
            usage_name: row.try_get("usage_name")?,
            given_names: given_names.map(|Json(names)| names).unwrap_or_default(),
            birth_date: row.try_get("birth_date")?,
            sex: sex.map(|sex| if sex == "female" { Sex::Female } else { Sex::Male }),
            erased: row.try_get("erased")?,
        })
    }
}

/// A stored identifier that does not parse was written by something else than the projection.
pub(crate) fn parsed<T: std::str::FromStr>(column: &'static str, text: &str) -> sqlx::Result<T> {
    text.parse().map_err(|_| sqlx::Error::ColumnDecode { index: column.to_owned(), source: "not of its type".into() })
}

/// The pupils among whom a children query chooses, with the relationship that gives the right.
///
/// A child counts while one of the account's records is declared its *legal* guardian, by any school.
const LEGAL: &str = "
    SELECT DISTINCT ON (l.pupil) l.pupil, l.relationship
    FROM view_accounts.account_guardian g
    JOIN view_people.link l ON l.guardian = g.guardian AND l.level = 1
    WHERE g.account = $1
    ORDER BY l.pupil, l.relationship NULLS LAST";

impl Views {
    /// Reads for a program that does not feed the views itself.
    pub fn new(pool: PgPool) -> Self {
        Self { progress: Progress::new(pool.clone()), pool }
    }

    pub(crate) fn with_progress(pool: PgPool, progress: Progress) -> Self {
        Self { pool, progress }
    }

    /// Waits until every view has the event at `position`, e.g. the last one of a command just appended.
    ///
    /// # Errors
    /// [`CaughtUpError`] when a view is late, stands still, or can't be asked.
    pub async fn caught_up(&self, position: u64, timeout: Duration) -> Result<(), CaughtUpError> {
        self.caught_up_in(&Name::ALL, position, timeout).await
    }

    /// [`Views::caught_up`] for some views only: what does not matter to the reader need not be waited for.
    ///
    /// # Errors
    /// As [`Views::caught_up`].
    pub async fn caught_up_in(&self, names: &[Name], position: u64, timeout: Duration) -> Result<(), CaughtUpError> {
        let deadline = Instant::now() + timeout;
        // One after the other takes no longer than the slowest.
        for name in names {
            self.progress.caught_up(*name, position, deadline).await?;
        }
        Ok(())
    }

    /// Position of the next event each view will have: its checkpoint.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn checkpoint(&self, name: Name) -> sqlx::Result<u64> {
        self.progress.stored(name).await
    }

    /// Children the account's holder has confirmed and is still a legal guardian of.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn children_of(&self, account: AccountId) -> sqlx::Result<Vec<Child>> {
        let confirmed = format!(
            "SELECT l.pupil, l.relationship FROM ({LEGAL}) l \
             JOIN view_accounts.account_child c ON c.account = $1 AND c.pupil = l.pupil AND c.status = 'confirmed'"
        );
        self.children(&confirmed, account).await
    }

    /// Children the account's holder is a legal guardian of and has neither confirmed nor reported.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn proposed_children(&self, account: AccountId) -> sqlx::Result<Vec<Child>> {
        let proposed = format!(
            "SELECT l.pupil, l.relationship FROM ({LEGAL}) l WHERE NOT EXISTS \
             (SELECT FROM view_accounts.account_child c \
              WHERE c.account = $1 AND c.pupil = l.pupil AND c.status IN ('confirmed', 'reported'))"
        );
        self.children(&proposed, account).await
    }

    async fn children(&self, chosen: &str, account: AccountId) -> sqlx::Result<Vec<Child>> {
        let rows = sqlx::query(&format!(
            "SELECT p.*, NULL::text AS title, c.relationship, {ENROLMENT} \
             FROM ({chosen}) c JOIN view_people.pupil p ON p.id = c.pupil {JOIN_ENROLMENT} \
             ORDER BY p.birth_date, p.id, e.establishment"
        ))
        .bind(account.0)
        .fetch_all(&self.pool)
        .await?;
        let mut children: Vec<Child> = Vec::new();
        let mut at: BTreeMap<Uuid, usize> = BTreeMap::new();
        for row in &rows {
            let pupil: Uuid = row.try_get("id")?;
            let index = match at.get(&pupil) {
                Some(index) => *index,
                None => {
                    let ine: Option<&str> = row.try_get("ine")?;
                    let relationship: Option<i16> = row.try_get("relationship")?;
                    children.push(Child {
                        pupil: PupilId(pupil),
                        ine: ine.map(|ine| parsed("ine", ine)).transpose()?,
                        person: Person::from_row(row)?,
                        relationship: relationship
                            .and_then(|code| u8::try_from(code).ok())
                            .map(Relationship::from_code),
                        enrolments: Vec::new(),
                    });
                    *at.entry(pupil).or_insert(children.len() - 1)
                }
            };
            children[index].enrolments.extend(Enrolment::from_left_join(row)?);
        }
        Ok(children)
    }

    /// Who holds the account, as the school says now: the pupil, or the guardian by the first record still attached.
    /// `None` when there is no such account, or no record behind it any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn person(&self, account: AccountId) -> sqlx::Result<Option<Person>> {
        sqlx::query_as(
            "SELECT p.title, p.family_name, p.usage_name, p.given_names, p.birth_date, p.sex, p.erased \
             FROM view_accounts.account a CROSS JOIN LATERAL ( \
                 SELECT NULL::text AS title, family_name, usage_name, given_names, birth_date, sex, erased \
                 FROM view_people.pupil WHERE a.holder_kind = 'pupil' AND id = a.holder \
                 UNION ALL \
                 (SELECT g.title, g.family_name, g.usage_name, \
                         CASE WHEN g.given_name IS NOT NULL THEN jsonb_build_array(g.given_name) END, \
                         NULL, NULL, g.erased \
                  FROM view_accounts.account_guardian ag JOIN view_people.guardian g ON g.id = ag.guardian \
                  WHERE a.holder_kind = 'guardian' AND ag.account = a.id \
                  ORDER BY ag.guardian <> a.holder, ag.attached_at, ag.guardian LIMIT 1) \
             ) p WHERE a.id = $1",
        )
        .bind(account.0)
        .fetch_optional(&self.pool)
        .await
    }
}

/// Columns that [`Enrolment::from_left_join`] reads.
pub(crate) const ENROLMENT: &str = "e.establishment, e.school_year, e.entered_on, e.class, e.mef, e.level, \
    s.name AS establishment_name, s.degree, s.academie";
/// Their tables, beside a `p` that has the pupil's `id`.
pub(crate) const JOIN_ENROLMENT: &str = "LEFT JOIN view_people.enrolment e ON e.pupil = p.id \
    LEFT JOIN view_services.establishment s ON s.uai = e.establishment";
