//! One process of ours at a time runs PostgreSQL on a data directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};

use rustix::fs::{FlockOperation, flock};

use super::data_dir::DataDir;
use super::error::{EmbeddedError, OnPath};

/// The data directory's lock. The kernel lets go of it when the process ends, however it ends;
/// children do not inherit it.
#[derive(Debug)]
pub(super) struct DirLock(File);

/// Closing the file would not do: a child that has been forked and not yet become its own program shares it.
impl Drop for DirLock {
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl DirLock {
    /// Takes the lock, or says at once who has it.
    pub(super) fn take(dir: &DataDir) -> Result<Self, EmbeddedError> {
        let path = dir.lock();
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).on("open", &path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                sign(&mut file).on("write", &path)?;
                Ok(Self(file))
            }
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
                Err(EmbeddedError::InUse { dir: dir.path().to_owned(), holder: holder(&mut file) })
            }
            Err(error) => Err(error).on("lock", &path),
        }
    }

    /// Whether some process holds the lock. Needs no right to write.
    pub(super) fn is_held(dir: &DataDir) -> Result<bool, EmbeddedError> {
        let path = dir.lock();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(source).on("open", &path),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => {
                // As for the holder: what shares the file must not seem to hold the lock.
                let _ = flock(&file, FlockOperation::Unlock);
                Ok(false)
            }
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(true),
            Err(error) => Err(error).on("lock", &path),
        }
    }
}

/// Writes who holds the lock, for the error of the next one who asks.
fn sign(file: &mut File) -> io::Result<()> {
    let program = std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_default();
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "process {} ({program})", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if text.ends_with('\n') => text.trim_end().to_owned(),
        _ => "another process".to_owned(),
    }
}
