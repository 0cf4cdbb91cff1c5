//! Runs the programs as built, each test with a data directory and a port of its own.

use ledger::postgres::testing::TempDataDir;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Where the programs are, built once for all tests with the profile and features of the workspace.
static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--bins"])
        .current_dir(root())
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the programs don't build");
    // This test is target/<profile>/deps/integration-…; they are two floors up.
    let test = std::env::current_exe().expect("the test has a path");
    test.ancestors().nth(2).expect("a target directory").to_owned()
});

/// The workspace's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in the workspace")
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// A place where the service can run, stop, be killed and run again.
pub struct Place {
    data: TempDataDir,
    work: tempfile::TempDir,
    port: u16,
}

impl Place {
    pub fn new() -> Self {
        let work = tempfile::tempdir().expect("a directory for files");
        Self { data: TempDataDir::new(), work, port: free_port() }
    }

    /// Where exports and reports go.
    pub fn files(&self) -> &Path {
        self.work.path()
    }

    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// A program with this place's configuration.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(PROGRAMS.join(program));
        command
            .current_dir(self.files())
            .env_clear()
            .envs(std::env::vars_os().filter(|(key, _)| {
                let key = key.to_string_lossy();
                !key.starts_with("MATRICULE_") || key.starts_with("MATRICULE_POSTGRES")
            }))
            .env_remove("DATABASE_URL")
            .env("LANG", "en_GB.UTF-8")
            .env("MATRICULE_DATA_DIR", self.data_dir())
            .env("MATRICULE_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("MATRICULE_PUBLIC_ORIGIN", self.origin())
            .env("MATRICULE_DEMO__INBOX", "true")
            .env("MATRICULE_LOG__FILTER", "warn");
        command
    }

    /// Runs a command to its end; panics with what it said unless it succeeds.
    pub fn run<const N: usize>(&self, program: &str, args: [&str; N]) -> String {
        let output = self.try_run(program, args);
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{program} {args:?} failed:\n{said}\n{complained}");
        said
    }

    /// Runs a command to its end, however it ends.
    pub fn try_run<const N: usize>(&self, program: &str, args: [&str; N]) -> Output {
        self.command(program).args(args).stdin(Stdio::null()).output().expect("the program runs")
    }

    /// Starts the service and waits until it is ready.
    pub async fn serve(&self) -> Service {
        let log = std::fs::File::create(self.files().join("serve.log")).expect("a log file");
        let child = self
            .command("matricule")
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the service starts");
        let mut service = Service { child, origin: self.origin() };
        service.ready(&self.files().join("serve.log")).await;
        service
    }
}

/// A running service; killed when dropped.
pub struct Service {
    child: Child,
    pub origin: String,
}

impl Service {
    async fn ready(&mut self, log: &Path) {
        let patience = Instant::now() + Duration::from_secs(120);
        let url = format!("{}/readyz", self.origin);
        loop {
            if let Ok(answer) = reqwest::get(&url).await
                && answer.status().is_success()
            {
                return;
            }
            let ended = self.child.try_wait().expect("the service is ours");
            let said = || std::fs::read_to_string(log).unwrap_or_default();
            assert!(ended.is_none(), "the service ended: {ended:?}\n{}", said());
            assert!(Instant::now() < patience, "the service is not ready\n{}", said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn signal(&mut self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the service can be signalled");
        self.child.wait().expect("the service ends");
    }

    /// Asks it to stop and waits for it.
    pub fn stop(mut self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Ends it without warning.
    pub fn kill(mut self) {
        self.signal(rustix::process::Signal::KILL);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Node program beside the service; killed when dropped.
pub struct Node(Child);

impl Node {
    /// Starts a server.
    pub fn start(script: &Path, env: &[(&str, &str)]) -> Self {
        let child = Command::new("node").arg(script).envs(env.iter().copied()).stdin(Stdio::null()).spawn();
        Self(child.expect("node starts; scripts/test installs it"))
    }

    /// Runs a script to its end; panics with what it said unless it succeeds.
    pub fn run(script: &Path, env: &[(&str, &str)]) -> String {
        let output = Command::new("node").arg(script).envs(env.iter().copied()).stdin(Stdio::null()).output();
        let output = output.expect("node starts; scripts/test installs it");
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{} failed:\n{said}\n{complained}", script.display());
        said
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
