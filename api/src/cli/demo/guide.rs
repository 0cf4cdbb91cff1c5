//! What the demo prints: where to go, whom to be, what to try.

use super::relying_party::RelyingParty;
use crate::config::Config;
use askama::Template;
use school_files::sample::{DemoChild, DemoSet};
use std::path::{Path, PathBuf};

/// The guide, in both languages.
#[derive(Template)]
#[template(path = "demo/guide.txt")]
pub(super) struct Guide {
    origin: String,
    service: String,
    missing: Option<String>,
    surname: String,
    given_name: String,
    mobile: String,
    children: Vec<Child>,
    moving: String,
    new_school: String,
    import: String,
    reset: String,
    history: String,
    state: String,
    check: String,
    fresh: String,
    /// Where commands and paths hold.
    here: String,
    /// Position at which the schools' first files were in.
    imported: u64,
}

struct Child {
    name: String,
    born: String,
    born_english: String,
    school: String,
}

impl Guide {
    pub(super) fn new(config: &Config, dir: &Path, set: &DemoSet, service: &RelyingParty, imported: u64) -> Self {
        let at = format!("--data-dir {}", quoted(dir));
        let (matricule, replay) = (program("matricule"), program("matricule-replay"));
        let files: Vec<String> = set.transfer_files.iter().map(|file| quoted(&near(file))).collect();
        Self {
            origin: config.origin(),
            service: service.origin.clone(),
            missing: service.missing.clone(),
            surname: set.guardian.family_name.clone(),
            given_name: set.guardian.given_name.clone(),
            mobile: set.guardian.mobile_written.clone(),
            children: set.guardian.children.iter().map(|child| Child::new(child, set)).collect(),
            moving: set.moving_child.given_name.clone(),
            new_school: set.other_college_name.to_owned(),
            import: format!("{matricule} {at} import \\\n         {}", files.join(" \\\n         ")),
            reset: format!("{matricule} {at} reset"),
            history: format!("{replay} {at} history"),
            state: format!("{replay} {at} state"),
            check: format!("{replay} {at} check"),
            fresh: format!("{matricule} {at} demo --fresh"),
            here: std::env::current_dir().map(|here| here.display().to_string()).unwrap_or_default(),
            imported,
        }
    }

    pub(super) fn text(&self) -> Result<String, askama::Error> {
        self.render()
    }
}

impl Child {
    fn new(child: &DemoChild, set: &DemoSet) -> Self {
        let school = if child.school == set.ecole.uai { set.ecole_name } else { set.college_name };
        Self {
            name: format!("{} {}", child.given_name, child.family_name),
            born: child.birth_date.format("%d/%m/%Y").to_string(),
            born_english: child.birth_date.format("%-d %B %Y").to_string(),
            school: school.to_owned(),
        }
    }
}

/// A program of ours, as the reader would call it from where they are.
fn program(name: &str) -> String {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(name)));
    match beside {
        Some(path) if path.is_file() => quoted(&near(&path)),
        _ => name.to_owned(),
    }
}

/// Relative to the working directory where that is shorter.
fn near(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).map_or_else(|_| path.to_owned(), Path::to_owned)
}

/// For a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().all(|character| character.is_ascii_alphanumeric() || "/._-+".contains(character)) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quoted(Path::new("matricule-data/demo")), "matricule-data/demo");
        assert_eq!(quoted(Path::new("/tmp/l'école")), r"'/tmp/l'\''école'");
    }

    #[test]
    fn the_guide_reads_well() {
        let directory = tempfile::tempdir().unwrap();
        let set = school_files::sample::write_demo(directory.path()).unwrap();
        let service = RelyingParty::sample();
        let guide = Guide::new(&Config::default(), Path::new("matricule-data/demo"), &set, &service, 57);
        let guide = Guide { here: "/home/camille/matricule".to_owned(), ..guide };
        let text = guide.text().unwrap().replace(directory.path().to_str().unwrap(), "matricule-data/demo/ecoles");
        // Tests don't lie beside the programs.
        let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(text);
    }
}
