//! One batch of events into one view: rows and checkpoint in one transaction, so that every event counts exactly
//! once, whatever crashes.

use crate::projection::{Fault, FoldError, Name};
use ledger::RecordedEvent;
use sqlx::{Connection, PgConnection};

/// A batch was not applied; nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BatchError {
    /// The checkpoint is elsewhere: the tables were swapped, or someone else wrote.
    #[error("the view's checkpoint has moved")]
    Moved,
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

impl From<FoldError> for BatchError {
    fn from(error: FoldError) -> Self {
        match error {
            FoldError::Fault(fault) => Self::Fault(fault),
            FoldError::Database(error) => Self::Database(error),
        }
    }
}

/// Applies `events` to the tables of the connection's search path, whose checkpoint must stand at the first of them,
/// in a transaction begun with `begin`. Returns the new checkpoint.
pub(crate) async fn apply(
    connection: &mut PgConnection,
    name: Name,
    begin: String,
    events: &[RecordedEvent],
) -> Result<u64, BatchError> {
    let mut transaction = connection.begin_with(begin).await?;
    let next = apply_within(&mut transaction, name, events).await?;
    transaction.commit().await?;
    Ok(next)
}

/// [`apply`] within the caller's transaction.
pub(crate) async fn apply_within(
    connection: &mut PgConnection,
    name: Name,
    events: &[RecordedEvent],
) -> Result<u64, BatchError> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Err(BatchError::Moved) };
    let next = last.position + 1;
    if let Some(gap) = events.windows(2).find(|pair| pair[1].position != pair[0].position + 1) {
        let problem = format!("event {} follows it", gap[1].position);
        return Err(Fault { position: gap[0].position, problem }.into());
    }
    let moved = sqlx::query("UPDATE checkpoint SET next = $2 WHERE next = $1 AND version = $3")
        .bind(first.position.cast_signed())
        .bind(next.cast_signed())
        .bind(name.version())
        .execute(&mut *connection)
        .await?;
    if moved.rows_affected() != 1 {
        return Err(BatchError::Moved);
    }
    name.fold(connection, events).await?;
    Ok(next)
}
