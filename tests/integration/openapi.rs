//! What the descriptions of our interfaces promise, held against the running service by schemathesis: it makes requests
//! of them, good and bad ones, until its time is over.

use crate::harness::{Place, Service, root};
use std::fs;
use std::process::Command;

/// Seconds for each description.
const SECONDS: &str = "40";
/// An operator's token and its SHA-256, for this test alone.
const TOKEN: &str = "jeton fictif pour essai";
const DIGEST: &str = "fd1459375021d6e4088fecd30418bda47fef76f2c1929ceb4dfec1400acf1811";

async fn serve() -> (Place, Service) {
    let place = Place::new();
    let settings = format!("[imports]\ntokens = [\"{DIGEST}\"]\n");
    fs::write(place.files().join("matricule.toml"), settings).expect("written");
    let service = place.serve().await;
    (place, service)
}

fn hold(place: &Place, description: &str, headers: &[(&str, &str)]) {
    let program = root().join("target/python/schemathesis/bin/schemathesis");
    let mut command = Command::new(&program);
    command.current_dir(place.files()).args(["run", description, "--max-time", SECONDS, "--workers", "2"]);
    command.args(["--config-file"]);
    let command = command.arg(root().join("tests/openapi/schemathesis.toml"));
    for (name, value) in headers {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let output = command.output().unwrap_or_else(|error| {
        panic!("{}: {error}. scripts/test makes the environment target/python/schemathesis", program.display())
    });
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_answers_as_its_description_says() {
    let (place, service) = serve().await;
    let description = format!("{}/api/openapi.json", service.origin);
    hold(&place, &description, &[("Authorization", &format!("Bearer {TOKEN}"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auditors_interface_answers_as_its_description_says() {
    let (place, service) = serve().await;
    let said = place.run("matricule", ["auditor", "add", "A-17"]);
    let credential = said.lines().find_map(|line| line.strip_prefix("AUDITOR_CREDENTIAL=")).expect("a credential");
    let headers = [("Authorization", &*format!("Bearer {credential}")), ("Audit-Purpose", "essai fictif")];
    hold(&place, &format!("{}/audit/v1/openapi.json", service.origin), &headers);
}
