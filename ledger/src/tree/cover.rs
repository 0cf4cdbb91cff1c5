//! Which tiles a proof needs, and the proof out of them. The arithmetic is that of `tlog_tiles`, asked twice: first
//! with a reader that only writes down what is wanted, then with one that has it.

use super::{Inclusion, TILE_WIDTH, TileId};
use crate::leaf::{Hash, sha256};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use tlog_tiles::tlog::{Error, HashReader};

/// Height of a tile: 2^8 hashes.
const HEIGHT: u8 = 8;

/// The hashes that some proofs need.
#[derive(Default)]
pub(super) struct Cover {
    wanted: BTreeSet<u64>,
    leaves: Vec<u64>,
    tiles: HashMap<(u8, u64), Vec<Hash>>,
}

/// Writes down what is wanted and gives nothing.
struct Asking<'a>(RefCell<&'a mut BTreeSet<u64>>);

impl HashReader for Asking<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::tlog::Hash>, Error> {
        self.0.borrow_mut().extend(indexes);
        Err(Error::IndexesNotInTree)
    }
}

impl Cover {
    pub(super) fn plan_root(&mut self, size: u64) {
        let _ = tlog_tiles::tlog::tree_hash(size, &self.asking()); // its error is the asking reader's
    }

    pub(super) fn plan_inclusion(&mut self, index: u64, size: u64) {
        self.leaves.push(index);
        let _ = tlog_tiles::tlog::prove_record(size, index, &self.asking()); // as above
    }

    pub(super) fn plan_consistency(&mut self, from: u64, to: u64) {
        let _ = tlog_tiles::tlog::prove_tree(to, from, &self.asking()); // as above
    }

    fn asking(&mut self) -> Asking<'_> {
        Asking(RefCell::new(&mut self.wanted))
    }

    /// The tiles to read, each as wide as it is in the tree of `size` leaves.
    pub(super) fn tiles(&self, size: u64) -> Vec<TileId> {
        let of_hashes = self.wanted.iter().map(|&index| {
            let tile = tlog_tiles::tile::Tile::from_index(HEIGHT, index);
            (tile.level(), tile.level_index())
        });
        let of_leaves = self.leaves.iter().map(|leaf| (0, leaf / TILE_WIDTH));
        let places: BTreeSet<_> = of_hashes.chain(of_leaves).collect();
        places.into_iter().filter_map(|(level, index)| TileId::in_tree(level, index, size)).collect()
    }

    /// Gives it what it asked for.
    pub(super) fn fill(&mut self, tiles: HashMap<(u8, u64), Vec<Hash>>) {
        self.tiles = tiles;
    }

    pub(super) fn root(&self, size: u64) -> Hash {
        if size == 0 {
            return sha256(&[]);
        }
        tlog_tiles::tlog::tree_hash(size, self).expect(FILLED).0
    }

    pub(super) fn inclusion(&self, index: u64, size: u64, root: Hash) -> Inclusion {
        let hashes = tlog_tiles::tlog::prove_record(size, index, self).expect(FILLED);
        let leaf = self.tiles[&(0, index / TILE_WIDTH)][(index % TILE_WIDTH) as usize];
        Inclusion { index, size, root, leaf, hashes: hashes.into_iter().map(|hash| hash.0).collect() }
    }

    pub(super) fn consistency(&self, from: u64, to: u64) -> Vec<Hash> {
        if from == 0 || from == to {
            return Vec::new();
        }
        let hashes = tlog_tiles::tlog::prove_tree(to, from, self).expect(FILLED);
        hashes.into_iter().map(|hash| hash.0).collect()
    }
}

const FILLED: &str = "every tile that was asked for has been read whole";

impl HashReader for Cover {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::tlog::Hash>, Error> {
        let read = |&index: &u64| {
            let tile = tlog_tiles::tile::Tile::from_index(HEIGHT, index);
            let hashes = self.tiles.get(&(tile.level(), tile.level_index())).ok_or(Error::IndexesNotInTree)?;
            tile.hash_at_index(hashes.as_flattened(), index)
        };
        indexes.iter().map(read).collect()
    }
}
