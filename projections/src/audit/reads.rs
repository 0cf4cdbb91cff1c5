//! What is read of timelines and import runs.

use super::ImportRunRow;
use crate::Views;
use domain::identifiers::Uai;
use domain::ids::ImportId;

impl Views {
    /// Positions of the events about any of these, in order, from `from` on. Ids are those of accounts, pupils,
    /// guardian records, establishments or relying parties, as text.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn timeline(&self, entities: &[String], from: u64, limit: u32) -> sqlx::Result<Vec<u64>> {
        // One ordered index scan for each entity, each no longer than the answer.
        let positions: Vec<i64> = sqlx::query_scalar(
            "SELECT DISTINCT t.position FROM unnest($1::text[]) AS e (entity) CROSS JOIN LATERAL \
             (SELECT position FROM view_audit.timeline WHERE entity = e.entity AND position >= $2 \
              ORDER BY position LIMIT $3) t ORDER BY t.position LIMIT $3",
        )
        .bind(entities)
        .bind(i64::try_from(from).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(positions.into_iter().map(i64::cast_unsigned).collect())
    }

    /// The same, the latest first, before a position.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn timeline_before(&self, entities: &[String], before: u64, limit: u32) -> sqlx::Result<Vec<u64>> {
        let positions: Vec<i64> = sqlx::query_scalar(
            "SELECT DISTINCT t.position FROM unnest($1::text[]) AS e (entity) CROSS JOIN LATERAL \
             (SELECT position FROM view_audit.timeline WHERE entity = e.entity AND position < $2 \
              ORDER BY position DESC LIMIT $3) t ORDER BY t.position DESC LIMIT $3",
        )
        .bind(entities)
        .bind(i64::try_from(before).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(positions.into_iter().map(i64::cast_unsigned).collect())
    }

    /// An import run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import_run(&self, import: ImportId) -> sqlx::Result<Option<ImportRunRow>> {
        sqlx::query_as("SELECT * FROM view_audit.import_run WHERE import = $1")
            .bind(import.0)
            .fetch_optional(&self.pool)
            .await
    }

    /// The last import runs of an establishment, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import_runs(&self, establishment: Uai, limit: u32) -> sqlx::Result<Vec<ImportRunRow>> {
        sqlx::query_as(
            "SELECT * FROM view_audit.import_run WHERE establishment = $1 ORDER BY started_at DESC, import LIMIT $2",
        )
        .bind(establishment.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
    }
}
