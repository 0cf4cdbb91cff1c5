//! `PERSONNE` and `RESPONSABLE_ELEVE` records.

use std::sync::Arc;

use domain::identifiers::{Academie, GuardianKey};

use crate::contacts::Contacts;
use crate::error::FileError;
use crate::records::{Entry, GuardianRecord};
use crate::report::{Notice, Rejection, RejectionReason};
use crate::source::Source;
use crate::values;
use crate::xml::{Fields, Step, XmlStream};

use super::head::Head;
use super::index::{Index, IndexedLink, id};

pub(super) const PERSON_FIELDS: &[&str] = &[
    "LC_CIVILITE",
    "NOM_DE_FAMILLE",
    "NOM",
    "NOM_USAGE",
    "PRENOM",
    "TEL_PERSONNEL",
    "TEL_PORTABLE",
    "TEL_PROFESSIONNEL",
    "ACCEPTE_SMS",
    "MEL",
];

pub(super) const LINK_FIELDS: &[&str] =
    &["ELEVE_ID", "PERSONNE_ID", "NIVEAU_RESPONSABILITE", "RESP_LEGAL", "CODE_PARENTE"];

/// Names of a person.
pub(super) struct Names {
    family: String,
    usage: Option<String>,
    given: String,
    at_birth_missing: bool,
}

/// The names, without which the record is refused.
pub(super) fn names(fields: &Fields) -> Result<Names, RejectionReason> {
    // NOM is the only name in exports from before summer 2016.
    let at_birth = fields.get("NOM_DE_FAMILLE").or_else(|| fields.get("NOM"));
    let at_birth = values::name("NOM_DE_FAMILLE", at_birth)?;
    let usage = values::name("NOM_USAGE", fields.get("NOM_USAGE"))?;
    let at_birth_missing = at_birth.is_none();
    let family = at_birth.or_else(|| usage.clone()).ok_or(RejectionReason::Missing("NOM_DE_FAMILLE"))?;
    let given = values::name("PRENOM", fields.get("PRENOM"))?.ok_or(RejectionReason::Missing("PRENOM"))?;
    let usage = usage.filter(|usage| *usage != family);
    Ok(Names { family, usage, given, at_birth_missing })
}

/// Pupil and person of a link, whatever else is wrong with it.
pub(super) fn ends_of_link(fields: &Fields) -> Option<(u64, u64)> {
    Some((id(fields.get("ELEVE_ID"))?, id(fields.get("PERSONNE_ID"))?))
}

/// A link, in the present form (`NIVEAU_RESPONSABILITE`) or the old one (`RESP_LEGAL`).
pub(super) fn read_link(fields: &Fields) -> Result<IndexedLink, RejectionReason> {
    let number = |field: &'static str| {
        let text = fields.get(field).ok_or(RejectionReason::Missing(field))?;
        id(Some(text)).ok_or(RejectionReason::Malformed { field, expected: "a whole number" })
    };
    let (pupil, person) = (number("ELEVE_ID")?, number("PERSONNE_ID")?);
    let level = match (fields.get("NIVEAU_RESPONSABILITE"), fields.get("RESP_LEGAL")) {
        (Some("1"), _) | (None, Some("1" | "2")) => 1,
        (Some("2"), _) => 2,
        (Some("3"), _) | (None, Some("0")) => 3,
        (Some(_), _) => {
            return Err(RejectionReason::Malformed { field: "NIVEAU_RESPONSABILITE", expected: "1, 2 or 3" });
        }
        (None, Some(_)) => {
            return Err(RejectionReason::Malformed { field: "RESP_LEGAL", expected: "0, 1 or 2" });
        }
        (None, None) => return Err(RejectionReason::Missing("NIVEAU_RESPONSABILITE")),
    };
    let relationship = fields
        .get("CODE_PARENTE")
        .map(|code| {
            code.parse()
                .map_err(|_| RejectionReason::Malformed { field: "CODE_PARENTE", expected: "a code of two digits" })
        })
        .transpose()?;
    Ok(IndexedLink { pupil, person, level, relationship })
}

/// Reads the persons of an export, then reports the links that were refused.
pub(crate) struct GuardianReader {
    xml: XmlStream,
    person: Fields,
    link: Fields,
    index: Arc<Index>,
    academie: Academie,
    next: u64,
    from: u64,
}

impl GuardianReader {
    pub(crate) fn open(source: &Source, index: Arc<Index>, academie: Academie, from: u64) -> Result<Self, FileError> {
        let mut xml = XmlStream::open(source)?;
        Head::read(&mut xml)?;
        Ok(Self {
            xml,
            person: Fields::new(PERSON_FIELDS),
            link: Fields::new(LINK_FIELDS),
            index,
            academie,
            next: 0,
            from,
        })
    }

    /// The next person or refused link; nothing at the end.
    pub(crate) fn advance(&mut self) -> Result<Option<Entry<GuardianRecord>>, FileError> {
        while self.next < self.index.guardian_records {
            match self.xml.step()? {
                Step::Open => {
                    let person = match self.xml.name() {
                        "PERSONNE" => true,
                        "RESPONSABLE_ELEVE" => false,
                        _ => continue,
                    };
                    let (ordinal, line) = (self.next, self.xml.line());
                    self.next += 1;
                    if ordinal < self.from {
                        self.xml.skip()?;
                    } else if person {
                        return self.read_person(ordinal, line).map(Some);
                    } else if let Some(refused) = self.read_refused_link(ordinal, line)? {
                        return Ok(Some(refused));
                    }
                }
                Step::Close | Step::Text => {}
                Step::End => break,
            }
        }
        Ok(None)
    }

    fn read_person(&mut self, ordinal: u64, line: u64) -> Result<Entry<GuardianRecord>, FileError> {
        let id = id(self.xml.attribute("PERSONNE_ID"));
        self.xml.read_fields(&mut self.person)?;
        let mut notices = Vec::new();
        let outcome = self.record(ordinal, id, &mut notices).map_err(|reason| Rejection {
            file: self.xml.file().to_owned(),
            line,
            record: id.map_or_else(|| "PERSONNE".into(), |id| format!("PERSONNE {id}")),
            reason,
            ine: None,
        });
        Ok(Entry { ordinal, line, outcome, notices })
    }

    fn record(
        &self,
        ordinal: u64,
        id: Option<u64>,
        notices: &mut Vec<Notice>,
    ) -> Result<GuardianRecord, RejectionReason> {
        let id = id.ok_or(RejectionReason::Malformed { field: "PERSONNE_ID", expected: "a whole number" })?;
        if self.index.is_repeated_person(ordinal) {
            return Err(RejectionReason::Duplicate("PERSONNE_ID"));
        }
        let fields = &self.person;
        let names = names(fields)?;
        if names.at_birth_missing {
            notices.push(Notice::UsageNameOnly);
        }
        let accepts_sms = match fields.get("ACCEPTE_SMS") {
            None => None,
            Some("1" | "true") => Some(true),
            Some("0" | "false") => Some(false),
            Some(_) => {
                notices.push(Notice::UnreadableCode("ACCEPTE_SMS"));
                None
            }
        };
        let mut contacts = Contacts::new(Some(self.academie));
        contacts.mobile("TEL_PORTABLE", fields.get("TEL_PORTABLE"), notices);
        contacts.other("TEL_PERSONNEL", fields.get("TEL_PERSONNEL"), notices);
        contacts.other("TEL_PROFESSIONNEL", fields.get("TEL_PROFESSIONNEL"), notices);
        contacts.email("MEL", fields.get("MEL"), notices);
        Ok(GuardianRecord {
            source_key: GuardianKey::siecle(self.academie, id),
            name_key: None,
            children: Vec::new(),
            title: fields.get("LC_CIVILITE").map(str::to_uppercase),
            family_name: names.family,
            usage_name: names.usage,
            given_name: names.given,
            mobile: contacts.mobile,
            other_phones: contacts.others,
            email: contacts.email,
            accepts_sms,
            has_level1: self.index.is_legal(id),
        })
    }

    fn read_refused_link(&mut self, ordinal: u64, line: u64) -> Result<Option<Entry<GuardianRecord>>, FileError> {
        self.xml.read_fields(&mut self.link)?;
        let (reason, record) = match read_link(&self.link) {
            Err(reason) => (Some(reason), "RESPONSABLE_ELEVE".to_owned()),
            Ok(link) => (self.index.broken_link(link), format!("RESPONSABLE_ELEVE {} {}", link.pupil, link.person)),
        };
        Ok(reason.map(|reason| Entry {
            ordinal,
            line,
            outcome: Err(Rejection { file: self.xml.file().to_owned(), line, record, reason, ine: None }),
            notices: Vec::new(),
        }))
    }
}
