//! What lies where in a data directory.
//!
//! ```text
//! <dir>/lock           whose it is: held with flock(2) while a process of ours runs PostgreSQL on it
//! <dir>/conf/          PostgreSQL's configuration, written anew at each start; local.conf is the operator's
//! <dir>/pg/            the cluster; belongs to the account that PostgreSQL runs as
//! <dir>/pg.new.<pid>/  a cluster being made by that process; renamed to pg once whole
//! <dir>/run/           the socket (in a short folder under /tmp when this path is too long for one)
//! <dir>/postgres.log   what PostgreSQL says
//! <dir>/keys/          the ledger's keys: not this module's
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::account::Account;
use super::binaries::Binaries;
use super::error::{EmbeddedError, OnPath};

/// The longest socket path: `sun_path` holds 108 bytes on Linux and 104 on macOS, one for the NUL.
const LONGEST_SOCKET_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
/// How the names of clusters being made begin.
const NEW_CLUSTER: &str = "pg.new.";
/// Part of the socket's name; nothing listens on a TCP port.
pub(super) const PORT: u16 = 5432;

/// A data directory, by its absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Makes the directory if it is missing.
    ///
    /// # Errors
    /// It cannot be made, or its path cannot stand in PostgreSQL's configuration.
    pub fn create(dir: &Path) -> Result<Self, EmbeddedError> {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(dir).on("create", dir)?;
        Self::existing(dir)
    }

    /// A directory that is there.
    ///
    /// # Errors
    /// It is not there, or its path cannot stand in PostgreSQL's configuration.
    pub fn existing(dir: &Path) -> Result<Self, EmbeddedError> {
        let absolute = fs::canonicalize(dir).on("open", dir)?;
        match absolute.to_str() {
            Some(text) if !text.contains(['\n', '\r']) => Ok(Self(absolute)),
            _ => Err(EmbeddedError::OddPath { dir: absolute }),
        }
    }

    /// Where the service keeps its data when nothing is configured: `matricule-data` under
    /// `working`. Under root that may be a place the account of PostgreSQL cannot enter
    /// (a 0700 home); then it is `/var/lib/matricule`.
    ///
    /// # Errors
    /// PostgreSQL or an account to run it as is missing.
    pub fn default_under(working: &Path) -> Result<PathBuf, EmbeddedError> {
        let here = working.join("matricule-data");
        let account = Account::for_cluster(&here.join("pg"))?;
        let postgres = Binaries::find(None)?.program("postgres");
        match account.check_reaches(working, &postgres) {
            Err(EmbeddedError::Unreachable { .. }) => Ok(PathBuf::from("/var/lib/matricule")),
            other => other.map(|()| here),
        }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder for the ledger's keys, which this module neither makes nor reads.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// What PostgreSQL says.
    pub fn log(&self) -> PathBuf {
        self.0.join("postgres.log")
    }

    pub(super) fn cluster(&self) -> PathBuf {
        self.0.join("pg")
    }

    /// A cluster being made. Named after the process, because the `initdb` of a killed one may
    /// still be clearing up its own.
    pub(super) fn new_cluster(&self) -> PathBuf {
        self.0.join(format!("{NEW_CLUSTER}{}", std::process::id()))
    }

    /// Clusters that were never finished.
    pub(super) fn unfinished_clusters(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let unfinished = entries.filter(|entry| {
            let name = entry.file_name();
            name.as_encoded_bytes().starts_with(NEW_CLUSTER.as_bytes())
        });
        unfinished.map(|entry| entry.path()).collect()
    }

    pub(super) fn conf(&self) -> PathBuf {
        self.0.join("conf")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.cluster().join("postmaster.pid")
    }

    /// The major version of the cluster, if there is one.
    pub(super) fn major(&self) -> Result<Option<u32>, EmbeddedError> {
        let cluster = self.cluster();
        match fs::read_to_string(cluster.join("PG_VERSION")) {
            Ok(text) => match text.trim_end().parse() {
                Ok(major) => Ok(Some(major)),
                Err(_) => Err(EmbeddedError::NotACluster { dir: cluster }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound && !cluster.exists() => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(EmbeddedError::NotACluster { dir: cluster }),
            Err(source) => Err(source).on("read", &cluster.join("PG_VERSION")),
        }
    }

    /// The socket's folder: the same for whoever asks, so that other programs find it.
    pub(super) fn socket_dir(&self) -> PathBuf {
        let run = self.0.join("run");
        let socket = run.join(format!(".s.PGSQL.{PORT}"));
        if socket.as_os_str().len() <= LONGEST_SOCKET_PATH {
            return run;
        }
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.0.as_os_str().as_encoded_bytes());
        let short: String = digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        PathBuf::from(format!("/tmp/matricule-{short}"))
    }

    /// Makes the socket's folder, which is the account's alone.
    pub(super) fn make_socket_dir(&self, account: &Account) -> Result<PathBuf, EmbeddedError> {
        let dir = self.socket_dir();
        match account.make_private_dir(&dir) {
            Ok(()) => Ok(dir),
            Err(EmbeddedError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                // Under /tmp anybody could have made it first.
                let metadata = fs::symlink_metadata(&dir).on("look at", &dir)?;
                let private = metadata.is_dir() && metadata.mode() & 0o077 == 0;
                if private && account.owns(&metadata) { Ok(dir) } else { Err(EmbeddedError::SocketDirTaken { dir }) }
            }
            Err(other) => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_a_short_socket_folder_of_its_own() {
        let short = DataDir(PathBuf::from("/srv/matricule"));
        assert_eq!(short.socket_dir(), Path::new("/srv/matricule/run"));

        let long = DataDir(PathBuf::from(format!("/srv/{}", "x".repeat(90))));
        let other = DataDir(PathBuf::from(format!("/srv/{}", "y".repeat(90))));
        assert!(long.socket_dir().starts_with("/tmp"));
        assert_eq!(long.socket_dir(), long.clone().socket_dir());
        assert_ne!(long.socket_dir(), other.socket_dir());
    }

    #[test]
    fn the_socket_path_fits_to_the_byte() {
        let name = format!("/run/.s.PGSQL.{PORT}").len();
        let fits = DataDir(PathBuf::from(format!("/{}", "x".repeat(LONGEST_SOCKET_PATH - name - 1))));
        assert!(fits.socket_dir().ends_with("run"));
        let one_more = DataDir(PathBuf::from(format!("{}x", fits.path().display())));
        assert!(one_more.socket_dir().starts_with("/tmp"));
    }
}
