//! What can go wrong with the embedded PostgreSQL, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why the embedded PostgreSQL could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No server binaries on this machine.
    #[error(
        "PostgreSQL {oldest} or newer is needed and was not found (looked in {searched}). \
         Install it (Debian, Ubuntu: `apt install postgresql`; macOS: `brew install postgresql@17`), \
         or set {variable} to the folder that holds `postgres` and `initdb`, \
         or set DATABASE_URL to use a server that runs already",
        oldest = super::binaries::OLDEST_MAJOR,
        variable = super::binaries::BIN_VARIABLE,
    )]
    NoBinaries {
        /// The places looked at, for a person to read.
        searched: String,
    },
    /// The cluster was made by a major version that is not installed.
    #[error(
        "{dir} holds data of PostgreSQL {cluster}, and the installed server is {installed}. \
         Install PostgreSQL {cluster} beside it (the right one is then chosen), or carry the data over \
         with pg_dump or pg_upgrade; nothing was changed"
    )]
    OtherMajor {
        /// The cluster's directory.
        dir: PathBuf,
        /// Its major version.
        cluster: u32,
        /// The major versions found, for a person to read.
        installed: String,
    },
    /// The directory exists but is not a cluster.
    #[error(
        "{dir} exists but holds no PostgreSQL data (no readable PG_VERSION): move it away or choose another data directory"
    )]
    NotACluster {
        /// The directory.
        dir: PathBuf,
    },
    /// Root, and no unprivileged account to run PostgreSQL as.
    #[error(
        "PostgreSQL refuses to run as root, and there is no account to run it as (looked for {looked_for}). \
         Create one (`useradd --system --user-group matricule`), or name one in {variable}",
        variable = super::account::ACCOUNT_VARIABLE,
    )]
    NoAccount {
        /// The account names tried.
        looked_for: String,
    },
    /// The process's user id has no name.
    #[error(
        "the user id {uid} this program runs as has no name on this machine, and PostgreSQL needs one. \
         Add the user to /etc/passwd, run as a user that has a name (or as root), or set DATABASE_URL"
    )]
    NamelessUser {
        /// The user id.
        uid: u32,
    },
    /// The cluster belongs to somebody else.
    #[error(
        "{dir} belongs to the user {owner}: run this program as {owner} or as root, or choose another data directory"
    )]
    ForeignCluster {
        /// The cluster's directory.
        dir: PathBuf,
        /// Its owner's name or id.
        owner: String,
    },
    /// The account that is to run PostgreSQL cannot reach the directory.
    #[error(
        "PostgreSQL runs as the user {account}, who cannot enter {obstacle}. \
         Choose a data directory elsewhere (for root: /var/lib/matricule), or let that user pass: chmod o+x {obstacle}"
    )]
    Unreachable {
        /// The account.
        account: String,
        /// The folder that stops it.
        obstacle: PathBuf,
    },
    /// Another process works on this directory.
    #[error("{dir} is in use by {holder}: stop that process first, or choose another data directory")]
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// The process, for a person to read.
        holder: String,
    },
    /// A PostgreSQL that no process of ours owns any more does not stop.
    #[error("a PostgreSQL left over from an earlier run (process {pid}) does not stop: end it, then start again")]
    LeftOver {
        /// Its process id.
        pid: i32,
    },
    /// The socket's folder is in somebody else's hands.
    #[error("{dir} should hold PostgreSQL's socket but belongs to another user or is open to others: remove it")]
    SocketDirTaken {
        /// The folder.
        dir: PathBuf,
    },
    /// The path cannot be written into PostgreSQL's configuration.
    #[error("the data directory's path {dir:?} holds a line break or is not UTF-8: choose another")]
    OddPath {
        /// The path.
        dir: PathBuf,
    },
    /// `initdb` or the set-up of the new cluster failed.
    #[error("PostgreSQL's new data directory could not be made; {step} said:\n{output}")]
    Initialise {
        /// The program that failed.
        step: &'static str,
        /// What it printed.
        output: String,
    },
    /// The server did not come up.
    #[error("PostgreSQL did not start ({reason}). The end of its log, {log}:\n{tail}")]
    Start {
        /// How it ended.
        reason: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of this start.
        tail: String,
    },
    /// A system call failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// Puts the attempted action and the path beside a system error.
pub(super) trait OnPath<T> {
    /// Converts the error.
    fn on(self, action: &'static str, path: &Path) -> Result<T, EmbeddedError>;
}

impl<T, E: Into<io::Error>> OnPath<T> for Result<T, E> {
    fn on(self, action: &'static str, path: &Path) -> Result<T, EmbeddedError> {
        self.map_err(|source| EmbeddedError::Io { action, path: path.to_owned(), source: source.into() })
    }
}
