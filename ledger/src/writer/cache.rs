//! The tips of streams written lately: valid only while nobody else writes.

use super::plan::{StreamKey, Tip};
use std::collections::HashMap;

/// Bounded: the half not used for longest goes when the other is full.
pub(crate) struct TipCache {
    young: HashMap<StreamKey, Tip>,
    old: HashMap<StreamKey, Tip>,
    half: usize,
}

impl TipCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: capacity / 2 }
    }

    pub(crate) fn get(&self, key: &StreamKey) -> Option<Tip> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    pub(crate) fn insert(&mut self, key: StreamKey, tip: Tip) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, tip);
    }

    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}
