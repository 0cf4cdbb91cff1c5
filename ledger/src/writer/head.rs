//! The head row: the ledger's size and tree, and the lock that orders all appends.

use crate::error::ReadError;
use crate::merkle::Frontier;
use sqlx::postgres::PgRow;
use sqlx::{Executor, PgConnection, Row};

const READ: &str = "SELECT revision, size, frontier, \
    (extract(epoch FROM recorded_at) * 1000000)::bigint AS recorded_at FROM ledger.head";
const LOCK: &str = "BEGIN; SELECT revision, size, frontier, \
    (extract(epoch FROM recorded_at) * 1000000)::bigint AS recorded_at FROM ledger.head FOR UPDATE";

/// The head as of one revision.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub revision: i64,
    pub frontier: Frontier,
    /// Of the last event, microseconds since the Unix epoch.
    pub recorded_at: i64,
}

impl Head {
    /// Starts a transaction and locks the head row, in one round trip.
    pub(crate) async fn lock(connection: &mut PgConnection) -> Result<Self, ReadError> {
        let row = connection.fetch_one(LOCK).await?;
        Self::decode(&row)
    }

    /// Reads the head without locking it.
    pub(crate) async fn read(pool: &sqlx::PgPool) -> Result<Self, ReadError> {
        let row = sqlx::query(READ).fetch_one(pool).await?;
        Self::decode(&row)
    }

    fn decode(row: &PgRow) -> Result<Self, ReadError> {
        let size: i64 = row.try_get(1)?;
        let frontier: Vec<u8> = row.try_get(2)?;
        Ok(Self {
            revision: row.try_get(0)?,
            frontier: Frontier::from_bytes(size as u64, &frontier)?,
            recorded_at: row.try_get(3)?,
        })
    }

    /// Number of events.
    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }
}
