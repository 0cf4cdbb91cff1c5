//! A bundle before both verifiers: this program's, and the one in Python that shares no code with it.

use crate::support::Setting;
use replay::bundle::{Trust, verify};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// The files of a bundle.
pub type Files = BTreeMap<String, Vec<u8>>;

pub fn unpack(bytes: &[u8]) -> Files {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut files = Files::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        files.insert(file.name().unwrap().into_owned(), bytes);
    }
    files
}

pub fn pack(files: &Files) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A JSON file, changed.
pub fn edit(files: &mut Files, name: &str, change: impl FnOnce(&mut Value)) {
    let mut json: Value = serde_json::from_slice(&files[name]).unwrap();
    change(&mut json);
    files.insert(name.to_owned(), serde_json::to_vec_pretty(&json).unwrap());
}

pub fn event(position: u64, kind: &str) -> String {
    format!("events/{position:012}.{kind}")
}

/// What both say, which must be the same but for the wording of details.
pub fn answers(bytes: &[u8], trust: &Trust) -> Value {
    let own = plain(verify(bytes, trust).json());
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle.zip");
    std::fs::write(&bundle, bytes).unwrap();
    let other = outside(&bundle, trust);
    assert_eq!(own, other, "the two verifiers answer differently");
    own
}

/// What the outside verifier says; its exit code must fit.
pub fn outside(bundle: &Path, trust: &Trust) -> Value {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("verifier/matricule_verify.py");
    let mut python = Command::new("python3");
    python.arg(program).arg(bundle).arg("--json").args(["--witnesses", &trust.threshold.to_string()]);
    for key in trust.logs.iter().chain(&trust.witnesses) {
        python.args(["--vkey", &key.to_string()]);
    }
    let done = python.output().expect("python3 is needed for the outside verifier");
    let text = String::from_utf8_lossy(&done.stdout);
    let said: Value =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&done.stderr)));
    let code = match said["result"].as_str() {
        Some("verified") => 0,
        Some("pending") => 3,
        _ => 1,
    };
    assert_eq!(done.status.code(), Some(code));
    plain(said)
}

/// Without the wording.
pub fn plain(mut said: Value) -> Value {
    for event in said["events"].as_array_mut().unwrap() {
        event.as_object_mut().unwrap().remove("details");
    }
    let bundle = said["bundle"].as_array_mut().unwrap();
    bundle.iter_mut().for_each(|finding| drop(finding.as_object_mut().unwrap().remove("detail")));
    bundle.sort_by_key(ToString::to_string);
    said
}

/// The names of all checks that fail, sorted.
pub fn failed(said: &Value) -> Vec<String> {
    let events = said["events"].as_array().unwrap().iter().filter_map(|event| event["checks"].as_array()).flatten();
    let bundle = said["bundle"].as_array().unwrap().iter().map(|finding| &finding["check"]);
    let mut names: Vec<String> = events.chain(bundle).map(|name| name.as_str().unwrap().to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

/// As every test of bundles has it.
pub fn trusted() -> Trust {
    Setting::trust()
}
