//! Events that a view can't take in: it stops alone, says so, and goes on only when somebody decides or a program
//! that understands them runs.

use crate::support::{PATIENCE, Setting};
use chrono::Utc;
use cqrs_es::Aggregate;
use domain::context::{Actor, Context, Reason};
use domain::guardian::{Guardian, GuardianContact, GuardianEvent, GuardianIdentity};
use domain::ids::{CommandId, GuardianId};
use domain::personal::Personal;
use ledger::{Header, Ledger, Options, Unit, Upcasters};
use projections::poison::{SkipError, Stop, skip, skips, stops};
use projections::testing::{World, from_a_newer_program};
use projections::{CaughtUpError, Name, RebuildError, Runner, Skipped, compare, rebuild, rebuild_with};
use serde_json::json;
use std::time::Duration;
use std::time::Instant;
use uuid::Uuid;

fn context() -> Context {
    Context {
        command: CommandId(Uuid::new_v4()),
        actor: Actor::Service,
        on_behalf_of: None,
        reason: Reason::Rule,
        reference: None,
        effective_at: Utc::now(),
    }
}

fn operator() -> Actor {
    Actor::Operator("17".to_owned())
}

/// Appends an event of the newer program; returns its position.
async fn from_the_future(setting: &Setting) -> u64 {
    setting.ledger.append(from_a_newer_program()).await.unwrap().first
}

/// Waits until exactly these views stand still.
async fn stopped(setting: &Setting, expected: &[Name]) -> Vec<Stop> {
    let began = Instant::now();
    loop {
        let found = stops(&setting.pool).await.unwrap();
        let mut views: Vec<Name> = found.iter().map(|stop| stop.view).collect();
        views.sort_unstable();
        if views == expected {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{found:?} instead of {expected:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn assert_equal(setting: &Setting, name: Name) {
    let found = compare(&setting.ledger, &setting.pool, name, |_| {}).await.unwrap();
    assert!(found.is_equal(), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_a_newer_program_stops_the_views_it_concerns_and_no_other() {
    let setting = Setting::new().await;
    let runner = setting.run().await;
    let views = runner.views();
    let mut world = World::new(31);
    setting.live(&mut world, 40).await;
    let poison = from_the_future(&setting).await;
    let last = setting.live(&mut world, 40).await;

    // Accounts and services never read guardians' streams; the timeline reads all.
    views.caught_up_in(&[Name::Accounts, Name::Services], last, PATIENCE).await.unwrap();
    for stop in stopped(&setting, &[Name::People, Name::Audit]).await {
        assert_eq!(stop.fault.position, poison);
        let event = Header { stream_type: "guardian".to_owned(), event_type: "GuardianMovedAbroad".to_owned() };
        assert_eq!(stop.event, Some(event));
        assert!(stop.fault.problem.contains("GuardianMovedAbroad"), "{}", stop.fault.problem);
        // Everything before it is in, and whoever waits for that is not held up.
        assert_eq!(views.checkpoint(stop.view).await.unwrap(), poison);
        views.caught_up_in(&[stop.view], poison - 1, PATIENCE).await.unwrap();
        let stopped = views.caught_up_in(&[stop.view], last, PATIENCE).await.unwrap_err();
        assert!(matches!(stopped, CaughtUpError::Stopped { .. }), "{stopped}");
    }
    // A replay doesn't get past it either, and leaves the live view as it is.
    let refused = rebuild(&setting.ledger, &setting.pool, &[Name::People], |_| {}).await.unwrap_err();
    assert!(
        matches!(&refused, RebuildError::Fault { name: Name::People, fault } if fault.position == poison),
        "{refused}"
    );
    for name in Name::ALL {
        assert_equal(&setting, name).await;
    }
    rebuild(&setting.ledger, &setting.pool, &[Name::Accounts, Name::Services], |_| {}).await.unwrap();

    // One decision, one view.
    skip(&setting.pool, Name::People, poison, "Belgium is no school's concern", &operator(), Utc::now()).await.unwrap();
    stopped(&setting, &[Name::Audit]).await;
    views.caught_up_in(&[Name::People], last, PATIENCE).await.unwrap();
    skip(&setting.pool, Name::Audit, poison, "as for people", &operator(), Utc::now()).await.unwrap();
    stopped(&setting, &[]).await;
    setting.settle(&views).await;
    let kept = skips(&setting.pool).await.unwrap();
    assert_eq!(
        kept.iter().map(|skip| (skip.view, skip.fault.position)).collect::<Vec<_>>(),
        [(Name::People, poison), (Name::Audit, poison)]
    );
    assert_eq!((kept[0].reason.as_str(), kept[0].actor.as_str()), ("Belgium is no school's concern", "operator:17"));
    // From then on it is part of every replay.
    setting.assert_equal_to_replay().await;
    rebuild(&setting.ledger, &setting.pool, &Name::ALL, |_| {}).await.unwrap();
    setting.live(&mut world, 10).await;
    setting.settle(&views).await;
    setting.assert_equal_to_replay().await;
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_the_database_refuses_is_singled_out_of_its_batch() {
    let setting = Setting::new().await;
    let mut world = World::new(32);
    // All of it waits and comes as one batch.
    setting.live(&mut world, 60).await;
    let guardian = GuardianId(Uuid::new_v4());
    // JSON knows the character, PostgreSQL's text does not.
    let identity = GuardianIdentity { family_name: "FIC\0TIF".to_owned(), ..Default::default() };
    let recorded = GuardianEvent::GuardianRecorded {
        guardian,
        identity: Personal::new(guardian, identity),
        contact: Personal::new(guardian, GuardianContact::default()),
    };
    let unit = Unit::new(context()).stream::<Guardian>(&guardian.to_string(), 0, vec![recorded]);
    let poison = setting.ledger.append(unit).await.unwrap().first;
    let last = setting.live(&mut world, 60).await;
    let runner = setting.run().await;
    let views = runner.views();
    views.caught_up_in(&[Name::Accounts, Name::Services, Name::Audit], last, PATIENCE).await.unwrap();
    let stop = stopped(&setting, &[Name::People]).await.remove(0);
    assert_eq!(stop.fault.position, poison);
    assert_eq!(views.checkpoint(Name::People).await.unwrap(), poison);
    assert!(!stop.fault.problem.contains("FIC"), "{}", stop.fault.problem);
    assert!(rebuild(&setting.ledger, &setting.pool, &[Name::People], |_| {}).await.is_err());
    skip(&setting.pool, Name::People, poison, "the school sends the name again", &operator(), Utc::now())
        .await
        .unwrap();
    stopped(&setting, &[]).await;
    views.caught_up(last, PATIENCE).await.unwrap();
    setting.assert_equal_to_replay().await;
    runner.stop().await;
}

/// The program after an upgrade: it knows what the event means in its own words.
async fn upgraded(setting: &Setting) -> Ledger {
    let upcasters = Upcasters::new().step(
        Guardian::TYPE,
        "GuardianMovedAbroad",
        1,
        |_| json!({ "ChildLinkLapsed": { "number": 1 } }),
    );
    let master = setting.ledger.master().clone();
    Ledger::open_with(setting.pool.clone(), master, Options { upcasters, ..Options::default() }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgraded_program_goes_on_by_itself() {
    let setting = Setting::new().await;
    let old = setting.run().await;
    let mut world = World::new(33);
    setting.live(&mut world, 20).await;
    from_the_future(&setting).await;
    let last = setting.live(&mut world, 20).await;
    stopped(&setting, &[Name::People, Name::Audit]).await;
    // Both run for a while, as in a rolling upgrade: whoever can goes on.
    let ledger = upgraded(&setting).await;
    let new = Runner::start(ledger.clone(), setting.pool.clone()).await.unwrap();
    new.views().caught_up(last, PATIENCE).await.unwrap();
    stopped(&setting, &[]).await;
    // The old one sees that, too.
    let began = Instant::now();
    while old.views().caught_up(last, PATIENCE).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "the old program still waits for itself");
    }
    assert!(skips(&setting.pool).await.unwrap().is_empty());
    old.stop().await;
    new.stop().await;
    for name in Name::ALL {
        let found = compare(&ledger, &setting.pool, name, |_| {}).await.unwrap();
        assert!(found.is_equal(), "{found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_skipped_can_be_taken_in_once_a_program_understands_it() {
    let setting = Setting::new().await;
    let runner = setting.run().await;
    let mut world = World::new(34);
    setting.live(&mut world, 20).await;
    let poison = from_the_future(&setting).await;
    let last = setting.live(&mut world, 20).await;
    stopped(&setting, &[Name::People, Name::Audit]).await;
    for view in [Name::People, Name::Audit] {
        skip(&setting.pool, view, poison, "until the upgrade", &operator(), Utc::now()).await.unwrap();
    }
    stopped(&setting, &[]).await;
    runner.views().caught_up(last, PATIENCE).await.unwrap();
    runner.stop().await;
    // This program can't yet: the skips stay in force.
    let early = rebuild_with(&setting.ledger, &setting.pool, &[Name::Audit], Skipped::TakeIn, |_| {}).await;
    assert!(matches!(early, Err(RebuildError::Fault { .. })), "{early:?}");
    assert_eq!(skips(&setting.pool).await.unwrap().len(), 2);
    setting.assert_equal_to_replay().await;
    let ledger = upgraded(&setting).await;
    rebuild_with(&ledger, &setting.pool, &Name::ALL, Skipped::TakeIn, |_| {}).await.unwrap();
    assert!(skips(&setting.pool).await.unwrap().is_empty());
    let taken: i64 = sqlx::query_scalar("SELECT count(*) FROM view_audit.timeline WHERE position = $1")
        .bind(poison.cast_signed())
        .fetch_one(&setting.pool)
        .await
        .unwrap();
    assert_eq!(taken, 1, "the event is in the timeline now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_a_view_stands_at_can_be_skipped_and_never_without_a_reason() {
    let setting = Setting::new().await;
    let runner = setting.run().await;
    let mut world = World::new(35);
    setting.live(&mut world, 10).await;
    let decide =
        async |view, position, reason| skip(&setting.pool, view, position, reason, &operator(), Utc::now()).await;
    assert!(matches!(decide(Name::People, 3, "why not").await, Err(SkipError::NotStopped(Name::People))));
    let poison = from_the_future(&setting).await;
    stopped(&setting, &[Name::People, Name::Audit]).await;
    assert!(matches!(decide(Name::People, poison, " ").await, Err(SkipError::NoReason)));
    assert!(
        matches!(decide(Name::People, poison - 1, "x").await, Err(SkipError::Elsewhere { at, .. }) if at == poison)
    );
    assert!(matches!(decide(Name::Accounts, poison, "x").await, Err(SkipError::NotStopped(Name::Accounts))));
    assert!(skips(&setting.pool).await.unwrap().is_empty());
    // The service's role may not unmake a decision.
    decide(Name::People, poison, "decided").await.unwrap();
    assert!(sqlx::query("DELETE FROM views.skip").execute(&setting.pool).await.is_err());
    assert!(sqlx::query("UPDATE views.skip SET reason = 'other'").execute(&setting.pool).await.is_err());
    runner.stop().await;
}
