//! Opening shipped files: plain or zipped, within limits.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_lc_rs::digest;
use flate2::{Crc, read::DeflateDecoder};
use zip::{CompressionMethod, ZipArchive};

use crate::error::{FileError, FileReason};
use crate::records::FileDigest;

/// Bounds on what a shipped file may unpack to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Highest size once unpacked, bytes.
    pub unpacked: u64,
    /// Highest ratio of unpacked to packed size. Real exports compress 10 to 30 times.
    pub ratio: u64,
    /// Longest tag, text or CSV line, bytes.
    pub element: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { unpacked: 4 << 30, ratio: 250, element: 256 << 10 }
    }
}

/// Where the data of a file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Plain,
    Zipped { offset: u64, packed: u64, deflated: bool, crc32: u32 },
}

/// A shipped file that can be opened again and again.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    path: PathBuf,
    container: Container,
    limits: Limits,
    stamp: (u64, Option<SystemTime>),
}

impl Source {
    /// Looks at a file without reading its data.
    pub(crate) fn locate(path: &Path, limits: Limits) -> Result<Self, FileError> {
        let mut file = File::open(path).map_err(|error| FileError::io(path, &error))?;
        let stamp = stamp(&file).map_err(|error| FileError::io(path, &error))?;
        let mut magic = [0; 4];
        let mut filled = 0;
        while filled < magic.len() {
            match file.read(&mut magic[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) => return Err(FileError::io(path, &error)),
            }
        }
        let container = if magic.starts_with(b"PK") { locate_entry(path, file)? } else { Container::Plain };
        Ok(Self { path: path.to_owned(), container, limits, stamp })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Opens the data from the start.
    pub(crate) fn open(&self) -> Result<SourceReader, FileError> {
        let fail = |error: io::Error| FileError::io(&self.path, &error);
        let mut file = File::open(&self.path).map_err(fail)?;
        if stamp(&file).map_err(fail)? != self.stamp {
            return Err(FileError::whole(&self.path, FileReason::Changed));
        }
        let (data, packed, crc32) = match self.container {
            Container::Plain => (Data::Plain(file), None, None),
            Container::Zipped { offset, packed, deflated, crc32 } => {
                file.seek(SeekFrom::Start(offset)).map_err(fail)?;
                let entry = file.take(packed);
                let data = if deflated {
                    Data::Deflated(Box::new(DeflateDecoder::new_with_buf(entry, vec![0; 64 << 10])))
                } else {
                    Data::Stored(entry)
                };
                (data, Some(packed), Some(crc32))
            }
        };
        let by_ratio = packed.map_or(u64::MAX, |packed| {
            // Small archives of very regular data may exceed the ratio honestly.
            packed.saturating_mul(self.limits.ratio).max(16 << 20)
        });
        Ok(SourceReader {
            data,
            left: self.limits.unpacked.min(by_ratio),
            crc: crc32.map(|expected| (Crc::new(), expected)),
            limits: self.limits,
        })
    }

    /// SHA-256 of the shipped file.
    pub(crate) fn digest(&self) -> Result<FileDigest, FileError> {
        let fail = |error: io::Error| FileError::io(&self.path, &error);
        let mut file = File::open(&self.path).map_err(fail)?;
        let mut context = digest::Context::new(&digest::SHA256);
        let mut block = vec![0; 64 << 10];
        loop {
            match file.read(&mut block).map_err(fail)? {
                0 => break,
                count => context.update(&block[..count]),
            }
        }
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(context.finish().as_ref());
        Ok(FileDigest { file: self.path.clone(), sha256 })
    }
}

fn stamp(file: &File) -> io::Result<(u64, Option<SystemTime>)> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok((metadata.len(), metadata.modified().ok()))
}

/// Finds the one file of a zip archive.
fn locate_entry(path: &Path, file: File) -> Result<Container, FileError> {
    let refuse = |reason: String| FileError::whole(path, FileReason::Zip(reason));
    let mut archive = ZipArchive::new(file).map_err(|error| refuse(error.to_string()))?;
    let mut found = None;
    let mut count = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| refuse(error.to_string()))?;
        if entry.is_dir() {
            continue;
        }
        count += 1;
        if entry.encrypted() {
            return Err(refuse("the archive is encrypted".into()));
        }
        let deflated = match entry.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            _ => return Err(refuse("only stored and deflated files are read".into())),
        };
        let offset = entry.data_start().ok_or_else(|| refuse("the file inside cannot be found".into()))?;
        found = Some(Container::Zipped { offset, packed: entry.compressed_size(), deflated, crc32: entry.crc32() });
    }
    match (found, count) {
        (Some(container), 1) => Ok(container),
        (_, count) => Err(FileError::whole(path, FileReason::ZipEntries(count))),
    }
}

enum Data {
    Plain(File),
    Stored(io::Take<File>),
    Deflated(Box<DeflateDecoder<io::Take<File>>>),
}

/// The data of a file, unpacked on the way, counted and checked.
pub(crate) struct SourceReader {
    data: Data,
    left: u64,
    crc: Option<(Crc, u32)>,
    limits: Limits,
}

/// Faults of a file that travel through [`io::Error`] to whoever knows the file's name.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Fault {
    pub(crate) position: Option<(u64, u64)>,
    pub(crate) reason: FileReason,
}

impl Fault {
    pub(crate) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

/// Turns an error of reading into a refusal of the file.
pub(crate) fn refusal(path: &Path, error: &io::Error) -> FileError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>()) {
        Some(Fault { position: Some(position), reason }) => FileError::at(path, *position, reason.clone()),
        Some(Fault { position: None, reason }) => FileError::whole(path, reason.clone()),
        None => FileError::io(path, error),
    }
}

impl Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let damaged = |reason: String| Fault { position: None, reason: FileReason::Zip(reason) }.into_io();
        let count = match &mut self.data {
            Data::Plain(file) => file.read(buffer)?,
            Data::Stored(entry) => entry.read(buffer)?,
            Data::Deflated(entry) => entry.read(buffer).map_err(|error| damaged(error.to_string()))?,
        };
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            let Limits { unpacked: limit, ratio, .. } = self.limits;
            Fault { position: None, reason: FileReason::TooLarge { limit, ratio } }.into_io()
        })?;
        if let Some((crc, expected)) = &mut self.crc {
            crc.update(&buffer[..count]);
            if count == 0 && !buffer.is_empty() && crc.sum() != *expected {
                return Err(damaged("the checksum does not match".into()));
            }
        }
        Ok(count)
    }
}
