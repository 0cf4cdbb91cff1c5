//! Upstream identities: linked on proof, replaced, given up, ended by a reset.

use super::*;

fn link(n: u128) -> LinkId {
    LinkId(Uuid::from_u128(n))
}

fn identity(subject: &str, born: &str) -> UpstreamIdentity {
    UpstreamIdentity { subject: subject.into(), birth_date: Some(born.into()), ..UpstreamIdentity::default() }
}

fn command(n: u128, subject: &str, proof: UpstreamProof) -> AccountCommand {
    let (provider, identity) = ("franceconnect".to_owned(), identity(subject, "1985-03-02"));
    let flow = (proof == UpstreamProof::PhoneAndChildren).then(|| flow(5));
    AccountCommand::LinkUpstreamIdentity { link: link(n), provider, identity, proof, flow }
}

fn linked(n: u128, subject: &str, proof: UpstreamProof) -> AccountEvent {
    let identity = Personal::new(id(), identity(subject, "1985-03-02"));
    AccountEvent::UpstreamIdentityLinked { link: link(n), provider: "franceconnect".into(), identity, proof }
}

fn unlinked(n: u128, cause: UpstreamUnlinking) -> AccountEvent {
    AccountEvent::UpstreamIdentityUnlinked { link: link(n), provider: "franceconnect".into(), cause }
}

fn confirmed() -> AccountEvent {
    AccountEvent::ChildConfirmed { pupil: child() }
}

fn by_link_alone() -> Vec<AccountEvent> {
    let linked = linked(1, "s", UpstreamProof::PhoneAndChildren);
    let proof = vec![issued(5), accepted(), confirmed(), login(), linked, AccountEvent::AccountActivated {}];
    [opened(), proof].concat()
}

#[test]
fn the_first_use_proves_phone_and_children_and_activates_without_a_password() {
    let proof = UpstreamProof::PhoneAndChildren;
    let proved = [opened(), vec![issued(5), accepted()]].concat();
    let with_child = [proved.clone(), vec![confirmed()]].concat();
    let then = vec![linked(1, "s", proof), AccountEvent::AccountActivated {}];
    GivenWhenThen::with(()).given(with_child).when(command(1, "s", proof)).then_expect_events(then);
    GivenWhenThen::with(())
        .given(proved)
        .when(command(1, "s", proof))
        .then_expect_error(AccountError::NoChildConfirmed);
    let unproved = [opened(), vec![confirmed()]].concat();
    GivenWhenThen::with(())
        .given(unproved)
        .when(command(1, "s", proof))
        .then_expect_error(AccountError::PhoneNotProved);
    // One proof, one link.
    let used = by_link_alone();
    GivenWhenThen::with(()).given(used).when(command(2, "t", proof)).then_expect_error(AccountError::PhoneNotProved);
}

#[test]
fn point_40_a_signed_in_holder_links_only_behind_a_confirmed_child() {
    let proof = UpstreamProof::SignedIn;
    GivenWhenThen::with(())
        .given(activated())
        .when(command(1, "s", proof))
        .then_expect_error(AccountError::NoChildConfirmed);
    let tied = [activated(), vec![confirmed()]].concat();
    GivenWhenThen::with(()).given(tied).when(command(1, "s", proof)).then_expect_events(vec![linked(1, "s", proof)]);
    let open = [opened(), vec![confirmed()]].concat();
    GivenWhenThen::with(()).given(open).when(command(1, "s", proof)).then_expect_error(AccountError::NotInUse);
}

#[test]
fn a_pupil_comes_by_the_word_of_a_desk() {
    let then = vec![linked(1, "s", UpstreamProof::Ine), AccountEvent::AccountActivated {}];
    GivenWhenThen::with(()).given(pupils_account()).when(command(1, "s", UpstreamProof::Ine)).then_expect_events(then);
    GivenWhenThen::with(())
        .given(pupils_account())
        .when(command(1, "s", UpstreamProof::PhoneAndChildren))
        .then_expect_error(AccountError::NotAGuardian);
}

#[test]
fn another_subject_of_the_same_person_takes_the_formers_place_and_somebody_else_does_not() {
    let proof = UpstreamProof::SignedIn;
    let given = by_link_alone();
    GivenWhenThen::with(()).given(given.clone()).when(command(2, "s", proof)).then_expect_events(vec![]);
    let then = vec![unlinked(1, UpstreamUnlinking::Replaced), linked(2, "t", proof)];
    GivenWhenThen::with(()).given(given.clone()).when(command(2, "t", proof)).then_expect_events(then);
    let (provider, identity) = ("franceconnect".to_owned(), identity("t", "1957-01-01"));
    let other = AccountCommand::LinkUpstreamIdentity { link: link(2), provider, identity, proof, flow: None };
    GivenWhenThen::with(()).given(given).when(other).then_expect_error(AccountError::LinkedWithAnotherPerson);
}

#[test]
fn the_last_way_in_is_not_given_up() {
    let unlink = |n| AccountCommand::UnlinkUpstreamIdentity { link: link(n) };
    GivenWhenThen::with(()).given(by_link_alone()).when(unlink(1)).then_expect_error(AccountError::LastWayIn);
    GivenWhenThen::with(()).given(by_link_alone()).when(unlink(2)).then_expect_error(AccountError::NotLinked);
    let both = [by_link_alone(), vec![chosen(PasswordOrigin::Reset)]].concat();
    let then = vec![unlinked(1, UpstreamUnlinking::OwnRequest)];
    GivenWhenThen::with(()).given(both).when(unlink(1)).then_expect_events(then);
}

#[test]
fn a_handed_out_password_ends_all_links() {
    let issue = AccountCommand::IssueProvisionalPassword { secret: secret(9), expires_at: noon() };
    let issued = AccountEvent::ProvisionalPasswordIssued { secret: secret(9), expires_at: noon() };
    let then = vec![unlinked(1, UpstreamUnlinking::Reset), issued];
    GivenWhenThen::with(()).given(by_link_alone()).when(issue).then_expect_events(then);
}

#[test]
fn a_session_ends_with_what_opened_it() {
    let fold = |events: Vec<AccountEvent>| {
        let mut account = Account::default();
        events.into_iter().for_each(|event| account.apply(event));
        account
    };
    let by_link = fold(by_link_alone());
    assert!(by_link.still_opens(NO_PASSWORD, Some(link(1))));
    assert!(!by_link.still_opens(NO_PASSWORD, Some(link(2))) && !by_link.still_opens(NO_PASSWORD, None));
    // A password chosen since ends it, so does giving the link up.
    let both = [by_link_alone(), vec![chosen(PasswordOrigin::Reset)]].concat();
    let account = fold(both.clone());
    assert!(!account.still_opens(NO_PASSWORD, Some(link(1))));
    assert!(account.still_opens(secret(8), Some(link(1))) && account.still_opens(secret(8), None));
    let account = fold([both.clone(), vec![unlinked(1, UpstreamUnlinking::OwnRequest)]].concat());
    assert!(!account.still_opens(secret(8), Some(link(1))) && account.still_opens(secret(8), None));
    let account = fold([both, vec![AccountEvent::AccountDisabled {}]].concat());
    assert!(!account.still_opens(secret(8), Some(link(1))) && !account.still_opens(secret(8), None));
    assert!(!fold(opened()).still_opens(NO_PASSWORD, None), "an account nobody has a way into");
}
