//! Where the log's signing key is kept: outside the database, and apart from the keys that sign tokens.

use super::command;
use super::key::SigningKey;
use crate::seal::SealError;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where a signing key comes from: 64 hexadecimal digits, the seed of an Ed25519 key (RFC 8032).
#[derive(Clone)]
pub enum KeySource {
    /// A file that only its owner may read; made when there is none, unless the log has signed before.
    File(PathBuf),
    /// The digits themselves, from the environment or a secret store.
    Value(Zeroizing<String>),
    /// A program that prints them.
    Command(Vec<String>),
}

/// The signing key can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file can't be read or written.
    #[error("checkpoint key file {path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The log has signed with a key that is not there any more.
    #[error(
        "checkpoint key file {0} is missing, and checkpoints have been signed before: put it back from its backup. \
         No other key takes its place by itself; to go on with a new one, run: matricule checkpoint recover"
    )]
    Missing(PathBuf),
    /// Others may read the file.
    #[error("checkpoint key file {0} may be read by others; run: chmod 600 {0}")]
    Exposed(PathBuf),
    /// Something else was found.
    #[error("{0} does not give a checkpoint key: 64 hexadecimal digits are expected")]
    Damaged(String),
    /// The program failed.
    #[error("checkpoint key command: {0}")]
    Command(String),
    /// No randomness for a new one.
    #[error(transparent)]
    Random(#[from] SealError),
}

impl KeySource {
    /// The key. Where it lies in a file, and `may_create`, one is made when there is none.
    ///
    /// # Errors
    /// It can't be had; the message says what to do.
    pub async fn open(&self, may_create: bool) -> Result<SigningKey, KeyError> {
        let (text, place) = match self {
            Self::File(path) => (read_or_create(path, may_create)?, path.display().to_string()),
            Self::Value(value) => (value.clone(), "the configured value".to_owned()),
            Self::Command(program) => {
                let printed = command::run(program, None, "").await.map_err(KeyError::Command)?;
                (Zeroizing::new(printed), "the key command".to_owned())
            }
        };
        SigningKey::from_hex(&text).ok_or(KeyError::Damaged(place))
    }
}

fn read_or_create(path: &Path, may_create: bool) -> Result<Zeroizing<String>, KeyError> {
    match read(path) {
        Err(KeyError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            if !may_create {
                return Err(KeyError::Missing(path.to_owned()));
            }
            create(path)?;
            read(path)
        }
        result => result,
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
        return Err(KeyError::Exposed(path.to_owned()));
    }
    let mut text = Zeroizing::new(String::with_capacity(256));
    file.take(256).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Written whole beside its place and then linked into it: neither a crash nor a second process that does the same
/// at the same time leaves half a file or replaces a key already in use.
fn create(path: &Path) -> Result<(), KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let digits = SigningKey::fresh_hex()?;
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let written = (|| {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(digits.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        match std::fs::hard_link(&beside, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }?;
        super::keep::sync_parent(path)
    })();
    let _ = std::fs::remove_file(&beside); // fails only where it was never made, and then the cause is in `written`
    written.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_made_once_kept_and_never_made_again_for_a_log_that_has_signed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint.key");
        let source = KeySource::File(path.clone());
        assert!(matches!(source.open(false).await, Err(KeyError::Missing(_))));
        let made = source.open(true).await.unwrap();
        let read = source.open(false).await.unwrap();
        assert_eq!(made.verifier("x"), read.verifier("x"));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn an_exposed_or_damaged_file_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint.key");
        let source = KeySource::File(path.clone());
        source.open(true).await.unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(source.open(true).await, Err(KeyError::Exposed(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "0123").unwrap();
        assert!(matches!(source.open(true).await, Err(KeyError::Damaged(_))));
    }

    #[tokio::test]
    async fn a_value_and_a_program_give_the_same_key() {
        let digits = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let value = KeySource::Value(Zeroizing::new(digits.to_owned())).open(false).await.unwrap();
        let program = KeySource::Command(vec!["echo".to_owned(), digits.to_owned()]).open(false).await.unwrap();
        assert_eq!(value.verifier("x"), program.verifier("x"));
        let failing = KeySource::Command(vec!["false".to_owned()]).open(false).await;
        assert!(matches!(failing, Err(KeyError::Command(_))));
        let missing = KeySource::Command(vec!["/no/such/program".to_owned()]).open(false).await;
        assert!(matches!(missing, Err(KeyError::Command(_))));
    }
}
