//! Rows of the file of pupils.

use std::sync::Arc;

use csv::StringRecord;
use domain::identifiers::{Ine, PupilKey, Sex, match_key};

use crate::error::FileError;
use crate::records::{Entry, LinkRecord, MandatoryField, PupilRecord};
use crate::report::{Notice, Rejection, RejectionReason};
use crate::source::Source;
use crate::values;

use super::Context;
use super::columns::{PupilColumns, value};
use super::index::Index;
use super::table::Table;

/// Reads one row, without its links.
pub(super) fn read_row(
    row: &StringRecord,
    columns: &PupilColumns,
    context: &Context,
    notices: &mut Vec<Notice>,
) -> Result<PupilRecord, RejectionReason> {
    if row.iter().skip(columns.width).any(|extra| !extra.trim().is_empty()) {
        return Err(RejectionReason::RowLength { found: row.len(), expected: columns.width });
    }
    let Names { family_name, usage_name, given_names } = read_names(row, columns, notices)?;
    let ine: Option<Ine> = value(row, Some(columns.ine))
        .map(|text| text.parse().map_err(|_| RejectionReason::Malformed { field: "INE", expected: "an INE" }))
        .transpose()?;
    let birth_date = values::optional_date("Date naissance", value(row, Some(columns.birth_date)))?;
    let sex = value(row, columns.sex).map(read_sex).transpose()?;
    let class = value(row, columns.class).and_then(values::clean);
    let missing = [
        (MandatoryField::Ine, ine.is_none()),
        (MandatoryField::BirthDate, birth_date.is_none()),
        (MandatoryField::Class, class.is_none()),
    ];
    let source_id = match &ine {
        Some(ine) => PupilKey::from_ine(ine),
        None => {
            let born = birth_date.map(|date| date.to_string()).unwrap_or_default();
            let (family, given) = (match_key(&family_name), match_key(&given_names));
            context.pupil_key(context.digest("pupil", &[&family, &given, &born]))
        }
    };
    Ok(PupilRecord {
        source_id,
        ine,
        usage_name,
        family_name,
        given_names: split_given_names(&given_names),
        birth_date,
        sex,
        birth_country: None,
        birth_commune: None,
        birth_town_abroad: None,
        class,
        mef: None,
        level: value(row, columns.level).and_then(values::clean),
        entered_on: None,
        left_on: None,
        leaving_reason: None,
        guardians: Vec::new(),
        unread_guardians: Vec::new(),
        missing: missing.into_iter().filter(|(_, lacks)| *lacks).map(|(field, _)| field).collect(),
    })
}

struct Names {
    family_name: String,
    /// Only where it is another.
    usage_name: Option<String>,
    /// As written.
    given_names: String,
}

fn read_names(row: &StringRecord, columns: &PupilColumns, notices: &mut Vec<Notice>) -> Result<Names, RejectionReason> {
    let required =
        |field, column| values::name(field, value(row, Some(column)))?.ok_or(RejectionReason::Missing(field));
    let usage_name = values::name("Nom d'usage élève", value(row, columns.usage_name))?;
    let family_name = match (required("Nom élève", columns.family_name), &usage_name) {
        (Ok(name), _) => name,
        (Err(RejectionReason::Missing(_)), Some(name)) => {
            notices.push(Notice::UsageNameOnly);
            name.clone()
        }
        (Err(reason), _) => return Err(reason),
    };
    let given_names = required("Prénom élève", columns.given_name)?;
    Ok(Names { usage_name: usage_name.filter(|name| *name != family_name), family_name, given_names })
}

fn read_sex(text: &str) -> Result<Sex, RejectionReason> {
    match text {
        "M" | "H" | "m" | "h" => Ok(Sex::Male),
        "F" | "f" => Ok(Sex::Female),
        _ => Err(RejectionReason::Malformed { field: "Sexe", expected: "M, H or F" }),
    }
}

/// ONDE separates several first names by commas; a space may belong to a compound one.
fn split_given_names(text: &str) -> Vec<String> {
    let names: Vec<String> = text.split(',').filter_map(values::clean).collect();
    if names.is_empty() { vec![text.to_owned()] } else { names }
}

/// Reads the pupils of an export, in the order of the file.
pub(crate) struct PupilReader {
    table: Table,
    columns: PupilColumns,
    index: Arc<Index>,
    context: Context,
    next: u64,
    from: u64,
}

impl PupilReader {
    pub(crate) fn open(source: &Source, index: Arc<Index>, context: Context, from: u64) -> Result<Self, FileError> {
        let table = Table::open(source)?;
        let columns = PupilColumns::find(&table)?;
        Ok(Self { table, columns, index, context, next: 0, from })
    }

    /// The next pupil; nothing at the end.
    pub(crate) fn advance(&mut self) -> Result<Option<Entry<PupilRecord>>, FileError> {
        while self.table.next()? {
            let ordinal = self.next;
            self.next += 1;
            if ordinal >= self.from {
                return Ok(Some(self.entry(ordinal)));
            }
        }
        Ok(None)
    }

    fn entry(&self, ordinal: u64) -> Entry<PupilRecord> {
        let line = self.table.line();
        let mut notices = Vec::new();
        let outcome = self.record(ordinal, &mut notices).map_err(|reason| Rejection {
            file: self.table.file().to_owned(),
            line,
            record: "pupil".into(),
            reason,
            ine: value(self.table.row(), Some(self.columns.ine)).and_then(|text| text.parse().ok()),
        });
        Entry { ordinal, line, outcome, notices }
    }

    fn record(&self, ordinal: u64, notices: &mut Vec<Notice>) -> Result<PupilRecord, RejectionReason> {
        let mut record = read_row(self.table.row(), &self.columns, &self.context, notices)?;
        if let Some(field) = self.index.repeated(ordinal) {
            return Err(RejectionReason::Duplicate(field));
        }
        record.guardians = self
            .index
            .guardians_of(ordinal)
            .map(|digest| LinkRecord {
                guardian: self.context.guardian_key(digest),
                // The file lists legal guardians only and knows no other level.
                level: domain::identifiers::GuardianLevel::Legal,
                relationship: None,
                self_guardian: false,
            })
            .collect();
        if record.guardians.len() > 2 {
            notices.push(Notice::TooManyLegalGuardians(record.guardians.len()));
        }
        Ok(record)
    }
}
