//! A whole académie's import: from exported files to views that show everyone, by the ordinary engine.
//!
//! Two sizes of the same sample, each into a database of its own, one after the other: the cost of one more person
//! must not grow with the number of those already there. What counts is the wall time from the first byte read
//! until the views have passed the last position. Beside it stands the CPU time of both sides, which a busy machine
//! distorts less.

use crate::measure::rounded;
use crate::server::Server;
use crate::usage::{self, Usage};
use anyhow::Context as _;
use api::import::{ImportOptions, Importer, Outcome};
use futures::TryStreamExt;
use ledger::{Ledger, MasterKeys};
use projections::Runner;
use school_files::sample::{SampleSpec, write_samples};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What to import.
#[derive(clap::Args)]
pub struct Options {
    /// Pupils of the large import
    #[arg(long, default_value_t = 100_000)]
    pupils: u64,
    /// Pupils of the small import, which the cost per person is compared with; 0 leaves it out
    #[arg(long, default_value_t = 10_000)]
    small: u64,
    /// The same seed gives the same people
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One export after the other, for comparison: nothing overlaps
    #[arg(long)]
    one_by_one: bool,
}

/// What one import came to.
struct Measured {
    people: u64,
    schools: u64,
    events: u64,
    wall: Duration,
    /// CPU time of this process and of PostgreSQL.
    cpu: [Duration; 2],
    peak_rss: u64,
}

impl Measured {
    fn per_person(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.people as f64
    }
}

/// Runs both imports, prints the table and returns the JSON line.
pub async fn run(dir: &Path, options: &Options) -> anyhow::Result<serde_json::Value> {
    println!("  pupils   people  schools   events   wall s  people/s  µs/person  CPU µs/person   of it SQL  peak MiB");
    let small = match options.small {
        0 => None,
        pupils => Some(import(dir, pupils, options).await?),
    };
    let large = import(dir, options.pupils, options).await?;
    let cost = |measured: &Measured| measured.per_person(measured.wall);
    Ok(serde_json::json!({
        "bench": "import",
        "people": large.people,
        "people_per_second": rounded(large.people as f64 / large.wall.as_secs_f64()),
        "peak_rss_mib": rounded(large.peak_rss as f64 / 1024.0),
        "cost_growth": small.map(|small| rounded(cost(&large) / cost(&small))),
        "cpu_us_per_person": rounded(large.per_person(large.cpu[0] + large.cpu[1])),
    }))
}

async fn import(dir: &Path, pupils: u64, options: &Options) -> anyhow::Result<Measured> {
    let server = Server::start(dir).await?;
    let samples = server.folder().join("samples");
    let written = write_samples(&SampleSpec::new(options.seed, pupils), &samples).context("cannot write the sample")?;
    let db = server.service().await?;
    let ledger = Ledger::open(db.clone(), MasterKeys::generate()?).await?;
    let runner = Runner::start(ledger.clone(), db.clone()).await?;
    let importer = Importer::new(ledger.clone(), db.clone(), runner.views(), Default::default());
    let postmaster = server.postmaster().await?;
    usage::reset_peak();
    let (own, served, began) = (Usage::own(), Usage::family(postmaster), Instant::now());

    let people = everything(&importer, written.files, options.one_by_one).await?;

    let wall = began.elapsed();
    let cpu = [Usage::own() - own, Usage::family(postmaster) - served];
    let (events, _) = ledger.root().await?;
    let measured =
        Measured { people, schools: written.schools.into(), events, wall, cpu, peak_rss: usage::peak_rss_kib() };
    anyhow::ensure!(people >= pupils, "only {people} people went in");
    tell(pupils, &measured);
    runner.stop().await;
    ledger.close().await;
    db.close().await;
    server.stop().await;
    Ok(measured)
}

/// Imports all files as the command line does, or one export after the other; returns the people in them.
async fn everything(importer: &Importer, files: Vec<PathBuf>, one_by_one: bool) -> anyhow::Result<u64> {
    let options = ImportOptions::default();
    let mut outcomes = Vec::new();
    if one_by_one {
        for export in importer.validate(files, &options).await? {
            outcomes.push(importer.import(export?, &options, &|_| {}).await?);
        }
    } else {
        outcomes = importer.import_all(files, &options, &|_| {}).await?.try_collect().await?;
    }
    let mut people = 0;
    for outcome in outcomes {
        match outcome {
            Outcome::Imported(summary) => people += summary.counts.pupils + summary.counts.guardians,
            other => anyhow::bail!("nothing was imported: {other:?}"),
        }
    }
    Ok(people)
}

fn tell(pupils: u64, measured: &Measured) {
    let Measured { people, schools, events, wall, cpu: [own, served], peak_rss } = measured;
    println!(
        "{pupils:>8} {people:>8} {schools:>8} {events:>8} {:>8.2} {:>9.0} {:>10.0} {:>14.0} {:>11.0} {:>9.0}",
        wall.as_secs_f64(),
        *people as f64 / wall.as_secs_f64(),
        measured.per_person(*wall),
        measured.per_person(*own + *served),
        measured.per_person(*served),
        *peak_rss as f64 / 1024.0,
    );
}
