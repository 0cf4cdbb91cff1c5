//! The Ed25519 keys of signed notes. A key signs under a name, and its id follows from both.

use crate::leaf::Hash;
use crate::seal::{SealError, random};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use signed_note::Signature;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use zeroize::Zeroizing;

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A note's text as it is: a log.
    Plain = 0x01,
    /// A checkpoint at a time: a witness (C2SP tlog-cosignature, `cosignature/v1`).
    Cosigner = 0x04,
}

/// A public key with the name it signs under; printed and parsed as a C2SP *vkey*: `name+id+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: Kind,
    public: [u8; 32],
}

/// A text that is no verifier key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadVerifierKey {
    /// Its form.
    #[error("not a verifier key: write it as name+hash+key, as its owner publishes it")]
    Format,
    /// Neither 1 nor 4.
    #[error("the verifier key is of a kind that is not supported: Ed25519 (1) and Ed25519 cosignatures (4) are")]
    Kind,
    /// A digit was lost or changed on the way.
    #[error("the hash in the verifier key does not belong to its name and key: copy it again")]
    Hash,
}

impl VerifierKey {
    /// The name it signs under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same public key under another name, as a log has it after a recovery.
    #[must_use]
    pub fn renamed(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// Whether it is a witness's.
    pub fn is_cosigner(&self) -> bool {
        self.kind == Kind::Cosigner
    }

    /// The 32-bit key id of C2SP signed-note.
    pub fn id(&self) -> u32 {
        signed_note::key_id(&self.name, &self.encoded())
    }

    fn encoded(&self) -> Vec<u8> {
        [&[self.kind as u8], self.public.as_slice()].concat()
    }

    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id(), STANDARD.encode(self.encoded()))
    }
}

impl FromStr for VerifierKey {
    type Err = BadVerifierKey;

    fn from_str(text: &str) -> Result<Self, BadVerifierKey> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadVerifierKey::Format);
        };
        let key = STANDARD.decode(key).map_err(|_| BadVerifierKey::Format)?;
        let (kind, public) = key.split_first().ok_or(BadVerifierKey::Format)?;
        let kind = match kind {
            0x01 => Kind::Plain,
            0x04 => Kind::Cosigner,
            _ => return Err(BadVerifierKey::Kind),
        };
        let public = public.try_into().map_err(|_| BadVerifierKey::Format)?;
        if !signed_note::is_key_name_valid(name) {
            return Err(BadVerifierKey::Format);
        }
        let key = Self { name: name.to_owned(), kind, public };
        if format!("{:08x}", key.id()) == hash { Ok(key) } else { Err(BadVerifierKey::Hash) }
    }
}

/// As `signed_note` asks for it.
impl signed_note::Verifier for VerifierKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id()
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        match self.kind {
            Kind::Plain => self.accepts(text, signature),
            Kind::Cosigner => match signature.split_first_chunk() {
                Some((time, signature)) => self.accepts(&cosigned(u64::from_be_bytes(*time), text), signature),
                None => false,
            },
        }
    }
}

/// What a witness signs.
fn cosigned(timestamp: u64, text: &[u8]) -> Vec<u8> {
    let mut message = format!("cosignature/v1\ntime {timestamp}\n").into_bytes();
    message.extend_from_slice(text);
    message
}

/// A private key. Never printed. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey(Arc<Ed25519KeyPair>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// Of a seed (RFC 8032, section 5.1.5). None only where the library refuses to work.
    pub fn from_seed(seed: &Hash) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(|pair| Self(Arc::new(pair)))
    }

    /// Of a seed as 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), seed.as_mut_slice()).ok()?;
        Self::from_seed(&seed)
    }

    /// A fresh seed, as 64 hexadecimal digits.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn fresh_hex() -> Result<Zeroizing<String>, SealError> {
        let seed = Zeroizing::new(random::<32>()?);
        Ok(Zeroizing::new(hex::encode(seed.as_slice())))
    }

    /// The public key of a log that signs under `name`.
    pub fn verifier(&self, name: &str) -> VerifierKey {
        self.public(name, Kind::Plain)
    }

    /// The public key of a witness that signs under `name`.
    pub fn cosigner(&self, name: &str) -> VerifierKey {
        self.public(name, Kind::Cosigner)
    }

    fn public(&self, name: &str, kind: Kind) -> VerifierKey {
        let mut public = [0; 32];
        public.copy_from_slice(self.0.public_key().as_ref());
        VerifierKey { name: name.to_owned(), kind, public }
    }

    /// A log's signature of a note's text. None where the name is unfit.
    pub(super) fn sign(&self, name: &str, text: &[u8]) -> Option<Signature> {
        let id = self.verifier(name).id();
        Signature::new(name.to_owned(), id, self.0.sign(text).as_ref().to_vec()).ok()
    }

    /// A witness's signature of a checkpoint's text at a time (seconds since the Unix epoch). None where the name is
    /// unfit.
    pub(super) fn cosign(&self, name: &str, text: &[u8], timestamp: u64) -> Option<Signature> {
        let signature = self.0.sign(&cosigned(timestamp, text));
        let stamped = [timestamp.to_be_bytes().as_slice(), signature.as_ref()].concat();
        Signature::new(name.to_owned(), self.cosigner(name).id(), stamped).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_a_key() {
        let text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        let key: VerifierKey = text.parse().unwrap();
        assert_eq!((key.name(), key.id(), key.is_cosigner()), ("example.com/foo", 0x530d_903a, false));
        assert_eq!(key.to_string(), text);
        let changed = text.replace("foo", "fou");
        assert_eq!(changed.parse::<VerifierKey>(), Err(BadVerifierKey::Hash));
        assert_eq!("example.com/foo".parse::<VerifierKey>(), Err(BadVerifierKey::Format));
    }

    #[test]
    fn the_example_of_the_specification_verifies() {
        let key: VerifierKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse().unwrap();
        let note = "This is an example message.\n\n\
            — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
        let known = signed_note::VerifierList::new(vec![Box::new(key)]);
        let note_of = |text: &str| signed_note::Note::from_bytes(text.as_bytes()).unwrap();
        assert!(note_of(note).verify(&known).is_ok());
        assert!(note_of(&note.replace("example m", "other m")).verify(&known).is_err());
    }

    #[test]
    fn the_seed_of_rfc_8032_gives_its_public_key() {
        let key = SigningKey::from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(hex::encode(key.verifier("x").public), public);
        assert!(SigningKey::from_hex("9d61").is_none());
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
    }

    #[test]
    fn a_log_and_a_witness_with_one_key_and_name_have_two_ids() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        assert_ne!(key.verifier("example.org").id(), key.cosigner("example.org").id());
        let vkey = key.cosigner("example.org").to_string();
        assert!(vkey.parse::<VerifierKey>().unwrap().is_cosigner());
    }
}
