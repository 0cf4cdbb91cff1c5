//! That the streams of a bundle are whole: their heads in the tree of the last manifest.

use super::format::{Completeness, HeadProof, Index, hash};
use super::verify::Read;
use cqrs_es::Aggregate;
use domain::ledger_manifest::{LedgerManifest, LedgerManifestEvent};
use ledger::leaf::{Hash, leaf_of};
use ledger::manifest::head;
use ledger::tree::verify_inclusion;
use std::collections::BTreeMap;

/// What is wrong with it.
pub(super) fn verify(
    completeness: &Completeness,
    index: &Index,
    events: &BTreeMap<u64, Result<Read, String>>,
) -> Vec<String> {
    let manifest = match events.get(&completeness.manifest) {
        Some(Ok(read)) if read.stands() && read.file.stream_type == LedgerManifest::TYPE => read,
        _ => return vec![format!("event {} is no manifest that stands", completeness.manifest)],
    };
    let Ok(LedgerManifestEvent::LedgerManifestRecorded { size, streams, root, day: _ }) =
        serde_json::from_str(&manifest.file.payload)
    else {
        return vec![format!("the manifest at {} can't be read", completeness.manifest)];
    };
    let Some(root) = hash(&root) else { return vec!["the manifest's root is no hash".to_owned()] };
    let mut wrong = Vec::new();
    for range in &index.streams {
        let of = |read: &&Read| read.file.stream_type == range.stream_type && read.file.stream_id == range.stream_id;
        // The head in the bundle: the last event before the manifest's size.
        let own = events.values().flatten().filter(of).filter(|read| read.file.position < size);
        let last = own.max_by_key(|read| read.file.sequence);
        let proof = completeness
            .heads
            .iter()
            .find(|proof| proof.stream_type == range.stream_type && proof.stream_id == range.stream_id);
        let holds = match (last, proof) {
            (None, None) => true,
            (Some(last), Some(proof)) => {
                proof.sequence == last.file.sequence
                    && hash(&proof.leaf) == Some(last.leaf)
                    && proves(proof, streams, root)
            }
            _ => false,
        };
        if !holds {
            let (kind, id) = (&range.stream_type, &range.stream_id);
            wrong.push(format!("{kind} {id} does not stand where the manifest at {} attests", completeness.manifest));
        }
    }
    wrong
}

fn proves(proof: &HeadProof, streams: u64, root: Hash) -> bool {
    let Some(leaf) = hash(&proof.leaf) else { return false };
    let hashes: Option<Vec<Hash>> = proof.hashes.iter().map(|text| hash(text)).collect();
    let Some(hashes) = hashes else { return false };
    let leaf = leaf_of(&head(&proof.stream_type, &proof.stream_id, proof.sequence, &leaf));
    verify_inclusion(proof.index, streams, root, leaf, &hashes).is_ok()
}
