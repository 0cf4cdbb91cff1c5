//! Enrolments, transfers, corrections: the same facts, whatever order the schools' files come in.

use crate::support::{LILLE, LYON, Setting, Siecle, imported, person, pupil, uai};
use api::import::{ImportOptions, Outcome};

const INE: &str = "123456789AK";

fn lille() -> Siecle {
    Siecle::new(LILLE)
        .with(pupil(1, INE, "FICTIF", "Anais"))
        .person(person(10, "FICTIF", "Berthe", "+33639980010"))
        .mother(1, 10)
}

fn lyon() -> Siecle {
    Siecle::new(LYON)
        .with(pupil(77, INE, "FICTIF", "Anais"))
        .person(person(99, "FICTIF", "Berthe", "+33639980010"))
        .mother(77, 99)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_files_twice_change_nothing() {
    let setting = Setting::new().await;
    let first = setting.import(&lille()).await;
    let size = setting.size().await;
    let again = setting.import_with(&lille(), &ImportOptions::default()).await.unwrap();
    assert!(matches!(again, Outcome::AlreadyImported { import, .. } if import == first.import), "{again:?}");
    assert_eq!(setting.size().await, size);
    setting.assert_equal_to_replay().await;
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_export_records_only_what_changed() {
    let setting = Setting::new().await;
    setting.import(&lille()).await;
    let size = setting.size().await;
    setting.import(&lille().on(3)).await;
    assert_eq!(setting.events_since(size).await, Vec::<String>::new(), "nothing changed but the day");

    let size = setting.size().await;
    let mut corrected = lille().on(4);
    corrected.pupils[0].given = "Anaelle";
    corrected.persons[0].mobile = Some("+33639980011");
    let summary = setting.import(&corrected).await;
    assert_eq!(setting.events_since(size).await, ["GuardianContactCorrected", "CivilStatusCorrected"]);
    assert_eq!(summary.counts.changed, 1);
    assert_eq!(setting.count("view_people.pupil").await, 1, "a correction is no second person");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_ends_the_same_whichever_school_speaks_first() {
    let left = || {
        let mut left = lille().on(9);
        left.pupils[0].left = Some("07/09/2026");
        left
    };
    for departure_first in [true, false] {
        let setting = Setting::new().await;
        setting.import(&lille()).await;
        assert_eq!(setting.pupil_accounts(INE).await, 1);
        let (one, other) = if departure_first { (left(), lyon().on(9)) } else { (lyon().on(9), left()) };
        setting.import(&one).await;
        let size = setting.size().await;
        setting.import(&other).await;
        let events = setting.events_since(size).await;
        assert!(events.contains(&"PupilTransferred".to_owned()), "{events:?}");
        assert_eq!(setting.schools_of(INE).await, [uai(LYON).to_string()]);
        assert_eq!(setting.pupil_accounts(INE).await, 1, "the account stays");
        assert_eq!(setting.guardian_accounts().await, 1, "the parent's records meet in one account");
        let by = setting.texts("SELECT establishment FROM view_people.link").await;
        assert_eq!(by, [uai(LYON).to_string()], "the old school no longer says who is responsible");
        setting.assert_equal_to_replay().await;
        setting.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_school_year_elsewhere_is_a_transfer() {
    let setting = Setting::new().await;
    setting.import(&lille()).await;
    let mut next = lyon();
    next.year = 2027;
    let size = setting.size().await;
    setting.import(&next).await;
    assert!(setting.events_since(size).await.contains(&"PupilTransferred".to_owned()));
    assert_eq!(setting.schools_of(INE).await, [uai(LYON).to_string()]);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pupil_gone_from_the_export_has_left() {
    let setting = Setting::new().await;
    let both = lille().with(pupil(2, "123456789BK", "FICTIF", "Zoe"));
    setting.import(&both).await;
    let summary = setting.import(&lille().on(3)).await;
    assert_eq!(summary.departed, 1);
    assert!(setting.schools_of("123456789BK").await.is_empty());
    assert_eq!(setting.schools_of(INE).await.len(), 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_enrolment_opens_no_account_until_it_is_resolved() {
    let setting = Setting::new().await;
    // Incomplete at first: no account.
    let mut incomplete = lille();
    incomplete.pupils[0].birth = "";
    setting.import(&incomplete).await;
    assert_eq!(setting.pupil_accounts(INE).await, 0);
    setting.import(&lyon()).await;
    assert_eq!(setting.pupil_accounts(INE).await, 0, "two schools");
    // Another school's import resolves it.
    let mut left = lille().on(9);
    left.pupils[0].left = Some("07/09/2026");
    setting.import(&left).await;
    assert_eq!(setting.pupil_accounts(INE).await, 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_was_missing_makes_no_second_pupil() {
    let setting = Setting::new().await;
    let mut unnumbered = lille();
    unnumbered.pupils[0].ine = None;
    setting.import(&unnumbered).await;
    assert_eq!(setting.guardian_accounts().await, 1);
    assert_eq!(setting.count("view_accounts.account WHERE holder_kind = 'pupil'").await, 0, "incomplete");
    let size = setting.size().await;
    // The source numbers its pupils anew, too.
    let mut numbered = lille().on(3);
    numbered.pupils[0].id = 4711;
    numbered.links[0].0 = 4711;
    setting.import(&numbered).await;
    assert_eq!(setting.events_since(size).await, ["IneAssigned", "AccountOpened"]);
    assert_eq!(setting.count("view_people.pupil").await, 1);
    assert_eq!(setting.pupil_accounts(INE).await, 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_the_source_given_to_someone_else_is_someone_else() {
    let setting = Setting::new().await;
    let mut first = lille();
    first.pupils[0].ine = None;
    setting.import(&first).await;
    let mut other = lille().on(3);
    other.pupils[0] = pupil(1, INE, "IMAGINAIRE", "Bruno");
    other.pupils[0].ine = None;
    other.pupils[0].birth = "01/01/2013";
    setting.import(&other).await;
    assert_eq!(setting.count("view_people.pupil").await, 2);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_schools_at_once_both_go_in() {
    let setting = Setting::new().await;
    let options = ImportOptions::default();
    let (lille, lyon) = (lille(), lyon());
    let (one, other) = tokio::join!(setting.import_with(&lille, &options), setting.import_with(&lyon, &options));
    imported(one.unwrap());
    imported(other.unwrap());
    assert_eq!(setting.schools_of(INE).await.len(), 2);
    assert_eq!(setting.count("view_people.pupil").await, 1);
    assert_eq!(setting.guardian_accounts().await, 1);
    setting.assert_equal_to_replay().await;
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_records_nothing() {
    let setting = Setting::new().await;
    let options = ImportOptions { dry_run: true, ..ImportOptions::default() };
    let outcome = setting.import_with(&lille(), &options).await.unwrap();
    let Outcome::WouldImport(summary) = outcome else { panic!("{outcome:?}") };
    assert_eq!((summary.counts.pupils, summary.counts.guardians, summary.counts.changed), (1, 1, 1));
    assert_eq!(setting.size().await, 0);
    setting.stop().await;
}
