//! Reading ONDE files as tables: `;`, optional quotes, rows that may be shorter than the header.

use std::path::{Path, PathBuf};

use csv::{Reader, ReaderBuilder, StringRecord, Terminator};
use domain::identifiers::fold_name;

use crate::error::{FileError, FileReason};
use crate::source::{Source, refusal};
use crate::text::{Encoding, TextReader, read_head};

/// The two kinds of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pupils,
    Guardians,
}

/// Which kind of file this is, by its header.
pub(crate) fn recognise(source: &Source) -> Result<Kind, FileError> {
    let table = Table::open(source)?;
    let has = |name: &str| table.header().iter().any(|column| column == name);
    if has("nom eleve") || has("prenom eleve") {
        Ok(Kind::Pupils)
    } else if has("civilite responsable") || has("nom responsable") {
        Ok(Kind::Guardians)
    } else {
        Err(FileError::at(source.path(), (1, 1), FileReason::Unrecognised))
    }
}

pub(crate) struct Table {
    file: PathBuf,
    reader: Reader<TextReader>,
    header: Vec<String>,
    row: StringRecord,
    line: u64,
}

impl Table {
    pub(crate) fn open(source: &Source) -> Result<Self, FileError> {
        let mut data = source.open()?;
        let head = read_head(&mut data, 4096).map_err(|error| refusal(source.path(), &error))?;
        let (encoding, skip) = encoding_of(&head);
        let text = TextReader::new(data, encoding, head, skip, source.limits());
        let reader = ReaderBuilder::new()
            .delimiter(b';')
            // Not CRLF, with which lines are counted one short. The CR left over is trimmed off.
            .terminator(Terminator::Any(b'\n'))
            .flexible(true)
            .has_headers(false)
            .from_reader(text);
        let mut table =
            Self { file: source.path().to_owned(), reader, header: Vec::new(), row: StringRecord::new(), line: 0 };
        if table.next()? {
            // Folded, so that case, accents and the leading space of “ Cycle” do not matter.
            table.header = table.row.iter().map(fold_name).collect();
        }
        Ok(table)
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The names of the columns, folded.
    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    pub(crate) fn row(&self) -> &StringRecord {
        &self.row
    }

    /// Line on which the row begins.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Reads the next row that is not blank; false at the end.
    pub(crate) fn next(&mut self) -> Result<bool, FileError> {
        loop {
            self.reader.get_mut().new_element();
            let more = self.reader.read_record(&mut self.row).map_err(|error| {
                let line = error.position().map_or(self.line + 1, csv::Position::line);
                match error.into_kind() {
                    csv::ErrorKind::Io(error) => refusal(&self.file, &error),
                    other => {
                        let reason = FileReason::Csv(format!("{other:?}"));
                        FileError::at(&self.file, (line, 1), reason)
                    }
                }
            })?;
            if !more {
                return Ok(false);
            }
            self.line = self.row.position().map_or(0, csv::Position::line);
            if self.row.iter().any(|field| !field.trim().is_empty()) {
                return Ok(true);
            }
        }
    }
}

/// ONDE files declare no encoding. They are ISO-8859-15 unless re-saved as UTF-8, which a BOM or
/// accents in the header betray: “é” is no valid UTF-8 in ISO-8859-15, and two other characters
/// the other way round.
fn encoding_of(head: &[u8]) -> (Encoding, usize) {
    if head.starts_with(&[0xef, 0xbb, 0xbf]) {
        return (Encoding::Utf8, 3);
    }
    let header = head.split(|byte| *byte == b'\n').next().unwrap_or(head);
    if !header.is_ascii() && std::str::from_utf8(header).is_ok() {
        (Encoding::Utf8, 0)
    } else {
        (Encoding::Iso885915, 0)
    }
}
