//! `matricule import`: school data from exported files, and the queue of links that wait for the school.

use super::beside::Beside;
use super::{Global, telemetry};
use crate::access::local_read;
use crate::import::report::{ReportFormat, ReportLine, write_report};
use crate::import::store::Stage;
use crate::import::{ImportOptions, Importer, Outcome, Progress, Summary, queue};
use anyhow::{Context, bail};
use chrono::NaiveDate;
use clap::{Args, Subcommand};
use domain::identifiers::Uai;
use domain::ids::{GuardianId, PupilId};
use futures::StreamExt;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use ledger::access::Query;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, IsTerminal};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Mutex;
use std::time::Instant;

/// Import school data from exported files.
///
/// SIECLE: ElevesAvecAdresses and ResponsablesAvecAdresses, zipped or not. ONDE: the CSV files of pupils and of
/// guardians. Files of several establishments may be given together. The same files again change nothing; after
/// an interruption, the same command goes on where it stopped.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Import {
    #[command(subcommand)]
    command: Option<ImportCommand>,
    /// The exported files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Establishment of ONDE files whose names don't hold its UAI
    #[arg(long)]
    uai: Option<Uai>,
    /// Day on which ONDE files were exported, YYYY-MM-DD: they don't tell it, and older ones than the last are refused
    /// (default: the moment of import)
    #[arg(long, value_name = "DATE")]
    exported_on: Option<NaiveDate>,
    /// Say what would happen and record nothing
    #[arg(long)]
    dry_run: bool,
    /// Import an export older than the last one imported
    #[arg(long)]
    allow_older: bool,
    /// Believe an export that lacks a large part of the establishment's pupils
    #[arg(long)]
    accept_departures: bool,
    /// Believe that pupils whose name and birth date both changed under one INE are the same persons
    #[arg(long)]
    accept_identity_changes: bool,
    /// The largest share of an establishment's pupils that may leave by not being in its export
    /// (default: `imports.departure_share` of the configuration)
    #[arg(long, value_name = "SHARE", value_parser = share)]
    departure_share: Option<f64>,
    /// Where the reports on refused records are written
    #[arg(long, default_value = ".", value_name = "DIRECTORY")]
    report_dir: PathBuf,
    /// Form of the reports
    #[arg(long, value_enum, default_value_t)]
    report_format: ReportFormat,
}

#[derive(Debug, Subcommand)]
enum ImportCommand {
    /// List the ONDE links that wait for a school's answer
    Queue {
        /// Of this establishment only
        #[arg(long)]
        uai: Option<Uai>,
    },
    /// Give a school's answer: which pupil a waiting link means, or `none`
    Settle {
        /// The guardian record, as the queue shows it
        guardian: GuardianId,
        /// The link's number, as the queue shows it
        number: u32,
        /// The pupil, one of the candidates, or `none`
        #[arg(value_parser = pupil_or_none)]
        pupil: PupilOrNone,
    },
}

#[derive(Clone, Copy, Debug)]
struct PupilOrNone(Option<PupilId>);

fn pupil_or_none(text: &str) -> Result<PupilOrNone, String> {
    if text == "none" {
        return Ok(PupilOrNone(None));
    }
    text.parse().map(|pupil| PupilOrNone(Some(pupil))).map_err(|_| "a pupil's id, or `none`".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "a number from 0 to 1".to_owned())
}

impl Import {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let config = global.load()?;
        telemetry::start_quietly(&config.log)?;
        Beside::over(&config, async |beside| match &self.command {
            None => self.import(&beside.importer(), config.imports.departure_share).await,
            Some(ImportCommand::Queue { uai }) => list_queue(beside, *uai).await,
            Some(ImportCommand::Settle { guardian, number, pupil }) => {
                settle(beside, *guardian, *number, pupil.0).await
            }
        })
        .await
    }

    async fn import(&self, importer: &Importer, share: f64) -> anyhow::Result<()> {
        let options = ImportOptions {
            uai: self.uai,
            exported_on: self.exported_on,
            allow_older: self.allow_older,
            accept_departures: self.accept_departures,
            accept_identity_changes: self.accept_identity_changes,
            departure_share: self.departure_share.unwrap_or(share),
            dry_run: self.dry_run,
        };
        let mut failed = 0_usize;
        let bars = Bars::default();
        let watch = |progress| bars.show(progress);
        let mut outcomes = pin!(importer.import_all(self.files.clone(), &options, &watch).await?);
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Ok(outcome) => bars.aside(|| self.tell(&outcome))?,
                Err(error) => {
                    failed += 1;
                    bars.aside(|| eprintln!("refused: {error}"));
                }
            }
        }
        bars.clear();
        if failed > 0 {
            bail!("{failed} of the exports could not be imported; what is printed above says why");
        }
        Ok(())
    }

    fn tell(&self, outcome: &Outcome) -> anyhow::Result<()> {
        match outcome {
            Outcome::AlreadyImported { establishment, import } => {
                println!("{establishment}: these very files are in already (import {import}); nothing to do");
            }
            Outcome::Imported(summary) => {
                println!("{}: imported (import {})", summary.establishment, summary.import);
                self.tell_summary(summary)?;
            }
            Outcome::WouldImport(summary) => {
                println!("{}: nothing was recorded; an import would come to this", summary.establishment);
                self.tell_summary(summary)?;
            }
        }
        Ok(())
    }

    fn tell_summary(&self, summary: &Summary) -> anyhow::Result<()> {
        let counts = &summary.counts;
        println!("  pupils     {:>8}, of whom {} new or changed", counts.pupils, counts.changed);
        println!("  guardians  {:>8}", counts.guardians);
        if summary.departed > 0 {
            println!("  left       {:>8}, no longer in the export", summary.departed);
        }
        if counts.held > 0 {
            println!("  waiting    {:>8} links: see `matricule import queue`", counts.held);
        }
        if counts.refused > 0 {
            println!("  refused    {:>8} records", counts.refused);
        }
        if !summary.report.is_empty() {
            let path = self.write(summary, &summary.report)?;
            println!("  report     {}", path.display());
        }
        Ok(())
    }

    fn write(&self, summary: &Summary, report: &[ReportLine]) -> anyhow::Result<PathBuf> {
        let extension = match self.report_format {
            ReportFormat::Csv => "csv",
            ReportFormat::Json => "json",
        };
        let name = format!("import-{}-{}.{extension}", summary.establishment, summary.import);
        let path = self.report_dir.join(name);
        let file = File::create(&path).with_context(|| format!("the report {} can't be written", path.display()))?;
        write_report(report, self.report_format, BufWriter::new(file))
            .with_context(|| format!("the report {} can't be written", path.display()))?;
        Ok(path)
    }
}

async fn list_queue(beside: &Beside, uai: Option<Uai>) -> anyhow::Result<()> {
    let waiting = queue::waiting(&beside.db, uai).await?;
    let people = |link: &queue::Waiting| {
        let candidates: Vec<_> = link.candidates.iter().map(|candidate| candidate.pupil.0).collect();
        candidates.into_iter().chain([link.guardian.0])
    };
    local_read(
        &beside.db,
        Query {
            name: "import-queue",
            concerned: waiting.iter().flat_map(people).collect(),
            filter: uai.map(|uai| format!("establishment={uai}")),
            results: waiting.len() as u64,
            ..Query::default()
        },
    )
    .await
    .context("the read can't be recorded in the access log, so nothing is shown")?;
    if waiting.is_empty() {
        println!("No link waits.");
    }
    for link in waiting {
        println!("{}  guardian {}  number {}  ({})", link.establishment, link.guardian, link.number, link.reason);
        println!("    guardian as recorded: {}", link.guardian_name);
        println!("    child as written:     {}", link.child);
        for candidate in &link.candidates {
            println!("    candidate {}  {}", candidate.pupil, candidate.shown);
        }
    }
    Ok(())
}

async fn settle(beside: &Beside, guardian: GuardianId, number: u32, pupil: Option<PupilId>) -> anyhow::Result<()> {
    queue::settle(&beside.importer(), guardian, number, pupil).await?;
    println!("Settled.");
    Ok(())
}

/// A bar for each export under way on a terminal, plain lines elsewhere.
#[derive(Default)]
struct Bars {
    all: MultiProgress,
    shown: Mutex<HashMap<Uai, Shown>>,
}

/// How one export is shown.
struct Shown {
    bar: Option<ProgressBar>,
    tenth: u64,
    since: Instant,
}

impl Bars {
    fn show(&self, progress: Progress) {
        let what = match progress.stage {
            Stage::Guardians => "guardians",
            Stage::Pupils => "pupils",
            Stage::Held => "waiting links",
            Stage::Absent => "departures",
            Stage::Done => "views",
        };
        let Progress { establishment, done, total, stage } = progress;
        let mut shown = self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let of = shown.entry(establishment).or_insert_with(|| self.start());
        if let Some(bar) = &of.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(format!("{establishment} {what}"));
            if stage == Stage::Done {
                bar.finish_and_clear();
            }
        } else {
            let tenth = (done * 10).checked_div(total).unwrap_or_default();
            if tenth > of.tenth {
                let seconds = of.since.elapsed().as_secs_f64();
                eprintln!("{establishment} {what}: {done} of {total} records ({seconds:.1} s)");
                of.tenth = tenth;
            }
        }
        if stage == Stage::Done {
            shown.remove(&establishment);
        }
    }

    fn start(&self) -> Shown {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg:32} {bar:30} {percent:>3} %  {pos}/{len}  {per_sec}  {eta}");
            let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.all.add(bar)
        });
        Shown { bar, tenth: 0, since: Instant::now() }
    }

    /// Those of refused exports stand still.
    fn clear(&self) {
        // A terminal that is gone needs no clearing.
        let _ = self.all.clear();
    }

    /// Prints something while no bar is in the way.
    fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.all.suspend(print)
    }
}
