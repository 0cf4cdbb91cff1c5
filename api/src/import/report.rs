//! What is told of single records: refusals and notices, for a person at the school to act on.
//!
//! A remark says where the record stands, never what is in it: no name, no number.

use std::io::{self, Write};

/// Which half of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The file of guardians.
    Guardians,
    /// The file of pupils.
    Pupils,
}

/// How grave a remark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkKind {
    /// The record was refused alone.
    Refused,
    /// The record went in; something about it deserves attention.
    Notice,
}

impl RemarkKind {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Notice => "notice",
        }
    }
}

/// A remark on one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// How grave.
    pub kind: RemarkKind,
    /// In which file.
    pub part: Part,
    /// On which line, from 1; 0 when it concerns no single line.
    pub line: u64,
    /// What the record is, by a technical key.
    pub record: String,
    /// What is the matter.
    pub text: String,
}

/// A remark as it is written out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReportLine {
    /// `refused` or `notice`.
    pub kind: String,
    /// Name of the file, without its folder.
    pub file: String,
    /// Line, from 1; 0 when it concerns no single line.
    pub line: u64,
    /// Technical key of the record.
    pub record: String,
    /// What is the matter.
    pub reason: String,
}

/// Form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    /// Comma-separated, with a header, UTF-8.
    #[default]
    Csv,
    /// An array of objects.
    Json,
}

/// Writes a report.
///
/// # Errors
/// When the target can't be written.
pub fn write_report(lines: &[ReportLine], format: ReportFormat, mut to: impl Write) -> io::Result<()> {
    match format {
        ReportFormat::Json => serde_json::to_writer_pretty(&mut to, lines)?,
        ReportFormat::Csv => {
            let mut csv = csv::Writer::from_writer(&mut to);
            csv.write_record(["kind", "file", "line", "record", "reason"])?;
            for line in lines {
                let number = line.line.to_string();
                csv.write_record([
                    harmless(&line.kind),
                    harmless(&line.file),
                    &number,
                    harmless(&line.record),
                    harmless(&line.reason),
                ])?;
            }
            csv.flush()?;
        }
    }
    to.flush()
}

/// A spreadsheet would run a cell that begins like a formula; file names come from outside.
fn harmless(cell: &str) -> &str {
    cell.trim_start_matches(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_hold_every_field_and_no_formula() {
        let line = ReportLine {
            kind: "refused".into(),
            file: "=cmd|eleves.xml".into(),
            line: 12,
            record: "ELEVE 1".into(),
            reason: "NOM_DE_FAMILLE is missing, fill it in".into(),
        };
        let mut csv = Vec::new();
        write_report(std::slice::from_ref(&line), ReportFormat::Csv, &mut csv).unwrap();
        assert_eq!(
            String::from_utf8(csv).unwrap(),
            "kind,file,line,record,reason\nrefused,cmd|eleves.xml,12,ELEVE 1,\"NOM_DE_FAMILLE is missing, fill it in\"\n"
        );
        let mut json = Vec::new();
        write_report(std::slice::from_ref(&line), ReportFormat::Json, &mut json).unwrap();
        assert_eq!(serde_json::from_slice::<Vec<ReportLine>>(&json).unwrap(), [line]);
    }
}
