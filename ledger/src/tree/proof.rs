//! Proofs as values, and their verification (RFC 6962, sections 2.1.1 and 2.1.2).

use crate::leaf::Hash;
use tlog_tiles::tlog;

/// Proof that a leaf is in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Position of the event.
    pub index: u64,
    /// Number of leaves of the tree.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
    /// The leaf, as stored.
    pub leaf: Hash,
    /// From the leaf's sibling up to the root's child.
    pub hashes: Vec<Hash>,
}

/// A proof does not prove what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is not shown to be in the tree.
    #[error("the proof does not lead from the leaf to the root")]
    Inclusion,
    /// The newer tree is not shown to extend the older.
    #[error("the proof does not lead from the older root to the newer: the trees have forked, or one was changed")]
    Consistency,
}

/// Checks that `leaf` is at `index` in the tree of `size` leaves with this root.
///
/// # Errors
/// It is not shown to be.
pub fn verify_inclusion(index: u64, size: u64, root: Hash, leaf: Hash, hashes: &[Hash]) -> Result<(), ProofError> {
    let proof: Vec<_> = hashes.iter().map(|&hash| tlog::Hash(hash)).collect();
    if !within(size) {
        return Err(ProofError::Inclusion);
    }
    tlog::check_record(&proof, size, tlog::Hash(root), index, tlog::Hash(leaf)).map_err(|_| ProofError::Inclusion)
}

/// Checks that the tree `to` (size and root) extends the tree `from`.
///
/// # Errors
/// It is not shown to. Between equal sizes the roots must be equal and the proof empty; from the empty tree the proof
/// must be empty.
pub fn verify_consistency(from: (u64, Hash), to: (u64, Hash), hashes: &[Hash]) -> Result<(), ProofError> {
    let ((old, old_root), (new, new_root)) = (from, to);
    let shown = if old > new || !within(new) {
        false
    } else if old == new {
        hashes.is_empty() && old_root == new_root
    } else if old == 0 {
        hashes.is_empty() && old_root == crate::leaf::sha256(&[])
    } else {
        let proof: Vec<_> = hashes.iter().map(|&hash| tlog::Hash(hash)).collect();
        tlog::check_tree(&proof, new, tlog::Hash(new_root), old, tlog::Hash(old_root)).is_ok()
    };
    if shown { Ok(()) } else { Err(ProofError::Consistency) }
}

/// Beyond, the arithmetic would overflow; no ledger comes near.
fn within(size: u64) -> bool {
    size < 1 << 62
}

impl Inclusion {
    /// Checks it by itself: its leaf against its root.
    ///
    /// # Errors
    /// It does not hold.
    pub fn verify(&self) -> Result<(), ProofError> {
        verify_inclusion(self.index, self.size, self.root, self.leaf, &self.hashes)
    }
}
