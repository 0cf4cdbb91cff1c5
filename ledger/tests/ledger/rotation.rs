//! Another master key, while everything runs.

use crate::support::{Club, ClubEvent, context, id, instance, joined, owner, subject};
use chrono::Utc;
use domain::ids::SecretId;
use futures::future::join_all;
use ledger::postgres::testing::fresh_database;
use ledger::{Ledger, MasterKeys, MasterSource, OutboxMessage, RotationError, SealError, Unit, VaultChange};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;
use zeroize::Zeroizing;

fn file(path: &Path) -> MasterKeys {
    MasterKeys::from_source(MasterSource::File(path.to_owned())).unwrap()
}

/// A member joins, with a secret and a message; the stream's id and the secret's.
async fn join(ledger: &Ledger, name: &str) -> (String, SecretId) {
    let (club, secret) = (id(), SecretId(Uuid::new_v4()));
    let message = OutboxMessage {
        id: Uuid::new_v4(),
        channel: "sms",
        body: Zeroizing::new(name.as_bytes().to_vec()),
        not_before: Utc::now(),
        not_after: None,
        replaces: None,
    };
    let unit = Unit::new(context())
        .stream::<Club>(&club, 0, vec![ClubEvent::Opened { number: 1 }, joined(subject(), name)])
        .vault(VaultChange::Put {
            id: secret,
            kind: "password",
            secret: Zeroizing::new(name.as_bytes().to_vec()),
            expires_at: None,
        })
        .outbox(message);
    ledger.append(unit).await.unwrap();
    (club, secret)
}

async fn join_at(ledger: &Ledger, n: u32) -> (String, SecretId) {
    join(ledger, &format!("Fictive {n}")).await
}

async fn assert_readable(ledger: &Ledger, all: &[(String, SecretId)]) {
    for (club, secret) in all {
        let club = ledger.load::<Club>(club).await.unwrap().aggregate;
        assert!(club.names[0].is_some());
        let secret = ledger.vault_get(*secret, Utc::now()).await.unwrap().unwrap();
        assert_eq!(std::str::from_utf8(&secret.secret).unwrap(), club.names[0].as_deref().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_at_work_follow_a_rotation_and_the_old_key_opens_nothing_more() {
    let (database, dir) = (fresh_database().await, tempfile::tempdir().unwrap());
    let path = dir.path().join("master.key");
    let at_work = instance(&database, file(&path)).await;
    at_work.check_master().await.unwrap();
    let mut all = join_all((0..700).map(|n| join_at(&at_work, n))).await;
    let old = std::fs::read(&path).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (busy, until) = (at_work.clone(), stop.clone());
    let work = tokio::spawn(async move {
        let mut joined = Vec::new();
        while !until.load(Ordering::Relaxed) {
            joined.push(join(&busy, "Pendant").await);
        }
        joined
    });
    let operator = instance(&database, file(&path)).await;
    let rotated = operator.rotate_master(false, |_| {}).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    all.extend(work.await.unwrap());
    assert!(rotated.renewed >= 2_100, "{rotated:?}");
    assert_eq!(std::fs::read(rotated.old_file.unwrap()).unwrap(), old);
    assert_ne!(std::fs::read(&path).unwrap(), old);
    assert!(!dir.path().join("master.key.next").exists());
    assert_readable(&at_work, &all).await;
    // A program that starts with the new key alone reads everything; one with the old key is turned away.
    let fresh = instance(&database, file(&path)).await;
    assert_readable(&fresh, &all).await;
    assert_eq!(fresh.outbox_claim("sms", 10_000, Utc::now(), Utc::now()).await.unwrap().len(), all.len());
    let late = dir.path().join("late.key");
    std::fs::write(&late, &old).unwrap();
    std::fs::set_permissions(&late, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let pool = database.pool(ledger::postgres::Role::Service, 4).await.unwrap();
    let refused = Ledger::open(pool, file(&late)).await.err().unwrap();
    assert!(matches!(refused, ledger::ReadError::Seal(SealError::OtherMaster { .. })), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_cut_off_anywhere_goes_on() {
    let (database, dir) = (fresh_database().await, tempfile::tempdir().unwrap());
    let path = dir.path().join("master.key");
    let first = instance(&database, file(&path)).await;
    let mut all = join_all((0..1_200).map(|n| join_at(&first, n))).await;
    first.close().await;
    // Cut off in the middle of the first pass.
    let cut_off = instance(&database, file(&path)).await;
    let rotation = cut_off.clone();
    let (told, mut seen) = tokio::sync::watch::channel(0_u64);
    let rotating =
        tokio::spawn(async move { rotation.rotate_master(false, |rows| told.send_modify(|seen| *seen += rows)).await });
    seen.wait_for(|seen| *seen > 500).await.unwrap();
    rotating.abort();
    let _ = rotating.await;
    cut_off.close().await;
    let between = instance(&database, file(&path)).await;
    assert_readable(&between, &all).await;
    all.push(join(&between, "Entre-temps").await);
    between.close().await;
    let last = instance(&database, file(&path)).await;
    let done = last.rotate_master(false, |_| {}).await.unwrap();
    assert_eq!(done.ended_before, None);
    assert_readable(&last, &all).await;
    // Called again it makes no third key: it looks whether anything is left under the old one.
    let key = std::fs::read(&path).unwrap();
    let looked = last.rotate_master(false, |_| {}).await.unwrap();
    assert!(looked.renewed == 0 && looked.ended_before.is_some() && looked.sealing == done.sealing, "{looked:?}");
    assert_eq!(std::fs::read(&path).unwrap(), key);
    // A program that slept through the rotation writes with the old key: the next look finds and mends it.
    let old = file(&path.with_extension("key.old"));
    let owner = owner(&database).await;
    let (id, body): (Uuid, Vec<u8>) =
        sqlx::query_as("SELECT id, body FROM vault.secret LIMIT 1").fetch_one(&owner).await.unwrap();
    let context = format!("vault/password/{id}");
    let secret = last.master().open_secret(&context, &body).unwrap();
    let late = sqlx::query("UPDATE vault.secret SET body = $2 WHERE id = $1").bind(id);
    late.bind(old.seal_secret(&context, &secret).unwrap()).execute(&owner).await.unwrap();
    assert_eq!(last.rotate_master(false, |_| {}).await.unwrap().renewed, 1);
    assert_readable(&last, &all).await;
    let again = last.rotate_master(true, |_| {}).await.unwrap();
    assert!(again.renewed >= 3_603, "and once more, on demand, to a third key: {again:?}");
    assert_ne!(std::fs::read(&path).unwrap(), key);
    assert_readable(&last, &all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_left_behind_and_a_fixed_key_says_what_to_do() {
    let (database, dir) = (fresh_database().await, tempfile::tempdir().unwrap());
    let path = dir.path().join("master.key");
    let operator = instance(&database, file(&path)).await;
    let hex: String = std::fs::read(&path).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    // Started with the key in its environment: it can't learn another.
    let fixed = instance(&database, MasterKeys::from_hex(&hex).unwrap()).await;
    let refused = operator.rotate_master(false, |_| {}).await.unwrap_err();
    assert!(matches!(refused, RotationError::LeftBehind(1)), "{refused}");
    let alone = fixed.rotate_master(false, |_| {}).await.unwrap_err();
    assert!(matches!(alone, RotationError::NoNewKey), "{alone}");
    let kept = join(&fixed, "Comme avant").await;
    assert_readable(&operator, std::slice::from_ref(&kept)).await;
    fixed.close().await;
    operator.rotate_master(false, |_| {}).await.unwrap();
    assert_readable(&operator, std::slice::from_ref(&kept)).await;
}

/// Two keys for ever from one place: a rotation goes to the second once, and never back.
#[tokio::test]
async fn a_key_that_was_in_force_is_never_taken_for_a_new_one() {
    let database = fresh_database().await;
    let (one, two) = ("0f".repeat(64), format!("{}{}", "1e".repeat(32), "0f".repeat(32)));
    let both = || MasterKeys::from_hex(&format!("{one} {two}")).unwrap();
    let first = instance(&database, both()).await;
    let member = join(&first, "Fictive").await;
    let rotated = first.rotate_master(false, |_| {}).await.unwrap();
    assert_eq!(rotated.sealing, MasterKeys::from_hex(&two).unwrap().names()[0]);
    first.close().await;
    let later = instance(&database, both()).await;
    for another in [false, true] {
        let looked = later.rotate_master(another, |_| {}).await.unwrap();
        assert!(looked.ended_before.is_some() && looked.sealing == rotated.sealing, "{looked:?}");
    }
    assert_readable(&later, &[member]).await;
}

#[test]
fn a_command_prints_one_key_or_two_and_says_what_is_wrong() {
    let command = |script: &str| {
        MasterKeys::from_source(MasterSource::Command(vec!["/bin/sh".into(), "-c".into(), script.into()]))
    };
    let (one, two) = ("0f".repeat(64), format!("{}{}", "1e".repeat(32), "0f".repeat(32)));
    let keys = command(&format!("echo {one}; echo {two}")).unwrap();
    assert_eq!(keys.names().len(), 2);
    assert_eq!(keys.names()[0], MasterKeys::from_hex(&one).unwrap().names()[0]);
    let other_lookup = "1e".repeat(64);
    for (script, expected) in [
        ("exit 3".to_owned(), "exit status: 3"),
        ("echo nothing".to_owned(), "128 hexadecimal digits"),
        (format!("echo {one}; echo {other_lookup}"), "different look-up keys"),
    ] {
        let refused = command(&script).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert!(!refused.contains(&one));
    }
    let missing = MasterKeys::from_source(MasterSource::Command(vec!["/nowhere/key".into()])).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/key"));
}

#[tokio::test]
async fn a_name_tells_nothing_of_its_key_and_stands_in_the_database() {
    let (database, dir) = (fresh_database().await, tempfile::tempdir().unwrap());
    let ledger = instance(&database, file(&dir.path().join("master.key"))).await;
    ledger.check_master().await.unwrap();
    ledger.check_master().await.unwrap();
    let name: String =
        sqlx::query_scalar("SELECT sealing FROM keys.master_key").fetch_one(&owner(&database).await).await.unwrap();
    assert_eq!(vec![name], ledger.master().names());
}
