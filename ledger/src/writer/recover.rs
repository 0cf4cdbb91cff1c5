//! After a connection broke in mid-commit: did the batch land?

use super::{Decided, Head, Writer};
use crate::error::ReadError;
use sqlx::{Connection, Executor, PgConnection};
use std::time::Duration;
use tokio::time::Instant;

/// What became of a batch.
pub(super) enum Found {
    Landed,
    /// It did not land and no longer can.
    Nothing,
    /// The database didn't come back in time, or the batch had no event to look for.
    Unknown,
}

impl Writer {
    pub(super) async fn find_out(&mut self, decided: &Decided, deadline: Instant) -> Found {
        loop {
            match self.look(decided).await {
                Ok(found) => return found,
                Err(error) => {
                    if Instant::now() >= deadline {
                        tracing::error!(%error, "the outcome of a batch stays unknown");
                        return Found::Unknown;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn look(&mut self, decided: &Decided) -> Result<Found, ReadError> {
        let mut connection = self.connect().await?;
        let found = look(&mut connection, decided).await?;
        connection.close().await?;
        Ok(found)
    }
}

async fn look(connection: &mut PgConnection, decided: &Decided) -> Result<Found, ReadError> {
    // Waits until the lost session's transaction has ended one way or the other.
    let head = Head::lock(connection).await?;
    if head.revision != decided.plan.head.revision {
        let Some(leaf) = decided.plan.leaves.first() else {
            connection.execute("ROLLBACK").await?;
            return Ok(Found::Unknown);
        };
        let landed: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM ledger.event WHERE position = $1 AND leaf = $2)")
                .bind(decided.first as i64)
                .bind(leaf)
                .fetch_one(&mut *connection)
                .await?;
        if landed {
            connection.execute("ROLLBACK").await?;
            return Ok(Found::Landed);
        }
    }
    // A statement still on its way to the lost session must find the head moved on.
    connection.execute("UPDATE ledger.head SET revision = revision + 1; COMMIT").await?;
    Ok(Found::Nothing)
}
