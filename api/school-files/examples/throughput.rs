//! Writes a sample, reads it, and prints people per second and the highest memory use.
//!
//! `cargo run --release -p school-files --example throughput -- 100000 [schools of each kind]`

use std::error::Error;
use std::time::Instant;

use chrono::NaiveDateTime;
use school_files::sample::{SampleSpec, write_samples};
use school_files::{ReadOptions, plan};

/// Processor seconds used so far, where the system tells: what a busy machine does not distort.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // utime and stime, in hundredths of a second.
    Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / 100.0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let pupils = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let mut spec = SampleSpec { error_rate: 0.01, ..SampleSpec::new(1, pupils) };
    if let Some(schools) = arguments.next() {
        spec.secondary_schools = schools.parse()?;
        spec.primary_schools = spec.secondary_schools;
    }
    let directory = tempfile::tempdir()?;
    let start = Instant::now();
    let summary = write_samples(&spec, directory.path())?;
    println!("written: {} people in {:.2?}", summary.pupils + summary.guardians, start.elapsed());

    let start = Instant::now();
    let before = processor_seconds();
    let (mut people, mut refused, mut held) = (0_u64, 0_u64, 0);
    let plan = plan(&summary.files, &ReadOptions::new([1; 32], NaiveDateTime::default()));
    let mut validation = std::time::Duration::ZERO;
    for files in &plan.exports {
        let begun = Instant::now();
        let export = files.validate()?;
        validation += begun.elapsed();
        held += export.held_links().len();
        for entry in export.guardians_from(0)? {
            if entry?.outcome.is_ok() { people += 1 } else { refused += 1 }
        }
        for entry in export.pupils_from(0)? {
            if entry?.outcome.is_ok() { people += 1 } else { refused += 1 }
        }
    }
    let elapsed = start.elapsed();
    println!(
        "read: {people} people, {refused} records refused, {held} links held, {} files refused",
        plan.refused.len()
    );
    println!(
        "in {elapsed:.2?}, of which validation {validation:.2?}: {:.0} people/s",
        people as f64 / elapsed.as_secs_f64()
    );
    if let (Some(before), Some(after)) = (before, processor_seconds()) {
        println!("{:.2} processor seconds: {:.0} people/s per core", after - before, people as f64 / (after - before));
    }
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
            println!("{line}");
        }
    }
    Ok(())
}
