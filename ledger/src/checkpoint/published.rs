//! What has been published, as the database remembers it: the last checkpoint, one of each day, recoveries.

use super::note::SignedCheckpoint;
use crate::Ledger;
use crate::leaf::Hash;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgPool, Row};

/// The published checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// 1, and one more with each recovery: the log's origin says it too.
    pub generation: u64,
    /// Number of leaves.
    pub size: u64,
    /// The note, with its cosignatures.
    pub text: String,
    /// When it was signed.
    pub signed_at: DateTime<Utc>,
    /// The verifier keys of the log and of its witnesses, as the signing instance knows them. Whoever verifies should
    /// have them from their owners.
    pub keys: Vec<String>,
}

/// The checkpoint that stands for a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daily {
    /// In UTC.
    pub day: NaiveDate,
    /// Number of leaves.
    pub size: u64,
    /// The note, with its cosignatures.
    pub text: String,
    /// RFC 3161 `TimeStampToken` over SHA-256 of the note, DER.
    pub token: Option<Vec<u8>>,
    /// The address of the authority that gave it.
    pub authority: Option<String>,
}

/// A decision that checkpoints go on although the tree does not extend the kept one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The generation that began with it.
    pub generation: u64,
    /// When.
    pub recorded_at: DateTime<Utc>,
    /// Why, as the operator put it.
    pub reason: String,
    /// The kept note that the tree does not extend.
    pub kept: String,
    /// Size of the tree that goes on.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// What the log's key says of it: a [`super::Statement`].
    pub statement: Option<String>,
}

impl Ledger {
    /// The last published checkpoint; none before the first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn published_checkpoint(&self) -> Result<Option<Published>, sqlx::Error> {
        published(self.pool()).await
    }

    /// The checkpoint of a day, or of the last day before it that has one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn daily_checkpoint(&self, day: NaiveDate) -> Result<Option<Daily>, sqlx::Error> {
        let row = sqlx::query(
            "SELECT day, size, note, token, tsa FROM ledger.daily_checkpoint WHERE day <= $1 ORDER BY day DESC LIMIT 1",
        )
        .bind(day)
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| {
            Ok(Daily {
                day: row.try_get(0)?,
                size: row.try_get::<i64, _>(1)?.unsigned_abs(),
                text: row.try_get(2)?,
                token: row.try_get(3)?,
                authority: row.try_get(4)?,
            })
        })
        .transpose()
    }

    /// All recoveries, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recoveries(&self) -> Result<Vec<Recovery>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT generation, recorded_at, reason, kept, size, root, statement FROM ledger.recovery \
             ORDER BY generation",
        )
        .fetch_all(self.pool())
        .await?;
        let recovery = |row: sqlx::postgres::PgRow| {
            Ok(Recovery {
                generation: row.try_get::<i64, _>(0)?.unsigned_abs(),
                recorded_at: row.try_get(1)?,
                reason: row.try_get(2)?,
                kept: row.try_get(3)?,
                size: row.try_get::<i64, _>(4)?.unsigned_abs(),
                root: row.try_get(5)?,
                statement: row.try_get(6)?,
            })
        };
        rows.into_iter().map(recovery).collect()
    }
}

/// A ledger that was restored from its own half of a backup, without keys.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Archive {
    /// The backup's folder.
    pub backup: String,
    /// When.
    pub restored_at: DateTime<Utc>,
}

impl Ledger {
    /// Whether this is an archive without keys.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn archive(&self) -> Result<Option<Archive>, sqlx::Error> {
        sqlx::query_as("SELECT backup, restored_at FROM ledger.archive").fetch_optional(self.pool()).await
    }
}

pub(super) async fn published(pool: &PgPool) -> Result<Option<Published>, sqlx::Error> {
    let row = sqlx::query("SELECT generation, size, note, signed_at, keys FROM ledger.checkpoint");
    let row = row.fetch_optional(pool).await?;
    row.map(|row| {
        Ok(Published {
            generation: row.try_get::<i64, _>(0)?.unsigned_abs(),
            size: row.try_get::<i64, _>(1)?.unsigned_abs(),
            text: row.try_get(2)?,
            signed_at: row.try_get(3)?,
            keys: row.try_get(4)?,
        })
    })
    .transpose()
}

/// Publishes a checkpoint, unless a later one is.
pub(super) async fn publish(
    pool: &PgPool,
    generation: u64,
    signed: &SignedCheckpoint,
    at: DateTime<Utc>,
    keys: &[String],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        // Nobody waits for the disk: the kept checkpoint is there already, and is published again after a crash.
        "INSERT INTO ledger.checkpoint AS c (generation, size, note, signed_at, keys) SELECT $1, $2, $3, $4, $5 \
             FROM (SELECT set_config('synchronous_commit', 'off', true)) AS lazy \
         ON CONFLICT (singleton) DO UPDATE SET generation = excluded.generation, size = excluded.size, \
             note = excluded.note, signed_at = excluded.signed_at, keys = excluded.keys \
         WHERE (c.generation, c.size) <= (excluded.generation, excluded.size)",
    )
    .bind(generation as i64)
    .bind(signed.size as i64)
    .bind(signed.text())
    .bind(at)
    .bind(keys)
    .execute(pool)
    .await?;
    Ok(())
}

/// The day of the last daily checkpoint.
pub(super) async fn last_day(pool: &PgPool) -> Result<Option<NaiveDate>, sqlx::Error> {
    sqlx::query_scalar("SELECT max(day) FROM ledger.daily_checkpoint").fetch_one(pool).await
}

/// Records the checkpoint of a day, unless it has one.
pub(super) async fn record_daily(
    pool: &PgPool,
    day: NaiveDate,
    signed: &SignedCheckpoint,
    token: Option<(&[u8], &str)>,
) -> Result<(), sqlx::Error> {
    let (token, tsa) = token.unzip();
    sqlx::query(
        "INSERT INTO ledger.daily_checkpoint (day, size, note, token, tsa) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT DO NOTHING",
    )
    .bind(day)
    .bind(signed.size as i64)
    .bind(signed.text())
    .bind(token)
    .bind(tsa)
    .execute(pool)
    .await?;
    Ok(())
}

/// 1, and one more with each recovery.
pub(super) async fn generation(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let last: i64 =
        sqlx::query_scalar("SELECT coalesce(max(generation), 1) FROM ledger.recovery").fetch_one(pool).await?;
    Ok(last.unsigned_abs())
}

/// Records a recovery.
pub(super) async fn record_recovery(pool: &PgPool, recovery: &Recovery) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO ledger.recovery (generation, recorded_at, reason, kept, size, root, statement) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(recovery.generation as i64)
    .bind(recovery.recorded_at)
    .bind(&recovery.reason)
    .bind(&recovery.kept)
    .bind(recovery.size as i64)
    .bind(recovery.root)
    .bind(&recovery.statement)
    .execute(pool)
    .await?;
    Ok(())
}
