//! Making a backup.

use super::{BackupError, FORMAT, MANIFEST, Manifest, Part, TableFile};
use crate::erasure::Register;
use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use ledger::postgres::{Database, Role};
use sqlx::{Connection, Executor, PgConnection};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tokio::io::AsyncWriteExt;

/// Where backups go, and how long they stay.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the ledger's.
    pub ledger_dir: PathBuf,
    /// Folder of the keys'.
    pub keys_dir: PathBuf,
    /// How long one of the ledger is kept.
    pub ledger_retention: TimeDelta,
    /// How long one of the keys is kept.
    pub keys_retention: TimeDelta,
}

/// A backup that was made.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The ledger's half.
    pub ledger: PathBuf,
    /// The keys' half.
    pub keys: PathBuf,
    /// Events in it.
    pub size: u64,
    /// Root of its tree, hexadecimal.
    pub root: String,
    /// Earlier backups past their retention, now deleted.
    pub deleted: Vec<PathBuf>,
}

/// Makes both halves from one snapshot, while the service runs; then deletes earlier ones past their retention.
///
/// # Errors
/// [`BackupError`]; a half-made backup is left under a name that ends in `.partial`.
pub async fn take(
    database: &Database,
    settings: &Settings,
    register: &Register,
    now: DateTime<Utc>,
) -> Result<Taken, BackupError> {
    let name = now.format("%Y%m%dT%H%M%SZ").to_string();
    let owner = database.pool(Role::Owner, 1).await?;
    register.ensure_complete(&owner).await?;
    // First of all: whoever is erased from here on may be in this backup.
    register.keys_backup(&format!("keys-{name}"), now, now + settings.keys_retention).await?;
    let mut connection = owner.acquire().await?.detach();
    owner.close().await;
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let (size, root): (i64, Vec<u8>) =
        sqlx::query_as("SELECT size, root FROM ledger.head").fetch_one(&mut connection).await?;
    let migration: i64 = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
        .fetch_one(&mut connection)
        .await?;
    let tables = tables(&mut connection).await?;
    let manifest = |part| Manifest {
        format: FORMAT,
        part,
        name: name.clone(),
        taken_at: now,
        size: size.unsigned_abs(),
        root: hex::encode(&root),
        migration,
        tables: Vec::new(),
    };
    let ledger = write(&mut connection, &settings.ledger_dir, manifest(Part::Ledger), &tables).await?;
    let keys = write(&mut connection, &settings.keys_dir, manifest(Part::Keys), &tables).await?;
    connection.execute("COMMIT").await?;
    connection.close().await?;
    let mut deleted = delete_old(&settings.ledger_dir, Part::Ledger, now - settings.ledger_retention).await?;
    deleted.extend(delete_old(&settings.keys_dir, Part::Keys, now - settings.keys_retention).await?);
    Ok(Taken { ledger, keys, size: size.unsigned_abs(), root: hex::encode(&root), deleted })
}

/// A table of ours: schema, name, columns, months.
type Table = (String, String, Vec<String>, Vec<String>);

/// All of them, those that refer to others last.
async fn tables(connection: &mut PgConnection) -> sqlx::Result<Vec<Table>> {
    sqlx::query_as(
        "SELECT n.nspname::text, c.relname::text, \
                ARRAY(SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 \
                      AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum), \
                ARRAY(SELECT p.relname::text FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid \
                      WHERE i.inhparent = c.oid ORDER BY 1) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition \
           AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' \
         ORDER BY EXISTS (SELECT FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'), 1, 2",
    )
    .fetch_all(connection)
    .await
}

/// Writes one half beside its place, then puts it there whole.
async fn write(
    connection: &mut PgConnection,
    dir: &Path,
    mut manifest: Manifest,
    tables: &[Table],
) -> Result<PathBuf, BackupError> {
    let place = dir.join(manifest.folder());
    let partial = dir.join(format!("{}.partial", manifest.folder()));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::File { path, source }
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&partial).map_err(failed(&partial))?;
    for (schema, table, columns, months) in tables {
        if Part::of(schema, table) != Some(manifest.part) {
            continue;
        }
        let file = format!("{schema}.{table}.copy");
        let path = partial.join(&file);
        let (bytes, sha256) = dump(connection, schema, table, columns, &path).await?;
        manifest.tables.push(TableFile {
            table: format!("{schema}.{table}"),
            columns: columns.clone(),
            months: months.clone(),
            file,
            bytes,
            sha256,
        });
    }
    let text = serde_json::to_vec_pretty(&manifest)
        .map_err(|source| BackupError::Manifest { path: partial.clone(), source })?;
    let path = partial.join(MANIFEST);
    let mut file = create(&path).await.map_err(failed(&path))?;
    file.write_all(&text).await.map_err(failed(&path))?;
    file.sync_all().await.map_err(failed(&path))?;
    tokio::fs::rename(&partial, &place).await.map_err(failed(&place))?;
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed(dir))?;
    Ok(place)
}

async fn create(path: &Path) -> std::io::Result<tokio::fs::File> {
    tokio::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).await
}

/// Streams a table to disk; length and SHA-256 of the file.
async fn dump(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
    columns: &[String],
    path: &Path,
) -> Result<(u64, String), BackupError> {
    let failed = |source| BackupError::File { path: path.to_owned(), source };
    let mut file = tokio::io::BufWriter::new(create(path).await.map_err(failed)?);
    let (mut digest, mut bytes) = (Context::new(&SHA256), 0);
    let copy = format!("COPY (SELECT {} FROM {schema}.{table}) TO STDOUT (FORMAT BINARY)", columns.join(", "));
    let mut rows = connection.copy_out_raw(&copy).await?;
    while let Some(chunk) = rows.try_next().await? {
        digest.update(&chunk);
        bytes += chunk.len() as u64;
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    file.get_ref().sync_all().await.map_err(failed)?;
    Ok((bytes, hex::encode(digest.finish().as_ref())))
}

/// Deletes the backups of a half that were taken before a moment. Only what has our manifest is touched.
async fn delete_old(dir: &Path, part: Part, before: DateTime<Utc>) -> Result<Vec<PathBuf>, BackupError> {
    let failed = |source| BackupError::File { path: dir.to_owned(), source };
    let (mut deleted, mut entries) = (Vec::new(), tokio::fs::read_dir(dir).await.map_err(failed)?);
    while let Some(entry) = entries.next_entry().await.map_err(failed)? {
        let Ok(manifest) = Manifest::read(&entry.path()).await else { continue };
        let named = entry.file_name().to_str().is_some_and(|name| name == manifest.folder());
        if manifest.part == part && named && manifest.taken_at < before {
            tokio::fs::remove_dir_all(entry.path()).await.map_err(failed)?;
            deleted.push(entry.path());
        }
    }
    deleted.sort();
    Ok(deleted)
}
