//! The embedded default as an operator meets it.

use crate::harness::Place;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_starts_again_on_its_directory_and_a_second_one_is_refused() {
    let place = Place::new();
    let service = place.serve().await;

    let second = place
        .command("matricule")
        .arg("serve")
        .env("MATRICULE_LISTEN", "127.0.0.1:0")
        .output()
        .expect("the second service runs");
    assert!(!second.status.success());
    let complaint = String::from_utf8_lossy(&second.stderr);
    assert!(complaint.contains(&*place.data_dir().to_string_lossy()), "{complaint}");

    service.kill();
    let service = place.serve().await;
    service.stop();
    assert!(!place.data_dir().join("pg/postmaster.pid").exists(), "PostgreSQL stops with the service");
}

#[test]
fn a_wrong_configuration_is_refused_with_the_name_of_the_key() {
    let place = Place::new();
    for (key, value, named) in [
        ("MATRICULE_CODES__VALIDITY", "soon", "codes.validity"),
        ("MATRICULE_LISTEN", "everywhere", "listen"),
        ("MATRICULE_PUBLIC_ORIGIN", "http://example.org", "public_origin"),
        ("MATRICULE_SESSIONS__IDEL", "5min", "idel"),
    ] {
        for command in [&["config", "check"][..], &["serve"]] {
            let mut program = place.command("matricule");
            let refused =
                program.args(command).env("MATRICULE_DEMO__INBOX", "false").env(key, value).output().expect("it runs");
            let complaint = String::from_utf8_lossy(&refused.stderr).to_lowercase();
            assert!(!refused.status.success(), "{key}={value} is accepted by {command:?}");
            assert!(complaint.contains(named), "{key}={value}: {complaint}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_whether_it_lives_and_whether_it_is_ready() {
    let place = Place::new();
    let service = place.serve().await;
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().expect("a client");
    for path in ["healthz", "readyz"] {
        let answer = client.get(format!("{}/{path}", service.origin)).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }
}

#[test]
fn a_command_beside_no_service_says_what_to_do() {
    let place = Place::new();
    let refused = place.try_run("matricule-replay", ["check"]);
    assert!(!refused.status.success());
    assert!(!refused.stderr.is_empty());
}
