//! Finding PostgreSQL's server programs.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::EmbeddedError;

/// The oldest major version that is supported.
pub(super) const OLDEST_MAJOR: u32 = 15;
/// Names the folder of `postgres` and `initdb`, past every other place.
pub(super) const BIN_VARIABLE: &str = "MATRICULE_POSTGRES_BIN";

/// One installed PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) folder: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The programs for a cluster: those of its own major version where it exists already
    /// (a system upgrade may have brought a newer one beside it), else the newest.
    pub(super) fn find(cluster: Option<(&Path, u32)>) -> Result<Self, EmbeddedError> {
        let (found, searched) = installed();
        choose(found, &searched, cluster)
    }

    /// The installation in one folder, if it is one.
    fn at(folder: &Path) -> Option<Self> {
        let folder = real_folder(folder)?;
        if !folder.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
        let major = parse_major(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { folder, major })
    }
}

fn choose(found: Vec<Binaries>, searched: &str, cluster: Option<(&Path, u32)>) -> Result<Binaries, EmbeddedError> {
    let Some(newest) = found.iter().map(|binaries| binaries.major).max() else {
        return Err(EmbeddedError::NoBinaries { searched: searched.to_owned() });
    };
    let wanted = cluster.map_or(newest, |(_, major)| major);
    let majors = found.iter().map(|binaries| binaries.major.to_string());
    let installed = majors.collect::<Vec<_>>().join(", ");
    match (found.into_iter().find(|one| one.major == wanted), cluster) {
        (Some(binaries), _) => Ok(binaries),
        (None, Some((dir, major))) => Err(EmbeddedError::OtherMajor { dir: dir.to_owned(), cluster: major, installed }),
        (None, None) => Err(EmbeddedError::NoBinaries { searched: searched.to_owned() }),
    }
}

/// Every usable installation, in order of preference, and where they were looked for.
fn installed() -> (Vec<Binaries>, String) {
    if let Some(folder) = env::var_os(BIN_VARIABLE) {
        let searched = format!("{} ({BIN_VARIABLE})", Path::new(&folder).display());
        let found = Binaries::at(Path::new(&folder));
        return (found.into_iter().filter(recent_enough).collect(), searched);
    }
    let mut folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    folders.retain(|folder| folder.join("postgres").is_file());
    folders.extend(from_pg_config());
    folders.extend(versioned(Path::new("/usr/lib/postgresql"), "", "bin")); // Debian, Ubuntu
    folders.extend(versioned(Path::new("/usr"), "pgsql-", "bin")); // Fedora, PGDG
    for homebrew in ["/opt/homebrew/opt", "/usr/local/opt"] {
        folders.extend(versioned(Path::new(homebrew), "postgresql@", "bin"));
        folders.push(Path::new(homebrew).join("postgresql/bin"));
    }
    let mut found: Vec<Binaries> = Vec::new();
    for folder in folders.iter().filter_map(|folder| real_folder(folder)) {
        if found.iter().all(|known| known.folder != folder) {
            found.extend(Binaries::at(&folder).filter(recent_enough));
        }
    }
    let searched = "PATH, `pg_config --bindir`, /usr/lib/postgresql/*/bin, /usr/pgsql-*/bin, \
                    /opt/homebrew/opt/postgresql@*/bin, /usr/local/opt/postgresql@*/bin";
    (found, searched.to_owned())
}

/// Where `postgres` really lies: PATH often holds links to it.
fn real_folder(folder: &Path) -> Option<PathBuf> {
    let postgres = fs::canonicalize(folder.join("postgres")).ok()?;
    Some(postgres.parent()?.to_owned())
}

fn recent_enough(binaries: &Binaries) -> bool {
    binaries.major >= OLDEST_MAJOR
}

fn from_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(folder.trim_end()))
}

/// `<parent>/<prefix><major>/<below>` for each major version there, newest first.
fn versioned(parent: &Path, prefix: &str, below: &str) -> Vec<PathBuf> {
    let mut majors: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major = major_of(&entry.file_name(), prefix)?;
            Some((major, entry.path().join(below)))
        })
        .collect();
    majors.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    majors.into_iter().map(|(_, folder)| folder).collect()
}

fn major_of(name: &OsStr, prefix: &str) -> Option<u32> {
    name.to_str()?.strip_prefix(prefix)?.parse().ok()
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_major(version: &str) -> Option<u32> {
    let number = version.split("(PostgreSQL) ").nth(1)?;
    let digits = number.find(|c: char| !c.is_ascii_digit());
    number[..digits.unwrap_or(number.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(major: u32) -> Binaries {
        Binaries { folder: format!("/somewhere/{major}/bin").into(), major }
    }

    #[test]
    fn reads_the_major_version() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_major("something else"), None);
    }

    #[test]
    fn a_new_cluster_takes_the_newest() {
        let chosen = choose(vec![binaries(15), binaries(17), binaries(16)], "", None);
        assert_eq!(chosen.unwrap().major, 17);
    }

    #[test]
    fn a_cluster_takes_its_own_version_although_a_newer_one_is_there() {
        let cluster = Path::new("/data/pg");
        let both = vec![binaries(17), binaries(15)];
        let chosen = choose(both, "", Some((cluster, 15)));
        assert_eq!(chosen.unwrap().major, 15);
    }

    #[test]
    fn a_cluster_of_an_absent_version_is_refused_with_both_versions_named() {
        let cluster = Path::new("/data/pg");
        let error = choose(vec![binaries(17)], "", Some((cluster, 15))).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, EmbeddedError::OtherMajor { cluster: 15, .. }));
        assert!(text.contains("15") && text.contains("17") && text.contains("/data/pg"));
    }

    #[test]
    fn no_installation_says_how_to_install_one() {
        let text = choose(Vec::new(), "PATH", None).unwrap_err().to_string();
        assert!(text.contains("apt install postgresql"), "{text}");
        assert!(text.contains("brew install"), "{text}");
        assert!(text.contains(BIN_VARIABLE), "{text}");
    }
}
