//! The readers of school exports.

use chrono::NaiveDate;
use school_files::{Entry, FileError, ReadOptions, SchoolExport, plan};
use std::path::PathBuf;

/// Names of the two files of an export.
pub type Names = [&'static str; 2];
/// As SIECLE ships them, unpacked.
pub const SIECLE: Names = ["ElevesAvecAdresses.xml", "ResponsablesAvecAdresses.xml"];
/// As ONDE ships them.
pub const ONDE: Names = ["0339901H_eleves.csv", "0339901H_responsables.csv"];

/// Two files as one input: the length of the first (4 bytes, big-endian), the first, the second.
pub fn pair(first: &[u8], second: &[u8]) -> Vec<u8> {
    [&(first.len() as u32).to_be_bytes(), first, second].concat()
}

/// Reads a [`pair`] of files as an export.
///
/// # Panics
/// The streams are not as long as counted, or a stream taken up in its middle is another.
pub fn school_files(data: &[u8], names: Names) {
    let Some((length, files)) = data.split_first_chunk::<4>() else { return };
    let (first, second) = files.split_at((u32::from_be_bytes(*length) as usize).min(files.len()));
    let dir = tempfile::tempdir().expect("a directory");
    let paths: Vec<PathBuf> = names.iter().map(|name| dir.path().join(name)).collect();
    for (path, content) in paths.iter().zip([first, second]) {
        std::fs::write(path, content).expect("a file");
    }
    let received = NaiveDate::from_ymd_opt(2026, 9, 2).and_then(|day| day.and_hms_opt(6, 30, 0));
    let options = ReadOptions::new([7; 32], received.unwrap_or_default());
    let plan = plan(&paths, &options);
    assert!(plan.exports.len() + plan.refused.len() + plan.ignored.len() > 0, "no file is forgotten");
    for refused in &plan.refused {
        assert!(!refused.to_string().is_empty());
    }
    for files in &plan.exports {
        match files.validate() {
            Ok(export) => read(&export),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn read(export: &SchoolExport) {
    let counts = export.counts();
    let pupils = all(export.pupils_from(0).expect("it was validated"));
    assert_eq!(pupils.len() as u64, counts.pupils, "pupils are as many as counted");
    let guardians = all(export.guardians_from(0).expect("it was validated"));
    assert!(guardians.len() as u64 <= counts.guardians, "guardians are no more than counted");
    if let Some(middle) = pupils.get(pupils.len() / 2) {
        let rest = all(export.pupils_from(middle.ordinal).expect("it was validated"));
        assert_eq!(rest.first().map(|entry| entry.line), Some(middle.line), "a stream is taken up where asked");
    }
    assert!(export.held_links().len() < 1 << 20);
}

fn all<T>(entries: impl Iterator<Item = Result<Entry<T>, FileError>>) -> Vec<Entry<T>> {
    entries.map(|entry| entry.expect("it was validated")).collect()
}
