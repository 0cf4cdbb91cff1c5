//! The published vectors: both verifiers answer as they always did.

use super::both::{Files, answers, edit, event, failed, pack, trusted, unpack};
use super::{exported, lived, mutations, positions, read};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// The bundles differ little from one another: packed together, unpacked each is a file as an auditor gets it.
const PACKED: &str = "bundles.tar.xz";

/// With Python's standard library, which the outside verifier needs anyhow.
fn python(script: &str, arguments: [&Path; 2]) {
    let done = Command::new("python3").args(["-c", script]).args(arguments).output().expect("python3 is needed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn every_vector_is_answered_as_expected_by_both_verifiers() {
    let (mut seen, unpacked) = (0, tempfile::tempdir().unwrap());
    let script = "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])";
    python(script, [&folder().join(PACKED), unpacked.path()]);
    for file in std::fs::read_dir(unpacked.path()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "zip") {
            continue;
        }
        let expected = folder().join(path.file_name().unwrap()).with_extension("json");
        let expected = std::fs::read_to_string(expected).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(answers(&std::fs::read(&path).unwrap(), &trusted()), expected, "{}", path.display());
        seen += 1;
    }
    let expected = std::fs::read_dir(folder()).unwrap();
    let expected = expected.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|of| of == "json"));
    assert_eq!(seen, expected.count());
    assert!(seen >= 10, "{seen}");
}

/// Reports prove nothing and are large.
fn small(mut files: Files) -> Files {
    files.retain(|name, _| !name.starts_with("report."));
    files
}

fn write(to: &Path, name: &str, files: &Files) {
    let bytes = pack(files);
    let said = answers(&bytes, &trusted());
    std::fs::write(to.join(format!("{name}.zip")), bytes).unwrap();
    std::fs::write(folder().join(format!("{name}.json")), format!("{said:#}\n")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "makes the vectors anew; for a new version of the format only"]
async fn write_the_vectors() {
    std::fs::create_dir_all(folder()).unwrap();
    let made = tempfile::tempdir().unwrap();
    let (mut setting, account) = lived(64).await;
    let files = small(unpack(&exported(&setting, account).await.bytes));
    write(made.path(), "verified", &files);
    for (what, change, _) in mutations(&files) {
        let mut changed = files.clone();
        change(&mut changed);
        let name: String = what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        write(made.path(), &format!("failed-{}", name.replace("--", "-")), &changed);
    }
    setting.live(40).await;
    write(made.path(), "pending", &small(unpack(&exported(&setting, account).await.bytes)));
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
            write(made.path(), "erased", &files);
            let mut changed = files.clone();
            edit(&mut changed, &event(*at, "json"), |json| json["segments"][0]["erased_by"] = json!(null));
            write(made.path(), "failed-erased-without-event", &changed);
            assert_eq!(failed(&answers(&pack(&changed), &trusted())), ["erasure-event"]);
            break;
        }
    }
    let keys: Vec<String> = trusted().logs.iter().chain(&trusted().witnesses).map(ToString::to_string).collect();
    std::fs::write(folder().join("keys.txt"), format!("{}\n", keys.join("\n"))).unwrap();
    // Stored, not deflated, in their zips: what is the same in all of them is then packed once.
    let script = r#"
import io, os, sys, tarfile, zipfile
with tarfile.open(sys.argv[2], "w:xz", preset=9) as packed:
    for name in sorted(os.listdir(sys.argv[1])):
        stored = io.BytesIO()
        with zipfile.ZipFile(os.path.join(sys.argv[1], name)) as old, zipfile.ZipFile(stored, "w") as new:
            for file in old.namelist():
                new.writestr(zipfile.ZipInfo(file), old.read(file))
        entry = tarfile.TarInfo(name)
        entry.size = len(stored.getvalue())
        packed.addfile(entry, io.BytesIO(stored.getvalue()))
"#;
    python(script, [made.path(), &folder().join(PACKED)]);
}
