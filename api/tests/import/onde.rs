//! Exports of écoles, whose file of guardians names children by name only.

use crate::support::{Setting, imported, uai};
use api::import::{ImportError, ImportOptions, Summary, queue};
use chrono::{Days, NaiveDate};
use std::path::PathBuf;
use std::time::SystemTime;

const ECOLE: u32 = 690_801;

/// Surname, first name, INE, class.
type Child = (&'static str, &'static str, &'static str, &'static str);
/// Surname, first name, mobile, then surname, first name and class of each child.
type Guardian = (&'static str, &'static str, &'static str, Vec<(&'static str, &'static str, &'static str)>);

fn write(setting: &Setting, children: &[Child], guardians: &[Guardian]) -> Vec<PathBuf> {
    let mut pupils = "Nom élève;Nom d'usage élève;Prénom élève;Date naissance;Sexe;INE;Adresse1;Cp1;Commune1;Pays1;\
                      Adresse2;Cp2;Commune2;Pays2; Cycle;Niveau;Libellé classe;Identifiant classe;Attestation fournie;\
                      Autorisation associations;Autorisation photo;Décision de passage\r\n"
        .to_owned();
    for (family, given, ine, class) in children {
        pupils += &format!("{family};;{given};2017-05-06;F;{ine};;;;;;;;;CYCLE II;CE1;{class};1;;;;\r\n");
    }
    let mut persons =
        "Civilité Responsable;Nom usage responsable;Nom responsable;Prénom responsable;Adresse responsable;\
                       CP responsable;Commune responsable;Pays;Courriel;Téléphone domicile;Téléphone travail;\
                       Téléphone portable;Nom d'usage enfant;Nom de famille enfant;Prénom enfant;Classes enfants;\
                       Nom d'usage enfant;Nom de famille enfant;Prénom enfant;Classes enfants\r\n"
            .to_owned();
    for (family, given, mobile, children) in guardians {
        persons += &format!("MME;;{family};{given};;;;;;;;{mobile}");
        for (family, given, class) in children {
            persons += &format!(";;{family};{given};{class}");
        }
        persons += "\r\n";
    }
    let path = |kind: &str| setting.folder.path().join(format!("ONDE_{kind}_{}.csv", uai(ECOLE)));
    let files = vec![path("Eleves"), path("Responsables")];
    for (file, text) in files.iter().zip([pupils, persons]) {
        let (bytes, _, lossy) = encoding_rs::ISO_8859_15.encode(&text);
        assert!(!lossy);
        std::fs::write(file, bytes).unwrap();
    }
    files
}

async fn import(setting: &Setting, children: &[Child], guardians: &[Guardian]) -> Summary {
    let files = write(setting, children, guardians);
    imported(setting.import_files(files, &ImportOptions::default()).await.unwrap())
}

const HOMONYMS: [Child; 3] = [
    ("Fictif", "Zoé", "200000001AA", "CE1 A"),
    ("Fictif", "Zoé", "200000002AA", "CE1 A"),
    ("Imaginaire", "Paul", "200000003AA", "CE1 A"),
];

fn guardians() -> Vec<Guardian> {
    vec![
        ("Fictif", "Berthe", "0639980010", vec![("Fictif", "Zoé", "CE1 A")]),
        ("Imaginaire", "Claude", "0639980011", vec![("Imaginaire", "Paul", "CE1 A")]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_homonyms_waits_and_the_answer_lasts() {
    let setting = Setting::new().await;
    let summary = import(&setting, &HOMONYMS, &guardians()).await;
    assert_eq!((summary.counts.held, setting.guardian_accounts().await), (1, 1));
    let mut waiting = queue::waiting(&setting.db, Some(uai(ECOLE))).await.unwrap();
    assert_eq!(waiting.len(), 1);
    let link = waiting.remove(0);
    assert_eq!((link.reason.as_str(), link.candidates.len()), ("ambiguous", 2));

    let (guardian, number, pupil) = (link.guardian, link.number.unsigned_abs(), link.candidates[0].pupil);
    queue::settle(&setting.importer, guardian, number, Some(pupil)).await.unwrap();
    assert!(queue::waiting(&setting.db, None).await.unwrap().is_empty());
    assert_eq!(setting.guardian_accounts().await, 2);
    let linked = format!("view_people.link WHERE guardian = '{guardian}' AND pupil = '{pupil}'");
    assert_eq!(setting.count(&linked).await, 1);

    // The next export still can't say it: the answer holds, and the question is not asked again.
    let mut next = HOMONYMS.to_vec();
    next.push(("Nouvel", "Eve", "200000004AA", "CE1 A"));
    let size = setting.size().await;
    let summary = import(&setting, &next, &guardians()).await;
    assert_eq!(summary.counts.held, 0);
    assert_eq!(setting.events_since(size).await, ["PupilRegistered", "PupilEnrolled", "AccountOpened"]);
    assert_eq!(setting.count(&linked).await, 1);
    setting.assert_equal_to_replay().await;
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_a_later_file_no_longer_leaves_open_lapses() {
    let setting = Setting::new().await;
    import(&setting, &HOMONYMS, &guardians()).await;
    // One of the two has left: the name is no longer ambiguous.
    let summary = import(&setting, &HOMONYMS[1..], &guardians()).await;
    assert_eq!((summary.counts.held, summary.departed), (0, 1));
    assert!(queue::waiting(&setting.db, None).await.unwrap().is_empty());
    assert_eq!(setting.guardian_accounts().await, 2);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_mobile_makes_no_second_person_of_a_parent() {
    let setting = Setting::new().await;
    import(&setting, &HOMONYMS, &guardians()).await;
    let size = setting.size().await;
    let mut changed = guardians();
    changed[1].2 = "0639980012";
    import(&setting, &HOMONYMS, &changed).await;
    assert_eq!(setting.events_since(size).await, ["GuardianIdentityCorrected", "GuardianContactCorrected"]);
    assert_eq!(setting.count("view_people.guardian").await, 2);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namesake_who_enrols_costs_no_parent_the_child() {
    let setting = Setting::new().await;
    import(&setting, &HOMONYMS[..1], &guardians()[..1]).await;
    let linked = "view_people.link l JOIN view_people.pupil p ON p.id = l.pupil WHERE p.ine = '200000001AA'";
    assert_eq!(setting.count(linked).await, 1);
    let summary = import(&setting, &HOMONYMS[..2], &guardians()[..1]).await;
    assert_eq!((summary.counts.held, setting.count(linked).await), (1, 1), "asked, and kept until answered");
    // The school says: the other one.
    let link = queue::waiting(&setting.db, Some(uai(ECOLE))).await.unwrap().remove(0);
    let sql = "SELECT id::text FROM view_people.pupil WHERE ine = '200000002AA'";
    let other = setting.texts(sql).await[0].parse().unwrap();
    queue::settle(&setting.importer, link.guardian, link.number.unsigned_abs(), Some(other)).await.unwrap();
    import(&setting, &HOMONYMS, &guardians()[..1]).await;
    assert_eq!((setting.count(linked).await, setting.count("view_people.link").await), (0, 1));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_row_of_a_pupil_makes_no_namesake() {
    let setting = Setting::new().await;
    import(&setting, &HOMONYMS[..1], &guardians()[..1]).await;
    let summary = import(&setting, &[HOMONYMS[0], HOMONYMS[0]], &guardians()[..1]).await;
    assert_eq!((summary.counts.held, summary.counts.refused), (0, 1));
    assert_eq!(setting.count("view_people.link").await, 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_written_anew_in_one_file_only_stays_until_the_school_answers() {
    let setting = Setting::new().await;
    import(&setting, &HOMONYMS[..1], &guardians()[..1]).await;
    let mut misspelt = guardians();
    misspelt.truncate(1);
    misspelt[0].3 = vec![("Fictif", "Zohé", "CE1 A")];
    let summary = import(&setting, &HOMONYMS[..1], &misspelt).await;
    assert_eq!((summary.counts.held, setting.count("view_people.link").await), (1, 1), "asked, and kept");
    let link = queue::waiting(&setting.db, Some(uai(ECOLE))).await.unwrap().remove(0);
    assert_eq!((link.reason.as_str(), link.candidates.len()), ("no_such_pupil", 0));

    // The school says: none of ours. The next file ends the link.
    queue::settle(&setting.importer, link.guardian, link.number.unsigned_abs(), None).await.unwrap();
    let further = [HOMONYMS[0], HOMONYMS[2]];
    import(&setting, &further, &misspelt).await;
    assert_eq!(setting.count("view_people.link").await, 0);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_of_quite_another_name_keeps_no_link() {
    let setting = Setting::new().await;
    import(&setting, &HOMONYMS[..1], &guardians()[..1]).await;
    let mut other = guardians();
    other.truncate(1);
    other[0].3 = vec![("Nouvel", "Eve", "CE1 A")];
    let summary = import(&setting, &HOMONYMS[..1], &other).await;
    assert_eq!((summary.counts.held, setting.count("view_people.link").await), (1, 0));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_file_is_refused_where_its_day_is_given() {
    let setting = Setting::new().await;
    let on = |day: NaiveDate| ImportOptions { exported_on: Some(day), ..ImportOptions::default() };
    let today = setting.ledger.now().date_naive();
    let before = |days| today.checked_sub_days(Days::new(days)).unwrap();
    let files = || write(&setting, &HOMONYMS, &guardians());
    imported(setting.import_files(files(), &on(before(5))).await.unwrap());

    let size = setting.size().await;
    let older = write(&setting, &HOMONYMS[1..], &guardians());
    let refused = setting.import_files(older.clone(), &on(before(6))).await.unwrap_err();
    assert!(matches!(refused, ImportError::Older { .. }), "{refused}");
    let mut later = setting.importer.validate(older.clone(), &on(today + Days::new(3))).await.unwrap();
    let refused = later.remove(0).unwrap_err().to_string();
    assert!(refused.contains("has not come yet"), "{refused}");
    assert_eq!(setting.size().await, size);

    // Two exports of one day follow each other.
    let summary = imported(setting.import_files(older, &on(before(5))).await.unwrap());
    assert_eq!(summary.departed, 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_be_older_is_taken_and_told() {
    let setting = Setting::new().await;
    let told = |summary: &Summary| summary.report.iter().any(|line| line.reason.contains("--exported-on"));
    let first = import(&setting, &HOMONYMS, &guardians()).await;
    assert!(!told(&first), "{:?}", first.report);
    let files = write(&setting, &HOMONYMS[1..], &guardians());
    let file = std::fs::File::options().append(true).open(&files[0]).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let second = imported(setting.import_files(files, &ImportOptions::default()).await.unwrap());
    assert!(told(&second), "{:?}", second.report);
    assert_eq!(second.departed, 1);
    setting.stop().await;
}
