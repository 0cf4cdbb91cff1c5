//! Signed statements of what the tree is: C2SP [tlog-checkpoint](https://c2sp.org/tlog-checkpoint).

mod key;
mod note;

pub use key::{BadVerifierKey, SigningKey, VerifierKey};
pub use note::{Checkpoint, Cosignature, NoteError, SignedCheckpoint};
