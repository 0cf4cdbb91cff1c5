//! Recognising files, grouping them into exports, and reading one export.

use std::collections::{BTreeMap, btree_map};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime};
use domain::identifiers::{Academie, Degree, DepartmentTable, Uai};

use crate::error::{FileError, FileReason};
use crate::onde;
use crate::records::{Entry, EstablishmentHeader, GuardianRecord, HeldLink, PupilRecord, SourceSystem};
use crate::report::Notice;
use crate::siecle;
use crate::source::{Limits, Source, refusal};
use crate::text::read_head;
use crate::xml::XmlStream;

/// How to read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// The establishment of ONDE files whose names do not hold a UAI.
    pub uai: Option<Uai>,
    /// Moment of reception, local time: stands for the moment of export of ONDE files, which don't tell it.
    pub received_at: NaiveDateTime,
    /// The day on which ONDE files were exported, where that is known.
    pub exported_on: Option<NaiveDate>,
    /// Key of the digests that stand for persons without an identifier (ONDE guardians). Keep it
    /// secret and keep it: with another key the same persons get other keys.
    pub pseudonym_key: PseudonymKey,
    /// Which département belongs to which académie.
    pub departments: DepartmentTable,
    /// Bounds on sizes.
    pub limits: Limits,
}

/// A secret key; `Debug` prints nothing of it.
#[derive(Clone)]
pub struct PseudonymKey(pub(crate) [u8; 32]);

impl std::fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PseudonymKey(secret)")
    }
}

impl ReadOptions {
    /// The defaults, with a key of the caller's for pseudonyms.
    #[must_use]
    pub fn new(pseudonym_key: [u8; 32], received_at: NaiveDateTime) -> Self {
        Self {
            uai: None,
            received_at,
            exported_on: None,
            pseudonym_key: PseudonymKey(pseudonym_key),
            departments: DepartmentTable::default(),
            limits: Limits::default(),
        }
    }
}

/// What a set of files amounts to.
#[derive(Debug, Default)]
pub struct Plan {
    /// Complete exports, oldest first.
    pub exports: Vec<ExportFiles>,
    /// Files that cannot be part of an export, each with its reason.
    pub refused: Vec<FileError>,
    /// Files recognised but not needed, such as structures and nomenclatures.
    pub ignored: Vec<PathBuf>,
}

/// The two files of one export, recognised but not yet read.
#[derive(Clone, Debug)]
pub struct ExportFiles {
    uai: Uai,
    school_year: u16,
    exported_at: NaiveDateTime,
    system: SourceSystem,
    pupils: Source,
    guardians: Source,
    options: ReadOptions,
}

/// How many records the streams of an export hold, refused ones included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Length of the stream of pupils.
    pub pupils: u64,
    /// Length of the stream of guardians. For SIECLE it also holds the links, of which only
    /// refused ones are emitted.
    pub guardians: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Pupils,
    Guardians,
}

struct Recognised {
    system: SourceSystem,
    role: Role,
    uai: Uai,
    school_year: u16,
    exported_at: NaiveDateTime,
    source: Source,
}

/// Recognises files by their content and groups them into exports.
///
/// Only the beginning of each file is read. Files that find no partner are refused, as are two
/// files for one place and halves from different school years; the other exports go on.
#[must_use]
pub fn plan(paths: &[PathBuf], options: &ReadOptions) -> Plan {
    let mut plan = Plan::default();
    let mut groups: BTreeMap<(Uai, bool), BTreeMap<Role, Recognised>> = BTreeMap::new();
    for path in paths {
        match recognise(path, options) {
            Err(error) => plan.refused.push(error),
            Ok(None) => plan.ignored.push(path.clone()),
            Ok(Some(file)) => {
                let onde = file.system == SourceSystem::Onde;
                let group = groups.entry((file.uai, onde)).or_default();
                match group.entry(file.role) {
                    btree_map::Entry::Vacant(place) => {
                        place.insert(file);
                    }
                    btree_map::Entry::Occupied(_) => {
                        let (kind, uai) = (kind(file.system, file.role), file.uai.to_string());
                        let reason = FileReason::TwiceGiven { kind, uai };
                        plan.refused.push(FileError::whole(path, reason));
                    }
                }
            }
        }
    }
    for group in groups.into_values() {
        match pair(group, options) {
            Ok(export) => plan.exports.push(export),
            Err(error) => plan.refused.push(error),
        }
    }
    plan.exports.sort_by_key(|export| (export.exported_at, export.uai));
    plan
}

fn kind(system: SourceSystem, role: Role) -> &'static str {
    match (system, role) {
        (SourceSystem::Siecle, Role::Pupils) => "ElevesAvecAdresses",
        (SourceSystem::Siecle, Role::Guardians) => "ResponsablesAvecAdresses",
        (SourceSystem::Onde, Role::Pupils) => "the ONDE file of pupils",
        (SourceSystem::Onde, Role::Guardians) => "the ONDE file of guardians",
    }
}

fn recognise(path: &Path, options: &ReadOptions) -> Result<Option<Recognised>, FileError> {
    let source = Source::locate(path, options.limits)?;
    let mut data = source.open()?;
    let head = read_head(&mut data, 4096).map_err(|error| refusal(path, &error))?;
    let first = head.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(&head).iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'<') {
        let head = siecle::Head::read(&mut XmlStream::open(&source)?)?;
        let role = match head.kind {
            siecle::Kind::Eleves => Role::Pupils,
            siecle::Kind::Responsables => Role::Guardians,
            siecle::Kind::Other => return Ok(None),
        };
        return Ok(Some(Recognised {
            system: SourceSystem::Siecle,
            role,
            uai: head.uai,
            school_year: head.school_year,
            exported_at: head.exported_at,
            source,
        }));
    }
    let role = match onde::recognise(&source)? {
        onde::Kind::Pupils => Role::Pupils,
        onde::Kind::Guardians => Role::Guardians,
    };
    let uai = uai_in_name(path).or(options.uai).ok_or_else(|| FileError::whole(path, FileReason::NoUai))?;
    let exported_at = moment_of_onde(path, options)?;
    let started = if exported_at.month() >= 8 { exported_at.year() } else { exported_at.year() - 1 };
    Ok(Some(Recognised {
        system: SourceSystem::Onde,
        role,
        uai,
        school_year: u16::try_from(started).unwrap_or_default(),
        exported_at,
        source,
    }))
}

/// When ONDE files were exported: their day as given, to its end, for they may be of any hour of it; else when they
/// were received.
fn moment_of_onde(path: &Path, options: &ReadOptions) -> Result<NaiveDateTime, FileError> {
    let Some(day) = options.exported_on else { return Ok(options.received_at) };
    // At the antipodes tomorrow has begun.
    if options.received_at.date().checked_add_days(Days::new(1)).is_none_or(|tomorrow| day > tomorrow) {
        return Err(FileError::whole(path, FileReason::ExportedLater(day)));
    }
    let end = NaiveTime::from_hms_opt(23, 59, 59).unwrap_or_default();
    Ok(day.and_time(end).min(options.received_at))
}

/// A UAI that stands alone in the file name, such as in `ONDE_Eleves_0750001U.csv`.
fn uai_in_name(path: &Path) -> Option<Uai> {
    let name = path.file_stem()?.to_str()?;
    name.split(|character: char| !character.is_ascii_alphanumeric()).find_map(|word| word.parse().ok())
}

fn pair(mut group: BTreeMap<Role, Recognised>, options: &ReadOptions) -> Result<ExportFiles, FileError> {
    let (pupils, guardians) = match (group.remove(&Role::Pupils), group.remove(&Role::Guardians)) {
        (Some(pupils), Some(guardians)) => (pupils, guardians),
        (Some(alone), None) => return Err(half(&alone, Role::Guardians)),
        (None, Some(alone)) => return Err(half(&alone, Role::Pupils)),
        (None, None) => unreachable!("a group is made for a file"),
    };
    if pupils.school_year != guardians.school_year {
        return Err(FileError::whole(
            guardians.source.path(),
            FileReason::SchoolYear { found: guardians.school_year, expected: pupils.school_year },
        ));
    }
    Ok(ExportFiles {
        uai: pupils.uai,
        school_year: pupils.school_year,
        // Only up to the earlier half is the state known whole.
        exported_at: pupils.exported_at.min(guardians.exported_at),
        system: pupils.system,
        pupils: pupils.source,
        guardians: guardians.source,
        options: options.clone(),
    })
}

fn half(alone: &Recognised, missing: Role) -> FileError {
    FileError::whole(
        alone.source.path(),
        FileReason::MissingHalf { missing: kind(alone.system, missing), uai: alone.uai.to_string() },
    )
}

impl ExportFiles {
    /// The establishment.
    #[must_use]
    pub fn uai(&self) -> Uai {
        self.uai
    }

    /// Which system wrote the files.
    #[must_use]
    pub fn system(&self) -> SourceSystem {
        self.system
    }

    /// The two files: pupils, then guardians.
    #[must_use]
    pub fn paths(&self) -> [&Path; 2] {
        [self.pupils.path(), self.guardians.path()]
    }

    /// Reads both files whole and prepares the joins.
    ///
    /// # Errors
    /// [`FileError`], with line and column, for whatever makes one of the files unreadable; then
    /// nothing of the export may go in.
    pub fn validate(&self) -> Result<SchoolExport, FileError> {
        let mut notices = Vec::new();
        if !self.uai.has_valid_key() {
            notices.push(Notice::UaiKey);
        }
        let academie = self.options.departments.academie_of(self.uai);
        if academie.is_none() {
            notices.push(Notice::UnknownAcademie);
        }
        let (degree, index) = match self.system {
            SourceSystem::Siecle => {
                // PERSONNE_ID means nothing without its académie.
                let academie = academie.ok_or_else(|| {
                    let reason = FileReason::NoAcademie(self.uai.to_string());
                    FileError::whole(self.pupils.path(), reason)
                })?;
                let index = siecle::Index::build(&self.pupils, &self.guardians)?;
                (Degree::Second, Joins::Siecle(Arc::new(index), academie))
            }
            SourceSystem::Onde => {
                let context = onde::Context::new(self.uai, academie, &self.options.pseudonym_key);
                let index = onde::Index::build(&self.pupils, &self.guardians, &context)?;
                (Degree::First, Joins::Onde(Arc::new(index), Box::new(context)))
            }
        };
        let header = EstablishmentHeader {
            uai: self.uai,
            academie,
            degree,
            school_year: self.school_year,
            exported_at: self.exported_at,
            source: self.system,
            files: vec![self.pupils.digest()?, self.guardians.digest()?],
            notices,
        };
        Ok(SchoolExport { header, files: self.clone(), joins: index })
    }
}

#[derive(Clone, Debug)]
enum Joins {
    Siecle(Arc<siecle::Index>, Academie),
    Onde(Arc<onde::Index>, Box<onde::Context>),
}

/// A validated export, whose records can be streamed as often as wanted.
#[derive(Clone, Debug)]
pub struct SchoolExport {
    header: EstablishmentHeader,
    files: ExportFiles,
    joins: Joins,
}

/// A stream of records; it ends after an error.
pub type Entries<T> = Box<dyn Iterator<Item = Result<Entry<T>, FileError>> + Send>;

/// What a reader finds, to its end or its first error.
fn until_error<T: 'static>(
    mut advance: impl FnMut() -> Result<Option<Entry<T>>, FileError> + Send + 'static,
) -> Entries<T> {
    let mut ended = false;
    Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let entry = advance().transpose();
        ended = !matches!(entry, Some(Ok(_)));
        entry
    }))
}

impl SchoolExport {
    /// What the export says about the establishment.
    #[must_use]
    pub fn header(&self) -> &EstablishmentHeader {
        &self.header
    }

    /// Lengths of the streams.
    #[must_use]
    pub fn counts(&self) -> Counts {
        match &self.joins {
            Joins::Siecle(index, _) => Counts { pupils: index.pupil_records, guardians: index.guardian_records },
            Joins::Onde(index, _) => Counts { pupils: index.pupil_rows(), guardians: index.guardian_rows() },
        }
    }

    /// Guardians from an ordinal on, in the order of the file. For SIECLE, links that were refused
    /// follow as rejections.
    ///
    /// # Errors
    /// [`FileError`] when the file cannot be opened any more or changed since validation; the same
    /// may end the stream.
    pub fn guardians_from(&self, ordinal: u64) -> Result<Entries<GuardianRecord>, FileError> {
        let source = &self.files.guardians;
        Ok(match &self.joins {
            Joins::Siecle(index, academie) => {
                let mut reader = siecle::GuardianReader::open(source, Arc::clone(index), *academie, ordinal)?;
                until_error(move || reader.advance())
            }
            Joins::Onde(index, context) => {
                let mut reader =
                    onde::GuardianReader::open(source, Arc::clone(index), context.as_ref().clone(), ordinal)?;
                until_error(move || reader.advance())
            }
        })
    }

    /// Pupils with their links from an ordinal on, in the order of the file.
    ///
    /// # Errors
    /// As [`SchoolExport::guardians_from`].
    pub fn pupils_from(&self, ordinal: u64) -> Result<Entries<PupilRecord>, FileError> {
        let source = &self.files.pupils;
        Ok(match &self.joins {
            Joins::Siecle(index, academie) => {
                let mut reader =
                    siecle::PupilReader::open(source, Arc::clone(index), (self.header.uai, *academie), ordinal)?;
                until_error(move || reader.advance())
            }
            Joins::Onde(index, context) => {
                let mut reader = onde::PupilReader::open(source, Arc::clone(index), context.as_ref().clone(), ordinal)?;
                until_error(move || reader.advance())
            }
        })
    }

    /// Links that wait for the school (ONDE only).
    #[must_use]
    pub fn held_links(&self) -> &[HeldLink] {
        match &self.joins {
            Joins::Siecle(..) => &[],
            Joins::Onde(index, _) => index.held(),
        }
    }
}
