//! Manifests: the same at a size whenever and however they are computed, and one a day however many try.

use crate::support::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::Event;
use domain::context::{Actor, Reason};
use domain::ledger_manifest::{LedgerManifest, LedgerManifestEvent, STREAM};
use ledger::leaf::{Hash, leaf_of};
use ledger::manifest::head;
use ledger::merkle::Frontier;
use ledger::postgres::Role;
use ledger::tree::verify_inclusion;
use ledger::{Ledger, MasterKeys, Options, Unit};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// By the documentation, from all events at once.
async fn naive(ledger: &Ledger, size: u64) -> (u64, Hash) {
    let mut heads = BTreeMap::new();
    for event in ledger.read_as::<ClubEvent>(0, size as u32).await.unwrap() {
        heads.insert((event.stream_type, event.stream_id), (event.sequence, event.leaf));
    }
    let mut tree = Frontier::default();
    for ((stream_type, stream_id), (sequence, leaf)) in &heads {
        tree.push(leaf_of(&head(stream_type, stream_id, *sequence, leaf)));
    }
    (heads.len() as u64, tree.root())
}

#[tokio::test]
async fn heads_are_those_of_every_size_in_one_pass_or_many() {
    let (ledger, _database) = ledger().await;
    // Ids whose order differs by letter and by byte, and one that begins another.
    let ids = ["a", "ab", "B", "é", "z", "Z-1"];
    for round in 0..4 {
        for (index, id) in ids.iter().enumerate().skip(round % 3) {
            let version = ledger.load::<Club>(id).await.unwrap().version;
            let events = (0..=index % 2).map(|_| visited()).collect();
            ledger.append(Unit::new(context()).stream::<Club>(id, version, events)).await.unwrap();
        }
    }
    let sizes: Vec<u64> = (0..=ledger.size()).rev().collect();
    let all = ledger.heads(&sizes).await.unwrap();
    for (size, found) in sizes.iter().zip(&all) {
        assert_eq!((found.streams, found.root), naive(&ledger, *size).await, "at {size}");
        assert_eq!(ledger.heads(&[*size]).await.unwrap(), [*found], "alone, at {size}");
    }
    assert!(ledger.heads(&[]).await.unwrap().is_empty());
    let streams: Vec<_> = ids.iter().map(|id| ("club".to_owned(), (*id).to_owned())).collect();
    for heads in all {
        let proofs = ledger.head_proofs(heads.size, &streams).await.unwrap();
        assert_eq!(proofs.len() as u64, heads.streams);
        for proof in proofs {
            let leaf = leaf_of(&head(&proof.stream_type, &proof.stream_id, proof.sequence, &proof.leaf));
            verify_inclusion(proof.index, heads.streams, heads.root, leaf, &proof.hashes).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_has_one_manifest_however_many_instances_record_it() {
    let (ledger, database) = ledger().await;
    ledger.append(Unit::new(context()).stream::<Club>("club", 0, vec![visited(), visited()])).await.unwrap();
    let ahead = Arc::new(AtomicI64::new(0));
    let mut instances = Vec::new();
    for _ in 0..3 {
        let ahead = ahead.clone();
        let start: DateTime<Utc> = Utc::now();
        let clock = Arc::new(move || start + TimeDelta::days(ahead.load(Ordering::Relaxed)));
        let options = Options { clock, ..Options::default() };
        let pool = database.pool(Role::Service, 5).await.unwrap();
        instances.push(Ledger::open_with(pool, MasterKeys::generate().unwrap(), options).await.unwrap());
    }
    for day in 0..2 {
        ahead.store(day, Ordering::Relaxed);
        let tries = instances.iter().map(|ledger| ledger.record_manifest(Actor::Service, Reason::Rule));
        let recorded = futures::future::join_all(tries).await;
        let recorded: Vec<_> = recorded.into_iter().filter_map(|tried| tried.unwrap()).collect();
        assert_eq!(recorded.len(), 1, "one of three records day {day}");
        assert_eq!(recorded[0].size, 2 + day as u64);
    }
    let events = ledger.read_stream("ledger_manifest", STREAM, 1).await.unwrap();
    assert_eq!(events.len(), 2);
    for recorded in events {
        let Event::LedgerManifest(LedgerManifestEvent::LedgerManifestRecorded { size, streams, root, day: _ }) =
            recorded.event
        else {
            panic!("a manifest")
        };
        let again = ledger.heads(&[size]).await.unwrap()[0];
        assert_eq!((again.streams, hex::encode(again.root)), (streams, root));
    }
    assert_eq!(ledger.load::<LedgerManifest>(STREAM).await.unwrap().version, 2);
}
