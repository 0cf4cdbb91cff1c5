//! Writing enrolments as ONDE does: two CSV files in ISO-8859-15.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Terminator, Writer, WriterBuilder};

use super::people::{Enrolment, Fault, SampleChild, SampleGuardian, School, national_form};

/// The leading space of “ Cycle” is real.
const PUPILS: [&str; 22] = [
    "Nom élève",
    "Nom d'usage élève",
    "Prénom élève",
    "Date naissance",
    "Sexe",
    "INE",
    "Adresse1",
    "Cp1",
    "Commune1",
    "Pays1",
    "Adresse2",
    "Cp2",
    "Commune2",
    "Pays2",
    " Cycle",
    "Niveau",
    "Libellé classe",
    "Identifiant classe",
    "Attestation fournie",
    "Autorisation associations",
    "Autorisation photo",
    "Décision de passage",
];

const GUARDIANS: [&str; 12] = [
    "Civilité Responsable",
    "Nom usage responsable",
    "Nom responsable",
    "Prénom responsable",
    "Adresse responsable",
    "CP responsable",
    "Commune responsable",
    "Pays",
    "Courriel",
    "Téléphone domicile",
    "Téléphone travail",
    "Téléphone portable",
];

const CHILD: [&str; 4] = ["Nom d'usage enfant", "Nom de famille enfant", "Prénom enfant", "Classes enfants"];

/// Most children of a family.
const GROUPS: usize = 4;

struct Table(Writer<BufWriter<File>>);

impl Table {
    fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        Ok(Self(
            WriterBuilder::new()
                .delimiter(b';')
                .terminator(Terminator::CRLF)
                // Real rows end early.
                .flexible(true)
                .from_writer(file),
        ))
    }

    fn row<'a>(&mut self, fields: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        let mut record = ByteRecord::new();
        for field in fields {
            let (bytes, _, lossy) = encoding_rs::ISO_8859_15.encode(field);
            if lossy {
                return Err(io::Error::other("a sample text does not fit ISO-8859-15"));
            }
            record.push_field(&bytes);
        }
        self.0.write_byte_record(&record).map_err(io::Error::other)
    }

    fn finish(self) -> io::Result<()> {
        let file = self.0.into_inner().map_err(|error| error.into_error())?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// Writes the two files of an école. `enrolments` is gone through twice.
pub(super) fn write<I: Iterator<Item = Enrolment>>(
    directory: &Path,
    school: &School,
    enrolments: impl Fn() -> I,
) -> io::Result<[PathBuf; 2]> {
    let paths = ["Eleves", "Responsables"].map(|kind| directory.join(format!("ONDE_{kind}_{}.csv", school.uai)));
    let mut pupils = Table::create(&paths[0])?;
    pupils.row(PUPILS)?;
    for child in enrolments().flat_map(|enrolment| enrolment.children) {
        write_pupil(&mut pupils, &child)?;
    }
    pupils.finish()?;
    let mut guardians = Table::create(&paths[1])?;
    let groups = std::iter::repeat_n(CHILD, GROUPS).flatten();
    guardians.row(GUARDIANS.into_iter().chain(groups))?;
    for enrolment in enrolments() {
        // The format knows legal guardians only.
        for guardian in enrolment.guardians.iter().filter(|guardian| guardian.level == 1) {
            write_guardian(&mut guardians, guardian, &enrolment.children, 0)?;
            if guardian.listed_twice {
                write_guardian(&mut guardians, guardian, &enrolment.children, 1)?;
            }
        }
    }
    guardians.finish()?;
    Ok(paths)
}

fn write_pupil(table: &mut Table, child: &SampleChild) -> io::Result<()> {
    let birth_date = match (child.fault, child.birth_date) {
        (Some(Fault::Date), _) => "31/02/2018".to_owned(),
        (_, None) => String::new(),
        // Both ways to write a date are met.
        (_, Some(date)) if child.number.is_multiple_of(2) => date.to_string(),
        (_, Some(date)) => date.format("%d/%m/%Y").to_string(),
    };
    let given_names = match child.fault {
        Some(Fault::GivenName) => String::new(),
        _ => child.given_names.join(", "),
    };
    let ine = match child.fault {
        Some(Fault::Ine) => "12345",
        _ => child.ine.as_deref().unwrap_or_default(),
    };
    let street = format!("{} rue de l'Échantillon", child.number % 97);
    let level = child.class.split(' ').next().unwrap_or_default();
    table.row([
        child.family_name.as_str(),
        child.usage_name.as_deref().unwrap_or_default(),
        &given_names,
        &birth_date,
        if child.female { "F" } else { "M" },
        ine,
        &street,
        "33000",
        "BORDEAUX",
        "France",
        "",
        "",
        "",
        "",
        "CYCLE II",
        level,
        &child.class,
    ])
}

fn write_guardian(
    table: &mut Table,
    guardian: &SampleGuardian,
    children: &[SampleChild],
    address: u64,
) -> io::Result<()> {
    let street = format!("{} allée de la Fiction", guardian.street % 89 + 100 * address);
    let phone = |number: &Option<String>| number.as_deref().map(national_form).unwrap_or_default();
    let (home, mobile) = (phone(&guardian.home_phone), phone(&guardian.mobile));
    let given_name = if guardian.fault.is_some() { "" } else { &guardian.given_name };
    let mut row = vec![
        guardian.title,
        guardian.usage_name.as_deref().unwrap_or_default(),
        &guardian.family_name,
        given_name,
        &street,
        if address == 0 { "33000" } else { "64000" },
        "BORDEAUX",
        "France",
        guardian.email.as_deref().unwrap_or_default(),
        &home,
        "",
        &mobile,
    ];
    for child in children {
        row.extend([
            child.usage_name.as_deref().unwrap_or_default(),
            child.family_name.as_str(),
            child.given_names.first().map(String::as_str).unwrap_or_default(),
            child.class.as_str(),
        ]);
    }
    table.row(row)
}
