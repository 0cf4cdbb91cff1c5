//! Databases for tests: one private server for each test process, one database for each test.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::data_dir::DataDir;
use super::lock::DirLock;
use super::{Database, Durability, Role, migrate, postmaster};

/// The migrated database that each test gets a copy of.
const TEMPLATE: &str = "template_migrated";
/// How the names of temporary data directories begin.
const PREFIX: &str = "matricule-test-";

/// A fresh, migrated database of one test. It is dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    database: Database,
    name: String,
    done: Sender<String>,
}

impl std::ops::Deref for TestDatabase {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let _ = self.done.send(std::mem::take(&mut self.name));
    }
}

/// A database of its own for the calling test, copied from a migrated template.
///
/// The first call in a process starts the server, which ends with the process.
///
/// # Panics
/// There is no PostgreSQL, or a migration fails: the message says what to do.
pub async fn fresh_database() -> TestDatabase {
    // Starting blocks, and the test's runtime may have one thread only.
    let shared = tokio::task::spawn_blocking(|| &*SHARED);
    let shared = shared.await.expect("the shared test server starts");
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let created = shared.database.create_from_template(TEMPLATE, &name).await;
    TestDatabase {
        database: created.expect("a test's database is created from the template"),
        name,
        done: shared.done.clone(),
    }
}

struct Shared {
    database: Database,
    done: Sender<String>,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let dir = TempDataDir::until_exit();
    let (report, started) = channel();
    // A runtime of its own: those of the tests come and go. The thread then drops the databases
    // that tests are done with, for as long as the process lives.
    let janitor = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for the shared test server");
        let database = runtime.block_on(start(&dir));
        let (done, finished) = channel::<String>();
        let shared = Shared { database: database.clone(), done };
        if report.send(shared).is_err() {
            return;
        }
        for name in finished {
            // A database that stays costs only disk until the process ends.
            let _ = runtime.block_on(database.drop_database(&name));
        }
    };
    thread::Builder::new()
        .name("test databases".to_owned())
        .spawn(janitor)
        .expect("a thread for the shared test server");
    started.recv().expect("the shared test server starts (its thread has said why not)")
});

async fn start(dir: &Path) -> Database {
    let database =
        Database::embedded(dir.to_owned(), Durability::ProcessCrashes).await.unwrap_or_else(|error| panic!("{error}"));
    let template = database.create(TEMPLATE).await;
    let template = template.expect("the template is created");
    let pool = template.pool(Role::Owner, 1).await;
    let pool = pool.expect("the template can be connected to");
    let migrated = migrate(&pool).await;
    migrated.unwrap_or_else(|error| panic!("the migrations fail: {error}"));
    pool.close().await;
    database
}

/// A temporary data directory that PostgreSQL's account can enter. Removed with this value;
/// if its process is killed, by the next process that makes one.
#[derive(Debug)]
pub struct TempDataDir(PathBuf);

impl TempDataDir {
    /// Makes an empty one.
    ///
    /// # Panics
    /// The temporary folder cannot be written.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        sweep();
        Self(make())
    }

    /// Makes one that a shell removes once this process has ended, for what lives in a `static`,
    /// which nothing drops.
    ///
    /// # Panics
    /// The temporary folder cannot be written.
    pub fn until_exit() -> PathBuf {
        sweep();
        let dir = make();
        remove_after_exit(&dir);
        dir
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDataDir {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn make() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{PREFIX}{}-{number}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    let made = DirBuilder::new().mode(0o755).create(&dir);
    made.unwrap_or_else(|error| panic!("cannot create {}: {error}", dir.display()));
    dir
}

/// Removes what test processes that were killed left behind.
fn sweep() {
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok())
            .and_then(rustix::process::Pid::from_raw);
        let Some(owner) = owner else { continue };
        let gone = rustix::process::test_kill_process(owner) == Err(rustix::io::Errno::SRCH);
        // The server of a killed process may still be shutting down; it is left to the next sweep.
        let idle = DataDir::existing(&entry.path())
            .is_ok_and(|dir| DirLock::is_held(&dir).is_ok_and(|held| !held) && !postmaster::is_running(&dir));
        if gone && idle {
            remove(&entry.path());
        }
    }
}

/// Removes a data directory and the short socket folder it may have.
fn remove(dir: &Path) {
    if let Ok(data) = DataDir::existing(dir) {
        // The server of a child that was killed still shuts down for a moment.
        let began = Instant::now();
        while postmaster::is_running(&data) && began.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = fs::remove_dir_all(data.socket_dir());
    }
    let _ = fs::remove_dir_all(dir);
}

/// Leaves a shell waiting for the end of this process, seen by the end of a pipe, and then for
/// that of its server.
fn remove_after_exit(dir: &Path) {
    let script = "read -r _; \
                  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do \
                  [ -e \"$1/pg/postmaster.pid\" ] || break; sleep 0.5; done; \
                  rm -rf -- \"$1\"";
    let shell = Command::new("/bin/sh")
        .args(["-c", script, "sh"])
        .arg(dir)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    // The pipe's end must stay open until the process ends.
    std::mem::forget(shell);
}
