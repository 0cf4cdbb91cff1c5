//! Tiles and proofs, against an implementation of RFC 6962 that is not ours.

use crate::support::*;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ledger::leaf::leaf_of;
use ledger::tree::{TileId, Tree, TreeError, verify_consistency, verify_inclusion};
use sqlx::{Executor, PgPool};

type Oracle = MemoryBackedTree<sha2::Sha256, [u8; 8]>;

/// Sizes about which tiles begin and end.
const SIZES: [u64; 16] =
    [1, 2, 3, 255, 256, 257, 511, 512, 1000, 65_279, 65_280, 65_535, 65_536, 65_537, 65_793, 70_000];

/// Fills the table with events whose entries, for the tree, are their positions in eight bytes.
pub async fn synthetic(owner: &PgPool, from: u64, to: u64) {
    let insert = "INSERT INTO ledger.event (position, stream_type, stream_id, sequence, event_type, event_version, \
            payload, segments, recorded_at, effective_at, actor, reason, command_id, leaf) \
         SELECT n, 'synthetic', 's', n + 1, 'Happened', 1, '{}', '', now(), now(), 'service', 'rule', \
            '00000000-0000-0000-0000-000000000000', sha256('\\x00' || int8send(n)) \
         FROM generate_series($1::bigint, $2::bigint - 1) AS n";
    sqlx::query(insert).bind(from as i64).bind(to as i64).execute(owner).await.unwrap();
}

async fn tree_of(size: u64) -> (Tree, PgPool, ledger::postgres::testing::TestDatabase) {
    let (ledger, database) = ledger().await;
    let owner = owner(&database).await;
    synthetic(&owner, 0, size).await;
    (ledger.tree().clone(), owner, database)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proofs_are_those_of_ct_merkle() {
    let (tree, _, _database) = tree_of(70_000).await;
    tree.store(70_000).await.unwrap();
    let mut oracle = Oracle::new();
    let mut roots = vec![(0, ledger::leaf::sha256(&[]))];
    for size in SIZES {
        while oracle.len() < size {
            oracle.push(oracle.len().to_be_bytes());
        }
        let root: [u8; 32] = (*oracle.root().as_bytes()).into();
        assert_eq!(tree.root(size).await.unwrap(), root, "root of {size}");
        for index in [0, size / 3, size / 2, (size * 7919) % size, size - 1] {
            let proof = tree.inclusion_proof(index, size).await.unwrap();
            let expected = oracle.prove_inclusion(index as usize);
            assert_eq!(proof.hashes.concat(), expected.as_bytes(), "leaf {index} in {size}");
            assert_eq!((proof.root, proof.leaf), (root, leaf_of(&index.to_be_bytes())));
            proof.verify().unwrap();
        }
        for &(from, old) in &roots {
            let proof = tree.consistency_proof(from, size).await.unwrap();
            if from > 0 {
                let expected = oracle.prove_consistency((size - from) as usize);
                assert_eq!(proof.concat(), expected.as_bytes(), "from {from} to {size}");
            }
            verify_consistency((from, old), (size, root), &proof).unwrap();
        }
        roots.push((size, root));
    }
}

#[tokio::test]
async fn a_proof_holds_for_nothing_else() {
    let (tree, _, _database) = tree_of(600).await;
    let proof = tree.inclusion_proof(300, 600).await.unwrap();
    let check =
        |index, size, root, leaf, hashes: &[[u8; 32]]| verify_inclusion(index, size, root, leaf, hashes).is_err();
    let mut changed = proof.leaf;
    changed[31] ^= 1;
    assert!(check(300, 600, proof.root, changed, &proof.hashes));
    assert!(check(301, 600, proof.root, proof.leaf, &proof.hashes));
    assert!(check(300, 600, changed, proof.leaf, &proof.hashes));
    assert!(check(300, 600, proof.root, proof.leaf, &proof.hashes[1..]));
    assert!(check(300, u64::MAX, proof.root, proof.leaf, &proof.hashes));
    let (old, new) = ((299, tree.root(299).await.unwrap()), (600, tree.root(600).await.unwrap()));
    let proof = tree.consistency_proof(299, 600).await.unwrap();
    assert!(verify_consistency(old, new, &proof).is_ok());
    assert!(verify_consistency((299, changed), new, &proof).is_err());
    assert!(verify_consistency((298, old.1), new, &proof).is_err());
    assert!(verify_consistency(old, (600, changed), &proof).is_err());
    assert!(verify_consistency(new, old, &proof).is_err());
    assert!(verify_consistency(new, (600, changed), &[]).is_err());
    assert!(verify_consistency((0, changed), new, &[]).is_err());
}

#[tokio::test]
async fn tiles_are_read_as_stored_as_computed_and_in_any_width() {
    let (tree, owner, _database) = tree_of(66_000).await;
    let tile = |level, index, size| TileId::in_tree(level, index, size).unwrap();
    let computed = tree.tile(tile(1, 0, 66_000)).await.unwrap().unwrap();
    tree.store(66_000).await.unwrap();
    tree.store(66_000).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM ledger.tile").fetch_one(&owner).await.unwrap();
    assert_eq!(rows, 257 + 1, "one for each full tile, once");
    let before = tree.reads();
    assert_eq!(tree.tile(tile(1, 0, 66_000)).await.unwrap().unwrap(), computed);
    assert_eq!(tree.reads() - before, 1, "stored tiles need no computing");
    let partial = tree.tile(tile(1, 0, 3000)).await.unwrap().unwrap();
    assert_eq!((partial.len(), partial.as_slice()), (11 * 32, &computed[..11 * 32]));
    assert_eq!(tree.tile(tile(0, 257, 66_000)).await.unwrap().unwrap().len(), 208 * 32);
    assert_eq!(tree.tile(tile(2, 0, 66_000)).await.unwrap().unwrap().len(), 32);
    assert!(tree.tile(TileId::new(0, 257, 209).unwrap()).await.unwrap().is_none());
    assert!(tree.tile(TileId::new(63, 1 << 54, 1).unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn what_lies_beyond_the_leaves_is_refused() {
    let (tree, _, _database) = tree_of(300).await;
    assert!(matches!(tree.root(301).await, Err(TreeError::Beyond { size: 301 })));
    assert!(matches!(tree.inclusion_proof(5, 301).await, Err(TreeError::Beyond { .. })));
    assert!(matches!(tree.inclusion_proof(300, 300).await, Err(TreeError::NoSuchLeaf { index: 300, size: 300 })));
    assert!(matches!(tree.consistency_proof(300, 299).await, Err(TreeError::Backwards { .. })));
    assert!(matches!(tree.consistency_proof(1, 301).await, Err(TreeError::Beyond { .. })));
    assert!(tree.inclusion_proofs(&[], 300).await.unwrap().is_empty());
}

#[tokio::test]
async fn stored_tiles_are_append_only() {
    let (tree, owner, database) = tree_of(512).await;
    tree.store(512).await.unwrap();
    let service = database.pool(ledger::postgres::Role::Service, 1).await.unwrap();
    for statement in ["UPDATE ledger.tile SET root = sha256('')", "DELETE FROM ledger.tile", "TRUNCATE ledger.tile"] {
        assert!(owner.execute(statement).await.is_err(), "{statement}");
        assert!(service.execute(statement).await.is_err(), "{statement}");
    }
}
