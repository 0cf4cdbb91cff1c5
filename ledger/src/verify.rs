//! Walking the whole ledger: every leaf recomputed from its row, every root from the leaves. Needs no key: the
//! proof survives erasure.

use crate::Ledger;
use crate::bulk::PAGE;
use crate::error::ReadError;
use crate::leaf::{Entry, Hash, NO_LEAF, sha256};
use crate::merkle::Frontier;
use crate::record::{Raw, broken};
use crate::seal::parse;
use std::collections::HashMap;

/// What a walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Number of events walked: all there were when the walk began.
    pub size: u64,
    /// The root they have, equal to the stored one.
    pub root: Hash,
}

/// The ledger is not what it was.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It could not be read, or a row is missing.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A row was changed after it was recorded.
    #[error("event at position {0} is not what its leaf commits to: it was changed after it was recorded")]
    Leaf(u64),
    /// Every row fits its leaf, but the stored root is another.
    #[error("the {size} events have another root than the stored one: leaves were replaced or the head was changed")]
    Root {
        /// Number of events.
        size: u64,
    },
}

/// The last leaf of each stream, by a hash of the stream's name that needs no allocation of its own.
#[derive(Default)]
struct Tips(HashMap<[u8; 16], (u64, Hash)>);

impl Ledger {
    /// Recomputes every leaf and the root, and compares them with what is stored. `progress` is told how many
    /// events are done.
    ///
    /// # Errors
    /// The first position at fault, or what kept the ledger from being read.
    pub async fn verify(&self, mut progress: impl FnMut(u64) + Send) -> Result<Verified, VerifyError> {
        let (size, root) = self.root().await?;
        let mut tree = Frontier::default();
        let mut tips = Tips::default();
        let mut next = self.clone().start(0, PAGE.min(size));
        while tree.size() < size {
            let page = next.await.map_err(|_| ReadError::Cancelled)??;
            let first = tree.size();
            let after = first + page.len() as u64;
            next = self.clone().start(after, PAGE.min(size - after));
            if page.len() == 0 {
                return Err(broken(first, &"missing").into());
            }
            let walked = tokio::task::spawn_blocking(move || {
                for raw in page.raws(first) {
                    let raw = raw?;
                    let leaf = tips.follow(&raw)?;
                    tree.push(leaf);
                }
                Ok::<_, VerifyError>((tree, tips))
            });
            (tree, tips) = walked.await.map_err(|_| ReadError::Cancelled)??;
            progress(tree.size());
        }
        if tree.root() == root { Ok(Verified { size, root }) } else { Err(VerifyError::Root { size }) }
    }
}

impl Tips {
    /// Checks one event against its leaf and its stream's last one.
    fn follow(&mut self, raw: &Raw<'_>) -> Result<Hash, VerifyError> {
        let name = sha256(format!("{}\0{}", raw.stream_type, raw.stream_id).as_bytes());
        let name = *name.first_chunk().expect("a hash has more than 16 bytes");
        let tip = self.0.entry(name).or_insert((0, NO_LEAF));
        let sealed = parse(raw.segments).map_err(|error| broken(raw.position, &error))?;
        let segments: Vec<_> = sealed.iter().map(|sealed| (sealed.subject.0, sealed.commitment)).collect();
        let leaf = Entry {
            recorded_at: raw.recorded_at,
            previous: tip.1,
            sequence: tip.0 + 1,
            effective_at: raw.effective_at,
            command: raw.command,
            event_version: raw.event_version,
            payload: raw.payload,
            stream_type: raw.stream_type,
            stream_id: raw.stream_id,
            event_type: raw.event_type,
            actor: raw.actor,
            on_behalf_of: raw.on_behalf_of,
            reason: raw.reason,
            reference: raw.reference,
            segments: &segments,
        }
        .leaf();
        if leaf != raw.leaf || raw.sequence != tip.0 + 1 {
            return Err(VerifyError::Leaf(raw.position));
        }
        *tip = (raw.sequence, leaf);
        Ok(leaf)
    }
}
