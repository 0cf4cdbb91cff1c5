//! Given these events, when this command comes, then these events follow.

use super::*;
use crate::identifiers::Sex;
use cqrs_es::test::TestFramework;
use uuid::Uuid;

type GivenWhenThen = TestFramework<Pupil>;

const COLLEGE: &str = "0210001A";
const LYCEE: &str = "0210002B";

fn uai(text: &str) -> Uai {
    text.parse().expect("a UAI")
}

fn id() -> PupilId {
    PupilId(Uuid::from_u128(1))
}

fn mother() -> GuardianId {
    GuardianId(Uuid::from_u128(2))
}

fn ine() -> Ine {
    "123456789AA".parse().expect("an INE")
}

fn status() -> CivilStatus {
    CivilStatus {
        family_name: "FICTIF".into(),
        usage_name: None,
        given_names: vec!["Zoé".into()],
        birth_date: NaiveDate::from_ymd_opt(2013, 2, 28),
        sex: Some(Sex::Female),
    }
}

fn class(name: &str) -> Placement {
    Placement { class: Some(name.into()), ..Placement::default() }
}

fn data(establishment: &str, year: u16) -> SchoolData {
    SchoolData {
        pupil: id(),
        ine: Some(ine()),
        civil_status: status(),
        enrolment: EnrolmentFact {
            establishment: uai(establishment),
            school_year: year,
            entered_on: None,
            left_on: None,
            leaving_reason: None,
            placement: class("6A"),
        },
        links: vec![LinkFact {
            guardian: mother(),
            level: GuardianLevel::Legal,
            relationship: Some(Relationship::Mother),
        }],
    }
}

fn record(data: SchoolData) -> PupilCommand {
    PupilCommand::RecordSchoolData(Box::new(data))
}

fn registered() -> PupilEvent {
    PupilEvent::PupilRegistered {
        pupil: id(),
        ine: Some(Personal::new(id(), ine())),
        civil_status: Personal::new(id(), status()),
    }
}

fn enrolled(establishment: &str, school_year: u16) -> PupilEvent {
    PupilEvent::PupilEnrolled {
        establishment: uai(establishment),
        school_year,
        entered_on: None,
        placement: Personal::new(id(), class("6A")),
    }
}

fn transferred(from: &str, to: &str, school_year: u16) -> PupilEvent {
    PupilEvent::PupilTransferred {
        from: uai(from),
        to: uai(to),
        school_year,
        entered_on: None,
        placement: Personal::new(id(), class("6A")),
    }
}

fn linked(establishment: &str) -> PupilEvent {
    PupilEvent::GuardianLinked {
        guardian: mother(),
        establishment: uai(establishment),
        level: GuardianLevel::Legal,
        relationship: Personal::new(mother(), Some(Relationship::Mother)),
    }
}

fn unlinked(establishment: &str, cause: Unlinking) -> PupilEvent {
    PupilEvent::GuardianUnlinked { guardian: mother(), establishment: uai(establishment), cause }
}

fn known() -> Vec<PupilEvent> {
    vec![registered(), enrolled(COLLEGE, 2026), linked(COLLEGE)]
}

fn after(events: Vec<PupilEvent>) -> Pupil {
    let mut pupil = Pupil::default();
    events.into_iter().for_each(|event| pupil.apply(event));
    pupil
}

#[test]
fn a_first_file_registers_enrols_and_links() {
    GivenWhenThen::with(()).given_no_previous_events().when(record(data(COLLEGE, 2026))).then_expect_events(known());
}

#[test]
fn the_same_file_again_adds_nothing() {
    GivenWhenThen::with(()).given(known()).when(record(data(COLLEGE, 2026))).then_expect_events(vec![]);
}

#[test]
fn a_corrected_civil_status_adds_just_that() {
    let mut corrected = data(COLLEGE, 2026);
    corrected.civil_status.birth_date = NaiveDate::from_ymd_opt(2013, 2, 27);
    let civil_status = Personal::new(id(), corrected.civil_status.clone());
    GivenWhenThen::with(())
        .given(known())
        .when(record(corrected))
        .then_expect_events(vec![PupilEvent::CivilStatusCorrected { civil_status }]);
}

#[test]
fn a_file_without_the_ine_does_not_take_it_away_and_one_with_it_completes_the_record() {
    let mut without = data(COLLEGE, 2026);
    without.ine = None;
    GivenWhenThen::with(()).given(known()).when(record(without)).then_expect_events(vec![]);

    let registered =
        PupilEvent::PupilRegistered { pupil: id(), ine: None, civil_status: Personal::new(id(), status()) };
    GivenWhenThen::with(())
        .given(vec![registered, enrolled(COLLEGE, 2026), linked(COLLEGE)])
        .when(record(data(COLLEGE, 2026)))
        .then_expect_events(vec![PupilEvent::IneAssigned { ine: Personal::new(id(), ine()) }]);
}

#[test]
fn another_class_is_a_placement_change() {
    let mut moved = data(COLLEGE, 2026);
    moved.enrolment.placement = class("6B");
    GivenWhenThen::with(()).given(known()).when(record(moved)).then_expect_events(vec![PupilEvent::PlacementChanged {
        establishment: uai(COLLEGE),
        school_year: 2026,
        entered_on: None,
        placement: Personal::new(id(), class("6B")),
    }]);
}

#[test]
fn a_second_school_in_the_same_year_stands_beside_the_first_until_the_first_lets_go() {
    let both = [known(), vec![enrolled(LYCEE, 2026), linked(LYCEE)]].concat();
    GivenWhenThen::with(())
        .given(known())
        .when(record(data(LYCEE, 2026)))
        .then_expect_events(vec![enrolled(LYCEE, 2026), linked(LYCEE)]);
    assert_eq!(after(both.clone()).eligibility(), Eligibility::SeveralEstablishments(vec![uai(COLLEGE), uai(LYCEE)]));

    let mut left = data(COLLEGE, 2026);
    left.enrolment.left_on = NaiveDate::from_ymd_opt(2026, 10, 1);
    GivenWhenThen::with(())
        .given(both)
        .when(record(left))
        .then_expect_events(vec![transferred(COLLEGE, LYCEE, 2026), unlinked(COLLEGE, Unlinking::Transferred)]);
}

#[test]
fn a_departure_declared_first_makes_the_arrival_a_transfer() {
    let departed = PupilEvent::PupilDeparted {
        establishment: uai(COLLEGE),
        left_on: NaiveDate::from_ymd_opt(2026, 10, 1),
        departure: Departure::AbsentFromExport,
    };
    let gone = [known(), vec![departed.clone()]].concat();
    GivenWhenThen::with(())
        .given(known())
        .when(PupilCommand::RecordAbsence {
            establishment: uai(COLLEGE),
            on: NaiveDate::from_ymd_opt(2026, 10, 1).expect("a date"),
        })
        .then_expect_events(vec![departed]);
    assert_eq!(after(gone.clone()).eligibility(), Eligibility::NotEnrolled);
    GivenWhenThen::with(()).given(gone).when(record(data(LYCEE, 2026))).then_expect_events(vec![
        transferred(COLLEGE, LYCEE, 2026),
        linked(LYCEE),
        unlinked(COLLEGE, Unlinking::Transferred),
    ]);
}

#[test]
fn a_new_school_year_elsewhere_ends_the_old_one_by_itself() {
    GivenWhenThen::with(()).given(known()).when(record(data(LYCEE, 2027))).then_expect_events(vec![
        transferred(COLLEGE, LYCEE, 2027),
        linked(LYCEE),
        unlinked(COLLEGE, Unlinking::Transferred),
    ]);
}

#[test]
fn a_new_school_that_names_no_guardian_does_not_orphan_the_pupil() {
    let mut bare = data(LYCEE, 2027);
    bare.links = vec![];
    GivenWhenThen::with(())
        .given(known())
        .when(record(bare))
        .then_expect_events(vec![transferred(COLLEGE, LYCEE, 2027)]);
}

#[test]
fn a_return_to_the_same_school_is_an_enrolment() {
    let departed = PupilEvent::PupilDeparted {
        establishment: uai(COLLEGE),
        left_on: None,
        departure: Departure::Declared { code: None },
    };
    GivenWhenThen::with(())
        .given([known(), vec![departed]].concat())
        .when(record(data(COLLEGE, 2026)))
        .then_expect_events(vec![enrolled(COLLEGE, 2026)]);
}

#[test]
fn a_responsibility_no_longer_declared_ends() {
    let mut without = data(COLLEGE, 2026);
    without.links = vec![];
    GivenWhenThen::with(())
        .given(known())
        .when(record(without))
        .then_expect_events(vec![unlinked(COLLEGE, Unlinking::NoLongerDeclared)]);
}

#[test]
fn a_level_that_drops_is_a_change_and_ends_the_legal_guardianship() {
    let mut lower = data(COLLEGE, 2026);
    lower.links[0].level = GuardianLevel::Contact;
    let events = after(known()).decide(record(lower)).expect("a decision");
    assert!(matches!(
        events[..],
        [PupilEvent::GuardianLinkChanged { level: GuardianLevel::Contact, guardian, .. }] if guardian == mother()
    ));
    assert_eq!(after([known(), events].concat()).legal_guardians().count(), 0);
}

#[test]
fn three_legal_guardians_are_refused() {
    let mut three = data(COLLEGE, 2026);
    three.links = (10..13)
        .map(|n| LinkFact { guardian: GuardianId(Uuid::from_u128(n)), level: GuardianLevel::Legal, relationship: None })
        .collect();
    GivenWhenThen::with(())
        .given(known())
        .when(record(three))
        .then_expect_error(PupilError::TooManyLegalGuardians { establishment: uai(COLLEGE), count: 3 });
}

#[test]
fn a_settled_link_joins_the_declared_ones() {
    let father = GuardianId(Uuid::from_u128(3));
    let link = LinkFact { guardian: father, level: GuardianLevel::Legal, relationship: None };
    let settle = |establishment| PupilCommand::LinkGuardian { establishment, link: link.clone() };
    GivenWhenThen::with(()).given(known()).when(settle(uai(COLLEGE))).then_expect_events(vec![
        PupilEvent::GuardianLinked {
            guardian: father,
            establishment: uai(COLLEGE),
            level: GuardianLevel::Legal,
            relationship: Personal::new(father, None),
        },
    ]);
    GivenWhenThen::with(())
        .given(known())
        .when(settle(uai(LYCEE)))
        .then_expect_error(PupilError::NotEnrolledThere(uai(LYCEE)));
}

#[test]
fn what_is_missing_is_named() {
    let mut bare = status();
    bare.birth_date = None;
    let registered = PupilEvent::PupilRegistered { pupil: id(), ine: None, civil_status: Personal::new(id(), bare) };
    assert_eq!(
        after(vec![registered, enrolled(COLLEGE, 2026)]).eligibility(),
        Eligibility::Incomplete(vec!["INE", "birth date"])
    );
    assert_eq!(after(known()).eligibility(), Eligibility::Eligible(uai(COLLEGE)));
}

#[test]
fn an_absence_of_someone_never_enrolled_there_says_nothing() {
    let absence = PupilCommand::RecordAbsence {
        establishment: uai(LYCEE),
        on: NaiveDate::from_ymd_opt(2026, 10, 1).expect("a date"),
    };
    GivenWhenThen::with(()).given(known()).when(absence.clone()).then_expect_events(vec![]);
    GivenWhenThen::with(()).given_no_previous_events().when(absence).then_expect_error(PupilError::NotRegistered);
}

#[test]
fn an_erased_pupil_is_recorded_no_more_and_an_erased_guardian_leaves_every_school() {
    let grounds = crate::erasure::Grounds::OwnRequest;
    let mut pupil = Pupil::default();
    for event in pupil.decide(PupilCommand::RecordSchoolData(Box::new(data(COLLEGE, 2026)))).unwrap() {
        pupil.apply(event);
    }
    let forgotten = pupil.decide(PupilCommand::ForgetGuardian { guardian: mother() }).unwrap();
    let (guardian, establishment, cause) = (mother(), uai(COLLEGE), Unlinking::GuardianErased);
    assert_eq!(forgotten, [PupilEvent::GuardianUnlinked { guardian, establishment, cause }]);
    let erased = pupil.decide(PupilCommand::Erase { grounds }).unwrap();
    assert_eq!(erased, [PupilEvent::PupilErased { pupil: id(), grounds }]);
    erased.into_iter().for_each(|event| pupil.apply(event));
    assert!(pupil.enrolments.is_empty() && pupil.links.is_empty() && pupil.civil_status.is_none());
    assert_eq!(pupil.decide(PupilCommand::Erase { grounds }), Ok(vec![]));
    let again = pupil.decide(PupilCommand::RecordSchoolData(Box::new(data(COLLEGE, 2027))));
    assert_eq!(again, Err(PupilError::Erased));
}
