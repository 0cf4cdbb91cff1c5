//! Given these events, when this command comes, then these events follow.

use super::*;
use chrono::TimeDelta;
use cqrs_es::test::TestFramework;
use uuid::Uuid;

type GivenWhenThen = TestFramework<Account>;

fn id() -> AccountId {
    AccountId(Uuid::from_u128(1))
}

fn guardian(n: u128) -> GuardianId {
    GuardianId(Uuid::from_u128(n))
}

fn child() -> PupilId {
    PupilId(Uuid::from_u128(3))
}

fn flow(n: u128) -> FlowId {
    FlowId(Uuid::from_u128(n))
}

fn secret(n: u128) -> SecretId {
    SecretId(Uuid::from_u128(n))
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).expect("a moment")
}

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2013, 2, day).expect("a date")
}

fn phone() -> E164 {
    "+33639980001".parse().expect("a phone")
}

fn opened() -> Vec<AccountEvent> {
    vec![
        AccountEvent::AccountOpened { account: id(), holder: Holder::Guardian(guardian(2)) },
        AccountEvent::GuardianRecordAttached { guardian: guardian(2) },
    ]
}

fn pupils_account() -> Vec<AccountEvent> {
    vec![AccountEvent::AccountOpened { account: id(), holder: Holder::Pupil(child()) }]
}

fn issued(n: u128) -> AccountEvent {
    AccountEvent::VerificationCodeIssued {
        purpose: Purpose::Activation,
        flow: flow(n),
        secret: secret(n),
        to: Personal::new(id(), phone()),
        expires_at: noon() + TimeDelta::minutes(30),
    }
}

fn accepted() -> AccountEvent {
    AccountEvent::VerificationCodeAccepted { purpose: Purpose::Activation, flow: flow(5) }
}

fn login() -> AccountEvent {
    AccountEvent::LoginAssigned { login: Personal::new(id(), "a.fictif".to_owned()) }
}

fn chosen(origin: PasswordOrigin) -> AccountEvent {
    AccountEvent::PasswordChosen { secret: secret(8), origin }
}

fn activated() -> Vec<AccountEvent> {
    let proof = vec![issued(5), accepted(), login(), chosen(PasswordOrigin::Activation)];
    [opened(), proof, vec![AccountEvent::AccountActivated {}]].concat()
}

fn choose(origin: PasswordOrigin, flow: Option<FlowId>) -> AccountCommand {
    AccountCommand::ChoosePassword { secret: secret(8), origin, flow }
}

fn confirm(claimed: NaiveDate) -> AccountCommand {
    AccountCommand::ConfirmChild { pupil: child(), claimed, on_record: date(28) }
}

#[test]
fn an_account_opens_once() {
    let open = || AccountCommand::Open { account: id(), holder: Holder::Guardian(guardian(2)) };
    GivenWhenThen::with(()).given_no_previous_events().when(open()).then_expect_events(opened());
    GivenWhenThen::with(()).given(opened()).when(open()).then_expect_error(AccountError::AlreadyOpened);
}

#[test]
fn another_record_of_the_same_person_is_attached_once() {
    let attach = |n| AccountCommand::AttachGuardianRecord { guardian: guardian(n) };
    let attached = AccountEvent::GuardianRecordAttached { guardian: guardian(4) };
    GivenWhenThen::with(()).given(opened()).when(attach(4)).then_expect_events(vec![attached]);
    GivenWhenThen::with(()).given(opened()).when(attach(2)).then_expect_events(vec![]);
    GivenWhenThen::with(()).given(pupils_account()).when(attach(4)).then_expect_error(AccountError::NotAGuardian);
}

#[test]
fn a_code_is_accepted_for_its_own_flow_and_time_and_once() {
    let accept = |n, minutes| AccountCommand::AcceptCode { flow: flow(n), now: noon() + TimeDelta::minutes(minutes) };
    let waiting = [opened(), vec![issued(5)]].concat();
    GivenWhenThen::with(()).given(waiting.clone()).when(accept(5, 29)).then_expect_events(vec![accepted()]);
    GivenWhenThen::with(()).given(waiting.clone()).when(accept(5, 30)).then_expect_error(AccountError::CodeExpired);
    GivenWhenThen::with(()).given(waiting.clone()).when(accept(6, 1)).then_expect_error(AccountError::NoCodeWaiting);
    let used = [waiting, vec![accepted()]].concat();
    GivenWhenThen::with(()).given(used).when(accept(5, 1)).then_expect_error(AccountError::NoCodeWaiting);
}

#[test]
fn a_code_asked_for_elsewhere_takes_nobodys_away_and_a_newer_one_replaces_its_own_flows() {
    let accept = |n| AccountCommand::AcceptCode { flow: flow(n), now: noon() };
    let elsewhere = [opened(), vec![issued(5), issued(6)]].concat();
    GivenWhenThen::with(()).given(elsewhere.clone()).when(accept(5)).then_expect_events(vec![accepted()]);
    let both = [elsewhere, vec![accepted()]].concat();
    let other = AccountEvent::VerificationCodeAccepted { purpose: Purpose::Activation, flow: flow(6) };
    GivenWhenThen::with(()).given(both).when(accept(6)).then_expect_events(vec![other]);

    // The same flow asks again: the first, expired or not, is no longer the one that counts.
    let late = AccountCommand::AcceptCode { flow: flow(5), now: noon() + TimeDelta::minutes(31) };
    let again = AccountEvent::VerificationCodeIssued {
        purpose: Purpose::Activation,
        flow: flow(5),
        secret: secret(7),
        to: Personal::new(id(), phone()),
        expires_at: noon() + TimeDelta::minutes(40),
    };
    let replaced = [opened(), vec![issued(5), again]].concat();
    let mut account = Account::default();
    replaced.iter().cloned().for_each(|event| account.apply(event));
    assert_eq!(account.codes.values().map(|code| code.secret).collect::<Vec<_>>(), [secret(7)]);
    GivenWhenThen::with(()).given(replaced).when(late).then_expect_events(vec![accepted()]);
}

#[test]
fn the_phone_proved_is_the_one_its_own_code_went_to() {
    let other: E164 = "+33639980002".parse().expect("a phone");
    let elsewhere = AccountEvent::VerificationCodeIssued {
        purpose: Purpose::Activation,
        flow: flow(6),
        secret: secret(6),
        to: Personal::new(id(), other),
        expires_at: noon() + TimeDelta::minutes(30),
    };
    let mut account = Account::default();
    [opened(), vec![issued(5), elsewhere, accepted()]].concat().into_iter().for_each(|event| account.apply(event));
    assert_eq!(account.phone.as_ref().and_then(Personal::known), Some(&phone()));
}

#[test]
fn waiting_codes_are_bounded_and_the_one_that_expires_first_goes() {
    let mut account = Account::default();
    opened().into_iter().for_each(|event| account.apply(event));
    for n in 1..=20_u32 {
        account.apply(AccountEvent::VerificationCodeIssued {
            purpose: Purpose::Activation,
            // Ids in the opposite order of time.
            flow: flow(u128::from(100 - n)),
            secret: secret(u128::from(n)),
            to: Personal::new(id(), phone()),
            expires_at: noon() + TimeDelta::minutes(i64::from(n)),
        });
    }
    let left: Vec<FlowId> = account.codes.keys().copied().collect();
    assert_eq!(left, (80..88).map(flow).collect::<Vec<_>>());
}

#[test]
fn a_child_is_confirmed_by_the_right_birth_date_behind_a_proved_phone() {
    let proved = [opened(), vec![issued(5), accepted()]].concat();
    let confirmed = AccountEvent::ChildConfirmed { pupil: child() };
    GivenWhenThen::with(()).given(opened()).when(confirm(date(28))).then_expect_error(AccountError::PhoneNotProved);
    GivenWhenThen::with(())
        .given(proved.clone())
        .when(confirm(date(27)))
        .then_expect_error(AccountError::BirthDateMismatch);
    GivenWhenThen::with(()).given(proved).when(confirm(date(28))).then_expect_events(vec![confirmed.clone()]);
    GivenWhenThen::with(()).given(activated()).when(confirm(date(28))).then_expect_events(vec![confirmed]);
}

#[test]
fn a_child_can_be_reported_then_confirmed_after_all_and_detached() {
    let reported = AccountEvent::ChildReported { pupil: child() };
    let confirmed = AccountEvent::ChildConfirmed { pupil: child() };
    let detach = || AccountCommand::DetachChild { pupil: child(), cause: Detachment::NoLongerLegalGuardian };
    GivenWhenThen::with(())
        .given(activated())
        .when(AccountCommand::ReportChild { pupil: child() })
        .then_expect_events(vec![reported.clone()]);
    let again = [activated(), vec![reported]].concat();
    GivenWhenThen::with(()).given(again).when(confirm(date(28))).then_expect_events(vec![confirmed.clone()]);
    GivenWhenThen::with(()).given(activated()).when(detach()).then_expect_events(vec![]);
    GivenWhenThen::with(()).given([activated(), vec![confirmed]].concat()).when(detach()).then_expect_events(vec![
        AccountEvent::ChildDetached { pupil: child(), cause: Detachment::NoLongerLegalGuardian },
    ]);
}

#[test]
fn a_login_is_assigned_once() {
    let assign = || AccountCommand::AssignLogin { login: "a.fictif".into() };
    GivenWhenThen::with(()).given(opened()).when(assign()).then_expect_events(vec![login()]);
    GivenWhenThen::with(()).given(activated()).when(assign()).then_expect_error(AccountError::LoginAlreadyAssigned);
}

#[test]
fn the_first_personal_password_activates_behind_a_proved_phone() {
    let proved = [opened(), vec![issued(5), accepted(), login()]].concat();
    let origin = PasswordOrigin::Activation;
    GivenWhenThen::with(())
        .given(proved.clone())
        .when(choose(origin, Some(flow(5))))
        .then_expect_events(vec![chosen(origin), AccountEvent::AccountActivated {}]);
    for stranger in [None, Some(flow(6))] {
        GivenWhenThen::with(())
            .given(proved.clone())
            .when(choose(origin, stranger))
            .then_expect_error(AccountError::PhoneNotProved);
    }
    let nameless = [opened(), vec![issued(5), accepted()]].concat();
    GivenWhenThen::with(())
        .given(nameless)
        .when(choose(origin, Some(flow(5))))
        .then_expect_error(AccountError::NoLogin);
}

#[test]
fn a_proof_serves_for_one_password_only() {
    GivenWhenThen::with(())
        .given(activated())
        .when(choose(PasswordOrigin::Reset, Some(flow(5))))
        .then_expect_error(AccountError::PhoneNotProved);
}

#[test]
fn a_provisional_password_must_be_replaced_and_activates_then() {
    let provisional = AccountEvent::ProvisionalPasswordIssued { secret: secret(9), expires_at: noon() };
    let issue = || AccountCommand::IssueProvisionalPassword { secret: secret(9), expires_at: noon() };
    let named = [pupils_account(), vec![login()]].concat();
    GivenWhenThen::with(()).given(pupils_account()).when(issue()).then_expect_error(AccountError::NoLogin);
    GivenWhenThen::with(()).given(named.clone()).when(issue()).then_expect_events(vec![provisional.clone()]);

    let handed_out = [named, vec![provisional]].concat();
    let mut account = Account::default();
    handed_out.iter().cloned().for_each(|event| account.apply(event));
    assert!(account.must_change_password());
    GivenWhenThen::with(())
        .given(handed_out)
        .when(choose(PasswordOrigin::ForcedChange, None))
        .then_expect_events(vec![chosen(PasswordOrigin::ForcedChange), AccountEvent::AccountActivated {}]);
}

#[test]
fn a_disabled_account_does_nothing_until_enabled_as_it_was() {
    let disabled = [activated(), vec![AccountEvent::AccountDisabled {}]].concat();
    GivenWhenThen::with(())
        .given(activated())
        .when(AccountCommand::Disable)
        .then_expect_events(vec![AccountEvent::AccountDisabled {}]);
    GivenWhenThen::with(())
        .given(disabled.clone())
        .when(choose(PasswordOrigin::OwnChange, None))
        .then_expect_error(AccountError::NotInUse);
    GivenWhenThen::with(())
        .given(disabled.clone())
        .when(AccountCommand::Enable)
        .then_expect_events(vec![AccountEvent::AccountEnabled {}]);
    let mut account = Account::default();
    [disabled, vec![AccountEvent::AccountEnabled {}]].concat().into_iter().for_each(|event| account.apply(event));
    assert_eq!(account.status, Status::Activated);
}

#[test]
fn a_closed_account_stays_closed() {
    let closed = [activated(), vec![AccountEvent::AccountClosed {}]].concat();
    GivenWhenThen::with(()).given(closed.clone()).when(AccountCommand::Close).then_expect_events(vec![]);
    GivenWhenThen::with(()).given(closed.clone()).when(AccountCommand::Enable).then_expect_events(vec![]);
    GivenWhenThen::with(()).given(closed).when(confirm(date(28))).then_expect_error(AccountError::NotInUse);
}

#[test]
fn nothing_happens_to_an_account_that_is_not() {
    for command in [AccountCommand::Disable, AccountCommand::Close, choose(PasswordOrigin::OwnChange, None)] {
        GivenWhenThen::with(()).given_no_previous_events().when(command).then_expect_error(AccountError::NotOpened);
    }
}

#[test]
fn an_erased_account_is_closed_and_erased_once() {
    let grounds = crate::erasure::Grounds::OwnRequest;
    let account = match activated().first() {
        Some(AccountEvent::AccountOpened { account, .. }) => *account,
        _ => panic!("an account begins by being opened"),
    };
    let erased = [activated(), vec![AccountEvent::AccountErased { account, grounds }]].concat();
    GivenWhenThen::with(())
        .given(activated())
        .when(AccountCommand::Erase { grounds })
        .then_expect_events(vec![AccountEvent::AccountErased { account, grounds }]);
    for command in
        [AccountCommand::Erase { grounds }, AccountCommand::Enable, AccountCommand::Disable, AccountCommand::Close]
    {
        GivenWhenThen::with(()).given(erased.clone()).when(command).then_expect_events(vec![]);
    }
    GivenWhenThen::with(()).given(erased.clone()).when(confirm(date(28))).then_expect_error(AccountError::NotInUse);
    let mut state = Account::default();
    erased.into_iter().for_each(|event| state.apply(event));
    assert!(state.login.is_none() && state.password.is_none() && state.confirmed.is_empty() && state.phone.is_none());
    assert!(!state.guardians.is_empty(), "which records it had is what lets an interrupted erasure go on");
}

mod links;
