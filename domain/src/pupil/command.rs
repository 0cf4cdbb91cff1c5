//! What can be asked of a pupil's record, and the school's words it is asked in.

use crate::erasure::Grounds;
use crate::identifiers::{GuardianLevel, Ine, Relationship, Sex, Uai};
use crate::ids::{GuardianId, PupilId};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// The civil status as the school's file gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CivilStatus {
    /// Birth name (`NOM_DE_FAMILLE`).
    pub family_name: String,
    /// Name in use, where it differs (`NOM_USAGE`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_name: Option<String>,
    /// Given names in their order; the first is the one in use.
    pub given_names: Vec<String>,
    /// Birth date; an account needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<NaiveDate>,
    /// Sex, as civil status knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<Sex>,
}

/// Where in an establishment a pupil sits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Class (SIECLE division, ONDE `Libellé classe`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Eleven-character MEF code (second degree).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mef: Option<String>,
    /// Level (`CM2`, …; first degree).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
}

/// What one establishment's file says of an enrolment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentFact {
    /// The establishment whose file it is.
    pub establishment: Uai,
    /// Start year of the school year.
    pub school_year: u16,
    /// First day, where the file tells.
    pub entered_on: Option<NaiveDate>,
    /// Last day, where the file tells: the pupil has left.
    pub left_on: Option<NaiveDate>,
    /// `CODE_MOTIF_SORTIE`.
    pub leaving_reason: Option<String>,
    /// Class and level.
    pub placement: Placement,
}

/// What one establishment's file says of a responsibility.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFact {
    /// The guardian record.
    pub guardian: GuardianId,
    /// Level of responsibility.
    pub level: GuardianLevel,
    /// `CODE_PARENTE`, as in the file.
    pub relationship: Option<Relationship>,
}

/// What one establishment's file says of one pupil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchoolData {
    /// The pupil, newly named or known.
    pub pupil: PupilId,
    /// INE, where the file has one.
    pub ine: Option<Ine>,
    /// Civil status.
    pub civil_status: CivilStatus,
    /// The enrolment in the file's establishment.
    pub enrolment: EnrolmentFact,
    /// All responsibilities the file declares for the pupil; what it no longer declares ends.
    pub links: Vec<LinkFact>,
}

/// Intentions about a pupil's record.
#[derive(Clone, Debug)]
pub enum PupilCommand {
    /// A school's file speaks of the pupil: record whatever is new in it.
    RecordSchoolData(Box<SchoolData>),
    /// The pupil no longer stands in the establishment's complete export.
    RecordAbsence {
        /// The establishment whose export no longer names the pupil.
        establishment: Uai,
        /// The day of that export.
        on: NaiveDate,
    },
    /// The school settled a held ONDE link: this guardian is the pupil's.
    LinkGuardian {
        /// The establishment that settled it.
        establishment: Uai,
        /// What it settled.
        link: LinkFact,
    },
    /// A guardian's data is erased: whoever declared them, the responsibility ends.
    ForgetGuardian {
        /// The guardian record.
        guardian: GuardianId,
    },
    /// Erase the pupil's data.
    Erase {
        /// On which grounds.
        grounds: Grounds,
    },
}
