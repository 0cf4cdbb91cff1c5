//! Sealing: personal data leaves the process only encrypted with its person's own key (AES-256-GCM).
//!
//! All segments of an event share one column, framed as follows (integers big-endian; empty column: no segments):
//!
//! | Bytes | Field |
//! |------:|-------|
//! | 1  | format version, `0x01` |
//! | 2  | number of segments; then for each: |
//! | 16 | subject |
//! | 32 | commitment: SHA-256(blind ‖ plaintext) — what the leaf commits to; it stays after erasure |
//! | 12 | nonce, random |
//! | 4  | length of the rest |
//! | …  | AES-256-GCM(blind ‖ plaintext) with its 16-byte tag, under the subject's key |
//!
//! The *blind* is 32 random bytes. The associated data bind a ciphertext to its place: format version, sequence
//! (8), segment index (2), subject (16), then stream type, stream id and event type, each as a `u32` length and
//! UTF-8. Moved to another event, it does not open.

mod frame;
mod keys;
mod master;
pub(crate) mod rotation;

pub(crate) use frame::{Place, Room, Sealed, parse, seal_segments, segments};
pub(crate) use keys::{KeyStore, Known, KnownKeys, NewKey, Subjects};
pub use master::{MasterKeys, MasterKeysError, MasterSource};
pub use rotation::{Rotated, RotationError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use domain::ids::SubjectId;
use zeroize::Zeroizing;

/// Length of every symmetric key, bytes.
pub(crate) const KEY_LEN: usize = 32;
/// Length of AES-GCM's tag, bytes.
pub(crate) const TAG_LEN: usize = 16;

/// Something sealed could not be sealed or opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SealError {
    /// The ciphertext is damaged, was moved, or was sealed with another key.
    #[error("{0} does not open: it is damaged, was moved, or another master key sealed it")]
    DoesNotOpen(String),
    /// The operating system gave no randomness.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
    /// A subject without a key row: the key store does not belong to this ledger, or was restored too old.
    #[error("the key store has no key for {0}, nor says that it was destroyed")]
    NoKey(SubjectId),
    /// The segment opens, and holds something else than its event's leaf commits to.
    #[error("the plaintext of segment {0} is not what the leaf commits to")]
    Commitment(u16),
    /// Another master key than the configured one is in force.
    #[error(
        "the master key `{found}` is configured, but `{needed}` is in force in this database: give that one. Nothing \
         was opened or sealed with the other"
    )]
    OtherMaster {
        /// Name of the configured key.
        found: String,
        /// Name of the key in force.
        needed: String,
    },
    /// The stored frame is malformed.
    #[error("malformed segments: {0}")]
    Malformed(&'static str),
}

/// A key ready for use. AWS-LC clears its memory when it is dropped.
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    pub(crate) fn new(key: &[u8; KEY_LEN]) -> Self {
        let unbound = UnboundKey::new(&AES_256_GCM, key).expect("AES-256-GCM takes any 32 bytes as a key");
        Self(LessSafeKey::new(unbound))
    }

    /// `nonce ‖ ciphertext ‖ tag` under a fresh random nonce.
    pub(crate) fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut out = Vec::with_capacity(NONCE_LEN + plaintext.len() + TAG_LEN);
        let nonce: [u8; NONCE_LEN] = random()?;
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plaintext);
        self.seal_in_place(nonce, aad, &mut out, NONCE_LEN)?;
        Ok(out)
    }

    /// Encrypts `out[from..]` in place and appends the tag.
    pub(crate) fn seal_in_place(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        out: &mut Vec<u8>,
        from: usize,
    ) -> Result<(), SealError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(aad), &mut out[from..])
            .map_err(|_| SealError::Malformed("too long to seal"))?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens `nonce ‖ ciphertext ‖ tag`; `None` when it does not open.
    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut plain = Zeroizing::new(body.to_vec());
        let length = self.open_in_place(*nonce, aad, &mut plain)?.len();
        plain.truncate(length);
        Some(plain)
    }

    /// Opens `ciphertext ‖ tag` where it lies; `None` when it does not open.
    pub(crate) fn open_in_place<'b>(&self, nonce: [u8; NONCE_LEN], aad: &[u8], body: &'b mut [u8]) -> Option<&'b [u8]> {
        self.0.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), body).ok().map(|plain| &*plain)
    }
}

/// Fresh random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SealError::NoRandomness)?;
    Ok(bytes)
}
