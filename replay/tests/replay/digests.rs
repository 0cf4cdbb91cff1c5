//! Drift is told from tampering.

use crate::support::Setting;
use chrono::TimeDelta;
use ledger::postgres::Role;
use replay::digest::{Digests, Finding, check, round};
use replay::language::Language;

async fn checked(setting: &Setting) -> Digests {
    check(&setting.ledger, &setting.pool, |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unchanged_code_finds_every_digest_again() {
    let mut setting = Setting::new(71).await;
    setting.live(120).await;
    let now = setting.ledger.now();
    let first = round(&setting.ledger, &setting.pool, now).await.unwrap();
    assert!(first > 0);
    setting.live(60).await;
    assert_eq!(round(&setting.ledger, &setting.pool, now + TimeDelta::hours(1)).await.unwrap(), 0, "once a day");
    for day in 1..7 {
        setting.live(60).await;
        round(&setting.ledger, &setting.pool, now + TimeDelta::days(day)).await.unwrap();
    }
    let found = checked(&setting).await;
    assert!(found.checked > first && found.differing.is_empty(), "{found:?}");
    let most: i64 =
        sqlx::query_scalar("SELECT max(n) FROM (SELECT count(*) n FROM ledger.state_digest GROUP BY account) c")
            .fetch_one(&setting.pool)
            .await
            .unwrap();
    assert_eq!(most, 4, "the latest of each account are kept");
    assert!(found.text(Language::Fr).contains("toutes retrouvées"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_code_over_the_same_events_is_drift_and_a_changed_row_is_tampering() {
    let mut setting = Setting::new(72).await;
    setting.live(120).await;
    round(&setting.ledger, &setting.pool, setting.ledger.now()).await.unwrap();
    let owner = setting.database.pool(Role::Owner, 1).await.unwrap();
    let (account, position): (uuid::Uuid, i64) =
        sqlx::query_as("SELECT account, position FROM ledger.state_digest ORDER BY account LIMIT 1")
            .fetch_one(&owner)
            .await
            .unwrap();
    // As another version of the code would have left it: another digest, sealed by the program.
    let other = [9_u8; 32];
    let program = "0.0.9";
    let sealed = format!("{account}|{position}|{}|{program}", hex::encode(other));
    let seal = setting.ledger.lookup_hash("state-digest", &sealed);
    sqlx::query("UPDATE ledger.state_digest SET digest = $2, seal = $3, program = $4 WHERE account = $1")
        .bind(account)
        .bind(other)
        .bind(seal)
        .bind(program)
        .execute(&owner)
        .await
        .unwrap();
    let found = checked(&setting).await;
    let [drifted] = &found.differing[..] else { panic!("{found:?}") };
    assert_eq!((drifted.account.0, drifted.finding, drifted.program.as_str()), (account, Finding::Drifted, program));
    assert!(found.text(Language::Fr).contains("DÉRIVE") && found.text(Language::En).contains("DRIFT"));
    // The same by somebody without the key.
    let change = "UPDATE ledger.state_digest SET digest = sha256('') WHERE account = $1";
    sqlx::query(change).bind(account).execute(&owner).await.unwrap();
    let found = checked(&setting).await;
    let [tampered] = &found.differing[..] else { panic!("{found:?}") };
    assert_eq!(tampered.finding, Finding::Tampered);
    assert!(
        sqlx::query(change).bind(account).execute(&setting.pool).await.is_err(),
        "not even the service changes one"
    );
}
