//! Reading everything back, typed and with personal data in clear; and rebuilding every view from it.

use crate::measure::{median, rounded};
use crate::school::{self, FAMILY, Step};
use crate::server::Server;
use crate::usage::Usage;
use crate::{plain, query_replay};
use domain::Event;
use futures::TryStreamExt;
use ledger::{Ledger, MasterKeys, Unit};
use projections::Name;
use serde_json::{Value, json};
use sqlx::PgPool;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

/// Families per unit: as an import appends them.
const FAMILIES: u64 = 200;
/// Events that QueryReplay is given: its cost per event does not depend on their number.
const SAMPLE: u64 = 2_000;

/// How much to replay.
#[derive(clap::Args)]
pub struct Options {
    /// Events in the ledger, about.
    #[arg(long, default_value_t = 250_000)]
    events: u64,
    /// Passes over them; the medians count.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Rebuilds of every view.
    #[arg(long, default_value_t = 3)]
    rebuilds: u64,
    /// Read the ledger again and again and nothing else, for a profiler.
    #[arg(long)]
    only_ours: bool,
}

/// Measures, prints the table, returns the result.
pub async fn run(server: &Server, options: &Options) -> anyhow::Result<Value> {
    let owner = server.owner().await?;
    let master = MasterKeys::generate()?;
    let appended = fill(server, &master, options.events).await?;
    server.settle().await?;
    let (mut plain_rates, mut ours_rates) = (Vec::new(), Vec::new());
    let (mut query, mut rebuilt) = (Vec::new(), Vec::new());
    // The same connections in every pass, as the other side has them.
    let pool = server.service().await?;
    let size = Ledger::open(pool.clone(), master.clone()).await?.size();
    let postmaster = server.postmaster().await?;
    let (own, theirs) = (Usage::own(), Usage::family(postmaster));
    for round in 0..options.rounds {
        ours_rates.push(ours(&pool, &master, size).await?);
        if !options.only_ours {
            plain_rates.push(postgres_es(&owner, size).await?);
        }
        if round == 0 && !options.only_ours {
            same(&pool, &master, &owner).await?;
        }
    }
    if options.only_ours {
        // Of all passes, whatever else the machine did meanwhile.
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / (size * options.rounds) as f64;
        let (own, theirs) = (each(Usage::own() - own), each(Usage::family(postmaster) - theirs));
        let busy = median(&ours_rates) * (own + theirs) / 1e6;
        println!("CPU per event: {own:.2} µs in this process, {theirs:.2} µs in the server; {busy:.2} processors busy");
    }
    if !options.only_ours {
        for round in 0..options.rebuilds {
            let sample = (0..SAMPLE / FAMILY).flat_map(|number| school::family(round * SAMPLE + number)).collect();
            query.push(query_replay::rebuild(&owner, sample).await?);
            rebuilt.push(rebuild(&pool, &master, size).await?);
        }
    }
    println!("{size} events");
    println!("{:<48} {:>12}", "", "events/s");
    let row = |what: &str, rates: &[f64]| println!("{what:<48} {:>12.0}", median(rates));
    println!("{:<48} {appended:>12.0}", "appended to the ledger in units of an import");
    row("postgres-es, stream_all_events", &plain_rates);
    row("ledger, streamed, keys read anew", &ours_rates);
    row("cqrs-es, QueryReplay with GenericQuery", &query);
    row("projections, all four rebuilt side by side", &rebuilt);
    Ok(json!({
        "bench": "replay",
        "replay_vs_postgres_es": rounded(median(&ours_rates) / median(&plain_rates)),
        "rebuild_vs_query_replay": rounded(median(&rebuilt) / median(&query)),
        "events": size,
        "events_per_second": {
            "appended in units": appended.round(),
            "postgres-es": median(&plain_rates).round(),
            "ledger": median(&ours_rates).round(),
            "query replay": median(&query).round(),
            "rebuild": median(&rebuilt).round(),
        },
    }))
}

/// Fills both stores with the same events; the ledger's events per second.
async fn fill(server: &Server, master: &MasterKeys, events: u64) -> anyhow::Result<f64> {
    let owner = server.owner().await?;
    plain::create(&owner, "events").await?;
    let ledger = Ledger::open(server.service().await?, master.clone()).await?;
    let (mut count, mut seconds) = (0, 0.0);
    for first in (0..events / FAMILY).step_by(FAMILIES as usize) {
        let steps: Vec<Step> = (first..first + FAMILIES).flat_map(school::family).collect();
        plain::store(&owner, "events", steps.clone()).await?;
        let began = Instant::now();
        let mut unit = Unit::new(school::context());
        for step in steps {
            step.push(&mut unit);
        }
        count += unit.len();
        ledger.append(unit).await?;
        seconds += began.elapsed().as_secs_f64();
    }
    ledger.close().await;
    Ok(count as f64 / seconds)
}

/// From a ledger opened anew: no key in memory.
async fn ours(pool: &PgPool, master: &MasterKeys, size: u64) -> anyhow::Result<f64> {
    let ledger = Ledger::open(pool.clone(), master.clone()).await?;
    let began = Instant::now();
    let mut read = 0;
    let mut pages = std::pin::pin!(ledger.stream(0));
    while let Some(page) = pages.try_next().await? {
        read += std::hint::black_box(page).len() as u64;
    }
    let rate = size as f64 / began.elapsed().as_secs_f64();
    anyhow::ensure!(read == size, "{read} of {size} events read");
    ledger.close().await;
    Ok(rate)
}

async fn postgres_es(owner: &PgPool, size: u64) -> anyhow::Result<f64> {
    let began = Instant::now();
    let read = plain::replay(owner, |_, event| drop(std::hint::black_box(event))).await?;
    let rate = size as f64 / began.elapsed().as_secs_f64();
    anyhow::ensure!(read == size, "{read} of {size} events read");
    Ok(rate)
}

/// Both must give the same events of the same streams, or the comparison would be worthless.
async fn same(pool: &PgPool, master: &MasterKeys, owner: &PgPool) -> anyhow::Result<()> {
    let ledger = Ledger::open(pool.clone(), master.clone()).await?;
    let mut streams: HashMap<String, Vec<u64>> = HashMap::new();
    let mut pages = std::pin::pin!(ledger.stream(0));
    while let Some(page) = pages.try_next().await? {
        for recorded in page {
            streams.entry(recorded.stream_id).or_default().push(fingerprint(&recorded.event));
        }
    }
    let mut plain: HashMap<String, Vec<u64>> = HashMap::new();
    plain::replay(owner, |id, event| plain.entry(id.to_owned()).or_default().push(fingerprint(&event))).await?;
    anyhow::ensure!(streams == plain, "the two stores give different events");
    ledger.close().await;
    Ok(())
}

/// Of everything in the event, personal data included.
fn fingerprint(event: &Event) -> u64 {
    use domain::personal::Sealable;
    let mut hasher = DefaultHasher::new();
    event.payload().unwrap_or_default().hash(&mut hasher);
    for segment in event.clone().segments() {
        segment.plaintext().hash(&mut hasher);
    }
    hasher.finish()
}

async fn rebuild(pool: &PgPool, master: &MasterKeys, size: u64) -> anyhow::Result<f64> {
    let ledger = Ledger::open(pool.clone(), master.clone()).await?;
    let began = Instant::now();
    let swapped = projections::rebuild(&ledger, pool, &Name::ALL, |_| {}).await?;
    let rate = size as f64 / began.elapsed().as_secs_f64();
    anyhow::ensure!(swapped.iter().all(|(_, next)| *next == size), "a rebuild stopped early");
    ledger.close().await;
    Ok(rate)
}
