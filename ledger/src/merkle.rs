//! The Merkle tree over the leaves (RFC 6962, section 2.1), kept as its *frontier*: the roots of the perfect
//! subtrees that the leaves so far fill, largest first. Appending n leaves costs n + log(size) hashes and needs
//! no earlier leaf.

use crate::leaf::{Hash, finish, sha256};
use aws_lc_rs::digest;

/// The state of a tree that only grows.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// One root per set bit of `size`, most significant first.
    roots: Vec<Hash>,
}

/// Stored bytes that are no frontier of the given size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tree of {size} leaves has a frontier of {expected} bytes, not {found}")]
pub struct BadFrontier {
    size: u64,
    expected: usize,
    found: usize,
}

impl Frontier {
    /// The frontier as stored.
    ///
    /// # Errors
    /// When its length does not fit the number of leaves.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self, BadFrontier> {
        let expected = 32 * size.count_ones() as usize;
        if bytes.len() != expected {
            return Err(BadFrontier { size, expected, found: bytes.len() });
        }
        let (roots, _) = bytes.as_chunks::<32>();
        Ok(Self { size, roots: roots.to_vec() })
    }

    /// For storing: the roots, largest subtree first.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.roots.concat()
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the next leaf (already hashed with its 0x00 prefix).
    pub fn push(&mut self, leaf: Hash) {
        self.push_perfect(leaf, 0);
    }

    /// Adds the next 2^height leaves at once, by the root of the perfect subtree they make. The size so far must be a
    /// multiple of 2^height.
    pub(crate) fn push_perfect(&mut self, root: Hash, height: u32) {
        debug_assert!(self.size.trailing_zeros() >= height, "the subtree would not stand at its place");
        let mut node = root;
        // Each trailing one of the size is a perfect subtree that the new one completes into one twice as large.
        for _ in 0..(self.size >> height).trailing_ones() {
            if let Some(left) = self.roots.pop() {
                node = parent(&left, &node);
            }
        }
        self.roots.push(node);
        self.size += 1 << height;
    }

    /// Adds the leaves of another tree, whose size must be less than the largest power of two that divides this one's.
    pub(crate) fn append(&mut self, other: Self) {
        let mut rest = other.size;
        for root in other.roots {
            let height = rest.ilog2();
            rest -= 1 << height;
            self.push_perfect(root, height);
        }
    }

    /// The tree's root; of the empty tree, SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        let mut right_to_left = self.roots.iter().rev().copied();
        match right_to_left.next() {
            None => sha256(&[]),
            Some(last) => right_to_left.fold(last, |right, left| parent(&left, &right)),
        }
    }
}

impl Extend<Hash> for Frontier {
    fn extend<T: IntoIterator<Item = Hash>>(&mut self, leaves: T) {
        for leaf in leaves {
            self.push(leaf);
        }
    }
}

/// SHA-256(0x01 ‖ left ‖ right).
pub fn parent(left: &Hash, right: &Hash) -> Hash {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&[1]);
    hash.update(left);
    hash.update(right);
    finish(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;

    #[test]
    fn the_empty_tree_has_the_root_of_rfc_6962() {
        let root = Frontier::default().root();
        assert_eq!(hex::encode(root), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_frontier_of_the_wrong_length_is_refused() {
        assert!(Frontier::from_bytes(3, &[0; 32]).is_err());
        assert!(Frontier::from_bytes(3, &[0; 64]).is_ok());
    }

    proptest! {
        #[test]
        fn subtrees_at_once_give_the_same_tree(leaves in prop::collection::vec(any::<[u8; 32]>(), 0..200), height in 0..5u32) {
            let mut one_by_one = Frontier::default();
            one_by_one.extend(leaves.iter().copied());
            let mut at_once = Frontier::default();
            let whole = leaves.chunks_exact(1 << height);
            let rest = whole.remainder();
            for chunk in whole {
                let mut subtree = Frontier::default();
                subtree.extend(chunk.iter().copied());
                at_once.push_perfect(subtree.root(), height);
            }
            at_once.extend(rest.iter().copied());
            prop_assert_eq!(at_once, one_by_one);
        }

        #[test]
        fn the_root_is_that_of_ct_merkle_however_the_batches_fall(
            entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..300),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut oracle: MemoryBackedTree<sha2::Sha256, Vec<u8>> = MemoryBackedTree::new();
            let mut ours = Frontier::default();
            let cut = cut.index(entries.len() + 1);
            for (index, entry) in entries.iter().enumerate() {
                if index == cut {
                    ours = Frontier::from_bytes(ours.size(), &ours.to_bytes()).unwrap();
                }
                oracle.push(entry.clone());
                ours.push(crate::leaf::leaf_of(entry));
                let expected = oracle.root();
                prop_assert_eq!(expected.as_bytes().as_slice(), ours.root());
            }
            prop_assert_eq!(ours.size(), entries.len() as u64);
        }
    }
}
