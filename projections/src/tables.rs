//! Making a projection's tables, live and beside.

use crate::projection::Name;
use sqlx::{Connection, Executor, PgConnection, PgPool};

/// The row that says how far a view is. It moves in the same transaction as the view's rows.
const CHECKPOINT: &str = "
CREATE TABLE checkpoint (
    singleton boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (singleton),
    next      bigint  NOT NULL, -- position of the next event to apply
    version   integer NOT NULL  -- of the tables and of the code that fills them
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);";

/// Makes the tables of every projection that has none yet. Several programs may do it at once.
///
/// # Errors
/// When the database fails, or is not migrated.
pub async fn install(pool: &PgPool) -> sqlx::Result<()> {
    let mut connection = pool.acquire().await?;
    for name in Name::ALL {
        let mut transaction = connection.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtext('matricule.views.install'))")
            .execute(&mut *transaction)
            .await?;
        if checkpoint(&mut transaction, name.schema()).await?.is_none() {
            create(&mut transaction, name, name.schema()).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

/// Makes a projection's empty tables in a schema, within the caller's transaction, which keeps that search path.
///
/// They belong to the service's role, whoever makes them, so that any instance can swap them later.
pub(crate) async fn create(connection: &mut PgConnection, name: Name, schema: &str) -> sqlx::Result<()> {
    let version = name.version();
    let statements = format!(
        "SET LOCAL ROLE matricule_service; SET LOCAL search_path = {schema}; {tables} {CHECKPOINT} \
         INSERT INTO checkpoint (next, version) VALUES (0, {version})",
        tables = name.tables(),
    );
    connection.execute(statements.as_str()).await.map(drop)
}

/// Drops whatever stands in a schema, within the caller's transaction.
pub(crate) async fn clear(connection: &mut PgConnection, schema: &str) -> sqlx::Result<()> {
    for table in list(connection, schema).await? {
        let drop = format!("DROP TABLE {schema}.\"{table}\"");
        connection.execute(drop.as_str()).await?;
    }
    Ok(())
}

/// The tables of a schema, by name.
pub(crate) async fn list(connection: &mut PgConnection, schema: &str) -> sqlx::Result<Vec<String>> {
    let sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY tablename";
    sqlx::query_scalar(sql).bind(schema).fetch_all(connection).await
}

/// Where a view stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Position of the next event to apply.
    pub next: u64,
    /// Version of its tables.
    pub version: i32,
}

/// Keeps others from moving the checkpoint in `schema`, if there is one, to the end of the caller's transaction.
pub(crate) async fn hold_checkpoint(connection: &mut PgConnection, schema: &str) -> sqlx::Result<()> {
    if list(connection, schema).await?.iter().any(|table| table == "checkpoint") {
        let lock = format!("LOCK TABLE {schema}.checkpoint IN SHARE ROW EXCLUSIVE MODE");
        connection.execute(lock.as_str()).await?;
    }
    Ok(())
}

/// The checkpoint of the tables in `schema`; `None` where there are no tables.
pub(crate) async fn checkpoint(connection: &mut PgConnection, schema: &str) -> sqlx::Result<Option<Checkpoint>> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(format!("{schema}.checkpoint"))
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        return Ok(None);
    }
    let row: Option<(i64, i32)> =
        sqlx::query_as(&format!("SELECT next, version FROM {schema}.checkpoint")).fetch_optional(connection).await?;
    Ok(row.map(|(next, version)| Checkpoint { next: next.try_into().unwrap_or_default(), version }))
}
