//! Caps: how often something may be tried or sent before it is refused for a while.
//!
//! A [`Cap`] is a ladder of steps, each a budget within a window of time: five in a minute, ten in a quarter of an
//! hour, thirty in a day make whoever goes on wait longer and longer. A window starts with its first charge and
//! does not move: trying again while refused never prolongs the wait.
//!
//! Counters are rows of the database, so they hold over several instances and restarts. Their commits don't wait
//! for the disk: after a power cut a few charges may be missing, and in return a counter that everybody charges
//! is not held for the length of a disk write.

use chrono::{DateTime, TimeDelta, Utc};
use ledger::Ledger;
use sqlx::PgPool;
use std::time::Duration;

/// One budget within one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many times.
    pub budget: u32,
    /// Within how long.
    pub window: Duration,
}

/// A ladder of budgets under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cap {
    /// Names the counters; part of their keys.
    pub name: &'static str,
    /// The ladder.
    pub steps: Vec<Step>,
}

impl Cap {
    /// A cap of these (budget, seconds).
    pub fn new(name: &'static str, steps: &[(u32, u64)]) -> Self {
        let steps =
            steps.iter().map(|(budget, seconds)| Step { budget: *budget, window: Duration::from_secs(*seconds) });
        Self { name, steps: steps.collect() }
    }

    /// The same counters with smaller budgets.
    #[must_use]
    pub fn stricter(&self, divisor: u32) -> Self {
        let steps = self.steps.iter().map(|step| Step { budget: (step.budget / divisor).max(1), ..*step });
        Self { name: self.name, steps: steps.collect() }
    }
}

/// One cap, for one of whatever it counts.
#[derive(Clone, Debug)]
pub struct Charge<'a> {
    /// The cap.
    pub cap: &'a Cap,
    /// What it counts for: a login, an address, a number. Hashed before it is stored.
    pub key: String,
}

impl<'a> Charge<'a> {
    /// A charge of `cap` for `key`.
    pub fn new(cap: &'a Cap, key: impl Into<String>) -> Self {
        Self { cap, key: key.into() }
    }
}

/// Refused for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which cap.
    pub cap: &'static str,
    /// When it makes sense again.
    pub until: DateTime<Utc>,
}

impl Refused {
    /// How long from now.
    pub fn retry_after(&self, now: DateTime<Utc>) -> Duration {
        (self.until - now).to_std().unwrap_or(Duration::from_secs(1)).max(Duration::from_secs(1))
    }
}

/// The counters.
#[derive(Clone)]
pub struct Limits {
    db: PgPool,
    ledger: Ledger,
}

/// One counter of one step, as it goes to the database.
struct Row {
    name: String,
    key: [u8; 32],
    step: Step,
    cap: &'static str,
}

impl Limits {
    /// Over the service's database; the ledger hashes the keys.
    pub fn new(db: PgPool, ledger: Ledger) -> Self {
        Self { db, ledger }
    }

    /// Charges all of them, then says whether all were within their budgets. One statement, whatever their number.
    ///
    /// # Errors
    /// When the database fails: the caller then refuses too.
    pub async fn take(&self, charges: &[Charge<'_>], now: DateTime<Utc>) -> Result<Result<(), Refused>, sqlx::Error> {
        let rows = self.rows(charges);
        let (names, keys, windows) = columns(&rows);
        // Sorted, so that two requests never wait for each other crosswise. The sub-select turns off waiting for
        // the disk in this transaction only.
        let counted: Vec<(String, Vec<u8>, i32, DateTime<Utc>)> = sqlx::query_as(
            "INSERT INTO service.counter AS c (name, key, count, expires_at)
             SELECT name, key, 1, $4 + make_interval(secs => seconds)
             FROM unnest($1::text[], $2::bytea[], $3::float8[]) AS charge (name, key, seconds),
                  (SELECT set_config('synchronous_commit', 'off', true)) AS lazily
             ORDER BY name, key
             ON CONFLICT (name, key) DO UPDATE SET
                 count = CASE WHEN c.expires_at <= $4 THEN 1 ELSE least(c.count, 1000000000) + 1 END,
                 expires_at = CASE WHEN c.expires_at <= $4 THEN excluded.expires_at ELSE c.expires_at END
             RETURNING name, key, count, expires_at",
        )
        .bind(names)
        .bind(keys)
        .bind(windows)
        .bind(now)
        .fetch_all(&self.db)
        .await?;
        Ok(verdict(&rows, &counted, 0))
    }

    /// Whether one more charge of each would be within its budget, without charging.
    ///
    /// # Errors
    /// When the database fails: the caller then refuses too.
    pub async fn check(
        &self,
        charges: &[Charge<'_>],
        now: DateTime<Utc>,
    ) -> Result<Vec<Result<(), Refused>>, sqlx::Error> {
        let rows = self.rows(charges);
        let (names, keys, _) = columns(&rows);
        let counted: Vec<(String, Vec<u8>, i32, DateTime<Utc>)> = sqlx::query_as(
            "SELECT name, key, count, expires_at FROM service.counter
             WHERE (name, key) IN (SELECT * FROM unnest($1::text[], $2::bytea[])) AND expires_at > $3",
        )
        .bind(names)
        .bind(keys)
        .bind(now)
        .fetch_all(&self.db)
        .await?;
        Ok(charges.iter().map(|charge| verdict(&self.rows(std::slice::from_ref(charge)), &counted, 1)).collect())
    }

    /// Takes charges back: what they counted turned out to be legitimate.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forgive(&self, charges: &[Charge<'_>]) -> Result<(), sqlx::Error> {
        let rows = self.rows(charges);
        let (names, keys, _) = columns(&rows);
        sqlx::query(
            "DELETE FROM service.counter WHERE (name, key) IN
                 (SELECT name, key FROM unnest($1::text[], $2::bytea[]) AS forgiven (name, key),
                         (SELECT set_config('synchronous_commit', 'off', true)) AS lazily)",
        )
        .bind(names)
        .bind(keys)
        .execute(&self.db)
        .await?;
        Ok(())
    }

    fn rows(&self, charges: &[Charge<'_>]) -> Vec<Row> {
        let rows = charges.iter().flat_map(|charge| {
            let key = self.ledger.lookup_hash(charge.cap.name, &charge.key);
            let cap = charge.cap.name;
            charge.cap.steps.iter().map(move |step| Row {
                name: format!("{cap}/{}", step.window.as_secs()),
                key,
                step: *step,
                cap,
            })
        });
        rows.collect()
    }
}

fn columns(rows: &[Row]) -> (Vec<String>, Vec<Vec<u8>>, Vec<f64>) {
    let names = rows.iter().map(|row| row.name.clone()).collect();
    let keys = rows.iter().map(|row| row.key.to_vec()).collect();
    (names, keys, rows.iter().map(|row| row.step.window.as_secs_f64()).collect())
}

/// The longest wait among the budgets that `more` further charges would pass.
fn verdict(rows: &[Row], counted: &[(String, Vec<u8>, i32, DateTime<Utc>)], more: i64) -> Result<(), Refused> {
    let over = rows.iter().filter_map(|row| {
        let (_, _, count, until) = counted.iter().find(|(name, key, ..)| *name == row.name && *key == row.key)?;
        (i64::from(*count) + more > i64::from(row.step.budget)).then_some(Refused { cap: row.cap, until: *until })
    });
    over.max_by_key(|refused| refused.until).map_or(Ok(()), Err)
}

/// Deletes counters whose window is over, a bounded number at a time. Returns how many.
///
/// # Errors
/// When the database fails.
pub async fn sweep(db: &PgPool, now: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    // A counter that is charged right now is left to the next round: locked rows are skipped.
    let swept = sqlx::query(
        "DELETE FROM service.counter WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM service.counter WHERE expires_at < $1 LIMIT 1000 FOR UPDATE SKIP LOCKED))",
    )
    .bind(now - TimeDelta::seconds(1))
    .execute(db)
    .await?;
    Ok(swept.rows_affected())
}
