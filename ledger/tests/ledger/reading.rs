//! Reading all of it: fast, whole, and stopping where something is wrong.

use crate::support::*;
use futures::TryStreamExt;
use ledger::{Check, Ledger, ReadError, Unit, VerifyError};
use sqlx::Executor;

/// Ten thousand events of a thousand people in units as an import makes them.
async fn fill(ledger: &ledger::Ledger) {
    for _ in 0..10 {
        let mut unit = Unit::new(context());
        for _ in 0..100 {
            let person = subject();
            let events = (0..10).map(|n| if n % 2 == 0 { joined(person, "Ada Fictive") } else { visited() });
            unit.push::<Club>(&person.to_string(), 0, events.collect());
        }
        ledger.append(unit).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_yields_what_pages_yield() {
    let (ledger, _database) = ledger().await;
    fill(&ledger).await;
    let pages: Vec<Vec<_>> = ledger.stream_as::<ClubEvent>(5).try_collect().await.unwrap();
    assert!(pages.len() > 1, "more than one page");
    let streamed: Vec<_> = pages.into_iter().flatten().collect();
    let mut paged = Vec::new();
    while paged.len() < 9_995 {
        paged.extend(ledger.read_as::<ClubEvent>(5 + paged.len() as u64, 777).await.unwrap());
    }
    assert_eq!(streamed, paged);
    assert!(streamed.iter().zip(5..).all(|(event, position)| event.position == position));
    let one = ledger.read_positions_as::<ClubEvent>(&[1234]).await.unwrap();
    assert_eq!(one[0], streamed[1229], "both ways of reading agree");
    assert!(ledger.read_as::<ClubEvent>(10_000, 10).await.unwrap().is_empty());
    let verified = ledger.verify(|_| {}).await.unwrap();
    assert_eq!((verified.size, verified.root), ledger.root().await.unwrap());
}

#[tokio::test]
async fn events_of_the_domain_come_back_as_they_went_in() {
    let (ledger, _database) = ledger().await;
    let mut versions = std::collections::HashMap::new();
    let mut sent = Vec::new();
    for event in domain::samples::every_event() {
        let unit = Unit::new(context());
        let id = "sample";
        let unit = match event.clone() {
            domain::Event::Pupil(event) => unit.stream::<domain::pupil::Pupil>(id, next(&mut versions, 0), vec![event]),
            domain::Event::Guardian(event) => {
                unit.stream::<domain::guardian::Guardian>(id, next(&mut versions, 1), vec![event])
            }
            domain::Event::Account(event) => {
                unit.stream::<domain::account::Account>(id, next(&mut versions, 2), vec![event])
            }
            domain::Event::Establishment(event) => {
                unit.stream::<domain::establishment::Establishment>(id, next(&mut versions, 3), vec![event])
            }
            domain::Event::LedgerManifest(event) => {
                unit.stream::<domain::ledger_manifest::LedgerManifest>(id, next(&mut versions, 9), vec![event])
            }
            domain::Event::RelyingParty(event) => {
                unit.stream::<domain::relying_party::RelyingParty>(id, next(&mut versions, 4), vec![event])
            }
            domain::Event::InitialAccess(event) => {
                unit.stream::<domain::initial_access::InitialAccess>(id, next(&mut versions, 8), vec![event])
            }
            domain::Event::Auditor(event) => {
                unit.stream::<domain::auditor::Auditor>(id, next(&mut versions, 5), vec![event])
            }
            domain::Event::Rules(event) => unit.stream::<domain::rules::Rules>(id, next(&mut versions, 6), vec![event]),
        };
        ledger.append(unit).await.unwrap();
        sent.push(event);
    }
    let read: Vec<domain::Event> = ledger.read(0, 1000).await.unwrap().into_iter().map(|event| event.event).collect();
    assert_eq!(read, sent);
}

fn next(versions: &mut std::collections::HashMap<u8, u64>, kind: u8) -> u64 {
    let version = versions.entry(kind).or_default();
    *version += 1;
    *version - 1
}

#[tokio::test]
async fn a_damaged_event_stops_every_reader_at_its_position() {
    let (ledger, database) = ledger().await;
    ledger.append(Unit::new(context()).stream::<Club>("club", 0, (0..5).map(|_| visited()).collect())).await.unwrap();
    let owner = owner(&database).await;
    owner
        .execute(
            "ALTER TABLE ledger.event DISABLE TRIGGER append_only; \
             UPDATE ledger.event SET payload = '{\"Unheard\": {}}' WHERE position = 3",
        )
        .await
        .unwrap();
    let read = ledger.read_as::<ClubEvent>(0, 10).await;
    assert!(matches!(read, Err(ReadError::Event { position: 3, .. })), "{read:?}");
    assert_eq!(ledger.read_as::<ClubEvent>(0, 3).await.unwrap().len(), 3);
    let streamed: Result<Vec<_>, _> = ledger.stream_as::<ClubEvent>(0).try_collect().await;
    assert!(matches!(streamed, Err(ReadError::Event { position: 3, .. })));
    assert_eq!(fails(&ledger).await, [(Check::Leaf, Some(3))]);

    owner.execute("DELETE FROM ledger.event WHERE position = 3").await.unwrap();
    let read = ledger.read_as::<ClubEvent>(0, 10).await;
    assert!(matches!(read, Err(ReadError::Event { position: 3, .. })), "{read:?}");
}

#[tokio::test]
async fn a_changed_header_or_root_is_found() {
    let (ledger, database) = ledger().await;
    ledger.append(Unit::new(context()).stream::<Club>("club", 0, vec![visited(), visited()])).await.unwrap();
    let owner = owner(&database).await;
    owner.execute("UPDATE ledger.head SET root = sha256('x'), revision = revision + 1").await.unwrap();
    assert_eq!(fails(&ledger).await, [(Check::Root, None), (Check::Root, None)], "of the leaves, and of the frontier");
    owner
        .execute(
            "ALTER TABLE ledger.event DISABLE TRIGGER append_only; \
             UPDATE ledger.event SET actor = 'operator:1' WHERE position = 0",
        )
        .await
        .unwrap();
    assert_eq!(fails(&ledger).await[0], (Check::Leaf, Some(0)));
}

/// What a walk finds: which check fails where.
async fn fails(ledger: &Ledger) -> Vec<(Check, Option<u64>)> {
    let Err(VerifyError::Failed(findings)) = ledger.verify(|_| {}).await else { panic!("nothing was found") };
    let named = findings.failed().flat_map(|check| findings.named(check));
    named.map(|finding| (finding.check, finding.position)).collect()
}

#[tokio::test]
async fn many_streams_are_looked_up_by_index_however_fast_the_ledger_grew() {
    let (ledger, database) = ledger().await;
    let ids: Vec<String> = (0..60).map(|n| format!("club-{n}")).collect();
    ledger.append(Unit::new(context()).stream::<Club>(&ids[0], 0, vec![visited()])).await.unwrap();
    let owner = owner(&database).await;
    sqlx::query("ANALYZE ledger.event").execute(&owner).await.unwrap();
    // Often enough for a prepared statement to settle on a plan, on every connection.
    for _ in 0..60 {
        ledger.load_many::<Club>(&ids).await.unwrap();
    }
    // Autovacuum has not looked at it yet.
    let grow = "INSERT INTO ledger.event SELECT n, 'other', 'stream-' || n, 1, 'Visited', 1, '{}', '', now(), now(), \
         'service', NULL, 'rule', gen_random_uuid(), NULL, sha256('') FROM generate_series(1, 40000) n";
    sqlx::query(grow).execute(&owner).await.unwrap();
    let began = std::time::Instant::now();
    let loaded = ledger.load_many::<Club>(&ids).await.unwrap();
    let many = began.elapsed();
    assert_eq!(loaded[&ids[0]].version, 1);
    // One look through the whole table, the least that any other plan takes for each of sixty.
    let began = std::time::Instant::now();
    let whole = "SELECT count(*) FROM ledger.event WHERE stream_id || '' = 'club-1'";
    sqlx::query(whole).execute(&owner).await.unwrap();
    let whole = began.elapsed();
    assert!(many < 10 * whole, "{many:?} for sixty ids, {whole:?} for one look through the table");
}
