//! How long a request waits to read its own write: at a steady rate of arrivals, whatever the answers take, each
//! appends one event and then waits until every view has it.

use crate::measure::{median, percentile, rounded};
use crate::school::{Steps, context};
use crate::server::Server;
use ledger::{Ledger, MasterKeys, Unit};
use projections::Runner;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// How hard and how long.
#[derive(clap::Args)]
pub struct Options {
    /// Events per second.
    #[arg(long, default_value_t = 500)]
    rate: u64,
    /// Seconds that count, after two for warming up.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

/// What one request met, in milliseconds.
struct Request {
    commit: f64,
    wait: f64,
}

/// Measures, prints the table, returns the result.
pub async fn run(server: &Server, options: &Options) -> anyhow::Result<Value> {
    let pool = server.service().await?;
    let ledger = Ledger::open(pool.clone(), MasterKeys::generate()?).await?;
    let runner = Runner::start(ledger.clone(), pool).await?;
    let views = runner.views();
    let mut steps = Steps::of(0);
    let mut clock = tokio::time::interval(Duration::from_secs_f64(1.0 / options.rate as f64));
    // Arrivals do not wait for each other.
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (warm, total) = (2 * options.rate, (2 + options.seconds) * options.rate);
    let mut requests = Vec::new();
    let mut previous: Option<tokio::sync::oneshot::Receiver<()>> = None;
    for number in 0..total {
        clock.tick().await;
        let mut unit = Unit::new(context());
        let step = steps.next();
        // A stream's next event can only be decided on once the one before is recorded.
        let after = if step.sequence > 1 { previous.take() } else { None };
        let (recorded, next) = tokio::sync::oneshot::channel();
        let of_pupil = matches!(step.fact, crate::school::Fact::Pupil(_));
        step.push(&mut unit);
        if of_pupil {
            previous = Some(next);
        }
        let (ledger, views) = (ledger.clone(), views.clone());
        let request = tokio::spawn(async move {
            if let Some(after) = after {
                after.await?;
            }
            let began = Instant::now();
            let appended = ledger.append(unit).await?;
            let commit = began.elapsed();
            // Nobody waits at the end of a stream.
            let _ = recorded.send(());
            let began = Instant::now();
            views.caught_up(appended.last().unwrap_or_default(), Duration::from_secs(30)).await?;
            let millis = |time: Duration| time.as_secs_f64() * 1e3;
            anyhow::Ok(Request { commit: millis(commit), wait: millis(began.elapsed()) })
        });
        if number >= warm {
            requests.push(request);
        }
    }
    let (mut commits, mut waits) = (Vec::new(), Vec::new());
    for request in requests {
        let Request { commit, wait } = request.await??;
        commits.push(commit);
        waits.push(wait);
    }
    runner.stop().await;
    ledger.close().await;
    println!("{:<28} {:>8} {:>8} {:>8} {:>8}", "milliseconds", "median", "p90", "p99", "max");
    for (what, values) in [("commit", &commits), ("wait for every view", &waits)] {
        let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|share| percentile(values, share));
        println!("{what:<28} {p50:>8.2} {p90:>8.2} {p99:>8.2} {max:>8.2}");
    }
    let (median_commit, p99) = (median(&commits), percentile(&waits, 0.99));
    Ok(json!({
        "bench": "lag",
        "p99_over_median_commit": rounded(p99 / median_commit),
        "events_per_second": options.rate,
        "median_commit_ms": rounded(median_commit),
        "p99_wait_ms": rounded(p99),
        "median_wait_ms": rounded(median(&waits)),
    }))
}
