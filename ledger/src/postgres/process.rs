//! Processes: children that end with their parent, and what became of a process id.

use std::io;
use std::path::Path;
use std::process::Command;
#[cfg(any(test, not(target_os = "linux")))]
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// Makes the kernel send `signal` to the command's process when the **thread** that spawns it ends,
/// which it does with the whole process at the latest.
///
/// It must come after the change of user, which clears the setting: the standard library runs
/// `pre_exec` closures after `uid` and `gid`. Does nothing where the kernel has no such thing
/// (see `Watchdog`).
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "pre_exec has no safe form")]
pub(super) fn die_with_parent(command: &mut Command, signal: Signal) {
    use std::os::unix::process::CommandExt;
    let parent = rustix::process::getpid();
    // SAFETY: the closure only makes the system calls prctl and getppid, allocates nothing
    // and takes no lock, as code between fork and exec must.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(signal))?;
            // The parent may have ended just before.
            if rustix::process::getppid() == Some(parent) {
                Ok(())
            } else {
                Err(io::Error::from(rustix::io::Errno::SRCH))
            }
        });
    }
}

/// Nothing here: the kernel cannot do it.
#[cfg(not(target_os = "linux"))]
pub(super) fn die_with_parent(_command: &mut Command, _signal: Signal) {}

/// A shell that interrupts a process when this one ends, for systems whose kernel cannot.
/// It waits for the end of a pipe that this process holds.
#[cfg(any(test, not(target_os = "linux")))]
#[derive(Debug)]
pub(super) struct Watchdog(Child);

#[cfg(any(test, not(target_os = "linux")))]
impl Watchdog {
    pub(super) fn set_on(pid: u32) -> io::Result<Self> {
        use std::os::unix::process::CommandExt;
        Command::new("/bin/sh")
            .args(["-c", "read -r _; kill -INT \"$1\"", "sh", &pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map(Self)
    }
}

#[cfg(any(test, not(target_os = "linux")))]
impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process id found in `postmaster.pid` stands for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// No process has it.
    Nothing,
    /// An ended process that its parent has not waited for yet.
    Zombie,
    /// A PostgreSQL server running on the cluster.
    Server,
    /// Some other process: the id was given out again.
    Stranger,
}

/// Looks at the process `pid`.
pub(super) fn look_at(pid: Pid, cluster: &Path) -> Found {
    // EPERM means that it is there.
    if test_kill_process(pid) == Err(rustix::io::Errno::SRCH) {
        return Found::Nothing;
    }
    match describe(pid) {
        None => Found::Nothing,
        Some((state, _)) if state.starts_with('Z') => Found::Zombie,
        Some((_, command)) if command.contains(&*cluster.to_string_lossy()) => Found::Server,
        Some(_) => Found::Stranger,
    }
}

/// A process's state and command line. The command line is open to everybody, also where
/// containers forbid looking into a process of another user.
#[cfg(target_os = "linux")]
fn describe(pid: Pid) -> Option<(String, String)> {
    let folder = format!("/proc/{}", pid.as_raw_nonzero());
    let stat = std::fs::read_to_string(format!("{folder}/stat")).ok()?;
    // The program's name in parentheses may hold anything, parentheses too.
    let state = stat.rsplit(") ").next()?.to_owned();
    let command = std::fs::read(format!("{folder}/cmdline")).ok()?;
    Some((state, String::from_utf8_lossy(&command).into_owned()))
}

/// A process's state and command line.
#[cfg(not(target_os = "linux"))]
fn describe(pid: Pid) -> Option<(String, String)> {
    let output = Command::new("ps")
        .args(["-ww", "-o", "stat=,command=", "-p"])
        .arg(pid.as_raw_nonzero().to_string())
        .output()
        .ok()?;
    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (state, command) = line.split_once(' ')?;
    Some((state.to_owned(), command.to_owned()))
}

/// Sends a signal; a process that is gone is no error.
pub(super) fn signal(pid: Pid, signal: Signal) -> io::Result<()> {
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn sleeper(marker: &str) -> Child {
        let mut command = Command::new("/usr/bin/env");
        if cfg!(target_os = "linux") {
            // Whoever started the tests in the background may have had interrupts ignored, for all of them.
            command.arg("--default-signal=INT");
        }
        command.args(["/bin/sh", "-c", "exec sleep 600", marker]).spawn().unwrap()
    }

    fn pid(child: &Child) -> Pid {
        Pid::from_child(child)
    }

    #[test]
    fn tells_zombies_and_strangers_from_servers() {
        let cluster = Path::new("/nowhere/matricule/pg");
        let mut child = Command::new("/bin/sh")
            .args(["-c", "echo up; read -r _", "/nowhere/matricule/pg"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // While it is being set up, a process has no command line yet.
        let mut up = [0; 3];
        child.stdout.take().unwrap().read_exact(&mut up).unwrap();
        let id = pid(&child);
        assert_eq!(look_at(id, Path::new("/nowhere/else")), Found::Stranger);
        assert_eq!(look_at(id, cluster), Found::Server);
        drop(child.stdin.take());
        // On its way out it has no command line for a moment and is nobody in particular.
        while look_at(id, cluster) != Found::Zombie {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(look_at(id, cluster), Found::Nothing);
    }

    #[test]
    fn the_watchdog_interrupts_when_its_pipe_closes() {
        let mut child = sleeper("watched");
        let mut watchdog = Watchdog::set_on(child.id()).unwrap();
        drop(watchdog.0.stdin.take()); // as when this process ends
        assert_eq!(child.wait().unwrap().signal(), Some(2));
    }

    #[test]
    fn the_watchdog_called_off_interrupts_nothing() {
        let mut child = sleeper("spared");
        drop(Watchdog::set_on(child.id()).unwrap());
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
