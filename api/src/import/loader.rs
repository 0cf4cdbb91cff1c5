//! Asks the ledger what a chunk needs to know: each question once for the whole chunk.

use super::draft::Outside;
use super::known::{Hash, Kind, Known, Recent, Versioned};
use cqrs_es::Aggregate;
use domain::ids::{AccountId, GuardianId, PupilId};
use domain::personal::Sealable;
use ledger::{Ledger, ReadError};
use std::fmt::Display;
use std::hash::Hash as HashKey;
use uuid::Uuid;

/// The ledger, seen from an import.
#[derive(Clone)]
pub struct Loader {
    ledger: Ledger,
}

impl Loader {
    /// Over a ledger.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }

    /// Learns who holds these values, unless it is known already.
    ///
    /// # Errors
    /// [`ReadError`] when the ledger can't be read.
    pub async fn owners(
        &self,
        known: &mut Known,
        kind: Kind,
        hashes: impl IntoIterator<Item = Hash>,
    ) -> Result<(), ReadError> {
        let mut unasked: Vec<Hash> = hashes.into_iter().filter(|hash| known.asked(kind, hash).is_none()).collect();
        unasked.sort_unstable();
        unasked.dedup();
        if unasked.is_empty() {
            return Ok(());
        }
        let mut owners = self.ledger.reserved_many(kind.as_str(), &unasked).await?;
        for hash in unasked {
            let owner = owners.remove(&hash).and_then(|owner| Uuid::parse_str(&owner).ok());
            known.set_owner(kind, hash, owner);
        }
        Ok(())
    }

    /// Learns the state of these pupils.
    ///
    /// # Errors
    /// [`ReadError`] when the ledger can't be read.
    pub async fn pupils(&self, known: &mut Known, ids: impl IntoIterator<Item = PupilId>) -> Result<(), ReadError> {
        self.aggregates(&mut known.pupils, ids).await
    }

    /// Learns the state of these guardian records.
    ///
    /// # Errors
    /// [`ReadError`] when the ledger can't be read.
    pub async fn guardians(
        &self,
        known: &mut Known,
        ids: impl IntoIterator<Item = GuardianId>,
    ) -> Result<(), ReadError> {
        self.aggregates(&mut known.guardians, ids).await
    }

    /// Learns the state of these accounts.
    ///
    /// # Errors
    /// [`ReadError`] when the ledger can't be read.
    pub async fn accounts(&self, known: &mut Known, ids: impl IntoIterator<Item = AccountId>) -> Result<(), ReadError> {
        self.aggregates(&mut known.accounts, ids).await
    }

    async fn aggregates<K, A>(
        &self,
        known: &mut Recent<K, Versioned<A>>,
        ids: impl IntoIterator<Item = K>,
    ) -> Result<(), ReadError>
    where
        K: HashKey + Eq + Copy + Ord + Display,
        A: Aggregate,
        A::Event: Sealable + 'static,
    {
        let mut unknown: Vec<K> = ids.into_iter().filter(|id| known.get(id).is_none()).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = unknown.iter().map(ToString::to_string).collect();
        let mut loaded = self.ledger.load_many::<A>(&names).await?;
        for (id, name) in unknown.into_iter().zip(&names) {
            let versioned = loaded.remove(name).map_or_else(Versioned::default, |loaded| Versioned {
                state: loaded.aggregate,
                version: loaded.version,
            });
            known.insert(id, versioned);
        }
        Ok(())
    }
}

/// Keyed hashes by the ledger, ids by the clock and chance: neighbours in time are neighbours in the indexes.
impl Outside for Ledger {
    fn hash(&self, kind: Kind, value: &str) -> Hash {
        self.lookup_hash(kind.as_str(), value)
    }

    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
