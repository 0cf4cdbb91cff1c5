//! One batch of events into one view: rows and checkpoint in one transaction, so that every event counts exactly
//! once, whatever crashes.

use crate::poison::Skips;
use crate::projection::{Fault, FoldError, Name};
use crate::session;
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
/// in a transaction begun with `begin`, all but those to be skipped. Returns the new checkpoint.
pub(crate) async fn apply(
    connection: &mut PgConnection,
    name: Name,
    begin: String,
    events: &[RecordedEvent],
    skips: &Skips,
) -> Result<u64, BatchError> {
    let mut transaction = connection.begin_with(begin).await?;
    let next = apply_within(&mut transaction, name, events, skips).await?;
    transaction.commit().await?;
    Ok(next)
}

/// [`apply`] to the live tables, in as few round trips as can be: a request may be waiting.
///
/// Where none of the events is the view's concern, only the checkpoint moves: most of what most views are told.
/// Otherwise rows and checkpoint are mostly one statement. Either needs neither transaction nor gate: it is whole by
/// itself, and a swap, which locks the checkpoint first, comes before it or after. Rows loaded before a swap are those
/// of after it, if the checkpoint is still where they were loaded: the same events make the same rows.
pub(crate) async fn apply_live(
    connection: &mut PgConnection,
    name: Name,
    events: &[RecordedEvent],
    skips: &Skips,
) -> Result<u64, BatchError> {
    let (first, next) = range(events)?;
    if !events.iter().any(|event| name.reads(&event.stream_type)) {
        advance(connection, name, first, next).await?;
        return Ok(next);
    }
    if events.iter().any(|event| skips.contains(event.position)) {
        return apply(connection, name, session::begin_batch(name), events, skips).await;
    }
    let writes = name.fold(connection, events).await?;
    if writes.fit_one_statement() {
        writes.run_with_checkpoint(connection, name, first, next).await?;
        return Ok(next);
    }
    let mut transaction = connection.begin_with(session::begin_batch(name)).await?;
    advance(&mut transaction, name, first, next).await?;
    writes.run(&mut transaction).await?;
    transaction.commit().await?;
    Ok(next)
}

/// [`apply`] within the caller's transaction.
pub(crate) async fn apply_within(
    connection: &mut PgConnection,
    name: Name,
    events: &[RecordedEvent],
    skips: &Skips,
) -> Result<u64, BatchError> {
    let (first, next) = range(events)?;
    advance(connection, name, first, next).await?;
    for part in events.split(|event| skips.contains(event.position)).filter(|part| !part.is_empty()) {
        name.fold(connection, part).await?.run(connection).await?;
    }
    Ok(next)
}

/// The positions of consecutive events: of the first, and of the one that follows the last.
fn range(events: &[RecordedEvent]) -> Result<(u64, u64), BatchError> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Err(BatchError::Moved) };
    if let Some(gap) = events.windows(2).find(|pair| pair[1].position != pair[0].position + 1) {
        let problem = format!("event {} follows it", gap[1].position);
        return Err(Fault { position: gap[0].position, problem }.into());
    }
    Ok((first.position, last.position + 1))
}

/// Moves the checkpoint past one event that changes nothing in the view: it is none of the view's, or is to be
/// skipped. Returns the new checkpoint.
pub(crate) async fn pass(
    connection: &mut PgConnection,
    name: Name,
    begin: String,
    position: u64,
) -> Result<u64, BatchError> {
    let mut transaction = connection.begin_with(begin).await?;
    advance(&mut transaction, name, position, position + 1).await?;
    transaction.commit().await?;
    Ok(position + 1)
}

/// The checkpoint from `first` to `next`, within the caller's transaction.
pub(crate) async fn advance(
    connection: &mut PgConnection,
    name: Name,
    first: u64,
    next: u64,
) -> Result<(), BatchError> {
    let moved = sqlx::query("UPDATE checkpoint SET next = $2 WHERE next = $1 AND version = $3")
        .bind(first.cast_signed())
        .bind(next.cast_signed())
        .bind(name.version())
        .execute(connection)
        .await?;
    if moved.rows_affected() == 1 { Ok(()) } else { Err(BatchError::Moved) }
}

/// Whether the database refused what an event says (no such value in its types, a constraint, a limit), so that
/// trying again is of no use. See PostgreSQL's appendix on error codes.
pub(crate) fn is_about_data(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| ["22", "23", "54"].contains(&code.get(..2).unwrap_or_default()))
        || matches!(error, sqlx::Error::Encode(_))
}
