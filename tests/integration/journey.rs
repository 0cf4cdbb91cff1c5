//! The main job, from the schools' files to a token and back to the ledger, as a family and a support agent live it.

use crate::harness::{Node, Place, Service, free_port, root};
use school_files::sample::{DemoSet, write_demo};
use serde_json::{Value, json};
use std::path::PathBuf;

const PASSWORD: &str = "un hérisson traverse la cour";
const NEXT_PASSWORD: &str = "trois girafes sous le préau";

fn script(name: &str) -> PathBuf {
    root().join("tests/browser").join(name)
}

struct Journey {
    place: Place,
    service: Service,
    demo: DemoSet,
    guardian: String,
    screenshots: String,
}

impl Journey {
    async fn start() -> Self {
        let place = Place::new();
        let service = place.serve().await;
        let demo = write_demo(&place.files().join("exports")).expect("the demonstration's files are written");
        let children = demo.guardian.children.iter().map(
            |child| json!({ "given_name": child.given_name, "birth_date": child.birth_date, "school": child.school }),
        );
        let guardian = json!({
            "family_name": demo.guardian.family_name,
            "given_name": demo.guardian.given_name,
            "mobile": demo.guardian.mobile_written,
            "children": children.collect::<Vec<_>>(),
        });
        let screenshots = root().join("target/screenshots").display().to_string();
        Self { place, service, demo, guardian: guardian.to_string(), screenshots }
    }

    fn import(&self, files: &[PathBuf]) -> String {
        let mut args = vec!["import"];
        args.extend(files.iter().map(|file| file.to_str().expect("paths are UTF-8")));
        let output = self.place.command("matricule").args(&args).output().expect("the import runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        said
    }

    fn walk(&self, name: &str, env: &[(&str, &str)]) -> Value {
        let journey = name.trim_end_matches(".mjs");
        let mut all = vec![
            ("ORIGIN", self.service.origin.as_str()),
            ("GUARDIAN", &self.guardian),
            ("SCREENSHOTS", &self.screenshots),
            ("JOURNEY", journey),
        ];
        all.extend(env);
        let said = Node::run(&script(name), &all);
        serde_json::from_str(said.trim()).unwrap_or_else(|_| panic!("{name} ends with JSON:\n{said}"))
    }

    /// Registers a relying party at this origin; what the command printed.
    fn register(&self, origin: &str) -> String {
        let (redirect, after) = (format!("{origin}/callback"), format!("{origin}/signed-out"));
        self.place.run(
            "matricule",
            [
                "relying-party",
                "register",
                "--name",
                "Cahier de textes",
                "--redirect-uri",
                &redirect,
                "--post-logout-redirect-uri",
                &after,
                "--scope",
                "profile,affiliation,establishment,children,birthdate",
                "--all-establishments",
            ],
        )
    }

    fn replay<const N: usize>(&self, args: [&str; N]) -> String {
        self.place.run("matricule-replay", args)
    }
}

/// The value after `label` on a line of a command's output.
fn value_after<'a>(said: &'a str, label: &str) -> &'a str {
    let line = said.lines().find(|line| line.contains(label)).unwrap_or_else(|| panic!("no {label} in:\n{said}"));
    let (_, rest) = line.split_once(label).expect("the line has it");
    rest.trim_start_matches([':', '=', ' ']).split_whitespace().next().unwrap_or_default()
}

/// How many events `matricule-replay check` counted.
fn events(said: &str) -> u64 {
    let (before, _) = said.split_once(" events").unwrap_or_else(|| panic!("no count of events in:\n{said}"));
    let count = before.rsplit(' ').next().and_then(|count| count.parse().ok());
    count.unwrap_or_else(|| panic!("no count of events in:\n{said}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_schools_export_to_a_token_and_back() {
    let journey = Journey::start().await;
    journey.import(&journey.demo.files);

    // A guardian's first use.
    let activated = journey.walk("activation.mjs", &[("PASSWORD", PASSWORD)]);
    let login = activated["login"].as_str().expect("a login");

    // Signing in to a relying party built on another's library.
    let port = free_port().to_string();
    let relying_party = format!("http://127.0.0.1:{port}");
    let registered = journey.register(&relying_party);
    let _relying_party = Node::start(
        &root().join("tests/relying-party/server.mjs"),
        &[
            ("ISSUER", &journey.service.origin),
            ("CLIENT_ID", value_after(&registered, "CLIENT_ID")),
            ("CLIENT_SECRET", value_after(&registered, "CLIENT_SECRET")),
            ("PORT", &port),
        ],
    );
    let sign_in = |password: &str| {
        let credentials = [("RELYING_PARTY", relying_party.as_str()), ("LOGIN", login), ("PASSWORD", password)];
        journey.walk("relying-party.mjs", &credentials)["shown"].as_str().expect("a page").to_owned()
    };
    let (college, other) = (journey.demo.college.uai.to_string(), journey.demo.other_college.uai.to_string());
    let shown = sign_in(PASSWORD);
    assert!(shown.contains(&college) && !shown.contains(&other), "{shown}");

    // The same files again change nothing; a later export moves a child, and the next token says so.
    let before = journey.replay(["check"]);
    journey.import(&journey.demo.files);
    assert_eq!(events(&before), events(&journey.replay(["check"])), "the same files again change nothing");
    journey.import(&journey.demo.transfer_files);
    let shown = sign_in(PASSWORD);
    assert!(shown.contains(&other) && !shown.contains(&college), "{shown}");

    // A forgotten password.
    journey.walk("reset.mjs", &[("LOGIN", login), ("PASSWORD", NEXT_PASSWORD)]);

    // Support hands out a provisional password, shown once.
    let reset = journey.place.run("matricule", ["reset", login, "--operator", "4711"]);
    let provisional = value_after(&reset, "password");
    journey.walk("forced-change.mjs", &[("LOGIN", login), ("PROVISIONAL", provisional), ("PASSWORD", PASSWORD)]);

    // What the auditor reads.
    let history = journey.replay(["history", login, "--language", "fr"]);
    for sentence in ["provisoire", "4711", "Le code reçu", "passe de l’établissement", "référence"] {
        assert!(history.contains(sentence), "no `{sentence}` in:\n{history}");
    }
    assert!(journey.replay(["history", login, "--language", "en"]).contains("rovisional"));
    let now = chrono::Utc::now().to_rfc3339();
    let state = journey.replay(["state", login, "--at", &now]);
    assert!(state.contains(&other), "{state}");
    journey.replay(["check"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_in_a_guardian_takes_back_a_report_and_changes_the_password() {
    for language in ["fr", "en"] {
        let journey = Journey::start().await;
        journey.import(&journey.demo.files);
        let env = [("PASSWORD", PASSWORD), ("NEXT_PASSWORD", NEXT_PASSWORD), ("LANGUAGE", language)];
        let name = format!("own-account-{language}");
        journey.walk("own-account.mjs", &[env.as_slice(), &[("JOURNEY", name.as_str())]].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_reference_leads_to_the_request() {
    let place = Place::new();
    let service = place.serve().await;
    let answer = reqwest::get(format!("{}/nowhere", service.origin)).await.expect("an answer");
    assert_eq!(answer.status(), 404);
    let page = answer.text().await.expect("a page");
    let reference = page
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .find(|word| word.len() == 12 && word.as_bytes()[3] == b'-' && word.as_bytes()[7] == b'-')
        .unwrap_or_else(|| panic!("no reference on the page:\n{page}"));
    // As it is heard over the phone.
    let heard = reference.to_lowercase().replace('-', " ");
    let told = place.run("matricule", ["incident", &heard]);
    assert!(told.contains("404"), "{told}");
    let told = place.run("matricule-replay", ["incident", &heard]);
    assert!(told.contains("→ 404"), "{told}");
    // One symbol misheard is noticed.
    let wrong =
        if let Some(rest) = reference.strip_prefix('7') { format!("8{rest}") } else { format!("7{}", &reference[1..]) };
    assert!(!place.try_run("matricule", ["incident", &wrong]).status.success());
}
