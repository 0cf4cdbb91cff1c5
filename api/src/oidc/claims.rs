//! What tokens and userinfo say of a person: values from the projections, within what [`Entitlement`] allows.

use super::discovery::path;
use super::entitlement::Entitlement;
use super::scopes::Release;
use super::subject::Pairwise;
use aws_lc_rs::digest;
use chrono::{DateTime, NaiveDate, SecondsFormat};
use domain::account::Holder;
use domain::identifiers::{Degree, Ine, Relationship, Uai};
use domain::ids::{AccountId, PupilId};
use projections::people::Enrolment;
use projections::{Person, Views};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

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
    ine: Option<Ine>,
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
    #[serde(rename = "FrEduCtEleveINE", skip_serializing_if = "Option::is_none")]
    ine: Option<String>,
    #[serde(rename = "FrEduCtEleveINEHash", skip_serializing_if = "Option::is_none")]
    ine_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relationship: Option<&'static str>,
    establishments: Vec<Place>,
}

/// To whom claims are told, and what they need beside the person.
pub struct Telling<'a> {
    /// What is released, and where.
    pub release: Release<'a>,
    /// As whom the relying party knows people.
    pub pairwise: Pairwise<'a>,
    /// When the person signed in, seconds since 1970.
    pub auth_time: i64,
    /// The issuer.
    pub issuer: &'a str,
    /// MEFSTAT4 by MEF, the beginning of one, or a level of the first degree.
    pub stages: &'a BTreeMap<String, String>,
}

/// Everything that may be said about a person to one relying party. No `Debug`: it is personal data.
pub struct Claims {
    account: AccountId,
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
        type Found = (PupilId, Person, Option<Ine>, Option<Relationship>, Vec<Enrolment>);
        let found: Vec<Found> = match holder {
            Holder::Pupil(own) => {
                let own = views.pupil(own).await?;
                own.into_iter().map(|pupil| (pupil.id, pupil.person, pupil.ine, None, pupil.enrolments)).collect()
            }
            Holder::Guardian(_) => {
                let children = views.children_of(entitlement.account).await?;
                children.into_iter().map(|c| (c.pupil, c.person, c.ine, c.relationship, c.enrolments)).collect()
            }
        };
        let pupils = found.into_iter().filter_map(|(id, person, ine, relationship, enrolments)| {
            // The view may still show a child, or a school, that the ledger no longer does.
            let allowed = entitlement.pupils.get(&id)?;
            let places = enrolments.into_iter().filter(|at| allowed.contains(&at.establishment)).map(place).collect();
            Some(Pupil { id, person, ine, relationship, places })
        });
        Ok(Self { account: entitlement.account, holder, person, pupils: pupils.collect() })
    }

    /// All that is released, but `sub`.
    pub fn tell(&self, telling: &Telling<'_>) -> Map<String, Value> {
        let (release, mut claims) = (&telling.release, Map::new());
        self.tell_names(release, &mut claims);
        self.tell_affiliation(telling, &mut claims);
        self.tell_connection(telling, &mut claims);
        match self.own() {
            Some(own) => self.tell_pupil(own, telling, &mut claims),
            None => self.tell_children(telling, &mut claims),
        }
        claims
    }

    fn tell_names(&self, release: &Release<'_>, claims: &mut Map<String, Value>) {
        let (given, family) = (self.person.first_given_name(), self.person.shown_family_name());
        for (value, names) in [(given, ["given_name", "givenName"]), (family, ["family_name", "sn"])] {
            names.iter().for_each(|name| release.put(claims, name, || value.map(|value| json!(value))));
        }
        let name: Vec<&str> = given.into_iter().chain(family).collect();
        release.put(claims, "name", || (!name.is_empty()).then(|| json!(name.join(" "))));
    }

    fn tell_affiliation(&self, telling: &Telling<'_>, claims: &mut Map<String, Value>) {
        let release = &telling.release;
        release.put(claims, "FrEduCtId", || Some(json!(telling.pairwise.holder(self.account, self.holder))));
        release.put(claims, "FrEduCtPersonAffiliation", || Some(json!(self.affiliations())));
        release.put(claims, "FrEduCtRefId", || Some(json!(telling.pairwise.for_everybody(self.account, self.holder))));
        release.put(claims, "FrEduVecteur", || {
            let vectors = self.vectors(&telling.pairwise);
            (!vectors.is_empty()).then(|| json!(vectors))
        });
    }

    /// About the sign-in, by the field's names.
    fn tell_connection(&self, telling: &Telling<'_>, claims: &mut Map<String, Value>) {
        let release = &telling.release;
        release.put(claims, "FrEduCtDateConnexion", || {
            let at = DateTime::from_timestamp(telling.auth_time, 0)?;
            Some(json!(at.to_rfc3339_opts(SecondsFormat::Secs, true)))
        });
        release.put(claims, "FrEduUrlRetour", || Some(json!(format!("{}{}", telling.issuer, path::END_SESSION))));
        release.put(claims, "FrEduOrigAuth", || Some(json!("ECT")));
    }

    fn tell_pupil(&self, own: &Pupil, telling: &Telling<'_>, claims: &mut Map<String, Value>) {
        let (release, place) = (&telling.release, own.places.first());
        release.put(claims, "FrEduCtEleveUAI", || place.map(|place| json!(place.uai)));
        release.put(claims, "FrEduCtEleveNiveau", || place.and_then(|p| p.stage(telling.stages)).map(|s| json!(s)));
        release.put(claims, "establishments", || Some(json!(own.places)));
        release.put(claims, "FrEduCtEleveINE", || own.ine.as_ref().map(|ine| json!(ine)));
        release.put(claims, "FrEduCtEleveINEHash", || own.ine.as_ref().map(|ine| json!(ine_hash(ine))));
        let born = own.person.birth_date;
        release.put(claims, "birthdate", || born.map(|date| json!(date)));
        release.put(claims, "FrEduCtDateNaissance", || born.map(|date| json!(date.format("%d/%m/%Y").to_string())));
    }

    fn tell_children(&self, telling: &Telling<'_>, claims: &mut Map<String, Value>) {
        if matches!(self.holder, Holder::Pupil(_)) {
            return;
        }
        let release = &telling.release;
        release.put(claims, "children_establishments", || {
            let all: BTreeSet<Uai> = self.pupils.iter().flat_map(|p| &p.places).map(|place| place.uai).collect();
            Some(json!(all))
        });
        release.put(claims, "children", || {
            let children: Vec<Child> = self.pupils.iter().map(|pupil| child(pupil, telling)).collect();
            Some(json!(children))
        });
    }

    /// `FrEduVecteur`, as older services read it: `type|family name|given name|pupil|UAI`, one for each child of a
    /// guardian; type 1 and 2 are guardians, 3 and 4 pupils, of the first and the second degree.
    fn vectors(&self, pairwise: &Pairwise<'_>) -> Vec<String> {
        let plain = |name: Option<&str>| name.unwrap_or_default().replace('|', " ");
        let (family, given) = (plain(self.person.shown_family_name()), plain(self.person.first_given_name()));
        let vector = |pupil: &Pupil| {
            let place = pupil.places.first()?;
            let kind = match (self.holder, place.degree?) {
                (Holder::Guardian(_), Degree::First) => 1,
                (Holder::Guardian(_), Degree::Second) => 2,
                (Holder::Pupil(_), Degree::First) => 3,
                (Holder::Pupil(_), Degree::Second) => 4,
            };
            Some(format!("{kind}|{family}|{given}|{}|{}", pairwise.pupil(pupil.id), place.uai))
        };
        self.pupils.iter().filter_map(vector).collect()
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

impl Place {
    /// MEFSTAT4, by the operator's table: the longest entry that the MEF begins with, or the level's own.
    fn stage<'a>(&self, stages: &'a BTreeMap<String, String>) -> Option<&'a str> {
        if let Some(mef) = &self.mef {
            let longest = stages.iter().filter(|(known, _)| mef.starts_with(known.as_str()));
            return longest.max_by_key(|(known, _)| known.len()).map(|(_, stage)| stage.as_str());
        }
        stages.get(self.level.as_deref()?).map(String::as_str)
    }
}

/// SHA-256 of the INE as it is written, hexadecimal. Whoever has the list of all INE finds it again: it spares a
/// service the number, and hides nobody.
fn ine_hash(ine: &Ine) -> String {
    hex::encode(digest::digest(&digest::SHA256, ine.to_string().as_bytes()))
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

fn child(pupil: &Pupil, telling: &Telling<'_>) -> Child {
    let release = &telling.release;
    let ine = |claim: &str| pupil.ine.as_ref().filter(|_| release.tells(claim));
    Child {
        sub: telling.pairwise.pupil(pupil.id),
        given_name: pupil.person.first_given_name().map(str::to_owned),
        family_name: pupil.person.shown_family_name().map(str::to_owned),
        birthdate: pupil.person.birth_date.filter(|_| release.tells("birthdate")),
        ine: ine("FrEduCtEleveINE").map(ToString::to_string),
        ine_hash: ine("FrEduCtEleveINEHash").map(ine_hash),
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
