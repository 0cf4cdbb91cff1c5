use super::*;
use cqrs_es::test::TestFramework;
use uuid::Uuid;

type Auditors = TestFramework<Auditor>;

fn id(n: u128) -> AuditorId {
    AuditorId(Uuid::from_u128(n))
}

fn credential(n: u128) -> SecretId {
    SecretId(Uuid::from_u128(n))
}

fn wish() -> DisclosureId {
    DisclosureId(Uuid::from_u128(50))
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn appointed() -> AuditorEvent {
    AuditorEvent::AuditorAppointed { auditor: id(1), number: "A-17".into(), credential: credential(2) }
}

fn requested() -> AuditorEvent {
    let expires_at = at("2026-09-02T08:00:00Z");
    AuditorEvent::DisclosureRequested { disclosure: wish(), digest: "00".into(), expires_at }
}

fn approve(by: u128, now: &str) -> AuditorCommand {
    let until = at("2026-09-01T20:00:00Z");
    AuditorCommand::ApproveDisclosure { disclosure: wish(), by: id(by), now: at(now), until }
}

#[test]
fn a_staff_number_is_no_name() {
    for number in ["", "Zoé Fictif", &"1".repeat(41)] {
        let command =
            AuditorCommand::Appoint { auditor: id(1), number: (*number).to_owned(), credential: credential(2) };
        Auditors::with(())
            .given_no_previous_events()
            .when(command)
            .then_expect_error(AuditorError::Number((*number).to_owned()));
    }
}

#[test]
fn a_second_person_approves() {
    let until = at("2026-09-01T20:00:00Z");
    Auditors::with(())
        .given(vec![appointed(), requested()])
        .when(approve(9, "2026-09-01T12:00:00Z"))
        .then_expect_events(vec![AuditorEvent::DisclosureApproved { disclosure: wish(), by: id(9), until }]);
}

#[test]
fn nobody_decides_their_own_request() {
    let given = || Auditors::with(()).given(vec![appointed(), requested()]);
    given().when(approve(1, "2026-09-01T12:00:00Z")).then_expect_error(AuditorError::SamePerson);
    let refuse = AuditorCommand::RefuseDisclosure { disclosure: wish(), by: id(1) };
    given().when(refuse).then_expect_error(AuditorError::SamePerson);
}

#[test]
fn what_is_decided_expired_or_unknown_is_not_approved() {
    let refused = AuditorEvent::DisclosureRefused { disclosure: wish(), by: id(9) };
    for (given, error) in [
        (vec![appointed(), requested(), refused], AuditorError::AlreadyDecided),
        (vec![appointed()], AuditorError::NoSuchRequest),
        (vec![appointed(), requested(), AuditorEvent::AuditorDismissed {}], AuditorError::NotAppointed),
    ] {
        Auditors::with(()).given(given).when(approve(9, "2026-09-01T12:00:00Z")).then_expect_error(error);
    }
    let late = approve(9, "2026-09-02T08:00:00Z");
    Auditors::with(()).given(vec![appointed(), requested()]).when(late).then_expect_error(AuditorError::RequestExpired);
}

#[test]
fn a_grant_ends_with_its_time_and_with_the_role() {
    let mut auditor = Auditor::default();
    let until = at("2026-09-01T20:00:00Z");
    let approved = AuditorEvent::DisclosureApproved { disclosure: wish(), by: id(9), until };
    [appointed(), requested(), approved].into_iter().for_each(|event| auditor.apply(event));
    assert!(auditor.granted(wish(), at("2026-09-01T19:59:59Z")).is_some());
    assert!(auditor.granted(wish(), until).is_none());
    auditor.apply(AuditorEvent::AuditorDismissed {});
    assert!(auditor.granted(wish(), at("2026-09-01T19:59:59Z")).is_none());
}
