//! The operating system's account that PostgreSQL runs as.
//!
//! PostgreSQL refuses root, so under root its processes run as an unprivileged account;
//! under any other user they run as that user.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{Gid, Uid, User, geteuid};

use super::error::{EmbeddedError, OnPath};

/// Names the account that PostgreSQL runs as under root.
pub(super) const ACCOUNT_VARIABLE: &str = "MATRICULE_POSTGRES_USER";
/// Accounts that fit, best first: our own, then those that PostgreSQL's packages
/// (Debian, Fedora) and macOS create. Never `nobody`, which others share.
const FITTING: [&str; 3] = ["matricule", "postgres", "_postgres"];

/// An account with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    uid: Uid,
    gid: Gid,
    /// Whether this process must change to it (it is root).
    change: bool,
}

impl Account {
    /// The account for the cluster in `cluster`, which need not exist yet.
    pub(super) fn for_cluster(cluster: &Path) -> Result<Self, EmbeddedError> {
        let me = geteuid();
        let owner = match fs::metadata(cluster) {
            Ok(metadata) => Some(Uid::from_raw(metadata.uid())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(source).on("look at", cluster),
        };
        match owner {
            Some(owner) if !me.is_root() && owner != me => {
                Err(EmbeddedError::ForeignCluster { dir: cluster.to_owned(), owner: name_of(owner) })
            }
            // Under root, a cluster keeps the account it was made with.
            Some(owner) if me.is_root() && !owner.is_root() => Self::of(owner, true),
            _ if me.is_root() => Self::unprivileged(),
            _ => Self::of(me, false),
        }
    }

    fn unprivileged() -> Result<Self, EmbeddedError> {
        let named = std::env::var(ACCOUNT_VARIABLE).ok();
        let names: Vec<&str> = match &named {
            Some(name) => vec![name],
            None => FITTING.to_vec(),
        };
        let found =
            names.iter().filter_map(|name| User::from_name(name).ok().flatten()).find(|user| !user.uid.is_root());
        match found {
            Some(user) => Ok(Self::from_user(user, true)),
            None => Err(EmbeddedError::NoAccount { looked_for: names.join(", ") }),
        }
    }

    fn of(uid: Uid, change: bool) -> Result<Self, EmbeddedError> {
        match User::from_uid(uid) {
            Ok(Some(user)) => Ok(Self::from_user(user, change)),
            _ => Err(EmbeddedError::NamelessUser { uid: uid.as_raw() }),
        }
    }

    fn from_user(user: User, change: bool) -> Self {
        Self { name: user.name, uid: user.uid, gid: user.gid, change }
    }

    /// Makes `command` run as this account. The environment is emptied but for what
    /// finding programs and shared libraries takes: ours may hold secrets, and
    /// `PG*` and locale variables would change what PostgreSQL does.
    pub(super) fn dress(&self, command: &mut Command) {
        command.env_clear();
        for kept in ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        if self.change {
            // The standard library drops the supplementary groups along with the user.
            command.uid(self.uid.as_raw()).gid(self.gid.as_raw());
        }
    }

    /// Makes a folder that belongs to this account and nobody else may enter.
    pub(super) fn make_private_dir(&self, dir: &Path) -> Result<(), EmbeddedError> {
        fs::create_dir(dir).on("create", dir)?;
        self.own(dir)
    }

    /// Gives a folder to this account alone.
    pub(super) fn own(&self, dir: &Path) -> Result<(), EmbeddedError> {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).on("protect", dir)?;
        if self.change {
            std::os::unix::fs::lchown(dir, Some(self.uid.as_raw()), Some(self.gid.as_raw())).on("give away", dir)?;
        }
        Ok(())
    }

    /// Whether a file belongs to this account.
    pub(super) fn owns(&self, metadata: &fs::Metadata) -> bool {
        metadata.uid() == self.uid.as_raw()
    }

    /// Fails if this account cannot enter `dir`, naming the folder in the way.
    ///
    /// It is tried rather than computed: modes, groups and access lists all have a say.
    pub(super) fn check_reaches(&self, dir: &Path, program: &Path) -> Result<(), EmbeddedError> {
        let mut probe = Command::new(program);
        self.dress(&mut probe);
        probe.arg("--version").current_dir(dir);
        match probe.output() {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(EmbeddedError::Unreachable { account: self.name.clone(), obstacle: self.obstacle(dir, program) })
            }
            Err(source) => Err(source).on("run", program),
        }
    }

    /// The first folder on the way to `dir`, or else to `program`, that is closed to others.
    fn obstacle(&self, dir: &Path, program: &Path) -> PathBuf {
        let closed = |path: &Path| {
            fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o001 == 0 && !self.owns(&metadata))
        };
        let mut on_the_way: Vec<&Path> = dir.ancestors().collect();
        on_the_way.reverse();
        on_the_way.extend(program.ancestors().skip(1));
        let found = on_the_way.into_iter().find(|path| closed(path));
        found.unwrap_or(dir).to_owned()
    }
}

/// The names that may connect over the socket: who runs this, root, and the cluster's owner.
pub(super) fn welcome(cluster: &Account) -> Vec<String> {
    let mut names = vec![cluster.name.clone()];
    for uid in [geteuid(), Uid::from_raw(0)] {
        if let Ok(Some(user)) = User::from_uid(uid)
            && !names.contains(&user.name)
        {
            names.push(user.name);
        }
    }
    names
}

fn name_of(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => format!("with the id {uid}"),
    }
}
