//! `ELEVE` records.

use std::sync::Arc;

use chrono::NaiveDate;
use domain::identifiers::{Academie, GuardianKey, Ine, PupilKey, Relationship, Sex, Uai};

use crate::error::FileError;
use crate::records::{Entry, LinkRecord, MandatoryField, PupilRecord};
use crate::report::{Notice, Rejection, RejectionReason};
use crate::source::Source;
use crate::values;
use crate::xml::{Fields, Step, XmlStream};

use super::head::Head;
use super::index::{Index, IndexedLink, id};

pub(super) const PUPIL_FIELDS: &[&str] = &[
    "ID_NATIONAL",
    "INE_BEA",
    "INE_RNIE",
    "NOM_DE_FAMILLE",
    "NOM",
    "NOM_USAGE",
    "PRENOM",
    "PRENOM2",
    "PRENOM3",
    "DATE_NAISS",
    "CODE_PAYS",
    "VILLE_NAISS",
    "CODE_SEXE",
    "CODE_COMMUNE_INSEE_NAISS",
    "DATE_ENTREE",
    "DATE_SORTIE",
    "CODE_MOTIF_SORTIE",
    "CODE_MEF",
];

/// Whether a record can be read at all, and under which national number.
pub(super) fn identify(fields: &Fields) -> Result<Option<Ine>, RejectionReason> {
    read_civil_status(fields, &mut Vec::new()).map(|status| status.ine)
}

/// The fields of a pupil that decide whether the record is accepted.
struct CivilStatus {
    ine: Option<Ine>,
    family_name: String,
    usage_name: Option<String>,
    given_names: Vec<String>,
    birth_date: Option<NaiveDate>,
    sex: Option<Sex>,
    entered_on: Option<NaiveDate>,
    left_on: Option<NaiveDate>,
}

fn read_civil_status(fields: &Fields, notices: &mut Vec<Notice>) -> Result<CivilStatus, RejectionReason> {
    let at_birth = fields.get("NOM_DE_FAMILLE").or_else(|| fields.get("NOM"));
    let in_use = values::name("NOM_USAGE", fields.get("NOM_USAGE"))?;
    let family_name = match (values::name("NOM_DE_FAMILLE", at_birth)?, &in_use) {
        (Some(name), _) => name,
        (None, Some(name)) => {
            notices.push(Notice::UsageNameOnly);
            name.clone()
        }
        (None, None) => return Err(RejectionReason::Missing("NOM_DE_FAMILLE")),
    };
    let mut given_names = Vec::with_capacity(1);
    given_names.push(values::name("PRENOM", fields.get("PRENOM"))?.ok_or(RejectionReason::Missing("PRENOM"))?);
    for field in ["PRENOM2", "PRENOM3"] {
        given_names.extend(values::name(field, fields.get(field))?);
    }
    let sex = match fields.get("CODE_SEXE") {
        None => None,
        Some("1") => Some(Sex::Male),
        Some("2") => Some(Sex::Female),
        Some(_) => {
            return Err(RejectionReason::Malformed { field: "CODE_SEXE", expected: "1 or 2" });
        }
    };
    Ok(CivilStatus {
        ine: national_number(fields, notices)?,
        usage_name: in_use.filter(|name| *name != family_name),
        family_name,
        given_names,
        birth_date: values::optional_date("DATE_NAISS", fields.get("DATE_NAISS"))?,
        sex,
        entered_on: values::optional_date("DATE_ENTREE", fields.get("DATE_ENTREE"))?,
        left_on: values::optional_date("DATE_SORTIE", fields.get("DATE_SORTIE"))?,
    })
}

/// The current number before the one in use before it; refused only when none is well-formed.
fn national_number(fields: &Fields, notices: &mut Vec<Notice>) -> Result<Option<Ine>, RejectionReason> {
    let mut malformed = None;
    let mut found = None;
    for field in ["INE_RNIE", "ID_NATIONAL", "INE_BEA"] {
        match fields.get(field).map(str::parse::<Ine>) {
            None => {}
            Some(Ok(ine)) => found = found.or(Some(ine)),
            Some(Err(_)) => malformed = malformed.or(Some(field)),
        }
    }
    match (found, malformed) {
        (None, Some(field)) => Err(RejectionReason::Malformed { field, expected: "an INE" }),
        (Some(_), Some(field)) => {
            notices.push(Notice::UnreadableCode(field));
            Ok(found)
        }
        _ => Ok(found),
    }
}

/// Reads the pupils of an export, in the order of the file.
pub(crate) struct PupilReader {
    xml: XmlStream,
    fields: Fields,
    index: Arc<Index>,
    uai: Uai,
    academie: Academie,
    next: u64,
    from: u64,
}

impl PupilReader {
    pub(crate) fn open(
        source: &Source,
        index: Arc<Index>,
        (uai, academie): (Uai, Academie),
        from: u64,
    ) -> Result<Self, FileError> {
        let mut xml = XmlStream::open(source)?;
        Head::read(&mut xml)?;
        let fields = Fields::new(PUPIL_FIELDS);
        Ok(Self { xml, fields, index, uai, academie, next: 0, from })
    }

    /// The next pupil; nothing at the end.
    pub(crate) fn advance(&mut self) -> Result<Option<Entry<PupilRecord>>, FileError> {
        while self.next < self.index.pupil_records {
            match self.xml.step()? {
                Step::Open if self.xml.name() == "ELEVE" => {
                    let (ordinal, line) = (self.next, self.xml.line());
                    self.next += 1;
                    if ordinal < self.from {
                        self.xml.skip()?;
                        continue;
                    }
                    let id = id(self.xml.attribute("ELEVE_ID"));
                    self.xml.read_fields(&mut self.fields)?;
                    return Ok(Some(self.entry(ordinal, line, id)));
                }
                Step::Open | Step::Close | Step::Text => {}
                Step::End => break,
            }
        }
        Ok(None)
    }

    fn entry(&self, ordinal: u64, line: u64, id: Option<u64>) -> Entry<PupilRecord> {
        let mut notices = Vec::new();
        let outcome = self.record(ordinal, id, &mut notices).map_err(|reason| Rejection {
            file: self.xml.file().to_owned(),
            line,
            record: id.map_or_else(|| "ELEVE".into(), |id| format!("ELEVE {id}")),
            reason,
            ine: national_number(&self.fields, &mut Vec::new()).ok().flatten(),
        });
        Entry { ordinal, line, outcome, notices }
    }

    fn record(&self, ordinal: u64, id: Option<u64>, notices: &mut Vec<Notice>) -> Result<PupilRecord, RejectionReason> {
        let id = id.ok_or(RejectionReason::Malformed { field: "ELEVE_ID", expected: "a whole number" })?;
        if let Some(identifier) = self.index.repeated_pupil(ordinal) {
            return Err(RejectionReason::Duplicate(identifier));
        }
        let fields = &self.fields;
        let status = read_civil_status(fields, notices)?;
        let class = self.index.class_of(id).map(str::to_owned);
        let missing = [
            (MandatoryField::Ine, status.ine.is_none()),
            (MandatoryField::BirthDate, status.birth_date.is_none()),
            (MandatoryField::Class, class.is_none()),
        ];
        let owned = |field| fields.get(field).map(str::to_owned);
        let mef = owned("CODE_MEF").filter(|mef| {
            let shaped = mef.len() == 11;
            if !shaped {
                notices.push(Notice::UnreadableCode("CODE_MEF"));
            }
            shaped
        });
        let source_id = match &status.ine {
            Some(ine) => PupilKey::from_ine(ine),
            None => format!("siecle:{}:{id}", self.uai).parse().expect("a UAI and a number make a key"),
        };
        Ok(PupilRecord {
            source_id,
            ine: status.ine,
            family_name: status.family_name,
            usage_name: status.usage_name,
            given_names: status.given_names,
            birth_date: status.birth_date,
            sex: status.sex,
            birth_country: owned("CODE_PAYS").filter(|code| code != "995"),
            birth_commune: owned("CODE_COMMUNE_INSEE_NAISS"),
            birth_town_abroad: fields.get("VILLE_NAISS").and_then(values::clean),
            class,
            mef,
            level: None,
            entered_on: status.entered_on,
            left_on: status.left_on,
            leaving_reason: owned("CODE_MOTIF_SORTIE"),
            guardians: self.links(id, notices),
            unread_guardians: self.unread(id),
            missing: missing.into_iter().filter(|(_, lacks)| *lacks).map(|(field, _)| field).collect(),
        })
    }

    fn unread(&self, pupil: u64) -> Vec<GuardianKey> {
        let nobodys = self.index.links_of(pupil).iter().map(|link| link.person);
        let nobodys = nobodys.filter(|person| !self.index.has_person(*person));
        let unread = self.index.unread_links_of(pupil).iter().map(|(_, person)| *person);
        nobodys.chain(unread).map(|person| GuardianKey::siecle(self.academie, person)).collect()
    }

    fn links(&self, pupil: u64, notices: &mut Vec<Notice>) -> Vec<LinkRecord> {
        let mut kept: Vec<IndexedLink> = Vec::with_capacity(2);
        for link in self.index.links_of(pupil) {
            if !self.index.has_person(link.person) {
                notices.push(Notice::GuardianNotRead);
            } else if let Some(previous) = kept.last_mut()
                && previous.person == link.person
            {
                if previous.level != link.level {
                    // Sorted by level, so this one is the lesser.
                    notices.push(Notice::ConflictingLinks);
                    *previous = *link;
                }
            } else {
                kept.push(*link);
            }
        }
        let legal = kept.iter().filter(|link| link.level == 1).count();
        if legal > 2 {
            notices.push(Notice::TooManyLegalGuardians(legal));
        }
        kept.into_iter()
            .map(|link| {
                let relationship = link.relationship();
                LinkRecord {
                    guardian: GuardianKey::siecle(self.academie, link.person),
                    level: link.level(),
                    self_guardian: relationship == Some(Relationship::Oneself),
                    relationship,
                }
            })
            .collect()
    }
}
