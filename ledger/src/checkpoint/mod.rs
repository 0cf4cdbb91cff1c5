//! Signed statements of what the tree is: C2SP [tlog-checkpoint](https://c2sp.org/tlog-checkpoint), kept outside the
//! database, cosigned by witnesses, one a day timestamped. `docs/proof.md` tells operators and auditors of them.

mod command;
mod http;
mod keep;
mod key;
mod key_source;
mod note;
mod published;
mod signer;
mod statement;
mod task;
mod timestamp;
mod trouble;
pub mod witness;

pub use keep::{Keep, KeepError, ObjectStore};
pub use key::{BadVerifierKey, SigningKey, VerifierKey};
pub use key_source::{KeyError, KeySource};
pub use note::{Checkpoint, Cosignature, NoteError, SignedCheckpoint};
pub use published::{Archive, Daily, Published, Recovery};
pub use signer::{RecoverError, Recovered, kept, recover};
pub use statement::Statement;
pub use task::{Checkpoints, Health, State};
pub use trouble::{Head, Refusal, Trouble};

use std::time::Duration;
use url::Url;
use witness::Witness;

/// How checkpoints are made.
#[derive(Clone)]
pub struct Settings {
    /// Names the log: a URL without scheme, with neither spaces nor plus signs.
    pub origin: String,
    /// Where the signing key is.
    pub key: KeySource,
    /// Where the last checkpoint is kept.
    pub keep: Keep,
    /// The least time between two.
    pub every: Duration,
    /// Who is asked to cosign.
    pub witnesses: Vec<Witness>,
    /// How many of them must, for a checkpoint to be published.
    pub threshold: usize,
    /// RFC 3161 time-stamping authority for the checkpoint of each day.
    pub timestamps: Option<Url>,
}

/// The origin of a generation: after each recovery the log is another log.
pub fn origin_of(base: &str, generation: u64) -> String {
    if generation <= 1 { base.to_owned() } else { format!("{base}/{generation}") }
}
