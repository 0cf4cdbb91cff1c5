//! Looking up who holds a unique value. Never behind: the rows are written with the events.

use crate::Ledger;
use crate::error::ReadError;
use crate::leaf::Hash;
use std::collections::HashMap;

impl Ledger {
    /// Who holds a value, by its [`Ledger::lookup_hash`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reserved(&self, kind: &str, hash: &Hash) -> Result<Option<String>, ReadError> {
        let owner = sqlx::query_scalar("SELECT owner FROM ledger.reservation WHERE kind = $1 AND hash = $2")
            .bind(kind)
            .bind(hash.as_slice())
            .fetch_optional(self.pool())
            .await?;
        Ok(owner)
    }

    /// Who holds each of these values, in one query; those that nobody holds are missing from the answer.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reserved_many(&self, kind: &str, hashes: &[Hash]) -> Result<HashMap<Hash, String>, ReadError> {
        let rows: Vec<(Hash, String)> = sqlx::query_as(
            "SELECT x.hash, x.owner FROM unnest($2::bytea[]) AS wanted (hash) CROSS JOIN LATERAL \
             (SELECT hash, owner FROM ledger.reservation WHERE kind = $1 AND hash = wanted.hash LIMIT 1) x",
        )
        .bind(kind)
        .bind(hashes)
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().collect())
    }

    /// What someone holds: the hashes by which to release it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held_by(&self, owner: &str) -> Result<Vec<crate::Reservation>, ReadError> {
        let rows: Vec<(String, Hash)> =
            sqlx::query_as("SELECT kind, hash FROM ledger.reservation WHERE owner = $1 ORDER BY kind, hash")
                .bind(owner)
                .fetch_all(self.pool())
                .await?;
        Ok(rows.into_iter().map(|(kind, hash)| crate::Reservation { kind, owner: owner.to_owned(), hash }).collect())
    }

    /// The next number of a counter named by a keyed hash, from 1. Numbers are given once and may have gaps:
    /// one that a failed command took does not come back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_number(&self, hash: &Hash) -> Result<u64, ReadError> {
        let last: i64 = sqlx::query_scalar(
            "INSERT INTO ledger.login_counter AS old (hash, last) VALUES ($1, 1) \
             ON CONFLICT (hash) DO UPDATE SET last = old.last + 1 RETURNING last",
        )
        .bind(hash.as_slice())
        .fetch_one(self.pool())
        .await?;
        Ok(last as u64)
    }
}
