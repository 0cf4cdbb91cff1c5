//! The leaf format is frozen: these vectors were made by another implementation of the documented encoding.

use ledger::leaf::{Entry, Hash, leaf_of, sha256};
use ledger::merkle::Frontier;
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    roots: Vec<String>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    recorded_at: i64,
    previous: String,
    sequence: u64,
    effective_at: i64,
    command: Uuid,
    event_version: u16,
    payload: String,
    stream_type: String,
    stream_id: String,
    event_type: String,
    actor: String,
    on_behalf_of: Option<String>,
    reason: String,
    reference: Option<String>,
    segments: Vec<Segment>,
    entry: String,
    leaf: String,
}

#[derive(Deserialize)]
struct Segment {
    subject: Uuid,
    blind: String,
    plaintext: String,
}

fn hash(text: &str) -> Hash {
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn entries_leaves_and_roots_are_as_they_always_were() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/leaves.json")).unwrap();
    let mut tree = Frontier::default();
    for (case, root) in golden.cases.iter().zip(&golden.roots) {
        let segments: Vec<(Uuid, Hash)> = case
            .segments
            .iter()
            .map(|segment| {
                let committed = [hex::decode(&segment.blind).unwrap(), segment.plaintext.clone().into_bytes()].concat();
                (segment.subject, sha256(&committed))
            })
            .collect();
        let entry = Entry {
            recorded_at: case.recorded_at,
            previous: hash(&case.previous),
            sequence: case.sequence,
            effective_at: case.effective_at,
            command: case.command,
            event_version: case.event_version,
            payload: case.payload.as_bytes(),
            stream_type: &case.stream_type,
            stream_id: &case.stream_id,
            event_type: &case.event_type,
            actor: &case.actor,
            on_behalf_of: case.on_behalf_of.as_deref(),
            reason: &case.reason,
            reference: case.reference.as_deref(),
            segments: &segments,
        };
        assert_eq!(hex::encode(entry.encode()), case.entry, "{}", case.name);
        assert_eq!(hex::encode(leaf_of(&entry.encode())), case.leaf, "{}", case.name);
        tree.push(entry.leaf());
        assert_eq!(hex::encode(tree.root()), *root, "{}", case.name);
    }
    assert_eq!(tree.size(), 3);
}
