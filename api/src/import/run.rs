//! One run: from a validated export to its last event.
//!
//! ```text
//!   file ─▶ reading thread ─▶ decide chunk n+1 ─▶ unit ─▶ append
//!                               ▲  (what chunk n will      │ chunk n
//!                               │   have done is known)    ▼
//!                               └──── on conflict: forget, decide n and n+1 again ────
//! ```
//!
//! Guardians come first, then pupils with their links and all accounts, then what waits for the school, then who
//! is no longer named. After each chunk a cursor is saved: an interrupted run goes on there. Deciding a chunk
//! again is harmless, since a record that says nothing new makes no event.

use super::draft::{Draft, Planned};
use super::error::ImportError;
use super::guardians::{OndeFile, decide_guardians};
use super::held::{OpenLinks, decide_held};
use super::known::Known;
use super::pupils::{Around, decide_absences, decide_pupils};
use super::report::{Part, Remark, RemarkKind};
use super::store::{self, Cursor, Stage};
use super::{Importer, Progress, Watch};
use chrono::{DateTime, NaiveDate, Utc};
use domain::context::{Actor, Context, Reason};
use domain::establishment::ImportCounts;
use domain::ids::{CommandId, ImportId, PupilId};
use ledger::{AppendError, Appended, Unit};
use school_files::{Entries, Entry, FileError, GuardianRecord, PupilRecord, SchoolExport};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Records decided and recorded together. Larger units make fewer transactions, smaller ones less to repeat.
const PUPILS_PER_CHUNK: usize = 400;
const GUARDIANS_PER_CHUNK: usize = 800;
/// How often one chunk is decided anew because others change the same people.
const ATTEMPTS: u32 = 10;

/// Some records, decided together.
enum Chunk {
    Guardians(Vec<Entry<GuardianRecord>>),
    Pupils(Vec<Entry<PupilRecord>>),
    Held(Vec<OpenLinks>),
    Absent(Vec<PupilId>),
}

/// A chunk and where the cursor stands after it.
struct Step {
    chunk: Chunk,
    stage: Stage,
    next: u64,
}

/// A chunk on its way into the ledger.
struct InFlight {
    step: Step,
    recording: JoinHandle<Result<Appended, AppendError>>,
    remarks: Vec<Remark>,
    counts: ImportCounts,
}

/// What a run needs besides the export.
pub struct Course {
    /// The run.
    pub import: ImportId,
    /// From when on its facts hold.
    pub effective_at: DateTime<Utc>,
    /// Decide everything, record nothing.
    pub dry: bool,
    /// Pupils to find again under another number, and settled links.
    pub around: Around,
    /// The ONDE file of guardians, where the export is one of ONDE.
    pub onde: Option<OndeFile>,
}

/// A run in progress.
pub struct Run<'a> {
    importer: &'a Importer,
    export: Arc<SchoolExport>,
    course: Course,
    watch: Watch<'a>,
    known: Known,
    cursor: Cursor,
    in_flight: Option<InFlight>,
    /// The last position it wrote.
    pub last: Option<u64>,
    /// Remarks of a dry run, which has no rows to keep them in.
    pub remarks: Vec<Remark>,
}

impl<'a> Run<'a> {
    /// Goes on from a cursor.
    pub fn new(
        importer: &'a Importer,
        export: Arc<SchoolExport>,
        course: Course,
        cursor: Cursor,
        watch: Watch<'a>,
    ) -> Self {
        let known = if course.dry { Known::keeping_all() } else { Known::default() };
        Self { importer, export, course, watch, known, cursor, in_flight: None, last: None, remarks: Vec::new() }
    }

    /// How far it has come.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// For what must be known before the pupils' turn.
    pub fn around(&mut self) -> &mut Around {
        &mut self.course.around
    }

    /// A loader and a draft that will not be recorded, for looking things up by the same means.
    pub fn draft(&mut self, part: Part) -> Draft<'_> {
        let context = context(&self.course);
        Draft::new(&mut self.known, &self.importer.ledger, context, part)
    }

    /// Records the guardians.
    ///
    /// # Errors
    /// [`ImportError`]; the run can be resumed.
    pub async fn guardians(&mut self) -> Result<(), ImportError> {
        let from = self.begin(Stage::Guardians);
        let Some(from) = from else { return Ok(()) };
        let export = Arc::clone(&self.export);
        let mut chunks = read_chunks(GUARDIANS_PER_CHUNK, move || export.guardians_from(from));
        while let Some(entries) = chunks.recv().await {
            let entries = entries?;
            let next = entries.last().map_or(from, |entry| entry.ordinal + 1);
            self.step(Step { chunk: Chunk::Guardians(entries), stage: Stage::Guardians, next }).await?;
        }
        self.drain(Stage::Pupils).await
    }

    /// Records the pupils, their links and the accounts.
    ///
    /// # Errors
    /// [`ImportError`]; the run can be resumed.
    pub async fn pupils(&mut self) -> Result<(), ImportError> {
        let from = self.begin(Stage::Pupils);
        let Some(from) = from else { return Ok(()) };
        let export = Arc::clone(&self.export);
        let mut chunks = read_chunks(PUPILS_PER_CHUNK, move || export.pupils_from(from));
        while let Some(entries) = chunks.recv().await {
            let entries = entries?;
            let next = entries.last().map_or(from, |entry| entry.ordinal + 1);
            self.step(Step { chunk: Chunk::Pupils(entries), stage: Stage::Pupils, next }).await?;
        }
        self.drain(Stage::Held).await
    }

    /// Records what waits for the school.
    ///
    /// # Errors
    /// [`ImportError`]; the run can be resumed.
    pub async fn held(&mut self, open: Vec<OpenLinks>) -> Result<(), ImportError> {
        if self.begin(Stage::Held).is_none() {
            return Ok(());
        }
        // Never skipped by the cursor: who waited before is another list after an interruption.
        self.cursor.counts.held = 0;
        for some in open.chunks(GUARDIANS_PER_CHUNK) {
            self.step(Step { chunk: Chunk::Held(some.to_vec()), stage: Stage::Held, next: 0 }).await?;
        }
        self.drain(Stage::Absent).await
    }

    /// Records who is no longer named.
    ///
    /// # Errors
    /// [`ImportError`]; the run can be resumed.
    pub async fn absences(&mut self, absent: Vec<PupilId>) -> Result<(), ImportError> {
        if self.begin(Stage::Absent).is_none() {
            return Ok(());
        }
        // Never skipped by the cursor: after an interruption the list is shorter by those already recorded.
        for some in absent.chunks(PUPILS_PER_CHUNK) {
            self.step(Step { chunk: Chunk::Absent(some.to_vec()), stage: Stage::Absent, next: 0 }).await?;
        }
        self.drain(Stage::Done).await
    }

    /// Where to go on within a stage; `None` when it is over already.
    fn begin(&mut self, stage: Stage) -> Option<u64> {
        let over = self.cursor.stage > stage;
        self.report(stage);
        (!over).then_some(if self.cursor.stage == stage { self.cursor.ordinal } else { 0 })
    }

    /// Decides a chunk while the one before is being recorded, then sends it after that one.
    async fn step(&mut self, step: Step) -> Result<(), ImportError> {
        let mut planned = self.decide(&step.chunk).await?;
        let saved = match self.land().await? {
            Landed::Nothing => None,
            Landed::AsPlanned(saved) => Some(saved),
            Landed::Anew(saved) => {
                // What this chunk was decided on did not come true.
                planned = self.decide(&step.chunk).await?;
                Some(saved)
            }
        };
        let Planned { unit, remarks, counts } = planned;
        let recording = self.record(unit);
        self.in_flight = Some(InFlight { step, recording, remarks, counts });
        // Beside the recording, not before it.
        if let Some(saved) = saved {
            self.save(saved).await?;
        }
        Ok(())
    }

    /// Waits for the last chunk and moves the cursor to the next stage.
    async fn drain(&mut self, next: Stage) -> Result<(), ImportError> {
        if let Landed::AsPlanned(saved) | Landed::Anew(saved) = self.land().await? {
            self.save(saved).await?;
        }
        self.cursor.stage = next;
        self.cursor.ordinal = 0;
        self.save(Vec::new()).await?;
        self.report(next);
        Ok(())
    }

    async fn decide(&mut self, chunk: &Chunk) -> Result<Planned, ImportError> {
        let loader = &self.importer.loader;
        let header = self.export.header();
        let part = match chunk {
            Chunk::Guardians(_) | Chunk::Held(_) => Part::Guardians,
            Chunk::Pupils(_) | Chunk::Absent(_) => Part::Pupils,
        };
        let mut draft = Draft::new(&mut self.known, &self.importer.ledger, context(&self.course), part);
        match chunk {
            Chunk::Guardians(entries) => {
                tell(&mut draft, entries);
                decide_guardians(&mut draft, loader, entries, self.course.onde.as_ref()).await?;
            }
            Chunk::Pupils(entries) => {
                tell(&mut draft, entries);
                decide_pupils(&mut draft, loader, header, &self.course.around, entries).await?;
            }
            Chunk::Held(open) => decide_held(&mut draft, loader, header.uai, open).await?,
            Chunk::Absent(pupils) => {
                let on: NaiveDate = header.exported_at.date();
                decide_absences(&mut draft, loader, (header.uai, on), pupils).await?;
            }
        }
        let planned = draft.finish();
        self.known.age();
        Ok(planned)
    }

    fn record(&self, unit: Unit) -> JoinHandle<Result<Appended, AppendError>> {
        let (ledger, dry) = (self.importer.ledger.clone(), self.course.dry);
        tokio::spawn(async move {
            if dry { Ok(Appended { first: ledger.size(), count: 0 }) } else { ledger.append(unit).await }
        })
    }

    /// Waits for the chunk on its way; decides it again where others were faster.
    async fn land(&mut self) -> Result<Landed, ImportError> {
        let Some(InFlight { step, recording, remarks, counts }) = self.in_flight.take() else {
            return Ok(Landed::Nothing);
        };
        let mut outcome = recording.await.map_err(|_| ImportError::Interrupted)?;
        let (mut remarks, mut counts) = (remarks, counts);
        let mut attempt = 0;
        while let Err(error) = outcome {
            attempt += 1;
            if attempt > ATTEMPTS {
                return Err(ImportError::Busy);
            }
            match error {
                AppendError::Conflict { .. } | AppendError::Reserved { .. } => {}
                AppendError::Erased(subject) => self.known.note_erased(subject),
                other => return Err(other.into()),
            }
            self.known.clear();
            // Not for luck: the other writer is given time to finish what it is doing with these people.
            tokio::time::sleep(Duration::from_millis(u64::from(attempt - 1) * 20)).await;
            let planned = self.decide(&step.chunk).await?;
            (remarks, counts) = (planned.remarks, planned.counts);
            outcome = self.record(planned.unit).await.map_err(|_| ImportError::Interrupted)?;
        }
        let appended = outcome.map_err(|_| ImportError::Busy)?;
        self.last = appended.last().or(self.last);
        self.account(&step, counts);
        Ok(if attempt == 0 { Landed::AsPlanned(remarks) } else { Landed::Anew(remarks) })
    }

    fn account(&mut self, step: &Step, counts: ImportCounts) {
        let sum = &mut self.cursor.counts;
        sum.pupils += counts.pupils;
        sum.guardians += counts.guardians;
        sum.refused += counts.refused;
        sum.held += counts.held;
        sum.changed += counts.changed;
        if let Chunk::Absent(pupils) = &step.chunk {
            self.cursor.departed += pupils.len() as u64;
        }
        self.cursor.stage = step.stage;
        self.cursor.ordinal = step.next;
        self.report(step.stage);
    }

    pub(super) async fn save(&mut self, remarks: Vec<Remark>) -> Result<(), ImportError> {
        if self.course.dry {
            self.remarks.extend(remarks);
            return Ok(());
        }
        let files = self.file_names();
        let named: Vec<(Remark, &str)> = remarks
            .into_iter()
            .map(|remark| {
                let file = match remark.part {
                    Part::Pupils => files[0].as_str(),
                    Part::Guardians => files[1].as_str(),
                };
                (remark, file)
            })
            .collect();
        store::save(&self.importer.db, self.course.import, &self.cursor, &named, self.importer.ledger.now()).await?;
        Ok(())
    }

    /// Names of the two files, pupils then guardians, without their folders.
    pub fn file_names(&self) -> [String; 2] {
        let name = |index: usize| {
            let file = self.export.header().files.get(index).and_then(|file| file.file.file_name());
            file.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        [name(0), name(1)]
    }

    fn report(&self, stage: Stage) {
        let counts = self.export.counts();
        let (done, total) = match stage {
            Stage::Guardians => (self.cursor.ordinal, counts.guardians + counts.pupils),
            Stage::Pupils => (counts.guardians + self.cursor.ordinal, counts.guardians + counts.pupils),
            Stage::Held | Stage::Absent | Stage::Done => {
                (counts.guardians + counts.pupils, counts.guardians + counts.pupils)
            }
        };
        (self.watch)(Progress { establishment: self.export.header().uai, stage, done, total });
    }
}

/// What became of the chunk on its way.
enum Landed {
    Nothing,
    AsPlanned(Vec<Remark>),
    Anew(Vec<Remark>),
}

fn context(course: &Course) -> Context {
    Context {
        command: CommandId(Uuid::now_v7()),
        actor: Actor::Import(course.import),
        on_behalf_of: None,
        reason: Reason::SchoolData,
        reference: None,
        effective_at: course.effective_at,
    }
}

/// Refusals and notices that reading the file brought.
fn tell<T>(draft: &mut Draft<'_>, entries: &[Entry<T>]) {
    for entry in entries {
        let record = match &entry.outcome {
            Err(rejection) => {
                draft.remark(RemarkKind::Refused, entry.line, rejection.record.clone(), &rejection.reason);
                rejection.record.clone()
            }
            Ok(_) => format!("record {}", entry.ordinal + 1),
        };
        for notice in &entry.notices {
            draft.remark(RemarkKind::Notice, entry.line, record.clone(), notice);
        }
    }
}

/// Reads on a thread of its own, a few chunks ahead.
pub fn read_chunks<T: Send + 'static>(
    size: usize,
    open: impl FnOnce() -> Result<Entries<T>, FileError> + Send + 'static,
) -> mpsc::Receiver<Result<Vec<Entry<T>>, FileError>> {
    let (sender, receiver) = mpsc::channel(2);
    tokio::task::spawn_blocking(move || {
        let mut entries = match open() {
            Ok(entries) => entries,
            Err(error) => {
                let _ = sender.blocking_send(Err(error));
                return;
            }
        };
        loop {
            let mut chunk = Vec::with_capacity(size);
            let mut fault = None;
            for entry in entries.by_ref().take(size) {
                match entry {
                    Ok(entry) => chunk.push(entry),
                    Err(error) => fault = Some(error),
                }
            }
            let last = chunk.len() < size;
            // A receiver that is gone means that the run has stopped.
            if !chunk.is_empty() && sender.blocking_send(Ok(chunk)).is_err() {
                return;
            }
            if let Some(error) = fault {
                let _ = sender.blocking_send(Err(error));
                return;
            }
            if last {
                return;
            }
        }
    });
    receiver
}
