//! Another master key, while everything runs.
//!
//! ```text
//!   both keys at hand ─▶ announced ─▶ every user has both? ─▶ switched: the new one seals ─▶ passes over all rows
//!                                          │ no                                                 │ until one finds
//!                                          ▼                                                    ▼ nothing to renew
//!                                      called off                              done: the old one opens nothing any more
//! ```
//!
//! The state is a row of `keys.master_key`, which every open ledger looks at each second: it reads its keys again when
//! it lacks one, and seals with the one it is told. A pass takes bounded batches, each row changed only if it is still
//! as it was read; killed at any moment, the rotation goes on with the next call. After its end the same call is a pass
//! and no more: a key that was in force once is remembered by name and never taken for a new one, and a further key
//! file is made only on demand.

use super::{MasterKeys, MasterKeysError, SealError};
use crate::{outbox, vault};
use chrono::{DateTime, Utc};
use domain::ids::{SecretId, SubjectId};
use sqlx::PgPool;
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

/// How often an open ledger looks whether a rotation is under way.
const LOOK: Duration = Duration::from_secs(1);
/// How long whoever uses the keys gets to follow: several looks.
const SETTLE: Duration = Duration::from_secs(4);
/// Rows renewed in one statement.
const BATCH: i64 = 500;

/// A rotation did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// A key can't be had.
    #[error(transparent)]
    Keys(#[from] MasterKeysError),
    /// The database failed. The next call goes on.
    #[error("database: {0}. Give the command again: it goes on where it stopped")]
    Database(#[from] sqlx::Error),
    /// A row opens with neither key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// There is no new key.
    #[error(
        "there is no new master key: let master_key.command print a second line, or put a second key behind the first \
         in master_key.value, with the same look-up key (the last 64 digits), and restart every instance"
    )]
    NoNewKey,
    /// Somebody who uses the keys has only the old one.
    #[error(
        "called off: {0} running program(s) have only the old master key. Give it both, restart it if it takes the key \
         from its environment, and try again"
    )]
    LeftBehind(i64),
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Rows sealed anew.
    pub renewed: u64,
    /// Name of the key in force now.
    pub sealing: String,
    /// The old key's file, if it was one: of no use any more.
    pub old_file: Option<PathBuf>,
    /// Where there was no other key to go over to: when the last rotation had ended. Then this was a look through all
    /// rows and nothing else.
    pub ended_before: Option<DateTime<Utc>>,
}

/// `keys.master_key`
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
struct State {
    sealing: String,
    also: Option<String>,
    switched: bool,
    retired: Vec<String>,
    rotated_at: Option<DateTime<Utc>>,
}

async fn state(pool: &PgPool) -> sqlx::Result<Option<State>> {
    sqlx::query_as("SELECT sealing, also, switched, retired, rotated_at FROM keys.master_key")
        .fetch_optional(pool)
        .await
}

/// Puts the key that seals on record where none is yet, and refuses one that is not in force.
pub(crate) async fn check(pool: &PgPool, master: &MasterKeys) -> Result<(), RotationError> {
    let found = master.names().first().cloned().unwrap_or_default();
    sqlx::query(
        "INSERT INTO keys.master_key (sealing, changed_at) SELECT $1, now() \
         WHERE NOT EXISTS (SELECT FROM keys.master_key) ON CONFLICT (singleton) DO NOTHING",
    )
    .bind(&found)
    .execute(pool)
    .await?;
    obey(pool, master).await
}

/// Seals with the key in force from here on, and refuses where it is not at hand.
pub(crate) async fn obey(pool: &PgPool, master: &MasterKeys) -> Result<(), RotationError> {
    match state(pool).await? {
        Some(State { sealing: needed, .. }) if !master.seal_with(&needed) => {
            let found = master.names().first().cloned().unwrap_or_default();
            Err(SealError::OtherMaster { found, needed }.into())
        }
        Some(_) | None => Ok(()),
    }
}

/// Follows rotations until the pool is closed or the task aborted.
pub(crate) async fn watch(pool: PgPool, master: MasterKeys) {
    let instance = Uuid::new_v4();
    let mut complained = false;
    while !pool.is_closed() {
        tokio::time::sleep(LOOK).await;
        // While the database is away nothing is sealed into it either.
        let Ok(Some(state)) = state(&pool).await else { continue };
        match follow(&pool, &master, instance, &state).await {
            Ok(()) => complained = false,
            Err(error) if !complained && !pool.is_closed() => {
                tracing::error!(%error, "a rotation of the master key is under way and can't be followed");
                complained = true;
            }
            Err(_) => {}
        }
    }
}

async fn follow(pool: &PgPool, master: &MasterKeys, instance: Uuid, state: &State) -> Result<(), RotationError> {
    let has = |names: &[String], name: &str| names.iter().any(|known| known == name);
    let mut names = master.names();
    let Some(also) = &state.also else {
        if names.first() != Some(&state.sealing) && has(&names, &state.sealing) {
            master.seal_with(&state.sealing);
        }
        if names.len() > 1 && has(&names, &state.sealing) {
            master.forget_others();
        }
        return Ok(());
    };
    let mut failed = None;
    if !has(&names, also) || !has(&names, &state.sealing) {
        let again = master.clone();
        let reloaded = tokio::task::spawn_blocking(move || again.reload()).await;
        failed = reloaded.ok().and_then(Result::err);
        names = master.names();
    }
    if has(&names, &state.sealing) {
        master.seal_with(&state.sealing);
    }
    sqlx::query(
        "INSERT INTO keys.master_key_user (instance, has_both, sealing, seen_at) VALUES ($1, $2, $3, now()) \
         ON CONFLICT (instance) DO UPDATE SET has_both = excluded.has_both, sealing = excluded.sealing, \
         seen_at = excluded.seen_at",
    )
    .bind(instance)
    .bind(has(&names, also) && has(&names, &state.sealing))
    .bind(master.names().first().cloned().unwrap_or_default())
    .execute(pool)
    .await?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Rotates, or goes on with a rotation that was cut off. `progress` is told how many rows have been looked at.
pub(crate) async fn rotate(
    pool: &PgPool,
    master: &MasterKeys,
    another: bool,
    mut progress: impl FnMut(u64),
) -> Result<Rotated, RotationError> {
    check(pool, master).await?;
    let state = state(pool).await?.ok_or(sqlx::Error::RowNotFound)?;
    let mut ended_before = None;
    if state.also.is_none() && !has_successor(master, &state, another)? {
        ended_before = Some(state.rotated_at.ok_or(RotationError::NoNewKey)?);
        // Should a row be left that only the old key opens, it is at hand where it is beside the new one.
        master.add_old()?;
    } else if state.also.is_none() || !state.switched {
        announce(pool, master, &state.retired).await?;
    }
    let mut renewed = 0;
    loop {
        let mut pass = 0;
        for table in &TABLES {
            pass += renew_all(pool, master, table, &mut progress).await?;
        }
        renewed += pass;
        if pass == 0 {
            break;
        }
    }
    let old_file = master.source().map_or(Ok(None), super::MasterSource::promote_next)?;
    sqlx::query(
        "UPDATE keys.master_key SET retired = retired || also, rotated_at = now(), also = NULL, switched = false, \
         changed_at = now() WHERE also IS NOT NULL",
    )
    .execute(pool)
    .await?;
    sqlx::query("DELETE FROM keys.master_key_user").execute(pool).await?;
    master.forget_others();
    let sealing = master.names().first().cloned().unwrap_or_default();
    Ok(Rotated { renewed, sealing, old_file, ended_before })
}

/// Whether there is a key to go over to: one at hand that was never in force, or a file that may be made.
fn has_successor(master: &MasterKeys, state: &State, another: bool) -> Result<bool, RotationError> {
    master.reload()?;
    if successor(master, &state.sealing, &state.retired).is_some() {
        return Ok(true);
    }
    let may_make = another || state.rotated_at.is_none();
    Ok(may_make && master.source().is_some_and(super::MasterSource::can_make))
}

fn successor(master: &MasterKeys, sealing: &str, retired: &[String]) -> Option<String> {
    master.names().into_iter().find(|name| name != sealing && !retired.contains(name))
}

/// Until everybody who uses the keys has both and seals with the new one.
async fn announce(pool: &PgPool, master: &MasterKeys, retired: &[String]) -> Result<(), RotationError> {
    if let Some(source) = master.source() {
        source.make_next()?;
    }
    master.reload()?;
    let old = &master.names().into_iter().next().ok_or(RotationError::NoNewKey)?;
    let new = &successor(master, old, retired).ok_or(RotationError::NoNewKey)?;
    sqlx::query("DELETE FROM keys.master_key_user").execute(pool).await?;
    sqlx::query("UPDATE keys.master_key SET sealing = $1, also = $2, switched = false, changed_at = now()")
        .bind(old)
        .bind(new)
        .execute(pool)
        .await?;
    tokio::time::sleep(SETTLE).await;
    let left_behind: i64 =
        sqlx::query_scalar("SELECT count(*) FROM keys.master_key_user WHERE NOT has_both").fetch_one(pool).await?;
    if left_behind > 0 {
        sqlx::query("UPDATE keys.master_key SET also = NULL, changed_at = now()").execute(pool).await?;
        return Err(RotationError::LeftBehind(left_behind));
    }
    sqlx::query("UPDATE keys.master_key SET sealing = $2, also = $1, switched = true, changed_at = now()")
        .bind(old)
        .bind(new)
        .execute(pool)
        .await?;
    master.seal_with(new);
    tokio::time::sleep(SETTLE).await;
    Ok(())
}

/// A table with values that the master key seals.
struct Sealed {
    /// The next rows behind `$1`: key, kind, sealed value.
    page: &'static str,
    /// Writes `$3` where the key is `$1` and the value still `$2`.
    write: &'static str,
    /// What a value is sealed under, by its key and kind.
    context: fn(&str, &str) -> String,
    /// Whether its key is text; the others have UUIDs.
    by_text: bool,
}

const TABLES: [Sealed; 4] = [
    Sealed {
        page: "SELECT subject::text, '', wrapped FROM keys.subject_key WHERE wrapped IS NOT NULL \
               AND subject > $1::uuid ORDER BY subject LIMIT $2",
        write: "UPDATE keys.subject_key t SET wrapped = n.new FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) \
                AS n (id, old, new) WHERE t.subject = n.id AND t.wrapped = n.old",
        context: |id, _| format!("subject-key/{}", id.parse::<SubjectId>().unwrap_or(SubjectId(Uuid::nil()))),
        by_text: false,
    },
    Sealed {
        page: "SELECT id::text, kind, body FROM vault.secret WHERE id > $1::uuid ORDER BY id LIMIT $2",
        write: "UPDATE vault.secret t SET body = n.new FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) \
                AS n (id, old, new) WHERE t.id = n.id AND t.body = n.old",
        context: |id, kind| vault::context(id.parse().unwrap_or(SecretId(Uuid::nil())), kind),
        by_text: false,
    },
    Sealed {
        page: "SELECT id::text, '', body FROM outbox.message WHERE body IS NOT NULL AND id > $1::uuid \
               ORDER BY id LIMIT $2",
        write: "UPDATE outbox.message t SET body = n.new FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) \
                AS n (id, old, new) WHERE t.id = n.id AND t.body = n.old",
        context: |id, _| outbox::context(id.parse().unwrap_or_default()),
        by_text: false,
    },
    Sealed {
        page: "SELECT kid, '', sealed FROM service.signing_key WHERE kid > $1 ORDER BY kid LIMIT $2",
        write: "UPDATE service.signing_key t SET sealed = n.new FROM unnest($1::text[], $2::bytea[], $3::bytea[]) \
                AS n (id, old, new) WHERE t.kid = n.id AND t.sealed = n.old",
        context: |kid, _| format!("service.signing_key/{kid}"),
        by_text: true,
    },
];

async fn renew_all(
    pool: &PgPool,
    master: &MasterKeys,
    table: &Sealed,
    progress: &mut impl FnMut(u64),
) -> Result<u64, RotationError> {
    let mut after = if table.by_text { String::new() } else { Uuid::nil().to_string() };
    let mut renewed = 0;
    loop {
        let rows: Vec<(String, String, Vec<u8>)> =
            sqlx::query_as(table.page).bind(&after).bind(BATCH).fetch_all(pool).await?;
        let Some((last, ..)) = rows.last() else { return Ok(renewed) };
        after.clone_from(last);
        progress(rows.len() as u64);
        let (mut ids, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (id, kind, sealed) in rows {
            if let Some(again) = master.renew(&(table.context)(&id, &kind), &sealed)? {
                ids.push(id);
                old.push(sealed);
                new.push(again);
            }
        }
        if ids.is_empty() {
            continue;
        }
        renewed += ids.len() as u64;
        if table.by_text {
            sqlx::query(table.write).bind(ids).bind(old).bind(new).execute(pool).await?;
        } else {
            let ids: Vec<Uuid> = ids.iter().filter_map(|id| id.parse().ok()).collect();
            sqlx::query(table.write).bind(ids).bind(old).bind(new).execute(pool).await?;
        }
    }
}

impl From<RotationError> for crate::ReadError {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::Database(error) => error.into(),
            RotationError::Seal(error) => error.into(),
            RotationError::Keys(_) | RotationError::NoNewKey | RotationError::LeftBehind(_) => {
                SealError::DoesNotOpen("the master key".to_owned()).into()
            }
        }
    }
}
