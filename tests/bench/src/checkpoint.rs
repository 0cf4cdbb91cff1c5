//! Checkpoints: what signing one a second costs those who append, what the proof takes to store, and how many tiles
//! the proof of one event in ten million is made of.

use crate::measure::{load, median, rounded};
use crate::school::{Steps, context};
use crate::server::Server;
use anyhow::Context as _;
use ledger::checkpoint::{Checkpoints, Keep, KeySource, Settings};
use ledger::leaf::{Hash, leaf_of};
use ledger::merkle::{Frontier, parent};
use ledger::postgres::Role;
use ledger::tree::Tree;
use ledger::{Ledger, MasterKeys, Unit};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long to measure, and how large a tree.
#[derive(clap::Args)]
pub struct Options {
    /// Turns with and without checkpoints; the medians count.
    #[arg(long, default_value_t = 6)]
    rounds: u64,
    /// Seconds for each measurement of a turn: several checkpoints should fall into it.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Clients that append.
    #[arg(long, default_value_t = 128)]
    clients: u64,
    /// Leaves of the tree that a proof is read from.
    #[arg(long, default_value_t = 10_000_000)]
    leaves: u64,
}

/// Measures, prints the table, returns the result.
pub async fn run(server: &Server, options: &Options) -> anyhow::Result<Value> {
    let (mut off, mut on) = (Vec::new(), Vec::new());
    let mut first = 0;
    for round in 0..options.rounds {
        // Whoever comes second finds a larger ledger: they take turns in that, too.
        for with in [round % 2 == 0, round % 2 == 1] {
            let rate = append(server, options, first, with).await?;
            if with {
                on.push(rate)
            } else {
                off.push(rate)
            }
            first += options.clients;
        }
    }
    let cost = 100.0 * (1.0 - median(&on) / median(&off));
    let storage = Storage::of(&server.owner().await?).await?;
    let proof = proof_reads(server, options.leaves).await?;

    println!("{:<44} {:>12}", "appending, events/s", "");
    println!("{:<44} {:>12.0}", "  without checkpoints", median(&off));
    println!("{:<44} {:>12.0}", "  with one a second", median(&on));
    println!("{:<44} {:>12}", format!("storage for proof, bytes/event of {}", storage.events), "");
    println!("{:<44} {:>12.2}", "  leaf", storage.leaf);
    println!("{:<44} {:>12.2}", "  tiles, index included", storage.tiles);
    println!("{:<44} {:>12.2}", "  commitments and their random bytes", storage.segments);
    println!("{:<44} {:>12}", format!("one event in {}", options.leaves), "");
    println!("{:<44} {:>12}", "  tiles read, at most", proof.reads);
    println!("{:<44} {:>12}", "  hashes in the proof, at most", proof.hashes);
    println!("{:<44} {:>12.2}", "  ms, median", proof.ms);
    Ok(json!({
        "bench": "checkpoint",
        "append_cost_percent": rounded(cost),
        // What proofs are made of. The commitments are the sealing's: an erasable segment needs one in any case.
        "bytes_per_event": rounded(storage.leaf + storage.tiles),
        "proof_reads": proof.reads,
        "segment_bytes_per_event": rounded(storage.segments),
        "proof_ms": rounded(proof.ms),
        "events_per_second": { "without": median(&off).round(), "with": median(&on).round() },
    }))
}

async fn append(server: &Server, options: &Options, first: u64, with_checkpoints: bool) -> anyhow::Result<f64> {
    let ledger = Ledger::open(server.service().await?, MasterKeys::generate()?).await?;
    let checkpoints = match with_checkpoints {
        true => Some(start(&ledger, server.folder()).await?),
        false => None,
    };
    let using = ledger.clone();
    let turn = move |mut steps: Steps| {
        let ledger = using.clone();
        async move {
            let mut unit = Unit::new(context());
            steps.next().push(&mut unit);
            ledger.append(unit).await?;
            Ok(steps)
        }
    };
    let time = Duration::from_secs_f64(options.seconds);
    let rate = load(options.clients, time, |client| Steps::of(first + client), turn).await?;
    if let Some(checkpoints) = checkpoints {
        let health = checkpoints.health().borrow().clone();
        anyhow::ensure!(health.alert.is_none(), "no checkpoint: {health:?}");
        checkpoints.stop().await;
    }
    ledger.close().await;
    Ok(rate)
}

/// Starts signing, and waits until what was appended before is signed: that is not measured.
async fn start(ledger: &Ledger, folder: &Path) -> anyhow::Result<Checkpoints> {
    let settings = Settings {
        origin: "bench.example.org/log".to_owned(),
        key: KeySource::File(folder.join("checkpoint.key")),
        keep: Keep::File(folder.join("checkpoint.last")),
        every: Duration::from_secs(1),
        witnesses: Vec::new(),
        threshold: 0,
        timestamps: None,
    };
    let checkpoints = Checkpoints::start(ledger.clone(), settings)?;
    let size = ledger.size();
    if size > 0 {
        let mut health = checkpoints.health();
        let settled = health.wait_for(|health| health.size == Some(size) || health.alert.is_some());
        tokio::time::timeout(Duration::from_secs(60), settled).await.context("no checkpoint")??;
    }
    Ok(checkpoints)
}

/// Bytes for each event that only the proof needs, as PostgreSQL stores them.
struct Storage {
    events: i64,
    leaf: f64,
    tiles: f64,
    segments: f64,
}

impl Storage {
    async fn of(owner: &PgPool) -> anyhow::Result<Self> {
        // A frame tells its number of segments in its second and third byte; each segment has a commitment of 32
        // bytes and, sealed with the value, the 32 random bytes before it.
        let (events, leaf, segments): (i64, i64, i64) = sqlx::query_as(
            "SELECT count(*), coalesce(sum(pg_column_size(leaf)), 0)::bigint, coalesce(sum(CASE \
                 WHEN octet_length(segments) > 2 THEN get_byte(segments, 1) * 256 + get_byte(segments, 2) \
                 ELSE 0 END), 0)::bigint FROM ledger.event",
        )
        .fetch_one(owner)
        .await?;
        let tiles: i64 = sqlx::query_scalar("SELECT pg_total_relation_size('ledger.tile')").fetch_one(owner).await?;
        anyhow::ensure!(events > 0, "nothing was appended");
        let each = |bytes: i64| bytes as f64 / events as f64;
        Ok(Self { events, leaf: each(leaf), tiles: each(tiles), segments: each(64 * segments) })
    }
}

/// What proofs in a large tree take.
struct Proofs {
    reads: u64,
    hashes: usize,
    ms: f64,
}

/// Proves events spread over a tree of synthetic leaves, in a database of its own with all of that tree's stored tiles
/// and with the events of those level-0 tiles that are read.
async fn proof_reads(server: &Server, leaves: u64) -> anyhow::Result<Proofs> {
    let database = server.another("large_tree").await?;
    let owner = database.pool(Role::Owner, 2).await?;
    let root = tokio::task::spawn_blocking(move || Synthetic::of(leaves)).await?;
    root.store(&owner).await?;
    let tree = Tree::new(database.pool(Role::Service, 2).await?);
    let (mut reads, mut hashes, mut times) = (0, 0, Vec::new());
    events(&owner, leaves / 256 * 256, leaves).await?;
    for index in (0..40).map(|n| (n * 2_654_435_761) % leaves) {
        let tile = index / 256 * 256;
        events(&owner, tile, (tile + 256).min(leaves)).await?;
        let (before, began) = (tree.reads(), Instant::now());
        let proof = tree.inclusion_proof(index, leaves).await?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        anyhow::ensure!(proof.root == root.root && proof.leaf == leaf(index), "the proof is of another tree");
        proof.verify()?;
        reads = reads.max(tree.reads() - before);
        hashes = hashes.max(proof.hashes.len());
    }
    Ok(Proofs { reads, hashes, ms: median(&times) })
}

fn leaf(index: u64) -> Hash {
    leaf_of(&index.to_be_bytes())
}

/// A tree whose entries are their positions in eight bytes.
struct Synthetic {
    root: Hash,
    /// Roots of the full tiles of each level.
    tiles: Vec<Vec<Hash>>,
}

impl Synthetic {
    fn of(leaves: u64) -> Self {
        let mut frontier = Frontier::default();
        let mut tiles: Vec<Vec<Hash>> = vec![Vec::new()];
        let mut tile = Vec::with_capacity(256);
        for index in 0..leaves {
            tile.push(leaf(index));
            if tile.len() == 256 {
                tiles[0].push(root_of(&tile));
                frontier.extend(tile.drain(..));
            }
        }
        frontier.extend(tile);
        while let Some(above) = tiles.last().map(|below| below.chunks_exact(256).map(root_of).collect::<Vec<_>>())
            && !above.is_empty()
        {
            tiles.push(above);
        }
        Self { root: frontier.root(), tiles }
    }

    async fn store(&self, owner: &PgPool) -> anyhow::Result<()> {
        let insert = "INSERT INTO ledger.tile SELECT $1, $2 + ordinal - 1, root \
             FROM unnest($3::bytea[]) WITH ORDINALITY AS t (root, ordinal)";
        for (level, roots) in self.tiles.iter().enumerate() {
            for (number, chunk) in roots.chunks(8192).enumerate() {
                let chunk: Vec<&[u8]> = chunk.iter().map(Hash::as_slice).collect();
                let insert = sqlx::query(insert).bind(level as i16).bind(number as i64 * 8192).bind(chunk);
                insert.execute(owner).await?;
            }
        }
        Ok(())
    }
}

fn root_of(tile: &[Hash]) -> Hash {
    let mut level = tile.to_vec();
    while level.len() > 1 {
        level = level.chunks_exact(2).map(|pair| parent(&pair[0], &pair[1])).collect();
    }
    level[0]
}

/// The events of a range, as far as they are not there.
async fn events(owner: &PgPool, from: u64, to: u64) -> anyhow::Result<()> {
    let insert = "INSERT INTO ledger.event (position, stream_type, stream_id, sequence, event_type, event_version, \
            payload, segments, recorded_at, effective_at, actor, reason, command_id, leaf) \
         SELECT n, 'synthetic', 's', n + 1, 'Happened', 1, '{}', '', now(), now(), 'service', 'rule', \
            '00000000-0000-0000-0000-000000000000', sha256('\\x00' || int8send(n)) \
         FROM generate_series($1::bigint, $2::bigint - 1) AS n ON CONFLICT DO NOTHING";
    sqlx::query(insert).bind(from as i64).bind(to as i64).execute(owner).await?;
    Ok(())
}
