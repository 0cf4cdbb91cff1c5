//! Given these events, when this command comes, then these events follow.

use super::*;
use cqrs_es::test::TestFramework;
use uuid::Uuid;

type GivenWhenThen = TestFramework<Guardian>;

fn id() -> GuardianId {
    GuardianId(Uuid::from_u128(2))
}

fn ecole() -> Uai {
    "0210001A".parse().expect("a UAI")
}

fn twin(n: u128) -> PupilId {
    PupilId(Uuid::from_u128(n))
}

fn identity() -> GuardianIdentity {
    GuardianIdentity {
        source_key: "siecle:10:1234".into(),
        title: Some("MME".into()),
        family_name: "FICTIF".into(),
        usage_name: None,
        given_name: "Ariane".into(),
    }
}

fn contact(mobile: &str) -> GuardianContact {
    GuardianContact { mobile: Some(mobile.parse().expect("a phone")), email: None }
}

fn record(identity: GuardianIdentity, contact: GuardianContact) -> GuardianCommand {
    GuardianCommand::RecordSchoolData { guardian: id(), identity, contact }
}

fn recorded() -> GuardianEvent {
    GuardianEvent::GuardianRecorded {
        guardian: id(),
        identity: Personal::new(id(), identity()),
        contact: Personal::new(id(), contact("+33639980001")),
    }
}

fn child() -> ChildAsWritten {
    ChildAsWritten { family_name: "FICTIF".into(), given_name: "Lou".into(), class: None }
}

fn hold(candidates: Vec<PupilId>) -> GuardianCommand {
    GuardianCommand::HoldLinks { establishment: ecole(), links: vec![(child(), candidates, HoldReason::Ambiguous)] }
}

fn held(number: u32, candidates: Vec<PupilId>) -> GuardianEvent {
    let child = match candidates.first() {
        Some(pupil) => Personal::new(*pupil, child()),
        None => Personal::new(id(), child()),
    };
    let link = HeldLink { establishment: ecole(), child, candidates, reason: HoldReason::Ambiguous };
    GuardianEvent::ChildLinkHeld { number, link }
}

#[test]
fn a_first_file_records_and_the_same_again_adds_nothing() {
    let same = || record(identity(), contact("+33639980001"));
    GivenWhenThen::with(()).given_no_previous_events().when(same()).then_expect_events(vec![recorded()]);
    GivenWhenThen::with(()).given(vec![recorded()]).when(same()).then_expect_events(vec![]);
}

#[test]
fn a_changed_mobile_corrects_the_contact_only() {
    GivenWhenThen::with(())
        .given(vec![recorded()])
        .when(record(identity(), contact("+33639980002")))
        .then_expect_events(vec![GuardianEvent::GuardianContactCorrected {
            contact: Personal::new(id(), contact("+33639980002")),
        }]);
}

#[test]
fn an_ambiguous_link_waits_once_and_is_settled_among_its_candidates() {
    let candidates = vec![twin(10), twin(11)];
    let waiting = vec![recorded(), held(1, candidates.clone())];
    GivenWhenThen::with(())
        .given(vec![recorded()])
        .when(hold(candidates.clone()))
        .then_expect_events(vec![held(1, candidates.clone())]);
    GivenWhenThen::with(()).given(waiting.clone()).when(hold(candidates.clone())).then_expect_events(vec![]);

    let settle = |pupil| GuardianCommand::SettleLink { number: 1, pupil };
    GivenWhenThen::with(())
        .given(waiting.clone())
        .when(settle(Some(twin(99))))
        .then_expect_error(GuardianError::NotACandidate(1));
    let settled = GuardianEvent::ChildLinkSettled { number: 1, pupil: Some(twin(10)) };
    GivenWhenThen::with(())
        .given(waiting.clone())
        .when(settle(Some(twin(10))))
        .then_expect_events(vec![settled.clone()]);

    let answered = [waiting, vec![settled]].concat();
    GivenWhenThen::with(()).given(answered.clone()).when(hold(candidates)).then_expect_events(vec![]);
    let mut guardian = Guardian::default();
    answered.into_iter().for_each(|event| guardian.apply(event));
    assert_eq!(guardian.settled_as(&ecole(), &child()), Some(twin(10)));
}

#[test]
fn a_link_no_longer_written_lapses_and_may_wait_again() {
    let candidates = vec![twin(10), twin(11)];
    let lapsed = GuardianEvent::ChildLinkLapsed { number: 1 };
    let nothing = GuardianCommand::HoldLinks { establishment: ecole(), links: vec![] };
    GivenWhenThen::with(())
        .given(vec![recorded(), held(1, candidates.clone())])
        .when(nothing)
        .then_expect_events(vec![lapsed.clone()]);
    GivenWhenThen::with(())
        .given(vec![recorded(), held(1, candidates.clone()), lapsed])
        .when(hold(candidates.clone()))
        .then_expect_events(vec![held(2, candidates)]);
}

#[test]
fn an_erased_child_leaves_no_link_that_may_mean_it() {
    let forget = |n| GuardianCommand::ForgetChildren { pupils: [twin(n)].into() };
    let waiting = vec![recorded(), held(1, vec![twin(10), twin(11)]), held(2, vec![]), held(3, vec![twin(12)])];
    GivenWhenThen::with(())
        .given(waiting.clone())
        .when(forget(11))
        .then_expect_events(vec![GuardianEvent::ChildLinkLapsed { number: 1 }]);
    GivenWhenThen::with(()).given(waiting).when(forget(99)).then_expect_events(vec![]);
    let GuardianEvent::ChildLinkHeld { link, number: _ } = held(1, vec![twin(10), twin(11)]) else { unreachable!() };
    assert_eq!(link.child.subject(), twin(10).into(), "the names go with the child's key");
}

#[test]
fn a_link_that_was_sealed_for_the_guardian_is_sealed_anew_and_an_answer_to_one_still_counts() {
    let link = HeldLink {
        establishment: ecole(),
        child: Personal::new(id(), child()),
        candidates: vec![twin(10), twin(11)],
        reason: HoldReason::Ambiguous,
    };
    let before = vec![recorded(), GuardianEvent::ChildLinkHeld { number: 1, link }];
    let same = || hold(vec![twin(10), twin(11)]);
    GivenWhenThen::with(())
        .given(before.clone())
        .when(same())
        .then_expect_events(vec![GuardianEvent::ChildLinkLapsed { number: 1 }, held(2, vec![twin(10), twin(11)])]);
    let answered = [before, vec![GuardianEvent::ChildLinkSettled { number: 1, pupil: None }]].concat();
    GivenWhenThen::with(()).given(answered).when(same()).then_expect_events(vec![]);
}

#[test]
fn nothing_is_held_or_settled_for_a_stranger() {
    GivenWhenThen::with(()).given_no_previous_events().when(hold(vec![])).then_expect_error(GuardianError::NotRecorded);
    GivenWhenThen::with(())
        .given(vec![recorded()])
        .when(GuardianCommand::SettleLink { number: 7, pupil: None })
        .then_expect_error(GuardianError::NoSuchLink(7));
}
