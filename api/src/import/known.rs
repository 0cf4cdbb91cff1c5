//! What an import knows of the ledger: aggregates it loaded or has just decided on, and who holds which value.
//!
//! While one chunk is being recorded the next is decided, so a decision must see what the chunk before it will
//! have done. Decisions therefore leave their outcome here. Memory stays bounded: each store keeps two
//! generations and drops the older one when the younger is full. Nothing here is trusted blindly: the ledger
//! checks versions and reservations on append, and on any conflict everything here is forgotten.

use cqrs_es::Aggregate;
use domain::account::Account;
use domain::guardian::Guardian;
use domain::ids::{AccountId, GuardianId, PupilId, SubjectId};
use domain::pupil::Pupil;
use std::collections::{HashMap, HashSet};
use std::hash::Hash as HashKey;
use uuid::Uuid;

/// A keyed hash, as the ledger stores it.
pub type Hash = [u8; 32];

/// Kinds of reservation an import works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// INE → pupil.
    Ine,
    /// Key of a pupil without INE in its source → pupil.
    PupilSource,
    /// Key of a guardian in its source → guardian record.
    GuardianSource,
    /// Name and mobile → account of the guardian found by them.
    GuardianMatch,
    /// `pupil:…` or `guardian:…` → their account.
    Holder,
}

impl Kind {
    /// The ledger's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ine => "ine",
            Self::PupilSource => "pupil-source",
            Self::GuardianSource => "guardian-source",
            Self::GuardianMatch => "guardian-match",
            Self::Holder => "holder",
        }
    }
}

/// An aggregate and the version of its stream.
#[derive(Clone, Debug, Default)]
pub struct Versioned<A> {
    /// The state.
    pub state: A,
    /// Number of events behind it; 0: does not exist yet.
    pub version: u64,
}

impl<A: Aggregate> Versioned<A> {
    /// Applies freshly decided events.
    pub fn apply_all(&mut self, events: &[A::Event])
    where
        A::Event: Clone,
    {
        for event in events {
            self.state.apply(event.clone());
        }
        self.version += events.len() as u64;
    }
}

/// A map of bounded size that forgets what was not written lately.
#[derive(Debug)]
pub struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    limit: usize,
}

impl<K: HashKey + Eq, V> Recent<K, V> {
    /// Keeps at least the last `limit` entries, at most about twice as many.
    pub fn new(limit: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), limit }
    }

    /// The value, if it is still known.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Remembers a value.
    pub fn insert(&mut self, key: K, value: V) {
        self.young.insert(key, value);
    }

    /// Called between two chunks: the entries of the last one always survive once.
    pub fn age(&mut self) {
        if self.young.len() > self.limit {
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

impl<K: HashKey + Eq + Copy, V: Clone + Default> Recent<K, V> {
    /// The value to change, made from nothing if unknown.
    pub fn entry(&mut self, key: K) -> &mut V {
        let old = &self.old;
        self.young.entry(key).or_insert_with(|| old.get(&key).cloned().unwrap_or_default())
    }
}

/// Everything known.
#[derive(Debug)]
pub struct Known {
    /// Pupils.
    pub pupils: Recent<PupilId, Versioned<Pupil>>,
    /// Guardian records.
    pub guardians: Recent<GuardianId, Versioned<Guardian>>,
    /// Accounts.
    pub accounts: Recent<AccountId, Versioned<Account>>,
    owners: Recent<(Kind, Hash), Option<Uuid>>,
    /// People whose key turned out to be destroyed: their records are refused. Survives [`Known::clear`].
    erased: HashSet<SubjectId>,
}

/// Guardians decided on in the first pass are wanted again in the second: some 25 MiB for this many.
const GUARDIANS_KEPT: usize = 30_000;
/// Reservations: some 10 MiB for this many.
const OWNERS_KEPT: usize = 60_000;

impl Default for Known {
    fn default() -> Self {
        Self {
            // Pupils and accounts are read afresh for each chunk; only those of the chunk before matter.
            pupils: Recent::new(0),
            guardians: Recent::new(GUARDIANS_KEPT),
            accounts: Recent::new(0),
            owners: Recent::new(OWNERS_KEPT),
            erased: HashSet::new(),
        }
    }
}

impl Known {
    /// For a dry run, whose decisions are nowhere else.
    pub fn keeping_all() -> Self {
        Self {
            pupils: Recent::new(usize::MAX),
            guardians: Recent::new(usize::MAX),
            accounts: Recent::new(usize::MAX),
            owners: Recent::new(usize::MAX),
            erased: HashSet::new(),
        }
    }

    /// Remembers that a person's data may not be recorded any more.
    pub fn note_erased(&mut self, subject: SubjectId) {
        self.erased.insert(subject);
    }

    /// Whether a person's data may not be recorded any more.
    pub fn is_erased(&self, subject: impl Into<SubjectId>) -> bool {
        self.erased.contains(&subject.into())
    }

    /// Who holds the value; the outer `None`: not asked yet.
    pub fn asked(&self, kind: Kind, hash: &Hash) -> Option<Option<Uuid>> {
        self.owners.get(&(kind, *hash)).copied()
    }

    /// Who holds the value, as far as known.
    pub fn owner(&self, kind: Kind, hash: &Hash) -> Option<Uuid> {
        self.asked(kind, hash).flatten()
    }

    /// Remembers who holds a value.
    pub fn set_owner(&mut self, kind: Kind, hash: Hash, owner: Option<Uuid>) {
        self.owners.insert((kind, hash), owner);
    }

    /// Called between two chunks.
    pub fn age(&mut self) {
        self.pupils.age();
        self.guardians.age();
        self.accounts.age();
        self.owners.age();
    }

    /// Forgets everything: another writer was faster.
    pub fn clear(&mut self) {
        self.pupils.clear();
        self.guardians.clear();
        self.accounts.clear();
        self.owners.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_chunk_wrote_survives_until_the_next_is_decided() {
        let mut recent: Recent<u32, u32> = Recent::new(0);
        *recent.entry(1) = 10;
        recent.age();
        assert_eq!(recent.get(&1), Some(&10), "the chunk is being recorded");
        *recent.entry(2) = 20;
        recent.age();
        assert_eq!(recent.get(&1), None, "the chunk is recorded: read it again");
        assert_eq!(recent.get(&2), Some(&20));
    }

    #[test]
    fn changing_an_older_entry_keeps_its_value() {
        let mut recent: Recent<u32, u32> = Recent::new(0);
        recent.insert(1, 10);
        recent.age();
        *recent.entry(1) += 1;
        assert_eq!(recent.get(&1), Some(&11));
    }
}
