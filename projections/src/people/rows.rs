//! The rows of `view_people`.

use crate::row::row;
use chrono::NaiveDate;
use domain::guardian::{GuardianContact, GuardianIdentity, HeldLink, HoldReason};
use domain::identifiers::{GuardianLevel, Ine, Relationship, Sex, Uai};
use domain::ids::GuardianId;
use domain::personal::Personal;
use domain::pupil::{CivilStatus, Placement};
use sqlx::types::Json;
use uuid::Uuid;

mod pupil {
    use super::{Json, NaiveDate, Uuid, row};
    row! {
        /// A pupil.
        PupilRow in "pupil", key(id: Uuid) {
            /// The pupil.
            id: Uuid => "uuid",
            /// National identifier.
            ine: Option<String> => "text",
            /// Birth name.
            family_name: Option<String> => "text",
            /// Name in use, where it differs.
            usage_name: Option<String> => "text",
            /// Given names in their order.
            given_names: Option<Json<Vec<String>>> => "jsonb",
            /// Birth date.
            birth_date: Option<NaiveDate> => "date",
            /// `female`, `male`.
            sex: Option<String> => "text",
            /// The civil status was erased.
            erased: bool => "bool",
        }
    }
}

mod enrolment {
    use super::{NaiveDate, Uuid, row};
    row! {
        /// A current enrolment.
        EnrolmentRow in "enrolment", key(pupil: Uuid, establishment: String) {
            /// Who.
            pupil: Uuid => "uuid",
            /// Where.
            establishment: String => "text",
            /// Start year of the school year.
            school_year: i32 => "int4",
            /// Since when.
            entered_on: Option<NaiveDate> => "date",
            /// Class.
            class: Option<String> => "text",
            /// MEF code.
            mef: Option<String> => "text",
            /// Level (first degree).
            level: Option<String> => "text",
            /// The placement was erased.
            erased: bool => "bool",
        }
    }
}

mod guardian {
    use super::{Uuid, row};
    row! {
        /// A guardian record.
        GuardianRow in "guardian", key(id: Uuid) {
            /// The record.
            id: Uuid => "uuid",
            /// The source's own key.
            source_key: Option<String> => "text",
            /// `M.` or `MME`.
            title: Option<String> => "text",
            /// Birth name.
            family_name: Option<String> => "text",
            /// Name in use, where it differs.
            usage_name: Option<String> => "text",
            /// First given name.
            given_name: Option<String> => "text",
            /// E.164.
            mobile: Option<String> => "text",
            /// E-mail.
            email: Option<String> => "text",
            /// The identity was erased.
            erased: bool => "bool",
        }
    }
}

mod link {
    use super::{Uuid, row};
    row! {
        /// A responsibility that an establishment declares now.
        LinkRow in "link", key(pupil: Uuid, guardian: Uuid, establishment: String) {
            /// For whom.
            pupil: Uuid => "uuid",
            /// The guardian record.
            guardian: Uuid => "uuid",
            /// Whose file says so.
            establishment: String => "text",
            /// 1 legal, 2 in charge, 3 contact.
            level: i16 => "int2",
            /// `CODE_PARENTE`.
            relationship: Option<i16> => "int2",
            /// The relationship was erased.
            erased: bool => "bool",
        }
    }
}

mod held {
    use super::{Json, Uuid, row};
    row! {
        /// A link that waits for the school.
        HeldLinkRow in "held_link", key(guardian: Uuid, number: i32) {
            /// The guardian record.
            guardian: Uuid => "uuid",
            /// Number within the record.
            number: i32 => "int4",
            /// Whose file it is.
            establishment: String => "text",
            /// The child as written.
            child_family_name: Option<String> => "text",
            /// The child as written.
            child_given_name: Option<String> => "text",
            /// The child as written.
            child_class: Option<String> => "text",
            /// The pupils it may be.
            candidates: Json<Vec<Uuid>> => "jsonb",
            /// `ambiguous`, `no_such_pupil`.
            reason: String => "text",
            /// The child as written was erased.
            erased: bool => "bool",
        }
    }
}

pub use enrolment::EnrolmentRow;
pub use guardian::GuardianRow;
pub use held::HeldLinkRow;
pub use link::LinkRow;
pub use pupil::PupilRow;

impl PupilRow {
    pub(crate) fn new(id: Uuid, ine: Option<&Personal<Ine>>, civil_status: &Personal<CivilStatus>) -> Self {
        let mut row = Self {
            id,
            ine: ine.and_then(Personal::known).map(ToString::to_string),
            family_name: None,
            usage_name: None,
            given_names: None,
            birth_date: None,
            sex: None,
            erased: false,
        };
        row.set_civil_status(civil_status);
        row
    }

    pub(crate) fn set_civil_status(&mut self, civil_status: &Personal<CivilStatus>) {
        let known = civil_status.known();
        self.erased = known.is_none();
        self.family_name = known.map(|status| status.family_name.clone());
        self.usage_name = known.and_then(|status| status.usage_name.clone());
        self.given_names = known.map(|status| Json(status.given_names.clone()));
        self.birth_date = known.and_then(|status| status.birth_date);
        self.sex = known.and_then(|status| status.sex).map(|sex| sex_word(sex).to_owned());
    }
}

/// As stored.
fn sex_word(sex: Sex) -> &'static str {
    match sex {
        Sex::Female => "female",
        Sex::Male => "male",
    }
}

impl EnrolmentRow {
    pub(crate) fn new(
        pupil: Uuid,
        establishment: &Uai,
        school_year: u16,
        entered_on: Option<NaiveDate>,
        placement: &Personal<Placement>,
    ) -> Self {
        let known = placement.known();
        Self {
            pupil,
            establishment: establishment.to_string(),
            school_year: i32::from(school_year),
            entered_on,
            class: known.and_then(|placement| placement.class.clone()),
            mef: known.and_then(|placement| placement.mef.clone()),
            level: known.and_then(|placement| placement.level.clone()),
            erased: known.is_none(),
        }
    }
}

impl GuardianRow {
    pub(crate) fn new(id: Uuid, identity: &Personal<GuardianIdentity>, contact: &Personal<GuardianContact>) -> Self {
        let mut row = Self {
            id,
            source_key: None,
            title: None,
            family_name: None,
            usage_name: None,
            given_name: None,
            mobile: None,
            email: None,
            erased: false,
        };
        row.set_identity(identity);
        row.set_contact(contact);
        row
    }

    pub(crate) fn set_identity(&mut self, identity: &Personal<GuardianIdentity>) {
        let known = identity.known();
        self.erased = known.is_none();
        self.source_key = known.map(|identity| identity.source_key.clone());
        self.title = known.and_then(|identity| identity.title.clone());
        self.family_name = known.map(|identity| identity.family_name.clone());
        self.usage_name = known.and_then(|identity| identity.usage_name.clone());
        self.given_name = known.map(|identity| identity.given_name.clone());
    }

    pub(crate) fn set_contact(&mut self, contact: &Personal<GuardianContact>) {
        let known = contact.known();
        self.mobile = known.and_then(|contact| contact.mobile.as_ref()).map(ToString::to_string);
        self.email = known.and_then(|contact| contact.email.clone());
    }
}

impl LinkRow {
    pub(crate) fn new(
        pupil: Uuid,
        guardian: GuardianId,
        establishment: &Uai,
        level: GuardianLevel,
        relationship: &Personal<Option<Relationship>>,
    ) -> Self {
        let known = relationship.known();
        Self {
            pupil,
            guardian: guardian.0,
            establishment: establishment.to_string(),
            level: i16::from(level.number()),
            relationship: known.copied().flatten().map(|relationship| i16::from(relationship.code())),
            erased: known.is_none(),
        }
    }
}

impl HeldLinkRow {
    pub(crate) fn new(guardian: Uuid, number: i32, link: &HeldLink) -> Self {
        let known = link.child.known();
        Self {
            guardian,
            number,
            establishment: link.establishment.to_string(),
            child_family_name: known.map(|child| child.family_name.clone()),
            child_given_name: known.map(|child| child.given_name.clone()),
            child_class: known.and_then(|child| child.class.clone()),
            candidates: Json(link.candidates.iter().map(|pupil| pupil.0).collect()),
            reason: match link.reason {
                HoldReason::Ambiguous => "ambiguous".to_owned(),
                HoldReason::NoSuchPupil => "no_such_pupil".to_owned(),
            },
            erased: known.is_none(),
        }
    }
}
