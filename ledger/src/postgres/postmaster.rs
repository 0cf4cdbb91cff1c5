//! One run of PostgreSQL's server process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::account::Account;
use super::binaries::Binaries;
use super::data_dir::{DataDir, PORT};
use super::error::{EmbeddedError, OnPath};
use super::process::{self, Found};

/// Between looks at a process that starts or stops.
const LOOK: Duration = Duration::from_millis(10);
/// Recovery after a crash replays at most `max_wal_size`; this is far beyond it.
const LONGEST_START: Duration = Duration::from_secs(600);
/// How long the processes of a killed server may hold on to its shared memory.
const LONGEST_LINGER: Duration = Duration::from_secs(30);
/// A fast shutdown writes a checkpoint.
const LONGEST_FAST_STOP: Duration = Duration::from_secs(60);
/// An immediate shutdown writes nothing.
const LONGEST_IMMEDIATE_STOP: Duration = Duration::from_secs(10);
/// A log beyond this size, in bytes, is set aside at the next start.
const LARGE_LOG: u64 = 16 << 20;

/// What every run on a data directory has in common.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) dir: DataDir,
    pub(super) account: Account,
    pub(super) binaries: Binaries,
    pub(super) config_file: PathBuf,
}

/// A running server. Dropped without `stop`, it is interrupted by the kernel or the watchdog.
#[derive(Debug)]
pub(super) struct Postmaster {
    child: Child,
    #[cfg(not(target_os = "linux"))]
    _watchdog: process::Watchdog,
}

impl Plan {
    /// Starts the server and waits until it takes connections, or until `given_up` says so.
    ///
    /// The calling thread must outlive the server: the kernel stops the server with it.
    pub(super) fn launch(&self, given_up: &dyn Fn() -> bool) -> Result<Postmaster, EmbeddedError> {
        let began = Instant::now();
        loop {
            clear_the_way(&self.dir)?;
            let from = set_large_log_aside(&self.dir)?;
            let mut postmaster = self.spawn()?;
            let reason = match postmaster.wait_until_ready(&self.dir, given_up) {
                Ok(()) => return Ok(postmaster),
                Err(reason) => reason,
            };
            let tail = log_tail(&self.dir.log(), from);
            // After kill -9 the server's other processes notice its end a moment later.
            let lingering = tail.contains("is still in use");
            if !lingering || began.elapsed() > LONGEST_LINGER || given_up() {
                return Err(EmbeddedError::Start { reason, log: self.dir.log(), tail });
            }
            std::thread::sleep(LOOK * 5);
        }
    }

    fn spawn(&self) -> Result<Postmaster, EmbeddedError> {
        let program = self.binaries.program("postgres");
        let log = open_log(&self.dir.log())?;
        let errors = log.try_clone().on("open", &self.dir.log())?;
        let mut config = std::ffi::OsString::from("config_file=");
        config.push(&self.config_file);

        let mut command = Command::new(&program);
        self.account.dress(&mut command);
        process::die_with_parent(&mut command, Signal::INT); // a fast shutdown
        let child = command
            .arg("-D")
            .arg(self.dir.cluster())
            .arg("-c")
            .arg(config)
            .current_dir(self.dir.cluster())
            // Ctrl-C in a terminal is for this program, which then stops the server in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .on("run", &program)?;
        Ok(Postmaster {
            #[cfg(not(target_os = "linux"))]
            _watchdog: process::Watchdog::set_on(child.id()).on("watch", &program)?,
            child,
        })
    }
}

impl Postmaster {
    /// The server's process id.
    pub(super) fn pid(&self) -> i32 {
        Pid::from_child(&self.child).as_raw_nonzero().get()
    }

    /// How the server ended, if it did.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Stops the server in order, without waiting for its clients.
    pub(super) fn stop(mut self) {
        let steps = [(Signal::INT, LONGEST_FAST_STOP), (Signal::QUIT, LONGEST_IMMEDIATE_STOP)];
        for (signal, patience) in steps {
            // The child is not waited for yet, so its id is still its own.
            let _ = process::signal(Pid::from_child(&self.child), signal);
            if self.ends_within(patience) {
                return;
            }
            tracing::warn!(pid = self.pid(), "PostgreSQL is slow to stop");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn ends_within(&mut self, patience: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < patience {
            if self.ended().is_some() {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        false
    }

    fn wait_until_ready(&mut self, dir: &DataDir, given_up: &dyn Fn() -> bool) -> Result<(), String> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return Err(status.to_string());
            }
            if is_ready(dir, self.pid()) {
                return Ok(());
            }
            let too_long = began.elapsed() > LONGEST_START;
            if too_long || given_up() {
                let _ = process::signal(Pid::from_child(&self.child), Signal::QUIT);
                if !self.ends_within(LONGEST_IMMEDIATE_STOP) {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                }
                return Err(if too_long { "it took too long" } else { "given up" }.to_owned());
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Whether the server with this id says in its pid file that it takes connections
/// (line 8, as `pg_ctl` reads it).
fn is_ready(dir: &DataDir, pid: i32) -> bool {
    let Ok(text) = fs::read_to_string(dir.pid_file()) else {
        return false;
    };
    let mut lines = text.lines();
    let same = lines.next().and_then(|line| line.trim().parse().ok()) == Some(pid);
    same && lines.nth(6).is_some_and(|line| line.trim() == "ready")
}

/// Deals with what an earlier run left behind. The caller holds the directory's lock,
/// so whatever still runs here has lost the process it belonged to.
fn clear_the_way(dir: &DataDir) -> Result<(), EmbeddedError> {
    if let Some((Some(pid), Found::Server)) = named_in_pid_file(dir)? {
        end_left_over(pid, &dir.cluster())?;
    }
    match named_in_pid_file(dir)? {
        Some((Some(_), Found::Zombie | Found::Stranger)) => disown(&dir.pid_file())?,
        Some((Some(_), Found::Nothing | Found::Server)) | None => {}
        // Its writer was killed in between. PostgreSQL does not dare to judge this, but we
        // hold the directory's lock, and a server that runs has written its file whole.
        Some((None, _)) => remove_if_there(&dir.pid_file())?,
    }
    // It names the same process and holds nothing else. Only our own servers use this folder.
    let socket_lock = dir.socket_dir().join(format!(".s.PGSQL.{PORT}.lock"));
    remove_if_there(&socket_lock)
}

/// Whether a server runs on the directory, though it be one that is shutting down.
pub(super) fn is_running(dir: &DataDir) -> bool {
    matches!(named_in_pid_file(dir), Ok(Some((_, Found::Server))))
}

/// The process that the pid file names, if there is a file and if it names one, and what it is now.
fn named_in_pid_file(dir: &DataDir) -> Result<Option<(Option<Pid>, Found)>, EmbeddedError> {
    let path = dir.pid_file();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(source).on("read", &path),
    };
    let first = text.lines().next().unwrap_or_default().trim();
    // Single-user mode writes the id negated.
    let pid = first.parse::<i32>().ok().map(i32::saturating_abs);
    let pid = pid.and_then(Pid::from_raw);
    let found = pid.map_or(Found::Nothing, |pid| process::look_at(pid, &dir.cluster()));
    Ok(Some((pid, found)))
}

fn remove_if_there(path: &Path) -> Result<(), EmbeddedError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).on("remove", path),
        _ => Ok(()),
    }
}

/// Stops a server whose owner is gone.
fn end_left_over(pid: Pid, cluster: &Path) -> Result<(), EmbeddedError> {
    let raw = pid.as_raw_nonzero().get();
    tracing::warn!(pid = raw, "stopping a PostgreSQL left over from an earlier run");
    let steps = [(Signal::INT, LONGEST_FAST_STOP), (Signal::QUIT, LONGEST_IMMEDIATE_STOP)];
    for (signal, patience) in steps {
        if process::signal(pid, signal).is_err() {
            break;
        }
        let began = Instant::now();
        while began.elapsed() < patience {
            if process::look_at(pid, cluster) != Found::Server {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
    }
    Err(EmbeddedError::LeftOver { pid: raw })
}

/// Makes the pid file name this process. PostgreSQL refuses to start while the process named there
/// exists, though it be a zombie or a stranger that got the same id; its own parent it accepts.
/// The other lines stay, by which it still sees whether old processes use the shared memory.
fn disown(path: &Path) -> Result<(), EmbeddedError> {
    let text = fs::read_to_string(path).on("read", path)?;
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    OpenOptions::new()
        .write(true)
        .truncate(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .and_then(|mut file| write!(file, "{}\n{rest}", std::process::id()))
        .on("write", path)
}

fn open_log(path: &Path) -> Result<File, EmbeddedError> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).on("open", path)
}

/// Renames a large log. Returns where this run's part of the log begins, in bytes.
fn set_large_log_aside(dir: &DataDir) -> Result<u64, EmbeddedError> {
    let log = dir.log();
    let size = fs::metadata(&log).map_or(0, |metadata| metadata.len());
    if size <= LARGE_LOG {
        return Ok(size);
    }
    fs::rename(&log, log.with_extension("log.old")).on("rename", &log)?;
    Ok(0)
}

/// The last lines of the log from the byte `from` on.
fn log_tail(path: &Path, from: u64) -> String {
    let mut bytes = Vec::new();
    let _ = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(from))?;
        file.take(1 << 16).read_to_end(&mut bytes)
    });
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
