//! Units, versions, reservations, and what a caller gets back.

use crate::support::*;
use ledger::{AppendError, ExecuteError, Unit};

#[tokio::test]
async fn what_was_appended_is_read_back() {
    let (ledger, _database) = ledger().await;
    let (club, ada) = (id(), subject());
    let context = context();
    let unit = Unit::new(context.clone()).stream::<Club>(
        &club,
        0,
        vec![ClubEvent::Opened { number: 7 }, joined(ada, "Ada Fictive")],
    );
    let appended = ledger.append(unit).await.unwrap();
    assert_eq!((appended.first, appended.last()), (0, Some(1)));

    let read = ledger.read_as::<ClubEvent>(0, 10).await.unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].event, ClubEvent::Opened { number: 7 });
    assert_eq!(read[1].event, joined(ada, "Ada Fictive"));
    assert_eq!((read[1].position, read[1].sequence), (1, 2));
    assert_eq!((read[1].command, read[1].reason), (context.command, context.reason));
    assert_eq!((&read[1].actor, read[1].effective_at), (&context.actor, context.effective_at));

    let loaded = ledger.load::<Club>(&club).await.unwrap();
    assert_eq!(loaded.version, 2);
    assert_eq!(loaded.aggregate.names, vec![Some("Ada Fictive".to_owned())]);
    let many = ledger.load_many::<Club>(&[club.clone(), "absent".to_owned()]).await.unwrap();
    assert_eq!(many[&club], loaded);
    assert_eq!(many["absent"].version, 0);
    assert_eq!(ledger.size(), 2);
}

#[tokio::test]
async fn a_stale_version_is_refused_with_the_version_found() {
    let (ledger, _database) = ledger().await;
    let club = id();
    let opened = || vec![ClubEvent::Opened { number: 1 }];
    ledger.append(Unit::new(context()).stream::<Club>(&club, 0, opened())).await.unwrap();
    for expected in [0, 2] {
        let refused = ledger.append(Unit::new(context()).stream::<Club>(&club, expected, opened())).await;
        assert!(
            matches!(refused, Err(AppendError::Conflict { expected: e, found: 1, .. }) if e == expected),
            "{refused:?}"
        );
    }
    assert_eq!(ledger.read_as::<ClubEvent>(0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_stream_less_new_than_its_unit_says_is_refused_alone() {
    let (first, database) = ledger().await;
    let club = id();
    let visit = |stream: &str| Unit::new(context()).stream::<Club>(stream, 0, vec![visited()]);
    first.append(visit(&club)).await.unwrap();
    // This one has never seen the club, and writes alone from its second batch on.
    let second = instance(&database, first.master().clone()).await;
    second.append(visit(&id())).await.unwrap();
    let (stale, new) = (visit(&club), visit(&id()));
    let (refused, appended) = tokio::join!(second.append(stale), second.append(new));
    assert!(matches!(refused, Err(AppendError::Conflict { expected: 0, found: 1, .. })), "{refused:?}");
    assert_eq!(appended.unwrap().first, 2);
    assert_eq!(second.read_stream_as::<ClubEvent>("club", &club, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_unit_lands_whole_or_not_at_all() {
    let (ledger, database) = ledger().await;
    let (one, two) = (id(), id());
    ledger.append(Unit::new(context()).stream::<Club>(&two, 0, vec![visited()])).await.unwrap();
    let hash = ledger.lookup_hash("name", "chess");
    let unit = || {
        Unit::new(context())
            .stream::<Club>(&one, 0, vec![joined(subject(), "Ada Fictive")])
            .claim("name", &one, hash)
            .stream::<Club>(&two, 0, vec![visited()])
    };
    assert!(matches!(ledger.append(unit()).await, Err(AppendError::Conflict { .. })));
    assert_eq!(ledger.load::<Club>(&one).await.unwrap().version, 0);
    assert_eq!(ledger.reserved("name", &hash).await.unwrap(), None);
    let keys: i64 =
        sqlx::query_scalar("SELECT count(*) FROM keys.subject_key").fetch_one(&owner(&database).await).await.unwrap();
    assert_eq!(keys, 0);
}

#[tokio::test]
async fn a_unit_may_come_back_to_a_stream() {
    let (ledger, _database) = ledger().await;
    let (one, two) = (id(), id());
    let unit = Unit::new(context())
        .stream::<Club>(&one, 0, vec![visited()])
        .stream::<Club>(&two, 0, vec![visited()])
        .stream::<Club>(&one, 1, vec![visited(), visited()]);
    ledger.append(unit).await.unwrap();
    assert_eq!(ledger.load::<Club>(&one).await.unwrap().version, 3);
    let leaves: Vec<_> =
        ledger.read_as::<ClubEvent>(0, 10).await.unwrap().into_iter().map(|event| event.leaf).collect();
    assert_eq!(leaves.len(), 4);
}

#[tokio::test]
async fn a_reserved_value_has_one_owner() {
    let (ledger, _database) = ledger().await;
    let hash = ledger.lookup_hash("name", "chess");
    let claim = |owner: &str| Unit::new(context()).stream::<Club>(owner, 0, vec![visited()]).claim("name", owner, hash);
    ledger.append(claim("one")).await.unwrap();
    let refused = ledger.append(claim("two")).await;
    assert!(matches!(refused, Err(AppendError::Reserved { ref owner, .. }) if owner == "one"), "{refused:?}");
    assert_eq!(ledger.load::<Club>("two").await.unwrap().version, 0);

    // The same owner may say so again; nobody else may give it up.
    ledger.append(Unit::new(context()).claim("name", "one", hash)).await.unwrap();
    ledger.append(Unit::new(context()).release("name", "two", hash)).await.unwrap();
    assert_eq!(ledger.reserved("name", &hash).await.unwrap().as_deref(), Some("one"));

    // Handed over in one unit.
    ledger.append(Unit::new(context()).release("name", "one", hash).claim("name", "two", hash)).await.unwrap();
    let other = ledger.lookup_hash("name", "go");
    let owners = ledger.reserved_many("name", &[hash, other]).await.unwrap();
    assert_eq!(owners.into_iter().collect::<Vec<_>>(), vec![(hash, "two".to_owned())]);
    ledger.append(Unit::new(context()).release("name", "two", hash)).await.unwrap();
    assert_eq!(ledger.reserved("name", &hash).await.unwrap(), None);
}

#[tokio::test]
async fn a_counter_gives_each_number_once() {
    let (ledger, _database) = ledger().await;
    let hash = ledger.lookup_hash("stem", "e.exemple");
    let numbers = futures::future::join_all((0..20).map(|_| ledger.next_number(&hash))).await;
    let mut numbers: Vec<u64> = numbers.into_iter().map(Result::unwrap).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn commands_are_executed_and_their_refusals_come_back() {
    let (ledger, _database) = ledger().await;
    let club = id();
    let refused = ledger.execute::<Club>(&club, ClubCommand::Visit, &context()).await;
    assert!(matches!(refused, Err(ExecuteError::Refused(ClubError::Closed))));
    ledger.execute::<Club>(&club, ClubCommand::Open, &context()).await.unwrap();
    // Eight at once on one stream: each in turn, none lost.
    let visits = futures::future::join_all(
        (0..8).map(|_| async { ledger.execute::<Club>(&club, ClubCommand::Visit, &context()).await.unwrap() }),
    );
    let mut positions: Vec<_> = visits.await.into_iter().map(|appended| appended.first).collect();
    positions.sort_unstable();
    assert_eq!(positions, (1..=8).collect::<Vec<_>>());
    assert_eq!(ledger.load::<Club>(&club).await.unwrap().aggregate.visits, 8);
    // Nothing to say, nothing recorded.
    let nothing = ledger.execute::<Club>(&club, ClubCommand::Open, &context()).await.unwrap();
    assert_eq!(nothing.last(), None);
}

#[tokio::test]
async fn a_unit_that_cannot_be_stored_is_refused_alone() {
    let (ledger, _database) = ledger().await;
    let bad = ledger.append(Unit::new(context()).stream::<Club>("nul\0", 0, vec![visited()]));
    let erased = ledger.append(Unit::new(context()).stream::<Club>(
        "erased",
        0,
        vec![ClubEvent::Joined { name: domain::personal::Personal::erased(subject()) }],
    ));
    // Only the database can find fault with this one; it must not take its batch along.
    let odd =
        ledger.append(Unit::new(context()).stream::<Club>("odd", 0, vec![visited()]).claim("nul\0", "x", [0; 32]));
    let good = ledger.append(Unit::new(context()).stream::<Club>("good", 0, vec![visited()]));
    let (bad, erased, odd, good) = tokio::join!(bad, erased, odd, good);
    assert!(matches!(bad, Err(AppendError::Invalid { .. })), "{bad:?}");
    assert!(matches!(erased, Err(AppendError::Invalid { .. })), "{erased:?}");
    assert!(matches!(odd, Err(AppendError::Database(_))), "{odd:?}");
    good.unwrap();
    assert_eq!(ledger.read_as::<ClubEvent>(0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_closed_ledger_answers_what_it_took_and_refuses_the_rest() {
    let (ledger, _database) = ledger().await;
    let before = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.append(Unit::new(context()).stream::<Club>("before", 0, vec![visited()])).await }
    });
    before.await.unwrap().unwrap();
    ledger.close().await;
    let after = ledger.append(Unit::new(context()).stream::<Club>("after", 0, vec![visited()])).await;
    assert!(matches!(after, Err(AppendError::Closed)));
}
