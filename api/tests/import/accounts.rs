//! Which accounts a school's data opens, joins and limits.

use crate::support::{LILLE, LILLE_TOO, LYON, Person, Setting, Siecle, person, pupil};
use domain::account::{Account, AccountCommand, Purpose};
use domain::context::{Actor, Context, Reason};
use domain::ids::{CommandId, FlowId, PupilId, SecretId};

const ELDER: &str = "123456789AK";
const YOUNGER: &str = "123456789BK";
const MOBILE: &str = "+33639980010";

fn elder() -> Siecle {
    Siecle::new(LILLE).with(pupil(1, ELDER, "FICTIF", "Anais"))
}

fn younger() -> Siecle {
    Siecle::new(LYON).with(pupil(7, YOUNGER, "FICTIF", "Zoe"))
}

#[tokio::test(flavor = "multi_thread")]
async fn siblings_of_two_academies_meet_in_one_account() {
    let setting = Setting::new().await;
    setting.import(&elder().person(person(10, "FICTIF-DO", "Marie Anne", MOBILE)).mother(1, 10)).await;
    setting.import(&younger().person(person(99, "Fictif Do", "MARIE-ANNE", MOBILE)).mother(7, 99)).await;
    assert_eq!(setting.guardian_accounts().await, 1);
    assert_eq!(setting.count("view_accounts.account_guardian").await, 2);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn different_mobiles_meet_only_over_the_same_child() {
    let setting = Setting::new().await;
    setting.import(&elder().person(person(10, "FICTIF", "Berthe", MOBILE)).mother(1, 10)).await;
    // Another child, another number: two accounts.
    setting.import(&younger().person(person(98, "FICTIF", "Berthe", "+33639980098")).mother(7, 98)).await;
    assert_eq!(setting.guardian_accounts().await, 2);
    // The same child in a second school, a third number: the account of the record that names the same child.
    let second = Siecle::new(690_902)
        .with(pupil(3, ELDER, "FICTIF", "Anais"))
        .person(person(97, "FICTIF", "Berthe", "+33639980097"))
        .mother(3, 97);
    setting.import(&second).await;
    assert_eq!(setting.guardian_accounts().await, 2);
    // And from now on the third number finds that account, too.
    let third = Siecle::new(330_901)
        .with(pupil(4, "123456789CK", "FICTIF", "Line"))
        .person(person(96, "FICTIF", "Berthe", "+33639980097"))
        .mother(4, 96);
    setting.import(&third).await;
    assert_eq!(setting.guardian_accounts().await, 2);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_parents_whom_a_school_tells_apart_are_two_even_with_one_name() {
    let setting = Setting::new().await;
    let export = elder()
        .person(person(10, "FICTIF", "Camille", MOBILE))
        .person(person(11, "FICTIF", "Camille", "+33639980011"))
        .mother(1, 10)
        .link(1, 11, 1, 20);
    setting.import(&export).await;
    assert_eq!(setting.guardian_accounts().await, 2);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_legal_guardians_get_an_account_and_an_adult_pupil_has_their_own() {
    let setting = Setting::new().await;
    let export = elder()
        .person(person(10, "FICTIF", "Berthe", MOBILE))
        .person(person(11, "FICTIF", "Oncle", "+33639980011"))
        .person(person(12, "FICTIF", "Contact", "+33639980012"))
        .person(person(13, "FICTIF", "Anais", "+33639980013"))
        .mother(1, 10)
        .link(1, 11, 2, 39)
        .link(1, 12, 3, 90)
        .link(1, 13, 1, 70);
    setting.import(&export).await;
    assert_eq!(setting.count("view_people.guardian").await, 4);
    assert_eq!(setting.guardian_accounts().await, 1);
    assert_eq!(setting.pupil_accounts(ELDER).await, 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guardian_without_mobile_has_an_account_and_gets_found_once_there_is_one() {
    let setting = Setting::new().await;
    let export = |day, mobile| {
        elder().on(day).person(Person { id: 10, family: "FICTIF", given: "Berthe", mobile }).mother(1, 10)
    };
    setting.import(&export(2, None)).await;
    assert_eq!(setting.guardian_accounts().await, 1);
    assert_eq!(setting.count("ledger.reservation WHERE kind = 'guardian-match'").await, 0);
    setting.import(&export(3, Some(MOBILE))).await;
    assert_eq!(setting.count("ledger.reservation WHERE kind = 'guardian-match'").await, 1);
    // A new number takes the place of the old one.
    setting.import(&export(4, Some("+33639980011"))).await;
    assert_eq!(setting.count("ledger.reservation WHERE kind = 'guardian-match'").await, 1);
    setting.import(&younger().person(person(99, "FICTIF", "Berthe", MOBILE)).mother(7, 99)).await;
    assert_eq!(setting.guardian_accounts().await, 2, "the old number is no longer this person's");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_another_account_holds_is_left_alone_and_told() {
    let setting = Setting::new().await;
    setting.import(&elder().person(person(10, "FICTIF", "Berthe", MOBILE)).mother(1, 10)).await;
    let other = |day, mobile| {
        let export = Siecle::new(LILLE_TOO).on(day).with(pupil(5, YOUNGER, "FICTIF", "Zoe"));
        export.person(person(11, "FICTIF", "Berthe", mobile)).mother(5, 11)
    };
    setting.import(&other(2, "+33639980011")).await;
    assert_eq!(setting.guardian_accounts().await, 2);
    let summary = setting.import(&other(3, MOBILE)).await;
    assert_eq!(setting.guardian_accounts().await, 2, "accounts are not merged by a guess");
    assert!(summary.report.iter().any(|line| line.reason.contains("another account")), "{:?}", summary.report);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guardian_no_longer_legal_loses_the_confirmed_child_at_once() {
    let setting = Setting::new().await;
    let legal = |day, level| {
        let export = elder().on(day).person(person(10, "FICTIF", "Berthe", MOBILE));
        export.link(1, 10, level, 10)
    };
    setting.import(&legal(2, 1)).await;
    let ids = setting.texts("SELECT id::text FROM view_accounts.account WHERE holder_kind = 'guardian'").await;
    let pupils = setting.texts("SELECT id::text FROM view_people.pupil").await;
    let pupil: PupilId = pupils[0].parse().unwrap();
    confirm(&setting, &ids[0], pupil).await;
    let size = setting.size().await;
    setting.import(&legal(3, 2)).await;
    assert_eq!(setting.events_since(size).await, ["GuardianLinkChanged", "ChildDetached"]);
    let account = setting.ledger.load::<Account>(&ids[0]).await.unwrap().aggregate;
    assert!(account.confirmed.is_empty());
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_under_which_another_parent_is_written_hands_over_no_account() {
    let setting = Setting::new().await;
    let export = |day, parent| elder().on(day).person(parent).mother(1, 10);
    setting.import(&export(2, person(10, "FICTIF", "Berthe", MOBILE))).await;
    let accounts = "SELECT id::text FROM view_accounts.account WHERE holder_kind = 'guardian'";
    let ids = setting.texts(accounts).await;
    let pupil: PupilId = setting.texts("SELECT id::text FROM view_people.pupil").await[0].parse().unwrap();
    confirm(&setting, &ids[0], pupil).await;
    let size = setting.size().await;
    // The school types the father over the mother's record.
    let summary = setting.import(&export(3, person(10, "FICTIF", "Claude", "+33639980011"))).await;
    let events = setting.events_since(size).await;
    assert!(!events.contains(&"GuardianIdentityCorrected".to_owned()), "{events:?}");
    assert!(events.contains(&"ChildDetached".to_owned()), "{events:?}");
    assert!(summary.report.iter().any(|line| line.reason.contains("another person")), "{:?}", summary.report);
    assert_eq!(setting.guardian_accounts().await, 2);
    let hers = setting.ledger.load::<Account>(&ids[0]).await.unwrap().aggregate;
    assert_eq!((hers.guardians.len(), hers.confirmed.len()), (1, 0));
    // Name and mobile still find her account and do not find his: another school's record shows it.
    setting.import(&younger().person(person(99, "FICTIF", "Claude", "+33639980011")).mother(7, 99)).await;
    assert_eq!(setting.guardian_accounts().await, 2);
    let hers = setting.ledger.load::<Account>(&ids[0]).await.unwrap().aggregate;
    assert_eq!(hers.guardians.len(), 1, "his name and mobile do not lead to her account");
    // Once the school corrects it, her record leads to her account again.
    setting.import(&export(4, person(10, "FICTIF", "Berthe", MOBILE))).await;
    assert_eq!(setting.guardian_accounts().await, 2);
    let hers = setting.ledger.load::<Account>(&ids[0]).await.unwrap().aggregate;
    assert_eq!(hers.guardians.len(), 2);
    setting.assert_equal_to_replay().await;
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_parent_stays_the_same_person() {
    let setting = Setting::new().await;
    let export = |day, parent| elder().on(day).person(parent).mother(1, 10);
    setting.import(&export(2, person(10, "FICTIF", "Berte", MOBILE))).await;
    setting.import(&export(3, person(10, "FICTIF", "Berthe", MOBILE))).await;
    setting.import(&export(4, person(10, "IMAGINAIRE", "Berthe", MOBILE))).await;
    setting.import(&export(5, person(10, "IMAGINAIRE", "Berthe", "+33639980011"))).await;
    assert_eq!((setting.count("view_people.guardian").await, setting.guardian_accounts().await), (1, 1));
    setting.stop().await;
}

async fn confirm(setting: &Setting, account: &str, pupil: PupilId) {
    let flow = FlowId(uuid::Uuid::now_v7());
    let now = setting.ledger.now();
    let birth = "2014-03-04".parse().unwrap();
    let issue = AccountCommand::IssueCode {
        purpose: Purpose::Activation,
        flow,
        secret: SecretId(uuid::Uuid::now_v7()),
        to: MOBILE.parse().unwrap(),
        expires_at: now + chrono::TimeDelta::minutes(30),
    };
    let confirm = AccountCommand::ConfirmChild { pupil, claimed: birth, on_record: birth };
    for command in [issue, AccountCommand::AcceptCode { flow, now }, confirm] {
        let context = Context {
            command: CommandId(uuid::Uuid::now_v7()),
            actor: Actor::Service,
            on_behalf_of: None,
            reason: Reason::OwnRequest,
            reference: None,
            effective_at: now,
        };
        setting.ledger.execute::<Account>(account, command, &context).await.unwrap();
    }
}
