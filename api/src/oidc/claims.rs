//! What tokens and userinfo say of a person: values from the projections, within what [`Entitlement`] allows.

use super::entitlement::Entitlement;
use super::scopes;
use super::subject::Pairwise;
use chrono::NaiveDate;
use domain::account::Holder;
use domain::identifiers::{Degree, Relationship, Uai};
use domain::ids::PupilId;
use projections::people::Enrolment;
use projections::{Person, Views};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// One establishment of a pupil.
#[derive(Clone, Serialize)]
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
    degree: Option<Degree>,
}

/// A pupil as the schools describe them, where the relying party may look.
struct Pupil {
    id: PupilId,
    person: Person,
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

/// Everything that may be said about a person to one relying party. No `Debug`: it is personal data.
pub struct Claims {
    holder: Holder,
    person: Person,
    pupils: Vec<Pupil>,
}

impl Claims {
    /// Reads what the projections say of the holder and of the entitled pupils.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read(views: &Views, entitlement: &Entitlement) -> Result<Self, sqlx::Error> {
        let holder = entitlement.holder;
        let person = views.person(entitlement.account).await?.unwrap_or_default();
        let found: Vec<(PupilId, Person, Option<Relationship>, Vec<Enrolment>)> = match holder {
            Holder::Pupil(own) => {
                let own = views.pupil(own).await?;
                own.into_iter().map(|pupil| (pupil.id, pupil.person, None, pupil.enrolments)).collect()
            }
            Holder::Guardian(_) => {
                let children = views.children_of(entitlement.account).await?;
                children.into_iter().map(|c| (c.pupil, c.person, c.relationship, c.enrolments)).collect()
            }
        };
        let pupils = found.into_iter().filter_map(|(id, person, relationship, enrolments)| {
            // The view may still show a child, or a school, that the ledger no longer does.
            let allowed = entitlement.pupils.get(&id)?;
            let places = enrolments.into_iter().filter(|at| allowed.contains(&at.establishment)).map(place).collect();
            Some(Pupil { id, person, relationship, places })
        });
        Ok(Self { holder, person, pupils: pupils.collect() })
    }

    /// For the ID token, which travels in URLs: nobody's name or birth date.
    /// `allowed`: what the registration lets through of it.
    pub fn for_id_token(&self, granted: &BTreeSet<String>, allowed: Option<&BTreeSet<String>>) -> Map<String, Value> {
        let mut claims = Map::new();
        if granted.contains(scopes::AFFILIATION) {
            claims.insert("FrEduCtPersonAffiliation".to_owned(), json!(self.affiliations()));
        }
        if granted.contains(scopes::ESTABLISHMENT)
            && let Some(place) = self.own().and_then(|own| own.places.first())
        {
            claims.insert("FrEduCtEleveUAI".to_owned(), json!(place.uai));
        }
        if granted.contains(scopes::CHILDREN) && matches!(self.holder, Holder::Guardian(_)) {
            let all: BTreeSet<Uai> = self.pupils.iter().flat_map(|p| &p.places).map(|place| place.uai).collect();
            claims.insert("children_establishments".to_owned(), json!(all));
        }
        scopes::narrow(&mut claims, allowed);
        claims
    }

    /// For userinfo: all that the scopes release, but `sub`.
    pub fn for_userinfo(
        &self,
        granted: &BTreeSet<String>,
        allowed: Option<&BTreeSet<String>>,
        pairwise: &Pairwise<'_>,
    ) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| {
            claims.insert(name.to_owned(), value);
        };
        if granted.contains(scopes::PROFILE) {
            let (given, family) = (self.person.first_given_name(), self.person.shown_family_name());
            for (value, names) in [(given, ["given_name", "givenName"]), (family, ["family_name", "sn"])] {
                value.into_iter().for_each(|value| names.iter().for_each(|name| put(name, json!(value))));
            }
            let name: Vec<&str> = given.into_iter().chain(family).collect();
            if !name.is_empty() {
                put("name", json!(name.join(" ")));
            }
        }
        if granted.contains(scopes::AFFILIATION) {
            put("FrEduCtPersonAffiliation", json!(self.affiliations()));
        }
        let birthdates = granted.contains(scopes::BIRTHDATE);
        if matches!(self.holder, Holder::Guardian(_)) && granted.contains(scopes::CHILDREN) {
            let children: Vec<Child> = self.pupils.iter().map(|pupil| child(pupil, pairwise, birthdates)).collect();
            put("children", json!(children));
        }
        if let Some(own) = self.own() {
            if granted.contains(scopes::ESTABLISHMENT) {
                own.places.first().into_iter().for_each(|place| put("FrEduCtEleveUAI", json!(place.uai)));
                put("establishments", json!(own.places));
            }
            if birthdates && let Some(date) = own.person.birth_date {
                put("birthdate", json!(date));
                put("FrEduCtDateNaissance", json!(date.format("%d/%m/%Y").to_string()));
            }
        }
        scopes::narrow(&mut claims, allowed);
        claims
    }

    /// A pupil's own record.
    fn own(&self) -> Option<&Pupil> {
        match self.holder {
            Holder::Pupil(own) => self.pupils.iter().find(|pupil| pupil.id == own),
            Holder::Guardian(_) => None,
        }
    }

    /// `FrEduCtPersonAffiliation`: several for a guardian with children in both degrees.
    fn affiliations(&self) -> BTreeSet<&'static str> {
        let value = |place: &Place| {
            Some(match (self.holder, place.degree?) {
                (Holder::Pupil(_), Degree::First) => "eleve1d",
                (Holder::Pupil(_), Degree::Second) => "eleve2d",
                (Holder::Guardian(_), Degree::First) => "resp1d",
                (Holder::Guardian(_), Degree::Second) => "resp2d",
            })
        };
        self.pupils.iter().flat_map(|pupil| &pupil.places).filter_map(value).collect()
    }
}

fn place(enrolment: Enrolment) -> Place {
    Place {
        uai: enrolment.establishment,
        name: enrolment.establishment_name,
        class: enrolment.class,
        level: enrolment.level,
        mef: enrolment.mef,
        degree: enrolment.degree,
    }
}

fn child(pupil: &Pupil, pairwise: &Pairwise<'_>, birthdates: bool) -> Child {
    Child {
        sub: pairwise.pupil(pupil.id),
        given_name: pupil.person.first_given_name().map(str::to_owned),
        family_name: pupil.person.shown_family_name().map(str::to_owned),
        birthdate: pupil.person.birth_date.filter(|_| birthdates),
        relationship: pupil.relationship.map(word),
        establishments: pupil.places.clone(),
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
