//! cqrs-es over the ledger, the vault, the outbox, and reading by command and reference.

use crate::support::*;
use chrono::{TimeDelta, Utc};
use cqrs_es::{AggregateError, CqrsFramework, EventStore};
use domain::ids::SecretId;
use ledger::outbox::{Delivery, Recovered};
use ledger::postgres::Role;
use ledger::{Ledger, LedgerStore, MasterKeys, Options, OutboxMessage, Unit, Upcasters, VaultChange, circumstances};
use uuid::Uuid;
use zeroize::Zeroizing;

#[tokio::test]
async fn the_cqrs_framework_runs_on_the_ledger() {
    let (ledger, _database) = ledger().await;
    let cqrs = CqrsFramework::new(LedgerStore::<Club>::new(ledger.clone()), vec![], ());
    let club = id();
    let ada = subject();
    let context = context();
    let refused = cqrs.execute_with_metadata(&club, ClubCommand::Visit, circumstances(&context)).await;
    assert!(matches!(refused, Err(AggregateError::UserError(ClubError::Closed))));
    cqrs.execute_with_metadata(&club, ClubCommand::Open, circumstances(&context)).await.unwrap();
    let join = ClubCommand::Join { member: ada, name: "Ada Fictive".to_owned() };
    cqrs.execute_with_metadata(&club, join, circumstances(&context)).await.unwrap();
    // Nothing is recorded without its circumstances.
    assert!(matches!(cqrs.execute(&club, ClubCommand::Visit).await, Err(AggregateError::UnexpectedError(_))));

    let store = LedgerStore::<Club>::new(ledger.clone());
    let events = store.load_events(&club).await.unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(events[1].payload, joined(ada, "Ada Fictive"));
    assert_eq!(events[1].metadata["position"], "1");
    assert_eq!(events[1].metadata["command_id"], context.command.to_string());
    assert_eq!(store.load_aggregate(&club).await.unwrap().version, 2);
}

#[tokio::test]
async fn earlier_versions_are_read_as_the_current_one() {
    let (ledger, database) = ledger().await;
    ledger
        .append(Unit::new(context()).stream::<Club>("club", 0, vec![ClubEvent::Opened { number: 7 }, visited()]))
        .await
        .unwrap();
    let upcasters = Upcasters::new()
        .step(<Club as cqrs_es::Aggregate>::TYPE, "Opened", 1, |mut payload| {
            payload["Opened"]["number"] = (payload["Opened"]["number"].as_u64().unwrap() + 1).into();
            payload
        })
        .step(<Club as cqrs_es::Aggregate>::TYPE, "Opened", 2, |mut payload| {
            payload["Opened"]["number"] = (payload["Opened"]["number"].as_u64().unwrap() * 2).into();
            payload
        });
    let pool = database.pool(Role::Service, 5).await.unwrap();
    let newer = Ledger::open_with(pool, MasterKeys::generate().unwrap(), Options { upcasters, ..Options::default() });
    let newer = newer.await.unwrap();
    let read = newer.read_as::<ClubEvent>(0, 10).await.unwrap();
    assert_eq!(read[0].event, ClubEvent::Opened { number: 16 });
    assert_eq!(read[1].event, visited());
    let loaded = LedgerStore::<Club>::new(newer).load_events("club").await.unwrap();
    assert_eq!(loaded[0].payload, ClubEvent::Opened { number: 16 });
}

#[tokio::test]
async fn a_payload_of_a_newer_version_is_refused_even_where_it_fits() {
    let (ledger, database) = ledger().await;
    ledger.append(Unit::new(context()).stream::<Club>("club", 0, vec![visited()])).await.unwrap();
    let owner = owner(&database).await;
    for statement in [
        "ALTER TABLE ledger.event DISABLE TRIGGER USER",
        "UPDATE ledger.event SET event_version = 2",
        "ALTER TABLE ledger.event ENABLE TRIGGER USER",
    ] {
        sqlx::query(statement).execute(&owner).await.unwrap();
    }
    let newer = [
        ledger.read_as::<ClubEvent>(0, 10).await.unwrap_err(),
        ledger.load::<Club>("club").await.unwrap_err(),
        ledger.load_many::<Club>(&["club".to_owned()]).await.unwrap_err(),
    ];
    for error in newer {
        assert!(matches!(error, ledger::ReadError::Event { position: 0, .. }), "{error}");
        assert!(error.to_string().contains("version 2"), "{error}");
    }
}

#[tokio::test]
async fn events_are_found_by_command_reference_and_position() {
    let (ledger, _database) = ledger().await;
    let mut asked = context();
    asked.reference = Some("K7R2WAQ0X4".to_owned());
    let unit = Unit::new(asked.clone()).stream::<Club>("a", 0, vec![visited()]).stream::<Club>("b", 0, vec![visited()]);
    ledger.append(unit).await.unwrap();
    ledger.append(Unit::new(context()).stream::<Club>("c", 0, vec![visited()])).await.unwrap();
    let positions = |events: Vec<ledger::RecordedEvent<ClubEvent>>| -> Vec<u64> {
        events.into_iter().map(|event| event.position).collect()
    };
    assert_eq!(positions(ledger.read_by_command_as(asked.command).await.unwrap()), vec![0, 1]);
    assert_eq!(positions(ledger.read_by_reference_as("K7R2WAQ0X4").await.unwrap()), vec![0, 1]);
    assert_eq!(positions(ledger.read_positions_as(&[2, 0, 99]).await.unwrap()), vec![0, 2]);
    assert_eq!(positions(ledger.read_stream_as("club", "b", 1).await.unwrap()), vec![1]);
    assert!(ledger.read_by_command_as::<ClubEvent>(context().command).await.unwrap().is_empty());
}

fn secret(expires_in: Option<i64>) -> (SecretId, VaultChange) {
    let id = SecretId(Uuid::new_v4());
    let expires_at = expires_in.map(|seconds| Utc::now() + TimeDelta::seconds(seconds));
    (id, VaultChange::Put { id, kind: "code", secret: Zeroizing::new(b"123456".to_vec()), expires_at })
}

#[tokio::test]
async fn a_secret_is_counted_used_once_and_expires() {
    let (ledger, _database) = ledger().await;
    let now = Utc::now();
    let ((code, put), (old, put_old)) = (secret(Some(60)), secret(Some(-1)));
    ledger.append(Unit::new(context()).vault(put).vault(put_old)).await.unwrap();
    assert_eq!(ledger.vault_get(code, now).await.unwrap().unwrap().secret.as_slice(), b"123456");
    assert!(ledger.vault_get(old, now).await.unwrap().is_none());
    assert!(!ledger.vault_consume(old, now).await.unwrap());

    // Ten attempts at once, five allowed: five numbers, each once.
    let attempts = futures::future::join_all((0..10).map(|_| ledger.vault_attempt(code, 5, now))).await;
    let mut numbers: Vec<u32> = attempts.into_iter().filter_map(Result::unwrap).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, vec![1, 2, 3, 4, 5]);

    let used = futures::future::join_all((0..5).map(|_| ledger.vault_consume(code, now))).await;
    assert_eq!(used.into_iter().filter(|used| *used.as_ref().unwrap()).count(), 1);
    assert!(ledger.vault_get(code, now).await.unwrap().is_none());
    assert_eq!(ledger.vault_purge(now, 100).await.unwrap(), 1);
}

#[tokio::test]
async fn a_secret_is_replaced_by_whoever_read_it_last() {
    let (ledger, _database) = ledger().await;
    let now = Utc::now();
    let (id, put) = secret(None);
    ledger.append(Unit::new(context()).vault(put)).await.unwrap();
    let read = ledger.vault_get(id, now).await.unwrap().unwrap();
    assert!(ledger.vault_replace(id, "code", read.revision, b"stronger").await.unwrap());
    assert!(!ledger.vault_replace(id, "code", read.revision, b"stale").await.unwrap());
    assert_eq!(ledger.vault_get(id, now).await.unwrap().unwrap().secret.as_slice(), b"stronger");
    ledger.append(Unit::new(context()).vault(VaultChange::Delete(id))).await.unwrap();
    assert!(ledger.vault_get(id, now).await.unwrap().is_none());
}

fn message(channel: &'static str, replaces: Option<Uuid>) -> OutboxMessage {
    OutboxMessage {
        id: Uuid::new_v4(),
        channel,
        body: Zeroizing::new(b"to +33639980000: 123456".to_vec()),
        not_before: Utc::now() - TimeDelta::seconds(1),
        not_after: None,
        replaces,
    }
}

#[tokio::test]
async fn a_message_is_claimed_once_and_settled_once() {
    let (ledger, _database) = ledger().await;
    let first = message("sms", None);
    let first_id = first.id;
    ledger.append(Unit::new(context()).outbox(first)).await.unwrap();
    let second = message("sms", Some(first_id));
    let second_id = second.id;
    ledger.append(Unit::new(context()).outbox(second)).await.unwrap();
    let now = Utc::now();
    let until = now + TimeDelta::seconds(30);
    let claims = futures::future::join_all((0..6).map(|_| ledger.outbox_claim("sms", 10, now, until))).await;
    let mut claimed: Vec<_> = claims.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(claimed.len(), 1, "the second replaced the first, and one worker has it");
    let message = claimed.remove(0);
    assert_eq!(
        (message.id, message.attempts, message.body.as_slice()),
        (second_id, 1, &b"to +33639980000: 123456"[..])
    );

    let retry = Delivery::Retry { at: now, error: "busy".to_owned() };
    assert!(ledger.outbox_settle(&message, &retry, now).await.unwrap());
    let again = ledger.outbox_claim("sms", 10, now, until).await.unwrap().remove(0);
    assert_eq!(again.attempts, 2);
    assert!(!ledger.outbox_settle(&message, &Delivery::Sent, now).await.unwrap(), "that claim is over");
    assert!(ledger.outbox_settle(&again, &Delivery::Sent, now).await.unwrap());
    assert!(ledger.outbox_claim("sms", 10, now, until).await.unwrap().is_empty());
    assert_eq!(ledger.outbox_purge(now + TimeDelta::seconds(1), 10).await.unwrap(), 1);
}

#[tokio::test]
async fn a_message_that_does_not_open_keeps_no_other_back() {
    let (ledger, database) = ledger().await;
    let (bad, good) = (message("sms", None), message("sms", None));
    let (bad_id, good_id) = (bad.id, good.id);
    ledger.append(Unit::new(context()).outbox(bad).outbox(good)).await.unwrap();
    let pool = database.pool(Role::Service, 2).await.unwrap();
    let damage = "UPDATE outbox.message SET body = '\\x00' WHERE id = $1";
    sqlx::query(damage).bind(bad_id).execute(&pool).await.unwrap();
    let now = Utc::now();
    let claimed = ledger.outbox_claim("sms", 10, now, now + TimeDelta::seconds(30)).await.unwrap();
    assert_eq!(claimed.iter().map(|message| message.id).collect::<Vec<_>>(), [good_id]);
    let settled = "SELECT status::text, last_error, body IS NULL FROM outbox.message WHERE id = $1";
    let settled: (String, String, bool) = sqlx::query_as(settled).bind(bad_id).fetch_one(&pool).await.unwrap();
    assert_eq!(settled, ("failed".to_owned(), "unreadable".to_owned(), true));
}

#[tokio::test]
async fn what_a_crashed_worker_left_is_uncertain_unless_repeats_are_dropped() {
    let (ledger, _database) = ledger().await;
    let mut late = message("mail", None);
    late.not_after = Some(Utc::now() + TimeDelta::seconds(5));
    late.not_before = Utc::now() + TimeDelta::seconds(4);
    let unit = Unit::new(context()).outbox(message("sms", None)).outbox(message("inbox", None)).outbox(late);
    ledger.append(unit).await.unwrap();
    let now = Utc::now();
    let until = now + TimeDelta::seconds(10);
    for channel in ["sms", "inbox"] {
        assert_eq!(ledger.outbox_claim(channel, 10, now, until).await.unwrap().len(), 1);
    }
    assert_eq!(ledger.outbox_recover(&["inbox"], now).await.unwrap(), Recovered::default());
    let after = until + TimeDelta::seconds(1);
    let recovered = ledger.outbox_recover(&["inbox"], after).await.unwrap();
    assert_eq!(recovered, Recovered { pending: 1, uncertain: 1, expired: 1 });
    assert!(ledger.outbox_claim("sms", 10, after, after).await.unwrap().is_empty());
    assert_eq!(ledger.outbox_claim("inbox", 10, after, after).await.unwrap().len(), 1);
}
