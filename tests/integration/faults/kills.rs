//! Kills at random moments under load: whatever was acknowledged is there, once and whole.
//!
//! The load is this test's own binary, started again as a *writer*: it appends units over two streams each and
//! prints the command of every unit the ledger acknowledged. The test kills the writer, or the database server
//! under it, at a random moment, as often as the rounds say, and reads the ledger afterwards.

use super::{WHOLE, migrated, open, unit};
use crate::harness::Place;
use domain::event::Event;
use ledger::Ledger;
use ledger::postgres::{EmbeddedPostgres, Role};
use projections::Runner;
use rand::RngExt;
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Set in the writer's environment: the data directory.
const WRITER: &str = "MATRICULE_TEST_WRITER";
const WRITERS_AT_ONCE: usize = 12;
const ROUNDS: usize = 12;

/// Not a test of its own: what the writer does. Without its variable it has nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn writer() {
    let Some(dir) = std::env::var_os(WRITER).map(PathBuf::from) else { return };
    let (_database, ledger) = open(&dir).await;
    let append = async |ledger: Ledger| {
        loop {
            let (command, unit) = unit();
            // While the server is down the writer waits and goes on; only what is acknowledged counts.
            if ledger.append(unit).await.is_ok() {
                let line = format!("acknowledged {command}\n");
                std::io::stdout().write_all(line.as_bytes()).expect("someone listens");
            } else {
                tokio::task::yield_now().await;
            }
        }
    };
    for _ in 1..WRITERS_AT_ONCE {
        tokio::spawn(append(ledger.clone()));
    }
    append(ledger).await;
}

fn start_writer(dir: &Path) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "faults::kills::writer", "--nocapture", "--test-threads=1"])
        .env(WRITER, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the writer starts");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    (child, output)
}

/// Reads acknowledgements until `enough` have come or the writer is gone; says how many came.
fn acknowledged(output: &mut impl BufRead, enough: usize, into: &mut HashSet<String>) -> usize {
    let mut line = String::new();
    let mut read = 0;
    while read < enough {
        line.clear();
        if output.read_line(&mut line).unwrap_or(0) == 0 {
            break;
        }
        // libtest prints its own words on the same stream.
        if let Some((_, command)) = line.trim_end().split_once("acknowledged ") {
            into.insert(command.to_owned());
            read += 1;
        }
    }
    read
}

/// What was acknowledged is there, once and whole; positions are gapless; the tree and the views hold.
async fn examine(dir: &Path, acknowledged: &HashSet<String>) {
    let (database, ledger) = open(dir).await;
    let mut events = HashMap::<String, Vec<&'static str>>::new();
    let mut next = 0;
    loop {
        let page = ledger.read(next, 2_000).await.expect("the ledger reads");
        if page.is_empty() {
            break;
        }
        for event in page {
            assert_eq!(event.position, next, "positions are gapless");
            next += 1;
            let kind = match event.event {
                Event::Guardian(_) => "guardian",
                Event::Account(_) => "account",
                other => panic!("nobody wrote {other:?}"),
            };
            events.entry(event.command.to_string()).or_default().push(kind);
        }
    }
    for (command, kinds) in &events {
        assert_eq!(kinds[..], WHOLE, "command {command} landed once and whole");
    }
    for command in acknowledged {
        assert!(events.contains_key(command), "acknowledged command {command} is lost");
    }
    ledger.verify(|_| {}).await.expect("the tree holds");
    let pool = database.pool(Role::Service, 8).await.expect("a pool");
    let runner = Runner::start(ledger.clone(), pool).await.expect("the views are kept");
    if let Some(last) = next.checked_sub(1) {
        runner.views().caught_up(last, Duration::from_secs(120)).await.expect("the views catch up");
    }
    runner.stop().await;
    ledger.close().await;
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_killed_at_random_loses_nothing_it_acknowledged() {
    let place = Place::new();
    migrated(place.data_dir()).await;
    let server = EmbeddedPostgres::start(place.data_dir()).expect("the server starts");
    let mut all = HashSet::new();
    for _ in 0..ROUNDS {
        let (mut writer, mut output) = start_writer(place.data_dir());
        let enough = rand::rng().random_range(1..120);
        assert_eq!(acknowledged(&mut output, enough, &mut all), enough, "the writer works until it is killed");
        writer.kill().expect("the writer is ours");
        writer.wait().expect("it ends");
        acknowledged(&mut output, usize::MAX, &mut all);
    }
    println!("{ROUNDS} kills of the writer, {} acknowledged commands", all.len());
    assert!(all.len() >= ROUNDS);
    examine(place.data_dir(), &all).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_at_random_loses_nothing_acknowledged() {
    let place = Place::new();
    migrated(place.data_dir()).await;
    let server = EmbeddedPostgres::start(place.data_dir()).expect("the server starts");
    let mut all = HashSet::new();
    let (mut writer, mut output) = start_writer(place.data_dir());
    for _ in 0..ROUNDS {
        // More than what may already stand in the pipe from before the last kill: the server is back.
        let enough = rand::rng().random_range(4 * WRITERS_AT_ONCE..20 * WRITERS_AT_ONCE);
        assert_eq!(acknowledged(&mut output, enough, &mut all), enough, "the writer goes on");
        let pid = rustix::process::Pid::from_raw(server.server_pid().expect("the server runs")).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the server runs until it is killed");
    }
    let last = 20 * WRITERS_AT_ONCE;
    assert_eq!(acknowledged(&mut output, last, &mut all), last, "the last kill is survived too");
    writer.kill().expect("the writer is ours");
    writer.wait().expect("it ends");
    acknowledged(&mut output, usize::MAX, &mut all);
    println!("{ROUNDS} kills of PostgreSQL, {} acknowledged commands", all.len());
    examine(place.data_dir(), &all).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_and_an_import_killed_in_the_middle_go_on_where_they_stopped() {
    let place = Place::new();
    place.run("matricule", ["sample", "--pupils", "1500", "--seed", "11", "--out", "exports"]);
    let files = exports(&place.files().join("exports"));
    let service = place.serve().await;
    let import = || {
        let mut command = place.command("matricule");
        command.arg("import").args(&files).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut first = import().spawn().expect("the import starts");
    // In the middle: something of it is in the ledger, and it goes on.
    let (database, ledger) = open(place.data_dir()).await;
    while ledger.read(200, 1).await.expect("the ledger reads").is_empty() {
        assert!(first.try_wait().expect("it is ours").is_none(), "the import ended before it could be killed");
        tokio::task::yield_now().await;
    }
    ledger.close().await;
    database.close().await;
    assert!(first.try_wait().expect("it is ours").is_none(), "the import ended before it could be killed");
    first.kill().expect("it is ours");
    first.wait().expect("it ends");
    service.kill();
    let _service = place.serve().await;
    assert!(import().status().expect("the import runs").success());
    let once = place.run("matricule-replay", ["check"]);
    assert!(import().status().expect("the import runs").success());
    let twice = place.run("matricule-replay", ["check"]);
    let tree = |said: &str| said.lines().find(|line| line.contains("root")).map(str::to_owned);
    assert!(tree(&once).is_some(), "{once}");
    assert_eq!(tree(&twice), tree(&once), "the second import adds nothing");
}

/// All files below a directory.
fn exports(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("the exports are there").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.into_iter().chain(folders.iter().flat_map(|folder| exports(folder))).collect()
}
