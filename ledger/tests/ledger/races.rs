//! Many writers on several instances: order, uniqueness and the tree hold whatever the interleaving.

use crate::support::*;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ledger::leaf::{Entry, Hash, NO_LEAF, leaf_of};
use ledger::postgres::testing::{TestDatabase, fresh_database};
use ledger::{AppendError, Ledger, MasterKeys, Unit};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::Row;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

const STREAMS: u8 = 4;
const NAMES: u8 = 3;

/// One unit of a random history.
#[derive(Clone, Debug)]
struct Plan {
    instance: bool,
    /// Streams, how many events on each.
    streams: Vec<(u8, u8)>,
    claim: Option<u8>,
    release: Option<u8>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let streams = prop::collection::vec((0..STREAMS, 1..4u8), 1..3);
    let name = || prop::option::weighted(0.3, 0..NAMES);
    (any::<bool>(), streams, name(), name()).prop_map(|(instance, mut streams, claim, release)| {
        streams.sort_unstable();
        streams.dedup_by_key(|(stream, _)| *stream);
        Plan { instance, streams, claim, release }
    })
}

/// Loads, appends at the version read, and says what became of it.
async fn run(ledger: &Ledger, person: domain::ids::SubjectId, plan: &Plan) -> Option<(Uuid, u64, u64)> {
    let context = context();
    let command = context.command.0;
    let mut unit = Unit::new(context);
    let owner = format!("stream-{}", plan.streams[0].0);
    for (stream, events) in &plan.streams {
        let id = format!("stream-{stream}");
        let version = ledger.load::<Club>(&id).await.unwrap().version;
        let events = (0..*events).map(|n| if n == 0 { joined(person, "Ada Fictive") } else { visited() }).collect();
        unit.push::<Club>(&id, version, events);
    }
    if let Some(name) = plan.release {
        unit = unit.release("name", &owner, ledger.lookup_hash("name", &name.to_string()));
    }
    if let Some(name) = plan.claim {
        unit = unit.claim("name", &owner, ledger.lookup_hash("name", &name.to_string()));
    }
    match ledger.append(unit).await {
        Ok(appended) => Some((command, appended.first, appended.last().unwrap())),
        Err(AppendError::Conflict { .. } | AppendError::Reserved { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Reads the tables behind the ledger's back and checks all that must hold of them. The events' commands, in order.
pub async fn check(database: &TestDatabase) -> Vec<Uuid> {
    let pool = owner(database).await;
    let rows = sqlx::query(
        "SELECT position, stream_type, stream_id, sequence, event_type, event_version, payload::text, segments, \
         (extract(epoch FROM recorded_at) * 1000000)::bigint, (extract(epoch FROM effective_at) * 1000000)::bigint, \
         actor, on_behalf_of, reason, command_id, reference, leaf FROM ledger.event ORDER BY position",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let mut tree: MemoryBackedTree<sha2::Sha256, Vec<u8>> = MemoryBackedTree::new();
    let mut tips: HashMap<String, (i64, Hash)> = HashMap::new();
    let mut commands = Vec::new();
    let mut last = i64::MIN;
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row.get::<i64, _>(0), index as i64, "positions have no gap");
        let id: String = row.get(2);
        let (sequence, previous) = tips.get(&id).copied().unwrap_or((0, NO_LEAF));
        assert_eq!(row.get::<i64, _>(3), sequence + 1, "sequences have no gap");
        let recorded_at: i64 = row.get(8);
        assert!(recorded_at >= last, "recorded_at never goes back");
        last = recorded_at;
        let segments = commitments(&row.get::<Vec<u8>, _>(7));
        let entry = Entry {
            recorded_at,
            previous,
            sequence: (sequence + 1) as u64,
            effective_at: row.get(9),
            command: row.get(13),
            event_version: row.get::<i16, _>(5) as u16,
            payload: row.get::<String, _>(6).as_bytes(),
            stream_type: row.get(1),
            stream_id: &id,
            event_type: row.get(4),
            actor: row.get(10),
            on_behalf_of: row.get(11),
            reason: row.get(12),
            reference: row.get(14),
            segments: &segments,
        }
        .encode();
        let leaf: Hash = row.get(15);
        assert_eq!(leaf_of(&entry), leaf, "the leaf of {index}");
        tips.insert(id, (sequence + 1, leaf));
        tree.push(entry);
        commands.push(row.get(13));
    }
    let (size, root): (i64, Vec<u8>) =
        sqlx::query_as("SELECT size, root FROM ledger.head").fetch_one(&pool).await.unwrap();
    assert_eq!(size as usize, rows.len());
    assert_eq!(root, tree.root().as_bytes().as_slice(), "the root");
    commands
}

/// Written anew from the documented framing.
fn commitments(frame: &[u8]) -> Vec<(Uuid, Hash)> {
    if frame.is_empty() {
        return Vec::new();
    }
    let count = u16::from_be_bytes([frame[1], frame[2]]);
    let mut at = 3;
    (0..count)
        .map(|_| {
            let subject = Uuid::from_slice(&frame[at..at + 16]).unwrap();
            let commitment = frame[at + 16..at + 48].try_into().unwrap();
            let length = u32::from_be_bytes(frame[at + 60..at + 64].try_into().unwrap()) as usize;
            at += 64 + length;
            (subject, commitment)
        })
        .collect()
}

#[test]
fn any_interleaving_leaves_a_sound_ledger() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 12, ..Config::default() });
    let strategy = prop::collection::vec(prop::collection::vec(plan(), 1..12), 2..6);
    let result = runner.run(&strategy, |clients| {
        runtime.block_on(interleave(clients));
        Ok(())
    });
    result.unwrap();
}

async fn interleave(clients: Vec<Vec<Plan>>) {
    let database = Arc::new(fresh_database().await);
    let keys = MasterKeys::generate().unwrap();
    let instances = [instance(&database, keys.clone()).await, instance(&database, keys.clone()).await];
    let person = subject();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|plans| {
            let instances = instances.clone();
            tokio::spawn(async move {
                let mut landed = Vec::new();
                for plan in plans {
                    landed.extend(run(&instances[usize::from(plan.instance)], person, &plan).await);
                }
                landed
            })
        })
        .collect();
    let mut landed = Vec::new();
    for task in tasks {
        landed.extend(task.await.unwrap());
    }
    let commands = check(&database).await;
    let mut covered = 0;
    for (command, first, last) in &landed {
        assert!(commands[*first as usize..=*last as usize].iter().all(|other| other == command));
        covered += last - first + 1;
    }
    assert_eq!(covered as usize, commands.len(), "nothing is recorded but what was acknowledged");
    // A third instance reads the same.
    let fresh = instance(&database, keys).await;
    assert_eq!(fresh.read_as::<ClubEvent>(0, 10_000).await.unwrap().len(), commands.len());
    for stream in 0..STREAMS {
        let id = format!("stream-{stream}");
        assert_eq!(fresh.load::<Club>(&id).await.unwrap(), instances[0].load::<Club>(&id).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_wanted_by_all_goes_to_one() {
    let database = fresh_database().await;
    let keys = MasterKeys::generate().unwrap();
    let instances = [instance(&database, keys.clone()).await, instance(&database, keys).await];
    for round in 0..10 {
        let name = instances[0].lookup_hash("name", &round.to_string());
        let claims = (0..12).map(|n| {
            let ledger = instances[n % 2].clone();
            async move {
                let id = id();
                let unit = Unit::new(context()).stream::<Club>(&id, 0, vec![visited()]).claim("name", &id, name);
                (id, ledger.append(unit).await)
            }
        });
        let results = futures::future::join_all(claims).await;
        let winners: Vec<_> = results.iter().filter(|(_, result)| result.is_ok()).collect();
        assert_eq!(winners.len(), 1);
        let owner = winners[0].0.clone();
        for (_, result) in &results {
            if let Err(error) = result {
                assert!(matches!(error, AppendError::Reserved { owner: holder, .. } if *holder == owner), "{error}");
            }
        }
        assert_eq!(instances[1].reserved("name", &name).await.unwrap(), Some(owner));
    }
    check(&database).await;
}

/// Where a position is a timestamp or a bare sequence, a reader that polls "what is after my last position" passes
/// over events that commit late. Here it must never miss one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_polling_by_position_misses_nothing() {
    const WRITERS: usize = 16;
    const EACH: usize = 40;
    let database = fresh_database().await;
    let keys = MasterKeys::generate().unwrap();
    let instances = [instance(&database, keys.clone()).await, instance(&database, keys.clone()).await];
    let reader = instance(&database, keys).await;
    let done = Arc::new(AtomicBool::new(false));
    let polling = tokio::spawn({
        let done = done.clone();
        async move {
            let mut seen: Vec<Uuid> = Vec::new();
            let mut next = 0;
            loop {
                let last_round = done.load(Ordering::SeqCst);
                let page = reader.read_as::<ClubEvent>(next, 50).await.unwrap();
                if let Some(last) = page.last() {
                    next = last.position + 1;
                } else if last_round {
                    return seen;
                }
                seen.extend(page.into_iter().map(|event| event.command.0));
            }
        }
    });
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let ledger = instances[writer % 2].clone();
            tokio::spawn(async move {
                let stream = id();
                let mut commands = Vec::new();
                for version in 0..EACH as u64 {
                    let context = context();
                    commands.push(context.command.0);
                    let unit = Unit::new(context).stream::<Club>(&stream, version, vec![visited()]);
                    ledger.append(unit).await.unwrap();
                }
                commands
            })
        })
        .collect();
    let mut written = HashSet::new();
    for writer in writers {
        written.extend(writer.await.unwrap());
    }
    done.store(true, Ordering::SeqCst);
    let seen = polling.await.unwrap();
    assert_eq!(seen.len(), WRITERS * EACH, "none missed, none twice");
    assert_eq!(seen.into_iter().collect::<HashSet<_>>(), written);
    check(&database).await;
}
