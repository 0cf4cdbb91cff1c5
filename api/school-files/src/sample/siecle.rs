//! Writing enrolments as SIECLE does: two zips with one XML each, in ISO-8859-15.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDateTime;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::people::{Enrolment, Fault, SampleChild, SampleGuardian, School, person_id};

/// Offset between the ELEVE_IDs of two generations: they do not outlive an export.
const GENERATION_OFFSET: u64 = 1_000_000_000;

/// What the parameters of an export say.
pub(super) struct Stamp {
    pub(super) year: u16,
    pub(super) exported_at: NaiveDateTime,
    pub(super) generation: u32,
}

impl Stamp {
    fn pupil_id(&self, child: &SampleChild) -> u64 {
        GENERATION_OFFSET * u64::from(self.generation) + 100_000 + child.number
    }
}

/// A zip with one file of text in ISO-8859-15.
struct Export {
    zip: ZipWriter<BufWriter<File>>,
    text: String,
}

impl Export {
    fn create(
        path: &Path,
        inside: &str,
        root: &str,
        version: &str,
        school: &School,
        stamp: &Stamp,
    ) -> io::Result<Self> {
        let mut zip = ZipWriter::new(BufWriter::new(File::create(path)?));
        // The default time is fixed, so that the same people give the same bytes.
        let options = SimpleFileOptions::default().compression_level(Some(6)).large_file(true);
        zip.start_file(inside, options)?;
        let mut export = Self { zip, text: String::with_capacity(4096) };
        let (uai, year) = (school.uai, stamp.year);
        let (day, moment) = (stamp.exported_at.format("%d/%m/%Y"), stamp.exported_at.format("%d/%m/%Y %H:%M:%S"));
        write!(
            export.text,
            "<?xml version=\"1.0\" encoding=\"ISO-8859-15\"?>\n<{root} VERSION=\"{version}\">\n<PARAMETRES>\n<UAJ>{uai}</UAJ>\n<ANNEE_SCOLAIRE>{year}</ANNEE_SCOLAIRE>\n<DATE_EXPORT>{day}</DATE_EXPORT>\n<HORODATAGE>{moment}</HORODATAGE>\n</PARAMETRES>\n<DONNEES>\n"
        )
        .map_err(io::Error::other)?;
        export.flush()?;
        Ok(export)
    }

    /// An element with a text, left out when there is none.
    fn field(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        self.text.push('<');
        self.text.push_str(name);
        self.text.push('>');
        for character in value.chars() {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                other => self.text.push(other),
            }
        }
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push_str(">\n");
    }

    fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn flush(&mut self) -> io::Result<()> {
        let (bytes, _, lossy) = encoding_rs::ISO_8859_15.encode(&self.text);
        if lossy {
            return Err(io::Error::other("a sample text does not fit ISO-8859-15"));
        }
        self.zip.write_all(&bytes)?;
        self.text.clear();
        Ok(())
    }

    fn finish(mut self, root: &str) -> io::Result<()> {
        self.raw(&format!("</DONNEES>\n</{root}>\n"));
        self.flush()?;
        self.zip.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// Writes the two zips of a school. `enrolments` is gone through four times.
pub(super) fn write<I: Iterator<Item = Enrolment>>(
    directory: &Path,
    school: &School,
    stamp: &Stamp,
    enrolments: impl Fn() -> I,
) -> io::Result<[PathBuf; 2]> {
    let paths = ["Eleves", "Responsables"].map(|kind| directory.join(format!("ExportXML_{kind}AvecAdresses.zip")));
    write_pupils(&paths[0], school, stamp, &enrolments)?;
    write_guardians(&paths[1], school, stamp, &enrolments)?;
    Ok(paths)
}

fn write_pupils<I: Iterator<Item = Enrolment>>(
    path: &Path,
    school: &School,
    stamp: &Stamp,
    enrolments: &impl Fn() -> I,
) -> io::Result<()> {
    let mut export = Export::create(path, "ElevesAvecAdresses.xml", "BEE_ELEVES", "3.0", school, stamp)?;
    export.raw("<ELEVES>\n");
    for child in enrolments().flat_map(|enrolment| enrolment.children) {
        write_pupil(&mut export, &child, stamp);
        export.flush()?;
    }
    export.raw("</ELEVES>\n<OPTIONS/>\n<STRUCTURES>\n");
    for child in enrolments().flat_map(|enrolment| enrolment.children) {
        let id = stamp.pupil_id(&child);
        export.raw(&format!("<STRUCTURES_ELEVE ELEVE_ID=\"{id}\">\n<STRUCTURE>\n"));
        export.field("CODE_STRUCTURE", &child.class);
        export.raw("<TYPE_STRUCTURE>D</TYPE_STRUCTURE>\n</STRUCTURE>\n<STRUCTURE>\n");
        export.raw("<CODE_STRUCTURE>LATIN</CODE_STRUCTURE>\n<TYPE_STRUCTURE>G</TYPE_STRUCTURE>\n");
        export.raw("</STRUCTURE>\n</STRUCTURES_ELEVE>\n");
        export.flush()?;
    }
    export.raw("</STRUCTURES>\n<BOURSES/>\n<ADRESSES/>\n");
    export.finish("BEE_ELEVES")
}

fn write_pupil(export: &mut Export, child: &SampleChild, stamp: &Stamp) {
    let number = child.number;
    export.raw(&format!("<ELEVE ELEVE_ID=\"{}\" ELENOET=\"{number}\">\n", stamp.pupil_id(child)));
    match (child.fault, &child.ine) {
        (Some(Fault::Ine), _) => export.field("ID_NATIONAL", "12345"),
        (_, Some(ine)) => export.field("ID_NATIONAL", ine),
        (_, None) => export.raw("<ID_NATIONAL/>\n"),
    }
    export.field("ELENOET", &number.to_string());
    export.field("NOM_DE_FAMILLE", &child.family_name);
    export.field("NOM_USAGE", child.usage_name.as_deref().unwrap_or_default());
    if child.fault != Some(Fault::GivenName) {
        for (field, name) in ["PRENOM", "PRENOM2", "PRENOM3"].iter().zip(&child.given_names) {
            export.field(field, name);
        }
    }
    let birth_date = child.birth_date.map(|date| date.format("%d/%m/%Y").to_string());
    export.field(
        "DATE_NAISS",
        if child.fault == Some(Fault::Date) { "31/02/2012" } else { birth_date.as_deref().unwrap_or_default() },
    );
    export.raw("<DOUBLEMENT>0</DOUBLEMENT>\n<CODE_PAYS>100</CODE_PAYS>\n<ACCEPTE_SMS>0</ACCEPTE_SMS>\n");
    export.field("CODE_SEXE", if child.female { "2" } else { "1" });
    export.raw("<CODE_DEPARTEMENT_NAISS>059</CODE_DEPARTEMENT_NAISS>\n<CODE_COMMUNE_INSEE_NAISS>59350</CODE_COMMUNE_INSEE_NAISS>\n<CODE_PAYS_NAT>100</CODE_PAYS_NAT>\n<CODE_REGIME>2</CODE_REGIME>\n");
    export.field("DATE_ENTREE", &format!("01/09/{}", stamp.year));
    if let Some(date) = child.left_on {
        export.field("DATE_SORTIE", &date.format("%d/%m/%Y").to_string());
        export.field("CODE_MOTIF_SORTIE", "11");
    }
    export.raw("<CODE_STATUT>ST</CODE_STATUT>\n<CODE_MEF>10010012110</CODE_MEF>\n<SCOLARITE_AN_DERNIER>\n<CODE_MEF>10010012110</CODE_MEF>\n<CODE_STRUCTURE>Z</CODE_STRUCTURE>\n</SCOLARITE_AN_DERNIER>\n</ELEVE>\n");
}

fn write_guardians<I: Iterator<Item = Enrolment>>(
    path: &Path,
    school: &School,
    stamp: &Stamp,
    enrolments: &impl Fn() -> I,
) -> io::Result<()> {
    let (inside, root) = ("ResponsablesAvecAdresses.xml", "BEE_RESPONSABLES");
    let mut export = Export::create(path, inside, root, "2.1", school, stamp)?;
    export.raw("<PERSONNES>\n");
    for enrolment in enrolments() {
        for guardian in &enrolment.guardians {
            write_person(&mut export, guardian, school);
        }
        for child in enrolment.children.iter().filter(|child| child.adult) {
            write_person(&mut export, &as_guardian(child), school);
        }
        export.flush()?;
    }
    export.raw("</PERSONNES>\n<RESPONSABLES>\n");
    for enrolment in enrolments() {
        for child in &enrolment.children {
            if child.adult {
                write_link(&mut export, child, &as_guardian(child), school, stamp);
            } else {
                for guardian in &enrolment.guardians {
                    write_link(&mut export, child, guardian, school, stamp);
                }
            }
        }
        export.flush()?;
    }
    export.raw("</RESPONSABLES>\n<ADRESSES>\n");
    for guardian in enrolments().flat_map(|enrolment| enrolment.guardians) {
        let (id, street) = (guardian.street, guardian.street % 97);
        export.raw(&format!("<ADRESSE ADRESSE_ID=\"{id}\">\n"));
        export.field("LIGNE1_ADRESSE", &format!("{street} rue de l'Échantillon"));
        export.raw("<CODE_POSTAL>59000</CODE_POSTAL>\n<LL_PAYS>FRANCE</LL_PAYS>\n</ADRESSE>\n");
        export.flush()?;
    }
    export.raw("</ADRESSES>\n");
    export.finish(root)
}

/// The person an adult pupil is in the file of guardians.
fn as_guardian(child: &SampleChild) -> SampleGuardian {
    SampleGuardian {
        // Families number their guardians from 0 to 2.
        number: child.number / 4 * 4 + 3,
        title: if child.female { "MME" } else { "M." },
        family_name: child.family_name.clone(),
        usage_name: child.usage_name.clone(),
        given_name: child.given_names.first().cloned().unwrap_or_default(),
        mobile: Some(format!("+3363998{:04}", (child.number + 5_000) % 10_000)),
        home_phone: None,
        email: None,
        level: 1,
        relationship: 70,
        street: child.number * 2,
        listed_twice: false,
        fault: None,
    }
}

fn write_person(export: &mut Export, guardian: &SampleGuardian, school: &School) {
    let id = person_id(guardian.number, school.academie);
    export.raw(&format!("<PERSONNE PERSONNE_ID=\"{id}\">\n"));
    export.field("LC_CIVILITE", guardian.title);
    export.field("NOM_DE_FAMILLE", &guardian.family_name);
    export.field("NOM_USAGE", guardian.usage_name.as_deref().unwrap_or_default());
    if guardian.fault.is_none() {
        export.field("PRENOM", &guardian.given_name);
    }
    export.field("TEL_PERSONNEL", guardian.home_phone.as_deref().unwrap_or_default());
    match &guardian.mobile {
        Some(mobile) => export.field("TEL_PORTABLE", mobile),
        None => export.raw("<TEL_PORTABLE/>\n"),
    }
    export.raw("<ACCEPTE_SMS>1</ACCEPTE_SMS>\n");
    export.field("MEL", guardian.email.as_deref().unwrap_or_default());
    export.raw("<COMMUNICATION_ADRESSE>1</COMMUNICATION_ADRESSE>\n");
    export.field("ADRESSE_ID", &guardian.street.to_string());
    export.raw("</PERSONNE>\n");
}

fn write_link(export: &mut Export, child: &SampleChild, guardian: &SampleGuardian, school: &School, stamp: &Stamp) {
    export.raw("<RESPONSABLE_ELEVE>\n");
    export.field("ELEVE_ID", &stamp.pupil_id(child).to_string());
    export.field("PERSONNE_ID", &person_id(guardian.number, school.academie).to_string());
    export.field("NIVEAU_RESPONSABILITE", &guardian.level.to_string());
    export.field("CODE_PARENTE", &guardian.relationship.to_string());
    export.raw("<PAIE_FRAIS_SCOLAIRES>0</PAIE_FRAIS_SCOLAIRES>\n<HEBERGE_ELEVE>true</HEBERGE_ELEVE>\n<A_CONTACTER_EN_PRIORITE>false</A_CONTACTER_EN_PRIORITE>\n</RESPONSABLE_ELEVE>\n");
}
