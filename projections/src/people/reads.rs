//! What is read of pupils and guardian records.

use super::{GuardianRow, HeldLinkRow};
use crate::Views;
use crate::views::{ENROLMENT, JOIN_ENROLMENT, Person, parsed};
use chrono::NaiveDate;
use domain::identifiers::{Academie, Degree, E164, Ine, Uai};
use domain::ids::{GuardianId, PupilId};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// A current enrolment, with what is known of the establishment.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Where.
    pub establishment: Uai,
    /// The establishment's name, where known.
    pub establishment_name: Option<String>,
    /// First or second degree; `None` for an establishment nobody registered.
    pub degree: Option<Degree>,
    /// The establishment's académie, where known.
    pub academie: Option<Academie>,
    /// Start year of the school year.
    pub school_year: u16,
    /// Since when.
    pub entered_on: Option<NaiveDate>,
    /// Class.
    pub class: Option<String>,
    /// MEF code (second degree).
    pub mef: Option<String>,
    /// Level (first degree).
    pub level: Option<String>,
}

/// Prints no personal data.
impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enrolment").field("establishment", &self.establishment).finish_non_exhaustive()
    }
}

impl Enrolment {
    /// From the columns of [`ENROLMENT`]; `None` where the left join found none.
    pub(crate) fn from_left_join(row: &PgRow) -> sqlx::Result<Option<Self>> {
        let Some(establishment) = row.try_get::<Option<&str>, _>("establishment")? else { return Ok(None) };
        let degree: Option<&str> = row.try_get("degree")?;
        let academie: Option<i16> = row.try_get("academie")?;
        Ok(Some(Self {
            establishment: parsed("establishment", establishment)?,
            establishment_name: row.try_get("establishment_name")?,
            degree: degree.map(|degree| if degree == "first" { Degree::First } else { Degree::Second }),
            academie: academie.and_then(|code| Academie::from_code(u8::try_from(code).ok()?).ok()),
            school_year: row.try_get::<i32, _>("school_year")?.try_into().unwrap_or_default(),
            entered_on: row.try_get("entered_on")?,
            class: row.try_get("class")?,
            mef: row.try_get("mef")?,
            level: row.try_get("level")?,
        }))
    }
}

/// A pupil as the schools say now.
#[derive(Clone, PartialEq)]
pub struct PupilRecord {
    /// The pupil.
    pub id: PupilId,
    /// National identifier, where known.
    pub ine: Option<Ine>,
    /// Who it is.
    pub person: Person,
    /// Where the pupil is enrolled now.
    pub enrolments: Vec<Enrolment>,
}

/// Prints no personal data.
impl std::fmt::Debug for PupilRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PupilRecord").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A guardian record as its source says now.
#[derive(Clone, PartialEq)]
pub struct GuardianRecord {
    /// The record.
    pub id: GuardianId,
    /// Who it is.
    pub person: Person,
    /// Mobile, where known.
    pub mobile: Option<E164>,
    /// E-mail, where known.
    pub email: Option<String>,
}

/// Prints no personal data.
impl std::fmt::Debug for GuardianRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardianRecord").field("id", &self.id).finish_non_exhaustive()
    }
}

impl TryFrom<GuardianRow> for GuardianRecord {
    type Error = sqlx::Error;

    fn try_from(row: GuardianRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: GuardianId(row.id),
            person: Person {
                title: row.title,
                family_name: row.family_name,
                usage_name: row.usage_name,
                given_names: row.given_name.into_iter().collect(),
                birth_date: None,
                sex: None,
                erased: row.erased,
            },
            mobile: row.mobile.as_deref().map(|mobile| parsed("mobile", mobile)).transpose()?,
            email: row.email,
        })
    }
}

/// A link that waits for the school.
pub type HeldLink = HeldLinkRow;

impl Views {
    /// A pupil with their current enrolments.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pupil(&self, pupil: PupilId) -> sqlx::Result<Option<PupilRecord>> {
        let rows = sqlx::query(&format!(
            "SELECT p.*, NULL::text AS title, {ENROLMENT} FROM view_people.pupil p {JOIN_ENROLMENT} \
             WHERE p.id = $1 ORDER BY e.establishment"
        ))
        .bind(pupil.0)
        .fetch_all(&self.pool)
        .await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let ine: Option<&str> = first.try_get("ine")?;
        let mut record = PupilRecord {
            id: pupil,
            ine: ine.map(|ine| parsed("ine", ine)).transpose()?,
            person: Person::from_row(first)?,
            enrolments: Vec::new(),
        };
        for row in &rows {
            record.enrolments.extend(Enrolment::from_left_join(row)?);
        }
        Ok(Some(record))
    }

    /// A guardian record.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn guardian(&self, guardian: GuardianId) -> sqlx::Result<Option<GuardianRecord>> {
        let row: Option<GuardianRow> = sqlx::query_as("SELECT * FROM view_people.guardian WHERE id = $1")
            .bind(guardian.0)
            .fetch_optional(&self.pool)
            .await?;
        row.map(GuardianRecord::try_from).transpose()
    }

    /// Records declared legal guardians of a pupil now, by any school.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn legal_guardians_of(&self, pupil: PupilId) -> sqlx::Result<Vec<GuardianRecord>> {
        let rows: Vec<GuardianRow> = sqlx::query_as(
            "SELECT g.* FROM view_people.guardian g \
             WHERE g.id IN (SELECT guardian FROM view_people.link WHERE pupil = $1 AND level = 1) ORDER BY g.id",
        )
        .bind(pupil.0)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(GuardianRecord::try_from).collect()
    }

    /// Links that wait for a school, from after `after` on, in the order of their keys.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held_links(
        &self,
        establishment: Uai,
        after: Option<(GuardianId, u32)>,
        limit: u32,
    ) -> sqlx::Result<Vec<HeldLink>> {
        let (guardian, number) = after.unwrap_or((GuardianId(uuid::Uuid::nil()), 0));
        sqlx::query_as(
            "SELECT * FROM view_people.held_link WHERE establishment = $1 AND (guardian, number) > ($2, $3) \
             ORDER BY guardian, number LIMIT $4",
        )
        .bind(establishment.as_str())
        .bind(guardian.0)
        .bind(i32::try_from(number).unwrap_or(i32::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
    }
}
