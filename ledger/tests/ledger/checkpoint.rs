//! Checkpoints: signed once there is something to sign, kept outside, refused where the tree does not extend the kept
//! one, recovered from on purpose only.

use crate::support::*;
use ledger::checkpoint::{
    Checkpoints, Health, Keep, KeySource, Published, RecoverError, Refusal, Settings, SignedCheckpoint, SigningKey,
    State, origin_of, recover,
};
use ledger::tree::TlogProof;
use ledger::{Ledger, Unit};
use sqlx::Executor;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

pub const ORIGIN: &str = "ecole.example.org/log";

/// An institution's checkpoint settings, with key and kept checkpoint in a directory.
pub fn settings(dir: &Path) -> Settings {
    Settings {
        origin: ORIGIN.to_owned(),
        key: KeySource::File(dir.join("checkpoint.key")),
        keep: Keep::File(dir.join("checkpoint.last")),
        every: Duration::from_millis(10),
        witnesses: Vec::new(),
        threshold: 0,
        timestamps: None,
    }
}

/// Records so many events.
pub async fn visits(ledger: &Ledger, count: usize) {
    ledger
        .append(Unit::new(context()).stream::<Club>(&id(), 0, (0..count).map(|_| visited()).collect()))
        .await
        .unwrap();
}

/// Waits until the health is as wanted.
pub async fn until(checkpoints: &Checkpoints, wanted: impl FnMut(&Health) -> bool) -> Health {
    let mut health = checkpoints.health();
    let found = tokio::time::timeout(Duration::from_secs(20), health.wait_for(wanted)).await;
    found.expect("it comes to that").unwrap().clone()
}

/// Signs the tree as it is, and stops.
async fn sign(ledger: &Ledger, settings: &Settings) -> Published {
    let checkpoints = Checkpoints::start(ledger.clone(), settings.clone()).unwrap();
    let size = ledger.size();
    until(&checkpoints, |health| health.size == Some(size)).await;
    checkpoints.stop().await;
    ledger.published_checkpoint().await.unwrap().unwrap()
}

/// Lets a service try, and tells why it does not sign.
async fn alert(ledger: &Ledger, settings: &Settings) -> (State, String) {
    let checkpoints = Checkpoints::start(ledger.clone(), settings.clone()).unwrap();
    let health = until(&checkpoints, |health| health.alert.is_some()).await;
    checkpoints.stop().await;
    (health.state, health.alert.unwrap())
}

async fn key(settings: &Settings) -> SigningKey {
    settings.key.open(false).await.unwrap()
}

async fn started() -> (Ledger, ledger::postgres::testing::TestDatabase, TempDir) {
    let (ledger, database) = ledger().await;
    (ledger, database, tempfile::tempdir().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_appended_is_soon_signed_kept_and_provable() {
    let (ledger, _database, dir) = started().await;
    let settings = settings(dir.path());
    let checkpoints = Checkpoints::start(ledger.clone(), settings.clone()).unwrap();
    assert_eq!(ledger.published_checkpoint().await.unwrap(), None);
    visits(&ledger, 3).await;
    until(&checkpoints, |health| health.size == Some(3)).await;
    let log = key(&settings).await.verifier(ORIGIN);
    let old = SignedCheckpoint::verify(&ledger.published_checkpoint().await.unwrap().unwrap().text, &log).unwrap();
    visits(&ledger, 700).await;
    until(&checkpoints, |health| health.size == Some(703) && health.state == State::Signing).await;
    let published = ledger.published_checkpoint().await.unwrap().unwrap();
    assert_eq!(settings.keep.load().await.unwrap().as_ref(), Some(&published.text));
    let signed = SignedCheckpoint::verify(&published.text, &log).unwrap();
    assert_eq!((signed.size, signed.root), ledger.root().await.unwrap());
    let consistency = ledger.tree().consistency_proof(3, 703).await.unwrap();
    ledger::tree::verify_consistency((old.size, old.root), (signed.size, signed.root), &consistency).unwrap();
    // An event, its leaf and the proof that an auditor keeps.
    let inclusion = ledger.tree().inclusion_proof(600, 703).await.unwrap();
    let proof = TlogProof { extra: None, index: 600, hashes: inclusion.hashes, checkpoint: published.text };
    let read: TlogProof = proof.to_string().parse().unwrap();
    assert_eq!(read, proof);
    let leaf = ledger.read_positions_as::<ClubEvent>(&[600]).await.unwrap()[0].leaf;
    assert_eq!(read.verify(leaf, &log).unwrap(), signed);
    assert!(read.verify([0; 32], &log).is_err());
    checkpoints.stop().await;
}

#[tokio::test]
async fn a_day_has_its_checkpoint() {
    let (ledger, _database, dir) = started().await;
    visits(&ledger, 2).await;
    let first = sign(&ledger, &settings(dir.path())).await;
    visits(&ledger, 2).await;
    sign(&ledger, &settings(dir.path())).await;
    let today = ledger.now().date_naive();
    let daily = ledger.daily_checkpoint(today).await.unwrap().unwrap();
    assert_eq!((daily.day, daily.size, &daily.text), (today, 2, &first.text));
    assert_eq!(daily.token, None);
    assert_eq!(ledger.daily_checkpoint(today - chrono::Days::new(1)).await.unwrap(), None);
}

#[tokio::test]
async fn one_instance_signs_and_another_takes_over() {
    let (first, database, dir) = started().await;
    let second = instance(&database, first.master().clone()).await;
    visits(&first, 1).await;
    let settings = settings(dir.path());
    let leader = Checkpoints::start(first.clone(), settings.clone()).unwrap();
    until(&leader, |health| health.size == Some(1)).await;
    let other = Checkpoints::start(second.clone(), settings).unwrap();
    until(&other, |health| health.state == State::Standby).await;
    visits(&second, 1).await;
    until(&leader, |health| health.size == Some(2)).await;
    assert_eq!(other.health().borrow().size, None);
    leader.stop().await;
    visits(&second, 1).await;
    until(&other, |health| health.size == Some(3)).await;
    other.stop().await;
}

#[tokio::test]
async fn a_restored_old_backup_is_refused_and_served_from() {
    let (ledger, _database, dir) = started().await;
    visits(&ledger, 5).await;
    let settings = settings(dir.path());
    let before = sign(&ledger, &settings).await;
    // The old backup: a ledger with fewer events.
    let (restored, _other) = crate::support::ledger().await;
    visits(&restored, 3).await;
    let (state, alert_text) = alert(&restored, &settings).await;
    assert_eq!(state, State::Refused);
    let (kept_root, found_root) = (ledger.root().await.unwrap().1, restored.root().await.unwrap().1);
    for part in ["3 events", "5 events", &hex::encode(kept_root), &hex::encode(found_root), "checkpoint recover"] {
        assert!(alert_text.contains(part), "{part:?} in {alert_text}");
    }
    assert_eq!(settings.keep.load().await.unwrap(), Some(before.text.clone()));
    assert_eq!(restored.published_checkpoint().await.unwrap(), None);
    // Work goes on, and still nothing is signed: the history is another.
    visits(&restored, 10).await;
    let (state, alert_text) = alert(&restored, &settings).await;
    assert_eq!(state, State::Refused);
    let now = restored.tree().root(5).await.unwrap();
    assert!(alert_text.contains("13 events") && alert_text.contains(&hex::encode(now)), "{alert_text}");
    assert_eq!(settings.keep.load().await.unwrap(), Some(before.text));
}

#[tokio::test]
async fn recovery_is_deliberate_recorded_and_begins_another_log() {
    let (ledger, _database, dir) = started().await;
    visits(&ledger, 5).await;
    let settings = settings(dir.path());
    assert!(matches!(recover(&ledger, &settings, "why not").await, Err(RecoverError::Needless)));
    let lost = sign(&ledger, &settings).await;
    assert!(matches!(recover(&ledger, &settings, "why not").await, Err(RecoverError::Needless)));
    let (restored, _other) = crate::support::ledger().await;
    visits(&restored, 3).await;
    // The running service takes notice by itself.
    let checkpoints = Checkpoints::start(restored.clone(), settings.clone()).unwrap();
    until(&checkpoints, |health| health.state == State::Refused).await;
    assert!(matches!(recover(&restored, &settings, "  ").await, Err(RecoverError::NoReason)));
    let recovered = recover(&restored, &settings, "disk lost, backup of last night").await.unwrap();
    assert_eq!((recovered.origin.as_str(), recovered.size), ("ecole.example.org/log/2", 3));
    until(&checkpoints, |health| health.state == State::Signing && health.size == Some(3)).await;
    visits(&restored, 1).await;
    until(&checkpoints, |health| health.size == Some(4)).await;
    checkpoints.stop().await;
    let published = restored.published_checkpoint().await.unwrap().unwrap();
    assert_eq!(published.generation, 2);
    let log = recovered.key.parse().unwrap();
    assert_eq!(SignedCheckpoint::verify(&published.text, &log).unwrap().size, 4);
    let recorded = restored.recoveries().await.unwrap();
    assert_eq!(recorded.len(), 1);
    assert_eq!((recorded[0].size, recorded[0].kept.as_str()), (3, lost.text.as_str()));
    assert_eq!(recorded[0].reason, "disk lost, backup of last night");
    // A second restore, from before the recovery was recorded: the kept checkpoint knows that there was one.
    let (again, _third) = crate::support::ledger().await;
    visits(&again, 2).await;
    assert_eq!(alert(&again, &settings).await.0, State::Refused);
    let recovered = recover(&again, &settings, "once more").await.unwrap();
    assert_eq!(recovered.origin, origin_of(ORIGIN, 3));
    assert_eq!(sign(&again, &settings).await.generation, 3);
}

#[tokio::test]
async fn neither_a_lost_key_nor_a_lost_checkpoint_is_replaced_silently() {
    let (ledger, _database, dir) = started().await;
    visits(&ledger, 2).await;
    let settings = settings(dir.path());
    sign(&ledger, &settings).await;
    let (key_file, kept_file) = (dir.path().join("checkpoint.key"), dir.path().join("checkpoint.last"));
    let saved = std::fs::read(&key_file).unwrap();
    std::fs::remove_file(&key_file).unwrap();
    assert_eq!(alert(&ledger, &settings).await.0, State::Failing);
    assert!(!key_file.exists());
    // Another key in its place is noticed too.
    ledger::checkpoint::KeySource::File(key_file.clone()).open(true).await.unwrap();
    let (state, text) = alert(&ledger, &settings).await;
    assert!(state == State::Refused && text.contains("not signed by"), "{text}");
    std::fs::write(&key_file, saved).unwrap();
    let kept = std::fs::read(&kept_file).unwrap();
    std::fs::remove_file(&kept_file).unwrap();
    let (state, text) = alert(&ledger, &settings).await;
    assert!(state == State::Refused && text.contains("is missing"), "{text}");
    assert!(!kept_file.exists());
    std::fs::write(&kept_file, kept).unwrap();
    visits(&ledger, 1).await;
    assert_eq!(sign(&ledger, &settings).await.size, 3);
}

#[tokio::test]
async fn changed_leaves_and_a_changed_head_are_refused() {
    let (ledger, database, dir) = started().await;
    visits(&ledger, 4).await;
    let settings = settings(dir.path());
    sign(&ledger, &settings).await;
    visits(&ledger, 4).await;
    let owner = owner(&database).await;
    owner.execute("UPDATE ledger.head SET root = sha256('x'), revision = revision + 1").await.unwrap();
    let (state, text) = alert(&ledger, &settings).await;
    assert!(state == State::Refused && text.contains("head"), "{text}");
    owner
        .execute(
            "ALTER TABLE ledger.event DISABLE TRIGGER append_only; \
             UPDATE ledger.event SET leaf = sha256('x') WHERE position = 1",
        )
        .await
        .unwrap();
    let (state, text) = alert(&ledger, &settings).await;
    assert!(state == State::Refused && text.contains("does not extend"), "{text}");
}

#[tokio::test]
async fn what_was_kept_before_a_crash_is_published_after_it() {
    let (ledger, database, dir) = started().await;
    visits(&ledger, 4).await;
    let settings = settings(dir.path());
    let published = sign(&ledger, &settings).await;
    let owner = owner(&database).await;
    owner.execute("ALTER TABLE ledger.checkpoint DISABLE TRIGGER stays; DELETE FROM ledger.checkpoint").await.unwrap();
    assert_eq!(sign(&ledger, &settings).await.text, published.text);
}

#[tokio::test]
async fn what_is_published_only_advances() {
    let (ledger, database, dir) = started().await;
    visits(&ledger, 4).await;
    sign(&ledger, &settings(dir.path())).await;
    let service = database.pool(ledger::postgres::Role::Service, 1).await.unwrap();
    for statement in [
        "UPDATE ledger.checkpoint SET size = 3",
        "DELETE FROM ledger.checkpoint",
        "UPDATE ledger.daily_checkpoint SET note = ''",
        "DELETE FROM ledger.daily_checkpoint",
        "INSERT INTO ledger.recovery VALUES (2, now(), '', '', 0, sha256('')); DELETE FROM ledger.recovery",
    ] {
        assert!(service.execute(statement).await.is_err(), "{statement}");
    }
}

#[test]
fn a_refusal_names_both_trees() {
    let head = |size, byte| ledger::checkpoint::Head { size, root: [byte; 32] };
    let refusal = Refusal::Forked { kept: head(5, 1), found: head(7, 2), now: [3; 32] }.to_string();
    for part in ["5 events", "7 events", &"01".repeat(32), &"02".repeat(32), &"03".repeat(32)] {
        assert!(refusal.contains(part), "{refusal}");
    }
}
