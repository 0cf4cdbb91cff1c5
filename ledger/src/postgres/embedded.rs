//! The supervisor: one thread that starts the server, watches it and stops it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::account::Account;
use super::binaries::Binaries;
use super::cluster;
use super::data_dir::{DataDir, PORT};
use super::error::{EmbeddedError, OnPath};
use super::lock::DirLock;
use super::postmaster::{Plan, Postmaster};
use super::{DATABASE, Durability, Role};

/// Between looks at a server that runs.
const WATCH: Duration = Duration::from_millis(100);
/// The longest wait between two attempts to bring a dead server back.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A private PostgreSQL on a data directory, over a Unix socket.
///
/// It owns the directory: a second one is refused while it lives. A server that dies is started
/// again. Dropping this stops the server (and blocks meanwhile); should this process be killed,
/// the kernel interrupts the server, which then shuts down in order.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    dir: DataDir,
    shared: Arc<Shared>,
    supervisor: Option<JoinHandle<()>>,
    _lock: DirLock, // let go of last, after `drop` has stopped the server
}

/// What the supervisor's thread and its owner both see.
#[derive(Debug, Default)]
struct Shared {
    stopping: AtomicBool,
    /// 0 while no server runs.
    pid: AtomicI32,
}

impl EmbeddedPostgres {
    /// Starts PostgreSQL on `dir`, making directory and cluster if they are missing.
    /// Blocks until it takes connections: about a second the first time, a fraction later,
    /// longer when it recovers from a crash.
    ///
    /// # Errors
    /// See [`EmbeddedError`].
    pub fn start(dir: &Path) -> Result<Self, EmbeddedError> {
        Self::start_with(dir, Durability::Full)
    }

    /// As [`Self::start`], with what acknowledged writes must survive.
    ///
    /// # Errors
    /// See [`EmbeddedError`].
    pub fn start_with(dir: &Path, durability: Durability) -> Result<Self, EmbeddedError> {
        let dir = DataDir::create(dir)?;
        let account = Account::for_cluster(&dir.cluster())?;
        let lock = DirLock::take(&dir)?;
        let cluster = dir.cluster();
        let made_by = dir.major()?.map(|major| (cluster.as_path(), major));
        let binaries = Binaries::find(made_by)?;
        account.check_reaches(dir.path(), &binaries.program("postgres"))?;

        let shared = Arc::new(Shared::default());
        let (report, started) = mpsc::sync_channel(1);
        let supervisor = thread::Builder::new()
            .name("postgres".to_owned())
            .spawn({
                let (dir, shared) = (dir.clone(), Arc::clone(&shared));
                move || supervise(dir, account, binaries, durability, &shared, &report)
            })
            .on("watch over", dir.path())?;
        // From here on, dropping `this` ends the thread and the server.
        let this = Self { dir, shared, supervisor: Some(supervisor), _lock: lock };
        match started.recv() {
            Ok(result) => result.map(|()| this),
            Err(_) => Err(EmbeddedError::Start {
                reason: "its supervisor ended".to_owned(),
                log: this.dir.log(),
                tail: String::new(),
            }),
        }
    }

    /// The data directory.
    pub fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// How to connect as `role`, to the database `matricule`.
    pub fn connect_options(&self, role: Role) -> PgConnectOptions {
        connect_options(&self.dir, role)
    }

    /// The server's process id; `None` while a dead server is being replaced.
    pub fn server_pid(&self) -> Option<i32> {
        match self.shared.pid.load(Ordering::Acquire) {
            0 => None,
            pid => Some(pid),
        }
    }

    /// Stops the server. Blocks until it has written its last checkpoint.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for EmbeddedPostgres {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        if let Some(supervisor) = self.supervisor.take() {
            supervisor.thread().unpark();
            let _ = supervisor.join();
        }
    }
}

/// How to connect to the server that runs on `dir`, whoever runs it. What the environment's
/// `PG*` variables say is about some other server, so all that matters is set here.
pub(super) fn connect_options(dir: &DataDir, role: Role) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("localhost")
        .socket(dir.socket_dir())
        .port(PORT)
        .ssl_mode(PgSslMode::Disable)
        .username(role.name())
        .database(DATABASE)
}

/// The supervisor's life. It makes every server itself, because the kernel ties a child's end to
/// the end of the thread that spawned it.
fn supervise(
    dir: DataDir,
    account: Account,
    binaries: Binaries,
    durability: Durability,
    shared: &Shared,
    report: &mpsc::SyncSender<Result<(), EmbeddedError>>,
) {
    let stopping = || shared.stopping.load(Ordering::Acquire);
    let started = prepare(dir, account, binaries, durability).and_then(|plan| Ok((plan.launch(&stopping)?, plan)));
    let (mut postmaster, plan) = match started {
        Ok(started) => started,
        Err(error) => {
            let _ = report.send(Err(error));
            return;
        }
    };
    shared.pid.store(postmaster.pid(), Ordering::Release);
    let _ = report.send(Ok(()));
    loop {
        if stopping() {
            shared.pid.store(0, Ordering::Release);
            return postmaster.stop();
        }
        if let Some(status) = postmaster.ended() {
            shared.pid.store(0, Ordering::Release);
            tracing::error!(%status, "PostgreSQL ended by itself; starting it again");
            match bring_back(&plan, &stopping) {
                Some(next) => postmaster = next,
                None => return,
            }
            shared.pid.store(postmaster.pid(), Ordering::Release);
            tracing::info!(pid = postmaster.pid(), "PostgreSQL runs again");
        }
        thread::park_timeout(WATCH);
    }
}

fn prepare(dir: DataDir, account: Account, binaries: Binaries, durability: Durability) -> Result<Plan, EmbeddedError> {
    cluster::make_if_missing(&dir, &account, &binaries)?;
    let socket_dir: PathBuf = dir.make_socket_dir(&account)?;
    let config_file = cluster::configure(&dir, &account, &socket_dir, durability)?;
    Ok(Plan { dir, account, binaries, config_file })
}

/// Starts the server again, for as long as it takes; `None` once stopping.
fn bring_back(plan: &Plan, stopping: &dyn Fn() -> bool) -> Option<Postmaster> {
    let mut pause = WATCH;
    while !stopping() {
        match plan.launch(stopping) {
            Ok(postmaster) => return Some(postmaster),
            Err(error) => tracing::error!(%error, "PostgreSQL does not start"),
        }
        thread::park_timeout(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    None
}
