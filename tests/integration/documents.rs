//! The tables of `docs/` name tests. Each must exist, and be one; each point and each class of bug must have one.

use crate::harness::root;
use std::fs;
use std::path::{Path, PathBuf};

/// Documents whose tables name tests.
const DOCUMENTS: [&str; 2] = ["docs/security.md", "docs/conformance.md"];

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether these words name a test: `crate::module::name`, or `folder/file.rs::name`.
fn names_a_test(words: &str) -> bool {
    let crates = ["api::", "domain::", "ledger::", "projections::", "replay::", "school_files::"];
    let is_path = words.contains(".rs::");
    !words.contains(' ') && (is_path || crates.iter().any(|name| words.starts_with(name)))
}

/// The file of a test, and the test's own name.
fn place(words: &str) -> Option<(PathBuf, &str)> {
    let (module, name) = words.rsplit_once("::")?;
    if module.ends_with(".rs") {
        return Some((root().join(module), name)).filter(|(path, _)| path.is_file());
    }
    let mut parts = module.split("::");
    let folder = match parts.next()? {
        "school_files" => "api/school-files/src".to_owned(),
        other => format!("{other}/src"),
    };
    let parts: Vec<&str> = parts.collect();
    // The last parts may be modules inside a file: the longest path that is a file counts.
    (0..=parts.len()).rev().find_map(|taken| {
        let path = root().join(&folder).join(parts[..taken].join("/"));
        let files = [path.with_extension("rs"), path.join("mod.rs"), path.join("lib.rs")];
        let declared = files.into_iter().filter(|file| file.is_file());
        declared.filter(|file| is_a_test(file, name)).map(|file| (file, name)).next()
    })
}

/// Whether the file has a test of this name.
fn is_a_test(file: &Path, name: &str) -> bool {
    let source = fs::read_to_string(file).unwrap_or_default();
    let Some(at) = source.find(&format!("fn {name}(")) else { return false };
    // The lines above its own.
    let above = source[..at].rsplit('\n').skip(1).take(4);
    above.take_while(|line| !line.trim().is_empty()).any(|line| {
        let line = line.trim();
        line == "#[test]" || line.starts_with("#[tokio::test")
    })
}

#[test]
fn documents_name_tests_that_exist() {
    let mut missing = Vec::new();
    let mut named = 0;
    for document in DOCUMENTS {
        let text = read(document);
        for words in quoted(&text).filter(|words| names_a_test(words)) {
            named += 1;
            if !place(words).is_some_and(|(file, name)| is_a_test(&file, name)) {
                missing.push(format!("{document}: {words}"));
            }
        }
    }
    assert!(missing.is_empty(), "no such test:\n{}", missing.join("\n"));
    assert!(named > 150, "only {named} tests are named");
}

#[test]
fn every_point_and_every_class_of_bug_has_a_test() {
    let text = read("docs/security.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    for point in 1..=46 {
        let row = rows.iter().find(|row| row.starts_with(&format!("| {point} ")));
        let row = row.unwrap_or_else(|| panic!("point {point} has no row"));
        assert!(quoted(row).any(names_a_test), "point {point} names no test");
    }
    let (_, classes) = text.split_once("## Bugs that hit others").expect("the classes of bugs");
    let classes = classes.split("\n## ").next().unwrap_or_default();
    let rows: Vec<&str> = classes.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(rows.len(), 15);
    for row in rows {
        assert!(quoted(row).any(names_a_test), "{row}");
    }
}

#[test]
fn every_module_of_the_conformance_suite_has_a_test_or_a_reason() {
    for row in read("docs/conformance.md").lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, module, tests, result, _] = cells[..] else { panic!("{row}") };
        let reason = result.starts_with("skips: ") || result == "not in this variant";
        let passes = result == "pass" || result.starts_with("pass:") || result.starts_with("pass;");
        assert!(passes || reason || result.starts_with("skips"), "{module}: {result}");
        assert!(quoted(tests).any(names_a_test) || (tests == "–" && reason), "{module} names no test");
    }
}
