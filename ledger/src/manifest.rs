//! Manifests: one hash over where every stream stands at a size of the ledger.
//!
//! The *heads* of a size n are, for each stream with an event before position n, its last such event. Sorted by the
//! bytes of stream type and stream id, they are the leaves of a tree (RFC 6962, section 2.1) whose root the manifest
//! records. A head's leaf is SHA-256(0x00 ‖ head), where *text* is a `u32` length in bytes, big-endian, then UTF-8:
//!
//! | Bytes | Field |
//! |------:|-------|
//! | 1  | format version, `0x01` |
//! | …  | text: stream type |
//! | …  | text: stream id |
//! | 8  | sequence of the stream's last event, big-endian |
//! | 32 | leaf of that event |
//!
//! The database sorts, spilling to its disk; here a tree costs the hashes of its frontier, so that memory does not
//! depend on the number of streams. One pass serves any number of sizes: checking ten years of manifests sorts once.

use crate::Ledger;
use crate::error::{ExecuteError, ReadError};
use crate::leaf::{Hash, leaf_of};
use crate::merkle::{Frontier, parent};
use domain::context::{Actor, Context, Reason};
use domain::ids::CommandId;
use domain::ledger_manifest::{LedgerManifest, LedgerManifestCommand, LedgerManifestError, STREAM};
use futures::TryStreamExt;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

const FORMAT: u8 = 1;

/// The heads of one size: what is no head, the database keeps to itself.
const ONE: &str = "SELECT DISTINCT ON (stream_type COLLATE \"C\", stream_id COLLATE \"C\") \
    stream_type, stream_id, sequence, position, leaf FROM ledger.event WHERE position < $1 \
    ORDER BY stream_type COLLATE \"C\", stream_id COLLATE \"C\", sequence DESC";
/// All events before a position, in the order of heads.
const MANY: &str = "SELECT stream_type, stream_id, sequence, position, leaf FROM ledger.event WHERE position < $1 \
    ORDER BY stream_type COLLATE \"C\", stream_id COLLATE \"C\", sequence";

/// What a manifest says of a size of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The events before this position count.
    pub size: u64,
    /// Number of streams.
    pub streams: u64,
    /// Root over their heads.
    pub root: Hash,
}

/// One stream's head in the tree of a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadProof {
    /// Kind of aggregate.
    pub stream_type: String,
    /// Which one.
    pub stream_id: String,
    /// Sequence of its last event before the size.
    pub sequence: u64,
    /// Leaf of that event.
    pub leaf: Hash,
    /// Place among the heads.
    pub index: u64,
    /// From the head's sibling up to the root's child.
    pub hashes: Vec<Hash>,
}

/// Why a manifest was not recorded.
pub type ManifestError = ExecuteError<LedgerManifestError>;

/// The bytes of one head.
pub fn head(stream_type: &str, stream_id: &str, sequence: u64, leaf: &Hash) -> Vec<u8> {
    let mut out = Vec::with_capacity(49 + stream_type.len() + stream_id.len());
    out.push(FORMAT);
    for text in [stream_type, stream_id] {
        out.extend_from_slice(&(text.len() as u32).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(leaf);
    out
}

impl Ledger {
    /// The heads at each of these sizes, in their order, by one pass over the ledger.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn heads(&self, sizes: &[u64]) -> Result<Vec<Heads>, ReadError> {
        let mut trees = Trees::new(sizes);
        let Some(last) = trees.sizes.last().copied() else { return Ok(Vec::new()) };
        let sql = if trees.sizes.len() == 1 { ONE } else { MANY };
        let mut rows = sqlx::query(sql).bind(last.cast_signed()).fetch(self.pool());
        while let Some(row) = rows.try_next().await? {
            trees.event(Tip::of(&row)?);
        }
        Ok(trees.finish(sizes))
    }

    /// Where these streams stand among the heads of a size, with the paths from each head to their root. A stream
    /// without an event before that size is missing from the answer.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn head_proofs(&self, size: u64, streams: &[(String, String)]) -> Result<Vec<HeadProof>, ReadError> {
        let mut tree = Paths::default();
        let mut proofs = Vec::new();
        let mut rows = sqlx::query(ONE).bind(size.cast_signed()).fetch(self.pool());
        while let Some(row) = rows.try_next().await? {
            let tip = Tip::of(&row)?;
            let leaf = leaf_of(&head(&tip.stream_type, &tip.stream_id, tip.sequence, &tip.leaf));
            let wanted = streams.iter().any(|(kind, id)| *kind == tip.stream_type && *id == tip.stream_id);
            let index = tree.push(leaf, wanted);
            if wanted {
                let Tip { stream_type, stream_id, sequence, leaf, position: _ } = tip;
                proofs.push(HeadProof { stream_type, stream_id, sequence, leaf, index, hashes: Vec::new() });
            }
        }
        drop(rows);
        for (proof, hashes) in proofs.iter_mut().zip(tree.finish()) {
            proof.hashes = hashes;
        }
        Ok(proofs)
    }

    /// Records today's manifest (UTC), unless it is recorded or there is nothing yet. However many instances try, one
    /// event is recorded. Returns what it says.
    ///
    /// # Errors
    /// When the ledger can't be read or appended to.
    pub async fn record_manifest(&self, actor: Actor, reason: Reason) -> Result<Option<Heads>, ManifestError> {
        let now = self.now();
        let day = now.date_naive();
        let known = self.load::<LedgerManifest>(STREAM).await?.aggregate;
        let (size, _) = self.root().await?;
        if known.has(day) || size == 0 {
            return Ok(None);
        }
        let heads = self.heads(&[size]).await?.into_iter().next();
        let Some(heads) = heads else { return Ok(None) };
        let root = hex(&heads.root);
        let command = LedgerManifestCommand::Record { day, size, streams: heads.streams, root };
        let context = Context {
            command: CommandId(Uuid::now_v7()),
            actor,
            on_behalf_of: None,
            reason,
            reference: None,
            effective_at: now,
        };
        // Another instance's manifest of this day makes the command a matter of course: nothing is added.
        let appended = self.execute::<LedgerManifest>(STREAM, command, &context).await?;
        Ok((appended.count > 0).then_some(heads))
    }
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An event of a stream, until the next one of the same stream comes.
struct Tip {
    stream_type: String,
    stream_id: String,
    sequence: u64,
    position: u64,
    leaf: Hash,
}

impl Tip {
    fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            stream_type: row.try_get(0)?,
            stream_id: row.try_get(1)?,
            sequence: row.try_get::<i64, _>(2)?.cast_unsigned(),
            position: row.try_get::<i64, _>(3)?.cast_unsigned(),
            leaf: row.try_get(4)?,
        })
    }

    fn same_stream(&self, other: &Self) -> bool {
        self.stream_id == other.stream_id && self.stream_type == other.stream_type
    }
}

/// A tree for each size, fed by events in order of stream and sequence.
struct Trees {
    /// Ascending, each once.
    sizes: Vec<u64>,
    trees: Vec<Frontier>,
    tip: Option<Tip>,
}

impl Trees {
    fn new(sizes: &[u64]) -> Self {
        let mut sizes = sizes.to_vec();
        sizes.sort_unstable();
        sizes.dedup();
        Self { trees: vec![Frontier::default(); sizes.len()], sizes, tip: None }
    }

    fn event(&mut self, next: Tip) {
        let tip = self.tip.replace(next);
        let until = match (&tip, &self.tip) {
            (Some(tip), Some(next)) if tip.same_stream(next) => next.position,
            _ => u64::MAX,
        };
        self.settle(tip, until);
    }

    /// The event is its stream's head at the sizes after its position, up to where the next one stands.
    fn settle(&mut self, tip: Option<Tip>, until: u64) {
        let Some(tip) = tip else { return };
        let from = self.sizes.partition_point(|size| *size <= tip.position);
        let to = self.sizes.partition_point(|size| *size <= until);
        if from < to {
            let leaf = leaf_of(&head(&tip.stream_type, &tip.stream_id, tip.sequence, &tip.leaf));
            self.trees[from..to].iter_mut().for_each(|tree| tree.push(leaf));
        }
    }

    fn finish(mut self, asked: &[u64]) -> Vec<Heads> {
        let last = self.tip.take();
        self.settle(last, u64::MAX);
        let of = |size: &u64| {
            let index = self.sizes.binary_search(size).expect("every size asked for has its tree");
            Heads { size: *size, streams: self.trees[index].size(), root: self.trees[index].root() }
        };
        asked.iter().map(of).collect()
    }
}

/// A frontier that writes down the paths of some leaves as it grows.
#[derive(Default)]
struct Paths {
    size: u64,
    /// Roots of the perfect subtrees, largest first, each with the wanted leaves in it.
    roots: Vec<(Hash, Vec<usize>)>,
    paths: Vec<Vec<Hash>>,
}

impl Paths {
    /// Adds a leaf; its index.
    fn push(&mut self, leaf: Hash, wanted: bool) -> u64 {
        let mut node = (leaf, Vec::new());
        if wanted {
            node.1.push(self.paths.len());
            self.paths.push(Vec::new());
        }
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                node = self.join(left, node);
            }
        }
        self.roots.push(node);
        self.size += 1;
        self.size - 1
    }

    fn join(&mut self, left: (Hash, Vec<usize>), right: (Hash, Vec<usize>)) -> (Hash, Vec<usize>) {
        left.1.iter().for_each(|wanted| self.paths[*wanted].push(right.0));
        right.1.iter().for_each(|wanted| self.paths[*wanted].push(left.0));
        (parent(&left.0, &right.0), [left.1, right.1].concat())
    }

    /// The paths, in the order in which their leaves came.
    fn finish(mut self) -> Vec<Vec<Hash>> {
        let mut right_to_left = std::mem::take(&mut self.roots).into_iter().rev();
        if let Some(mut node) = right_to_left.next() {
            for left in right_to_left {
                node = self.join(left, node);
            }
        }
        self.paths
    }
}
