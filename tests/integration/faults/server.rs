//! The server under the storm, and what can be done to it.

use super::migrated;
use ledger::postgres::testing::TempDataDir;
use ledger::postgres::{DataDir, EmbeddedPostgres, Role};
use rand::RngExt;
use rand::rngs::StdRng;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Size of the small file system: what a new server takes, and room for a storm.
const SMALL: &str = "size=600m,mode=755";
/// The log must not fill it by itself.
const LITTLE_LOG: &str = "max_wal_size = '96MB'\n";
/// Length of a segment of the write-ahead log.
const SEGMENT: u64 = 16 << 20;

/// A small file system in memory, mounted over a directory; unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// `None` where mounting is not allowed.
    fn over(dir: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SMALL, "tmpfs"]).arg(dir).stderr(Stdio::null());
        succeeds(&mut mount).then(|| Self(dir.to_owned()))
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

impl Drop for Mount {
    fn drop(&mut self) {
        succeeds(Command::new("umount").arg("-l").arg(&self.0));
    }
}

/// A supervised server; fields are dropped in their order.
pub struct Server {
    embedded: Option<EmbeddedPostgres>,
    mount: Option<Mount>,
    place: TempDataDir,
}

impl Server {
    /// Starts one, if possible on a small file system of its own.
    pub async fn start() -> Self {
        let place = TempDataDir::new();
        let mount = Mount::over(place.path());
        migrated(place.path()).await;
        let settings = File::options().append(true).open(place.path().join("pg/postgresql.auto.conf"));
        settings.and_then(|mut file| file.write_all(LITTLE_LOG.as_bytes())).expect("the server can be configured");
        let embedded = EmbeddedPostgres::start(place.path()).expect("the server starts");
        Self { embedded: Some(embedded), mount, place }
    }

    pub fn data(&self) -> &Path {
        self.place.path()
    }

    /// Whether its file system can be filled without harm to others.
    pub fn is_alone(&self) -> bool {
        self.mount.is_some()
    }

    pub fn socket_dir(&self) -> PathBuf {
        let options = self.embedded().connect_options(Role::Service);
        options.get_socket().expect("the embedded server listens on a socket").clone()
    }

    fn embedded(&self) -> &EmbeddedPostgres {
        self.embedded.as_ref().expect("it runs until it is dropped")
    }

    /// The postmaster; waits for the supervisor to bring one.
    pub fn postmaster(&self) -> Pid {
        let began = Instant::now();
        loop {
            if let Some(pid) = self.embedded().server_pid().and_then(Pid::from_raw) {
                return pid;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "the server is not started again");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Signals the postmaster; says whether it was there.
    pub fn signal(&self, signal: Signal) -> bool {
        rustix::process::kill_process(self.postmaster(), signal).is_ok()
    }

    /// The processes of the server: backends and those that write, check and vacuum beside them.
    fn children(&self) -> Vec<Pid> {
        let pid = self.postmaster().as_raw_nonzero();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    }

    /// `kill -9` of one of them; the server then throws out all sessions and recovers.
    pub fn kill_child(&self, random: &mut StdRng) -> bool {
        let children = self.children();
        let Some(child) = children.get(random.random_range(0..children.len().max(1))) else { return false };
        rustix::process::kill_process(*child, Signal::KILL).is_ok()
    }

    /// How often a write was refused for want of room, by the server's log.
    pub fn refusals(&self) -> usize {
        let log = DataDir::existing(self.data()).map(|dir| dir.log()).expect("the data directory is there");
        let log = std::fs::read(log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.matches("No space left on device").count() + log.matches("File too large").count()
    }

    /// Takes away the room for growing, soon after where the log is now: the server is killed, and the one that takes
    /// its place inherits a limit for the size of its files. PostgreSQL then meets the same refusals to write as on a
    /// full disk, and no right is needed for it that a test may not have.
    pub async fn take_room(&self, random: &mut StdRng) {
        let (database, ledger) = super::open(self.data()).await;
        let owner = database.pool(Role::Owner, 1).await.expect("a pool");
        let position = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";
        let position: i64 = sqlx::query_scalar(position).fetch_one(&owner).await.expect("a position");
        owner.close().await;
        ledger.close().await;
        database.close().await;
        let at = position.cast_unsigned() % SEGMENT;
        let limit = at + random.random_range(60_000..300_000);
        // The next segment would begin below the limit again.
        limit_files(Some(if limit < SEGMENT { limit } else { 1 << 20 }));
        self.signal(Signal::KILL);
    }

    /// Gives it back. The supervisor tries to start a server that can't for as long as it takes.
    pub fn give_room(&self) {
        limit_files(None);
        if let Some(limited) = self.embedded().server_pid().and_then(Pid::from_raw) {
            // It may just have ended.
            let _ = rustix::process::kill_process(limited, Signal::KILL);
        }
    }

    /// Fills the file system to the last byte.
    pub fn fill(&self) -> PathBuf {
        let ballast = self.data().join("ballast");
        let mut file = File::create(&ballast).expect("a file");
        for size in [1 << 20, 1 << 12, 1] {
            let zeros = vec![0_u8; size];
            while file.write_all(&zeros).is_ok() {}
        }
        ballast
    }
}

/// The largest file that this process and those it starts from now on may write, bytes.
fn limit_files(bytes: Option<u64>) {
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Fsize);
    let limit = Rlimit { current: bytes.or(maximum), maximum };
    rustix::process::setrlimit(Resource::Fsize, limit).expect("a process may limit itself");
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.embedded.take());
    }
}
