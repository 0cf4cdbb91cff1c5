//! The C2SP [tlog-proof](https://c2sp.org/tlog-proof) format: a leaf's index, its inclusion proof and a checkpoint, in
//! one text that can be verified offline.

use super::{ProofError, verify_inclusion};
use crate::checkpoint::{NoteError, SignedCheckpoint, VerifierKey};
use crate::leaf::Hash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::str::FromStr;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// Hashes of a proof at most: one for each level of the largest tree.
const LONGEST: usize = 63;

/// A proof as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Opaque, and not authenticated by the proof.
    pub extra: Option<Vec<u8>>,
    /// Position of the event.
    pub index: u64,
    /// From the leaf's sibling up to the root's child.
    pub hashes: Vec<Hash>,
    /// The signed, perhaps cosigned checkpoint, verbatim.
    pub checkpoint: String,
}

/// A text that is no tlog-proof, or that does not prove what it should.
#[derive(Debug, thiserror::Error)]
pub enum BadTlogProof {
    /// A line is not what it should be.
    #[error("not a tlog-proof: {0}")]
    Format(&'static str),
    /// The checkpoint is none, or not by this log.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// The leaf is not shown to be in the checkpoint's tree.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl TlogProof {
    /// Checks that `leaf` is in the tree of the checkpoint and that the log signed that. Answers the checkpoint, for
    /// who demands cosignatures of it too.
    ///
    /// # Errors
    /// It isn't shown to be.
    pub fn verify(&self, leaf: Hash, log: &VerifierKey) -> Result<SignedCheckpoint, BadTlogProof> {
        let signed = SignedCheckpoint::verify(&self.checkpoint, log)?;
        verify_inclusion(self.index, signed.size, signed.root, leaf, &self.hashes)?;
        Ok(signed)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", STANDARD.encode(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = BadTlogProof;

    fn from_str(text: &str) -> Result<Self, BadTlogProof> {
        let bad = BadTlogProof::Format;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(bad("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(bad("the first line is not c2sp.org/tlog-proof@v1"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => Some(STANDARD.decode(&line[6..]).map_err(|_| bad("the extra data is not base64"))?),
            None => None,
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let index = index.ok_or(bad("no line `index` with a number"))?;
        let hashes: Option<Vec<Hash>> = lines.map(hash_line).collect();
        let hashes = hashes.filter(|hashes| hashes.len() <= LONGEST);
        let hashes = hashes.ok_or(bad("a line of the proof is not the base64 of 32 bytes, or there are too many"))?;
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }
}

/// A number as these formats write it: no sign, no leading zero.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// A hash in base64.
pub(crate) fn hash_line(line: &str) -> Option<Hash> {
    STANDARD.decode(line).ok()?.try_into().ok()
}
