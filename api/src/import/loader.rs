//! Asks the ledger what a chunk needs to know: each question once for the whole chunk.

use super::draft::Outside;
use super::known::{Hash, Kind, Known, Recent, Versioned};
use chrono::NaiveDate;
use cqrs_es::Aggregate;
use domain::identifiers::Uai;
use domain::ids::{AccountId, GuardianId, PupilId};
use domain::personal::Sealable;
use ledger::{Ledger, ReadError};
use sqlx::PgPool;
use std::fmt::Display;
use std::hash::Hash as HashKey;
use uuid::Uuid;

/// The ledger, seen from an import.
#[derive(Clone)]
pub struct Loader {
    ledger: Ledger,
    db: PgPool,
}

impl Loader {
    /// Over a ledger, and the database with its views.
    pub fn new(ledger: Ledger, db: PgPool) -> Self {
        Self { ledger, db }
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

    /// Learns the state of those who may be meant instead of these pupils: born on the day that is given beside each,
    /// and of the same establishment or family. The views only help to find them.
    ///
    /// # Errors
    /// [`ReadError`] when the ledger or the views can't be read.
    pub async fn namesakes(
        &self,
        known: &mut Known,
        establishment: Uai,
        born: &[(PupilId, NaiveDate)],
    ) -> Result<Vec<PupilId>, ReadError> {
        if born.is_empty() {
            return Ok(Vec::new());
        }
        let (pupils, days): (Vec<Uuid>, Vec<NaiveDate>) = born.iter().map(|(pupil, day)| (pupil.0, *day)).unzip();
        let found: Vec<Uuid> = sqlx::query_scalar(
            "SELECT DISTINCT other.id FROM unnest($1::uuid[], $2::date[]) AS meant (pupil, born) CROSS JOIN LATERAL (\
                 SELECT pupil.id FROM view_people.enrolment JOIN view_people.pupil ON pupil.id = enrolment.pupil \
                 WHERE enrolment.establishment = $3 AND pupil.birth_date = meant.born \
                 UNION \
                 SELECT pupil.id FROM view_people.link AS own \
                 JOIN view_accounts.account_guardian AS record ON record.guardian = own.guardian \
                 JOIN view_accounts.account_guardian AS beside ON beside.account = record.account \
                 JOIN view_people.link AS sibling ON sibling.guardian = beside.guardian \
                 JOIN view_people.pupil ON pupil.id = sibling.pupil \
                 WHERE own.pupil = meant.pupil AND pupil.birth_date = meant.born\
             ) AS other WHERE other.id <> meant.pupil",
        )
        .bind(pupils)
        .bind(days)
        .bind(establishment.as_str())
        .fetch_all(&self.db)
        .await?;
        let found: Vec<PupilId> = found.into_iter().map(PupilId).collect();
        self.pupils(known, found.iter().copied()).await?;
        Ok(found)
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
