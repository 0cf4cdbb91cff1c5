//! Bad files whole, bad records alone, old and thin exports not at all.

use crate::support::{LILLE, LYON, Setting, Siecle, imported, person, pupil, uai};
use api::import::{ImportError, ImportOptions};

const INES: [&str; 14] = [
    "100000001AA",
    "100000002AA",
    "100000003AA",
    "100000004AA",
    "100000005AA",
    "100000006AA",
    "100000007AA",
    "100000008AA",
    "100000009AA",
    "100000010AA",
    "100000011AA",
    "100000012AA",
    "100000013AA",
    "100000014AA",
];

fn class_of(number: usize) -> Siecle {
    let mut export = Siecle::new(LILLE).person(person(10, "FICTIF", "Berthe", "+33639980010"));
    for (id, ine) in (1..).zip(INES).take(number) {
        export = export.with(pupil(id, ine, "FICTIF", "Anais")).mother(id, 10);
    }
    export
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_refused_whole_with_line_and_reason() {
    let setting = Setting::new().await;
    let files = class_of(3).write(setting.folder.path());
    let text = std::fs::read_to_string(&files[0]).unwrap().replacen("</ELEVE>", "</ELEVES>", 1);
    std::fs::write(&files[0], text).unwrap();
    let refused = setting.import_files(files, &ImportOptions::default()).await.unwrap_err();
    assert!(matches!(refused, ImportError::File(_)), "{refused}");
    let told = refused.to_string();
    assert!(told.contains("ElevesAvecAdresses.xml, line 5"), "{told}");
    assert_eq!(setting.size().await, 0);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_record_is_refused_alone_and_told_without_personal_data() {
    let setting = Setting::new().await;
    let mut export = class_of(3);
    export.pupils[1].birth = "31/02/2014";
    let summary = setting.import(&export).await;
    assert_eq!((summary.counts.pupils, summary.counts.refused), (2, 1));
    assert_eq!(setting.count("view_people.pupil").await, 2);
    let line = &summary.report[0];
    assert_eq!((line.file.as_str(), line.line, line.record.as_str()), ("ElevesAvecAdresses.xml", 6, "ELEVE 2"));
    assert!(!format!("{line:?}").contains("FICTIF") && !format!("{line:?}").contains(INES[1]));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_became_unreadable_costs_nobody_anything() {
    let setting = Setting::new().await;
    setting.import(&class_of(3)).await;
    let size = setting.size().await;
    let mut export = class_of(3).on(3);
    export.pupils[1].birth = "31/02/2014";
    export.persons[0].given = "";
    let summary = setting.import(&export).await;
    assert!(summary.counts.refused >= 2);
    assert_eq!(setting.events_since(size).await, Vec::<String>::new());
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_legal_guardians_refuse_the_pupil_alone() {
    let setting = Setting::new().await;
    let export = class_of(2)
        .person(person(11, "FICTIF", "Claude", "+33639980011"))
        .person(person(12, "FICTIF", "Dominique", "+33639980012"))
        .link(1, 11, 1, 20)
        .link(1, 12, 1, 20);
    let summary = setting.import(&export).await;
    assert_eq!(summary.counts.refused, 1);
    assert_eq!(setting.count("view_people.pupil").await, 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_export_is_refused_unless_allowed() {
    let setting = Setting::new().await;
    setting.import(&class_of(3).on(9)).await;
    let size = setting.size().await;
    let older = class_of(2);
    let refused = setting.import_with(&older, &ImportOptions::default()).await.unwrap_err();
    assert!(matches!(refused, ImportError::Older { .. }), "{refused}");
    assert_eq!(setting.size().await, size);
    let options = ImportOptions { allow_older: true, ..ImportOptions::default() };
    imported(setting.import_with(&older, &options).await.unwrap());
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_lacks_too_many_pupils_is_refused_unless_accepted() {
    let setting = Setting::new().await;
    setting.import(&class_of(14)).await;
    let size = setting.size().await;
    let thin = class_of(4).on(3);
    let refused = setting.import_with(&thin, &ImportOptions::default()).await.unwrap_err();
    assert!(matches!(refused, ImportError::TooManyDepartures { absent: 10, enrolled: 14, .. }), "{refused}");
    assert_eq!(setting.size().await, size);
    let options = ImportOptions { accept_departures: true, ..ImportOptions::default() };
    assert_eq!(imported(setting.import_with(&thin, &options).await.unwrap()).departed, 10);
    assert_eq!(setting.count("view_people.enrolment").await, 4);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_import_of_a_school_is_refused_while_one_runs() {
    let setting = Setting::new().await;
    let lock = api::import::store::SchoolLock::take(&setting.db, uai(LILLE)).await.unwrap().unwrap();
    let refused = setting.import_with(&class_of(2), &ImportOptions::default()).await.unwrap_err();
    assert!(matches!(refused, ImportError::Running(_)), "{refused}");
    lock.release().await;
    setting.import(&class_of(2)).await;
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ine_on_the_wrong_child_rewrites_nobody() {
    let setting = Setting::new().await;
    setting.import(&class_of(1)).await;
    let elsewhere = |day, wrong: bool| {
        let mut child = pupil(7, if wrong { INES[0] } else { INES[1] }, "IMAGINAIRE", "Bruno");
        child.birth = "01/02/2013";
        let export = Siecle::new(LYON).on(day).with(child);
        export.person(person(70, "IMAGINAIRE", "Claude", "+33639980070")).mother(7, 70)
    };
    setting.import(&elsewhere(2, false)).await;
    let size = setting.size().await;
    let summary = setting.import(&elsewhere(3, true)).await;
    assert_eq!((summary.counts.refused, summary.departed), (1, 0), "the child is there, under a wrong number");
    assert!(summary.report.iter().any(|line| line.line > 0 && line.reason.contains("correct the INE")));
    assert_eq!(setting.events_since(size).await, Vec::<String>::new());
    assert_eq!(setting.schools_of(INES[0]).await, [uai(LILLE).to_string()]);
    // The same files again, if it was a correction of both.
    let options = ImportOptions { accept_identity_changes: true, ..ImportOptions::default() };
    let summary = imported(setting.import_with(&elsewhere(3, true), &options).await.unwrap());
    assert_eq!(summary.counts.refused, 0);
    assert!(setting.events_since(size).await.contains(&"CivilStatusCorrected".to_owned()));
    setting.stop().await;
}

/// Twins, as their school writes them.
fn twins(school: u32, day: u32, (ada, zita): (&'static str, &'static str)) -> Siecle {
    let export =
        Siecle::new(school).on(day).with(pupil(1, ada, "FICTIF", "Ada")).with(pupil(2, zita, "FICTIF", "Zita"));
    export.person(person(10, "FICTIF", "Berthe", "+33639980010")).mother(1, 10).mother(2, 10)
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_whose_numbers_were_swapped_are_not_made_each_other() {
    let setting = Setting::new().await;
    setting.import(&twins(LILLE, 2, (INES[0], INES[1]))).await;
    let size = setting.size().await;
    let swapped = twins(LILLE, 3, (INES[1], INES[0]));
    let summary = setting.import(&swapped).await;
    assert_eq!((summary.counts.refused, summary.departed), (2, 0));
    assert!(summary.report.iter().all(|line| line.line > 0 && line.reason.contains("twins")), "{:?}", summary.report);
    assert_eq!(setting.events_since(size).await, Vec::<String>::new());

    // One alone, at another school: the family tells who else is meant.
    let elsewhere = Siecle::new(LYON).on(3).with(pupil(7, INES[1], "FICTIF", "Ada"));
    let elsewhere = elsewhere.person(person(70, "FICTIF", "Berthe", "+33639980010")).mother(7, 70);
    assert_eq!(setting.import(&elsewhere).await.counts.refused, 1);
    assert_eq!(setting.schools_of(INES[1]).await, [uai(LILLE).to_string()]);

    // The same files again, if the numbers were wrong until now.
    let options = ImportOptions { accept_identity_changes: true, ..ImportOptions::default() };
    assert_eq!(imported(setting.import_with(&swapped, &options).await.unwrap()).counts.refused, 0);
    let name = format!("SELECT given_names->>0 FROM view_people.pupil WHERE ine = '{}'", INES[1]);
    assert_eq!(setting.texts(&name).await, ["Ada"]);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_twin_under_the_number_of_the_other_costs_nobody_the_school() {
    let setting = Setting::new().await;
    setting.import(&twins(LILLE, 2, (INES[0], INES[1]))).await;
    let size = setting.size().await;
    let alone = Siecle::new(LILLE).on(3).with(pupil(1, INES[1], "FICTIF", "Ada"));
    let summary = setting.import(&alone.person(person(10, "FICTIF", "Berthe", "+33639980010")).mother(1, 10)).await;
    assert_eq!((summary.counts.refused, summary.departed), (1, 0));
    assert_eq!(setting.events_since(size).await, Vec::<String>::new());
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_name_may_still_be_corrected() {
    let setting = Setting::new().await;
    setting.import(&twins(LILLE, 2, (INES[0], INES[1]))).await;
    let mut corrected = twins(LILLE, 3, (INES[0], INES[1]));
    corrected.pupils[0].given = "Adele";
    let summary = setting.import(&corrected).await;
    assert_eq!((summary.counts.refused, summary.counts.changed), (0, 1));
    setting.stop().await;
}
