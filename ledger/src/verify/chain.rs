//! Each stream's chain: sequences without a gap, each leaf over the one before it. Streams are dealt out to shards by
//! their names, so that all cores hash.

use super::check::{Check, Finding, Findings};
use super::examine::{Examined, Line};
use crate::error::ReadError;
use crate::leaf::{Hash, NO_LEAF, leaf_after};
use std::collections::HashMap;
use std::hash::Hasher;
use std::sync::Arc;

/// All streams' tips.
pub(super) struct Chains(Vec<Shard>);

/// The streams whose names fall to one shard.
#[derive(Default)]
struct Shard {
    tips: HashMap<[u8; 16], Tip, Names>,
    /// Leaves recomputed otherwise than stored: whether the row or the stored leaf was changed, the next event tells.
    doubts: HashMap<[u8; 16], Hash>,
}

#[derive(Clone, Copy)]
struct Tip {
    sequence: u64,
    leaf: Hash,
}

impl Chains {
    pub(super) fn new() -> Self {
        let shards = std::thread::available_parallelism().map_or(1, usize::from);
        Self((0..shards).map(|_| Shard::default()).collect())
    }

    /// Number of streams.
    pub(super) fn streams(&self) -> u64 {
        self.0.iter().map(|shard| shard.tips.len() as u64).sum()
    }

    /// Follows one page, which comes after all pages followed before. Gives back the buffer it lay in.
    pub(super) async fn follow(&mut self, page: Examined) -> Result<(Findings, Vec<u8>), ReadError> {
        let (page, count) = (Arc::new(page), self.0.len());
        let shards = self.0.drain(..).enumerate().map(|(number, mut shard)| {
            let page = page.clone();
            tokio::task::spawn_blocking(move || {
                let findings = shard.follow(&page, |line| usize::from(line.name[15]) % count == number);
                (shard, findings)
            })
        });
        let shards: Vec<_> = shards.collect();
        let mut all = Findings::default();
        for shard in shards {
            let (shard, findings) = shard.await.map_err(|_| ReadError::Cancelled)?;
            self.0.push(shard);
            all.merge(findings);
        }
        let buffer = Arc::try_unwrap(page).map(|page| page.bytes).unwrap_or_default();
        Ok((all, buffer))
    }
}

impl Shard {
    fn follow(&mut self, page: &Examined, mine: impl Fn(&Line) -> bool) -> Findings {
        let mut findings = Findings::default();
        let mut find = |check, line: &Line, detail: String| {
            let finding = Finding::at(check, line.position, detail);
            findings.push(match page.stream(line.position) {
                Some((stream_type, stream_id)) => finding.in_stream(&stream_type, &stream_id),
                None => finding,
            });
        };
        for line in page.lines.iter().filter(|line| mine(line)) {
            let tip = self.tips.entry(line.name).or_insert(Tip { sequence: 0, leaf: NO_LEAF });
            if line.sequence != tip.sequence + 1 {
                // What went before is unknown then, so the leaf can't be recomputed.
                let detail = format!("event {} of its stream follows event {}", line.sequence, tip.sequence);
                find(Check::StreamChain, line, detail);
                self.doubts.remove(&line.name);
            } else {
                let entry = &page.entries[line.entry.clone()];
                let doubt = if self.doubts.is_empty() { None } else { self.doubts.remove(&line.name) };
                let leaf = leaf_after(&tip.leaf, entry);
                if leaf != line.leaf && doubt.is_none_or(|doubt| leaf_after(&doubt, entry) != line.leaf) {
                    find(Check::Leaf, line, "the row is not what its leaf commits to".to_owned());
                    self.doubts.insert(line.name, leaf);
                }
            }
            *tip = Tip { sequence: line.sequence, leaf: line.leaf };
        }
        findings
    }
}

/// Names are hashes already: their first bytes do.
type Names = std::hash::BuildHasherDefault<FirstBytes>;

#[derive(Clone, Copy, Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    // The length that arrays are hashed with tells nothing.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
