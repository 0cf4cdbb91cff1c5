//! Every event that was ever recorded can be read: the stored forms of all versions, kept for ever.
//!
//! `golden/events/NAME.vN.json` is the stored form of one event in one version, as it was when that version was the
//! present one. Files are only added. `GOLDEN_ADD=1 cargo test -p ledger golden_events` adds the present forms that
//! are missing, after a new event or a new version of one, and never changes a file. `SHA256SUMS` beside them makes a
//! changed or lost file fail.

use domain::Event;
use domain::personal::Sealable;
use ledger::Upcasters;
use ledger::leaf::sha256;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use uuid::Uuid;

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    stream_type: String,
    event_type: String,
    event_version: u16,
    /// The exact text of the payload: it is what a leaf commits to.
    payload: String,
    segments: Vec<Sealed>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    subject: Uuid,
    plaintext: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events")
}

/// The stored form of an event in this code's version.
fn present(event: &Event) -> Stored {
    let mut copy = event.clone();
    let segments = copy.segments();
    let segments = segments.iter().map(|segment| Sealed {
        subject: segment.subject().0,
        plaintext: String::from_utf8(segment.plaintext().expect("samples are in clear")).unwrap(),
    });
    Stored {
        stream_type: event.stream_type().to_owned(),
        event_type: event.event_type(),
        event_version: event.event_version().parse().unwrap(),
        payload: event.payload().unwrap(),
        segments: segments.collect(),
    }
}

fn name(stored: &Stored) -> String {
    format!("{}.v{}.json", stored.event_type, stored.event_version)
}

fn text(stored: &Stored) -> String {
    format!("{}\n", serde_json::to_string_pretty(stored).unwrap())
}

/// Each file with its text, without the sums.
fn files() -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder()).expect("the folder of stored forms");
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| name != "SHA256SUMS");
    names.map(|name| (name.clone(), std::fs::read_to_string(folder().join(&name)).unwrap())).collect()
}

fn sums(files: &BTreeMap<String, String>) -> String {
    files.iter().map(|(name, text)| format!("{}  {name}\n", hex::encode(sha256(text.as_bytes())))).collect()
}

/// What a reader of this program makes of a stored form.
fn read(stored: &Stored, upcasters: &Upcasters) -> Event {
    let payload: Value = serde_json::from_str(&stored.payload).unwrap();
    let current = upcasters.apply(&stored.stream_type, &stored.event_type, stored.event_version, payload);
    let event = Event::decode(&stored.stream_type, current.to_string().as_bytes());
    let mut event = event.unwrap_or_else(|error| panic!("{}: {error}", name(stored)));
    let segments = event.segments();
    assert_eq!(segments.len(), stored.segments.len(), "{}: an upcaster keeps the personal fields", name(stored));
    for (segment, sealed) in segments.into_iter().zip(&stored.segments) {
        assert_eq!(segment.subject().0, sealed.subject, "{}: in their order", name(stored));
        segment.reveal(sealed.plaintext.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", name(stored)));
    }
    event
}

#[test]
fn the_stored_forms_are_only_added_to() {
    let recorded = std::fs::read_to_string(folder().join("SHA256SUMS")).unwrap_or_default();
    if std::env::var_os("GOLDEN_ADD").is_some() {
        for stored in domain::samples::every_event().iter().map(present) {
            let path = folder().join(name(&stored));
            if !path.exists() {
                std::fs::write(path, text(&stored)).unwrap();
            }
        }
        let present = sums(&files());
        let lost: Vec<&str> = recorded.lines().filter(|line| !present.lines().any(|other| other == *line)).collect();
        assert!(lost.is_empty(), "changed or lost, and not to be: {lost:#?}");
        std::fs::write(folder().join("SHA256SUMS"), present).unwrap();
        return;
    }
    assert_eq!(sums(&files()), recorded, "stored forms are only added, with GOLDEN_ADD=1");
}

#[test]
fn every_version_of_every_event_is_read() {
    let upcasters = Upcasters::program();
    let files = files();
    for (file, text) in &files {
        let stored: Stored = serde_json::from_str(text).unwrap();
        assert_eq!(*file, name(&stored));
        let event = read(&stored, &upcasters);
        assert_eq!(event.stream_type(), stored.stream_type);
    }
    for event in domain::samples::every_event() {
        let form = present(&event);
        for version in 1..=form.event_version {
            let file = format!("{}.v{version}.json", form.event_type);
            assert!(files.contains_key(&file), "{file} is missing: add it with GOLDEN_ADD=1");
        }
        let stored: Stored = serde_json::from_str(&files[&name(&form)]).unwrap();
        assert_eq!(
            text(&stored),
            text(&form),
            "the stored form has changed: give the event a new version, and a step from the former one"
        );
        assert_eq!(read(&stored, &upcasters), event);
    }
}

#[test]
fn a_step_carries_an_old_form_over_and_one_that_does_not_is_noticed() {
    // As if logins had once been recorded under another name.
    let stored = Stored {
        stream_type: "account".to_owned(),
        event_type: "LoginAssigned".to_owned(),
        event_version: 1,
        payload: r#"{"LoginAssigned":{"identifier":{"subject":"00000000-0000-0000-0000-000000000003"}}}"#.to_owned(),
        segments: vec![Sealed { subject: Uuid::from_u128(3), plaintext: r#""a.fictif""#.to_owned() }],
    };
    let upcasters = Upcasters::new().step("account", "LoginAssigned", 1, |mut payload| {
        let content = payload["LoginAssigned"].as_object_mut().expect("an object");
        let login = content.remove("identifier").expect("as version 1 had it");
        content.insert("login".to_owned(), login);
        payload
    });
    let login = domain::samples::every_event().into_iter().find(|event| event.event_type() == "LoginAssigned").unwrap();
    assert_eq!(read(&stored, &upcasters), login);
    assert!(std::panic::catch_unwind(|| read(&stored, &Upcasters::program())).is_err());
}
