//! Verifying the whole ledger against reading and decoding the same rows without verifying anything.

use crate::measure::{median, rounded};
use crate::school::{self, FAMILY};
use crate::server::Server;
use domain::Event;
use futures::TryStreamExt;
use ledger::{Ledger, MasterKeys, Unit};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::time::Instant;

/// Families per unit: as an import appends them.
const FAMILIES: u64 = 200;

/// How much to verify.
#[derive(clap::Args)]
pub struct Options {
    /// Events in the ledger, about.
    #[arg(long, default_value_t = 250_000)]
    events: u64,
    /// Passes; the medians count.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
}

/// Measures, prints the table, returns the result.
///
/// `vs_read` sets the whole verification (leaves, chains, tree, nonces, and every segment opened and held against its
/// commitment) against what a replay does: reading the same rows, typed, with personal data in clear.
pub async fn run(server: &Server, options: &Options) -> anyhow::Result<Value> {
    let master = MasterKeys::generate()?;
    let ledger = Ledger::open(server.service().await?, master.clone()).await?;
    for first in (0..options.events / FAMILY).step_by(FAMILIES as usize) {
        let mut unit = Unit::new(school::context());
        (first..first + FAMILIES).flat_map(school::family).for_each(|step| step.push(&mut unit));
        ledger.append(unit).await?;
    }
    let size = ledger.size();
    ledger.close().await;
    server.settle().await?;
    let pool = server.service().await?;
    let (mut read, mut verified, mut sealed, mut manifest) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        read.push(reading(&pool, &master, size).await?);
        verified.push(verifying(&pool, &master, size, true).await?);
        sealed.push(verifying(&pool, &master, size, false).await?);
        manifest.push(heads(&pool, &master, size).await?);
    }
    println!("{size} events");
    println!("{:<56} {:>9} {:>12}", "", "seconds", "events/s");
    let row = |what: &str, seconds: &[f64]| {
        println!("{what:<56} {:>9.2} {:>12.0}", median(seconds), size as f64 / median(seconds));
    };
    row("read and decoded, personal data in clear", &read);
    row("verified, every segment opened and checked", &verified);
    row("verified without keys: leaves, chains, tree, nonces", &sealed);
    row("manifest of all streams", &manifest);
    Ok(json!({
        "bench": "verify",
        "vs_read": rounded(median(&read) / median(&verified)),
        "vs_read_without_keys": rounded(median(&read) / median(&sealed)),
        "events": size,
        "seconds": {
            "read": rounded(median(&read)),
            "verify": rounded(median(&verified)),
            "verify without keys": rounded(median(&sealed)),
            "manifest": rounded(median(&manifest)),
        },
    }))
}

/// Each pass from a ledger opened anew: no key in memory.
async fn reading(pool: &PgPool, master: &MasterKeys, size: u64) -> anyhow::Result<f64> {
    let ledger = Ledger::open(pool.clone(), master.clone()).await?;
    let began = Instant::now();
    let mut read = 0;
    let mut pages = std::pin::pin!(ledger.stream(0));
    while let Some(page) = pages.try_next().await? {
        read += std::hint::black_box(page).len() as u64;
    }
    let seconds = began.elapsed().as_secs_f64();
    anyhow::ensure!(read == size, "{read} of {size} events read");
    ledger.close().await;
    Ok(seconds)
}

async fn verifying(pool: &PgPool, master: &MasterKeys, size: u64, open: bool) -> anyhow::Result<f64> {
    let ledger = Ledger::open(pool.clone(), master.clone()).await?;
    let began = Instant::now();
    let found = if open {
        let walked = ledger.verify_opened::<Event>(&[], |_| {}).await?;
        anyhow::ensure!(walked.findings.is_empty() && walked.opened > 0, "{}", walked.findings);
        walked.size
    } else {
        ledger.verify(|_| {}).await?.size
    };
    let seconds = began.elapsed().as_secs_f64();
    anyhow::ensure!(found == size, "{found} of {size} events verified");
    ledger.close().await;
    Ok(seconds)
}

async fn heads(pool: &PgPool, master: &MasterKeys, size: u64) -> anyhow::Result<f64> {
    let ledger = Ledger::open(pool.clone(), master.clone()).await?;
    let began = Instant::now();
    let heads = ledger.heads(&[size]).await?;
    let seconds = began.elapsed().as_secs_f64();
    anyhow::ensure!(heads.first().is_some_and(|heads| heads.streams > 0), "no stream was found");
    ledger.close().await;
    Ok(seconds)
}
