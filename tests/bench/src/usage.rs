//! What processes used, as Linux tells it under `/proc`.

use std::fs;
use std::time::Duration;

/// CPU time so far.
pub struct Usage;

/// Fields of `/proc/<pid>/stat` after the name: parent, own CPU time, that of children waited for (both user and
/// system), in ticks.
struct Stat {
    parent: u32,
    own: u64,
    waited: u64,
}

/// Ticks per second in `/proc`: 100 on every Linux that Rust's standard library supports.
const TICKS: u64 = 100;

impl Usage {
    /// Of this process.
    pub fn own() -> Duration {
        ticks(stat(std::process::id()).map_or(0, |stat| stat.own))
    }

    /// Of a process and of all its children, those that have ended included.
    pub fn family(parent: u32) -> Duration {
        let children = fs::read_dir("/proc").into_iter().flatten().flatten();
        let children = children.filter_map(|entry| stat(entry.file_name().to_str()?.parse().ok()?));
        let living: u64 = children.filter(|stat| stat.parent == parent).map(|stat| stat.own).sum();
        ticks(living + stat(parent).map_or(0, |stat| stat.own + stat.waited))
    }
}

/// The parent of a process.
pub fn parent(of: u32) -> Option<u32> {
    stat(of).map(|stat| stat.parent)
}

/// Starts the peak of this process's memory anew.
pub fn reset_peak() {
    // Where the kernel refuses, the peak includes what came before: too high, never too low.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The peak of this process's resident memory, KiB.
pub fn peak_rss_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or_default()
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1000 / TICKS)
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let fields: Vec<&str> = text.get(text.rfind(')')? + 2..)?.split(' ').collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    Some(Stat {
        parent: number(1)?.try_into().ok()?,
        own: number(11)? + number(12)?,
        waited: number(13)? + number(14)?,
    })
}
