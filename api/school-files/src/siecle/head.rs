//! What stands before `DONNEES` in every file.

use chrono::NaiveDateTime;
use domain::identifiers::Uai;

use crate::error::{FileError, FileReason};
use crate::values;
use crate::xml::{Fields, Step, XmlStream};

/// The kinds of export, by their root element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Eleves,
    Responsables,
    /// Structures, nomenclatures and others, which are not needed.
    Other,
}

/// Root elements with the highest major version known.
const ROOTS: &[(&str, Kind, u32)] = &[
    ("BEE_ELEVES", Kind::Eleves, 3),
    ("BEE_RESPONSABLES", Kind::Responsables, 2),
    ("BEE_STRUCTURES", Kind::Other, 2),
    ("BEE_NOMENCLATURES", Kind::Other, 5),
];

/// Parameters of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) uai: Uai,
    pub(crate) school_year: u16,
    pub(crate) exported_at: NaiveDateTime,
}

impl Head {
    /// Reads up to and including the start tag of `DONNEES`.
    pub(crate) fn read(xml: &mut XmlStream) -> Result<Self, FileError> {
        while xml.step()? != Step::Open {}
        let kind = root_kind(xml)?;
        let mut parameters = None;
        loop {
            match xml.step()? {
                Step::Open if xml.name() == "PARAMETRES" => {
                    parameters = Some(read_parameters(xml)?);
                }
                Step::Open if xml.name() == "DONNEES" => break,
                Step::Open => xml.skip()?,
                Step::Text => {}
                Step::Close | Step::End => return Err(xml.refuse(FileReason::Parameter("DONNEES"))),
            }
        }
        let (uai, school_year, exported_at) =
            parameters.ok_or_else(|| xml.refuse(FileReason::Parameter("PARAMETRES")))?;
        Ok(Self { kind, uai, school_year, exported_at })
    }
}

fn root_kind(xml: &XmlStream) -> Result<Kind, FileError> {
    let (root, kind, known) =
        ROOTS.iter().find(|(root, ..)| *root == xml.name()).ok_or_else(|| xml.refuse(FileReason::Unrecognised))?;
    if let Some(version) = xml.attribute("VERSION") {
        let major = version.split('.').next().and_then(|major| major.trim().parse::<u32>().ok());
        if major.is_none_or(|major| major > *known) {
            return Err(xml.refuse(FileReason::Version {
                root: (*root).into(),
                version: version.chars().take(20).collect(),
                known: *known,
            }));
        }
    }
    Ok(*kind)
}

fn read_parameters(xml: &mut XmlStream) -> Result<(Uai, u16, NaiveDateTime), FileError> {
    let start = xml.refuse(FileReason::Unrecognised);
    let place = (start.line.unwrap_or(1), start.column.unwrap_or(1));
    let mut fields = Fields::new(&["UAJ", "ANNEE_SCOLAIRE", "DATE_EXPORT", "HORODATAGE"]);
    xml.read_fields(&mut fields)?;
    let bad = |name| FileError::at(xml.file(), place, FileReason::Parameter(name));
    let uai = fields.get("UAJ").and_then(|text| text.parse().ok()).ok_or_else(|| bad("UAJ"))?;
    let year = fields
        .get("ANNEE_SCOLAIRE")
        .and_then(|text| text.parse().ok())
        .filter(|year| (1990..=2200).contains(year))
        .ok_or_else(|| bad("ANNEE_SCOLAIRE"))?;
    let exported_at = match (fields.get("HORODATAGE"), fields.get("DATE_EXPORT")) {
        (Some(stamp), _) => values::timestamp(stamp).ok_or_else(|| bad("HORODATAGE"))?,
        (None, Some(day)) => {
            values::date(day).map(|day| day.and_time(chrono::NaiveTime::MIN)).ok_or_else(|| bad("DATE_EXPORT"))?
        }
        (None, None) => return Err(bad("HORODATAGE")),
    };
    Ok((uai, year, exported_at))
}
