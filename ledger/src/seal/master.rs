//! The two secrets everything else hangs on: the wrapping key and the look-up key.

use super::{Cipher, KEY_LEN, SealError, random};
use crate::leaf::Hash;
use aws_lc_rs::hmac;
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

const FILE_LEN: usize = 2 * KEY_LEN;
/// How long a command may take to print the keys.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks whether it has ended.
const COMMAND_PAUSE: Duration = Duration::from_millis(20);

/// Where the master keys come from.
///
/// Each may give two: the key in force, and during a rotation the other one. Both share the look-up key.
#[derive(Clone)]
pub enum MasterSource {
    /// A file of 64 bytes that only its owner may read, made with fresh keys when it is not there; the other key lies
    /// beside it, with `.next` behind its name.
    File(PathBuf),
    /// A program and its arguments, for a key management service: it prints 128 hexadecimal digits, and the other key's
    /// on a second line.
    Command(Vec<String>),
    /// 128 hexadecimal digits, the other key's behind a space or a comma. Known at start only.
    Text(Zeroizing<String>),
}

/// Prints no key.
impl fmt::Debug for MasterSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Command(command) => f.debug_tuple("Command").field(&command.first()).finish(),
            Self::Text(_) => f.write_str("Text(…)"),
        }
    }
}

/// The place of the other key during a rotation.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The master keys: one wraps the subjects' keys and seals the vault, the outbox and signing keys; one makes the
/// keyed hashes of values that must be found again. Never printed. Cheap to clone.
#[derive(Clone)]
pub struct MasterKeys(Arc<Inner>);

struct Inner {
    ring: RwLock<Ring>,
    lookup: hmac::Key,
    source: Option<MasterSource>,
}

/// The wrapping keys at hand: one seals, all open.
struct Ring {
    keys: Vec<(String, Arc<Cipher>)>,
    /// Which of them seals.
    sealing: usize,
}

/// The bytes of one pair of keys.
type Pair = Zeroizing<[u8; FILE_LEN]>;

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
    /// The command did not print keys.
    #[error("master_key.command `{program}`: {reason}")]
    Command {
        /// The program.
        program: String,
        /// Why.
        reason: String,
    },
    /// The other key belongs to another ledger.
    #[error("the two master keys have different look-up keys: make the new one with `matricule keys rotate-master`")]
    OtherLookup,
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
        Self::of(std::slice::from_ref(bytes), None)
    }

    /// The first of the pairs seals; they share the look-up key.
    fn of(pairs: &[[u8; FILE_LEN]], source: Option<MasterSource>) -> Self {
        let lookup = pairs.first().map_or(&[][..], |pair| &pair[KEY_LEN..]);
        let lookup = hmac::Key::new(hmac::HMAC_SHA256, lookup);
        let keys = pairs.iter().map(|pair| member(&lookup, pair)).collect();
        Self(Arc::new(Inner { ring: RwLock::new(Ring { keys, sealing: 0 }), lookup, source }))
    }

    /// From where the configuration says.
    ///
    /// # Errors
    /// When they can't be read, or the two don't belong together.
    pub fn from_source(source: MasterSource) -> Result<Self, MasterKeysError> {
        let pairs = source.read(true)?;
        let plain: Zeroizing<Vec<[u8; FILE_LEN]>> = Zeroizing::new(pairs.iter().map(|pair| **pair).collect());
        Ok(Self::of(&plain, Some(source)))
    }

    /// Reads the keys again from where they came from; says whether there is one that was not at hand. Takes as long
    /// as a command takes.
    ///
    /// # Errors
    /// As [`MasterKeys::from_source`]; the keys at hand stay.
    pub fn reload(&self) -> Result<bool, MasterKeysError> {
        let Some(source) = &self.0.source else { return Ok(false) };
        let pairs = source.read(false)?;
        let found: Vec<(String, Arc<Cipher>)> = pairs.iter().map(|pair| member(&self.0.lookup, pair)).collect();
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        let before = ring.keys.len();
        for (id, cipher) in found {
            if !ring.keys.iter().any(|(known, _)| *known == id) {
                ring.keys.push((id, cipher));
            }
        }
        Ok(ring.keys.len() > before)
    }

    /// Takes the key that the one in force replaced to those at hand, where its file is still beside.
    pub(crate) fn add_old(&self) -> Result<(), MasterKeysError> {
        let Some(MasterSource::File(path)) = self.source() else { return Ok(()) };
        let pair = match read_file(&beside(path, ".old")) {
            Ok(pair) => pair,
            Err(error) if is_missing(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let (name, cipher) = member(&self.0.lookup, &pair);
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        if !ring.keys.iter().any(|(known, _)| *known == name) {
            ring.keys.push((name, cipher));
        }
        Ok(())
    }

    /// Where they come from.
    pub fn source(&self) -> Option<&MasterSource> {
        self.0.source.as_ref()
    }

    /// The names of the wrapping keys at hand, the one that seals first. A name tells nothing of its key.
    pub fn names(&self) -> Vec<String> {
        let ring = self.ring();
        let sealing = ring.keys.get(ring.sealing).into_iter();
        let others = ring.keys.iter().enumerate().filter(|(n, _)| *n != ring.sealing).map(|(_, key)| key);
        sealing.chain(others).map(|(name, _)| name.clone()).collect()
    }

    /// Lets another key at hand seal from now on; false where it is not at hand.
    pub(crate) fn seal_with(&self, name: &str) -> bool {
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        match ring.keys.iter().position(|(known, _)| known == name) {
            Some(found) => {
                ring.sealing = found;
                true
            }
            None => false,
        }
    }

    /// Forgets every key but the one that seals.
    pub(crate) fn forget_others(&self) {
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        let sealing = ring.sealing;
        if ring.keys.len() > 1 {
            ring.keys.swap(0, sealing);
            ring.keys.truncate(1);
            ring.sealing = 0;
        }
    }

    fn ring(&self) -> std::sync::RwLockReadGuard<'_, Ring> {
        // Nothing in it can be left half-changed.
        self.0.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens by the key that seals, or says that only another one opens it: then it comes sealed anew.
    pub(crate) fn renew(&self, context: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>, SealError> {
        let sealing = self.ring().keys.get(self.ring().sealing).map(|(_, cipher)| cipher.clone());
        if sealing.is_some_and(|cipher| cipher.open(context.as_bytes(), sealed).is_some()) {
            return Ok(None);
        }
        let secret = self.open_secret(context, sealed)?;
        self.seal_secret(context, &secret).map(Some)
    }

    /// From 128 hexadecimal digits, as an environment variable or a secret store gives them.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn from_hex(text: &str) -> Result<Self, MasterKeysError> {
        Self::from_source(MasterSource::Text(Zeroizing::new(text.to_owned())))
    }

    /// From a file of 64 bytes that only its owner may read; made with fresh keys when it is not there.
    ///
    /// # Errors
    /// When the file can't be read or made, others may read it, or it holds something else.
    pub fn from_file(path: &Path) -> Result<Self, MasterKeysError> {
        Self::from_source(MasterSource::File(path.to_owned()))
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
        let ring = self.ring();
        let (_, sealing) = ring.keys.get(ring.sealing).ok_or(SealError::Malformed("no master key"))?;
        sealing.seal(context.as_bytes(), secret)
    }

    /// Opens what [`MasterKeys::seal_secret`] sealed under the same context.
    ///
    /// # Errors
    /// When it does not open.
    pub fn open_secret(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let ring = self.ring();
        let first = ring.keys.get(ring.sealing).into_iter();
        let opened = first.chain(&ring.keys).find_map(|(_, cipher)| cipher.open(context.as_bytes(), sealed));
        opened.ok_or_else(|| SealError::DoesNotOpen(context.to_owned()))
    }
}

/// A wrapping key under its name.
fn member(lookup: &hmac::Key, pair: &[u8; FILE_LEN]) -> (String, Arc<Cipher>) {
    let wrapping: &[u8; KEY_LEN] = pair.first_chunk().expect("the first half is one key long");
    let mut context = hmac::Context::with_key(lookup);
    context.update(b"name of a master key");
    context.update(wrapping);
    let name = context.sign().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    (name, Arc::new(Cipher::new(wrapping)))
}

impl MasterSource {
    /// The key in force, then the other one if there is one. A file that is not there is made, if it may be.
    fn read(&self, make: bool) -> Result<Vec<Pair>, MasterKeysError> {
        let pairs = match self {
            Self::File(path) => {
                let first = match read_file(path) {
                    Err(error) if make && is_missing(&error) => {
                        create(path, &Zeroizing::new(random::<FILE_LEN>()?))?;
                        read_file(path)?
                    }
                    result => result?,
                };
                match read_file(&beside(path, ".next")) {
                    Ok(next) => vec![first, next],
                    Err(error) if is_missing(&error) => vec![first],
                    Err(error) => return Err(error),
                }
            }
            Self::Command(command) => parse(&run(command)?)?,
            Self::Text(text) => parse(text)?,
        };
        match pairs.iter().all(|pair| pair[KEY_LEN..] == pairs[0][KEY_LEN..]) {
            true => Ok(pairs),
            false => Err(MasterKeysError::OtherLookup),
        }
    }

    /// Whether another key can be made there.
    pub(crate) fn can_make(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Makes the file of the other key, with a fresh wrapping key and the same look-up key, unless it is there. Only
    /// a file can be made; says whether this is one.
    pub(crate) fn make_next(&self) -> Result<bool, MasterKeysError> {
        let Self::File(path) = self else { return Ok(false) };
        let next = beside(path, ".next");
        if !next.exists() {
            let mut pair = read_file(path)?;
            pair[..KEY_LEN].copy_from_slice(&*Zeroizing::new(random::<KEY_LEN>()?));
            create(&next, &pair)?;
        }
        Ok(true)
    }

    /// Puts the other key's file in place of the one in force, which stays beside it with `.old` behind its name; the
    /// name of that file. Done before, it does nothing.
    pub(crate) fn promote_next(&self) -> Result<Option<PathBuf>, MasterKeysError> {
        let Self::File(path) = self else { return Ok(None) };
        let failed = |source| MasterKeysError::File { path: path.clone(), source };
        let (next, old) = (beside(path, ".next"), beside(path, ".old"));
        if next.exists() {
            if old.exists() {
                std::fs::remove_file(&old).map_err(failed)?;
            }
            std::fs::hard_link(path, &old).map_err(failed)?;
            std::fs::rename(&next, path).map_err(failed)?;
            sync_folder(path).map_err(failed)?;
        }
        Ok(old.exists().then_some(old))
    }
}

fn is_missing(error: &MasterKeysError) -> bool {
    matches!(error, MasterKeysError::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

fn read_file(path: &Path) -> Result<Pair, MasterKeysError> {
    let failed = |source| MasterKeysError::File { path: path.to_owned(), source };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
        return Err(MasterKeysError::Exposed(path.to_owned()));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_LEN + 1));
    Read::by_ref(&mut file).take(FILE_LEN as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let bytes = bytes.first_chunk().filter(|_| bytes.len() == FILE_LEN);
    bytes.map(|bytes| Zeroizing::new(*bytes)).ok_or_else(|| MasterKeysError::Damaged(path.to_owned()))
}

/// Written whole beside its place and then linked into it: neither a crash nor a second process that does the same at
/// the same time leaves half a file or replaces keys already in use.
fn create(path: &Path, pair: &Pair) -> Result<(), MasterKeysError> {
    let failed = |source| MasterKeysError::File { path: path.to_owned(), source };
    let beside = beside(path, &format!(".new-{}", std::process::id()));
    let written = (|| {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(pair.as_slice())?;
        file.sync_all()?;
        match std::fs::hard_link(&beside, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }?;
        sync_folder(path)
    })();
    let _ = std::fs::remove_file(&beside); // fails only where it was never made, and then the cause is in `written`
    written.map_err(failed)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()
}

/// Hexadecimal digits of one or two pairs.
fn parse(text: &str) -> Result<Vec<Pair>, MasterKeysError> {
    let words: Vec<&str> = text.split([' ', ',', '\n', '\r', '\t']).filter(|word| !word.is_empty()).collect();
    if words.is_empty() || words.len() > 2 {
        return Err(MasterKeysError::Text);
    }
    words.into_iter().map(parse_pair).collect()
}

fn parse_pair(word: &str) -> Result<Pair, MasterKeysError> {
    if word.len() != 2 * FILE_LEN {
        return Err(MasterKeysError::Text);
    }
    let mut bytes = Zeroizing::new([0; FILE_LEN]);
    for (byte, pair) in bytes.iter_mut().zip(word.as_bytes().as_chunks::<2>().0) {
        let digit = |c: u8| (c as char).to_digit(16).ok_or(MasterKeysError::Text);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Ok(bytes)
}

/// What a command prints. Its errors go to ours, for the operator to see.
fn run(command: &[String]) -> Result<Zeroizing<String>, MasterKeysError> {
    let (program, arguments) = command.split_first().ok_or(MasterKeysError::Text)?;
    let failed = |reason: String| MasterKeysError::Command { program: program.clone(), reason };
    let mut child = std::process::Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let began = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(status) => break status,
            None if began.elapsed() > COMMAND_PATIENCE => {
                // It is told as too slow whether or not it could be ended.
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(format!("printed nothing within {} s", COMMAND_PATIENCE.as_secs())));
            }
            None => std::thread::sleep(COMMAND_PAUSE),
        }
    };
    let mut printed = Zeroizing::new(String::new());
    let output = child.stdout.as_mut().ok_or_else(|| failed("has no output".to_owned()))?;
    output.take(4096).read_to_string(&mut printed).map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(printed) } else { Err(failed(format!("ended with {status}"))) }
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
