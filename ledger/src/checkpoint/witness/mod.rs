//! C2SP [tlog-witness](https://c2sp.org/tlog-witness): others who look at every checkpoint and sign that it extends
//! the one before, so that nobody can be shown another history without their noticing.

mod client;
mod server;

pub(super) use client::Witnesses;
pub use server::{Verdict, WitnessError, WitnessService};

use super::key::VerifierKey;
use crate::leaf::Hash;
use crate::tree::{decimal, hash_line};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use url::Url;

/// Hashes of a consistency proof at most, by the specification.
const LONGEST: usize = 63;
/// Content type of the size that a conflict is answered with.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// A witness to ask.
#[derive(Clone, Debug)]
pub struct Witness {
    /// Its submission prefix: `/add-checkpoint` is put behind it.
    pub url: Url,
    /// What it signs with.
    pub key: VerifierKey,
}

/// The body of `add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the checkpoint that the witness cosigned last.
    pub old: u64,
    /// From there to this one.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub note: String,
}

impl AddCheckpoint {
    /// Reads a body; none where it is none.
    pub fn parse(body: &str) -> Option<Self> {
        let (head, note) = body.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = decimal(lines.next()?.strip_prefix("old ")?)?;
        let proof: Vec<Hash> = lines.map(hash_line).collect::<Option<_>>()?;
        (proof.len() <= LONGEST).then(|| Self { old, proof, note: note.to_owned() })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", STANDARD.encode(hash))?;
        }
        write!(f, "\n{}", self.note)
    }
}
