//! The zip.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// What the files of a bundle hold together, at most, unpacked: a case of a hundred thousand events.
const LARGEST: u64 = 1 << 30;

/// The files of a bundle, by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A file is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BadArchive {
    /// It is no zip, or a damaged one.
    #[error("not a zip, or a damaged one: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// A file in it can't be unpacked.
    #[error("damaged: {0}")]
    Io(#[from] std::io::Error),
    /// It would fill the memory.
    #[error("unpacked it would hold more than {} MiB", LARGEST >> 20)]
    TooLarge,
}

/// Packs.
pub(super) fn pack(files: &Files) -> Result<Vec<u8>, BadArchive> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name.as_str(), SimpleFileOptions::default().unix_permissions(0o600))?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Unpacks, in bounded memory.
///
/// # Errors
/// It is no bundle's zip.
pub(super) fn unpack(bytes: &[u8]) -> Result<Files, BadArchive> {
    let mut zip = ZipArchive::new(Cursor::new(bytes))?;
    let (mut files, mut left) = (Files::new(), LARGEST);
    for index in 0..zip.len() {
        let file = zip.by_index(index)?;
        let name = file.name()?.into_owned();
        let mut bytes = Vec::new();
        file.take(left + 1).read_to_end(&mut bytes)?;
        left = left.checked_sub(bytes.len() as u64).ok_or(BadArchive::TooLarge)?;
        files.insert(name, bytes);
    }
    Ok(files)
}
