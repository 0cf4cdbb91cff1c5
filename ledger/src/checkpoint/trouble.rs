//! Why no checkpoint was signed or published, and what to do about it.

use super::keep::KeepError;
use super::key_source::KeyError;
use super::note::NoteError;
use crate::leaf::Hash;
use crate::tree::TreeError;
use std::fmt;

/// A tree's size and root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of leaves.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events, root {}", self.size, hex::encode(self.root))
    }
}

/// The tree does not extend what was signed before: it is not signed. The service serves on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Events are gone.
    #[error(
        "the ledger ({found}) has fewer events than the kept checkpoint ({kept}): events are missing, as after the \
         restore of an old backup. {RECOVERY}"
    )]
    Shorter {
        /// What was signed before.
        kept: Head,
        /// What is there.
        found: Head,
    },
    /// Events are not what they were.
    #[error(
        "the ledger ({found}) does not extend the kept checkpoint ({kept}): its first events have root {now} instead. \
         They were changed, or it is another history, as after the restore of an old backup on which work went on. \
         {RECOVERY}", now = hex::encode(now)
    )]
    Forked {
        /// What was signed before.
        kept: Head,
        /// What is there.
        found: Head,
        /// Root of as many of the leaves that are there as the kept checkpoint has.
        now: Hash,
    },
    /// The leaves are not those that were appended.
    #[error(
        "the ledger's head ({head}) is not what its leaves give (root {leaves}): leaves or head were changed. \
         matricule-replay check tells where. {RECOVERY}", leaves = hex::encode(leaves)
    )]
    Head {
        /// What the head row says.
        head: Head,
        /// Root of the leaves.
        leaves: Hash,
    },
    /// The kept checkpoint can't be held against anything.
    #[error("the kept checkpoint can't be used: {reason}. The ledger has {found}. {RECOVERY}")]
    Kept {
        /// What is wrong with it.
        reason: NoteError,
        /// What is there.
        found: Head,
    },
    /// Checkpoints were published, and none is kept.
    #[error(
        "the kept checkpoint is missing, and one of {published} events was published. The ledger has {found}. \
         {RECOVERY}"
    )]
    Lost {
        /// Size of the last published one, as the database remembers it.
        published: u64,
        /// What is there.
        found: Head,
    },
}

const RECOVERY: &str = "Nothing is signed until you bring back what is missing or, once you know the cause, decide to \
                        go on with: matricule checkpoint recover --reason \"…\"";

/// A round came to no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// What is there must not be signed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No key to sign with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The kept checkpoint can't be read or replaced.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The tree can't be read.
    #[error("the tree can't be read: {0}")]
    Tree(#[from] TreeError),
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// Too few witnesses.
    #[error("{got} of {needed} demanded witnesses have cosigned; the checkpoint is not published: {}", failures.join("; "))]
    Witnesses {
        /// How many have.
        got: usize,
        /// How many must.
        needed: usize,
        /// What the others said.
        failures: Vec<String>,
    },
    /// The origin is unfit for a key's name.
    #[error("the origin {0:?} can't be signed under: it must be without spaces and plus signs")]
    Origin(String),
    /// The HTTP client can't be made.
    #[error("HTTP: {0}")]
    Http(String),
}

impl Trouble {
    /// For everyone to see: nothing of the machine's own.
    pub fn public(&self) -> String {
        match self {
            Self::Refused(_) | Self::Witnesses { .. } | Self::Origin(_) => self.to_string(),
            Self::Key(_) => "the signing key can't be had; the log says why".to_owned(),
            Self::Keep(_) => "the kept checkpoint can't be read or replaced; the log says why".to_owned(),
            Self::Tree(_) | Self::Database(_) | Self::Http(_) => "the tree can't be read; the log says why".to_owned(),
        }
    }
}
