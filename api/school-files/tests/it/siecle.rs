//! SIECLE exports.

use chrono::NaiveDate;
use domain::identifiers::{Degree, GuardianLevel, Relationship, Sex};
use school_files::{MandatoryField, Notice, RejectionReason, SourceSystem};

use crate::support::{Shipment, latin9, split};

pub fn eleves(donnees: &str) -> Vec<u8> {
    latin9(&format!(
        r#"<?xml version="1.0" encoding="ISO-8859-15"?>
<BEE_ELEVES VERSION="3.0">
<PARAMETRES><UAJ>0590001F</UAJ><ANNEE_SCOLAIRE>2026</ANNEE_SCOLAIRE><DATE_EXPORT>02/09/2026</DATE_EXPORT><HORODATAGE>02/09/2026 08:15:30</HORODATAGE></PARAMETRES>
<DONNEES>
{donnees}
</DONNEES>
</BEE_ELEVES>"#
    ))
}

pub fn responsables(donnees: &str) -> Vec<u8> {
    latin9(&format!(
        r#"<?xml version="1.0" encoding="ISO-8859-15"?>
<BEE_RESPONSABLES VERSION="2.1">
<PARAMETRES><UAJ>0590001F</UAJ><ANNEE_SCOLAIRE>2026</ANNEE_SCOLAIRE><DATE_EXPORT>02/09/2026</DATE_EXPORT><HORODATAGE>02/09/2026 08:16:00</HORODATAGE></PARAMETRES>
<DONNEES>
{donnees}
</DONNEES>
</BEE_RESPONSABLES>"#
    ))
}

const FULL_PUPIL: &str = r#"<ELEVES>
<ELEVE ELEVE_ID="101" ELENOET="1">
<ID_NATIONAL>123456789AB</ID_NATIONAL><INE_BEA/><NOM_DE_FAMILLE>Fictif-L'Haÿ</NOM_DE_FAMILLE><NOM_USAGE>Cœur &amp; C&#233;</NOM_USAGE>
<PRENOM> Zoé </PRENOM><PRENOM2>Anne</PRENOM2><PRENOM3></PRENOM3><DATE_NAISS>29/02/2012</DATE_NAISS><CODE_PAYS>100</CODE_PAYS>
<CODE_SEXE>2</CODE_SEXE><CODE_COMMUNE_INSEE_NAISS>59350</CODE_COMMUNE_INSEE_NAISS><DATE_ENTREE>01/09/2026</DATE_ENTREE>
<CODE_MEF>10010012110</CODE_MEF>
<SCOLARITE_AN_DERNIER><CODE_MEF>99999999999</CODE_MEF><NOM_DE_FAMILLE>piège</NOM_DE_FAMILLE></SCOLARITE_AN_DERNIER>
</ELEVE>
</ELEVES>
<OPTIONS><OPTION ELEVE_ID="101"><OPTIONS_ELEVE/></OPTION></OPTIONS>
<STRUCTURES>
<STRUCTURES_ELEVE ELEVE_ID="101"><STRUCTURE><CODE_STRUCTURE>6A-LV2</CODE_STRUCTURE><TYPE_STRUCTURE>G</TYPE_STRUCTURE></STRUCTURE><STRUCTURE><CODE_STRUCTURE>6A</CODE_STRUCTURE><TYPE_STRUCTURE>D</TYPE_STRUCTURE></STRUCTURE></STRUCTURES_ELEVE>
</STRUCTURES>
<ADRESSES><ADRESSE ADRESSE_ID="1"><LIGNE1_ADRESSE>1 rue inventée</LIGNE1_ADRESSE></ADRESSE></ADRESSES>"#;

const ONE_GUARDIAN: &str = r#"<PERSONNES>
<PERSONNE PERSONNE_ID="9001"><LC_CIVILITE>Mme</LC_CIVILITE><NOM_DE_FAMILLE>Exemple</NOM_DE_FAMILLE><NOM_USAGE>Fictif</NOM_USAGE><PRENOM>Chloé</PRENOM><TEL_PERSONNEL>01 99 00 00 01</TEL_PERSONNEL><TEL_PORTABLE>+33639980001</TEL_PORTABLE><ACCEPTE_SMS>1</ACCEPTE_SMS><MEL>chloe@example.org</MEL><ADRESSE_ID>1</ADRESSE_ID></PERSONNE>
</PERSONNES>
<RESPONSABLES>
<RESPONSABLE_ELEVE><ELEVE_ID>101</ELEVE_ID><PERSONNE_ID>9001</PERSONNE_ID><NIVEAU_RESPONSABILITE>1</NIVEAU_RESPONSABILITE><CODE_PARENTE>10</CODE_PARENTE></RESPONSABLE_ELEVE>
</RESPONSABLES>"#;

fn person(id: u64, family: &str) -> String {
    format!(
        "<PERSONNE PERSONNE_ID=\"{id}\"><NOM_DE_FAMILLE>{family}</NOM_DE_FAMILLE><PRENOM>Paul</PRENOM></PERSONNE>\n"
    )
}

fn link(pupil: u64, person: u64, rest: &str) -> String {
    format!(
        "<RESPONSABLE_ELEVE><ELEVE_ID>{pupil}</ELEVE_ID><PERSONNE_ID>{person}</PERSONNE_ID>{rest}</RESPONSABLE_ELEVE>\n"
    )
}

fn pupil(id: u64, rest: &str) -> String {
    format!("<ELEVE ELEVE_ID=\"{id}\"><NOM_DE_FAMILLE>Fictif</NOM_DE_FAMILLE><PRENOM>Ada</PRENOM>{rest}</ELEVE>\n")
}

fn shipment(eleves_donnees: &str, responsables_donnees: &str) -> Shipment {
    Shipment::new().with("a.xml", &eleves(eleves_donnees)).with("b.xml", &responsables(responsables_donnees))
}

#[test]
fn a_complete_export_is_read_from_its_zips_whatever_their_names() {
    let shipment = Shipment::new().with_zip("x.zip", "Responsables.xml", &responsables(ONE_GUARDIAN)).with_zip(
        "y.bin",
        "Eleves.xml",
        &eleves(FULL_PUPIL),
    );
    let export = shipment.export();

    let header = export.header();
    assert_eq!(header.uai.as_str(), "0590001F");
    assert_eq!(header.academie.unwrap().name(), "Lille");
    assert_eq!((header.degree, header.source), (Degree::Second, SourceSystem::Siecle));
    assert_eq!(header.school_year, 2026);
    assert_eq!(header.exported_at.to_string(), "2026-09-02 08:15:30");
    assert_ne!(header.files[0].sha256, header.files[1].sha256);

    let (pupils, refused) = split(export.pupils_from(0).unwrap());
    assert!(refused.is_empty(), "{refused:?}");
    let pupil = &pupils[0];
    assert_eq!(pupil.source_id.as_str(), "ine:123456789AB");
    assert_eq!(pupil.family_name, "Fictif-L'Haÿ");
    assert_eq!(pupil.usage_name.as_deref(), Some("Cœur & Cé"));
    assert_eq!(pupil.given_names, ["Zoé", "Anne"]);
    assert_eq!(pupil.birth_date, NaiveDate::from_ymd_opt(2012, 2, 29));
    assert_eq!(pupil.sex, Some(Sex::Female));
    assert_eq!(pupil.birth_commune.as_deref(), Some("59350"));
    assert_eq!(pupil.class.as_deref(), Some("6A"));
    assert_eq!(pupil.mef.as_deref(), Some("10010012110"));
    assert!(pupil.missing.is_empty());
    assert_eq!(pupil.guardians[0].guardian.as_str(), "siecle:09:9001");
    assert_eq!(pupil.guardians[0].level, GuardianLevel::Legal);
    assert_eq!(pupil.guardians[0].relationship, Some(Relationship::Mother));

    let (guardians, refused) = split(export.guardians_from(0).unwrap());
    assert!(refused.is_empty(), "{refused:?}");
    let guardian = &guardians[0];
    assert_eq!(guardian.source_key.as_str(), "siecle:09:9001");
    assert_eq!(guardian.title.as_deref(), Some("MME"));
    assert_eq!((guardian.family_name.as_str(), guardian.given_name.as_str()), ("Exemple", "Chloé"));
    assert_eq!(guardian.usage_name.as_deref(), Some("Fictif"));
    assert_eq!(guardian.mobile.as_ref().unwrap().as_str(), "+33639980001");
    assert_eq!(guardian.other_phones[0].as_str(), "+33199000001");
    assert_eq!(guardian.email.as_deref(), Some("chloe@example.org"));
    assert_eq!(guardian.accepts_sms, Some(true));
    assert!(guardian.has_level1);
}

#[test]
fn absent_and_empty_fields_leave_the_record_incomplete_not_refused() {
    let export = shipment(
        &format!("<ELEVES>{}{}</ELEVES>", pupil(1, ""), pupil(2, "<DATE_NAISS/><CODE_PAYS>995</CODE_PAYS>")),
        "<PERSONNES/><RESPONSABLES/>",
    )
    .export();
    let (pupils, refused) = split(export.pupils_from(0).unwrap());
    assert!(refused.is_empty());
    for pupil in &pupils {
        let all = [MandatoryField::Ine, MandatoryField::BirthDate, MandatoryField::Class];
        assert_eq!(pupil.missing, all);
        assert_eq!(pupil.birth_country, None);
    }
    assert_eq!(pupils[1].source_id.as_str(), "siecle:0590001F:2");
}

#[test]
fn bad_records_are_refused_alone_with_line_key_and_reason() {
    let records = [
        pupil(1, "<DATE_NAISS>31/02/2012</DATE_NAISS>"),
        pupil(2, "<ID_NATIONAL>NOT-AN-INE</ID_NATIONAL>"),
        pupil(3, "<CODE_SEXE>3</CODE_SEXE>"),
        "<ELEVE ELEVE_ID=\"4\"><NOM_DE_FAMILLE>Fictif</NOM_DE_FAMILLE></ELEVE>\n".into(),
        "<ELEVE><NOM_DE_FAMILLE>Fictif</NOM_DE_FAMILLE><PRENOM>Ada</PRENOM></ELEVE>\n".into(),
        pupil(6, "<INE_RNIE>123456789AB</INE_RNIE>"),
        pupil(6, ""),
        pupil(7, "<INE_RNIE>123456789AB</INE_RNIE>"),
        pupil(8, ""),
    ];
    let export = shipment(&format!("<ELEVES>\n{}</ELEVES>", records.concat()), "<PERSONNES/>").export();
    let (pupils, refused) = split(export.pupils_from(0).unwrap());
    assert_eq!(pupils.len(), 2);
    let told: Vec<_> =
        refused.iter().map(|refused| (refused.line, refused.record.as_str(), refused.reason.clone())).collect();
    let malformed = |field, expected| RejectionReason::Malformed { field, expected };
    assert_eq!(
        told,
        [
            (6, "ELEVE 1", malformed("DATE_NAISS", "a date (dd/mm/yyyy)")),
            (7, "ELEVE 2", malformed("ID_NATIONAL", "an INE")),
            (8, "ELEVE 3", malformed("CODE_SEXE", "1 or 2")),
            (9, "ELEVE 4", RejectionReason::Missing("PRENOM")),
            (10, "ELEVE", malformed("ELEVE_ID", "a whole number")),
            (12, "ELEVE 6", RejectionReason::Duplicate("ELEVE_ID")),
            (13, "ELEVE 7", RejectionReason::Duplicate("INE")),
        ]
    );
    assert!(refused.iter().all(|refused| !refused.to_string().contains("31/02")));
}

#[test]
fn old_exports_name_persons_nom_and_levels_resp_legal() {
    let persons = "<PERSONNES><PERSONNE PERSONNE_ID=\"1\"><NOM>Ancien</NOM><PRENOM>Paul</PRENOM></PERSONNE><PERSONNE PERSONNE_ID=\"2\"><NOM>Ancien</NOM><PRENOM>Ida</PRENOM></PERSONNE><PERSONNE PERSONNE_ID=\"3\"><NOM>Ancien</NOM><PRENOM>Guy</PRENOM></PERSONNE></PERSONNES>";
    let links = [
        link(101, 1, "<RESP_LEGAL>1</RESP_LEGAL>"),
        link(101, 2, "<RESP_LEGAL>2</RESP_LEGAL>"),
        link(101, 3, "<RESP_LEGAL>0</RESP_LEGAL>"),
    ];
    let export = shipment(FULL_PUPIL, &format!("{persons}<RESPONSABLES>{}</RESPONSABLES>", links.concat())).export();
    let (pupils, _) = split(export.pupils_from(0).unwrap());
    let levels: Vec<_> = pupils[0].guardians.iter().map(|link| link.level).collect();
    assert_eq!(levels, [GuardianLevel::Legal, GuardianLevel::Legal, GuardianLevel::Contact]);
    let (guardians, _) = split(export.guardians_from(0).unwrap());
    assert!(guardians.iter().all(|guardian| guardian.family_name == "Ancien"));
    assert!(!guardians[2].has_level1);
}

#[test]
fn an_adult_pupil_is_their_own_guardian() {
    let links = link(101, 1, "<NIVEAU_RESPONSABILITE>1</NIVEAU_RESPONSABILITE><CODE_PARENTE>70</CODE_PARENTE>");
    let export = shipment(
        FULL_PUPIL,
        &format!("<PERSONNES>{}</PERSONNES><RESPONSABLES>{links}</RESPONSABLES>", person(1, "Fictif")),
    )
    .export();
    let (pupils, _) = split(export.pupils_from(0).unwrap());
    assert!(pupils[0].guardians[0].self_guardian);
}

#[test]
fn links_that_lead_nowhere_are_reported_and_doubtful_ones_give_the_lesser_right() {
    let level = |level| format!("<NIVEAU_RESPONSABILITE>{level}</NIVEAU_RESPONSABILITE>");
    let links = [
        link(101, 1, &level(1)),
        link(101, 1, &level(3)),
        link(101, 2, &level(1)),
        link(101, 3, &level(1)),
        link(101, 4, &level(1)),
        link(999, 2, &level(1)),
        link(101, 77, &level(1)),
        link(101, 2, &level(9)),
        link(101, 3, ""),
    ];
    let persons: String = (1..=4).map(|id| person(id, "Exemple")).collect();
    let export = shipment(
        FULL_PUPIL,
        &format!("<PERSONNES>\n{persons}</PERSONNES>\n<RESPONSABLES>\n{}</RESPONSABLES>", links.concat()),
    )
    .export();
    let entry = export.pupils_from(0).unwrap().next().unwrap().unwrap();
    assert_eq!(entry.notices, [Notice::ConflictingLinks, Notice::GuardianNotRead, Notice::TooManyLegalGuardians(3)]);
    let pupil = entry.outcome.unwrap();
    assert_eq!(pupil.guardians.len(), 4);
    assert_eq!(pupil.guardians[0].level, GuardianLevel::Contact);
    let (_, refused) = split(export.guardians_from(0).unwrap());
    let reasons: Vec<_> = refused.into_iter().map(|refused| (refused.line, refused.reason)).collect();
    let field = "NIVEAU_RESPONSABILITE";
    assert_eq!(
        reasons,
        [
            (17, RejectionReason::UnknownPupil),
            (18, RejectionReason::UnknownGuardian),
            (19, RejectionReason::Malformed { field, expected: "1, 2 or 3" }),
            (20, RejectionReason::Missing(field)),
        ]
    );
}

#[test]
fn streams_resume_at_any_ordinal() {
    let records: String = (1..=9).map(|id| pupil(id, if id == 3 { "<CODE_SEXE>x</CODE_SEXE>" } else { "" })).collect();
    let export = shipment(&format!("<ELEVES>{records}</ELEVES>"), "<PERSONNES/>").export();
    let all: Vec<_> = export.pupils_from(0).unwrap().map(Result::unwrap).collect();
    assert_eq!(all.len() as u64, export.counts().pupils);
    for from in 0..=9 {
        let rest: Vec<_> = export.pupils_from(from as u64).unwrap().map(Result::unwrap).collect();
        assert_eq!(rest, all[from..]);
    }
    assert_eq!(all.iter().map(|entry| entry.ordinal).collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
}

#[test]
fn a_wrong_check_letter_is_a_notice() {
    let wrong = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace("0590001F", "0590001A").into_bytes();
    let shipment =
        Shipment::new().with("a.xml", &wrong(eleves("<ELEVES/>"))).with("b.xml", &wrong(responsables("<PERSONNES/>")));
    assert_eq!(shipment.export().header().notices, [Notice::UaiKey]);
}
