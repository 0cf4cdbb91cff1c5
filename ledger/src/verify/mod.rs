//! Walking the whole ledger: every leaf recomputed from its row, every stream's chain, every root from the leaves;
//! and, where the subjects' keys are there, every segment opened and held against its commitment.
//!
//! ```text
//!   pages, several under way            shards, by stream              one after the other
//!   COPY ─▶ examine (entries, segments) ─▶ chain (leaf of each entry) ─▶ tree, clock, nonces
//! ```
//!
//! The first two stages use all cores. The walk holds the last leaf of every stream, about 100 bytes each; all else is
//! bounded. Nothing stops it but an unreadable database: what is wrong is noted under the name of its [`Check`], and
//! the walk goes on with what was stored, so that one fault is told once.

mod chain;
mod check;
mod examine;
mod nonces;

pub use check::{Check, Finding, Findings};

use crate::Ledger;
use crate::bulk::{Buffers, PAGE};
use crate::error::ReadError;
use crate::leaf::Hash;
use crate::merkle::Frontier;
use crate::record::AnyEvent;
use crate::tree::{TILE_WIDTH, perfect_root};
use chain::Chains;
use examine::{Examined, Look, earlier};
use futures::{StreamExt, TryStreamExt, stream};
use nonces::Nonces;
use std::collections::BTreeMap;

/// Pages under way at a time.
const AHEAD: usize = 4;

/// A ledger in which nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Number of events there were when the walk began.
    pub size: u64,
    /// The root they have, equal to the stored one.
    pub root: Hash,
}

/// What a walk found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    /// Number of events there were when the walk began, by the head.
    pub size: u64,
    /// The root of the stored leaves; `None` where positions are missing.
    pub root: Option<Hash>,
    /// The roots at the sizes asked for, as far as the leaves reach.
    pub roots: BTreeMap<u64, Hash>,
    /// Number of streams.
    pub streams: u64,
    /// Segments opened and found as committed to.
    pub opened: u64,
    /// Segments whose key is destroyed.
    pub erased: u64,
    /// Stored tile roots found to be those of the leaves.
    pub tiles: u64,
    /// What is wrong.
    pub findings: Findings,
}

/// The ledger is not what was recorded.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It was read, and these checks fail.
    #[error("{0}")]
    Failed(Findings),
}

impl Ledger {
    /// Recomputes every leaf, chain and root without any key, and compares them with what is stored. `progress` is
    /// told how many events are done.
    ///
    /// # Errors
    /// What is wrong, or what kept the ledger from being read.
    pub async fn verify(&self, progress: impl FnMut(u64) + Send) -> Result<Verified, VerifyError> {
        let walked = self.walk(None, &[], progress).await?;
        match walked.root {
            Some(root) if walked.findings.is_empty() => Ok(Verified { size: walked.size, root }),
            _ => Err(VerifyError::Failed(walked.findings)),
        }
    }

    /// [`Ledger::verify`] that also opens every segment whose key is there, decodes every event and notes what is
    /// wrong instead of failing; with the roots at the given sizes, to be compared with checkpoints.
    ///
    /// # Errors
    /// Only when the database can't be read.
    pub async fn verify_opened<E: AnyEvent>(
        &self,
        roots_at: &[u64],
        progress: impl FnMut(u64) + Send,
    ) -> Result<Walked, ReadError> {
        self.walk(Some(examine::open::<E>), roots_at, progress).await
    }

    async fn walk(
        &self,
        look: Option<Look>,
        roots_at: &[u64],
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<Walked, ReadError> {
        let (size, stored) = self.root().await?;
        let mut walk = Walk::new(roots_at);
        let ledger = self.clone();
        let buffers = Buffers::default();
        let spent = buffers.clone();
        let mut pages = stream::iter((0..size).step_by(PAGE as usize))
            .map(move |from| {
                let page = tokio::spawn(ledger.clone().examine(from, PAGE.min(size - from), look, buffers.clone()));
                async move { page.await.map_err(|_| ReadError::Cancelled)? }
            })
            .buffered(AHEAD);
        while let Some(page) = pages.try_next().await? {
            let done = walk.done;
            spent.give(walk.page(page, PAGE.min(size - done)).await?);
            progress(walk.done);
        }
        drop(pages);
        let tiles = std::mem::take(&mut walk.tiles);
        let whole = walk.tree.is_some();
        let mut verified = walk.finish(size, stored).await?;
        if whole {
            self.tiles_hold(tiles, &mut verified).await?;
        }
        self.head_holds(verified).await
    }

    /// The stored tile roots are those of the leaves. Tiles that were filled since the walk began are passed over.
    async fn tiles_hold(&self, tiles: Vec<Hash>, verified: &mut Walked) -> Result<(), ReadError> {
        let mut computed = vec![tiles];
        let mut rows =
            sqlx::query_as::<_, (i16, i64, Hash)>("SELECT level, number, root FROM ledger.tile ORDER BY level, number")
                .fetch(self.pool());
        while let Some((level, number, root)) = rows.try_next().await? {
            let level = usize::from(level.unsigned_abs());
            while computed.len() <= level {
                let below = computed.last().map(Vec::as_slice).unwrap_or_default();
                computed.push(below.chunks_exact(TILE_WIDTH as usize).map(perfect_root).collect());
            }
            let known = usize::try_from(number).ok().and_then(|number| computed[level].get(number));
            match known {
                Some(known) if *known == root => verified.tiles += 1,
                Some(_) => {
                    let detail = format!("tile {number} of level {level} is not that of its leaves");
                    verified.findings.push(Finding::of(Check::Tiles, detail));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Nothing lies beyond the head, and its frontier has the root it is stored with.
    async fn head_holds(&self, mut verified: Walked) -> Result<Walked, ReadError> {
        // In one statement, so of one moment.
        let beyond: Option<i64> =
            sqlx::query_scalar("SELECT max(e.position) FROM ledger.event e, ledger.head h WHERE e.position >= h.size")
                .fetch_one(self.pool())
                .await?;
        if let Some(position) = beyond {
            let detail = "the event lies beyond the ledger's end";
            verified.findings.push(Finding::at(Check::PositionGap, position.cast_unsigned(), detail));
        }
        let head: Result<_, ReadError> = crate::writer::Head::read(self.pool()).await;
        match head {
            Err(ReadError::Head(error)) => verified.findings.push(Finding::of(Check::Root, error.to_string())),
            Err(error) => return Err(error),
            Ok(head) => {
                let (size, root) = self.root().await?;
                // Between the two reads a batch may have come.
                if head.size() == size && head.frontier.root() != root {
                    let detail =
                        "the head's frontier has another root than the head: the next append would not extend it";
                    verified.findings.push(Finding::of(Check::Root, detail));
                }
            }
        }
        Ok(verified)
    }
}

/// The walk's state from page to page.
struct Walk {
    done: u64,
    /// `None` once a position was missing.
    tree: Option<Frontier>,
    chains: Chains,
    nonces: Nonces,
    /// Of all full tiles so far: 32 bytes for 256 events.
    tiles: Vec<Hash>,
    latest: i64,
    wanted: Vec<u64>,
    roots: BTreeMap<u64, Hash>,
    opened: u64,
    erased: u64,
    findings: Findings,
}

impl Walk {
    fn new(roots_at: &[u64]) -> Self {
        Self {
            done: 0,
            tree: Some(Frontier::default()),
            chains: Chains::new(),
            nonces: Nonces::default(),
            tiles: Vec::new(),
            latest: i64::MIN,
            wanted: roots_at.to_vec(),
            roots: roots_at.contains(&0).then(|| (0, Frontier::default().root())).into_iter().collect(),
            opened: 0,
            erased: 0,
            findings: Findings::default(),
        }
    }

    /// Takes a page in; gives its buffer back.
    async fn page(&mut self, mut page: Examined, count: u64) -> Result<Vec<u8>, ReadError> {
        self.opened += page.opened;
        self.erased += page.erased;
        self.findings.merge(std::mem::take(&mut page.findings));
        self.nonces.extend(&std::mem::take(&mut page.nonces)).map_err(no_room)?;
        if let (Some((first, last)), Some(line)) = (page.times, page.lines.first()) {
            if first < self.latest {
                self.findings.push(earlier(line.position));
            }
            self.latest = last;
        }
        self.tiles.append(&mut page.tiles);
        self.grow(&page, count);
        self.done += count;
        let (found, buffer) = self.chains.follow(page).await?;
        self.findings.merge(found);
        Ok(buffer)
    }

    /// Whole pages go into the tree at once, by the subtree that was made of them beside.
    fn grow(&mut self, page: &Examined, count: u64) {
        let (Some(tree), Some(subtree)) = (&mut self.tree, page.subtree) else {
            self.tree = None;
            return;
        };
        let end = self.done + count;
        let within = self.wanted.iter().any(|size| *size > self.done && *size < end);
        if count == PAGE && !within {
            tree.push_perfect(subtree, PAGE.trailing_zeros());
            if self.wanted.contains(&end) {
                self.roots.insert(end, tree.root());
            }
            return;
        }
        for line in &page.lines {
            tree.push(line.leaf);
            if self.wanted.contains(&tree.size()) {
                self.roots.insert(tree.size(), tree.root());
            }
        }
    }

    async fn finish(mut self, size: u64, stored: Hash) -> Result<Walked, ReadError> {
        let root = self.tree.as_ref().map(Frontier::root);
        if root.is_some_and(|root| root != stored) {
            let detail = format!("the {size} leaves have another root than the head: leaves or the head were changed");
            self.findings.push(Finding::of(Check::Root, detail));
        }
        let nonces = self.nonces;
        let repeated = tokio::task::spawn_blocking(move || {
            let mut findings = Findings::default();
            let told = nonces.repeated(|first, second| {
                let detail = format!("a nonce of event {first} was used again for the same subject");
                findings.push(Finding::at(Check::SegmentNonce, second, detail));
            });
            told.map(|()| findings)
        });
        self.findings.merge(repeated.await.map_err(|_| ReadError::Cancelled)?.map_err(no_room)?);
        let streams = self.chains.streams();
        let (roots, opened, erased, findings) = (self.roots, self.opened, self.erased, self.findings);
        Ok(Walked { size, root, roots, streams, opened, erased, tiles: 0, findings })
    }
}

/// The nonces' runs could not be written.
fn no_room(error: std::io::Error) -> ReadError {
    ReadError::Database(sqlx::Error::Io(error))
}
