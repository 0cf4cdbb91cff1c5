//! Events that a view can't take in.
//!
//! Such a view stands still just before the event (everything earlier is in it), says so in `views.stop`, and tries
//! again every second: an upgraded program that understands the event simply goes on. The other views don't notice.
//! Nothing is passed over by itself; an operator may decide it with [`skip`], and the decision is a row that every
//! replay of the view follows and that is shown wherever the view is examined.

use crate::projection::{Fault, Name};
use crate::views::parsed;
use chrono::{DateTime, Utc};
use domain::context::Actor;
use ledger::Header;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgPool, Row};
use std::collections::BTreeSet;

/// A view that stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Which view.
    pub view: Name,
    /// At which event, and why.
    pub fault: Fault,
    /// What the event is; `None` where the ledger has none at the position.
    pub event: Option<Header>,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// An event that a view passes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Which view.
    pub view: Name,
    /// The event, and what the view had stopped at.
    pub fault: Fault,
    /// What the event is; `None` where the ledger has none at the position.
    pub event: Option<Header>,
    /// Why it was decided.
    pub reason: String,
    /// Who decided it.
    pub actor: String,
    /// When.
    pub skipped_at: DateTime<Utc>,
}

/// An event was not skipped.
#[derive(Debug, thiserror::Error)]
pub enum SkipError {
    /// The view goes on, or has gone on by now.
    #[error("the view {0} has not stopped: there is nothing to skip")]
    NotStopped(Name),
    /// It stands at another event.
    #[error(
        "the view {view} has stopped at position {at}, not at {asked}: only where it stands can it be told to go on"
    )]
    Elsewhere {
        /// Which view.
        view: Name,
        /// Where it stands.
        at: u64,
        /// What was asked for.
        asked: u64,
    },
    /// No reason was given.
    #[error("say why the event is to be skipped: the reason is kept")]
    NoReason,
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// The columns that both tables have.
fn common(row: &PgRow) -> sqlx::Result<(Name, Fault, Option<Header>)> {
    let view = parsed("view", row.try_get("view")?)?;
    let position: i64 = row.try_get("position")?;
    let (stream_type, event_type): (Option<_>, Option<_>) = (row.try_get("stream_type")?, row.try_get("event_type")?);
    let event = stream_type.zip(event_type).map(|(stream_type, event_type)| Header { stream_type, event_type });
    Ok((view, Fault { position: position.cast_unsigned(), problem: row.try_get("problem")? }, event))
}

impl FromRow<'_, PgRow> for Stop {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let (view, fault, event) = common(row)?;
        Ok(Self { view, fault, event, since: row.try_get("since")? })
    }
}

impl FromRow<'_, PgRow> for Skip {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let (view, fault, event) = common(row)?;
        let (reason, actor) = (row.try_get("reason")?, row.try_get("actor")?);
        Ok(Self { view, fault, event, reason, actor, skipped_at: row.try_get("skipped_at")? })
    }
}

/// The views that stand still.
///
/// # Errors
/// When the database fails.
pub async fn stops(pool: &PgPool) -> sqlx::Result<Vec<Stop>> {
    sqlx::query_as("SELECT * FROM views.stop ORDER BY view").fetch_all(pool).await
}

/// The events that views pass over, oldest decision first.
///
/// # Errors
/// When the database fails.
pub async fn skips(pool: &PgPool) -> sqlx::Result<Vec<Skip>> {
    let sql = "SELECT * FROM views.skip WHERE applied_at IS NULL ORDER BY skipped_at, view, position";
    sqlx::query_as(sql).fetch_all(pool).await
}

/// Tells a view to pass over the event it stands at. It goes on within a second or two, wherever it runs.
///
/// # Errors
/// [`SkipError`] when the view does not stand at that very event, or no reason is given.
pub async fn skip(
    pool: &PgPool,
    view: Name,
    position: u64,
    reason: &str,
    actor: &Actor,
    at: DateTime<Utc>,
) -> Result<(), SkipError> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(SkipError::NoReason);
    }
    let skipped = sqlx::query(
        "INSERT INTO views.skip (view, position, stream_type, event_type, problem, reason, actor, skipped_at) \
         SELECT view, position, stream_type, event_type, problem, $3, $4, $5 FROM views.stop \
         WHERE view = $1 AND position = $2 ON CONFLICT DO NOTHING",
    )
    .bind(view.as_str())
    .bind(position.cast_signed())
    .bind(reason)
    .bind(actor.to_string())
    .bind(at)
    .execute(pool)
    .await?;
    if skipped.rows_affected() == 1 {
        return Ok(());
    }
    // Already skipped and not yet gone on is as good.
    let stopped = stops(pool).await?.into_iter().find(|stop| stop.view == view).map(|stop| stop.fault.position);
    match stopped {
        None => Err(SkipError::NotStopped(view)),
        Some(at) if at != position => Err(SkipError::Elsewhere { view, at, asked: position }),
        Some(_) => Ok(()),
    }
}

/// Records that a view stands still; when it already stood at this event, since when stays.
pub(crate) async fn record_stop(
    pool: &PgPool,
    view: Name,
    fault: &Fault,
    event: Option<&Header>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO views.stop AS s (view, position, stream_type, event_type, problem, since) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (view) DO UPDATE SET position = excluded.position, \
         stream_type = excluded.stream_type, event_type = excluded.event_type, problem = excluded.problem, \
         since = CASE WHEN s.position = excluded.position THEN s.since ELSE excluded.since END",
    )
    .bind(view.as_str())
    .bind(fault.position.cast_signed())
    .bind(event.map(|event| event.stream_type.as_str()))
    .bind(event.map(|event| event.event_type.as_str()))
    .bind(&fault.problem)
    .bind(now)
    .execute(pool)
    .await
    .map(drop)
}

/// Forgets a stop that the view has passed.
pub(crate) async fn clear_stop(connection: &mut PgConnection, view: Name, next: u64) -> sqlx::Result<()> {
    let sql = "DELETE FROM views.stop WHERE view = $1 AND position < $2";
    sqlx::query(sql).bind(view.as_str()).bind(next.cast_signed()).execute(connection).await.map(drop)
}

/// Where the view stood when it was last fed, unless it has passed that.
pub(crate) async fn stop_of(connection: &mut PgConnection, view: Name) -> sqlx::Result<Option<Fault>> {
    let sql = "SELECT position, problem FROM views.stop WHERE view = $1";
    let row: Option<(i64, String)> = sqlx::query_as(sql).bind(view.as_str()).fetch_optional(connection).await?;
    Ok(row.map(|(position, problem)| Fault { position: position.cast_unsigned(), problem }))
}

/// The positions that a view passes over. Read when a run of it begins: a new one is decided only while it stands
/// still.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skips(BTreeSet<u64>);

impl Skips {
    pub(crate) async fn of(connection: &mut PgConnection, view: Name) -> sqlx::Result<Self> {
        let sql = "SELECT position FROM views.skip WHERE view = $1 AND applied_at IS NULL";
        let positions: Vec<i64> = sqlx::query_scalar(sql).bind(view.as_str()).fetch_all(connection).await?;
        Ok(Self(positions.into_iter().map(i64::cast_unsigned).collect()))
    }

    pub(crate) fn contains(&self, position: u64) -> bool {
        self.0.contains(&position)
    }
}

/// Marks a view's skips as taken in after all, within the transaction that swaps its rebuilt tables in.
pub(crate) async fn applied(connection: &mut PgConnection, view: Name, now: DateTime<Utc>) -> sqlx::Result<()> {
    let sql = "UPDATE views.skip SET applied_at = $2 WHERE view = $1 AND applied_at IS NULL";
    sqlx::query(sql).bind(view.as_str()).bind(now).execute(connection).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::recorded;
    use crate::{session, tables};
    use domain::samples;
    use ledger::postgres::Role;
    use ledger::postgres::testing::fresh_database;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_event_of_a_stream_that_a_view_does_not_read_changes_it() {
        let database = fresh_database().await;
        let pool = database.pool(Role::Service, 2).await.unwrap();
        tables::install(&pool).await.unwrap();
        for name in Name::ALL {
            // What an erasure leaves would prove nothing.
            let events: Vec<_> = samples::every_event()
                .into_iter()
                .filter(|event| event.erases().is_none())
                .zip(0..)
                .map(|(event, position)| recorded(position, event))
                .collect();
            let (concerned, others): (Vec<_>, Vec<_>) =
                events.into_iter().partition(|event| name.reads(&event.stream_type));
            let mut connection = session::connect(&pool, name.schema()).await.unwrap();
            let mut rows = Vec::new();
            for events in [others, concerned] {
                let writes = name.fold(&mut connection, &events).await.unwrap();
                writes.run(&mut connection).await.unwrap();
                let mut count = 0;
                for table in tables::list(&mut connection, name.schema()).await.unwrap() {
                    let sql = format!("SELECT count(*) FROM {table}");
                    count += sqlx::query_scalar::<_, i64>(&sql).fetch_one(&mut connection).await.unwrap();
                }
                rows.push(count);
            }
            assert_eq!(rows[0], 1, "{name}: only the checkpoint");
            assert!(rows[1] > 1, "{name} takes its own in");
        }
        assert!(Name::ALL.iter().all(|name| name.reads("of a newer program")));
    }
}
