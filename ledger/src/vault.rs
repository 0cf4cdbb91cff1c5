//! The vault: secrets that events only name. Rows are sealed by the master key, enter with a [`crate::Unit`] and
//! go when they are replaced or used. Every change is a check-and-set in one statement.

use crate::Ledger;
use crate::error::ReadError;
use chrono::{DateTime, Utc};
use domain::ids::SecretId;
use zeroize::Zeroizing;

/// A secret in clear. No `Debug`.
pub struct VaultSecret {
    /// What it is for, as it was put in.
    pub kind: String,
    /// The secret.
    pub secret: Zeroizing<Vec<u8>>,
    /// Attempts counted so far.
    pub attempts: u32,
    /// When it stops being valid.
    pub expires_at: Option<DateTime<Utc>>,
    /// Changes with every [`Ledger::vault_replace`].
    pub revision: u64,
}

/// What a vault row is sealed under.
pub(crate) fn context(id: SecretId, kind: &str) -> String {
    format!("vault/{kind}/{id}")
}

impl Ledger {
    /// A secret that is there and not expired at `now`.
    ///
    /// # Errors
    /// When the database fails or the row does not open.
    pub async fn vault_get(&self, id: SecretId, now: DateTime<Utc>) -> Result<Option<VaultSecret>, ReadError> {
        type Row = (String, Vec<u8>, i32, Option<DateTime<Utc>>, i64);
        let row: Option<Row> = sqlx::query_as(
            "SELECT kind, body, attempts, expires_at, revision FROM vault.secret \
             WHERE id = $1 AND (expires_at IS NULL OR expires_at > $2)",
        )
        .bind(id.0)
        .bind(now)
        .fetch_optional(self.pool())
        .await?;
        row.map(|(kind, body, attempts, expires_at, revision)| {
            let secret = self.master().open_secret(&context(id, &kind), &body)?;
            Ok(VaultSecret { kind, secret, attempts: attempts as u32, expires_at, revision: revision as u64 })
        })
        .transpose()
    }

    /// Counts one attempt, to be called *before* comparing: the attempt's number, from 1; `None` when `max` were
    /// made already, or the secret is gone or expired. Concurrent attempts each get a number of their own.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn vault_attempt(&self, id: SecretId, max: u32, now: DateTime<Utc>) -> Result<Option<u32>, ReadError> {
        let attempts: Option<i32> = sqlx::query_scalar(
            "UPDATE vault.secret SET attempts = attempts + 1 WHERE id = $1 AND attempts < $2 \
             AND (expires_at IS NULL OR expires_at > $3) RETURNING attempts",
        )
        .bind(id.0)
        .bind(i32::try_from(max).unwrap_or(i32::MAX))
        .bind(now)
        .fetch_optional(self.pool())
        .await?;
        Ok(attempts.map(|attempts| attempts as u32))
    }

    /// Sets the attempts back to none, after a success.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn vault_forgive(&self, id: SecretId) -> Result<(), ReadError> {
        sqlx::query("UPDATE vault.secret SET attempts = 0 WHERE id = $1 AND attempts > 0")
            .bind(id.0)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// Uses a secret up: true for exactly one caller, and only while it is not expired.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn vault_consume(&self, id: SecretId, now: DateTime<Utc>) -> Result<bool, ReadError> {
        let deleted = sqlx::query("DELETE FROM vault.secret WHERE id = $1 AND (expires_at IS NULL OR expires_at > $2)")
            .bind(id.0)
            .bind(now)
            .execute(self.pool())
            .await?;
        Ok(deleted.rows_affected() == 1)
    }

    /// Replaces a secret in place (a hash with stronger parameters), if it is still at the revision read.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn vault_replace(
        &self,
        id: SecretId,
        kind: &str,
        revision: u64,
        secret: &[u8],
    ) -> Result<bool, ReadError> {
        let body = self.master().seal_secret(&context(id, kind), secret)?;
        let updated = sqlx::query(
            "UPDATE vault.secret SET body = $4, revision = revision + 1 \
             WHERE id = $1 AND kind = $2 AND revision = $3",
        )
        .bind(id.0)
        .bind(kind)
        .bind(revision as i64)
        .bind(body)
        .execute(self.pool())
        .await?;
        Ok(updated.rows_affected() == 1)
    }

    /// Deletes at most `limit` expired secrets; how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn vault_purge(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, ReadError> {
        let deleted = sqlx::query(
            "DELETE FROM vault.secret WHERE id IN (SELECT id FROM vault.secret WHERE expires_at <= $1 \
             ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .bind(now)
        .bind(i64::from(limit))
        .execute(self.pool())
        .await?;
        Ok(deleted.rows_affected())
    }
}
