//! Kills: of the service, of the server, of a first start; and what they leave behind.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use ledger::postgres::testing::TempDataDir;
use ledger::postgres::{Database, EmbeddedPostgres, Role, Source};

use super::child::Helper;
use super::{eventually, is_alive, kill_hard, remember, remembered};

#[tokio::test]
async fn a_killed_server_comes_back_and_the_pools_with_it() {
    let dir = TempDataDir::new();
    let source = Source::Embedded(dir.path().to_owned());
    let database = Database::open(source).await.unwrap();
    let pool = database.pool(Role::Owner, 4).await.unwrap();
    let ask = || sqlx::query_scalar::<_, i32>("SELECT 42").fetch_one(&pool);
    ask().await.unwrap();
    let server = database.server().unwrap();
    for _ in 0..3 {
        let killed = server.server_pid().unwrap();
        remember(server, killed).await;
        kill_hard(killed);
        eventually("a new server", || server.server_pid().is_some_and(|pid| pid != killed));
        // Each connection of before may fail once, however fresh it seems.
        let mut answer = ask().await;
        for _ in 0..4 {
            if answer.is_err() {
                answer = ask().await;
            }
        }
        assert_eq!(answer.unwrap(), 42);
        assert!(remembered(server).await.contains(&killed));
    }
    pool.close().await;
    database.close().await;
}

#[tokio::test]
async fn a_killed_service_leaves_a_directory_that_starts_at_once() {
    let dir = TempDataDir::new();
    let mut service = Helper::start("serve", dir.path(), None);
    let left: i32 = service.report().parse().unwrap();
    service.kill_hard();
    // Without waiting for the old server, which may still be shutting down.
    let server = EmbeddedPostgres::start(dir.path()).unwrap();
    remember(&server, 7).await;
    assert_ne!(server.server_pid(), Some(left));
    assert_eq!(remembered(&server).await, [7]);
}

#[cfg(target_os = "linux")] // elsewhere a shell does it: see the watchdog's own tests
#[tokio::test]
async fn a_killed_service_takes_its_server_with_it() {
    let dir = TempDataDir::new();
    let mut service = Helper::start("serve", dir.path(), None);
    let server: i32 = service.report().parse().unwrap();
    assert!(is_alive(server));
    service.kill_hard();
    let pid_file = dir.path().join("pg/postmaster.pid");
    eventually("an orderly shutdown", || !pid_file.exists());
}

#[tokio::test]
async fn service_and_server_killed_together_recover() {
    let dir = TempDataDir::new();
    let mut service = Helper::start("serve", dir.path(), None);
    let server: i32 = service.report().parse().unwrap();
    kill_hard(server);
    service.kill_hard();
    let server = EmbeddedPostgres::start(dir.path()).unwrap();
    remember(&server, 1).await;
}

#[tokio::test]
async fn a_first_start_killed_half_way_is_started_afresh() {
    let dir = TempDataDir::new();
    for file in ["", "PG_VERSION", "global/pg_control", "base/1/PG_VERSION"] {
        let mut service = Helper::start("first start", dir.path(), None);
        service.report();
        let new = dir.path().join(format!("pg.new.{}", service.id())).join(file);
        eventually("it is under way", || new.exists() || dir.path().join("pg").exists());
        service.kill_hard();
    }
    let server = EmbeddedPostgres::start(dir.path()).unwrap();
    remember(&server, 1).await;
}

/// As after a restart of a container, where process ids begin anew.
#[tokio::test]
async fn a_stale_pid_file_that_names_a_stranger_does_not_matter() {
    let dir = TempDataDir::new();
    EmbeddedPostgres::start(dir.path()).unwrap().stop();
    let cluster = dir.path().join("pg");
    let owner = cluster.metadata().unwrap();
    let mut stranger = Command::new("sleep")
        .arg("600")
        .uid(owner.uid()) // PostgreSQL minds only processes of its own user
        .gid(owner.gid())
        .spawn()
        .unwrap();
    let stale = format!("{}\n{}\n1700000000\n5432\n", stranger.id(), cluster.display());
    let pid_file = cluster.join("postmaster.pid");
    for text in [stale.as_str(), ""] {
        std::fs::write(&pid_file, text).unwrap();
        std::os::unix::fs::chown(&pid_file, Some(owner.uid()), Some(owner.gid())).unwrap();
        EmbeddedPostgres::start(dir.path()).unwrap().stop();
    }
    assert_eq!(stranger.try_wait().unwrap(), None, "the stranger is left alone");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

/// As where the kernel does not end the server with its owner.
#[tokio::test]
async fn a_left_over_server_is_stopped_and_replaced() {
    let dir = TempDataDir::new();
    let server = EmbeddedPostgres::start(dir.path()).unwrap();
    let program = format!("/proc/{}/exe", server.server_pid().unwrap());
    let Ok(program) = std::fs::read_link(program) else {
        return; // no /proc to find the program with
    };
    server.stop();
    let cluster = dir.path().join("pg");
    let owner = cluster.metadata().unwrap();
    let config = dir.path().join("conf/postgresql.conf");
    let mut orphan = Command::new(program)
        .arg("-D")
        .arg(&cluster)
        .args(["-c", &format!("config_file={}", config.display())])
        .uid(owner.uid())
        .gid(owner.gid())
        .current_dir(&cluster)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid_file = cluster.join("postmaster.pid");
    eventually("the orphan is ready", || std::fs::read_to_string(&pid_file).is_ok_and(|text| text.contains("ready")));
    // Not waited for yet, so it stays a zombie once stopped: the other trap.
    let server = EmbeddedPostgres::start(dir.path()).unwrap();
    remember(&server, 1).await;
    assert!(orphan.wait().unwrap().success(), "it was stopped in order");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_tests_own_server_ends_with_the_test_process() {
    let anywhere = TempDataDir::new();
    for killed in [false, true] {
        let mut process = Helper::start("test database", anywhere.path(), None);
        let server: i32 = process.report().parse().unwrap();
        let dir = std::path::PathBuf::from(process.report());
        if killed {
            process.kill_hard();
        } else {
            process.ends_well();
        }
        eventually("its folder is removed", || !dir.exists());
        eventually("the server is gone", || !is_a_server(server));
    }
}

/// Whether the process runs: ended, it may stay a zombie where nobody waits for orphans.
#[cfg(target_os = "linux")]
fn is_a_server(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| !command.is_empty())
}
