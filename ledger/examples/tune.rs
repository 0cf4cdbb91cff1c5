//! Measures the writer and the reader against plain postgres-es and against bare inserts, on a private server in a
//! temporary folder: `cargo run --release -p ledger --example tune -- append|units|replay [seconds]`.

use chrono::Utc;
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{PersistedEventRepository, SerializedEvent};
use cqrs_es::{Aggregate, DomainEvent};
use domain::context::{Actor, Context, Reason};
use domain::ids::{CommandId, SubjectId};
use domain::personal::{Personal, Sealable, Segment};
use futures::TryStreamExt;
use ledger::postgres::{Database, Role, Source, migrate, testing::TempDataDir};
use ledger::{AnyEvent, Ledger, MasterKeys, Unit};
use postgres_es::PostgresEventRepository;
use serde::{Deserialize, Serialize};
use sqlx::{Executor, PgPool};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Event {
    Enrolled { name: Personal<String>, birth_date: Personal<String>, establishment: String, class: String, year: u16 },
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Pupil;

#[derive(Debug, thiserror::Error)]
#[error("none")]
struct Never;

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        "Enrolled".to_owned()
    }
    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Sealable for Event {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        let Self::Enrolled { name, birth_date, .. } = self;
        vec![name, birth_date]
    }
}

impl Aggregate for Pupil {
    const TYPE: &'static str = "pupil";
    type Command = ();
    type Event = Event;
    type Error = Never;
    type Services = ();
    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), Never> {
        Ok(())
    }
    fn apply(&mut self, _: Event) {}
}

impl AnyEvent for Event {
    fn decode(_: &str, payload: &[u8]) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(serde_json::from_slice(payload)?)
    }
}

fn event(subject: SubjectId) -> Event {
    Event::Enrolled {
        name: Personal::new(subject, "Fictive Élodie".to_owned()),
        birth_date: Personal::new(subject, "2013-04-05".to_owned()),
        establishment: "0750001A".to_owned(),
        class: "6EME B".to_owned(),
        year: 2026,
    }
}

fn context() -> Context {
    Context {
        command: CommandId(Uuid::now_v7()),
        actor: Actor::Service,
        on_behalf_of: None,
        reason: Reason::SchoolData,
        reference: None,
        effective_at: Utc::now(),
    }
}

/// Runs `clients` loops for a while; events per second.
async fn load<F, Fut>(clients: u64, seconds: f64, run: F) -> f64
where
    F: Fn(u64, u64) -> Fut + Send + Sync + 'static + Clone,
    Fut: Future<Output = ()> + Send,
{
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let deadline = began + Duration::from_secs_f64(seconds);
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let (run, done) = (run.clone(), done.clone());
            tokio::spawn(async move {
                let mut version = 0;
                while Instant::now() < deadline {
                    run(client, version).await;
                    version += 1;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a client");
    }
    done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

const PLAIN: &str = "CREATE TABLE IF NOT EXISTS events (aggregate_type text NOT NULL, aggregate_id text NOT NULL, \
    sequence bigint CHECK (sequence >= 0) NOT NULL, event_type text NOT NULL, event_version text NOT NULL, \
    payload json NOT NULL, metadata json NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence));";

fn serialized(id: &str, sequence: usize, subject: SubjectId) -> SerializedEvent {
    let payload = serde_json::json!({"Enrolled": {"name": "Fictive Élodie", "birth_date": "2013-04-05",
        "subject": subject, "establishment": "0750001A", "class": "6EME B", "year": 2026}});
    let metadata = serde_json::json!({"actor": "service", "reason": "school-data", "command_id": Uuid::now_v7(),
        "effective_at": "1790000000000000", "recorded_at": "1790000000000000", "reference": "", "on_behalf_of": ""});
    SerializedEvent::new(id.to_owned(), sequence, "pupil".into(), "Enrolled".into(), "1".into(), payload, metadata)
}

async fn append(database: &Database, seconds: f64) {
    let owner = database.pool(Role::Owner, 30).await.expect("pool");
    owner.execute(PLAIN).await.expect("table");
    let mut plain_best: f64 = 0.0;
    let mut plain_one = 0.0;
    for (clients, connections) in [(1, 1), (32, 20), (32, 32), (128, 32)] {
        let pool = database.pool(Role::Owner, connections).await.expect("pool");
        let repository = Arc::new(PostgresEventRepository::new(pool.clone()));
        let run = Uuid::new_v4();
        let rate = load(clients, seconds, move |client, version| {
            let repository = repository.clone();
            async move {
                let event = serialized(&format!("{run}-{client}"), version as usize + 1, SubjectId(run));
                repository.persist::<Pupil>(&[event], None).await.expect("persist");
            }
        })
        .await;
        println!("postgres-es   {clients:>4} clients {connections:>3} connections {rate:>9.0} events/s");
        plain_best = plain_best.max(rate);
        if clients == 1 {
            plain_one = rate;
        }
        pool.close().await;
    }
    let mut ceiling = 0.0;
    for clients in [1, 32, 128, 512] {
        let rate = bare(database, clients, seconds).await;
        println!("bare inserts  {clients:>4} clients                 {rate:>9.0} events/s");
        if clients == 128 {
            ceiling = rate;
        }
    }
    for clients in [1, 32, 128, 512] {
        let pool = database.pool(Role::Service, 20).await.expect("pool");
        let ledger = Ledger::open(pool, MasterKeys::generate().expect("keys")).await.expect("ledger");
        let run = Uuid::new_v4();
        let using = ledger.clone();
        let rate = load(clients, seconds, move |client, version| {
            let ledger = using.clone();
            async move {
                let subject = SubjectId(Uuid::from_u128(run.as_u128() ^ u128::from(client)));
                let unit =
                    Unit::new(context()).stream::<Pupil>(&format!("{run}-{client}"), version, vec![event(subject)]);
                ledger.append(unit).await.expect("append");
            }
        })
        .await;
        ledger.close().await;
        let versus = match clients {
            1 => format!("{:.2} × postgres-es at one client", rate / plain_one),
            128 => format!("{:.2} × postgres-es at its best, {:.2} of bare inserts", rate / plain_best, rate / ceiling),
            _ => format!("{:.2} × postgres-es at its best", rate / plain_best),
        };
        println!("ledger        {clients:>4} clients                 {rate:>9.0} events/s   {versus}");
    }
}

/// One batching task over the ledger's own table without locks, checks, sealing or leaves.
async fn bare(database: &Database, clients: u64, seconds: f64) -> f64 {
    let owner = database.pool(Role::Owner, 4).await.expect("pool");
    owner
        .execute(
            "CREATE SCHEMA IF NOT EXISTS bare; DROP TABLE IF EXISTS bare.event; \
             CREATE TABLE bare.event (LIKE ledger.event INCLUDING ALL); \
             CREATE SEQUENCE IF NOT EXISTS bare.position; \
             ALTER TABLE bare.event ALTER COLUMN position SET DEFAULT nextval('bare.position')",
        )
        .await
        .expect("table");
    type Job = (String, i64, String, oneshot::Sender<()>);
    let (queue, mut jobs) = mpsc::channel::<Job>(1024);
    let task = tokio::spawn(async move {
        let mut connection = owner.acquire().await.expect("connection");
        while let Some(job) = jobs.recv().await {
            let mut batch = vec![job];
            while let Ok(job) = jobs.try_recv() {
                batch.push(job);
            }
            let ids: Vec<&str> = batch.iter().map(|job| job.0.as_str()).collect();
            let sequences: Vec<i64> = batch.iter().map(|job| job.1).collect();
            let payloads: Vec<&str> = batch.iter().map(|job| job.2.as_str()).collect();
            let segments = vec![vec![7u8; 240]; batch.len()];
            let commands: Vec<Uuid> = batch.iter().map(|_| Uuid::now_v7()).collect();
            let leaves = vec![[7u8; 32]; batch.len()];
            sqlx::query(
                "INSERT INTO bare.event (stream_type, stream_id, sequence, event_type, event_version, payload, segments, \
                 recorded_at, effective_at, actor, reason, command_id, leaf) SELECT 'pupil', a, b, 'Enrolled', 1, \
                 c::json, d, now(), now(), 'service', 'school-data', e, f FROM unnest($1::text[], $2::bigint[], \
                 $3::text[], $4::bytea[], $5::uuid[], $6::bytea[]) AS t (a, b, c, d, e, f)",
            )
            .bind(ids)
            .bind(sequences)
            .bind(payloads)
            .bind(segments)
            .bind(commands)
            .bind(leaves)
            .execute(&mut *connection)
            .await
            .expect("insert");
            for (.., reply) in batch {
                let _ = reply.send(());
            }
        }
    });
    let run = Uuid::new_v4();
    let rate = load(clients, seconds, {
        let queue = queue.clone();
        move |client, version| {
            let queue = queue.clone();
            async move {
                let payload = serde_json::to_string(&event(SubjectId(run))).expect("JSON");
                let (reply, answer) = oneshot::channel();
                let job = (format!("{run}-{client}"), version as i64 + 1, payload, reply);
                queue.send(job).await.expect("queue");
                answer.await.expect("answer");
            }
        }
    })
    .await;
    drop(queue);
    task.await.expect("task");
    rate
}

/// Large units, as an import appends them: 2,000 events on 1,000 streams of 1,000 new people.
async fn units(database: &Database, units: u64) -> Ledger {
    let pool: PgPool = database.pool(Role::Service, 20).await.expect("pool");
    let ledger = Ledger::open(pool, MasterKeys::generate().expect("keys")).await.expect("ledger");
    for at_once in [1, 2] {
        let began = Instant::now();
        let tasks: Vec<_> = (0..at_once)
            .map(|_| {
                let ledger = ledger.clone();
                tokio::spawn(async move {
                    for _ in 0..units / at_once {
                        let mut unit = Unit::new(context());
                        for _ in 0..1000 {
                            let id = Uuid::new_v4();
                            unit.push::<Pupil>(&id.to_string(), 0, vec![event(SubjectId(id)), event(SubjectId(id))]);
                        }
                        ledger.append(unit).await.expect("append");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("importer");
        }
        let rate = units as f64 * 2000.0 / began.elapsed().as_secs_f64();
        println!("units of 2,000 events, {at_once} at once: {rate:.0} events/s");
    }
    ledger
}

async fn replay(database: &Database, count: u64) {
    let ledger = units(database, count / 4000).await;
    let size = ledger.size();
    let owner = database.pool(Role::Owner, 4).await.expect("pool");
    owner.execute(PLAIN).await.expect("table");
    owner
        .execute(
            "INSERT INTO events SELECT aggregate_type, aggregate_id, sequence, event_type, event_version, \
             json_build_object('Enrolled', json_build_object('name', 'Fictive Élodie', 'birth_date', '2013-04-05', \
             'subject', aggregate_id, 'establishment', '0750001A', 'class', '6EME B', 'year', 2026)), \
             (metadata::jsonb - 'segments' - 'leaf' - 'position')::json FROM ledger.events",
        )
        .await
        .expect("copy");
    owner.execute("VACUUM ANALYZE").await.expect("vacuum");
    owner.execute("CHECKPOINT").await.ok();
    for round in 1..=3 {
        let began = Instant::now();
        let repository = PostgresEventRepository::new(owner.clone());
        let mut stream = repository.stream_all_events::<Plain>().await.expect("stream");
        let mut plain = 0;
        while let Some(event) = stream.next::<Plain>(&[]).await {
            event.expect("event");
            plain += 1;
        }
        assert_eq!(plain, size);
        let plain = size as f64 / began.elapsed().as_secs_f64();

        // Opened anew: no key in memory.
        let began = Instant::now();
        let mut read = 0;
        let cold = Ledger::open(ledger_pool(database).await, ledger.master().clone()).await.expect("ledger");
        let mut pages = std::pin::pin!(cold.stream_as::<Event>(0));
        while let Some(page) = pages.try_next().await.expect("page") {
            read += page.len() as u64;
        }
        assert_eq!(read, size);
        let ours = size as f64 / began.elapsed().as_secs_f64();
        println!(
            "round {round}: postgres-es {plain:>8.0} events/s, ledger {ours:>8.0} events/s: {:.2} ×",
            ours / plain
        );
    }
}

async fn ledger_pool(database: &Database) -> PgPool {
    database.pool(Role::Service, 10).await.expect("pool")
}

/// The same event without sealing, for plain postgres-es.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Plain;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum PlainEvent {
    Enrolled { name: String, birth_date: String, subject: SubjectId, establishment: String, class: String, year: u16 },
}

impl DomainEvent for PlainEvent {
    fn event_type(&self) -> String {
        "Enrolled".to_owned()
    }
    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Plain {
    const TYPE: &'static str = "pupil";
    type Command = ();
    type Event = PlainEvent;
    type Error = Never;
    type Services = ();
    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), Never> {
        Ok(())
    }
    fn apply(&mut self, _: PlainEvent) {}
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let number: Option<f64> = arguments.next().and_then(|text| text.parse().ok());
    let dir = TempDataDir::new();
    let database = Database::open(Source::Embedded(dir.path().to_owned())).await.expect("a private PostgreSQL");
    migrate(&database.pool(Role::Owner, 1).await.expect("pool")).await.expect("migrations");
    match what.as_str() {
        "append" => append(&database, number.unwrap_or(4.0)).await,
        "units" => drop(units(&database, number.unwrap_or(40.0) as u64).await),
        "replay" => replay(&database, number.unwrap_or(200_000.0) as u64).await,
        _ => eprintln!("append [seconds], units [count] or replay [events]"),
    }
    database.close().await;
}
