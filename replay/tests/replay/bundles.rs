//! Bundles: both verifiers give every event the same answer, and each way of changing a bundle, or the ledger before
//! it is exported, fails the check that `docs/audit-bundles.md` names for it.

pub mod both;
mod vectors;

use crate::mutations::forger::Forger;
use crate::mutations::goes_on;
use crate::support::Setting;
use both::{Files, answers, edit, event, failed, pack, trusted, unpack};
use domain::context::{Actor, Reason};
use domain::ids::AccountId;
use ledger::checkpoint::{Checkpoint, SigningKey};
use replay::bundle::{Exported, Subject, export};
use serde_json::{Value, json};

/// A small life with a manifest in it, signed; and an account that has had something of everything.
async fn lived(seed: u64) -> (Setting, AccountId) {
    let mut setting = Setting::new(seed).await;
    setting.live(90).await;
    setting.ledger.record_manifest(Actor::Service, Reason::Rule).await.unwrap().unwrap();
    setting.live(10).await;
    setting.sign().await;
    let richest = setting.world.accounts.iter().max_by_key(|account| {
        let state = &account.state;
        (state.guardians.len().min(1) + state.confirmed.len().min(2), account.version)
    });
    let account = richest.unwrap().id.parse().unwrap();
    (setting, account)
}

async fn exported(setting: &Setting, account: AccountId) -> Exported {
    let vkeys: Vec<String> = trusted().logs.iter().map(ToString::to_string).collect();
    let subject = Subject::Account(account);
    export(&setting.ledger, &setting.pool, subject, "contrôle annuel", &vkeys, true).await.unwrap()
}

fn positions(files: &Files) -> Vec<u64> {
    let index: Value = serde_json::from_slice(&files["bundle.json"]).unwrap();
    index["events"].as_array().unwrap().iter().map(|position| position.as_u64().unwrap()).collect()
}

fn read(files: &Files, position: u64) -> Value {
    serde_json::from_slice(&files[&event(position, "json")]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_the_checkpoint_is_verified_and_what_came_after_is_pending() {
    let (mut setting, account) = lived(61).await;
    let bundle = exported(&setting, account).await;
    let files = unpack(&bundle.bytes);
    let said = answers(&bundle.bytes, &trusted());
    assert_eq!(said["result"], "verified", "{said:#}");
    assert_eq!(said["checkpoint"]["cosignatures"], 1);
    assert_eq!(said["events"].as_array().unwrap().len() as u64, bundle.events);
    let index: Value = serde_json::from_slice(&files["bundle.json"]).unwrap();
    let kinds: Vec<&str> =
        index["streams"].as_array().unwrap().iter().map(|stream| stream["stream_type"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"account") && kinds.len() > 1, "{kinds:?}");
    assert!(index["completeness"].is_object() && index["purpose"] == "contrôle annuel");

    // Whoever trusts another key, or demands more witnesses, believes nothing of it.
    let mut other = trusted();
    other.logs = vec![SigningKey::from_seed(&[9; 32]).unwrap().verifier(crate::support::ORIGIN)];
    assert_eq!(failed(&answers(&bundle.bytes, &other)), ["checkpoint-signature"]);
    other.logs = vec![SigningKey::from_seed(&[7; 32]).unwrap().verifier("another.example.org/log")];
    assert_eq!(failed(&answers(&bundle.bytes, &other)), ["checkpoint-signature"]);
    let mut witnessed = trusted();
    witnessed.witnesses.push(SigningKey::from_seed(&[9; 32]).unwrap().cosigner("temoin.example.org/w2"));
    assert_eq!(answers(&bundle.bytes, &witnessed)["result"], "verified");
    witnessed.threshold = 2;
    assert_eq!(failed(&answers(&bundle.bytes, &witnessed)), ["checkpoint-signature"]);

    while setting.world.accounts.iter().all(|member| member.id != account.to_string() || member.version < 1) {
        setting.live(1).await;
    }
    let before = bundle.events;
    let later = loop {
        setting.live(5).await;
        let later = exported(&setting, account).await;
        if later.events > before {
            break later;
        }
    };
    let said = answers(&later.bytes, &trusted());
    assert_eq!(said["result"], "pending");
    let pending = said["events"].as_array().unwrap().iter().filter(|event| event["answer"] == "PENDING").count() as u64;
    assert_eq!((pending, pending > 0), (later.pending, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_holds_its_events_and_a_bundle_without_values_holds_none() {
    let (setting, account) = lived(62).await;
    let (ledger, pool) = (&setting.ledger, &setting.pool);
    goes_on(ledger, 3, Some("K7R2WAQ0XZ")).await;
    setting.sign().await;
    let reference = Subject::Case("K7R-2WA-Q0XZ".parse().unwrap());
    let case = export(ledger, pool, reference, "réclamation", &[], true).await.unwrap();
    assert_eq!(case.events, 3);
    assert_eq!(answers(&case.bytes, &trusted())["result"], "verified");
    let nothing = Subject::Case("0000000000".parse().unwrap());
    assert!(export(ledger, pool, nothing, "réclamation", &[], true).await.is_err());

    let bare = export(ledger, pool, Subject::Account(account), "statistique", &[], false).await.unwrap();
    assert_eq!(answers(&bare.bytes, &trusted())["result"], "verified");
    let full = unpack(&exported(&setting, account).await.bytes);
    let bare = unpack(&bare.bytes);
    let mut values = 0;
    for position in positions(&full) {
        for segment in read(&full, position)["segments"].as_array().unwrap() {
            let Some(value) = segment["plaintext"].as_str() else { continue };
            values += 1;
            // Short ones occur by chance.
            let telling = value.len() > 8;
            let holds = |bytes: &Vec<u8>| bytes.windows(value.len()).any(|window| window == value.as_bytes());
            assert!(!telling || !bare.values().any(holds), "{value}");
        }
    }
    assert!(values > 5);
    for language in ["fr", "en"] {
        assert!(full[&format!("report.{language}.pdf")].starts_with(b"%PDF-"));
        let html = String::from_utf8(full[&format!("report.{language}.html")].clone()).unwrap();
        assert!(html.contains(&account.to_string()) && html.contains("contrôle annuel"));
        assert_eq!(html.matches(if language == "fr" { "feuille" } else { "leaf" }).count(), positions(&full).len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erased_data_is_told_with_the_event_that_erased_it() {
    let mut setting = Setting::new(63).await;
    setting.live(90).await;
    let mut erased = 0;
    while erased < 4 {
        if let Some(unit) = setting.world.erase() {
            setting.ledger.append(unit).await.unwrap();
            erased += 1;
        }
    }
    setting.sign().await;
    let (mut told, mut seen) = (Vec::new(), None);
    for account in setting.world.accounts.clone() {
        let bundle = exported(&setting, account.id.parse().unwrap()).await;
        let said = answers(&bundle.bytes, &trusted());
        assert_eq!(said["result"], "verified", "{said:#}");
        let gone: Vec<Value> =
            said["events"].as_array().unwrap().iter().filter(|event| event["answer"] == "ERASED").cloned().collect();
        if !gone.is_empty() {
            seen = Some(bundle);
        }
        told.extend(gone);
    }
    assert!(!told.is_empty());
    let by: Vec<u64> =
        told.iter().flat_map(|event| event["by"].as_array().unwrap()).filter_map(Value::as_u64).collect();
    for event in setting.ledger.read_positions(&by).await.unwrap() {
        assert!(event.event.erases().is_some());
    }

    // An erasure without its event, with another's, or of what was not erased.
    let files = unpack(&seen.unwrap().bytes);
    let at = positions(&files).into_iter().find(|at| {
        read(&files, *at)["segments"].as_array().unwrap().iter().any(|segment| segment["state"] == "erased")
    });
    let at = at.unwrap();
    let index = |json: &Value| {
        let segments = json["segments"].as_array().unwrap();
        segments.iter().position(|segment| segment["state"] == "erased").unwrap()
    };
    for by in [Value::Null, json!(at), json!(999_999)] {
        let mut changed = files.clone();
        edit(&mut changed, &event(at, "json"), |json| {
            let index = index(json);
            json["segments"][index]["erased_by"] = by.clone();
        });
        assert_eq!(failed(&answers(&pack(&changed), &trusted())), ["erasure-event"], "{by}");
    }
    let open = positions(&files)
        .into_iter()
        .find(|at| read(&files, *at)["segments"].as_array().unwrap().iter().any(|segment| segment["state"] == "open"));
    if let Some(open) = open {
        let mut changed = files.clone();
        edit(&mut changed, &event(open, "json"), |json| json["segments"][0]["state"] = json!("erased"));
        assert_eq!(failed(&answers(&pack(&changed), &trusted())), ["erasure-event"]);
    }
}

/// A change of a bundle's files, and the checks that must fail.
type Mutation = (&'static str, Box<dyn Fn(&mut Files)>, &'static [&'static str]);

/// What can be done to a bundle. `inner` is an event of a stream that has one after it, with a segment.
fn mutations(files: &Files) -> Vec<Mutation> {
    let all = positions(files);
    let follows = |at: u64| {
        let json = read(files, at);
        all.iter().find(|next| {
            let next = read(files, **next);
            next["stream_id"] == json["stream_id"] && next["sequence"] == json["sequence"].as_u64().unwrap() + 1
        })
    };
    let open = |at: &u64| read(files, *at)["segments"][0]["state"] == "open";
    let inner = *all.iter().find(|at| open(at) && follows(**at).is_some()).unwrap();
    let stranger =
        *all.iter().find(|at| open(at) && read(files, **at)["stream_id"] != read(files, inner)["stream_id"]).unwrap();
    let set = move |at: u64, field: &'static str, value: Value| -> Box<dyn Fn(&mut Files)> {
        Box::new(move |files| edit(files, &event(at, "json"), |json| json[field] = value.clone()))
    };
    let flip = move |name: String, byte: usize| -> Box<dyn Fn(&mut Files)> {
        Box::new(move |files| files.get_mut(&name).unwrap()[byte] ^= 1)
    };
    let payload = format!("{} ", read(files, inner)["payload"].as_str().unwrap());
    let other = |segment: &'static str| read(files, stranger)["segments"][0][segment].clone();
    let (subject, commitment, blind, plaintext) =
        (other("subject"), other("commitment"), other("blind"), other("plaintext"));
    let zeros = "0".repeat(64);
    vec![
        ("payload changed", set(inner, "payload", json!(payload)), &["entry"]),
        ("header changed: actor", set(inner, "actor", json!("operator:99")), &["entry"]),
        ("metadata changed: reference", set(inner, "reference", json!("AAAAAAAAAA")), &["entry"]),
        ("backdated", set(inner, "recorded_at", json!("2020-01-01T00:00:00.000000Z")), &["entry"]),
        ("leaf changed", set(inner, "leaf", json!(zeros)), &["leaf"]),
        ("previous leaf changed", set(inner, "previous", json!(zeros.replace("00", "0a"))), &["entry", "stream-chain"]),
        ("entry changed", flip(event(inner, "entry"), 5), &["entry", "inclusion", "leaf", "manifest", "stream-chain"]),
        (
            "value changed",
            Box::new(move |files| {
                edit(files, &event(inner, "json"), |json| json["segments"][0]["plaintext"] = json!("\"Autre\""));
            }),
            &["segment-commitment"],
        ),
        (
            "value given for another person's",
            Box::new(move |files| {
                edit(files, &event(inner, "json"), |json| {
                    json["segments"][0]["blind"] = blind.clone();
                    json["segments"][0]["plaintext"] = plaintext.clone();
                });
            }),
            &["segment-commitment"],
        ),
        (
            "two persons' segments swapped",
            Box::new(move |files| {
                edit(files, &event(inner, "json"), |json| {
                    json["segments"][0]["subject"] = subject.clone();
                    json["segments"][0]["commitment"] = commitment.clone();
                });
            }),
            &["entry", "segment-commitment"],
        ),
        (
            "event deleted",
            Box::new(move |files| {
                for kind in ["json", "entry", "proof"] {
                    files.remove(&event(inner, kind));
                }
                edit(files, "bundle.json", |json| {
                    json["events"].as_array_mut().unwrap().retain(|at| *at != inner);
                });
            }),
            &["stream-chain"],
        ),
        (
            "event's files deleted",
            Box::new(move |files| drop(files.remove(&event(inner, "json")))),
            &["bundle-form", "stream-chain"],
        ),
        ("proof deleted", Box::new(move |files| drop(files.remove(&event(inner, "proof")))), &["inclusion"]),
        (
            "proofs swapped",
            Box::new(move |files| {
                let (one, two) = (files[&event(inner, "proof")].clone(), files[&event(stranger, "proof")].clone());
                files.insert(event(inner, "proof"), two);
                files.insert(event(stranger, "proof"), one);
            }),
            &["inclusion"],
        ),
        (
            "event inserted",
            Box::new(move |files| {
                let place = 900_000;
                for kind in ["json", "entry", "proof"] {
                    let copy = files[&event(inner, kind)].clone();
                    files.insert(event(place, kind), copy);
                }
                edit(files, &event(place, "json"), |json| json["position"] = json!(place));
                edit(files, "bundle.json", |json| json["events"].as_array_mut().unwrap().push(json!(place)));
            }),
            &["inclusion", "stream-chain"],
        ),
        ("checkpoint changed", flip("checkpoint".to_owned(), 0), &["checkpoint-signature"]),
        (
            "checkpoint of another fork",
            Box::new(|files| {
                let fork = Checkpoint { origin: crate::support::ORIGIN.to_owned(), size: 1_000, root: [5; 32] };
                let signed = fork.sign(&Setting::key()).unwrap();
                files.insert("checkpoint".to_owned(), signed.text().to_owned().into_bytes());
            }),
            &["checkpoint-signature"],
        ),
        (
            "file added",
            Box::new(|files| drop(files.insert("events/readme.txt".to_owned(), b"hello".to_vec()))),
            &["bundle-form"],
        ),
        (
            "unknown field",
            Box::new(move |files| edit(files, &event(inner, "json"), |json| json["note"] = json!("hello"))),
            &["bundle-form", "stream-chain"],
        ),
        ("index deleted", Box::new(|files| drop(files.remove("bundle.json"))), &["bundle-form"]),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_a_bundle_fails_by_name_before_both_verifiers() {
    let (setting, account) = lived(64).await;
    let files = unpack(&exported(&setting, account).await.bytes);
    for (what, change, expected) in mutations(&files) {
        let mut changed = files.clone();
        change(&mut changed);
        let said = answers(&pack(&changed), &trusted());
        let found = failed(&said);
        // Whether an event is its stream's head in the manifest depends on the life that was led.
        let found: Vec<&str> = found.iter().map(String::as_str).filter(|name| *name != "manifest").collect();
        let expected: Vec<&str> = expected.iter().copied().filter(|name| *name != "manifest").collect();
        assert_eq!(found, expected, "{what}: {said:#}");
        assert_eq!(said["result"], "failed", "{what}");
    }
    assert_eq!(failed(&answers(b"PK not a zip", &trusted())), ["bundle-form"]);
    let bytes = pack(&files);
    assert_eq!(failed(&answers(&bytes[..bytes.len() / 2], &trusted())), ["bundle-form"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_short_in_a_bundle_fails_the_manifest() {
    let (setting, account) = lived(65).await;
    let mut files = unpack(&exported(&setting, account).await.bytes);
    let index: Value = serde_json::from_slice(&files["bundle.json"]).unwrap();
    let manifest = read(&files, index["completeness"]["manifest"].as_u64().unwrap());
    let payload: Value = serde_json::from_str(manifest["payload"].as_str().unwrap()).unwrap();
    let covered = payload["LedgerManifestRecorded"]["size"].as_u64().unwrap();
    let own = |files: &Files| -> Vec<(u64, u64)> {
        let of = |at: u64| read(files, at)["stream_id"] == account.to_string();
        positions(files)
            .into_iter()
            .filter(|at| of(*at))
            .map(|at| (at, read(files, at)["sequence"].as_u64().unwrap()))
            .collect()
    };
    // All that came after the manifest, and the last event before it.
    let last_before =
        own(&files).into_iter().filter(|(at, _)| *at < covered).map(|(_, sequence)| sequence).max().unwrap();
    for (at, sequence) in own(&files) {
        if sequence >= last_before {
            for kind in ["json", "entry", "proof"] {
                files.remove(&event(at, kind));
            }
            edit(&mut files, "bundle.json", |json| {
                json["events"].as_array_mut().unwrap().retain(|listed| *listed != at)
            });
        }
    }
    edit(&mut files, "bundle.json", |json| {
        for stream in json["streams"].as_array_mut().unwrap() {
            if stream["stream_id"] == account.to_string() {
                stream["to"] = json!(last_before - 1);
            }
        }
    });
    assert_eq!(failed(&answers(&pack(&files), &trusted())), ["manifest"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_was_tampered_with_can_not_be_exported_as_verified() {
    let (setting, account) = lived(66).await;
    let forger = Forger::new(&setting.database).await;
    let stream = format!("stream_id = '{account}' AND sequence = 1");
    let change = format!("UPDATE ledger.event SET payload = (payload::text || ' ')::json WHERE {stream}");
    forger.run(&change).await;
    let bundle = exported(&setting, account).await;
    assert_eq!(failed(&answers(&bundle.bytes, &trusted())), ["inclusion", "leaf", "stream-chain"]);
    // With every leaf and root made to fit: the checkpoint was signed before.
    forger.rewrite().await;
    forger.run("DELETE FROM ledger.tile").await;
    let bundle = exported(&setting, account).await;
    let found = failed(&answers(&bundle.bytes, &trusted()));
    assert!(found.contains(&"inclusion".to_owned()), "{found:?}");
    forger.restore().await;
    let sealed = "UPDATE ledger.event SET segments = set_byte(segments, 90, get_byte(segments, 90) # 1) \
                  WHERE octet_length(segments) > 100";
    forger.run(sealed).await;
    let bundle = exported(&setting, account).await;
    assert_eq!(failed(&answers(&bundle.bytes, &trusted())), ["segment-open"]);
}
