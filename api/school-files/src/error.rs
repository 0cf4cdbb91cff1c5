//! Why a file is refused whole.

use std::fmt;
use std::path::{Path, PathBuf};

/// A file refused whole, before anything of it was emitted.
#[derive(Debug, thiserror::Error)]
pub struct FileError {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1, where the reason lies in one place.
    pub line: Option<u64>,
    /// Column in bytes, from 1.
    pub column: Option<u64>,
    /// Why.
    pub reason: FileReason,
}

impl FileError {
    pub(crate) fn whole(file: &Path, reason: FileReason) -> Self {
        Self { file: file.to_owned(), line: None, column: None, reason }
    }

    pub(crate) fn at(file: &Path, (line, column): (u64, u64), reason: FileReason) -> Self {
        Self { file: file.to_owned(), line: Some(line), column: Some(column), reason }
    }

    pub(crate) fn io(file: &Path, error: &std::io::Error) -> Self {
        Self::whole(file, FileReason::Unreadable(error.to_string()))
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Why a file is refused whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileReason {
    /// The operating system refused to read it.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// Not a readable zip archive, or a damaged one.
    #[error("damaged or unreadable zip archive: {0}")]
    Zip(String),
    /// A zip must hold one file.
    #[error("the zip archive holds {0} files where one is expected")]
    ZipEntries(usize),
    /// More data than allowed once unpacked.
    #[error("unpacks to more than {limit} bytes, or more than {ratio} times its size: refused as a zip bomb")]
    TooLarge {
        /// Highest size allowed, bytes.
        limit: u64,
        /// Highest ratio allowed.
        ratio: u64,
    },
    /// One tag, text or line is longer than any real one.
    #[error("one element or line is longer than {0} bytes")]
    TooLong(u64),
    /// An encoding other than the known ones is declared.
    #[error("declares the encoding {0}, which is not read; expected ISO-8859-15, ISO-8859-1, windows-1252 or UTF-8")]
    UnknownEncoding(String),
    /// A byte has no meaning in the declared encoding.
    #[error("byte 0x{byte:02X} is not valid in {encoding}: the file was damaged or saved with another encoding")]
    InvalidByte {
        /// The byte.
        byte: u8,
        /// The encoding.
        encoding: &'static str,
    },
    /// Not well-formed XML.
    #[error("not well-formed XML: {0}")]
    Xml(String),
    /// A document type declaration: exports have none, attacks do.
    #[error("a document type declaration (DOCTYPE) is not accepted")]
    Doctype,
    /// A reference to an entity that XML does not predefine.
    #[error("reference to an undeclared entity")]
    UndeclaredEntity,
    /// Not one of the known kinds of file.
    #[error(
        "is neither a SIECLE export (ElevesAvecAdresses, ResponsablesAvecAdresses) nor an ONDE one (pupils, guardians)"
    )]
    Unrecognised,
    /// A later version of the format than the known ones.
    #[error("{root} version {version} is not read; known up to {known}")]
    Version {
        /// Root element.
        root: String,
        /// Version found.
        version: String,
        /// Highest version known.
        known: u32,
    },
    /// The day of export that was given has not come yet.
    #[error("cannot have been exported on {0}: that day has not come yet")]
    ExportedLater(chrono::NaiveDate),
    /// A parameter of the export is missing or malformed.
    #[error("parameter {0} is missing or malformed")]
    Parameter(&'static str),
    /// A column of the header is missing.
    #[error("column “{0}” is missing from the header")]
    MissingColumn(&'static str),
    /// A CSV row cannot be split into fields.
    #[error("unreadable row: {0}")]
    Csv(String),
    /// The other half of the export was not given.
    #[error("{missing} of establishment {uai} was not given: an export needs both files")]
    MissingHalf {
        /// The kind of file missing.
        missing: &'static str,
        /// The establishment.
        uai: String,
    },
    /// Two files claim the same place in one export.
    #[error("is a second {kind} of establishment {uai}: give one export at a time")]
    TwiceGiven {
        /// The kind of file.
        kind: &'static str,
        /// The establishment.
        uai: String,
    },
    /// The two halves come from different school years.
    #[error("belongs to school year {found}, the other file to {expected}: export both again")]
    SchoolYear {
        /// School year of this file.
        found: u16,
        /// School year of the other file.
        expected: u16,
    },
    /// An ONDE file whose establishment is not known.
    #[error("does not tell its establishment: put the UAI in the file name or pass it")]
    NoUai,
    /// The establishment's académie must be known for keys of guardians.
    #[error(
        "the académie of establishment {0} is not known: map the first three digits of its UAI in the configuration"
    )]
    NoAcademie(String),
    /// The file changed between validation and reading.
    #[error("changed while it was being read")]
    Changed,
}
