//! The whole way of one export, and of several files at once.

use super::draft::Draft;
use super::error::ImportError;
use super::guardians::OndeFile;
use super::held::{Answers, OpenLinks, by_guardian, settled_links};
use super::loader::Loader;
use super::outcome::{ImportOptions, Outcome, Summary, Watch};
use super::pupils::Around;
use super::report::{Part, Remark, RemarkKind, ReportLine};
use super::run::{Course, Run, read_chunks};
use super::store::{self, Cursor, SchoolLock};
use super::survey::{Findings, Survey};
use chrono::{DateTime, Utc};
use domain::context::{Actor, Context, Reason};
use domain::establishment::{Establishment, EstablishmentCommand, EstablishmentError, ImportCounts};
use domain::identifiers::{DepartmentTable, Uai};
use domain::ids::{CommandId, GuardianId, ImportId, PupilId};
use futures::{Stream, StreamExt, stream};
use ledger::{AppendError, Ledger, Loaded, Unit};
use projections::{Name, Views};
use school_files::{EstablishmentHeader, ExportFiles, FileError, Plan, ReadOptions, SchoolExport, SourceSystem};
use sqlx::PgPool;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How long the views may take to show what was recorded.
const PATIENCE: Duration = Duration::from_secs(600);
/// Exports under way at a time: one being read, one being recorded, one waiting for the views.
const AT_ONCE: usize = 3;
/// Below so many, a share says nothing.
const FEW_DEPARTURES: usize = 10;

/// Imports school data into a ledger.
#[derive(Clone)]
pub struct Importer {
    pub(super) ledger: Ledger,
    pub(super) db: PgPool,
    pub(super) loader: Loader,
    views: Views,
    departments: DepartmentTable,
}

/// An export that may be recorded: nothing stands against it.
struct Cleared {
    establishment: Loaded<Establishment>,
    import: ImportId,
    effective_at: DateTime<Utc>,
    findings: Findings,
    waiting: Vec<GuardianId>,
    onde: Option<OndeFile>,
    /// When the older of the files was last changed, if that leaves a doubt whether they are the newer ones.
    doubtful: Option<DateTime<Utc>>,
}

impl Importer {
    /// Over the service's ledger, database and views.
    pub fn new(ledger: Ledger, db: PgPool, views: Views, departments: DepartmentTable) -> Self {
        Self { loader: Loader::new(ledger.clone(), db.clone()), ledger, db, views, departments }
    }

    /// Recognises files, groups them into exports and reads each whole.
    ///
    /// # Errors
    /// When the database fails. A file that is refused stands among the results.
    pub async fn validate(
        &self,
        paths: Vec<PathBuf>,
        options: &ImportOptions,
    ) -> Result<Vec<Result<SchoolExport, FileError>>, ImportError> {
        let plan = self.plan(paths, options).await?;
        let validated = tokio::task::spawn_blocking(move || {
            let refused = plan.refused.into_iter().map(Err);
            refused.chain(plan.exports.iter().map(|export| export.validate())).collect()
        });
        validated.await.map_err(|_| ImportError::Interrupted)
    }

    /// Imports all exports among these files; the outcomes come in the order of the exports' dates, after the files
    /// that are refused at first sight.
    ///
    /// Several exports are under way at a time: while one is being flushed to disk or waits for the views, others
    /// are read and decided. Each is read whole before anything of it is recorded, and forgotten when it is in.
    ///
    /// # Errors
    /// When the database fails at the start. What stands against single files or exports stands among the outcomes.
    pub async fn import_all<'a>(
        &'a self,
        paths: Vec<PathBuf>,
        options: &'a ImportOptions,
        watch: Watch<'a>,
    ) -> Result<impl Stream<Item = Result<Outcome, ImportError>> + Send + use<'a>, ImportError> {
        let Plan { exports, refused, ignored: _ } = self.plan(paths, options).await?;
        let schools: HashSet<Uai> = exports.iter().map(ExportFiles::uai).collect();
        // Two exports of one school wait for each other.
        let at_once = if schools.len() == exports.len() { AT_ONCE } else { 1 };
        let refused = stream::iter(refused).map(|error| Err(error.into()));
        let imports = stream::iter(exports).map(move |files| async move {
            let export = tokio::task::spawn_blocking(move || files.validate());
            self.import(export.await.map_err(|_| ImportError::Interrupted)??, options, watch).await
        });
        Ok(refused.chain(imports.buffered(at_once)))
    }

    async fn plan(&self, paths: Vec<PathBuf>, options: &ImportOptions) -> Result<Plan, ImportError> {
        // Derived, so that the same person of an ONDE file has the same key for as long as the master key lives.
        let pseudonyms = self.ledger.lookup_hash("onde-pseudonym", "");
        let mut reading = ReadOptions::new(pseudonyms, store::local_now(&self.db).await?);
        reading.uai = options.uai;
        reading.exported_on = options.exported_on;
        reading.departments = self.departments.clone();
        let planned = tokio::task::spawn_blocking(move || school_files::plan(&paths, &reading));
        planned.await.map_err(|_| ImportError::Interrupted)
    }

    /// Imports one export, from where an interrupted run of the same files stopped.
    ///
    /// # Errors
    /// [`ImportError`]: refused before anything was recorded, or interrupted and to be resumed.
    pub async fn import(
        &self,
        export: SchoolExport,
        options: &ImportOptions,
        watch: Watch<'_>,
    ) -> Result<Outcome, ImportError> {
        let uai = export.header().uai;
        let lock = SchoolLock::take(&self.db, uai).await?.ok_or(ImportError::Running(uai))?;
        let outcome = self.import_locked(Arc::new(export), options, watch).await;
        lock.release().await;
        outcome
    }

    async fn import_locked(
        &self,
        export: Arc<SchoolExport>,
        options: &ImportOptions,
        watch: Watch<'_>,
    ) -> Result<Outcome, ImportError> {
        let header = export.header();
        let establishment = self.ledger.load::<Establishment>(header.uai.as_str()).await?;
        if let Some(last) = &establishment.aggregate.last_import
            && last.completed
            && last.digests == digests(header)
            // Files of which records were refused may be given again so that these go in.
            && !options.accept_identity_changes
        {
            let outcome = Outcome::AlreadyImported { establishment: header.uai, import: last.import };
            // The run that brought them may have been cut off while it waited for the views.
            self.await_views(self.ledger.root().await?.0.checked_sub(1)).await?;
            return Ok(outcome);
        }
        let cleared = self.clear(&export, establishment, options).await?;
        let cursor = if options.dry_run { Cursor::default() } else { self.start(header, &cleared, options).await? };
        let (uai, import) = (header.uai, cleared.import);
        let (mut run, absent, mut open) = self.prepare(&export, cleared, cursor, options, watch).await?;
        run.guardians().await?;
        self.honour_settlements(&mut run, header, &mut open).await?;
        run.pupils().await?;
        run.held(open).await?;
        run.absences(absent).await?;

        let (cursor, last, files) = (*run.cursor(), run.last, run.file_names());
        let remarks = std::mem::take(&mut run.remarks);
        let summary =
            |report| Summary { establishment: uai, import, counts: cursor.counts, departed: cursor.departed, report };
        if options.dry_run {
            let report = remarks.into_iter().map(|remark| report_line(remark, &files)).collect();
            return Ok(Outcome::WouldImport(summary(report)));
        }
        let completed = self.complete(uai, import, cursor.counts).await?;
        self.await_views(completed.or(last)).await?;
        Ok(Outcome::Imported(summary(store::remarks(&self.db, import).await?)))
    }

    /// Looks for what stands against the export. Records nothing.
    async fn clear(
        &self,
        export: &Arc<SchoolExport>,
        establishment: Loaded<Establishment>,
        options: &ImportOptions,
    ) -> Result<Cleared, ImportError> {
        let header = export.header();
        let resumed = establishment
            .aggregate
            .last_import
            .as_ref()
            .filter(|last| !last.completed && last.digests == digests(header));
        let import = resumed.map_or_else(|| ImportId(Uuid::now_v7()), |last| last.import);
        begin(&establishment.aggregate, header, import, options)?;

        // Who is enrolled is read from the views, so they must show everything recorded so far. Only its own imports
        // enrol anyone at an establishment or leave links open there: before the first there is nothing to wait for.
        if establishment.aggregate.last_import.is_some() {
            self.await_views(self.ledger.root().await?.0.checked_sub(1)).await?;
        }
        let enrolled = store::enrolled(&self.db, header.uai).await?;
        let mut survey = Survey::new(&self.loader, &self.ledger, enrolled.into_iter().map(PupilId));
        if survey.is_needed() {
            let reader = Arc::clone(export);
            let mut chunks = read_chunks(2_000, move || reader.pupils_from(0));
            while let Some(entries) = chunks.recv().await {
                survey.read(&entries?).await?;
            }
        }
        let findings = survey.finish().await?;
        let (absent, enrolled) = (findings.absent.len(), findings.enrolled);
        let too_many = absent >= FEW_DEPARTURES && absent as f64 > options.departure_share * enrolled as f64;
        if too_many && !options.accept_departures {
            return Err(ImportError::TooManyDepartures { uai: header.uai, absent, enrolled });
        }
        let effective_at = store::moment(&self.db, header.exported_at, header.academie).await?;
        let doubtful = match options.exported_on {
            None => self.changed_before_the_last(header, &establishment.aggregate).await?,
            Some(_) => None,
        };
        let (waiting, onde) = match header.source {
            SourceSystem::Siecle => (Vec::new(), None),
            SourceSystem::Onde => {
                let waiting = store::waiting(&self.db, header.uai).await?.into_iter().map(GuardianId).collect();
                (waiting, Some(onde_file(export).await?))
            }
        };
        Ok(Cleared { establishment, import, effective_at, findings, waiting, onde, doubtful })
    }

    /// When the older of an ONDE export's files was last changed, if that was before the export that is in was made.
    /// A file that was copied is younger than its content, so this proves nothing, and is only told.
    async fn changed_before_the_last(
        &self,
        header: &EstablishmentHeader,
        establishment: &Establishment,
    ) -> sqlx::Result<Option<DateTime<Utc>>> {
        let Some(last) = establishment.last_import.as_ref().filter(|last| last.digests != digests(header)) else {
            return Ok(None);
        };
        if header.source != SourceSystem::Onde {
            return Ok(None);
        }
        let modified = header.files.iter().filter_map(|file| file.file.metadata().ok()?.modified().ok());
        let last_made = store::moment(&self.db, last.exported_at, header.academie).await?;
        Ok(modified.min().map(DateTime::from).filter(|modified| *modified < last_made))
    }

    /// Records that the import begins, and finds where it stopped if it began earlier.
    async fn start(
        &self,
        header: &EstablishmentHeader,
        cleared: &Cleared,
        options: &ImportOptions,
    ) -> Result<Cursor, ImportError> {
        let Loaded { id, version, aggregate } = &cleared.establishment;
        let events = begin(aggregate, header, cleared.import, options)?;
        let context = self.context(cleared.import, cleared.effective_at);
        let unit = Unit::new(context).stream::<Establishment>(id, *version, events);
        match self.ledger.append(unit).await {
            Ok(_) => {}
            Err(AppendError::Conflict { .. }) => return Err(ImportError::Running(header.uai)),
            Err(other) => return Err(other.into()),
        }
        Ok(store::cursor(&self.db, cleared.import, header.uai, self.ledger.now()).await?)
    }

    async fn prepare<'a>(
        &'a self,
        export: &Arc<SchoolExport>,
        cleared: Cleared,
        cursor: Cursor,
        options: &ImportOptions,
        watch: Watch<'a>,
    ) -> Result<(Run<'a>, Vec<PupilId>, Vec<OpenLinks>), ImportError> {
        let Cleared { import, effective_at, findings, waiting, onde, doubtful, establishment: _ } = cleared;
        let keep_links = onde.as_ref().is_some_and(|file| file.has_refused);
        let course = Course {
            import,
            effective_at,
            dry: options.dry_run,
            around: Around {
                missed: findings.missed,
                settled: BTreeMap::new(),
                keep_links,
                undecided: HashMap::new(),
                unmatched: HashMap::new(),
                accept_identity_changes: options.accept_identity_changes,
            },
            onde,
        };
        let mut run = Run::new(self, Arc::clone(export), course, cursor, watch);
        if let Some(modified) = doubtful {
            run.note(Part::Pupils, doubt_of_age(modified)).await?;
        }
        let mut absent = findings.absent;
        if findings.unread > 0 && !absent.is_empty() && !options.accept_departures {
            let (count, unread) = (absent.len(), findings.unread);
            run.note(
                Part::Pupils,
                format!(
                    "{count} pupils of the establishment are not in the file, but {unread} records of pupils could \
                     not be read and may be theirs: nobody is taken to have left until these are corrected, or the \
                     import is run with --accept-departures"
                ),
            )
            .await?;
            absent.clear();
        }
        let mut open: Vec<OpenLinks> = by_guardian(export.held_links())
            .into_iter()
            .map(|(guardian, links)| OpenLinks { guardian: Ok(guardian), links })
            .collect();
        // Those that waited and that the file no longer leaves open; who still waits is decided last.
        open.extend(waiting.into_iter().map(|guardian| OpenLinks { guardian: Err(guardian), links: Vec::new() }));
        Ok((run, absent, open))
    }

    /// What the school settled by hand counts as declared, though the file still can't say it.
    async fn honour_settlements(
        &self,
        run: &mut Run<'_>,
        header: &EstablishmentHeader,
        open: &mut Vec<OpenLinks>,
    ) -> Result<(), ImportError> {
        let mut draft: Draft<'_> = run.draft(Part::Guardians);
        let answers = settled_links(&mut draft, &self.loader, header.uai, open).await?;
        let Answers { settled, undecided, unmatched } = answers;
        run.around().undecided = undecided;
        run.around().unmatched = unmatched;
        for (pupil, link) in settled {
            run.around().settled.entry(pupil).or_default().push(link);
        }
        Ok(())
    }

    async fn complete(&self, uai: Uai, import: ImportId, counts: ImportCounts) -> Result<Option<u64>, ImportError> {
        let context = self.context(import, self.ledger.now());
        let command = EstablishmentCommand::CompleteImport { import, counts };
        let Loaded { id, version, aggregate } = self.ledger.load::<Establishment>(uai.as_str()).await?;
        // Only another import of this establishment could stand against it, and the lock keeps those away.
        let events = aggregate.decide(command).map_err(|_| ImportError::Running(uai))?;
        let unit = Unit::new(context).stream::<Establishment>(&id, version, events);
        Ok(self.ledger.append(unit).await?.last())
    }

    /// Waits until the views that show schools and families are at a position.
    pub(super) async fn await_views(&self, position: Option<u64>) -> Result<(), ImportError> {
        let Some(position) = position else { return Ok(()) };
        let shown = [Name::People, Name::Accounts, Name::Services];
        let waited = self.views.caught_up_in(&shown, position, PATIENCE).await;
        waited.map_err(|error| ImportError::Views(error.to_string()))
    }

    fn context(&self, import: ImportId, effective_at: DateTime<Utc>) -> Context {
        Context {
            command: CommandId(Uuid::now_v7()),
            actor: Actor::Import(import),
            on_behalf_of: None,
            reason: Reason::SchoolData,
            reference: None,
            effective_at,
        }
    }
}

/// Reads an ONDE file of guardians through: an école's, so a few hundred records.
async fn onde_file(export: &Arc<SchoolExport>) -> Result<OndeFile, ImportError> {
    let reader = Arc::clone(export);
    let mut file = OndeFile { uai: export.header().uai, keys: HashSet::new(), has_refused: false };
    let mut chunks = read_chunks(2_000, move || reader.guardians_from(0));
    while let Some(entries) = chunks.recv().await {
        for entry in entries? {
            match entry.outcome {
                Ok(record) => drop(file.keys.insert(record.source_key)),
                Err(_) => file.has_refused = true,
            }
        }
    }
    Ok(file)
}

/// The events with which an import begins.
fn begin(
    establishment: &Establishment,
    header: &EstablishmentHeader,
    import: ImportId,
    options: &ImportOptions,
) -> Result<Vec<domain::establishment::EstablishmentEvent>, ImportError> {
    let uai = header.uai;
    let refused = |reason| match reason {
        EstablishmentError::OlderExport { .. } => ImportError::Older { uai, reason },
        EstablishmentError::NotRegistered | EstablishmentError::NoSuchImport => ImportError::Running(uai),
    };
    let describe = EstablishmentCommand::Describe { uai, name: None, academie: header.academie, degree: header.degree };
    let mut events = establishment.decide(describe).map_err(refused)?;
    let mut described = establishment.clone();
    events.iter().cloned().for_each(|event| cqrs_es::Aggregate::apply(&mut described, event));
    let begin = EstablishmentCommand::BeginImport {
        import,
        format: super::facts::format_of(header.source),
        school_year: header.school_year,
        exported_at: header.exported_at,
        digests: digests(header),
        allow_older: options.allow_older,
    };
    events.extend(described.decide(begin).map_err(refused)?);
    Ok(events)
}

/// What is said of ONDE files that were last changed before the export that is in was made.
fn doubt_of_age(modified: DateTime<Utc>) -> String {
    format!(
        "ONDE files don't tell when they were exported, and these were last changed on {}, before the export that was \
         imported last: they were taken as the newer ones. If they are not, import the newer files again; with \
         --exported-on, older files are refused",
        modified.format("%Y-%m-%d")
    )
}

fn digests(header: &EstablishmentHeader) -> Vec<String> {
    header.files.iter().map(|file| hex::encode(file.sha256)).collect()
}

fn report_line(remark: Remark, files: &[String; 2]) -> ReportLine {
    let file = match remark.part {
        Part::Pupils => &files[0],
        Part::Guardians => &files[1],
    };
    ReportLine {
        kind: remark.kind.as_str().to_owned(),
        file: file.clone(),
        line: remark.line,
        record: remark.record,
        reason: remark.text,
    }
}

impl Run<'_> {
    /// A notice on the export as a whole.
    async fn note(&mut self, part: Part, text: String) -> Result<(), ImportError> {
        let record = "export".to_owned();
        self.save(vec![Remark { kind: RemarkKind::Notice, part, line: 0, record, text }]).await
    }
}
