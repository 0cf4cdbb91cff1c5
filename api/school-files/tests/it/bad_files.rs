//! Files refused whole: each says where and why, before anything is emitted.

use std::fs;

use crate::onde::{GUARDIANS_HEADER, PUPILS_HEADER, file};
use crate::siecle::{eleves, responsables};
use crate::support::{Shipment, latin9, options, write_zip};

/// Refusal of an export whose file of pupils is `bytes`.
fn refusal(bytes: &[u8]) -> String {
    Shipment::new().with("eleves.xml", bytes).with("responsables.xml", &responsables("<PERSONNES/>")).refusal()
}

fn replaced(from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(eleves("<ELEVES/>")).unwrap();
    assert!(text.contains(from));
    text.replace(from, to).into_bytes()
}

#[test]
fn malformed_xml_names_line_and_column() {
    let told = refusal(&eleves("<ELEVES>\n  <ELEVE ELEVE_ID=\"1\"></ELEVES>"));
    assert!(told.starts_with("eleves.xml, line 6, column 23: not well-formed XML"), "{told}");
}

#[test]
fn a_truncated_document_is_refused() {
    let whole = eleves("<ELEVES>\n</ELEVES>");
    for cut in [whole.len() - 14, whole.len() - 5, 200] {
        let told = refusal(&whole[..cut]);
        assert!(told.contains("line ") && told.contains("not well-formed XML"), "{cut}: {told}");
    }
}

#[test]
fn an_undeclared_entity_is_refused() {
    let told = refusal(&eleves("<ELEVES><ELEVE ELEVE_ID=\"1\"><PRENOM>No&euml;l</PRENOM></ELEVE></ELEVES>"));
    assert!(told.starts_with("eleves.xml, line 5, column "), "{told}");
    assert!(told.contains("undeclared entity"), "{told}");
    let told = refusal(&eleves("<ELEVES><ELEVE ELEVE_ID=\"&x;\"/></ELEVES>"));
    assert!(told.contains("undeclared entity"), "{told}");
    let told = refusal(&eleves("<ELEVES>&#0;</ELEVES>"));
    assert!(told.contains("not well-formed XML"), "{told}");
}

#[test]
fn document_types_are_refused_and_no_entity_expands() {
    let bomb = replaced("<BEE_ELEVES", "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>\n<BEE_ELEVES");
    let told = refusal(&bomb);
    assert!(told.starts_with("eleves.xml, line 2, column 1: a document type"), "{told}");
    let external = replaced("<BEE_ELEVES", "<!DOCTYPE x SYSTEM \"file:///etc/hostname\">\n<BEE_ELEVES");
    assert!(refusal(&external).contains("document type"));
}

#[test]
fn bytes_outside_the_declared_encoding_are_refused_where_they_stand() {
    // “œ” as windows-1252 has it, in a file that says ISO-8859-15.
    let mut bytes = eleves("<ELEVES>\nC?ur</ELEVES>");
    let place = bytes.windows(4).position(|window| window == b"C?ur").unwrap() + 1;
    bytes[place] = 0x9c;
    assert_eq!(
        refusal(&bytes),
        "eleves.xml, line 6, column 2: byte 0x9C is not valid in ISO-8859-15: the file was damaged or saved with another encoding"
    );
    // “é” of ISO-8859-15 in a file that says UTF-8.
    let declared = String::from_utf8(eleves("<ELEVES>\nZo?</ELEVES>")).unwrap();
    let mut bytes = declared.replace("ISO-8859-15", "UTF-8").into_bytes();
    let place = bytes.windows(3).position(|window| window == b"Zo?").unwrap() + 2;
    bytes[place] = 0xe9;
    let told = refusal(&bytes);
    assert!(told.starts_with("eleves.xml, line 6, column 3: byte 0xE9 is not valid in UTF-8"), "{told}");
}

#[test]
fn a_bad_byte_far_into_the_file_is_found_at_its_line() {
    let mut donnees = String::from("<ELEVES>\n");
    for id in 0..20_000 {
        donnees.push_str(&format!("<ELEVE ELEVE_ID=\"{id}\"><PRENOM>Zoé</PRENOM></ELEVE>\n"));
    }
    donnees.push_str("@</ELEVES>");
    let mut bytes = eleves(&donnees);
    let place = bytes.iter().rposition(|byte| *byte == b'@').unwrap();
    bytes[place] = 0x07;
    let told = refusal(&bytes);
    assert!(told.starts_with("eleves.xml, line 20006, column 1: byte 0x07"), "{told}");
}

#[test]
fn unknown_encodings_roots_and_versions_are_refused() {
    assert!(refusal(&replaced("ISO-8859-15", "EBCDIC")).contains("declares the encoding EBCDIC"));
    let told = refusal(&replaced("VERSION=\"3.0\"", "VERSION=\"4.0\""));
    assert!(told.starts_with("eleves.xml, line 2, column 1: BEE_ELEVES version 4.0"), "{told}");
    let other = replaced("BEE_ELEVES", "AUTRE");
    assert!(refusal(&other).contains("is neither a SIECLE export"));
    assert!(refusal(b"just a text").contains("is neither a SIECLE export"));
    assert!(refusal(b"").contains("is neither a SIECLE export"));
}

#[test]
fn missing_parameters_are_named() {
    let told = refusal(&replaced("<UAJ>0590001F</UAJ>", ""));
    assert_eq!(told, "eleves.xml, line 3, column 1: parameter UAJ is missing or malformed");
    let told = refusal(&replaced("<ANNEE_SCOLAIRE>2026</ANNEE_SCOLAIRE>", "<ANNEE_SCOLAIRE/>"));
    assert!(told.contains("parameter ANNEE_SCOLAIRE"), "{told}");
    let told = refusal(&replaced("02/09/2026 08:15:30", "hier"));
    assert!(told.contains("parameter HORODATAGE"), "{told}");
}

#[test]
fn halves_must_belong_together() {
    let alone = Shipment::new().with("eleves.xml", &eleves("<ELEVES/>"));
    assert_eq!(
        alone.refusal(),
        "eleves.xml: ResponsablesAvecAdresses of establishment 0590001F was not given: an export needs both files"
    );
    let twice = Shipment::new().with("eleves.xml", &eleves("<ELEVES/>")).with("encore.xml", &eleves("<ELEVES/>"));
    assert!(twice.refusal().contains("is a second ElevesAvecAdresses of establishment 0590001F"));
    let told = refusal(&replaced("<UAJ>0590001F", "<UAJ>0590002G"));
    assert!(told.contains("of establishment 0590001F was not given"), "{told}");
    let told = refusal(&replaced("<ANNEE_SCOLAIRE>2026", "<ANNEE_SCOLAIRE>2025"));
    assert!(told.contains("belongs to school year 2026, the other file to 2025"), "{told}");
    let told = refusal(&replaced("<UAJ>0590001F", "<UAJ>9990001F"));
    assert!(!told.is_empty());
}

#[test]
fn damaged_and_surprising_archives_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.zip");
    let donnees = format!("<ELEVES>{}</ELEVES>", "<ELEVE ELEVE_ID=\"1\"/>".repeat(5_000));
    let bytes = eleves(&donnees);
    write_zip(&path, &[("Eleves.xml", &bytes)]);
    let zip = fs::read(&path).unwrap();
    assert!(refusal(&zip[..zip.len() / 2]).contains("eleves.xml: damaged or unreadable zip archive"));
    let mut flipped = zip.clone();
    let middle = zip.len() / 3;
    flipped[middle] ^= 0x55;
    assert!(refusal(&flipped).contains("eleves.xml"));
    write_zip(&path, &[("a.xml", &bytes), ("b.xml", &bytes)]);
    assert!(refusal(&fs::read(&path).unwrap()).contains("holds 2 files where one is expected"));
    write_zip(&path, &[]);
    assert!(refusal(&fs::read(&path).unwrap()).contains("eleves.xml: "));
}

#[test]
fn a_zip_bomb_is_refused_before_it_unpacks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.zip");
    // One element of spaces: unpacked it would be 64 MiB, packed it is 64 KiB.
    write_zip(&path, &[("Eleves.xml", &eleves(&"     \n".repeat(11_000_000)))]);
    let told = refusal(&fs::read(&path).unwrap());
    assert!(told.contains("refused as a zip bomb") || told.contains("is longer than"), "{told}");
}

#[test]
fn an_endless_element_is_refused() {
    let told = refusal(&eleves(&format!("<ELEVES><!--{}--></ELEVES>", "x".repeat(600_000))));
    assert!(told.contains("is longer than 262144 bytes"), "{told}");
}

#[test]
fn csv_files_without_their_columns_or_in_another_encoding_are_refused() {
    let pair = |pupils: &[u8], guardians: &[u8]| {
        Shipment::new().with("0330001X_a.csv", pupils).with("0330001X_b.csv", guardians).refusal()
    };
    let guardians = file(GUARDIANS_HEADER, &[]);
    let told = pair(&latin9("Nom élève;Prénom élève;INE\r\n"), &guardians);
    assert_eq!(told, "0330001X_a.csv, line 1, column 1: column “Date naissance” is missing from the header");
    let mut bytes = file(PUPILS_HEADER, &["Fictif;;Ada", "C?ur;;Ada"]);
    let place = bytes.windows(4).position(|window| window == b"C?ur").unwrap() + 1;
    bytes[place] = 0x9c;
    let told = pair(&bytes, &guardians);
    assert!(told.starts_with("0330001X_a.csv, line 3, column 2: byte 0x9C"), "{told}");
    let told = pair(&file(PUPILS_HEADER, &["\"never closed", &"x".repeat(600_000)]), &guardians);
    assert!(told.contains("is longer than"), "{told}");
}

#[test]
fn structures_and_nomenclatures_are_set_aside() {
    let text = |root: &str| {
        String::from_utf8(eleves(""))
            .unwrap()
            .replace("BEE_ELEVES VERSION=\"3.0\"", &format!("{root} VERSION=\"2.0\""))
            .replace("/BEE_ELEVES", &format!("/{root}"))
    };
    let shipment = Shipment::new()
        .with("s.xml", text("BEE_STRUCTURES").as_bytes())
        .with("n.xml", text("BEE_NOMENCLATURES").as_bytes());
    let plan = school_files::plan(&shipment.files, &options());
    assert_eq!(plan.ignored.len(), 2);
    assert!(plan.refused.is_empty() && plan.exports.is_empty());
}
