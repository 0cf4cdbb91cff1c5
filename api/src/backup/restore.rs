//! Restoring a backup into an empty database.
//!
//! ```text
//!   files as written? ─▶ register knows this backup? ─▶ empty database, migrated ─▶ one transaction: all tables, and
//!   the keys of everybody in the register destroyed ─▶ walk the tree ─▶ rebuild the views ─▶ erase again, with events
//! ```
//!
//! Nobody who was erased since the backup can be read at any moment of it.
//!
//! The ledger's half outlives the keys' half. Restored alone it is an *archive*: what was recorded, when and by whom can
//! be proved, every personal value reads as erased, and the database takes no events any more.

use super::{BackupError, Manifest, Part, TableFile};
use crate::erasure::{Eraser, Line, Register};
use domain::context::Actor;
use domain::erasure::Grounds;
use domain::ids::SubjectId;
use ledger::postgres::{Database, Role, migrate};
use ledger::{Ledger, MasterKeys};
use projections::Runner;
use sqlx::{Connection, Executor, PgConnection};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use uuid::Uuid;

/// Connections of the ledger and the views while erasing again.
const CONNECTIONS: u32 = 12;

/// How long the views of an archive may take.
const ARCHIVED: Duration = Duration::from_secs(24 * 60 * 60);

/// What to restore.
#[derive(Clone, Debug)]
pub struct From {
    /// The ledger's half.
    pub ledger: PathBuf,
    /// The keys' half; without it an archive is made.
    pub keys: Option<PathBuf>,
    /// The registers of erasures; several where several machines kept one. Empty only by the operator's explicit wish.
    pub registers: Vec<Register>,
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Events.
    pub size: u64,
    /// Root of the tree, hexadecimal; equal to the manifest's, and walked.
    pub root: String,
    /// People erased since the backup, erased again.
    pub erased_again: u64,
}

/// Restores a backup.
///
/// # Errors
/// [`BackupError`] says what stood against it. Up to the proof nothing has been changed, or all is rolled back.
pub async fn restore(database: &Database, master: MasterKeys, from: &From) -> Result<Restored, BackupError> {
    let manifest = Manifest::read(&from.ledger).await?;
    if manifest.part != Part::Ledger {
        return Err(BackupError::NotALedger(manifest.folder()));
    }
    manifest.check_files(&from.ledger).await?;
    let mut erased = BTreeSet::new();
    let mut keys = None;
    if let Some(folder) = &from.keys {
        let half = Manifest::read(folder).await?;
        if half.part != Part::Keys || manifest.name != half.name || manifest.root != half.root {
            let (ledger, keys) = (manifest.folder(), half.folder());
            return Err(BackupError::NotAPair { ledger, keys });
        }
        half.check_files(folder).await?;
        erased = erased_since(&from.registers, &half).await?;
        keys = Some((folder.as_path(), half));
    }
    load(database, (&from.ledger, &manifest), keys.as_ref().map(|(folder, half)| (*folder, half)), &erased).await?;

    let db = database.pool(Role::Service, CONNECTIONS).await?;
    let ledger = Ledger::open(db.clone(), master).await?;
    ledger.check_master().await?;
    let verified = ledger.verify(|_| {}).await?;
    let root = hex::encode(verified.root);
    if (verified.size, &root) != (manifest.size, &manifest.root) {
        let (found, expected, expected_root) = (verified.size, manifest.size, manifest.root);
        return Err(BackupError::OtherTree { found, root, expected, expected_root });
    }
    let runner = Runner::start(ledger.clone(), db.clone()).await?;
    let register = from.registers.first().cloned();
    let erased_again = match register.filter(|_| keys.is_some()) {
        None if keys.is_none() => match verified.size.checked_sub(1) {
            // No service will build the views of an archive.
            Some(last) => runner.views().caught_up(last, ARCHIVED).await.map(|()| 0).map_err(BackupError::Views),
            None => Ok(0),
        },
        Some(register) => {
            let eraser = Eraser { ledger: ledger.clone(), db: db.clone(), views: runner.views(), register };
            erase_again(&eraser, &erased).await
        }
        None => Ok(0),
    };
    ledger.close().await;
    runner.stop().await;
    db.close().await;
    Ok(Restored { size: verified.size, root, erased_again: erased_again? })
}

/// Everybody whom a register names, provided that each register is younger than the backup.
async fn erased_since(registers: &[Register], keys: &Manifest) -> Result<BTreeSet<SubjectId>, BackupError> {
    let (mut erased, mut known) = (BTreeSet::new(), registers.is_empty());
    for register in registers {
        let lines = register.read().await?;
        known |= lines.iter().any(|line| matches!(line, Line::KeysBackup { name, .. } if *name == keys.folder()));
        erased.extend(register.whom().await?);
    }
    match registers.first() {
        Some(register) if !known => Err(BackupError::OlderRegister { register: register.path().to_owned() }),
        _ => Ok(erased),
    }
}

async fn load(
    database: &Database,
    ledger: (&Path, &Manifest),
    keys: Option<(&Path, &Manifest)>,
    erased: &BTreeSet<SubjectId>,
) -> Result<(), BackupError> {
    let owner = database.pool(Role::Owner, 1).await?;
    migrate(&owner).await?;
    let mut connection = owner.acquire().await?.detach();
    owner.close().await;
    let size: i64 = sqlx::query_scalar("SELECT size FROM ledger.head").fetch_one(&mut connection).await?;
    if size > 0 {
        return Err(BackupError::NotEmpty(size.unsigned_abs()));
    }
    let program: i64 =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut connection).await?;
    if ledger.1.migration > program {
        return Err(BackupError::NewerSchema { backup: ledger.1.migration, program });
    }
    let mut transaction = connection.begin().await?;
    for (folder, manifest) in [Some(ledger), keys].into_iter().flatten() {
        for table in &manifest.tables {
            load_table(&mut transaction, folder, table).await?;
        }
    }
    if keys.is_none() {
        make_archive(&mut transaction, &ledger.1.folder()).await?;
    }
    let erased: Vec<Uuid> = erased.iter().map(|subject| subject.0).collect();
    sqlx::query(
        "UPDATE keys.subject_key SET wrapped = NULL, destroyed_at = now() \
         WHERE subject = ANY($1) AND wrapped IS NOT NULL",
    )
    .bind(&erased)
    .execute(&mut *transaction)
    .await?;
    // Whether a message that waited then has gone out since, nobody knows.
    transaction
        .execute(
            "UPDATE outbox.message SET status = 'uncertain', body = NULL, claimed_until = NULL, \
             last_error = 'restored', settled_at = now() WHERE status IN ('pending', 'sending')",
        )
        .await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}

/// Every key is as good as destroyed, and nothing is recorded any more.
async fn make_archive(connection: &mut PgConnection, backup: &str) -> sqlx::Result<()> {
    connection
        .execute(
            r#"INSERT INTO keys.subject_key (subject, wrapped, created_at, destroyed_at)
               SELECT DISTINCT (found #>> '{}')::uuid, NULL::bytea, now(), now() FROM ledger.event,
                      jsonb_path_query(payload::text::jsonb, 'lax $.**.subject') AS found
               WHERE octet_length(segments) > 0 AND jsonb_typeof(found) = 'string'
                 AND found #>> '{}' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'"#,
        )
        .await?;
    sqlx::query("INSERT INTO ledger.archive (backup, restored_at) VALUES ($1, now()) ON CONFLICT DO NOTHING")
        .bind(backup)
        .execute(&mut *connection)
        .await?;
    connection
        .execute(
            "CREATE TRIGGER archive BEFORE INSERT ON ledger.event FOR EACH STATEMENT \
             EXECUTE FUNCTION ledger.refuse_in_archive()",
        )
        .await?;
    Ok(())
}

/// The owner may lift the guards of an empty table, and puts them back in the same transaction.
async fn load_table(connection: &mut PgConnection, folder: &Path, table: &TableFile) -> Result<(), BackupError> {
    let TableFile { table: name, columns, months, file, .. } = table;
    for month in months.iter().filter_map(|month| month.strip_prefix("entry_")) {
        sqlx::query("SELECT access.keep_month(to_timestamp($1, 'YYYY_MM') + interval '14 days')")
            .bind(month)
            .execute(&mut *connection)
            .await?;
    }
    connection.execute(format!("ALTER TABLE {name} DISABLE TRIGGER USER; DELETE FROM {name}").as_str()).await?;
    let path = folder.join(file);
    let failed = |source| BackupError::File { path: path.clone(), source };
    let mut source = tokio::fs::File::open(&path).await.map_err(failed)?;
    let copy = format!("COPY {name} ({}) FROM STDIN (FORMAT BINARY)", columns.join(", "));
    let mut sink = connection.copy_in_raw(&copy).await?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = source.read(&mut buffer).await.map_err(failed)?;
        if read == 0 {
            break;
        }
        sink.send(&buffer[..read]).await?;
    }
    sink.finish().await?;
    connection.execute(format!("ALTER TABLE {name} ENABLE TRIGGER USER").as_str()).await?;
    // Numbers that the database gives out go on behind those restored.
    let numbered: Vec<String> = sqlx::query_scalar(
        "SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = $1::regclass AND a.attidentity <> ''",
    )
    .bind(name)
    .fetch_all(&mut *connection)
    .await?;
    for column in numbered {
        let set = format!(
            "SELECT setval(pg_get_serial_sequence('{name}', '{column}'), coalesce(max({column}), 0) + 1, false) FROM {name}"
        );
        connection.execute(set.as_str()).await?;
    }
    Ok(())
}

/// The keys are gone; now the events that say so, and whatever else was theirs.
async fn erase_again(eraser: &Eraser, erased: &BTreeSet<SubjectId>) -> Result<u64, BackupError> {
    let mut count = 0;
    for subject in erased {
        let Some(person) = eraser.person_of(*subject).await? else { continue };
        let done = eraser.erase(&person, Grounds::RestoredBackup, Actor::Service).await?;
        count += u64::from(done.appended.is_some());
    }
    Ok(count)
}
