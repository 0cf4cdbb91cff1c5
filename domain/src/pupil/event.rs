//! Facts of a pupil's record.

use super::{CivilStatus, Placement};
use crate::erasure::Grounds;
use crate::event::event_names;
use crate::identifiers::{GuardianLevel, Ine, Relationship, Uai};
use crate::ids::{GuardianId, PupilId};
use crate::personal::{Personal, Sealable, Segment};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// Why a pupil left an establishment, as far as the file tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Departure {
    /// The file gives a leaving date, perhaps with a code.
    Declared {
        /// `CODE_MOTIF_SORTIE`.
        code: Option<String>,
    },
    /// The establishment's complete export no longer names the pupil.
    AbsentFromExport,
}

/// Why a responsibility ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unlinking {
    /// The school's file no longer declares it.
    NoLongerDeclared,
    /// The pupil left that school for another whose file now speaks.
    Transferred,
    /// The guardian's data was erased.
    GuardianErased,
}

/// Facts of a pupil's record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PupilEvent {
    /// The pupil appeared for the first time.
    PupilRegistered {
        /// The pupil.
        pupil: PupilId,
        /// National identifier, if the file had one.
        ine: Option<Personal<Ine>>,
        /// Civil status.
        civil_status: Personal<CivilStatus>,
    },
    /// The national identifier became known, or was replaced.
    IneAssigned {
        /// The new identifier.
        ine: Personal<Ine>,
    },
    /// The school corrected the civil status.
    CivilStatusCorrected {
        /// The status as corrected, whole.
        civil_status: Personal<CivilStatus>,
    },
    /// The pupil is enrolled in an establishment, besides any other.
    PupilEnrolled {
        /// Where.
        establishment: Uai,
        /// Start year of the school year.
        school_year: u16,
        /// Since when.
        entered_on: Option<NaiveDate>,
        /// Class and level.
        placement: Personal<Placement>,
    },
    /// Class, level or school year changed within the establishment.
    PlacementChanged {
        /// Where.
        establishment: Uai,
        /// Start year of the school year.
        school_year: u16,
        /// Since when.
        entered_on: Option<NaiveDate>,
        /// Class and level.
        placement: Personal<Placement>,
    },
    /// The pupil left one establishment and is enrolled in another.
    PupilTransferred {
        /// The establishment left.
        from: Uai,
        /// The establishment joined.
        to: Uai,
        /// Start year of the school year there.
        school_year: u16,
        /// Since when.
        entered_on: Option<NaiveDate>,
        /// Class and level there.
        placement: Personal<Placement>,
    },
    /// The pupil left an establishment.
    PupilDeparted {
        /// Which.
        establishment: Uai,
        /// Last day, as far as known.
        left_on: Option<NaiveDate>,
        /// Why.
        departure: Departure,
    },
    /// An establishment declared someone responsible for the pupil.
    GuardianLinked {
        /// The guardian record.
        guardian: GuardianId,
        /// The establishment whose file says so.
        establishment: Uai,
        /// Level of responsibility.
        level: GuardianLevel,
        /// `CODE_PARENTE`, sealed for the guardian.
        relationship: Personal<Option<Relationship>>,
    },
    /// A declared responsibility changed its level or kind.
    GuardianLinkChanged {
        /// The guardian record.
        guardian: GuardianId,
        /// The establishment whose file says so.
        establishment: Uai,
        /// Level of responsibility.
        level: GuardianLevel,
        /// `CODE_PARENTE`, sealed for the guardian.
        relationship: Personal<Option<Relationship>>,
    },
    /// A responsibility ended.
    GuardianUnlinked {
        /// The guardian record.
        guardian: GuardianId,
        /// The establishment that had declared it.
        establishment: Uai,
        /// Why.
        cause: Unlinking,
    },
    /// The pupil's key was destroyed with this event: no personal value can be read any more.
    PupilErased {
        /// The pupil, whose key it was.
        pupil: PupilId,
        /// On which grounds.
        grounds: Grounds,
    },
}

event_names!(PupilEvent, version "1":
    PupilRegistered, IneAssigned, CivilStatusCorrected, PupilEnrolled, PlacementChanged, PupilTransferred,
    PupilDeparted, GuardianLinked, GuardianLinkChanged, GuardianUnlinked, PupilErased);

impl Sealable for PupilEvent {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        match self {
            Self::PupilRegistered { ine, civil_status, pupil: _ } => {
                ine.iter_mut().map(|ine| ine as &mut dyn Segment).chain([civil_status as &mut dyn Segment]).collect()
            }
            Self::IneAssigned { ine } => vec![ine],
            Self::CivilStatusCorrected { civil_status } => vec![civil_status],
            Self::PupilEnrolled { placement, .. }
            | Self::PlacementChanged { placement, .. }
            | Self::PupilTransferred { placement, .. } => vec![placement],
            Self::GuardianLinked { relationship, .. } | Self::GuardianLinkChanged { relationship, .. } => {
                vec![relationship]
            }
            Self::PupilDeparted { .. } | Self::GuardianUnlinked { .. } | Self::PupilErased { .. } => vec![],
        }
    }
}
