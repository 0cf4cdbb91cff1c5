//! Writing a world to disk, one directory per school.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{NaiveDate, NaiveDateTime};

use super::siecle::Stamp;
use super::world::{SampleSpec, World};
use super::{onde, siecle};

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleSummary {
    /// The files, two per school.
    pub files: Vec<PathBuf>,
    /// Schools written.
    pub schools: u32,
    /// Records of pupils, wrong ones and double enrolments included.
    pub pupils: u64,
    /// Guardians, counted in each school that knows them.
    pub guardians: u64,
    /// Records wrong on purpose.
    pub wrong: u64,
}

/// Writes the exports of a world: in `directory`, for each school a directory named after its UAI
/// with two zips (SIECLE) or two CSV files (ONDE).
///
/// # Errors
/// Whatever the file system refuses.
pub fn write_samples(spec: &SampleSpec, directory: &Path) -> io::Result<SampleSummary> {
    let world = World::new(spec.clone());
    let stamp =
        Stamp { year: spec.year, exported_at: exported_at(spec.year, spec.generation), generation: spec.generation };
    let mut summary = SampleSummary::default();
    for number in 0..world.schools() {
        let school = world.school(number);
        let directory = directory.join(school.uai.as_str());
        fs::create_dir_all(&directory)?;
        let enrolments = || world.enrolments(number);
        let files = if school.secondary {
            siecle::write(&directory, &school, &stamp, enrolments)?
        } else {
            onde::write(&directory, &school, enrolments)?
        };
        summary.files.extend(files);
        summary.schools += 1;
        for enrolment in world.enrolments(number) {
            let wrong_pupils = enrolment.children.iter().filter(|child| child.fault.is_some());
            let wrong_guardians = enrolment.guardians.iter().filter(|guardian| guardian.fault.is_some());
            summary.wrong += (wrong_pupils.count() + wrong_guardians.count()) as u64;
            summary.pupils += enrolment.children.len() as u64;
            summary.guardians += enrolment.guardians.len() as u64;
        }
    }
    Ok(summary)
}

/// Morning of 2 September for the first export, a week later for each further one.
pub(super) fn exported_at(year: u16, generation: u32) -> NaiveDateTime {
    let days = chrono::Days::new(7 * u64::from(generation));
    NaiveDate::from_ymd_opt(i32::from(year), 9, 2)
        .and_then(|day| day.checked_add_days(days))
        .and_then(|day| day.and_hms_opt(6, 30, 0))
        .unwrap_or_default()
}
