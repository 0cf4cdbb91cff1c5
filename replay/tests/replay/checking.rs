//! The check passes on what was recorded, and names what was changed behind the ledger's back.

use crate::support::Setting;
use domain::context::Actor;
use domain::guardian::{Guardian, GuardianContact, GuardianEvent, GuardianIdentity};
use domain::ids::GuardianId;
use domain::personal::Personal;
use ledger::Unit;
use ledger::postgres::Role;
use projections::poison::{skip, stops};
use projections::{Name, Runner};
use replay::check::{Stage, check};
use sqlx::PgPool;
use std::time::Duration;
use uuid::Uuid;

/// As whoever owns the database could: the guards switched off.
async fn tamper(owner: &PgPool, change: &str) {
    for statement in [
        "ALTER TABLE ledger.event DISABLE TRIGGER ALL",
        "ALTER TABLE ledger.head DISABLE TRIGGER ALL",
        change,
        "ALTER TABLE ledger.event ENABLE TRIGGER ALL",
        "ALTER TABLE ledger.head ENABLE TRIGGER ALL",
    ] {
        sqlx::query(statement).execute(owner).await.unwrap();
    }
}

async fn fault(setting: &Setting) -> String {
    check(&setting.ledger, &setting.pool, |_, _| {}).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_is_sound() {
    let mut setting = Setting::new(41).await;
    setting.live(60).await;
    setting.project().await;
    let mut stages = Vec::new();
    let checked = check(&setting.ledger, &setting.pool, |stage, _| stages.push(stage)).await.unwrap();
    assert!(checked.is_sound(), "{checked:#?}");
    assert_eq!((checked.read, checked.tree.size), (setting.ledger.size(), setting.ledger.size()));
    assert_eq!(checked.views.len(), 4);
    assert!(stages.contains(&Stage::Tree) && stages.contains(&Stage::View(projections::Name::Audit)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_view_is_found() {
    let mut setting = Setting::new(42).await;
    setting.live(40).await;
    setting.project().await;
    let change = "UPDATE view_accounts.account SET must_change = NOT must_change";
    sqlx::query(change).execute(&setting.pool).await.unwrap();
    let checked = check(&setting.ledger, &setting.pool, |_, _| {}).await.unwrap();
    assert!(!checked.is_sound());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_stopped_and_what_it_was_told_to_skip_are_found() {
    let mut setting = Setting::new(44).await;
    setting.live(20).await;
    // Nothing that can't be read by the auditor, but a value that the view's table refuses.
    let guardian = GuardianId(Uuid::new_v4());
    let identity = GuardianIdentity { family_name: "FIC\0TIF".to_owned(), ..Default::default() };
    let recorded = GuardianEvent::GuardianRecorded {
        guardian,
        identity: Personal::new(guardian, identity),
        contact: Personal::new(guardian, GuardianContact::default()),
    };
    let unit = setting.world.step();
    let unit = Unit::new(unit.context().clone()).stream::<Guardian>(&guardian.to_string(), 0, vec![recorded]);
    let position = setting.ledger.append(unit).await.unwrap().first;
    let runner = Runner::start(setting.ledger.clone(), setting.pool.clone()).await.unwrap();
    while stops(&setting.pool).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let checked = check(&setting.ledger, &setting.pool, |_, _| {}).await.unwrap();
    assert_eq!((checked.stops.len(), checked.skips.len()), (1, 0));
    assert!(checked.is_sound(), "as far as it goes");
    let operator = Actor::Operator("17".to_owned());
    skip(&setting.pool, Name::People, position, "sent again", &operator, setting.ledger.now()).await.unwrap();
    while !stops(&setting.pool).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    runner.views().caught_up(position, Duration::from_secs(60)).await.unwrap();
    runner.stop().await;
    let checked = check(&setting.ledger, &setting.pool, |_, _| {}).await.unwrap();
    assert!(checked.is_sound() && checked.stops.is_empty(), "{checked:#?}");
    assert_eq!((checked.skips[0].fault.position, checked.skips[0].reason.as_str()), (position, "sent again"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_tampering_is_found_and_named() {
    let mut setting = Setting::new(43).await;
    setting.live(40).await;
    setting.project().await;
    let owner = setting.database.pool(Role::Owner, 1).await.unwrap();
    sqlx::query("CREATE TABLE public.untouched AS TABLE ledger.event").execute(&owner).await.unwrap();
    let sealed = "(SELECT min(position) FROM public.untouched WHERE octet_length(segments) > 100)";
    let last = "(SELECT max(position) FROM public.untouched)";
    let flip =
        |column: &str, byte: usize| format!("{column} = set_byte({column}, {byte}, get_byte({column}, {byte}) # 1)");
    for (what, change, at) in [
        (
            "payload",
            format!("payload = (payload::text || ' ')::json WHERE position = {last}"),
            "tree: event at position",
        ),
        ("actor", format!("actor = 'operator:99' WHERE position = {last}"), "tree: event at position"),
        (
            "time",
            format!("recorded_at = recorded_at - interval '1 microsecond' WHERE position = {last}"),
            "tree: event at position",
        ),
        ("leaf", format!("{} WHERE position = {last}", flip("leaf", 3)), "tree: event at position"),
        ("commitment", format!("{} WHERE position = {sealed}", flip("segments", 20)), "tree: event at position"),
        ("ciphertext", format!("{} WHERE position = {sealed}", flip("segments", 90)), "reading: event at position"),
    ] {
        tamper(&owner, &format!("UPDATE ledger.event SET {change}")).await;
        let found = fault(&setting).await;
        assert!(found.starts_with(at), "{what}: {found}");
        let restore = "UPDATE ledger.event e SET payload = u.payload, actor = u.actor, recorded_at = u.recorded_at, \
             leaf = u.leaf, segments = u.segments FROM public.untouched u WHERE u.position = e.position";
        tamper(&owner, restore).await;
    }
    assert!(check(&setting.ledger, &setting.pool, |_, _| {}).await.unwrap().is_sound());
    tamper(&owner, &format!("DELETE FROM ledger.event WHERE position = {last} - 1")).await;
    let found = fault(&setting).await;
    assert!(found.starts_with("tree: "), "{found}");
    tamper(&owner, "INSERT INTO ledger.event SELECT u.* FROM public.untouched u LEFT JOIN ledger.event e USING (position) WHERE e.position IS NULL").await;
    tamper(&owner, &format!("UPDATE ledger.head SET {}", flip("root", 0))).await;
    let found = fault(&setting).await;
    assert!(found.contains("root"), "{found}");
}
