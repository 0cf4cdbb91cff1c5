//! What the validation pass keeps of an export: identifiers, classes and links, no names and no
//! addresses; about 100 bytes per pupil.

use std::collections::{HashMap, HashSet};

use domain::identifiers::{GuardianLevel, Relationship};

use crate::error::FileError;
use crate::report::RejectionReason;
use crate::source::Source;
use crate::xml::{Fields, Step, XmlStream};

use super::guardians::{self, LINK_FIELDS, PERSON_FIELDS};
use super::head::Head;
use super::pupils::{self, PUPIL_FIELDS};

/// A link in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IndexedLink {
    pub(crate) pupil: u64,
    pub(crate) person: u64,
    /// Number of the level. Sorting puts the strongest first.
    pub(crate) level: u8,
    pub(crate) relationship: Option<u8>,
}

impl IndexedLink {
    pub(crate) fn level(self) -> GuardianLevel {
        GuardianLevel::from_number(self.level).expect("only known levels are indexed")
    }

    pub(crate) fn relationship(self) -> Option<Relationship> {
        self.relationship.map(Relationship::from_code)
    }
}

/// The joins of one export.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Records under ELEVES, and under PERSONNES with RESPONSABLES.
    pub(crate) pupil_records: u64,
    pub(crate) guardian_records: u64,
    /// Identifiers of readable pupils and persons, sorted.
    pupils: Vec<u64>,
    persons: Vec<u64>,
    /// Identifiers of pupils that were refused.
    refused_pupils: HashSet<u64>,
    /// Ordinals of records that repeat an identifier, with its name.
    repeated_pupils: HashMap<u64, &'static str>,
    repeated_persons: HashSet<u64>,
    classes: Vec<(u64, u32)>,
    class_names: Vec<String>,
    links: Vec<IndexedLink>,
    /// Pupil and person of links that were refused, where these at least could be read; sorted.
    unread_links: Vec<(u64, u64)>,
    /// Persons who are legal guardian of at least one pupil, sorted.
    legal: Vec<u64>,
}

impl Index {
    /// Reads both files whole; any fault of either refuses the export.
    pub(crate) fn build(eleves: &Source, responsables: &Source) -> Result<Self, FileError> {
        let mut index = Self::default();
        index.read_eleves(eleves)?;
        index.read_responsables(responsables)?;
        Ok(index)
    }

    fn read_eleves(&mut self, source: &Source) -> Result<(), FileError> {
        let mut xml = XmlStream::open(source)?;
        Head::read(&mut xml)?;
        let mut fields = Fields::new(PUPIL_FIELDS);
        let mut structure = Fields::new(&["CODE_STRUCTURE", "TYPE_STRUCTURE"]);
        let mut seen = Seen::default();
        let mut names = HashMap::new();
        let mut owner = None;
        loop {
            match xml.step()? {
                Step::Open => match xml.name() {
                    "ELEVE" => {
                        let id = id(xml.attribute("ELEVE_ID"));
                        xml.read_fields(&mut fields)?;
                        self.index_pupil(id, &fields, &mut seen);
                    }
                    "STRUCTURES_ELEVE" => owner = id(xml.attribute("ELEVE_ID")),
                    "STRUCTURE" => {
                        xml.read_fields(&mut structure)?;
                        if let Some(pupil) = owner
                            && structure.get("TYPE_STRUCTURE") == Some("D")
                            && let Some(code) = structure.get("CODE_STRUCTURE")
                        {
                            let class = self.intern_class(code, &mut names);
                            self.classes.push((pupil, class));
                        }
                    }
                    "OPTIONS" | "BOURSES" | "ADRESSES" => xml.skip()?,
                    _ => {}
                },
                Step::Close | Step::Text => {}
                Step::End => break,
            }
        }
        self.pupils.sort_unstable();
        // Stable: of several classes the first written is kept.
        self.classes.sort_by_key(|(pupil, _)| *pupil);
        self.classes.dedup_by_key(|(pupil, _)| *pupil);
        Ok(())
    }

    fn index_pupil(&mut self, id: Option<u64>, fields: &Fields, seen: &mut Seen) {
        let ordinal = self.pupil_records;
        self.pupil_records += 1;
        let Some(id) = id else { return };
        if !seen.ids.insert(id) {
            self.repeated_pupils.insert(ordinal, "ELEVE_ID");
            return;
        }
        match pupils::identify(fields) {
            Err(_) => {
                self.refused_pupils.insert(id);
            }
            Ok(Some(ine)) if !seen.ines.insert(ine.packed()) => {
                self.repeated_pupils.insert(ordinal, "INE");
                self.refused_pupils.insert(id);
            }
            Ok(_) => self.pupils.push(id),
        }
    }

    fn intern_class(&mut self, code: &str, names: &mut HashMap<String, u32>) -> u32 {
        if let Some(known) = names.get(code) {
            return *known;
        }
        let number = u32::try_from(self.class_names.len()).unwrap_or(u32::MAX);
        self.class_names.push(code.to_owned());
        names.insert(code.to_owned(), number);
        number
    }

    fn read_responsables(&mut self, source: &Source) -> Result<(), FileError> {
        let mut xml = XmlStream::open(source)?;
        Head::read(&mut xml)?;
        let mut person = Fields::new(PERSON_FIELDS);
        let mut link = Fields::new(LINK_FIELDS);
        let mut seen = HashSet::new();
        loop {
            match xml.step()? {
                Step::Open => match xml.name() {
                    "PERSONNE" => {
                        let id = id(xml.attribute("PERSONNE_ID"));
                        xml.read_fields(&mut person)?;
                        let ordinal = self.guardian_records;
                        self.guardian_records += 1;
                        let Some(id) = id else { continue };
                        if !seen.insert(id) {
                            self.repeated_persons.insert(ordinal);
                        } else if guardians::names(&person).is_ok() {
                            self.persons.push(id);
                        }
                    }
                    "RESPONSABLE_ELEVE" => {
                        xml.read_fields(&mut link)?;
                        self.guardian_records += 1;
                        match guardians::read_link(&link) {
                            Ok(link) => self.links.push(link),
                            Err(_) => self.unread_links.extend(guardians::ends_of_link(&link)),
                        }
                    }
                    "ADRESSES" => xml.skip()?,
                    _ => {}
                },
                Step::Close | Step::Text => {}
                Step::End => break,
            }
        }
        self.persons.sort_unstable();
        self.links.sort_unstable();
        self.links.dedup();
        self.unread_links.sort_unstable();
        self.legal = self
            .links
            .iter()
            .filter(|link| link.level == 1 && self.pupils.binary_search(&link.pupil).is_ok())
            .map(|link| link.person)
            .collect();
        self.legal.sort_unstable();
        self.legal.dedup();
        Ok(())
    }

    /// The identifier that the pupil of this ordinal repeats.
    pub(crate) fn repeated_pupil(&self, ordinal: u64) -> Option<&'static str> {
        self.repeated_pupils.get(&ordinal).copied()
    }

    pub(crate) fn is_repeated_person(&self, ordinal: u64) -> bool {
        self.repeated_persons.contains(&ordinal)
    }

    pub(crate) fn class_of(&self, pupil: u64) -> Option<&str> {
        let place = self.classes.binary_search_by_key(&pupil, |(pupil, _)| *pupil).ok()?;
        self.class_names.get(self.classes[place].1 as usize).map(String::as_str)
    }

    /// Links of a pupil, sorted by person then level.
    pub(crate) fn links_of(&self, pupil: u64) -> &[IndexedLink] {
        let start = self.links.partition_point(|link| link.pupil < pupil);
        let count = self.links[start..].partition_point(|link| link.pupil == pupil);
        &self.links[start..start + count]
    }

    /// Pupil and person of the refused links of a pupil.
    pub(crate) fn unread_links_of(&self, pupil: u64) -> &[(u64, u64)] {
        let start = self.unread_links.partition_point(|(of, _)| *of < pupil);
        let count = self.unread_links[start..].partition_point(|(of, _)| *of == pupil);
        &self.unread_links[start..start + count]
    }

    pub(crate) fn has_person(&self, person: u64) -> bool {
        self.persons.binary_search(&person).is_ok()
    }

    pub(crate) fn is_legal(&self, person: u64) -> bool {
        self.legal.binary_search(&person).is_ok()
    }

    /// Why a well-formed link leads nowhere, unless the pupil's own refusal already tells.
    pub(crate) fn broken_link(&self, link: IndexedLink) -> Option<RejectionReason> {
        if self.pupils.binary_search(&link.pupil).is_err() {
            (!self.refused_pupils.contains(&link.pupil)).then_some(RejectionReason::UnknownPupil)
        } else {
            (!self.has_person(link.person)).then_some(RejectionReason::UnknownGuardian)
        }
    }
}

#[derive(Default)]
struct Seen {
    ids: HashSet<u64>,
    ines: HashSet<u64>,
}

/// An identifier of the source: a whole number.
pub(crate) fn id(text: Option<&str>) -> Option<u64> {
    text?.trim().parse().ok()
}
