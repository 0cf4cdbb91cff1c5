use super::all;
use crate::pages::{Language, View};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Set to a folder, the samples are written there, to be looked at in a browser.
const FOLDER: &str = "SAMPLES_FOLDER";

#[test]
fn every_page_renders_in_both_languages() {
    for language in Language::ALL {
        for (name, html) in all(&View::sample(language)) {
            let html = html.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(html.contains(&format!("<html lang=\"{}\">", language.code())), "{name}");
            assert_eq!(html.matches("<h1>").count(), 1, "{name} has one heading of its own");
            assert!(html.contains("<main id=\"main\""), "{name} is inside the layout");
            // The one script of the service, allowed by its hash on the page that hands a form on.
            let others = html.replace("<script>document.forms[document.forms.length - 1].submit()</script>", "");
            assert!(!others.contains("<script") && !html.contains(" style="), "{name}: the policy forbids it");
            let handler = |word: &str| word.starts_with("on") && word.contains("=\"");
            assert!(!html.split_whitespace().any(handler), "{name}: no script");
            ids_are_unique(&name, &html);
            if let Ok(folder) = std::env::var(FOLDER) {
                let file = Path::new(&folder).join(format!("{}-{}.html", language.code(), name.replace(' ', "-")));
                std::fs::write(file, html).unwrap();
            }
        }
    }
}

fn ids_are_unique(name: &str, html: &str) {
    let mut seen = BTreeSet::new();
    for id in html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(seen.insert(id), "{name}: the id {id} occurs twice");
    }
    for label in html.split(" for=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(seen.contains(label), "{name}: a label for {label}, which is not there");
    }
}

#[test]
fn what_was_typed_is_shown_as_text() {
    let pages = all(&View::sample(Language::French));
    let html =
        pages.iter().filter(|(name, _)| name.starts_with("SpecimenPage")).map(|(_, html)| html.as_ref().unwrap());
    assert!(html.clone().any(|html| html.contains("Fictif &#38; &#34;fils&#34;")));
    assert!(!html.clone().any(|html| html.contains("<Fictif")));
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), extension, &mut found);
    found
}

/// Key → placeables, of one language.
fn catalogue(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let mut messages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files(&format!("locales/{}", language.code()), "ftl") {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut current = None;
        for line in text.lines() {
            if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
                let key = line.split('=').next().unwrap().trim().to_owned();
                assert!(!messages.contains_key(&key), "{}: {key} is there twice", file.display());
                messages.insert(key.clone(), BTreeSet::new());
                current = Some(key);
            }
            let Some(key) = &current else { continue };
            let placeables = line.split('$').skip(1);
            let names = placeables
                .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect());
            messages.get_mut(key).unwrap().extend(names);
        }
    }
    messages
}

#[test]
fn both_catalogues_have_the_same_messages() {
    let (french, english) = (catalogue(Language::French), catalogue(Language::English));
    type Messages = BTreeMap<String, BTreeSet<String>>;
    let only = |a: &Messages, b: &Messages| -> Vec<String> {
        a.iter().filter(|(key, placeables)| b.get(*key) != Some(placeables)).map(|(key, _)| key.clone()).collect()
    };
    assert_eq!(only(&french, &english), Vec::<String>::new(), "in French only, or with other placeables in English");
    assert_eq!(only(&english, &french), Vec::<String>::new(), "in English only");
}

/// The literals of `t("…`, `t1("…`, `tn("…`, `with("…`, `message("…` in templates and code.
#[test]
fn every_message_that_is_asked_for_exists() {
    let known = catalogue(Language::French);
    let mut missing = Vec::new();
    for file in files("templates", "html").into_iter().chain(files("templates", "txt")).chain(files("src", "rs")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for call in [".t(\"", ".t1(\"", ".tn(\"", ".with(\"", ".message(\"", ".message_with(\""] {
            for rest in text.split(call).skip(1) {
                let key = rest.split('"').next().unwrap_or_default();
                let is_key =
                    key.contains('-') && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
                if (is_key || key == "step") && !known.contains_key(key) {
                    missing.push(format!("{}: {key}", file.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The codes of refusals, wherever they are named in the code.
#[test]
fn every_error_code_has_its_words() {
    let known = catalogue(Language::French);
    let mut codes: BTreeSet<String> = BTreeSet::new();
    for file in files("src", "rs") {
        let text = std::fs::read_to_string(&file).unwrap();
        for rest in text.split("::refused(").skip(1) {
            let literal = rest.split('"').nth(1).unwrap_or_default();
            if !literal.is_empty() && literal.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
                codes.insert(literal.to_owned());
            }
        }
    }
    codes.extend(crate::incident::BARE_CODES.map(ToOwned::to_owned));
    assert!(codes.contains("not-found") && codes.contains("too-many"));
    for code in codes {
        for part in ["title", "text"] {
            let key = format!("error-{code}-{part}");
            assert!(known.contains_key(&key), "{key} is missing");
        }
    }
}

#[test]
fn no_message_stays_in_one_language_only() {
    for key in ["home-title", "error-internal-text", "layout-skip"] {
        assert!(Language::ALL.into_iter().all(|language| language.has(key)));
        assert_ne!(Language::French.message(key), Language::English.message(key));
    }
}

#[test]
fn the_style_sheet_stays_small() {
    let css = include_str!("../../../assets/matricule.css");
    assert!(css.len() < 15_000, "{} bytes", css.len());
    assert!(!css.contains("@import") && !css.contains("url("), "it loads nothing else");
}
