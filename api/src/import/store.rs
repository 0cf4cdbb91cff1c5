//! Rows of running imports: the cursor, the remarks, the lock.

use super::report::{Remark, ReportLine};
use chrono::{DateTime, NaiveDateTime, Utc};
use domain::establishment::ImportCounts;
use domain::identifiers::{Academie, Uai};
use domain::ids::ImportId;
use sqlx::postgres::PgRow;
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, Row};
use std::time::Duration;

/// The parts of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Guardian records.
    Guardians,
    /// Pupils, links, accounts.
    Pupils,
    /// ONDE links that wait for the school.
    Held,
    /// Pupils no longer named.
    Absent,
    /// All recorded.
    Done,
}

impl Stage {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guardians => "guardians",
            Self::Pupils => "pupils",
            Self::Held => "held",
            Self::Absent => "absent",
            Self::Done => "done",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Guardians, Self::Pupils, Self::Held, Self::Absent, Self::Done]
            .into_iter()
            .find(|stage| stage.as_str() == text)
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The stage in progress.
    pub stage: Stage,
    /// The first record of it that is not in.
    pub ordinal: u64,
    /// What became of the records before.
    pub counts: ImportCounts,
    /// Pupils taken to have left.
    pub departed: u64,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { stage: Stage::Guardians, ordinal: 0, counts: ImportCounts::default(), departed: 0 }
    }
}

/// Where a run stands; a row is made for a new one.
///
/// # Errors
/// When the database fails.
pub async fn cursor(db: &PgPool, import: ImportId, uai: Uai, now: DateTime<Utc>) -> sqlx::Result<Cursor> {
    sqlx::query(
        "INSERT INTO service.import_run (import, establishment, stage, ordinal, updated_at) \
         VALUES ($1, $2, 'guardians', 0, $3) ON CONFLICT (import) DO NOTHING",
    )
    .bind(import.0)
    .bind(uai.as_str())
    .bind(now)
    .execute(db)
    .await?;
    let row = sqlx::query("SELECT * FROM service.import_run WHERE import = $1").bind(import.0).fetch_one(db).await?;
    read_cursor(&row)
}

fn read_cursor(row: &PgRow) -> sqlx::Result<Cursor> {
    let number = |column: &str| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    let stage: String = row.try_get("stage")?;
    let stage =
        Stage::parse(&stage).ok_or_else(|| sqlx::Error::Decode(format!("no stage is called {stage}").into()))?;
    Ok(Cursor {
        stage,
        ordinal: number("ordinal")?,
        counts: ImportCounts {
            pupils: number("pupils")?,
            guardians: number("guardians")?,
            refused: number("refused")?,
            held: number("held")?,
            changed: number("changed")?,
        },
        departed: number("departed")?,
    })
}

/// Saves how far a run has come, with the remarks on the way there.
///
/// # Errors
/// When the database fails.
pub async fn save(
    db: &PgPool,
    import: ImportId,
    cursor: &Cursor,
    remarks: &[(Remark, &str)],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let counts = &cursor.counts;
    let column = |of: fn(&(Remark, &str)) -> String| remarks.iter().map(of).collect::<Vec<_>>();
    // One statement, so that cursor and remarks land together without a transaction that could be left open.
    sqlx::query(
        "WITH run AS (UPDATE service.import_run SET stage = $2, ordinal = $3, pupils = $4, guardians = $5, \
                      refused = $6, held = $7, changed = $8, departed = $9, updated_at = $10 \
                      WHERE import = $1 RETURNING import) \
         INSERT INTO service.import_remark (import, kind, file, line, record, reason) \
         SELECT run.import, remark.* FROM run, \
                unnest($11::text[], $12::text[], $13::bigint[], $14::text[], $15::text[]) AS remark",
    )
    .bind(import.0)
    .bind(cursor.stage.as_str())
    .bind(cursor.ordinal as i64)
    .bind(counts.pupils as i64)
    .bind(counts.guardians as i64)
    .bind(counts.refused as i64)
    .bind(counts.held as i64)
    .bind(counts.changed as i64)
    .bind(cursor.departed as i64)
    .bind(now)
    .bind(column(|(remark, _)| remark.kind.as_str().to_owned()))
    .bind(column(|(_, file)| (*file).to_owned()))
    .bind(remarks.iter().map(|(remark, _)| remark.line as i64).collect::<Vec<_>>())
    .bind(column(|(remark, _)| remark.record.clone()))
    .bind(column(|(remark, _)| remark.text.clone()))
    .execute(db)
    .await
    .map(drop)
}

/// What a run told of single records, in the order of the run.
///
/// # Errors
/// When the database fails.
pub async fn remarks(db: &PgPool, import: ImportId) -> sqlx::Result<Vec<ReportLine>> {
    let rows = sqlx::query(
        "SELECT kind, file, line, record, reason FROM service.import_remark WHERE import = $1 ORDER BY number",
    )
    .bind(import.0)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(ReportLine {
                kind: row.try_get("kind")?,
                file: row.try_get("file")?,
                line: row.try_get::<i64, _>("line")?.unsigned_abs(),
                record: row.try_get("record")?,
                reason: row.try_get("reason")?,
            })
        })
        .collect()
}

/// Deletes what runs that ended before a moment told, in bounded batches; whether there may be more.
///
/// # Errors
/// When the database fails.
pub async fn sweep(db: &PgPool, before: DateTime<Utc>) -> sqlx::Result<bool> {
    // Remarks first: a run may have very many, and they go with it otherwise.
    let remarks = sqlx::query(
        "DELETE FROM service.import_remark WHERE (import, number) IN \
         (SELECT import, number FROM service.import_remark JOIN service.import_run r USING (import) \
          WHERE r.updated_at < $1 LIMIT $2)",
    );
    if remarks.bind(before).bind(SWEPT).execute(db).await?.rows_affected() == SWEPT.unsigned_abs() {
        return Ok(true);
    }
    let mut more = false;
    for sql in [
        "DELETE FROM service.import_run WHERE import IN \
         (SELECT import FROM service.import_run WHERE updated_at < $1 LIMIT $2)",
        "DELETE FROM service.import_request WHERE id IN \
         (SELECT id FROM service.import_request WHERE finished_at < $1 LIMIT $2)",
    ] {
        more |= sqlx::query(sql).bind(before).bind(SWEPT).execute(db).await?.rows_affected() == SWEPT.unsigned_abs();
    }
    Ok(more)
}

/// Rows deleted at once.
const SWEPT: i64 = 1_000;

/// One import of an establishment at a time. The lock belongs to a connection of its own, so that it ends with
/// the process, however that ends.
pub struct SchoolLock {
    connection: PgConnection,
    uai: Uai,
}

/// A lock whose process was killed goes a moment after it.
const LOCK_ATTEMPTS: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

impl SchoolLock {
    /// Takes the lock; `None` when another import holds it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take(db: &PgPool, uai: Uai) -> sqlx::Result<Option<Self>> {
        // Not one of the pool's, which have their statements prepared.
        let mut connection = db.connect_options().connect().await?;
        for attempt in 0..LOCK_ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended('import:' || $1, 0))")
                .bind(uai.as_str())
                .fetch_one(&mut connection)
                .await?;
            if taken {
                return Ok(Some(Self { connection, uai }));
            }
        }
        connection.close().await?;
        Ok(None)
    }

    /// Gives the lock back.
    pub async fn release(self) {
        let Self { mut connection, uai } = self;
        // Said explicitly, since the server ends a session only some time after it was closed. Should one of these
        // fail, the connection is gone and the lock with it.
        let _ = sqlx::query("SELECT pg_advisory_unlock(hashtextextended('import:' || $1, 0))")
            .bind(uai.as_str())
            .execute(&mut connection)
            .await;
        let _ = connection.close().await;
    }
}

/// Pupils whom the view of school data has at an establishment.
///
/// # Errors
/// When the database fails.
pub async fn enrolled(db: &PgPool, uai: Uai) -> sqlx::Result<Vec<uuid::Uuid>> {
    sqlx::query_scalar("SELECT pupil FROM view_people.enrolment WHERE establishment = $1 ORDER BY pupil")
        .bind(uai.as_str())
        .fetch_all(db)
        .await
}

/// Guardians with links that wait for an establishment.
///
/// # Errors
/// When the database fails.
pub async fn waiting(db: &PgPool, uai: Uai) -> sqlx::Result<Vec<uuid::Uuid>> {
    sqlx::query_scalar("SELECT DISTINCT guardian FROM view_people.held_link WHERE establishment = $1 ORDER BY guardian")
        .bind(uai.as_str())
        .fetch_all(db)
        .await
}

/// A school's local time as a moment, but never one to come. PostgreSQL knows the time zones.
///
/// # Errors
/// When the database fails.
pub async fn moment(db: &PgPool, local: NaiveDateTime, academie: Option<Academie>) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar("SELECT least($1::timestamp AT TIME ZONE $2, now())")
        .bind(local)
        .bind(time_zone(academie))
        .fetch_one(db)
        .await
}

/// The present moment in metropolitan France, where ONDE runs.
///
/// # Errors
/// When the database fails.
pub async fn local_now(db: &PgPool) -> sqlx::Result<NaiveDateTime> {
    sqlx::query_scalar("SELECT date_trunc('second', now() AT TIME ZONE 'Europe/Paris')").fetch_one(db).await
}

fn time_zone(academie: Option<Academie>) -> &'static str {
    match academie.map(Academie::code) {
        Some(28) => "Indian/Reunion",
        Some(31) => "America/Martinique",
        Some(32) => "America/Guadeloupe",
        Some(33) => "America/Cayenne",
        Some(40) => "Pacific/Noumea",
        Some(41) => "Pacific/Tahiti",
        Some(42) => "Pacific/Wallis",
        Some(43) => "Indian/Mayotte",
        Some(44) => "America/Miquelon",
        _ => "Europe/Paris",
    }
}
