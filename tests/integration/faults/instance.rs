//! An instance of the service as far as faults concern it: this test's own binary, started again, with a ledger and
//! a runner of views over the server that others use too. It appends as many units as it is told, and says what
//! became of each.

use super::{keys, unit};
use ledger::postgres::{Database, Role, Source};
use ledger::{AppendError, Ledger, Options};
use projections::Runner;
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Set in the instance's environment: the data directory, and where the server's socket is.
const DATA: &str = "FAULTS_INSTANCE_DATA";
const SOCKET: &str = "FAULTS_INSTANCE_SOCKET";
/// Units under way at a time.
const AT_ONCE: usize = 6;
/// How long an instance tries to come up while its server is being killed; longer is a fault to be told.
const COMING_UP: Duration = Duration::from_secs(60);

/// Not a test of its own: what the instance does. Without its variables it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instance() {
    let (Some(data), Some(socket)) = (std::env::var_os(DATA), std::env::var(SOCKET).ok()) else { return };
    let url = |role: Role| {
        format!("postgres://{}@localhost:{}/matricule?host={socket}&sslmode=disable", role.name(), super::proxy::PORT)
    };
    let source = || Source::Url { service: url(Role::Service), owner: Some(url(Role::Owner)) };
    // What it needs may just have been killed.
    let late = Instant::now() + COMING_UP;
    let (pool, ledger, clock) = loop {
        let clock = Arc::new(AtomicI64::new(0));
        let offset = clock.clone();
        let now = move || chrono::Utc::now() + chrono::TimeDelta::milliseconds(offset.load(Ordering::SeqCst));
        let options = Options { clock: Arc::new(now), patience: Duration::from_secs(60), ..Options::default() };
        let opened = async {
            let database = Database::open(source()).await.map_err(|error| error.to_string())?;
            let pool = database.pool(Role::Service, 8).await.map_err(|error| error.to_string())?;
            let ledger = Ledger::open_with(pool.clone(), keys(Path::new(&data)), options).await;
            ledger.map(|ledger| (pool, ledger)).map_err(|error| error.to_string())
        };
        match opened.await {
            Ok((pool, ledger)) => break (pool, ledger, clock),
            Err(error) => assert!(Instant::now() < late, "the instance does not come up: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let late = Instant::now() + COMING_UP;
    let _runner = loop {
        match Runner::start(ledger.clone(), pool.clone()).await {
            Ok(runner) => break runner,
            Err(error) => assert!(Instant::now() < late, "the views are not kept: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let wanted = Arc::new(Semaphore::new(0));
    for _ in 0..AT_ONCE {
        tokio::spawn(append(ledger.clone(), wanted.clone()));
    }
    let orders = move || {
        for line in std::io::stdin().lock().lines() {
            match line.ok().as_deref().and_then(|line| line.split_once(' ')) {
                Some(("append", count)) => wanted.add_permits(count.parse().expect("a number")),
                Some(("clock", offset)) => clock.store(offset.parse().expect("milliseconds"), Ordering::SeqCst),
                _ => return,
            }
        }
    };
    // Ends with whoever gives the orders.
    tokio::task::spawn_blocking(orders).await.expect("orders are read");
}

async fn append(ledger: Ledger, wanted: Arc<Semaphore>) {
    while let Ok(permit) = wanted.acquire().await {
        permit.forget();
        let (command, unit) = unit();
        let said = match ledger.append(unit).await {
            Ok(_) => "acknowledged",
            Err(AppendError::Unconfirmed(_)) => "unconfirmed",
            // All others promise that nothing was written.
            Err(_) => "refused",
        };
        // In one write, so that no kill leaves half a line; nobody listens any more when the storm is over.
        let _ = std::io::stdout().write_all(format!("{said} {command}\n").as_bytes());
    }
}

/// What instances have said, all together.
#[derive(Default)]
pub struct Said {
    pub acknowledged: HashSet<String>,
    pub refused: HashSet<String>,
    pub unconfirmed: HashSet<String>,
}

impl Said {
    pub fn answers(&self) -> usize {
        self.acknowledged.len() + self.refused.len() + self.unconfirmed.len()
    }
}

/// A running instance; killed when dropped.
pub struct Instance {
    child: Child,
    orders: ChildStdin,
    listener: Option<std::thread::JoinHandle<()>>,
    /// Units it was told to append, and those it has answered for.
    ordered: usize,
    answered: Arc<AtomicI64>,
}

impl Instance {
    /// Starts one that uses the socket in `socket`.
    pub fn start(data: &Path, socket: &Path, said: Arc<Mutex<Said>>) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(data.join("instances.log"));
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "faults::instance::instance", "--nocapture", "--test-threads=1"])
            .env(DATA, data)
            .env(SOCKET, socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.expect("a log"))
            .spawn()
            .expect("the instance starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let orders = child.stdin.take().expect("a pipe");
        let answered = Arc::new(AtomicI64::new(0));
        let count = answered.clone();
        let listener = std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                // libtest prints its own words on the same stream.
                let words = line.rsplit_once(' ');
                let into = match words.map(|(word, _)| word.rsplit(' ').next().unwrap_or_default()) {
                    Some("acknowledged") => &mut said.acknowledged,
                    Some("refused") => &mut said.refused,
                    Some("unconfirmed") => &mut said.unconfirmed,
                    _ => continue,
                };
                into.insert(words.map(|(_, command)| command.to_owned()).unwrap_or_default());
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { child, orders, listener: Some(listener), ordered: 0, answered }
    }

    /// Has it append so many more units.
    pub fn append(&mut self, count: usize) {
        self.ordered += count;
        self.order(&format!("append {count}\n"));
    }

    /// Puts its clock so many milliseconds away from the machine's.
    pub fn set_clock(&mut self, offset: i64) {
        self.order(&format!("clock {offset}\n"));
    }

    fn order(&mut self, order: &str) {
        self.orders.write_all(order.as_bytes()).expect("the instance lives until it is killed");
    }

    /// Units it has answered for.
    pub fn answered(&self) -> usize {
        usize::try_from(self.answered.load(Ordering::SeqCst)).unwrap_or_default()
    }

    /// Units it still owes an answer for.
    pub fn owed(&self) -> usize {
        self.ordered - self.answered()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the instance is ours");
    }

    /// `kill -9`; afterwards everything it said has been heard.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the instances over a data directory complained of, for a test that fails.
pub fn complaints(data: &Path) -> String {
    let log: PathBuf = data.join("instances.log");
    let log = std::fs::read_to_string(log).unwrap_or_default();
    log.lines().rev().take(20).collect::<Vec<_>>().join("\n")
}
