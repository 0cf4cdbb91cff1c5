//! Proving that a live view is what replay makes of the ledger.

use crate::projection::Name;
use crate::rebuild::{Copy, RebuildError, Skipped, fill};
use crate::session;
use crate::tables;
use ledger::Ledger;
use sqlx::{Executor, PgConnection, PgPool};

/// Differences named per table, at most.
const NAMED: i64 = 20;

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Which view.
    pub name: Name,
    /// The events before this position are in both.
    pub next: u64,
    /// Table by table.
    pub tables: Vec<ComparedTable>,
}

/// One table of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedTable {
    /// Which table.
    pub table: String,
    /// Rows of the rebuilt one.
    pub rows: u64,
    /// How many rows differ.
    pub differing: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
}

/// A row that differs. Never says a value other than the key's, and keys are opaque ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key's values.
    pub key: String,
    /// How it differs.
    pub kind: DifferenceKind,
}

/// How a row differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The live table lacks the row.
    Missing,
    /// The live table has a row that replay does not make.
    Unfounded,
    /// These columns differ.
    Columns(Vec<String>),
}

impl Comparison {
    /// Whether replay gave exactly the live rows.
    pub fn is_equal(&self) -> bool {
        self.tables.iter().all(|table| table.differing == 0)
    }
}

/// Rebuilds a view beside the live one up to the same position and compares them row by row; then drops the copy.
/// The live view goes on meanwhile. `progress` hears the position reached.
///
/// # Errors
/// [`RebuildError`]; a difference is no error.
pub async fn compare(
    ledger: &Ledger,
    pool: &PgPool,
    name: Name,
    progress: impl FnMut(u64) + Send,
) -> Result<Comparison, RebuildError> {
    let mut copy = Copy::begin(pool, name, Skipped::Again).await?;
    let reached = live_next(&mut copy).await?;
    let mut copies = [copy];
    fill(ledger, &mut copies, reached, progress).await?;
    let [mut copy] = copies;
    let next = freeze(ledger, &mut copy).await?;
    let compared = compare_tables(&mut copy.connection, name).await;
    copy.connection.execute("COMMIT").await?;
    let tables = compared?;
    copy.discard().await?;
    Ok(Comparison { name, next, tables })
}

async fn live_next(copy: &mut Copy) -> Result<u64, RebuildError> {
    let name = copy.name;
    let found = tables::checkpoint(&mut copy.connection, name.schema()).await?;
    let found = found.ok_or(RebuildError::NotInstalled(name))?;
    if found.version != name.version() {
        return Err(RebuildError::OtherVersion { name, found: found.version });
    }
    Ok(found.next)
}

/// Brings the copy to the live view's position while no live batch runs, and takes a snapshot of both.
async fn freeze(ledger: &Ledger, copy: &mut Copy) -> Result<u64, RebuildError> {
    let name = copy.name;
    session::close_gate(&mut copy.connection, name).await?;
    copy.read_skips().await?;
    let reached = live_next(copy).await?;
    fill(ledger, std::slice::from_mut(copy), reached, |_| {}).await?;
    // The snapshot is taken by the first query.
    let snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT next FROM checkpoint";
    copy.connection.execute(snapshot).await?;
    session::open_gate(&mut copy.connection, name).await?;
    Ok(reached)
}

async fn compare_tables(connection: &mut PgConnection, name: Name) -> Result<Vec<ComparedTable>, RebuildError> {
    let mut compared = Vec::new();
    for table in tables::list(connection, name.rebuild_schema()).await? {
        if table != "checkpoint" {
            compared.push(compare_table(connection, name, table).await?);
        }
    }
    Ok(compared)
}

async fn compare_table(
    connection: &mut PgConnection,
    name: Name,
    table: String,
) -> Result<ComparedTable, RebuildError> {
    let (live, beside) = (name.schema(), name.rebuild_schema());
    let columns: Vec<(String, bool)> = sqlx::query_as(
        "SELECT a.attname::text, coalesce(a.attnum = ANY (i.indkey), false) \
         FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
         WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
    )
    .bind(format!("{beside}.{table}"))
    .fetch_all(&mut *connection)
    .await?;
    let key: Vec<&str> = columns.iter().filter(|(_, key)| *key).map(|(column, _)| column.as_str()).collect();
    let all = |form: &dyn Fn(&str) -> String, joint: &str| {
        columns.iter().map(|(column, _)| form(column)).collect::<Vec<_>>().join(joint)
    };
    let keys = |form: &dyn Fn(&str) -> String, joint: &str| {
        key.iter().map(|column| form(column)).collect::<Vec<_>>().join(joint)
    };
    let first = key.first().copied().unwrap_or("?");
    let differing = format!(
        "FROM {live}.{table} l FULL JOIN {beside}.{table} r ON {on} \
         WHERE l.{first} IS NULL OR r.{first} IS NULL OR ({left}) IS DISTINCT FROM ({right})",
        on = keys(&|column| format!("l.{column} = r.{column}"), " AND "),
        left = all(&|column| format!("l.{column}"), ", "),
        right = all(&|column| format!("r.{column}"), ", "),
    );
    let (rows, count): (i64, i64) =
        sqlx::query_as(&format!("SELECT (SELECT count(*) FROM {beside}.{table}), (SELECT count(*) {differing})"))
            .fetch_one(&mut *connection)
            .await?;
    let named: Vec<(String, bool, bool, Vec<String>)> = sqlx::query_as(&format!(
        "SELECT concat_ws(' ', {shown}), l.{first} IS NULL, r.{first} IS NULL, \
                array_remove(ARRAY[{changed}], NULL) {differing} ORDER BY 1 LIMIT {NAMED}",
        shown = keys(&|column| format!("coalesce(l.{column}, r.{column})"), ", "),
        changed = all(&|column| format!("CASE WHEN l.{column} IS DISTINCT FROM r.{column} THEN '{column}' END"), ", "),
    ))
    .fetch_all(connection)
    .await?;
    let differences = named.into_iter().map(|(key, missing, unfounded, columns)| Difference {
        key,
        kind: match (missing, unfounded) {
            (true, _) => DifferenceKind::Missing,
            (false, true) => DifferenceKind::Unfounded,
            (false, false) => DifferenceKind::Columns(columns),
        },
    });
    let differences = differences.collect();
    Ok(ComparedTable { table, rows: rows.cast_unsigned(), differing: count.cast_unsigned(), differences })
}
