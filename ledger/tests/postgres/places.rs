//! Where the data directory may be, and who may run this.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};

use ledger::postgres::testing::TempDataDir;
use ledger::postgres::{DataDir, EmbeddedError, EmbeddedPostgres};

use super::child::Helper;
use super::{remember, remembered};

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_works() {
    let dir = TempDataDir::new();
    let long = dir.path().join("l".repeat(60)).join("o".repeat(60));
    let server = EmbeddedPostgres::start(&long).unwrap();
    remember(&server, 1).await;
    server.stop();
    let server = EmbeddedPostgres::start(&long).unwrap();
    assert_eq!(remembered(&server).await, [1]);
    let options = server.connect_options(ledger::postgres::Role::Owner);
    let socket_dir = options.get_socket().unwrap().clone();
    assert!(!socket_dir.starts_with(&long));
    drop(server);
    std::fs::remove_dir_all(socket_dir).unwrap();
}

#[tokio::test]
async fn a_path_with_odd_characters_works() {
    let dir = TempDataDir::new();
    let odd = dir.path().join("l'école \"Éluard\", 100 %");
    let server = EmbeddedPostgres::start(&odd).unwrap();
    remember(&server, 1).await;
}

#[tokio::test]
async fn a_relative_path_works() {
    let dir = TempDataDir::new();
    let here = std::env::current_dir().unwrap();
    let up: std::path::PathBuf = here.ancestors().skip(1).map(|_| "..").collect();
    let relative = up.join(dir.path().strip_prefix("/").unwrap());
    let server = EmbeddedPostgres::start(&relative).unwrap();
    remember(&server, 1).await;
}

#[tokio::test]
async fn an_account_that_cannot_enter_is_told_which_folder_stops_it() {
    if !is_root() {
        return; // any other user runs PostgreSQL as itself
    }
    let dir = TempDataDir::new();
    let home = dir.path().join("home");
    std::fs::DirBuilder::new().mode(0o700).create(&home).unwrap();
    let inside = home.join("data");
    let error = EmbeddedPostgres::start(&inside).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, EmbeddedError::Unreachable { .. }), "{text}");
    assert!(text.contains(&format!("enter {}.", home.display())), "{text}");

    assert_eq!(DataDir::default_under(&home).unwrap(), std::path::Path::new("/var/lib/matricule"));
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o711)).unwrap();
    assert_eq!(DataDir::default_under(&home).unwrap(), home.join("matricule-data"));
    EmbeddedPostgres::start(&inside).unwrap();
}

#[tokio::test]
async fn works_for_a_normal_user_and_root_takes_over() {
    if !is_root() {
        return; // the other tests are this one
    }
    let dir = TempDataDir::new();
    // An account that surely exists: the one PostgreSQL runs as.
    EmbeddedPostgres::start(dir.path()).unwrap().stop();
    let user = dir.path().join("pg").metadata().unwrap().uid();

    let own = TempDataDir::new();
    std::os::unix::fs::chown(own.path(), Some(user), None).unwrap();
    for _ in 0..2 {
        let mut helper = Helper::start("serve and stop", own.path(), Some(user));
        assert_eq!(helper.report(), "matricule_service");
        helper.ends_well();
    }
    assert_eq!(own.path().join("lock").metadata().unwrap().uid(), user);

    // Root may run it after them, as the same account.
    let server = EmbeddedPostgres::start(own.path()).unwrap();
    remember(&server, 1).await;
    drop(server);
    assert_eq!(own.path().join("pg").metadata().unwrap().uid(), user);
}

#[tokio::test]
async fn a_stranger_s_directory_and_a_nameless_user_are_refused_in_words() {
    if !is_root() {
        return; // takes root to become others
    }
    let dir = TempDataDir::new();
    EmbeddedPostgres::start(dir.path()).unwrap().stop();
    let nameless = 54_321;
    let mut helper = Helper::start("start", dir.path(), Some(nameless));
    let report = helper.report();
    assert!(report.contains("belongs to the user"), "{report}");
    helper.ends_well();

    let own = TempDataDir::new();
    std::os::unix::fs::chown(own.path(), Some(nameless), None).unwrap();
    let mut helper = Helper::start("start", own.path(), Some(nameless));
    let report = helper.report();
    assert!(report.contains("54321") && report.contains("/etc/passwd"), "{report}");
    helper.ends_well();
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = TempDataDir::new();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = EmbeddedPostgres::start(&file.join("data")).unwrap_err();
    assert!(error.to_string().contains("file/data"), "{error}");
}
