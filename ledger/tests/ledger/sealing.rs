//! Personal data: sealed per person, bound to its place, gone with its key.

use crate::support::*;
use domain::ids::SecretId;
use domain::personal::Personal;
use ledger::{AppendError, MasterKeys, OutboxMessage, ReadError, Unit, VaultChange};
use sqlx::{Executor, Row};
use uuid::Uuid;
use zeroize::Zeroizing;

const CANARY: &str = "Canarine-Fictive-7f3a";

fn introduced(member: domain::ids::SubjectId, friend: domain::ids::SubjectId) -> ClubEvent {
    ClubEvent::Introduced {
        member: Personal::new(member, format!("{CANARY} one")),
        friend: Personal::new(friend, format!("{CANARY} two")),
    }
}

#[tokio::test]
async fn no_column_holds_what_was_sealed() {
    let (ledger, database) = ledger().await;
    let (one, two) = (subject(), subject());
    let now = chrono::Utc::now();
    let unit = Unit::new(context())
        .stream::<Club>("club", 0, vec![introduced(one, two), joined(one, CANARY)])
        .claim("name", "club", ledger.lookup_hash("name", CANARY))
        .vault(VaultChange::Put {
            id: SecretId(Uuid::new_v4()),
            kind: "password",
            secret: Zeroizing::new(CANARY.into()),
            expires_at: None,
        })
        .outbox(OutboxMessage {
            id: Uuid::new_v4(),
            channel: "sms",
            body: Zeroizing::new(CANARY.into()),
            not_before: now,
            not_after: None,
            replaces: None,
        });
    ledger.append(unit).await.unwrap();

    let owner = owner(&database).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('ledger', 'keys', 'vault', 'outbox')",
    )
    .fetch_all(&owner)
    .await
    .unwrap();
    assert!(tables.len() >= 7, "{tables:?}");
    let needles = [CANARY.to_owned(), hex::encode(CANARY)];
    let mut rows_seen = 0;
    for table in tables {
        // As text, bytes show in hexadecimal.
        for row in owner.fetch_all(format!("SELECT x::text FROM {table} x").as_str()).await.unwrap() {
            let text: String = row.get(0);
            rows_seen += 1;
            assert!(!needles.iter().any(|needle| text.contains(needle)), "{table}");
        }
    }
    assert!(rows_seen >= 8, "{rows_seen}");
}

#[tokio::test]
async fn erasing_one_person_leaves_the_other() {
    let (ledger, database) = ledger().await;
    let keys = ledger.master().clone();
    let (one, two) = (subject(), subject());
    ledger.append(Unit::new(context()).stream::<Club>("club", 0, vec![introduced(one, two)])).await.unwrap();
    let other = instance(&database, keys).await;
    let mut before = other.read_as::<ClubEvent>(0, 10).await.unwrap();

    ledger.append(Unit::new(context()).stream::<Club>("club", 1, vec![visited()]).erase(one)).await.unwrap();
    // The other instance has the key in memory until it hears of the erasure.
    let mut tail = other.tail();
    tail.wait_for(|size| *size == 2).await.unwrap();
    for instance in [&ledger, &other] {
        let read = loop {
            let read = instance.read_as::<ClubEvent>(0, 1).await.unwrap().remove(0);
            // Both notifications were sent by one transaction, in either order.
            if read.event != before[0].event || std::ptr::eq(instance, &ledger) {
                break read;
            }
            tokio::task::yield_now().await;
        };
        let ClubEvent::Introduced { member, friend } = &read.event else { panic!("{read:?}") };
        assert_eq!(member.get().unwrap_err().0, one);
        assert_eq!(friend.get().unwrap(), &format!("{CANARY} two"));
        assert_eq!(read.leaf, before[0].leaf);
        let loaded = instance.load::<Club>("club").await.unwrap();
        assert_eq!(loaded.aggregate.names, vec![None, Some(format!("{CANARY} two"))]);
    }
    before.clear();

    // Nothing more can be recorded of someone erased, by whichever instance.
    for instance in [&ledger, &other] {
        let refused = instance.append(Unit::new(context()).stream::<Club>("club", 2, vec![joined(one, "x")])).await;
        assert!(matches!(refused, Err(AppendError::Erased(subject)) if subject == one), "{refused:?}");
    }
}

#[tokio::test]
async fn a_ciphertext_moved_to_another_event_does_not_open() {
    let (ledger, database) = ledger().await;
    let ada = subject();
    let events = vec![joined(ada, "Ada Fictive"), joined(ada, "Ada Autre")];
    ledger.append(Unit::new(context()).stream::<Club>("club", 0, events)).await.unwrap();
    let owner = owner(&database).await;
    // What only the database's owner can do, by lifting the guard.
    owner
        .execute(
            "ALTER TABLE ledger.event DISABLE TRIGGER append_only; \
             UPDATE ledger.event SET segments = (SELECT segments FROM ledger.event WHERE position = 0) \
             WHERE position = 1",
        )
        .await
        .unwrap();
    assert_eq!(ledger.read_as::<ClubEvent>(0, 1).await.unwrap().len(), 1);
    let moved = ledger.read_as::<ClubEvent>(0, 10).await;
    assert!(matches!(moved, Err(ReadError::Event { position: 1, .. })), "{moved:?}");
    assert!(matches!(ledger.load::<Club>("club").await, Err(ReadError::Event { position: 1, .. })));
}

#[tokio::test]
async fn another_master_key_opens_nothing() {
    let (ledger, database) = ledger().await;
    ledger.append(Unit::new(context()).stream::<Club>("club", 0, vec![joined(subject(), "Ada")])).await.unwrap();
    let stranger = instance(&database, MasterKeys::generate().unwrap()).await;
    assert!(matches!(stranger.read_as::<ClubEvent>(0, 10).await, Err(ReadError::Seal(_))));
}

#[tokio::test]
async fn instances_that_race_for_a_new_subject_converge_on_one_key() {
    let database = ledger::postgres::testing::fresh_database().await;
    let keys = MasterKeys::generate().unwrap();
    let instances = [instance(&database, keys.clone()).await, instance(&database, keys).await];
    let people: Vec<_> = (0..20).map(|_| subject()).collect();
    // Eight units at once for each new person, half on each instance.
    let appends = people.iter().flat_map(|person| {
        let instances = &instances;
        (0..8).map(move |n| async move {
            let unit = Unit::new(context()).stream::<Club>(&id(), 0, vec![joined(*person, &format!("Ada {n}"))]);
            instances[n % 2].append(unit).await.unwrap()
        })
    });
    futures::future::join_all(appends).await;
    let stored: i64 =
        sqlx::query_scalar("SELECT count(*) FROM keys.subject_key").fetch_one(&owner(&database).await).await.unwrap();
    assert_eq!(stored, 20);
    for instance in &instances {
        let read = instance.read_as::<ClubEvent>(0, 1000).await.unwrap();
        assert_eq!(read.len(), 160);
        for recorded in read {
            let ClubEvent::Joined { name } = recorded.event else { panic!() };
            assert!(name.get().unwrap().starts_with("Ada "));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_recorded_of_someone_after_their_erasure() {
    let database = ledger::postgres::testing::fresh_database().await;
    let keys = MasterKeys::generate().unwrap();
    let instances = [instance(&database, keys.clone()).await, instance(&database, keys).await];
    for round in 0..5 {
        let person = subject();
        // Both instances come to hold the key.
        for ledger in &instances {
            ledger.append(Unit::new(context()).stream::<Club>(&id(), 0, vec![joined(person, "Ada")])).await.unwrap();
        }
        let (stop, _) = tokio::sync::watch::channel(false);
        let writers: Vec<_> = (0..6)
            .map(|n| {
                let (ledger, stop) = (instances[n % 2].clone(), stop.subscribe());
                tokio::spawn(async move {
                    while !*stop.borrow() {
                        let unit = Unit::new(context()).stream::<Club>(&id(), 0, vec![joined(person, "Ada")]);
                        match ledger.append(unit).await {
                            Ok(_) => {}
                            Err(AppendError::Erased(subject)) if subject == person => return,
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .collect();
        let mut tail = instances[0].tail();
        let size = instances[0].size();
        tail.wait_for(|now| *now > size + 20).await.unwrap();
        let erasure = Unit::new(context()).stream::<Club>(&id(), 0, vec![visited()]).erase(person);
        let erased_at = instances[round % 2].append(erasure).await.unwrap().first;
        for writer in writers {
            writer.await.unwrap();
        }
        let _ = stop.send(true);
        let after: i64 =
            sqlx::query_scalar("SELECT count(*) FROM ledger.event WHERE position > $1 AND event_type = 'Joined'")
                .bind(erased_at as i64)
                .fetch_one(&owner(&database).await)
                .await
                .unwrap();
        assert_eq!(after, 0);
    }
}

#[tokio::test]
async fn a_newcomer_who_was_spoken_of_before_keeps_their_key() {
    let (ledger, database) = ledger().await;
    let other = instance(&database, ledger.master().clone()).await;
    let (known, erased) = (subject(), subject());
    let spoken_of = vec![introduced(known, erased)];
    ledger.append(Unit::new(context()).stream::<Club>("club", 0, spoken_of)).await.unwrap();
    ledger.append(Unit::new(context()).stream::<Club>("club", 1, vec![visited()]).erase(erased)).await.unwrap();

    // Streams of their own begin: neither instance that has them in memory nor one that hasn't may take them for new.
    for (instance, expected) in [(&other, 0), (&ledger, 1)] {
        let own = vec![joined(known, "Ada Fictive")];
        let begun = Unit::new(context()).stream::<Club>(&known.to_string(), expected, own);
        instance.append(begun).await.unwrap();
        let own = vec![joined(erased, "Zoé Fictive")];
        let refused = instance.append(Unit::new(context()).stream::<Club>(&erased.to_string(), 0, own)).await;
        assert!(matches!(refused, Err(AppendError::Erased(subject)) if subject == erased), "{refused:?}");
    }
    let fresh = instance(&database, ledger.master().clone()).await;
    let read = fresh.read_as::<ClubEvent>(0, 10).await.unwrap();
    let opened =
        read.iter().filter(|recorded| matches!(&recorded.event, ClubEvent::Joined { name, .. } if name.get().is_ok()));
    assert_eq!(opened.count(), 2, "{read:?}");
}
