//! First start, restart, refusals.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use ledger::postgres::testing::TempDataDir;
use ledger::postgres::{EmbeddedError, EmbeddedPostgres, Role};

use super::child::Helper;
use super::{connect, is_alive, remember, remembered, show};

#[tokio::test]
async fn starts_stops_and_starts_again_on_the_same_data() {
    let dir = TempDataDir::new();
    let server = EmbeddedPostgres::start(dir.path()).unwrap();
    let pid = server.server_pid().unwrap();
    remember(&server, 1).await;
    server.stop();
    assert!(!is_alive(pid));

    let server = EmbeddedPostgres::start(dir.path()).unwrap();
    remember(&server, 2).await;
    drop(server);

    let server = EmbeddedPostgres::start(dir.path()).unwrap();
    assert_eq!(remembered(&server).await, [1, 2]);
}

#[tokio::test]
async fn is_durable_private_and_never_root() {
    let dir = TempDataDir::new();
    let server = EmbeddedPostgres::start(dir.path()).unwrap();
    let mut owner = connect(&server, Role::Owner).await;
    for (setting, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("timezone", "UTC"),
    ] {
        assert_eq!(show(&mut owner, setting).await, value, "{setting}");
    }
    let ctype: String = sqlx::query_scalar("SELECT upper('é')").fetch_one(&mut owner).await.unwrap();
    assert_eq!(ctype, "É");
    let cluster = dir.path().join("pg").metadata().unwrap();
    assert_ne!(cluster.uid(), 0);
    assert_eq!(cluster.mode() & 0o077, 0);
    assert_eq!(dir.path().join("postgres.log").metadata().unwrap().mode() & 0o077, 0);
}

#[tokio::test]
async fn the_service_role_owns_nothing_and_cannot_become_the_owner() {
    let dir = TempDataDir::new();
    let server = EmbeddedPostgres::start(dir.path()).unwrap();
    remember(&server, 1).await;
    let mut service = connect(&server, Role::Service).await;
    for forbidden in [
        "SELECT * FROM remembered",
        "DROP TABLE remembered",
        "SET ROLE matricule_owner",
        "SET ROLE postgres",
        "CREATE TABLE public.mine ()",
        "CREATE DATABASE mine",
    ] {
        let refused = sqlx::query(forbidden).execute(&mut service).await;
        assert!(refused.is_err(), "{forbidden}");
    }
}

#[tokio::test]
async fn errors_put_no_personal_data_into_the_log() {
    let dir = TempDataDir::new();
    let server = EmbeddedPostgres::start(dir.path()).unwrap();
    let mut owner = connect(&server, Role::Owner).await;
    let statements = [
        "CREATE TABLE person (name text PRIMARY KEY)",
        "INSERT INTO person VALUES ('Zéphyrine Fictive')",
        "INSERT INTO person VALUES ('Zéphyrine Fictive')",
    ];
    let mut last = Ok(());
    for statement in statements {
        last = sqlx::query(statement).execute(&mut owner).await.map(drop);
    }
    assert!(last.is_err());
    let log = std::fs::read_to_string(dir.path().join("postgres.log")).unwrap();
    assert!(log.contains("duplicate key"), "{log}");
    assert!(!log.contains("Zéphyrine"), "{log}");
}

#[tokio::test]
async fn a_second_one_is_refused_at_once_and_the_first_goes_on() {
    let dir = TempDataDir::new();
    let mut first = Helper::start("serve", dir.path(), None);
    let server: i32 = first.report().parse().unwrap();

    let began = Instant::now();
    let error = EmbeddedPostgres::start(dir.path()).unwrap_err();
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert!(matches!(error, EmbeddedError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&first.id().to_string()), "{error}");
    assert!(is_alive(server));
    first.kill_hard();
}

#[tokio::test]
async fn data_of_another_major_version_is_refused_untouched() {
    let dir = TempDataDir::new();
    EmbeddedPostgres::start(dir.path()).unwrap().stop();
    let version = dir.path().join("pg/PG_VERSION");
    let right = std::fs::read_to_string(&version).unwrap();
    std::fs::write(&version, "9\n").unwrap();

    let error = EmbeddedPostgres::start(dir.path()).unwrap_err();
    assert!(matches!(error, EmbeddedError::OtherMajor { cluster: 9, .. }), "{error}");
    assert!(error.to_string().contains(right.trim()), "{error}");

    std::fs::write(&version, right).unwrap();
    EmbeddedPostgres::start(dir.path()).unwrap();
}

#[tokio::test]
async fn a_folder_that_is_no_cluster_is_refused_untouched() {
    let dir = TempDataDir::new();
    let file = dir.path().join("pg/something.txt");
    std::fs::create_dir(dir.path().join("pg")).unwrap();
    std::fs::write(&file, "precious").unwrap();
    let error = EmbeddedPostgres::start(dir.path()).unwrap_err();
    assert!(matches!(error, EmbeddedError::NotACluster { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_its_log() {
    let dir = TempDataDir::new();
    EmbeddedPostgres::start(dir.path()).unwrap().stop();
    std::fs::write(dir.path().join("conf/local.conf"), "no_such_setting = 1\n").unwrap();
    let error = EmbeddedPostgres::start(dir.path()).unwrap_err().to_string();
    assert!(error.contains("no_such_setting"), "{error}");
}
