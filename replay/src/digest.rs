//! Digests of accounts' states, to tell drift from tampering.
//!
//! A digest is the SHA-256 of what the aggregates' code made of an account's events, as of a position, written down
//! when that code ran. If the events are proved unchanged and yet make another state today, the *code* has changed its
//! mind about the past: drift. It is no sign of tampering, and nobody should take it for one. A row of digests that
//! was itself changed no longer fits its seal, a keyed hash, and is told apart from both.
//!
//! No personal value goes into a digest: it proves which events counted and what they decided, holds after an
//! erasure, and can't be guessed against.

use crate::fold::{Fold, life_up_to};
use crate::language::Language;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::AccountId;
use ledger::leaf::{Hash, sha256};
use ledger::postgres::begin;
use ledger::{Ledger, ReadError};
use serde_json::Value;
use sqlx::PgPool;
use std::fmt::Write as _;
use uuid::Uuid;

/// Least time between two rounds.
const EVERY: TimeDelta = TimeDelta::days(1);
/// Positions looked at in one step of a round.
const STEP: i64 = 10_000;
/// Digests kept of one account, the latest.
const KEPT: i64 = 4;
/// Rows checked at once.
const PAGE: i64 = 500;

/// The digest of a state.
pub fn digest(fold: &Fold) -> Hash {
    let mut text = String::new();
    for part in
        [serde_json::to_value(&fold.account), serde_json::to_value(&fold.pupils), serde_json::to_value(&fold.guardians)]
    {
        // Ids, words and times always have a JSON form.
        canonical(&part.unwrap_or_default(), &mut text);
        text.push('\n');
    }
    sha256(text.as_bytes())
}

/// A member that is absent, false or empty says nothing: new code may add such a one to old states without a drift.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => true,
    }
}

/// JSON with its members in the order of their names, whatever order the code has them in, and those that say nothing
/// left out.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut told: Vec<(&String, &Value)> = members.iter().filter(|(_, value)| says_something(value)).collect();
            told.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (name, value) in told {
                let _ = write!(out, "{}:", Value::String(name.clone())); // writing to a String can't fail
                canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let _ = write!(out, "{value}");
        }
    }
}

/// What keeps a row from being changed unseen.
fn seal(ledger: &Ledger, account: Uuid, position: i64, digest: &Hash, program: &str) -> Hash {
    ledger.lookup_hash("state-digest", &format!("{account}|{position}|{}|{program}", hex::encode(digest)))
}

/// A round: digests of the accounts that had events since the last one, if that is a day ago. Says how many were
/// taken. Several instances may try; one at a time does.
///
/// # Errors
/// The ledger can't be read, or a digest can't be written.
pub async fn round(ledger: &Ledger, pool: &PgPool, now: DateTime<Utc>) -> anyhow::Result<u64> {
    let last: Option<DateTime<Utc>> =
        sqlx::query_scalar("SELECT max(taken_at) FROM ledger.state_digest").fetch_one(pool).await?;
    if last.is_some_and(|last| now - last < EVERY) {
        return Ok(0);
    }
    let mut taken = 0;
    while let Some(more) = step(ledger, pool, now).await? {
        taken += more;
    }
    Ok(taken)
}

/// One step of a round; `None` when there is nothing more, or another instance is at it.
async fn step(ledger: &Ledger, pool: &PgPool, now: DateTime<Utc>) -> anyhow::Result<Option<u64>> {
    let mut transaction = begin(pool).await?;
    let next: Option<i64> = sqlx::query_scalar("SELECT next FROM ledger.state_digest_cursor FOR UPDATE SKIP LOCKED")
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(next) = next else { return Ok(None) };
    let (size, _) = ledger.root().await?;
    let end = i64::try_from(size)?.min(next + STEP);
    if end <= next {
        return Ok(None);
    }
    let accounts: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT stream_id FROM ledger.event WHERE position >= $1 AND position < $2 AND stream_type = 'account'",
    )
    .bind(next)
    .bind(end)
    .fetch_all(&mut *transaction)
    .await?;
    let (position, program) = (end - 1, env!("CARGO_PKG_VERSION"));
    for account in &accounts {
        let account: AccountId = account.parse()?;
        let digest = digest(&Fold::of(&life_up_to(ledger, account, position.cast_unsigned()).await?));
        sqlx::query(
            "INSERT INTO ledger.state_digest (account, position, digest, seal, program, taken_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account, position) DO NOTHING",
        )
        .bind(account.0)
        .bind(position)
        .bind(digest)
        .bind(seal(ledger, account.0, position, &digest, program))
        .bind(program)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM ledger.state_digest WHERE account = $1 AND position < (SELECT min(position) FROM (SELECT \
             position FROM ledger.state_digest WHERE account = $1 ORDER BY position DESC LIMIT $2) kept)",
        )
        .bind(account.0)
        .bind(KEPT)
        .execute(&mut *transaction)
        .await?;
    }
    sqlx::query("UPDATE ledger.state_digest_cursor SET next = $1").bind(end).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Some(accounts.len() as u64))
}

/// What is wrong with a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The row was changed after it was written.
    Tampered,
    /// The same events make another state today: the code has changed since this program took the digest.
    Drifted,
}

/// A digest that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    /// Whose.
    pub account: AccountId,
    /// As of which position.
    pub position: u64,
    /// Version of the program that took it, as the row says.
    pub program: String,
    /// What is wrong.
    pub finding: Finding,
}

/// What a check of the digests found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// Rows checked.
    pub checked: u64,
    /// Those that are not as expected.
    pub differing: Vec<Differing>,
}

impl Digests {
    /// For people.
    pub fn text(&self, language: Language) -> String {
        let (checked, differing) = (self.checked, self.differing.len());
        let mut text = match (language, differing) {
            (Language::Fr, 0) => format!("Empreintes d’états : {checked}, toutes retrouvées.\n"),
            (Language::En, 0) => format!("State digests: {checked}, all found again.\n"),
            (Language::Fr, _) => format!("Empreintes d’états : {checked}, dont {differing} DIFFÉRENTES.\n"),
            (Language::En, _) => format!("State digests: {checked}, of which {differing} DIFFER.\n"),
        };
        for Differing { account, position, program, finding } in &self.differing {
            let why = match finding {
                Finding::Drifted => language.of(
                    "DÉRIVE : les mêmes événements donnent aujourd’hui un autre état ; le programme a changé",
                    "DRIFT: the same events make another state today; the program has changed",
                ),
                Finding::Tampered => language
                    .of("FALSIFIÉE : l’empreinte elle-même a été modifiée", "TAMPERED: the digest itself was changed"),
            };
            let by = language.of("programme", "program");
            text.push_str(&format!("  {account} @ {position} ({by} {program}) – {why}\n"));
        }
        text
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    account: Uuid,
    position: i64,
    digest: Hash,
    seal: Hash,
    program: String,
}

/// Makes every state again of which there is a digest, and compares. Meaningful once the tree has been verified:
/// other events would make another state too.
///
/// # Errors
/// The ledger or the digests can't be read.
pub async fn check(ledger: &Ledger, pool: &PgPool, mut progress: impl FnMut(u64) + Send) -> anyhow::Result<Digests> {
    let mut found = Digests::default();
    let mut after = (Uuid::nil(), -1);
    loop {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT account, position, digest, seal, program FROM ledger.state_digest \
             WHERE (account, position) > ($1, $2) ORDER BY account, position LIMIT $3",
        )
        .bind(after.0)
        .bind(after.1)
        .bind(PAGE)
        .fetch_all(pool)
        .await?;
        let Some(last) = rows.last() else { return Ok(found) };
        after = (last.account, last.position);
        for row in &rows {
            found.checked += 1;
            if let Some(finding) = examine(ledger, row).await? {
                let (account, position) = (AccountId(row.account), row.position.cast_unsigned());
                found.differing.push(Differing { account, position, program: row.program.clone(), finding });
            }
        }
        progress(found.checked);
    }
}

async fn examine(ledger: &Ledger, row: &Row) -> anyhow::Result<Option<Finding>> {
    if seal(ledger, row.account, row.position, &row.digest, &row.program) != row.seal {
        return Ok(Some(Finding::Tampered));
    }
    let events = match life_up_to(ledger, AccountId(row.account), row.position.cast_unsigned()).await {
        Ok(events) => events,
        // Its events are gone: the tree says so by itself; here too it is no drift.
        Err(error) if error.downcast_ref::<ReadError>().is_none() => return Ok(Some(Finding::Tampered)),
        Err(error) => return Err(error),
    };
    Ok((digest(&Fold::of(&events)) != row.digest).then_some(Finding::Drifted))
}
