//! Appending: each client appends the events of families of its own, one after the other, each a command.

use crate::ceiling::Ceiling;
use crate::measure::{load, median, rounded};
use crate::plain;
use crate::school::{Steps, context};
use crate::server::Server;
use ledger::{Ledger, MasterKeys, Unit};
use postgres_es::PostgresEventRepository;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Clients and connections that postgres-es is tried with; its best counts.
const PLAIN: [(u64, u32); 4] = [(1, 1), (32, 32), (128, 32), (128, 64)];
const CLIENTS: [u64; 4] = [1, 32, 128, 512];

/// How long to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Turns; the medians count.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Seconds for each measurement of a turn.
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// Append to the ledger with so many clients and nothing else, for a profiler.
    #[arg(long, value_name = "CLIENTS")]
    only_ours: Option<u64>,
}

/// Rates by what is measured and with how many clients.
type Rates = BTreeMap<(&'static str, u64), Vec<f64>>;

/// Measures, prints the table, returns the result.
pub async fn run(server: &Server, options: &Options) -> anyhow::Result<Value> {
    let time = Duration::from_secs_f64(options.seconds);
    plain::create(&server.owner().await?, "events").await?;
    let mut rates = Rates::new();
    // Clients of different measurements never share a family.
    let mut first = 0;
    if let Some(clients) = options.only_ours {
        let rate = ours(server, clients, time, first).await?;
        return Ok(json!({ "bench": "append", "ledger": rate.round() }));
    }
    for _ in 0..options.rounds {
        for (clients, connections) in PLAIN {
            let rate = postgres_es(server, clients, connections, time, first).await?;
            rates.entry(("postgres-es", clients)).or_default().push(rate);
            first += clients;
        }
        for clients in CLIENTS {
            let ceiling = Ceiling::start(server).await?;
            rates.entry(("ceiling", clients)).or_default().push(ceiling.load(clients, time, first).await?);
            first += clients;
            rates.entry(("ledger", clients)).or_default().push(ours(server, clients, time, first).await?);
            first += clients;
        }
    }
    let rates: BTreeMap<_, f64> = rates.into_iter().map(|(key, rates)| (key, median(&rates))).collect();
    let of = |what, clients| rates.get(&(what, clients)).copied().unwrap_or_default();
    println!("{:<12} {:>8} {:>12}", "", "clients", "events/s");
    for ((what, clients), rate) in &rates {
        println!("{what:<12} {clients:>8} {rate:>12.0}");
    }
    let best_plain = PLAIN.iter().map(|(clients, _)| of("postgres-es", *clients)).fold(0.0, f64::max);
    let best_ours = of("ledger", 128).max(of("ledger", 512));
    Ok(json!({
        "bench": "append",
        "vs_postgres_es": rounded(best_ours / best_plain),
        "vs_ceiling": rounded(of("ledger", 128) / of("ceiling", 128)),
        "one_client_vs_postgres_es": rounded(of("ledger", 1) / of("postgres-es", 1)),
        "events_per_second": rates.iter().map(|((what, clients), rate)| (format!("{what} {clients}"), rate.round()))
            .collect::<BTreeMap<_, _>>(),
    }))
}

async fn postgres_es(
    server: &Server,
    clients: u64,
    connections: u32,
    time: Duration,
    first: u64,
) -> anyhow::Result<f64> {
    let pool = server.plain(connections).await?;
    let repository = Arc::new(PostgresEventRepository::new(pool.clone()));
    let start = |client| Steps::of(first + client);
    let rate = load(clients, time, start, move |mut steps: Steps| {
        let repository = repository.clone();
        async move {
            plain::append(&repository, steps.next()).await?;
            Ok(steps)
        }
    })
    .await?;
    pool.close().await;
    Ok(rate)
}

async fn ours(server: &Server, clients: u64, time: Duration, first: u64) -> anyhow::Result<f64> {
    let ledger = Ledger::open(server.service().await?, MasterKeys::generate()?).await?;
    let using = ledger.clone();
    let rate = load(
        clients,
        time,
        |client| Steps::of(first + client),
        move |mut steps| {
            let ledger = using.clone();
            async move {
                let mut unit = Unit::new(context());
                steps.next().push(&mut unit);
                ledger.append(unit).await?;
                Ok(steps)
            }
        },
    )
    .await?;
    ledger.close().await;
    Ok(rate)
}
