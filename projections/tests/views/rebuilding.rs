//! Rebuild beside and swap; comparison.

use crate::support::Setting;
use domain::ids::PupilId;
use projections::testing::World;
use projections::{DifferenceKind, Name, compare, rebuild};
use tokio::sync::watch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_under_load_is_never_seen_half_done() {
    let setting = Setting::new().await;
    let runner = setting.run().await;
    let views = runner.views();
    let mut world = World::new(21);
    setting.live(&mut world, 60).await;
    setting.settle(&views).await;
    let pupil: PupilId = world.pupils[0].id.parse().unwrap();
    let (done, over) = watch::channel(false);
    let reader = tokio::spawn({
        let views = views.clone();
        async move {
            let mut reads = 0;
            while !*over.borrow() {
                assert!(views.pupil(pupil).await.unwrap().is_some(), "a reader saw tables without rows");
                reads += 1;
            }
            reads
        }
    });
    let (ledger, pool) = (setting.ledger.clone(), setting.pool.clone());
    let rebuilds = tokio::spawn(async move {
        for _ in 0..4 {
            rebuild(&ledger, &pool, &Name::ALL, |_| {}).await.unwrap();
            // The next one begins when something more has been recorded.
            let size = ledger.size();
            while ledger.size() == size {
                tokio::task::yield_now().await;
            }
        }
    });
    while !rebuilds.is_finished() {
        setting.live(&mut world, 5).await;
    }
    rebuilds.await.unwrap();
    setting.live(&mut world, 5).await;
    setting.settle(&views).await;
    done.send(true).unwrap();
    assert!(reader.await.unwrap() > 0);
    setting.assert_equal_to_replay().await;
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comparison_names_every_kind_of_difference_and_no_value() {
    let setting = Setting::new().await;
    let runner = setting.run().await;
    let mut world = World::new(22);
    setting.live(&mut world, 60).await;
    setting.settle(&runner.views()).await;
    setting.assert_equal_to_replay().await;
    let stranger = "00000000-0000-0000-0000-000000000001";
    for change in [
        "UPDATE view_people.pupil SET family_name = 'Altéré', birth_date = NULL \
         WHERE id = (SELECT min(id::text)::uuid FROM view_people.pupil)",
        "DELETE FROM view_people.guardian WHERE id = (SELECT min(id::text)::uuid FROM view_people.guardian)",
        &format!("INSERT INTO view_people.link VALUES ('{stranger}', '{stranger}', '0750001U', 1, NULL, false)"),
    ] {
        sqlx::query(change).execute(&setting.pool).await.unwrap();
    }
    let found = compare(&setting.ledger, &setting.pool, Name::People, |_| {}).await.unwrap();
    assert!(!found.is_equal());
    let of = |name: &str| {
        let table = found.tables.iter().find(|table| table.table == name).unwrap();
        assert_eq!(table.differing, 1, "{name}");
        table.differences[0].clone()
    };
    let DifferenceKind::Columns(columns) = of("pupil").kind else { panic!("{:?}", of("pupil")) };
    assert!(columns.contains(&"family_name".to_owned()), "{columns:?}");
    assert_eq!(of("guardian").kind, DifferenceKind::Missing);
    let link = of("link");
    assert_eq!((link.kind, link.key), (DifferenceKind::Unfounded, format!("{stranger} {stranger} 0750001U")));
    assert!(!format!("{found:?}").contains("Altéré"));
    // A rebuild puts it right.
    rebuild(&setting.ledger, &setting.pool, &[Name::People], |_| {}).await.unwrap();
    setting.assert_equal_to_replay().await;
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_interrupted_rebuild_left_does_not_matter() {
    let setting = Setting::new().await;
    let runner = setting.run().await;
    setting.live(&mut World::new(23), 20).await;
    setting.settle(&runner.views()).await;
    sqlx::query("CREATE TABLE rebuild_view_people.pupil (half int)").execute(&setting.pool).await.unwrap();
    rebuild(&setting.ledger, &setting.pool, &Name::ALL, |_| {}).await.unwrap();
    setting.assert_equal_to_replay().await;
    runner.stop().await;
}
