//! What tokens and userinfo say of a person: values from the projections, within what [`Entitlement`] allows.

use super::entitlement::Entitlement;
use super::scopes;
use super::subject::Pairwise;
use chrono::NaiveDate;
use domain::account::Holder;
use domain::identifiers::{Relationship, Uai};
use domain::ids::{GuardianId, PupilId};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use sqlx::types::Json;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// One establishment of a pupil.
#[derive(Clone, Debug, Serialize)]
struct Place {
    uai: Uai,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    /// `CM2`, … (first degree).
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<String>,
    /// MEF code (second degree).
    #[serde(skip_serializing_if = "Option::is_none")]
    mef: Option<String>,
    #[serde(skip)]
    first_degree: bool,
}

/// A pupil as the schools describe them.
#[derive(Clone, Debug, Default)]
struct PupilRecord {
    given_name: Option<String>,
    family_name: Option<String>,
    birth_date: Option<NaiveDate>,
    relationship: Option<Relationship>,
    places: Vec<Place>,
}

/// One of a guardian's children, as the `children` claim shows it.
#[derive(Serialize)]
struct Child {
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    birthdate: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relationship: Option<&'static str>,
    establishments: Vec<Place>,
}

/// Everything that may be said about a person to one relying party.
pub struct Claims {
    holder: Holder,
    given_name: Option<String>,
    family_name: Option<String>,
    pupils: BTreeMap<PupilId, PupilRecord>,
}

impl Claims {
    /// Reads what the projections say of the entitled pupils and the holder.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read(db: &PgPool, entitlement: &Entitlement) -> Result<Self, sqlx::Error> {
        let mut pupils = read_pupils(db, entitlement).await?;
        read_places(db, entitlement, &mut pupils).await?;
        let (given_name, family_name) = match entitlement.holder {
            Holder::Pupil(own) => pupils.get(&own).map_or((None, None), |p| (p.given_name.clone(), p.family_name.clone())),
            Holder::Guardian(first) => {
                read_relationships(db, entitlement, &mut pupils).await?;
                read_guardian(db, first, &entitlement.guardians).await?
            }
        };
        Ok(Self { holder: entitlement.holder, given_name, family_name, pupils })
    }

    /// For the ID token, which travels in URLs: nobody's name or birth date.
    pub fn for_id_token(&self, granted: &BTreeSet<String>) -> Map<String, Value> {
        let mut claims = Map::new();
        if granted.contains(scopes::AFFILIATION) {
            claims.insert("FrEduCtPersonAffiliation".to_owned(), json!(self.affiliations()));
        }
        if granted.contains(scopes::ESTABLISHMENT) && let Some(own) = self.own_record() {
            claims.extend(own.places.first().map(|place| ("FrEduCtEleveUAI".to_owned(), json!(place.uai))));
        }
        if granted.contains(scopes::CHILDREN) && matches!(self.holder, Holder::Guardian(_)) {
            let of_children: BTreeSet<Uai> = self.pupils.values().flat_map(|p| &p.places).map(|place| place.uai).collect();
            claims.insert("children_establishments".to_owned(), json!(of_children));
        }
        claims
    }

    /// For userinfo: all that the scopes release, but `sub`.
    pub fn for_userinfo(&self, granted: &BTreeSet<String>, pairwise: &Pairwise<'_>) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            claims.extend(value.map(|value| (name.to_owned(), value)));
        };
        if granted.contains(scopes::PROFILE) {
            let name: Vec<&str> = [&self.given_name, &self.family_name].into_iter().flatten().map(String::as_str).collect();
            put("name", (!name.is_empty()).then(|| json!(name.join(" "))));
            for standard_and_field in [["given_name", "givenName"], ["family_name", "sn"]].iter().zip([&self.given_name, &self.family_name]) {
                let (names, value) = standard_and_field;
                names.iter().for_each(|name| put(name, value.as_ref().map(|value| json!(value))));
            }
        }
        if granted.contains(scopes::AFFILIATION) {
            put("FrEduCtPersonAffiliation", Some(json!(self.affiliations())));
        }
        let birthdates = granted.contains(scopes::BIRTHDATE);
        if let Some(own) = self.own_record() {
            if granted.contains(scopes::ESTABLISHMENT) {
                put("FrEduCtEleveUAI", own.places.first().map(|place| json!(place.uai)));
                put("establishments", Some(json!(own.places)));
            }
            if birthdates && let Some(date) = own.birth_date {
                put("birthdate", Some(json!(date)));
                put("FrEduCtDateNaissance", Some(json!(date.format("%d/%m/%Y").to_string())));
            }
        } else if granted.contains(scopes::CHILDREN) {
            let children: Vec<Child> =
                self.pupils.iter().map(|(id, record)| child(pairwise.pupil(*id), record, birthdates)).collect();
            put("children", Some(json!(children)));
        }
        claims
    }

    /// A pupil's own record.
    fn own_record(&self) -> Option<&PupilRecord> {
        match self.holder {
            Holder::Pupil(own) => self.pupils.get(&own),
            Holder::Guardian(_) => None,
        }
    }

    /// `FrEduCtPersonAffiliation`: several for a guardian with children in both degrees.
    fn affiliations(&self) -> BTreeSet<&'static str> {
        let value = |place: &Place| match (self.holder, place.first_degree) {
            (Holder::Pupil(_), true) => "eleve1d",
            (Holder::Pupil(_), false) => "eleve2d",
            (Holder::Guardian(_), true) => "resp1d",
            (Holder::Guardian(_), false) => "resp2d",
        };
        self.pupils.values().flat_map(|pupil| &pupil.places).map(value).collect()
    }
}

fn child(sub: String, record: &PupilRecord, birthdates: bool) -> Child {
    Child {
        sub,
        given_name: record.given_name.clone(),
        family_name: record.family_name.clone(),
        birthdate: record.birth_date.filter(|_| birthdates),
        relationship: record.relationship.map(word),
        establishments: record.places.clone(),
    }
}

/// The tie as relying parties read it.
fn word(relationship: Relationship) -> &'static str {
    match relationship {
        Relationship::Mother => "mother",
        Relationship::Father => "father",
        Relationship::Sibling => "sibling",
        Relationship::Ancestor => "ancestor",
        Relationship::OtherRelative => "other_relative",
        Relationship::Educator => "educator",
        Relationship::FosterCarer => "foster_carer",
        Relationship::ChildMinder => "child_minder",
        Relationship::AppointedGuardian => "appointed_guardian",
        Relationship::ChildWelfare => "child_welfare",
        Relationship::Oneself => "oneself",
        Relationship::Other | Relationship::Unlisted(_) => "other",
    }
}

fn ids(entitlement: &Entitlement) -> Vec<Uuid> {
    entitlement.pupils.keys().map(|pupil| pupil.0).collect()
}

async fn read_pupils(db: &PgPool, entitlement: &Entitlement) -> Result<BTreeMap<PupilId, PupilRecord>, sqlx::Error> {
    type Row = (Uuid, Option<Json<Vec<String>>>, Option<String>, Option<NaiveDate>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, given_names, coalesce(usage_name, family_name), birth_date
         FROM view_people.pupil WHERE id = ANY($1)",
    )
    .bind(ids(entitlement))
    .fetch_all(db)
    .await?;
    let record = |(id, given_names, family_name, birth_date): Row| {
        let given_name = given_names.and_then(|Json(names)| names.into_iter().next());
        (PupilId(id), PupilRecord { given_name, family_name, birth_date, ..PupilRecord::default() })
    };
    Ok(rows.into_iter().map(record).collect())
}

async fn read_places(
    db: &PgPool,
    entitlement: &Entitlement,
    pupils: &mut BTreeMap<PupilId, PupilRecord>,
) -> Result<(), sqlx::Error> {
    type Row = (Uuid, String, Option<String>, Option<String>, Option<String>, Option<String>, Option<String>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT e.pupil, e.establishment, s.name, e.class, e.level, e.mef, s.degree
         FROM view_people.enrolment e LEFT JOIN view_services.establishment s ON s.uai = e.establishment
         WHERE e.pupil = ANY($1) ORDER BY e.pupil, e.establishment",
    )
    .bind(ids(entitlement))
    .fetch_all(db)
    .await?;
    for (pupil, uai, name, class, level, mef, degree) in rows {
        let pupil = PupilId(pupil);
        let Ok(uai) = uai.parse::<Uai>() else { continue };
        // The view may still show a school that the ledger no longer does.
        let allowed = entitlement.pupils.get(&pupil).is_some_and(|places| places.contains(&uai));
        if allowed && let Some(record) = pupils.get_mut(&pupil) {
            let first_degree = degree.as_deref() == Some("first");
            record.places.push(Place { uai, name, class, level, mef, first_degree });
        }
    }
    Ok(())
}

async fn read_relationships(
    db: &PgPool,
    entitlement: &Entitlement,
    pupils: &mut BTreeMap<PupilId, PupilRecord>,
) -> Result<(), sqlx::Error> {
    let guardians: Vec<Uuid> = entitlement.guardians.iter().map(|guardian| guardian.0).collect();
    let rows: Vec<(Uuid, i16)> = sqlx::query_as(
        "SELECT pupil, relationship FROM view_people.link
         WHERE pupil = ANY($1) AND guardian = ANY($2) AND level = 1 AND relationship IS NOT NULL
         ORDER BY pupil, establishment, guardian",
    )
    .bind(ids(entitlement))
    .bind(guardians)
    .fetch_all(db)
    .await?;
    for (pupil, code) in rows {
        if let (Some(record), Ok(code)) = (pupils.get_mut(&PupilId(pupil)), u8::try_from(code)) {
            record.relationship.get_or_insert(Relationship::from_code(code));
        }
    }
    Ok(())
}

/// Names of a guardian: of the first record, or of another where that one is gone.
async fn read_guardian(
    db: &PgPool,
    first: GuardianId,
    records: &BTreeSet<GuardianId>,
) -> Result<(Option<String>, Option<String>), sqlx::Error> {
    let records: Vec<Uuid> = records.iter().map(|guardian| guardian.0).collect();
    let names = sqlx::query_as(
        "SELECT given_name, coalesce(usage_name, family_name) FROM view_people.guardian
         WHERE id = ANY($1) AND NOT erased ORDER BY id <> $2, id LIMIT 1",
    )
    .bind(records)
    .bind(first.0)
    .fetch_optional(db)
    .await?;
    Ok(names.unwrap_or_default())
}
