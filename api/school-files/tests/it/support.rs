//! Files and options the tests share.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use school_files::{Entry, ReadOptions, Rejection, SchoolExport};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

/// Received on 5 September 2026, with a fixed key.
pub fn options() -> ReadOptions {
    let day = NaiveDate::from_ymd_opt(2026, 9, 5).unwrap();
    ReadOptions::new([7; 32], day.and_hms_opt(12, 0, 0).unwrap())
}

/// A directory of shipped files.
pub struct Shipment {
    directory: TempDir,
    pub files: Vec<PathBuf>,
}

impl Shipment {
    pub fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), files: Vec::new() }
    }

    /// Adds a file as it is.
    pub fn with(mut self, name: &str, bytes: &[u8]) -> Self {
        let path = self.directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        self.files.push(path);
        self
    }

    /// Adds a zip holding one file.
    pub fn with_zip(mut self, name: &str, inside: &str, bytes: &[u8]) -> Self {
        let path = self.directory.path().join(name);
        write_zip(&path, &[(inside, bytes)]);
        self.files.push(path);
        self
    }

    /// The one export the files make.
    pub fn export(self) -> Shipped {
        let plan = school_files::plan(&self.files, &options());
        assert!(plan.refused.is_empty(), "{:?}", plan.refused);
        assert_eq!(plan.exports.len(), 1);
        let export = plan.exports[0].validate().unwrap();
        Shipped { export, _directory: self.directory }
    }

    /// Why the files are refused, as printed.
    pub fn refusal(&self) -> String {
        let plan = school_files::plan(&self.files, &options());
        let text = match plan.refused.first() {
            Some(error) => error.to_string(),
            None => plan.exports.iter().find_map(|export| export.validate().err()).expect("a refusal").to_string(),
        };
        let directory = format!("{}/", self.directory.path().display());
        text.replace(&directory, "")
    }
}

pub fn write_zip(path: &Path, files: &[(&str, &[u8])]) {
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// Text in ISO-8859-15.
pub fn latin9(text: &str) -> Vec<u8> {
    let (bytes, _, lossy) = encoding_rs::ISO_8859_15.encode(text);
    assert!(!lossy, "the text does not fit ISO-8859-15");
    bytes.into_owned()
}

/// An export whose files last as long as it does.
pub struct Shipped {
    export: SchoolExport,
    _directory: TempDir,
}

impl std::ops::Deref for Shipped {
    type Target = SchoolExport;

    fn deref(&self) -> &SchoolExport {
        &self.export
    }
}

/// The records read and the records refused.
pub fn split<T>(entries: impl Iterator<Item = Result<Entry<T>, school_files::FileError>>) -> (Vec<T>, Vec<Rejection>) {
    let mut read = Vec::new();
    let mut refused = Vec::new();
    for entry in entries {
        match entry.unwrap().outcome {
            Ok(record) => read.push(record),
            Err(rejection) => refused.push(rejection),
        }
    }
    (read, refused)
}
