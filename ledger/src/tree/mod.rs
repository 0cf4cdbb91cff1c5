//! The tree as C2SP [tlog-tiles](https://c2sp.org/tlog-tiles), and the proofs that are made of tiles.
//!
//! ```text
//!   level 2                 [ r₀ … ]                 each hash: the root of a full tile of level 1
//!   level 1        [ r₀ r₁ … r₂₅₅ ] [ r₂₅₆ … ]       each hash: the root of a full tile of level 0   ledger.tile
//!   level 0   [ leaf₀ … leaf₂₅₅ ] [ leaf₂₅₆ … ] …    each hash: an event's leaf                      ledger.event
//! ```
//!
//! Nothing of level 0 is stored twice: its tiles are the leaves by position. Of the levels above, `ledger.tile` holds
//! one row per full tile below, so that a partial tile of any width, hence of any checkpoint, can be read, and none is
//! ever rewritten. Whoever keeps checkpoints stores them ([`Tree::store`]), outside of any append; a row that is not
//! there yet is computed from the level below.

mod cover;
mod proof;
mod tile;
mod tlog_proof;

pub use proof::{Inclusion, ProofError, verify_consistency, verify_inclusion};
pub use tile::{BadTilePath, TileId};
pub use tlog_proof::{BadTlogProof, TlogProof};
pub(crate) use tlog_proof::{decimal, hash_line};

use crate::leaf::Hash;
use crate::merkle::parent;
use cover::Cover;
use sqlx::PgPool;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Hashes in a full tile.
pub const TILE_WIDTH: u64 = 256;
/// Full tiles whose roots are computed and stored together.
const TOGETHER: u64 = 64;
/// Levels that `ledger.tile` has: 2^64 leaves.
const LEVELS: u8 = 8;

/// The tree over a database, read by tiles. Cheap to clone; clones share the count of reads.
#[derive(Clone)]
pub struct Tree {
    pool: PgPool,
    reads: Arc<AtomicU64>,
}

/// A tile or a proof can't be had.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// What was asked for lies beyond the leaves.
    #[error("a tree of {size} leaves was asked for, and there are not as many")]
    Beyond {
        /// The tree's size.
        size: u64,
    },
    /// The leaf lies beyond the tree.
    #[error("leaf {index} is in no tree of {size} leaves")]
    NoSuchLeaf {
        /// The leaf.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The older tree is the larger one.
    #[error("a tree of {from} leaves can't have grown into one of {to}")]
    Backwards {
        /// Size of the older tree.
        from: u64,
        /// Size of the newer one.
        to: u64,
    },
}

impl Tree {
    /// The tree of a migrated database.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, reads: Arc::default() }
    }

    /// Tiles read from the database so far, those that had to be computed included with what they were computed from.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// A tile's hashes, one after the other: 32 bytes each. None where it lies beyond the leaves.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tile(&self, tile: TileId) -> Result<Option<Vec<u8>>, TreeError> {
        Ok(self.hashes(tile.level(), tile.first(), u64::from(tile.width())).await?.map(|hashes| hashes.concat()))
    }

    /// The root of the first `size` leaves (RFC 6962, section 2.1).
    ///
    /// # Errors
    /// There are not as many, or the database fails.
    pub async fn root(&self, size: u64) -> Result<Hash, TreeError> {
        let [root] = self.roots([size], size).await?;
        Ok(root)
    }

    /// The roots of several sizes up to `largest`; no tile is read twice for them.
    pub(crate) async fn roots<const N: usize>(&self, sizes: [u64; N], largest: u64) -> Result<[Hash; N], TreeError> {
        let mut cover = Cover::default();
        sizes.iter().for_each(|size| cover.plan_root(*size));
        self.fill(&mut cover, largest).await?;
        Ok(sizes.map(|size| cover.root(size)))
    }

    /// Proof that leaf `index` is in the tree of the first `size` leaves, with the leaf and that tree's root.
    ///
    /// # Errors
    /// The leaf is not in that tree, there are not as many leaves, or the database fails.
    pub async fn inclusion_proof(&self, index: u64, size: u64) -> Result<Inclusion, TreeError> {
        let mut proofs = self.inclusion_proofs(&[index], size).await?;
        proofs.pop().ok_or(TreeError::NoSuchLeaf { index, size })
    }

    /// Proofs of several leaves in one tree, in the order asked for; no tile is read twice for them.
    ///
    /// # Errors
    /// As [`Tree::inclusion_proof`].
    pub async fn inclusion_proofs(&self, indexes: &[u64], size: u64) -> Result<Vec<Inclusion>, TreeError> {
        let mut cover = Cover::default();
        for &index in indexes {
            if index >= size {
                return Err(TreeError::NoSuchLeaf { index, size });
            }
            cover.plan_inclusion(index, size);
        }
        cover.plan_root(size);
        self.fill(&mut cover, size).await?;
        let root = cover.root(size);
        Ok(indexes.iter().map(|&index| cover.inclusion(index, size, root)).collect())
    }

    /// Proof that the tree of the first `to` leaves extends that of the first `from` (RFC 6962, section 2.1.2). It is
    /// empty where nothing needs proof: from the empty tree, and between equal sizes.
    ///
    /// # Errors
    /// `from` is larger than `to`, there are not as many leaves, or the database fails.
    pub async fn consistency_proof(&self, from: u64, to: u64) -> Result<Vec<Hash>, TreeError> {
        if from > to {
            return Err(TreeError::Backwards { from, to });
        }
        let mut cover = Cover::default();
        cover.plan_consistency(from, to);
        self.fill(&mut cover, to).await?;
        Ok(cover.consistency(from, to))
    }

    /// Stores the roots of all tiles that the first `size` leaves fill, as far as they are not stored yet.
    ///
    /// # Errors
    /// There are not as many leaves, or the database fails. What was stored until then stays.
    pub async fn store(&self, size: u64) -> Result<(), TreeError> {
        for level in 0..LEVELS {
            let full = size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0);
            if full == 0 {
                break;
            }
            let next = "SELECT coalesce(max(number) + 1, 0) FROM ledger.tile WHERE level = $1";
            let next: i64 = sqlx::query_scalar(next).bind(i16::from(level)).fetch_one(&self.pool).await?;
            let mut next = next.unsigned_abs();
            while next < full {
                let count = TOGETHER.min(full - next);
                let hashes = self.hashes(level, next * TILE_WIDTH, count * TILE_WIDTH).await?;
                let hashes = hashes.ok_or(TreeError::Beyond { size })?;
                let roots: Vec<Vec<u8>> =
                    hashes.chunks(TILE_WIDTH as usize).map(|tile| perfect_root(tile).to_vec()).collect();
                // Nobody waits for the disk: a row that a crash takes is computed again.
                let store = "INSERT INTO ledger.tile (level, number, root) \
                     SELECT $1, $2 + ordinal - 1, root FROM unnest($3::bytea[]) WITH ORDINALITY AS t (root, ordinal), \
                         (SELECT set_config('synchronous_commit', 'off', true)) AS lazy \
                     ON CONFLICT DO NOTHING";
                let store = sqlx::query(store).bind(i16::from(level)).bind(next as i64).bind(roots);
                store.execute(&self.pool).await?;
                next += count;
            }
        }
        Ok(())
    }

    /// Reads the planned tiles.
    async fn fill(&self, cover: &mut Cover, size: u64) -> Result<(), TreeError> {
        let mut tiles = HashMap::new();
        for tile in cover.tiles(size) {
            let hashes = self.hashes(tile.level(), tile.first(), u64::from(tile.width())).await?;
            tiles.insert((tile.level(), tile.index()), hashes.ok_or(TreeError::Beyond { size })?);
        }
        cover.fill(tiles);
        Ok(())
    }

    /// `count` hashes of a level from `first` on, or none where there are not as many.
    async fn hashes(&self, level: u8, first: u64, count: u64) -> Result<Option<Vec<Hash>>, TreeError> {
        self.reads.fetch_add(count.div_ceil(TILE_WIDTH), Ordering::Relaxed);
        // No event lies beyond PostgreSQL's bigint.
        let (Ok(from), Ok(to)) = (i64::try_from(first), i64::try_from(first.saturating_add(count))) else {
            return Ok(None);
        };
        if level > LEVELS {
            return Ok(None);
        }
        let Some(below) = level.checked_sub(1) else {
            // One value instead of a row for each.
            let leaves = "SELECT string_agg(leaf, '') FROM \
                 (SELECT leaf FROM ledger.event WHERE position >= $1 AND position < $2 ORDER BY position) AS leaves";
            let leaves: Option<Vec<u8>> = sqlx::query_scalar(leaves).bind(from).bind(to).fetch_one(&self.pool).await?;
            let leaves = leaves.unwrap_or_default().as_chunks().0.to_vec();
            return Ok((leaves.len() as u64 == count).then_some(leaves));
        };
        let stored = "SELECT number, root FROM ledger.tile \
             WHERE level = $1 AND number >= $2 AND number < $3 ORDER BY number";
        let stored = sqlx::query_as(stored).bind(i16::from(below)).bind(from).bind(to);
        let stored: Vec<(i64, Hash)> = stored.fetch_all(&self.pool).await?;
        let mut stored = stored.into_iter().peekable();
        let mut hashes = Vec::with_capacity(count as usize);
        for number in first..first + count {
            match stored.next_if(|(stored, _)| stored.unsigned_abs() == number) {
                Some((_, root)) => hashes.push(root),
                None => {
                    let Some(first) = number.checked_mul(TILE_WIDTH) else { return Ok(None) };
                    let tile = Box::pin(self.hashes(below, first, TILE_WIDTH)).await?;
                    let Some(tile) = tile else { return Ok(None) };
                    hashes.push(perfect_root(&tile));
                }
            }
        }
        Ok(Some(hashes))
    }
}

impl crate::Ledger {
    /// The tree over the events' leaves.
    pub fn tree(&self) -> &Tree {
        &self.0.tree
    }
}

/// The root of a perfect subtree: the number of hashes is a power of two.
pub(crate) fn perfect_root(hashes: &[Hash]) -> Hash {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.chunks_exact(2).map(|pair| parent(&pair[0], &pair[1])).collect();
    }
    level.first().copied().unwrap_or_default()
}
