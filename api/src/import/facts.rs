//! From what a school's file says to what the aggregates are told.

use domain::establishment::ExportFormat;
use domain::guardian::{ChildAsWritten, GuardianContact, GuardianIdentity, HoldReason};
use domain::identifiers::{Relationship, match_key};
use domain::ids::{GuardianId, PupilId};
use domain::pupil::{CivilStatus, EnrolmentFact, LinkFact, Placement, SchoolData};
use school_files::{EstablishmentHeader, GuardianRecord, HeldLink, HeldReason, LinkRecord, PupilRecord, SourceSystem};

/// The format, in the domain's words.
pub fn format_of(source: SourceSystem) -> ExportFormat {
    match source {
        SourceSystem::Siecle => ExportFormat::Siecle,
        SourceSystem::Onde => ExportFormat::Onde,
    }
}

/// A guardian's identity and contact. The other numbers stay in the file: nothing here needs them.
pub fn guardian_facts(record: &GuardianRecord) -> (GuardianIdentity, GuardianContact) {
    let identity = GuardianIdentity {
        source_key: record.source_key.to_string(),
        title: record.title.clone(),
        family_name: record.family_name.clone(),
        usage_name: record.usage_name.clone(),
        given_name: record.given_name.clone(),
    };
    (identity, GuardianContact { mobile: record.mobile.clone(), email: record.email.clone() })
}

/// A pupil's civil status.
pub fn civil_status(record: &PupilRecord) -> CivilStatus {
    CivilStatus {
        family_name: record.family_name.clone(),
        usage_name: record.usage_name.clone(),
        given_names: record.given_names.clone(),
        birth_date: record.birth_date,
        sex: record.sex,
    }
}

/// All a file says of a pupil. `links` are resolved already.
pub fn school_data(
    header: &EstablishmentHeader,
    record: &PupilRecord,
    pupil: PupilId,
    links: Vec<LinkFact>,
) -> SchoolData {
    SchoolData {
        pupil,
        ine: record.ine,
        civil_status: civil_status(record),
        enrolment: EnrolmentFact {
            establishment: header.uai,
            school_year: header.school_year,
            entered_on: record.entered_on,
            // A departure announced for later has not happened yet.
            left_on: record.left_on.filter(|day| *day <= header.exported_at.date()),
            leaving_reason: record.leaving_reason.clone(),
            placement: Placement { class: record.class.clone(), mef: record.mef.clone(), level: record.level.clone() },
        },
        links,
    }
}

/// A responsibility towards a guardian record that is known.
pub fn link_fact(link: &LinkRecord, guardian: GuardianId) -> LinkFact {
    let relationship = if link.self_guardian { Some(Relationship::Oneself) } else { link.relationship };
    LinkFact { guardian, level: link.level, relationship }
}

/// The child of a link that waits, as the file writes it.
pub fn child_as_written(link: &HeldLink) -> ChildAsWritten {
    ChildAsWritten {
        family_name: link.child_family_name.clone(),
        given_name: link.child_given_name.clone(),
        class: link.class.clone(),
    }
}

/// Why a link waits.
pub fn hold_reason(reason: HeldReason) -> HoldReason {
    match reason {
        HeldReason::Ambiguous => HoldReason::Ambiguous,
        HeldReason::NoSuchPupil => HoldReason::NoSuchPupil,
    }
}

/// Same person by name and birth: what an export that knows no number leaves to go by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NaturalKey(String);

impl NaturalKey {
    /// The key; `None` while the birth date is unknown, for then it would join homonyms.
    pub fn of(status: &CivilStatus) -> Option<Self> {
        let given = status.given_names.first()?;
        let birth = status.birth_date?;
        Some(Self(format!("{}|{}|{birth}", match_key(&status.family_name), match_key(given))))
    }
}

/// What the file makes of a pupil, if it gives another surname, first name or birth date than is known.
pub fn renamed(known: &CivilStatus, written: &CivilStatus) -> Option<NaturalKey> {
    let (before, after) = (NaturalKey::of(known)?, NaturalKey::of(written)?);
    (before != after).then_some(after)
}

/// Whether two civil statuses may be one person's before and after a correction: two of surname, first name and
/// birth date agree. Guards a source's own numbering, which may be given to someone else later.
pub fn plausibly_same(one: &CivilStatus, other: &CivilStatus) -> bool {
    let surname = match_key(&one.family_name) == match_key(&other.family_name);
    let given = |status: &CivilStatus| status.given_names.first().map(|name| match_key(name));
    let first = given(one) == given(other);
    let born = one.birth_date.is_some() && one.birth_date == other.birth_date;
    [surname, first, born].into_iter().filter(|agrees| *agrees).count() >= 2
}

/// Whether two civil statuses under one INE may be one person's: of surname (at birth or in use), first name and
/// birth date one at most differs. What is unknown differs from nothing, so that a record may be completed.
pub fn may_be_corrected(known: &CivilStatus, written: &CivilStatus) -> bool {
    let surnames = |status: &CivilStatus| -> Vec<String> {
        let both = [Some(&status.family_name), status.usage_name.as_ref()];
        both.into_iter().flatten().map(|name| match_key(name)).filter(|name| !name.is_empty()).collect()
    };
    let given = |status: &CivilStatus| status.given_names.first().map(|name| match_key(name));
    let (one, other) = (surnames(known), surnames(written));
    let surname = !one.is_empty() && !other.is_empty() && !one.iter().any(|name| other.contains(name));
    let first = given(known).zip(given(written)).is_some_and(|(one, other)| one != other);
    let born = known.birth_date.zip(written.birth_date).is_some_and(|(one, other)| one != other);
    [surname, first, born].into_iter().filter(|differs| *differs).count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(family: &str, given: &str, birth: Option<&str>) -> CivilStatus {
        CivilStatus {
            family_name: family.into(),
            given_names: vec![given.into()],
            birth_date: birth.map(|day| day.parse().unwrap()),
            ..CivilStatus::default()
        }
    }

    #[test]
    fn a_correction_of_one_thing_is_the_same_person() {
        let known = status("Fictif", "Anaïs", Some("2012-03-04"));
        assert!(plausibly_same(&known, &status("FICTIF", "Anais", Some("2012-04-03"))));
        assert!(plausibly_same(&known, &status("Imaginaire", "Anaïs", Some("2012-03-04"))));
        assert!(!plausibly_same(&known, &status("Fictif", "Bruno", Some("2010-01-01"))));
        assert!(!plausibly_same(&status("A", "B", None), &status("A", "C", None)));
    }

    #[test]
    fn under_one_number_one_thing_may_change_and_what_lacks_may_come() {
        let known = status("Fictif", "Anaïs", Some("2012-03-04"));
        assert!(may_be_corrected(&known, &status("Imaginaire", "ANAIS", Some("2012-03-04"))));
        assert!(may_be_corrected(&status("Fictif", "Anaïs", None), &status("Imaginaire", "Anaïs", Some("2012-03-04"))));
        let in_use = CivilStatus { usage_name: Some("Imaginaire".into()), ..known.clone() };
        assert!(may_be_corrected(&in_use, &status("IMAGINAIRE", "Anaïs", Some("2012-04-03"))));
        assert!(!may_be_corrected(&known, &status("Imaginaire", "Anaïs", Some("2012-04-03"))));
        assert!(!may_be_corrected(&known, &status("Imaginaire", "Bruno", None)));
        assert!(may_be_corrected(&CivilStatus::default(), &known));
    }

    #[test]
    fn names_alone_make_no_key() {
        assert_eq!(NaturalKey::of(&status("Fictif", "Anaïs", None)), None);
        assert_eq!(
            NaturalKey::of(&status("Le Fictif", "Anaïs", Some("2012-03-04"))),
            NaturalKey::of(&status("LE-FICTIF", "ANAIS", Some("2012-03-04")))
        );
    }
}
