//! The two secrets everything else hangs on: the wrapping key and the look-up key.

use super::{Cipher, KEY_LEN, SealError, random};
use crate::leaf::Hash;
use aws_lc_rs::hmac;
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

const FILE_LEN: usize = 2 * KEY_LEN;

/// The master keys: one wraps the subjects' keys and seals the vault, the outbox and signing keys; one makes the
/// keyed hashes of values that must be found again. Never printed. Cheap to clone.
#[derive(Clone)]
pub struct MasterKeys(Arc<Inner>);

struct Inner {
    wrapping: Cipher,
    lookup: hmac::Key,
}

/// The master keys can't be had.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeysError {
    /// The file can't be read or written.
    #[error("master key file {path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read the file.
    #[error("master key file {0} may be read by others; run: chmod 600 {0}")]
    Exposed(PathBuf),
    /// The file holds something else.
    #[error("master key file {0} does not hold exactly 64 bytes; it is damaged or not a master key file")]
    Damaged(PathBuf),
    /// The text form is not 128 hexadecimal digits.
    #[error("master keys must be 128 hexadecimal digits: 64 bytes, the wrapping key then the look-up key")]
    Text,
    /// No randomness for new ones.
    #[error(transparent)]
    Random(#[from] SealError),
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKeys(…)")
    }
}

impl MasterKeys {
    /// Fresh keys that are stored nowhere: for tests and throw-away databases.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<Self, MasterKeysError> {
        Ok(Self::from_bytes(&Zeroizing::new(random::<FILE_LEN>()?)))
    }

    fn from_bytes(bytes: &[u8; FILE_LEN]) -> Self {
        let (wrapping, lookup) = bytes.split_at(KEY_LEN);
        let wrapping = wrapping.try_into().expect("the first half is one key long");
        Self(Arc::new(Inner { wrapping: Cipher::new(wrapping), lookup: hmac::Key::new(hmac::HMAC_SHA256, lookup) }))
    }

    /// From 128 hexadecimal digits, as an environment variable or a secret store gives them.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn from_hex(text: &str) -> Result<Self, MasterKeysError> {
        let text = text.trim().as_bytes();
        if text.len() != 2 * FILE_LEN {
            return Err(MasterKeysError::Text);
        }
        let mut bytes = Zeroizing::new([0; FILE_LEN]);
        for (byte, pair) in bytes.iter_mut().zip(text.as_chunks::<2>().0) {
            let digit = |c: u8| (c as char).to_digit(16).ok_or(MasterKeysError::Text);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Ok(Self::from_bytes(&bytes))
    }

    /// From a file of 64 bytes that only its owner may read; made with fresh keys when it is not there.
    ///
    /// # Errors
    /// When the file can't be read or made, others may read it, or it holds something else.
    pub fn from_file(path: &Path) -> Result<Self, MasterKeysError> {
        match Self::read(path) {
            Err(MasterKeysError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Self::create(path)?;
                Self::read(path)
            }
            result => result,
        }
    }

    fn read(path: &Path) -> Result<Self, MasterKeysError> {
        let failed = |source| MasterKeysError::File { path: path.to_owned(), source };
        let mut file = std::fs::File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
            return Err(MasterKeysError::Exposed(path.to_owned()));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_LEN + 1));
        Read::by_ref(&mut file).take(FILE_LEN as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        let bytes = bytes.first_chunk().filter(|_| bytes.len() == FILE_LEN);
        bytes.map(Self::from_bytes).ok_or_else(|| MasterKeysError::Damaged(path.to_owned()))
    }

    /// Written whole beside its place and then linked into it: neither a crash nor a second process that does
    /// the same at the same time leaves half a file or replaces keys already in use.
    fn create(path: &Path) -> Result<(), MasterKeysError> {
        let failed = |source| MasterKeysError::File { path: path.to_owned(), source };
        let bytes = Zeroizing::new(random::<FILE_LEN>()?);
        let beside = path.with_extension(format!("new-{}", std::process::id()));
        let written = (|| {
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            file.write_all(bytes.as_slice())?;
            file.sync_all()?;
            match std::fs::hard_link(&beside, path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
                result => result,
            }?;
            std::fs::File::open(path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))?
                .sync_all()
        })();
        let _ = std::fs::remove_file(&beside); // fails only where it was never made, and then the cause is in `written`
        written.map_err(failed)
    }

    /// HMAC-SHA-256 under the look-up key: finds a value again without storing it.
    pub fn lookup_hash(&self, kind: &str, normalised: &str) -> Hash {
        let mut context = hmac::Context::with_key(&self.0.lookup);
        context.update(&(kind.len() as u32).to_be_bytes());
        context.update(kind.as_bytes());
        context.update(normalised.as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }

    /// Seals something that is not a person's: a vault row, a message, a signing key. `context` names what it is
    /// and where it lies; it must be the same on opening.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn seal_secret(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        self.0.wrapping.seal(context.as_bytes(), secret)
    }

    /// Opens what [`MasterKeys::seal_secret`] sealed under the same context.
    ///
    /// # Errors
    /// When it does not open.
    pub fn open_secret(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.0.wrapping.open(context.as_bytes(), sealed).ok_or_else(|| SealError::DoesNotOpen(context.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let made = MasterKeys::from_file(&path).unwrap();
        let read = MasterKeys::from_file(&path).unwrap();
        assert_eq!(made.lookup_hash("login", "e.exemple"), read.lookup_hash("login", "e.exemple"));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_exposed_or_damaged_file_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        MasterKeys::from_file(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(MasterKeys::from_file(&path), Err(MasterKeysError::Exposed(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, [7; 63]).unwrap();
        assert!(matches!(MasterKeys::from_file(&path), Err(MasterKeysError::Damaged(_))));
    }

    #[test]
    fn hexadecimal_text_gives_the_same_keys() {
        let text = "0f".repeat(64);
        let keys = MasterKeys::from_hex(&text).unwrap();
        assert_eq!(keys.lookup_hash("a", "b"), MasterKeys::from_bytes(&[15; 64]).lookup_hash("a", "b"));
        assert!(MasterKeys::from_hex(&text[1..]).is_err());
        assert!(MasterKeys::from_hex(&"0g".repeat(64)).is_err());
    }

    #[test]
    fn kinds_do_not_share_hashes_and_contexts_do_not_share_secrets() {
        let keys = MasterKeys::generate().unwrap();
        assert_ne!(keys.lookup_hash("ab", "c"), keys.lookup_hash("a", "bc"));
        let sealed = keys.seal_secret("vault/1", b"secret").unwrap();
        assert_eq!(keys.open_secret("vault/1", &sealed).unwrap().as_slice(), b"secret");
        assert!(keys.open_secret("vault/2", &sealed).is_err());
        assert_eq!(format!("{keys:?}"), "MasterKeys(…)");
    }
}
