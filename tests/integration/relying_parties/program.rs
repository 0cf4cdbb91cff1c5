//! Programs that a test starts and ends. A missing one fails the test and says what to install: nothing is skipped.

use crate::harness::root;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to listen, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far a program's clock is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    Right,
    /// Seconds ahead; behind, where negative.
    Off(i32),
}

/// A server and the processes it started; ended when dropped.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a server and waits until this address answers anything at all.
    pub async fn start(mut command: Command, log: PathBuf, listens_at: &str, install: &str) -> Self {
        let file = File::create(&log).expect("a log file");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a second handle")).stderr(file).process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}. {install}"));
        let mut server = Self { child, log };
        let began = Instant::now();
        while reqwest::get(listens_at).await.is_err() {
            let ended = server.child.try_wait().expect("the server is ours");
            assert!(ended.is_none(), "{program} ended: {ended:?}. {install}\n{}", server.log());
            assert!(began.elapsed() < PATIENCE, "{program} does not listen\n{}", server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        server
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        let _ = kill_process_group(group, Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// The command, as root under another account: servers refuse root, or should not have it.
pub fn as_www_data(program: &str, clock: Clock) -> Command {
    let is_root = rustix::process::geteuid().is_root();
    let words: &[&str] = if is_root { &["runuser", "-u", "www-data", "--"] } else { &[] };
    with_clock(words, program, clock)
}

/// The command, with its clock.
pub fn command(program: &str, clock: Clock) -> Command {
    with_clock(&[], program, clock)
}

fn with_clock(before: &[&str], program: &str, clock: Clock) -> Command {
    let mut words: Vec<String> = before.iter().map(|word| (*word).to_owned()).collect();
    if let Clock::Off(seconds) = clock {
        // Timers go on by the true clock.
        words.extend(["faketime", "--exclude-monotonic", "-f", &format!("{seconds:+}s")].map(str::to_owned));
    }
    words.push(program.to_owned());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// A file of `tests/relying-party`.
pub fn source(name: &str) -> PathBuf {
    root().join("tests/relying-party").join(name)
}

/// A file of `tests/relying-party` with values in place of `@NAMES@`, written to a directory.
pub fn filled_in(name: &str, values: &[(&str, &str)], to: &Path) -> PathBuf {
    let mut text = std::fs::read_to_string(source(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    for (key, value) in values {
        text = text.replace(&format!("@{key}@"), value);
    }
    let path = to.join(Path::new(name).file_name().expect("a file"));
    std::fs::write(&path, text).expect("written");
    path
}
