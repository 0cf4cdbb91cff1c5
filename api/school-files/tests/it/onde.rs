//! ONDE exports.

use chrono::NaiveDate;
use domain::identifiers::{Degree, GuardianLevel, Sex};
use school_files::{HeldReason, MandatoryField, Notice, RejectionReason, SourceSystem};

use crate::support::{Shipment, latin9, options, split};

pub const PUPILS_HEADER: &str = "Nom élève;Nom d'usage élève;Prénom élève;Date naissance;Sexe;INE;Adresse1;Cp1;Commune1;Pays1;Adresse2;Cp2;Commune2;Pays2; Cycle;Niveau;Libellé classe;Identifiant classe;Attestation fournie;Autorisation associations;Autorisation photo;Décision de passage";

pub const GUARDIANS_HEADER: &str = "Civilité Responsable;Nom usage responsable;Nom responsable;Prénom responsable;Adresse responsable;CP responsable;Commune responsable;Pays;Courriel;Téléphone domicile;Téléphone travail;Téléphone portable;Nom d'usage enfant;Nom de famille enfant;Prénom enfant;Classes enfants;Nom d'usage enfant;Nom de famille enfant;Prénom enfant;Classes enfants";

pub fn file(header: &str, rows: &[&str]) -> Vec<u8> {
    let mut text = format!("{header}\r\n");
    for row in rows {
        text.push_str(row);
        text.push_str("\r\n");
    }
    latin9(&text)
}

pub fn pair(pupils: &[&str], guardians: &[&str]) -> Shipment {
    Shipment::new()
        .with("eleves_0330001X.csv", &file(PUPILS_HEADER, pupils))
        .with("responsables_0330001X.csv", &file(GUARDIANS_HEADER, guardians))
}

/// A pupil's row up to the class.
fn pupil(family: &str, given: &str, ine: &str, class: &str) -> String {
    format!("{family};;{given};2018-03-04;F;{ine};1 rue inventée;33000;Bordeaux;France;;;;;CYCLE II;CE1;{class}")
}

/// A guardian's row with one child.
fn guardian(given: &str, mobile: &str, child: &str) -> String {
    format!("MME;;Exemple;{given};1 rue inventée;33000;Bordeaux;France;;;;{mobile};{child}")
}

#[test]
fn a_pair_is_read_and_linked_by_names() {
    let shipment = pair(
        &[
            "\"Fictif-L'Haÿ\";Cœur;Zoé;04/03/2018;F;123456789AB;\"1; rue\";33000;Bordeaux;France;;;;;CYCLE II;CE1;CE1 Mme Œ;12;O;N;N;",
            "Fictif;;Jean-Noël;2019-12-31;H;;;;;;;;;;;;",
        ],
        &[
            "Mme;Fictif;Exemple;Chloé;1 rue;33000;Bordeaux;France;chloe@example.org;01 99 00 00 01;;06 39 98 00 01;Cœur;FICTIF L'HAY;ZOE;CE1 Mme Œ;;Fictif;Jean Noel;",
            "M.;;Exemple;Ali;2 rue;33000;Bordeaux;France;;;;0693 98 00 02;;Fictif-L'Haÿ;Zoé",
        ],
    );
    let export = shipment.export();
    let header = export.header();
    assert_eq!((header.uai.as_str(), header.degree), ("0330001X", Degree::First));
    assert_eq!((header.source, header.school_year), (SourceSystem::Onde, 2026));
    assert_eq!(header.academie.unwrap().name(), "Bordeaux");

    let (guardians, refused) = split(export.guardians_from(0).unwrap());
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(guardians[0].family_name, "Exemple");
    assert_eq!(guardians[0].usage_name.as_deref(), Some("Fictif"));
    assert_eq!(guardians[0].mobile.as_ref().unwrap().as_str(), "+33639980001");
    assert_eq!(guardians[0].children.len(), 2);
    assert_eq!(guardians[1].mobile.as_ref().unwrap().as_str(), "+262693980002");
    assert!(guardians.iter().all(|guardian| guardian.has_level1));

    let (pupils, refused) = split(export.pupils_from(0).unwrap());
    assert!(refused.is_empty(), "{refused:?}");
    let [zoe, jean] = pupils.as_slice() else { panic!("two pupils") };
    assert_eq!(zoe.family_name, "Fictif-L'Haÿ");
    assert_eq!(zoe.birth_date, NaiveDate::from_ymd_opt(2018, 3, 4));
    assert_eq!((zoe.sex, jean.sex), (Some(Sex::Female), Some(Sex::Male)));
    assert_eq!(zoe.class.as_deref(), Some("CE1 Mme Œ"));
    assert_eq!(zoe.level.as_deref(), Some("CE1"));
    let keys: Vec<_> = zoe.guardians.iter().map(|link| &link.guardian).collect();
    assert_eq!(keys, [&guardians[0].source_key, &guardians[1].source_key]);
    assert!(zoe.guardians.iter().all(|link| link.level == GuardianLevel::Legal));
    assert_eq!(jean.birth_date, NaiveDate::from_ymd_opt(2019, 12, 31));
    assert_eq!(jean.missing, [MandatoryField::Ine, MandatoryField::Class]);
    assert!(jean.source_id.as_str().starts_with("onde:0330001X:"));
    assert!(export.held_links().is_empty());
}

#[test]
fn what_could_be_two_children_or_none_is_held() {
    let pupils = [
        pupil("Fictif", "Léo", "123456789AA", "CE1"),
        pupil("Fictif", "Léo", "123456789AB", "CM2"),
        pupil("Fictif", "Léa", "not an INE", "CE1"),
        pupil("Fictif", "Léa", "123456789AD", "CE1"),
    ];
    let guardians = [
        guardian("Ambiguë", "0639980001", ";Fictif;Léo;"),
        guardian("Par Classe", "0639980002", ";Fictif;Léo;CM2"),
        guardian("Absente", "0639980003", ";Fictif;Lou;CE1"),
        guardian("Refusée", "0639980004", ";Fictif;Léa;CE1"),
    ];
    let export = pair(&pupils.each_ref().map(String::as_str), &guardians.each_ref().map(String::as_str)).export();
    let held = export.held_links();
    let told: Vec<_> = held
        .iter()
        .map(|held| (held.child_given_name.as_str(), held.reason, held.candidates.len(), held.line))
        .collect();
    assert_eq!(
        told,
        [
            ("Léo", HeldReason::Ambiguous, 2, 2),
            ("Lou", HeldReason::NoSuchPupil, 0, 4),
            // The other Léa was refused, but the guardian may well be hers.
            ("Léa", HeldReason::Ambiguous, 1, 5),
        ]
    );
    let (guardians, _) = split(export.guardians_from(0).unwrap());
    assert_eq!(held[0].guardian, guardians[0].source_key);
    let (pupils, refused) = split(export.pupils_from(0).unwrap());
    assert_eq!(refused.len(), 1);
    assert!(pupils[0].guardians.is_empty());
    assert_eq!(pupils[1].guardians[0].guardian, guardians[1].source_key);
}

#[test]
fn twins_with_names_of_their_own_are_linked() {
    let pupils = [pupil("Fictif", "Ada", "123456789AA", "CE1"), pupil("Fictif", "Eva", "123456789AB", "CE1")];
    let export = pair(
        &pupils.each_ref().map(String::as_str),
        &[&guardian("Chloé", "0639980001", ";Fictif;Ada;CE1;;Fictif;Eva;CE1")],
    )
    .export();
    let (pupils, _) = split(export.pupils_from(0).unwrap());
    assert!(pupils.iter().all(|pupil| pupil.guardians.len() == 1));
}

#[test]
fn one_person_at_two_addresses_is_one_guardian_and_namesakes_are_two() {
    let pupils = [pupil("Fictif", "Ada", "123456789AA", "CE1"), pupil("Martin", "Luc", "123456789AB", "CE1")];
    let guardians = [
        "MME;;Exemple;Chloé;1 rue;33000;Bordeaux;France;;;;;;Fictif;Ada;CE1",
        "MME;;EXEMPLE;Chloe;9 quai;64000;Pau;France;chloe@example.org;;;0639980001;;Fictif;Ada;CE1",
        "MME;;Exemple;Chloé;7 allée;40000;Dax;France;;;;0639980009;;Martin;Luc;CE1",
    ];
    let export = pair(&pupils.each_ref().map(String::as_str), &guardians).export();
    let entries: Vec<_> = export.guardians_from(0).unwrap().map(Result::unwrap).collect();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].notices, [Notice::MergedRecords(2)]);
    let merged = entries[0].outcome.as_ref().unwrap();
    let namesake = entries[1].outcome.as_ref().unwrap();
    assert_eq!(merged.mobile.as_ref().unwrap().as_str(), "+33639980001");
    assert_eq!(merged.email.as_deref(), Some("chloe@example.org"));
    assert_ne!(merged.source_key, namesake.source_key);
    assert_eq!(merged.name_key, namesake.name_key);

    // The key does not depend on the order of the rows.
    let turned = [guardians[2], guardians[1], guardians[0]];
    let again = pair(&pupils.each_ref().map(String::as_str), &turned).export();
    let (again, _) = split(again.guardians_from(0).unwrap());
    assert_eq!(again[1].source_key, merged.source_key);
    assert_eq!(again[0].source_key, namesake.source_key);
}

#[test]
fn namesakes_whose_children_are_namesakes_stay_two_persons() {
    let pupils =
        [pupil("Homonyme", "Camille", "123456789AA", "CE1"), pupil("Homonyme", "Camille", "123456789AB", "CE1")];
    let guardians = [
        "MME;;Homonyme;Adèle;1 rue;33000;Bordeaux;France;;;;0639980001;;Homonyme;Camille;CE1",
        "MME;;Homonyme;Adèle;2 rue;33000;Bordeaux;France;;;;0639980002;;Homonyme;Camille;CE1",
    ];
    let export = pair(&pupils.each_ref().map(String::as_str), &guardians).export();
    let (guardians, _) = split(export.guardians_from(0).unwrap());
    assert_eq!(guardians.len(), 2);
    assert_ne!(guardians[0].source_key, guardians[1].source_key);
    assert_eq!(export.held_links().len(), 2);
}

#[test]
fn rows_may_be_short_but_not_long_and_bad_ones_are_refused_alone() {
    let export = pair(
        &[
            "Fictif;;Ada",
            ";;Ada;2018-03-04;F;;",
            "Fictif;;Luc;31/02/2018;F;;",
            "Fictif;;Guy;2018-03-04;X;;",
            "Fictif;;Ida;2018-03-04;F;;;;;;;;;;;;;;;;;;trop",
            "",
            "Fictif;;Zoé;2018-03-04;F;123456789AA;",
            "Fictif;;Zoé;2018-03-04;F;123456789AA;",
        ],
        &["MME;;Exemple;;1 rue", "MME;;Exemple;Chloé"],
    )
    .export();
    let (pupils, refused) = split(export.pupils_from(0).unwrap());
    assert_eq!(pupils.len(), 2);
    let told: Vec<_> = refused.into_iter().map(|refused| (refused.line, refused.reason)).collect();
    let malformed = |field, expected| RejectionReason::Malformed { field, expected };
    assert_eq!(
        told,
        [
            (3, RejectionReason::Missing("Nom élève")),
            (4, malformed("Date naissance", "a date (dd/mm/yyyy)")),
            (5, malformed("Sexe", "M, H or F")),
            (6, RejectionReason::RowLength { found: 23, expected: 22 }),
            (9, RejectionReason::Duplicate("INE, or name and date of birth")),
        ]
    );
    let (guardians, refused) = split(export.guardians_from(0).unwrap());
    assert_eq!((guardians.len(), refused.len()), (1, 1));
    assert!(!guardians[0].has_level1);
}

#[test]
fn columns_are_found_by_name_and_the_extra_number_column_shifts_nothing() {
    let header = GUARDIANS_HEADER.replace("Téléphone portable", "Numéro de poste;Téléphone portable");
    let shipment =
        Shipment::new().with("0330001X_a.csv", &file(PUPILS_HEADER, &[&pupil("Fictif", "Ada", "", "CE1")])).with(
            "0330001X_b.csv",
            &file(&header, &["M.;;Exemple;Paul;1 rue;33000;Bordeaux;France;;;;12;0639980001;;Fictif;Ada;CE1"]),
        );
    let (guardians, _) = split(shipment.export().guardians_from(0).unwrap());
    assert_eq!(guardians[0].mobile.as_ref().unwrap().as_str(), "+33639980001");
    assert!(guardians[0].has_level1);
}

#[test]
fn a_file_saved_again_as_utf_8_is_read() {
    let utf8 = |bytes: Vec<u8>| encoding_rs::ISO_8859_15.decode(&bytes).0.into_owned().into_bytes();
    let shipment = Shipment::new()
        .with("0330001X_a.csv", &utf8(file(PUPILS_HEADER, &[&pupil("Œuf", "Zoé", "", "CE1")])))
        .with("0330001X_b.csv", &utf8(file(GUARDIANS_HEADER, &[])));
    let (pupils, _) = split(shipment.export().pupils_from(0).unwrap());
    assert_eq!(pupils[0].family_name, "Œuf");
}

#[test]
fn the_establishment_comes_from_the_name_or_from_the_caller() {
    let shipment = Shipment::new()
        .with("eleves.csv", &file(PUPILS_HEADER, &[]))
        .with("responsables.csv", &file(GUARDIANS_HEADER, &[]));
    assert!(shipment.refusal().contains("put the UAI in the file name"));
    let mut with_uai = options();
    with_uai.uai = Some("0330001X".parse().unwrap());
    let plan = school_files::plan(&shipment.files, &with_uai);
    assert_eq!(plan.exports[0].uai().as_str(), "0330001X");
}

#[test]
fn streams_resume_at_any_ordinal() {
    let rows: Vec<String> = (0..7).map(|number| pupil("Fictif", &format!("Ada {number}"), "", "CE1")).collect();
    let guardians: Vec<String> = (0..7)
        .map(|number| guardian(&format!("G{}", number / 2), "0639980001", &format!(";Fictif;Ada {number};CE1")))
        .collect();
    let (rows, guardians): (Vec<_>, Vec<_>) =
        (rows.iter().map(String::as_str).collect(), guardians.iter().map(String::as_str).collect());
    let export = pair(&rows, &guardians).export();
    let all: Vec<_> = export.guardians_from(0).unwrap().map(Result::unwrap).collect();
    assert_eq!(all.len(), 4);
    for from in 0..=7 {
        let rest: Vec<_> = export.guardians_from(from).unwrap().map(Result::unwrap).collect();
        let expected: Vec<_> = all.iter().filter(|entry| entry.ordinal >= from).cloned().collect();
        assert_eq!(rest, expected);
        assert_eq!(export.pupils_from(from).unwrap().count() as u64, 7 - from);
    }
}
