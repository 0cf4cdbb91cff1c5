//! The connections that write views, and the advisory locks that keep writers apart.
//!
//! | Lock | Held by | For |
//! |---|---|---|
//! | `LEADER` | the runner that feeds a projection, as long as its connection lives | one writer over all instances |
//! | `GATE` shared | each live batch, before it touches a table | |
//! | `GATE` exclusive | a swap, or a comparison while it takes its snapshot | no batch is half-way then |
//! | `REBUILD` | whoever uses the schema `rebuild_view_x` | one copy at a time |

use crate::projection::Name;
use sqlx::{ConnectOptions, Executor, PgConnection, PgPool};

/// First key of our advisory locks; the second is the projection's number.
const LEADER: i32 = 0x4d56_0001;
const GATE: i32 = 0x4d56_0002;
const REBUILD: i32 = 0x4d56_0003;

/// A connection of its own whose unqualified names are those of `schema`.
///
/// Commits don't wait for the disk: a view's rows and its checkpoint are lost or kept together, and what is lost is
/// built again from the ledger.
pub(crate) async fn connect(pool: &PgPool, schema: &str) -> sqlx::Result<PgConnection> {
    let mut connection = pool.connect_options().connect().await?;
    let settings = format!("SET synchronous_commit = off; SET jit = off; SET search_path = {schema}");
    connection.execute(settings.as_str()).await?;
    Ok(connection)
}

/// Tries to become the one that feeds a projection, until the connection ends.
pub(crate) async fn try_lead(connection: &mut PgConnection, name: Name) -> sqlx::Result<bool> {
    try_lock(connection, LEADER, name).await
}

/// Tries to get the rebuild schema for itself, until the connection ends.
pub(crate) async fn try_rebuild(connection: &mut PgConnection, name: Name) -> sqlx::Result<bool> {
    try_lock(connection, REBUILD, name).await
}

/// Gives the rebuild schema back at once; the end of a connection is noticed a moment later only.
pub(crate) async fn end_rebuild(connection: &mut PgConnection, name: Name) -> sqlx::Result<()> {
    unlock(connection, REBUILD, name).await
}

async fn try_lock(connection: &mut PgConnection, class: i32, name: Name) -> sqlx::Result<bool> {
    let sql = "SELECT pg_try_advisory_lock($1, $2)";
    sqlx::query_scalar(sql).bind(class).bind(name.number()).fetch_one(connection).await
}

/// Begins a live batch: one round trip.
pub(crate) fn begin_batch(name: Name) -> String {
    format!("BEGIN; SELECT pg_advisory_xact_lock_shared({GATE}, {})", name.number())
}

/// Begins a transaction during which no live batch is half-way. Gives up after a short wait.
pub(crate) fn begin_closed(name: Name) -> String {
    format!("BEGIN; SET LOCAL lock_timeout = '500ms'; SELECT pg_advisory_xact_lock({GATE}, {})", name.number())
}

/// Keeps live batches out until [`open_gate`] or the end of the connection.
pub(crate) async fn close_gate(connection: &mut PgConnection, name: Name) -> sqlx::Result<()> {
    let sql = "SELECT pg_advisory_lock($1, $2)";
    sqlx::query(sql).bind(GATE).bind(name.number()).execute(connection).await.map(drop)
}

pub(crate) async fn open_gate(connection: &mut PgConnection, name: Name) -> sqlx::Result<()> {
    unlock(connection, GATE, name).await
}

async fn unlock(connection: &mut PgConnection, class: i32, name: Name) -> sqlx::Result<()> {
    let sql = "SELECT pg_advisory_unlock($1, $2)";
    sqlx::query(sql).bind(class).bind(name.number()).execute(connection).await.map(drop)
}
