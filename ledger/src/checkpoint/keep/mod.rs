//! The last checkpoint, kept outside PostgreSQL: what catches a ledger that was restored from an old backup, or was
//! rewritten by somebody who owns the database.
//!
//! It is kept before it is published: whatever anybody has seen, the kept one is as recent.

mod store;

pub use store::ObjectStore;

use super::command;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where it is kept.
#[derive(Clone, Debug)]
pub enum Keep {
    /// A file, replaced as a whole.
    File(PathBuf),
    /// A program, run with one more argument: `get` prints the last checkpoint (nothing before the first), `put`
    /// reads one from its standard input and keeps it before it ends.
    Command(Vec<String>),
    /// An object in an S3-compatible store.
    Store(Box<ObjectStore>),
}

/// The kept checkpoint can't be read or replaced.
#[derive(Debug, thiserror::Error)]
#[error("the kept checkpoint ({place}) can't be {what}: {reason}")]
pub struct KeepError {
    place: String,
    what: &'static str,
    reason: String,
}

impl Keep {
    /// The last checkpoint; none before the first.
    ///
    /// # Errors
    /// It can't be read. That it is not there is no error.
    pub async fn load(&self) -> Result<Option<String>, KeepError> {
        let found = match self {
            Self::File(path) => match std::fs::read_to_string(path) {
                // An emptied file is not one that was never there: it fails as what it is.
                Ok(text) => Ok(Some(text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error.to_string()),
            },
            Self::Command(program) => {
                command::run(program, Some("get"), "").await.map(|text| (!text.is_empty()).then_some(text))
            }
            Self::Store(store) => store.get().await,
        };
        found.map_err(|reason| self.failed("read", reason))
    }

    /// Replaces it; once this returns, it is on disk or wherever it is kept.
    ///
    /// # Errors
    /// It is not replaced, or that is not certain.
    pub async fn store(&self, text: &str) -> Result<(), KeepError> {
        let stored = match self {
            Self::File(path) => replace(path, text).map_err(|error| error.to_string()),
            Self::Command(program) => command::run(program, Some("put"), text).await.map(drop),
            Self::Store(store) => store.put(text).await,
        };
        stored.map_err(|reason| self.failed("replaced", reason))
    }

    fn failed(&self, what: &'static str, reason: String) -> KeepError {
        KeepError { place: self.to_string(), what, reason }
    }
}

impl std::fmt::Display for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            // Its arguments may hold a secret.
            Self::Command(program) => write!(f, "{} …", program.first().map_or("", String::as_str)),
            Self::Store(store) => store.fmt(f),
        }
    }
}

/// Beside its place, to disk, then renamed: there is always a whole one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)?;
    }
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    sync_parent(path)
}

/// Makes a new name in a directory last.
pub(super) fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_keeps_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::File(dir.path().join("deep").join("checkpoint"));
        assert_eq!(keep.load().await.unwrap(), None);
        keep.store("one\n").await.unwrap();
        keep.store("two\n").await.unwrap();
        assert_eq!(keep.load().await.unwrap().as_deref(), Some("two\n"));
        let in_the_way = Keep::File(dir.path().to_owned());
        assert!(in_the_way.load().await.is_err());
        assert!(in_the_way.store("x").await.is_err());
    }

    #[tokio::test]
    async fn a_program_keeps_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let script = "case $1 in get) test ! -e kept || cat kept;; put) cat > kept;; esac";
        let in_dir = format!("cd {} && {script}", dir.path().display());
        let keep = Keep::Command(["sh", "-c", &in_dir, "keep"].map(str::to_owned).to_vec());
        assert_eq!(keep.load().await.unwrap(), None);
        keep.store("one\n— two\n").await.unwrap();
        assert_eq!(keep.load().await.unwrap().as_deref(), Some("one\n— two\n"));
        let failing = Keep::Command(vec!["false".to_owned()]);
        assert!(failing.load().await.is_err());
        assert!(failing.store("x").await.is_err());
    }
}
