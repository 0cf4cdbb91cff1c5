//! The neutral records that every source format is read into.
//!
//! `Debug` of these types prints no personal data.

use std::fmt;
use std::path::PathBuf;

use chrono::{NaiveDate, NaiveDateTime};
use domain::identifiers::{Academie, Degree, E164, GuardianKey, GuardianLevel, Ine, PupilKey, Relationship, Sex, Uai};

use crate::report::{Notice, Rejection};

/// Which information system wrote an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceSystem {
    /// SIECLE (base élèves établissement), collèges and lycées.
    Siecle,
    /// ONDE (formerly BE1D), écoles.
    Onde,
}

/// SHA-256 of a shipped file, as it lay on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDigest {
    /// The file.
    pub file: PathBuf,
    /// SHA-256 of its bytes (of the zip, where it is one).
    pub sha256: [u8; 32],
}

/// What an export says about the establishment it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EstablishmentHeader {
    /// The establishment.
    pub uai: Uai,
    /// Its académie, from the department its UAI begins with.
    pub academie: Option<Academie>,
    /// First degree for ONDE, second for SIECLE.
    pub degree: Degree,
    /// Year in which the school year begins. ONDE files do not tell: derived from `exported_at`,
    /// a year beginning in August.
    pub school_year: u16,
    /// When the source wrote the export, local time (`HORODATAGE`). ONDE files do not tell: the
    /// moment of reception the caller gave.
    pub exported_at: NaiveDateTime,
    /// Which system wrote it.
    pub source: SourceSystem,
    /// The files it consists of.
    pub files: Vec<FileDigest>,
    /// Remarks on the export as a whole, such as a UAI with a wrong check letter.
    pub notices: Vec<Notice>,
}

/// One record of a file, in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<T> {
    /// Position among the records of its stream, from 0, counting refused ones: stable from one
    /// reading to the next, so that an interrupted import can resume.
    pub ordinal: u64,
    /// Line on which the record begins, from 1.
    pub line: u64,
    /// The record, or why it was refused.
    pub outcome: Result<T, Rejection>,
    /// Remarks on a record that was nevertheless read.
    pub notices: Vec<Notice>,
}

/// A field without which no account may open for a pupil.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MandatoryField {
    /// The national number.
    Ine,
    /// The date of birth.
    BirthDate,
    /// The class.
    Class,
}

/// A pupil as one export describes them.
#[derive(Clone, PartialEq)]
pub struct PupilRecord {
    /// Key of the record in its source: see [`PupilKey`].
    pub source_id: PupilKey,
    /// National number.
    pub ine: Option<Ine>,
    /// Name at birth.
    pub family_name: String,
    /// Name in use, where it differs.
    pub usage_name: Option<String>,
    /// First names in order, at least one.
    pub given_names: Vec<String>,
    /// Date of birth.
    pub birth_date: Option<NaiveDate>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Country of birth, as the source codes it (SIECLE: 100 France); absent when unknown (995).
    pub birth_country: Option<String>,
    /// INSEE code of the commune of birth.
    pub birth_commune: Option<String>,
    /// Town of birth, abroad.
    pub birth_town_abroad: Option<String>,
    /// Code (SIECLE) or label (ONDE) of the class.
    pub class: Option<String>,
    /// Module élémentaire de formation, 11 characters (SIECLE).
    pub mef: Option<String>,
    /// Level of the class (ONDE), such as `CM2`.
    pub level: Option<String>,
    /// Date of arrival.
    pub entered_on: Option<NaiveDate>,
    /// Date of departure.
    pub left_on: Option<NaiveDate>,
    /// Reason of departure, as the source codes it.
    pub leaving_reason: Option<String>,
    /// Links to guardians whose records were read.
    pub guardians: Vec<LinkRecord>,
    /// Guardians whose link or record stands in the export but could not be read: nothing tells that the
    /// responsibility ended.
    pub unread_guardians: Vec<GuardianKey>,
    /// Mandatory fields the record lacks; empty when it is complete.
    pub missing: Vec<MandatoryField>,
}

/// A guardian as one export describes them.
#[derive(Clone, PartialEq)]
pub struct GuardianRecord {
    /// Key of the person in their source.
    pub source_key: GuardianKey,
    /// ONDE only: the same for all persons of this name in the school, whatever their contacts.
    /// With `children`, it recognises a person whose number changed, which changes `source_key`.
    pub name_key: Option<GuardianKey>,
    /// ONDE only: the children the record was linked to.
    pub children: Vec<PupilKey>,
    /// `M.` or `MME`.
    pub title: Option<String>,
    /// Name at birth.
    pub family_name: String,
    /// Name in use, where it differs.
    pub usage_name: Option<String>,
    /// First name.
    pub given_name: String,
    /// Mobile number.
    pub mobile: Option<E164>,
    /// Other numbers, at home or at work.
    pub other_phones: Vec<E164>,
    /// E-mail address.
    pub email: Option<String>,
    /// Whether the person accepts text messages, where the source tells.
    pub accepts_sms: Option<bool>,
    /// Whether the person is legal guardian of at least one pupil of the export.
    pub has_level1: bool,
}

/// A link from a pupil to one of their guardians.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRecord {
    /// The guardian.
    pub guardian: GuardianKey,
    /// Level of responsibility.
    pub level: GuardianLevel,
    /// Family tie, where the source tells.
    pub relationship: Option<Relationship>,
    /// The pupil, an adult, is their own guardian.
    pub self_guardian: bool,
}

/// An ONDE link that points to no pupil, or to several: it waits for the school.
#[derive(Clone, PartialEq, Eq)]
pub struct HeldLink {
    /// The guardian.
    pub guardian: GuardianKey,
    /// Surname of the child as written, then name in use where given.
    pub child_family_name: String,
    /// Name in use of the child, as written.
    pub child_usage_name: Option<String>,
    /// First name of the child, as written.
    pub child_given_name: String,
    /// Class as written.
    pub class: Option<String>,
    /// Pupils that could be meant, none to several.
    pub candidates: Vec<PupilKey>,
    /// Why the link waits.
    pub reason: HeldReason,
    /// Line of the guardian's record.
    pub line: u64,
}

/// Why a [`HeldLink`] waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeldReason {
    /// Several pupils have these names.
    Ambiguous,
    /// No pupil has these names.
    NoSuchPupil,
}

impl fmt::Debug for PupilRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PupilRecord")
            .field("guardians", &self.guardians.len())
            .field("missing", &self.missing)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for GuardianRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardianRecord")
            .field("source_key", &self.source_key)
            .field("has_level1", &self.has_level1)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HeldLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldLink")
            .field("guardian", &self.guardian)
            .field("candidates", &self.candidates.len())
            .field("reason", &self.reason)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}
