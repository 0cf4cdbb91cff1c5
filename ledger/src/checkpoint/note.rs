//! Checkpoints as texts: signed, cosigned, parsed, verified.

use super::key::{SigningKey, VerifierKey};
use crate::leaf::Hash;
use signed_note::{Note, Signature, VerificationError, Verifier, Verifiers};

/// A tree head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree (RFC 6962, section 2.1).
    pub root: Hash,
}

/// A checkpoint whose log's signature has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    text: String,
}

/// A valid signature of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// The witness.
    pub name: String,
    /// When it signed: seconds since the Unix epoch.
    pub timestamp: u64,
}

/// A text is no checkpoint, or its signatures don't hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a signed note (C2SP signed-note).
    #[error("not a signed note")]
    Malformed,
    /// A note, but of something else (C2SP tlog-checkpoint).
    #[error("not a checkpoint: origin, size and root are expected on a line each")]
    NoCheckpoint,
    /// A note, but no statement of a recovery.
    #[error("not a statement of a recovery")]
    NoStatement,
    /// Another log's.
    #[error("it is of {found}, not of {expected}")]
    Origin {
        /// Whose was expected.
        expected: String,
        /// Whose it is.
        found: String,
    },
    /// It has no signature by the key.
    #[error("it is not signed by {0}")]
    Unsigned(String),
    /// It has a signature that is not the key's.
    #[error("the signature of {0} is wrong: the text was changed, or was signed by another key")]
    WrongSignature(String),
}

/// One key.
struct Only<'a>(&'a VerifierKey);

impl Verifiers for Only<'_> {
    fn verifier(&self, name: &str, id: u32) -> Result<&dyn Verifier, VerificationError> {
        if name == self.0.name() && id == self.0.id() {
            Ok(self.0)
        } else {
            Err(VerificationError::UnknownKey { name: name.to_owned(), id })
        }
    }
}

impl Checkpoint {
    /// The note's text.
    pub fn text(&self) -> String {
        let Self { origin, size, root } = self;
        format!("{origin}\n{size}\n{}\n", tlog_tiles::tlog::Hash(*root))
    }

    /// Reads a note's text. Further lines, which the format permits, are passed over; what is signed includes them.
    ///
    /// # Errors
    /// It is no checkpoint.
    fn parse(text: &[u8]) -> Result<Self, NoteError> {
        let parsed = tlog_tiles::checkpoint::Checkpoint::from_bytes(text).map_err(|_| NoteError::NoCheckpoint)?;
        Ok(Self { origin: parsed.origin().to_owned(), size: parsed.size(), root: parsed.hash().0 })
    }

    /// Signs it under its origin as name. None where the origin is unfit for one: empty, or with spaces or `+`.
    pub fn sign(self, key: &SigningKey) -> Option<SignedCheckpoint> {
        let text = self.text();
        let signature = key.sign(&self.origin, text.as_bytes())?;
        let note = Note::new(text.as_bytes(), &[signature]).ok()?;
        Some(SignedCheckpoint { checkpoint: self, text: String::from_utf8(note.to_bytes()).ok()? })
    }

    /// What a text claims, before anything is verified: for whoever passes it on to those who verify.
    ///
    /// # Errors
    /// It is no note of a checkpoint.
    pub fn unverified(text: &str) -> Result<Self, NoteError> {
        Self::parse(note(text)?.text())
    }

    /// The origin that a text claims, before anything is verified: to choose the key by.
    ///
    /// # Errors
    /// It is no note of a checkpoint.
    pub fn claimed_origin(text: &str) -> Result<String, NoteError> {
        Ok(Self::parse(note(text)?.text())?.origin)
    }
}

impl SignedCheckpoint {
    /// Reads a checkpoint and checks that its log signed it: the key's name must be the origin. Signatures by other
    /// keys are kept and not looked at.
    ///
    /// # Errors
    /// It is none, or not signed by that key.
    pub fn verify(text: &str, log: &VerifierKey) -> Result<Self, NoteError> {
        let note = note(text)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != log.name() {
            return Err(NoteError::Origin { expected: log.name().to_owned(), found: checkpoint.origin });
        }
        check(&note, log)?;
        Ok(Self { checkpoint, text: text.to_owned() })
    }

    /// The note: text and signatures.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The valid signatures of these witnesses, each once, in the order of `witnesses`. Invalid ones don't count.
    pub fn cosignatures(&self, witnesses: &[VerifierKey]) -> Vec<Cosignature> {
        let Ok(note) = note(&self.text) else { return Vec::new() };
        let by = |witness: &VerifierKey| {
            let signature = check(&note, witness).ok()?;
            let (timestamp, _) = signature.signature().split_first_chunk()?;
            Some(Cosignature { name: witness.name().to_owned(), timestamp: u64::from_be_bytes(*timestamp) })
        };
        witnesses.iter().filter(|key| key.is_cosigner()).filter_map(by).collect()
    }

    /// The signature line of a witness, at a time in seconds since the Unix epoch. None where the name is unfit.
    pub fn cosign(&self, key: &SigningKey, name: &str, timestamp: u64) -> Option<String> {
        let note = note(&self.text).ok()?;
        let signature = key.cosign(name, note.text(), timestamp)?;
        String::from_utf8(signature.to_bytes()).ok()
    }

    /// The same with no signature but the log's.
    pub(super) fn only_by(&self, log: &VerifierKey) -> Self {
        let text = note(&self.text).ok().and_then(|own| {
            let signature = check(&own, log).ok()?;
            String::from_utf8(Note::new(own.text(), &[signature]).ok()?.to_bytes()).ok()
        });
        Self { checkpoint: self.checkpoint.clone(), text: text.unwrap_or_else(|| self.text.clone()) }
    }

    /// Adds a witness's answer: signature lines, of which those valid under its key are taken. Says whether there was
    /// one.
    pub fn add(&mut self, lines: &str, witness: &VerifierKey) -> bool {
        let Ok(own) = note(&self.text) else { return false };
        let valid = lines.lines().filter_map(|line| Signature::from_bytes(line.as_bytes()).ok()).find(|signature| {
            let known = signature.name() == witness.name() && signature.id() == witness.id();
            known && witness.verify(own.text(), signature.signature())
        });
        let Some(line) = valid.and_then(|signature| String::from_utf8(signature.to_bytes()).ok()) else {
            return false;
        };
        if !self.text.contains(&line) {
            self.text.push_str(&line);
        }
        true
    }
}

impl std::ops::Deref for SignedCheckpoint {
    type Target = Checkpoint;

    fn deref(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

pub(super) fn note(text: &str) -> Result<Note, NoteError> {
    Note::from_bytes(text.as_bytes()).map_err(|_| NoteError::Malformed)
}

/// The key's signature of a note.
pub(super) fn check(note: &Note, key: &VerifierKey) -> Result<Signature, NoteError> {
    let name = key.name().to_owned();
    match note.verify(&Only(key)) {
        Ok((mut valid, _)) => valid.pop().ok_or(NoteError::Unsigned(name)),
        Err(signed_note::NoteError::InvalidSignature { .. }) => Err(NoteError::WrongSignature(name)),
        Err(_) => Err(NoteError::Unsigned(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ORIGIN: &str = "ecole.example.org/log";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).unwrap()
    }

    fn signed() -> SignedCheckpoint {
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 42, root: [9; 32] };
        checkpoint.sign(&key(1)).unwrap()
    }

    #[test]
    fn what_was_signed_verifies_and_reads_back() {
        let signed = signed();
        let read = SignedCheckpoint::verify(signed.text(), &key(1).verifier(ORIGIN)).unwrap();
        assert_eq!(read, signed);
        assert_eq!((read.size, read.root), (42, [9; 32]));
        assert_eq!(Checkpoint::claimed_origin(signed.text()).unwrap(), ORIGIN);
    }

    #[test]
    fn another_key_name_or_text_is_refused() {
        let signed = signed();
        let log = key(1).verifier(ORIGIN);
        let verify = |text: &str, key: &VerifierKey| SignedCheckpoint::verify(text, key).unwrap_err();
        assert_eq!(verify(signed.text(), &key(2).verifier(ORIGIN)), NoteError::Unsigned(ORIGIN.to_owned()));
        assert!(matches!(verify(signed.text(), &key(1).verifier("other")), NoteError::Origin { .. }));
        let changed = signed.text().replacen("42", "43", 1);
        assert_eq!(verify(&changed, &log), NoteError::WrongSignature(ORIGIN.to_owned()));
        assert_eq!(verify("hello\n", &log), NoteError::Malformed);
        let no_checkpoint = signed.text().replacen("42\n", "42 \n", 1);
        assert_eq!(verify(&no_checkpoint, &log), NoteError::NoCheckpoint);
        assert!(Checkpoint { origin: "a b".to_owned(), size: 0, root: [0; 32] }.sign(&key(1)).is_none());
    }

    #[test]
    fn cosignatures_count_once_and_only_when_valid() {
        let mut signed = signed();
        let (first, second) = (key(2).cosigner("w.example/1"), key(3).cosigner("w.example/2"));
        let line = signed.cosign(&key(2), "w.example/1", 1_700_000_000).unwrap();
        assert!(signed.add(&line, &first));
        assert!(signed.add(&line, &first));
        let of_another_text = Checkpoint { origin: ORIGIN.to_owned(), size: 43, root: [9; 32] };
        let wrong = of_another_text.sign(&key(1)).unwrap().cosign(&key(3), "w.example/2", 1_700_000_000).unwrap();
        assert!(!signed.add(&wrong, &second));
        let read = SignedCheckpoint::verify(signed.text(), &key(1).verifier(ORIGIN)).unwrap();
        let expected = Cosignature { name: "w.example/1".to_owned(), timestamp: 1_700_000_000 };
        assert_eq!(read.cosignatures(&[first, second]), [expected]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_stumble(text in "[a-z+ \n—=A0-9]{0,200}") {
            let _ = SignedCheckpoint::verify(&text, &key(1).verifier(ORIGIN));
            let _ = text.parse::<crate::tree::TlogProof>();
        }

        #[test]
        fn a_changed_byte_is_never_accepted(at in any::<prop::sample::Index>(), bit in 0_u8..7) {
            let signed = signed();
            let mut bytes = signed.text().as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(text) = String::from_utf8(bytes) {
                let read = SignedCheckpoint::verify(&text, &key(1).verifier(ORIGIN));
                prop_assert!(read.is_err(), "{text}");
            }
        }
    }
}
