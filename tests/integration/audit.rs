//! An auditor's work, an erasure and a disaster, with the programs as built.

use crate::harness::{Place, Service, root};
use ledger::postgres::{Database, Role};
use school_files::sample::{DemoSet, write_demo};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Before the child moves, by the files.
const BEFORE: &str = "effective:2026-09-05T00:00:00Z";

/// A place with two schools' children, of whom one has moved.
async fn settled() -> (Place, Service, DemoSet) {
    let place = Place::new();
    let service = place.serve().await;
    let demo = write_demo(&place.files().join("exports")).expect("the demonstration's files are written");
    for files in [&demo.files, &demo.transfer_files] {
        let output = place.command("matricule").arg("import").args(files).output().expect("the import runs");
        assert!(output.status.success(), "{}", said(&output));
    }
    (place, service, demo)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn json(place: &Place, args: &[&str]) -> Value {
    let output = place.command("matricule-replay").args(args).arg("--json").output().expect("it runs");
    assert!(output.status.success(), "{args:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{args:?} answers JSON:\n{}", said(&output)))
}

/// The account of the pupil who moved.
fn moved(place: &Place) -> String {
    let transfers = json(place, &["events", "--type", "PupilTransferred"]);
    let pupil = transfers["events"][0]["stream_id"].as_str().expect("somebody moved").to_owned();
    let opened = json(place, &["events", "--type", "AccountOpened"]);
    let opened = opened["events"].as_array().expect("events");
    let its = |event: &&Value| event["payload"]["AccountOpened"]["holder"]["pupil"] == pupil.as_str();
    opened.iter().find(its).expect("every pupil has an account")["stream_id"].as_str().expect("an id").to_owned()
}

/// The built-in verifier and the one in Python, on the same bundle; both must end alike.
fn verify(place: &Place, bundle: &Path, keys: &[&str]) -> (Option<i32>, String) {
    let keys: Vec<&str> = keys.iter().flat_map(|key| ["--vkey", key]).collect();
    let own = place.command("matricule-replay").arg("verify").arg(bundle).args(&keys).output().expect("it runs");
    let program = root().join("replay/verifier/matricule_verify.py");
    let other = Command::new("python3").arg(program).arg(bundle).args(&keys).output().expect("python3 runs");
    assert_eq!(own.status.code(), other.status.code(), "{}\n{}", said(&own), said(&other));
    (own.status.code(), said(&own))
}

/// A bundle of the account with every event under a checkpoint: the service signs once a second.
fn bundle(place: &Place, account: &str, name: &str, key: &str) -> PathBuf {
    let patience = Instant::now() + Duration::from_secs(60);
    for attempt in 0.. {
        let file = place.files().join(format!("{name}-{attempt}.zip"));
        let path = file.to_str().expect("paths are UTF-8");
        place.run("matricule-replay", ["export", account, "--for", "contrôle annuel", "--out", path]);
        if verify(place, &file, &[key]).0 != Some(3) {
            return file;
        }
        assert!(Instant::now() < patience, "no checkpoint covers the events");
    }
    unreachable!("it ends by its patience")
}

/// A copy of a bundle in which one event says something else.
fn tampered(place: &Place, bundle: &Path) -> PathBuf {
    const CHANGE: &str = r#"
import sys, zipfile
source, target = sys.argv[1:]
done = False
with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
    for name in old.namelist():
        data = old.read(name)
        if name.endswith(".json") and name.startswith("events/") and not done:
            data, done = data.replace(b'"actor": "import:', b'"actor": "import:0'), True
        new.writestr(name, data)
"#;
    let target = place.files().join("tampered.zip");
    let changed = Command::new("python3").args(["-c", CHANGE]).arg(bundle).arg(&target).status().expect("python3 runs");
    assert!(changed.success());
    target
}

/// The folder behind a word at the beginning of a line.
fn folder(told: &str, word: &str) -> String {
    let line = told.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_else(|| panic!("no {word} in {told}"));
    line.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_questions_exports_and_verifies() {
    let (place, _service, demo) = settled().await;
    let account = &moved(&place);
    let (college, other) = (demo.college.uai.to_string(), demo.other_college.uai.to_string());

    // Both clocks: what held in September, and what had been recorded before the second file.
    let school = |state: &Value| state["pupil"]["enrolments"][0]["establishment"].as_str().unwrap_or("–").to_owned();
    assert_eq!(school(&json(&place, &["state", account])), other);
    assert_eq!(school(&json(&place, &["state", account, "--at", BEFORE])), college);
    let left = json(&place, &["events", "--type", "PupilDeparted"]);
    let position = left["events"][0]["position"].as_u64().expect("a position");
    let earlier = (position - 1).to_string();
    assert_eq!(school(&json(&place, &["state", account, "--at", &earlier])), college);

    let history = json(&place, &["history", account]);
    let before = json(&place, &["history", account, "--at", BEFORE]);
    let count = |told: &Value| told["events"].as_array().map_or(0, Vec::len);
    assert!(count(&history) > count(&before) && count(&before) > 0);
    assert_eq!(before["as_of"]["effective_at"], "2026-09-05T00:00:00Z");

    let told = place.run("matricule-replay", ["explain", account, "establishment", "--language", "fr"]);
    for sentence in
        ["en vigueur", "Par       l’import", "Pour      personne d’autre", "Règles    n° 1", &other, "Zoé", "--at "]
    {
        assert!(told.contains(sentence), "no `{sentence}` in:\n{told}");
    }
    let told = place.run("matricule-replay", ["diff", account, BEFORE, "effective:2026-10-01T00:00:00Z"]);
    assert!(told.contains(&college) && told.contains(&other), "{told}");
    let swapped = place.try_run("matricule-replay", ["diff", account, "effective:2026-10-01T00:00:00Z", BEFORE]);
    assert!(!swapped.status.success() && said(&swapped).contains("earlier moment first"));
    // A filter that can't be applied is refused.
    let refused = place.try_run("matricule-replay", ["events", "--establishment", "0000001A"]);
    assert!(!refused.status.success(), "{}", said(&refused));
    place.run("matricule-replay", ["state", account, "--purpose", "demande 4711"]);
    let seen = place.run("matricule-replay", ["who-saw", account]);
    assert!(seen.contains("demande 4711") && seen.contains("operator:unix-"), "{seen}");
    let siem = place.run("matricule-replay", ["siem", "--from", "0"]);
    assert!(siem.lines().count() > 50 && siem.lines().all(|line| line.starts_with('{')), "{siem}");
    let checked = place.run("matricule-replay", ["check", "--language", "fr"]);
    assert!(checked.contains("checkpoint-signature") && checked.contains("non obtenue indépendamment"), "{checked}");

    // A bundle, and what two verifiers that share no code say of it.
    let key = place.run("matricule", ["checkpoint", "key"]);
    let key = key.trim();
    let whole = bundle(&place, account, "whole", key);
    let (code, told) = verify(&place, &whole, &[key]);
    assert!(code == Some(0) && told.contains("VERIFIED") && !told.contains("FAILED"), "{told}");
    let (code, told) = verify(&place, &whole, &[]);
    assert!(code == Some(4) && told.contains("not independently obtained"), "{told}");
    let other_key = key.replacen("localhost", "localhosu", 1);
    assert_eq!(verify_fails(&place, &whole, &other_key), Some(1));
    let changed = tampered(&place, &whole);
    let (code, told) = verify(&place, &changed, &[key]);
    assert!(code == Some(1) && told.contains("FAILED (entry"), "{told}");
    let again = whole.to_str().expect("paths are UTF-8");
    let kept = place.try_run("matricule-replay", ["export", account, "--for", "contrôle", "--out", again]);
    assert!(!kept.status.success(), "an existing file is never replaced");
    let aimless = place.try_run("matricule-replay", ["export", account]);
    assert!(!aimless.status.success() && said(&aimless).contains("--for"));
}

/// A key that is none, or is another's.
fn verify_fails(place: &Place, bundle: &Path, key: &str) -> Option<i32> {
    let output = place.command("matricule-replay").arg("verify").arg(bundle).args(["--vkey", key]).output();
    match output.expect("it runs").status.code() {
        Some(0 | 3 | 4) => None,
        _ => Some(1),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_erased_stays_erased_when_an_older_backup_comes_back() {
    let (place, service, _demo) = settled().await;
    let account = &moved(&place);
    let key = place.run("matricule", ["checkpoint", "key"]);
    let whole = bundle(&place, account, "before", key.trim());
    assert!(verify(&place, &whole, &[key.trim()]).1.contains("VERIFIED"));

    let (ledgers, keys) = (place.files().join("ledgers"), place.files().join("keys"));
    let (ledgers, keys) = (ledgers.to_str().expect("UTF-8"), keys.to_str().expect("UTF-8"));
    let taken = place.run("matricule", ["backup", "--ledger-dir", ledgers, "--keys-dir", keys]);
    let (ledger_half, keys_half) = (folder(&taken, "ledger "), folder(&taken, "keys "));

    let told = place.run("matricule", ["erase", account, "--reason", "own-request"]);
    assert!(told.contains("Nothing was erased"), "{told}");
    let told = place.run("matricule", ["erase", account, "--reason", "own-request", "--confirm"]);
    assert!(told.contains("Complete on"), "{told}");
    let erased = bundle(&place, account, "erased", key.trim());
    let (code, told) = verify(&place, &erased, &[key.trim()]);
    assert!(code == Some(0) && told.contains("ERASED (") && told.contains("VERIFIED"), "{told}");
    assert_eq!(json(&place, &["state", account])["pupil"]["name"], Value::Null);
    place.run("matricule-replay", ["check"]);
    service.stop();

    // Another machine, with the keys and the checkpoint that were kept apart.
    let target = Place::new();
    std::fs::create_dir_all(target.data_dir()).expect("a data directory");
    for file in ["master.key", "checkpoint.key", "checkpoint.last"] {
        std::fs::copy(place.data_dir().join(file), target.data_dir().join(file)).expect("kept apart");
    }
    let register = place.data_dir().join("erasures.register");
    let register = register.to_str().expect("UTF-8");
    let halves = ["restore", "--ledger", &ledger_half, "--keys", &keys_half];
    let restore = |more: &[&str]| target.command("matricule").args(halves).args(more).output().expect("it runs");
    let without = restore(&["--accept-loss"]);
    assert!(!without.status.success() && said(&without).contains("register"), "{}", said(&without));
    let older = restore(&["--register", register]);
    assert!(!older.status.success() && said(&older).contains("--accept-loss"), "{}", said(&older));
    let restored = restore(&["--register", register, "--accept-loss"]);
    assert!(
        restored.status.success() && said(&restored).contains("1 people who had been erased"),
        "{}",
        said(&restored)
    );
    assert_eq!(json(&target, &["state", account])["pupil"]["name"], Value::Null);
    assert_eq!(json(&target, &["state", account])["status"], "closed");

    // The history that was signed is given up in so many words, and every check names it from then on.
    let checked = target.try_run("matricule-replay", ["check"]);
    assert!(!checked.status.success() && said(&checked).contains("checkpoint-extends"), "{}", said(&checked));
    let recovered = target.run("matricule", ["checkpoint", "recover", "--reason", "disque perdu, sauvegarde reprise"]);
    assert!(recovered.contains("/2"), "{recovered}");
    let lost = place.data_dir().join("checkpoint.last");
    let lost = lost.to_str().expect("UTF-8");
    let checked = target.try_run("matricule-replay", ["check", "--kept", lost]);
    let told = said(&checked);
    assert!(checked.status.success() && told.contains("given up, not extended"), "{told}");
    assert!(told.contains("disque perdu"), "{told}");
    let service = target.serve().await;
    let page = reqwest::get(format!("{}/log/2/recovery", service.origin)).await;
    // Published once the service has signed as the new log.
    drop(page);
    assert_eq!(json(&target, &["state", account])["pupil"]["name"], Value::Null);
    service.stop();

    // Once the keys' half is gone, the ledger's half still proves what was recorded.
    let archive = Place::new();
    let restored = archive.run("matricule", ["restore", "--ledger", &ledger_half, "--without-keys"]);
    assert!(restored.contains("archive"), "{restored}");
    let checked = archive.run("matricule-replay", ["check"]);
    assert!(checked.contains("rchive without keys"), "{checked}");
    let refused = archive.try_run("matricule", ["serve"]);
    assert!(!refused.status.success() && said(&refused).contains("archive without keys"), "{}", said(&refused));
}

/// What the database says of the rotation: whether another key is announced, whether it seals.
async fn rotation(database: &Database) -> (bool, bool) {
    let pool = database.pool(Role::Owner, 1).await.expect("the database answers");
    let state = sqlx::query_as("SELECT also IS NOT NULL, switched FROM keys.master_key").fetch_one(&pool).await;
    pool.close().await;
    state.expect("a master key is in force")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_the_master_key_that_is_killed_goes_on_with_the_next_call() {
    let (place, _service, _demo) = settled().await;
    let account = &moved(&place);
    let name = json(&place, &["state", account])["pupil"]["name"].clone();
    assert!(name.is_string());
    let file = place.data_dir().join("master.key");
    let before = std::fs::read(&file).expect("the key file");
    let database = Database::attach(place.data_dir()).await.expect("the service's server");
    let patience = Instant::now() + Duration::from_secs(120);
    // Killed once the new key is announced, then once it seals.
    for reached in [(true, false), (true, true)] {
        let mut rotating = place
            .command("matricule")
            .args(["keys", "rotate-master"])
            .stdout(Stdio::null())
            .spawn()
            .expect("the rotation starts");
        while rotation(&database).await != reached {
            assert!(Instant::now() < patience, "{reached:?} is never reached");
            assert_eq!(rotating.try_wait().expect("it is ours"), None, "it ended before {reached:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rotating.kill().expect("killed");
        rotating.wait().expect("it is ours");
        assert_eq!(json(&place, &["state", account])["pupil"]["name"], name);
    }
    let told = place.run("matricule", ["keys", "rotate-master"]);
    assert!(told.contains("in force") && !told.contains("no rotation"), "{told}");
    let after = std::fs::read(&file).expect("the key file");
    assert_ne!(after, before);
    assert_eq!(std::fs::read(file.with_extension("key.old")).expect("the old one"), before);
    // The same call once more makes no third key.
    let told = place.run("matricule", ["keys", "rotate-master"]);
    assert!(told.contains("no rotation to go on with"), "{told}");
    assert_eq!(std::fs::read(&file).expect("the key file"), after);
    assert_eq!(json(&place, &["state", account])["pupil"]["name"], name);
    place.run("matricule-replay", ["check"]);
    database.close().await;
}
