//! The runner: exactly once whatever is cut, one leader, faults that stay alone.

use crate::support::{PATIENCE, Setting};
use ledger::postgres::Role;
use projections::testing::World;
use projections::{CaughtUpError, Name, Views};
use proptest::prelude::{ProptestConfig, any, proptest};
use std::time::Duration;
use tokio::sync::watch;

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 0, ..ProptestConfig::default() })]

    /// Live batches fall where they fall, replay takes pages: the rows are the same.
    #[test]
    fn live_views_equal_their_replay(seed in any::<u64>(), pauses in proptest::collection::vec(1_usize..40, 1..5)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let setting = Setting::new().await;
            let mut world = World::new(seed);
            for steps in pauses {
                // Some events come while nobody runs, and make one batch later.
                setting.live(&mut world, steps).await;
                let runner = setting.run().await;
                setting.live(&mut world, steps).await;
                setting.settle(&runner.views()).await;
                runner.stop().await;
            }
            setting.assert_equal_to_replay().await;
        });
    }
}

/// The erasing event takes the rows away; a replay, which finds the values erased from the first event on, ends alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_leaves_the_views_live_and_in_replay() {
    let setting = Setting::new().await;
    let mut world = World::new(29);
    let runner = setting.run().await;
    let mut erased = 0;
    for _ in 0..12 {
        setting.live(&mut world, 25).await;
        if let Some(unit) = world.erase() {
            setting.ledger.append(unit).await.unwrap();
            erased += 1;
        }
    }
    assert!(erased > 5);
    setting.settle(&runner.views()).await;
    let gone = |gone: Vec<&String>| gone.iter().map(|id| id.parse().unwrap()).collect::<Vec<uuid::Uuid>>();
    let pupils = gone(world.pupils.iter().filter(|m| m.state.erased).map(|m| &m.id).collect());
    let guardians = gone(world.guardians.iter().filter(|m| m.state.erased).map(|m| &m.id).collect());
    let accounts = gone(world.accounts.iter().filter(|m| m.state.erased).map(|m| &m.id).collect());
    assert!(!pupils.is_empty() && !guardians.is_empty() && !accounts.is_empty());
    for (table, column, ids) in [
        ("view_people.pupil", "id", &pupils),
        ("view_people.enrolment", "pupil", &pupils),
        ("view_people.link", "pupil", &pupils),
        ("view_people.guardian", "id", &guardians),
        ("view_people.link", "guardian", &guardians),
        ("view_people.held_link", "guardian", &guardians),
        ("view_accounts.account", "id", &accounts),
        ("view_accounts.account_guardian", "account", &accounts),
        ("view_accounts.account_child", "account", &accounts),
    ] {
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} = ANY($1)");
        let left: i64 = sqlx::query_scalar(&sql).bind(ids).fetch_one(&setting.pool).await.unwrap();
        assert_eq!(left, 0, "{table}.{column}");
    }
    setting.assert_equal_to_replay().await;
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_neither_lose_nor_double_an_event() {
    let setting = Setting::new().await;
    let runner = setting.run().await;
    let owner = setting.database.pool(Role::Owner, 1).await.unwrap();
    let (report, cut) = watch::channel(0_i64);
    let saboteur = tokio::spawn(async move {
        // Those who hold the leaders' lock write the views.
        let leaders = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks \
             WHERE locktype = 'advisory' AND classid = 1297481729 \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while *report.borrow() < 12 {
            let ended: i64 = sqlx::query_scalar(leaders).fetch_one(&owner).await.unwrap();
            report.send_modify(|cut| *cut += ended);
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    });
    let mut world = World::new(11);
    while *cut.borrow() < 12 {
        setting.live(&mut world, 5).await;
    }
    saboteur.await.unwrap();
    setting.settle(&runner.views()).await;
    setting.assert_equal_to_replay().await;
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_instances_leads_and_the_other_takes_over() {
    let setting = Setting::new().await;
    let (first, second) = (setting.run().await, setting.run().await);
    let mut world = World::new(12);
    setting.live(&mut world, 20).await;
    // Whoever asks the instance that does not lead is answered too.
    setting.settle(&first.views()).await;
    setting.settle(&second.views()).await;
    first.stop().await;
    setting.live(&mut world, 20).await;
    setting.settle(&second.views()).await;
    setting.assert_equal_to_replay().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_that_meets_what_it_cannot_apply_stops_alone() {
    let setting = Setting::new().await;
    let runner = setting.run().await;
    let views = runner.views();
    let mut world = World::new(13);
    setting.live(&mut world, 30).await;
    setting.settle(&views).await;
    // As after a hand that should not have been there: the next correction of a pupil has no row.
    sqlx::query("DELETE FROM view_people.pupil").execute(&setting.pool).await.unwrap();
    let last = setting.live(&mut world, 80).await;
    views.caught_up_in(&[Name::Accounts, Name::Services, Name::Audit], last, PATIENCE).await.unwrap();
    let stopped = views.caught_up(last, PATIENCE).await.unwrap_err();
    assert!(matches!(&stopped, CaughtUpError::Stopped { projection: Name::People, .. }), "{stopped}");
    assert!(stopped.to_string().contains("which the view does not know"), "{stopped}");
    runner.stop().await;
    projections::rebuild(&setting.ledger, &setting.pool, &[Name::People], |_| {}).await.unwrap();
    setting.assert_equal_to_replay().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_an_earlier_version_are_rebuilt_and_those_of_a_newer_one_left_alone() {
    let setting = Setting::new().await;
    let runner = setting.run().await;
    let mut world = World::new(14);
    setting.live(&mut world, 30).await;
    setting.settle(&runner.views()).await;
    runner.stop().await;
    // An earlier version: another shape, other rows.
    for change in [
        "UPDATE view_people.checkpoint SET version = 0",
        "ALTER TABLE view_people.pupil DROP COLUMN usage_name",
        "DELETE FROM view_people.enrolment",
        "UPDATE view_audit.checkpoint SET version = 99",
    ] {
        sqlx::query(change).execute(&setting.pool).await.unwrap();
    }
    let runner = setting.run().await;
    let last = setting.live(&mut world, 10).await;
    let kept = [Name::People, Name::Accounts, Name::Services];
    runner.views().caught_up_in(&kept, last, PATIENCE).await.unwrap();
    let newer = runner.views().caught_up_in(&[Name::Audit], last, Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(newer, CaughtUpError::Late { projection: Name::Audit, .. }), "{newer}");
    for name in kept {
        let found = projections::compare(&setting.ledger, &setting.pool, name, |_| {}).await.unwrap();
        assert!(found.is_equal(), "{found:#?}");
    }
    runner.stop().await;
}

#[tokio::test]
async fn waiting_ends_with_a_clear_error_when_nobody_feeds_the_views() {
    let setting = Setting::new().await;
    projections::install(&setting.pool).await.unwrap();
    let last = setting.live(&mut World::new(15), 1).await;
    let views = Views::new(setting.pool.clone());
    let late = views.caught_up(last, Duration::from_millis(30)).await.unwrap_err();
    assert!(matches!(late, CaughtUpError::Late { projection: Name::People, .. }), "{late}");
}
