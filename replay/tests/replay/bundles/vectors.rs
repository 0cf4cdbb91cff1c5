//! The published vectors: both verifiers answer as they always did.

use super::both::{Files, answers, edit, event, failed, pack, trusted, unpack};
use super::{exported, lived, mutations, positions, read};
use serde_json::{Value, json};
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

#[test]
fn every_vector_is_answered_as_expected_by_both_verifiers() {
    let mut seen = 0;
    for file in std::fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "zip") {
            continue;
        }
        let expected = std::fs::read_to_string(path.with_extension("json")).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(answers(&std::fs::read(&path).unwrap(), &trusted()), expected, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

/// Reports prove nothing and are large.
fn small(mut files: Files) -> Files {
    files.retain(|name, _| !name.starts_with("report."));
    files
}

fn write(name: &str, files: &Files) {
    let bytes = pack(files);
    let said = answers(&bytes, &trusted());
    std::fs::write(folder().join(format!("{name}.zip")), bytes).unwrap();
    std::fs::write(folder().join(format!("{name}.json")), format!("{said:#}\n")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "makes the vectors anew; for a new version of the format only"]
async fn write_the_vectors() {
    std::fs::create_dir_all(folder()).unwrap();
    let (mut setting, account) = lived(64).await;
    let files = small(unpack(&exported(&setting, account).await.bytes));
    write("verified", &files);
    for (what, change, _) in mutations(&files) {
        let mut changed = files.clone();
        change(&mut changed);
        let name: String = what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        write(&format!("failed-{}", name.replace("--", "-")), &changed);
    }
    setting.live(40).await;
    write("pending", &small(unpack(&exported(&setting, account).await.bytes)));
    let mut erased = 0;
    while erased < 3 {
        if let Some(unit) = setting.world.erase() {
            setting.ledger.append(unit).await.unwrap();
            erased += 1;
        }
    }
    setting.sign().await;
    for account in setting.world.accounts.clone() {
        let files = small(unpack(&exported(&setting, account.id.parse().unwrap()).await.bytes));
        let gone = |at: &u64| read(&files, *at)["segments"][0]["state"] == "erased";
        if let Some(at) = positions(&files).iter().find(|at| gone(at)) {
            write("erased", &files);
            let mut changed = files.clone();
            edit(&mut changed, &event(*at, "json"), |json| json["segments"][0]["erased_by"] = json!(null));
            write("failed-erased-without-event", &changed);
            assert_eq!(failed(&answers(&pack(&changed), &trusted())), ["erasure-event"]);
            break;
        }
    }
    let keys: Vec<String> = trusted().logs.iter().chain(&trusted().witnesses).map(ToString::to_string).collect();
    std::fs::write(folder().join("keys.txt"), format!("{}\n", keys.join("\n"))).unwrap();
}
