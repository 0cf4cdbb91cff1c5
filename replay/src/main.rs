//! The program `matricule-replay`.

use clap::{Parser, Subcommand};
use domain::reference::Reference;
use ledger::Header;
use ledger::access::Query;
use projections::{ComparedTable, DifferenceKind};
use replay::account;
use replay::check::{Checked, Stage, check};
use replay::digest;
use replay::history::history;
use replay::incident::incident;
use replay::language::Language;
use replay::moment::{Moment, resolve};
use replay::questions::Question;
use replay::source::{Location, Opened};
use replay::state::state;
use replay::trace;
use replay::witness;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Reads the ledger of Matricule: an account's life, its state at a moment, and whether anything was changed.
#[derive(Parser)]
#[command(name = "matricule-replay", version, propagate_version = true)]
struct Replay {
    #[command(flatten)]
    location: Location,
    /// Language of the answers [default: by LANG, else fr]
    #[arg(long, global = true)]
    language: Option<Language>,
    /// What the answer is needed for, in a few words; kept in the access log with the read
    #[arg(long, global = true, value_name = "TEXT")]
    purpose: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell an account's life: who did what, when, for whom and why
    History {
        /// Id or login
        account: String,
        /// A time (RFC 3339) or a position [default: now]
        #[arg(long, value_name = "TIME|POSITION")]
        at: Option<Moment>,
    },
    /// Show an account as it was at a moment
    State {
        /// Id or login
        account: String,
        /// A time (RFC 3339) or a position [default: now]
        #[arg(long, value_name = "TIME|POSITION")]
        at: Option<Moment>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    #[command(flatten)]
    Question(Question),
    /// Tell what stands behind an incident reference: the request, its commands, their events
    Incident {
        /// As the user reads it out, e.g. K7R-2WA-Q0XZ; case, dashes and spaces don't matter
        #[arg(required = true)]
        reference: Vec<String>,
    },
    /// Prove that the ledger is as recorded and that every view is what it says
    Check,
    /// Cosign the checkpoints of other institutions' logs; needs no ledger
    Witness(witness::Options),
}

fn main() -> ExitCode {
    let replay = Replay::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(replay.run()) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("matricule-replay: {error:#}");
    ExitCode::FAILURE
}

impl Replay {
    async fn run(self) -> anyhow::Result<ExitCode> {
        if let Command::Witness(options) = self.command {
            tracing_subscriber::fmt().with_writer(std::io::stderr).init();
            witness::run(options).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let language = Language::choose(self.language, std::env::var("LANG").ok().as_deref());
        let opened = self.location.open().await?;
        let result = self.command.run(&opened, language, self.purpose).await;
        opened.close().await;
        result
    }
}

impl Command {
    async fn run(self, opened: &Opened, language: Language, purpose: Option<String>) -> anyhow::Result<ExitCode> {
        let mut out = std::io::stdout();
        let (ledger, pool) = (&opened.ledger, &opened.pool);
        match self {
            Self::History { account, at } => {
                let account = account::find(&opened.ledger, &account).await?;
                let as_of = resolve(ledger, at).await?;
                let query = trace::of_account(ledger, "history", account).await?;
                let mut told = Vec::new();
                let results = history(ledger, &opened.views, account, as_of, language, &mut told).await?;
                let filter = query.filter.map(|filter| format!("{filter} at={}", as_of.position));
                trace::staff_read(ledger, pool, Query { filter, results, purpose, ..query }).await?;
                out.write_all(&told)?;
            }
            Self::State { account, at, json } => {
                let account = account::find(&opened.ledger, &account).await?;
                let as_of = resolve(ledger, at).await?;
                let found = state(ledger, account, as_of).await?;
                let query = trace::of_account(ledger, "state", account).await?;
                let filter = query.filter.map(|filter| format!("{filter} at={}", as_of.position));
                trace::staff_read(ledger, pool, Query { filter, results: 1, purpose, ..query }).await?;
                if json {
                    writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
                } else {
                    write!(out, "{}", found.table(language))?;
                }
            }
            Self::Question(question) => question.answer(opened, language, purpose, &mut out).await?,
            Self::Incident { reference } => {
                let reference: Reference = reference.concat().parse()?;
                let mut told = Vec::new();
                let found = incident(ledger, pool, reference, language, &mut told).await?;
                let events = ledger.read_by_reference(reference.compact()).await?;
                let query = Query {
                    name: "incident",
                    concerned: trace::of_events(&events),
                    purpose,
                    filter: Some(format!("reference={}", reference.compact())),
                    results: events.len() as u64,
                    ..Query::default()
                };
                trace::staff_read(ledger, pool, query).await?;
                out.write_all(&told)?;
                if !found {
                    return Ok(ExitCode::FAILURE);
                }
            }
            // Needs no ledger: it has been run before one was opened.
            Self::Witness(_) => {}
            Self::Check => {
                let live = std::io::stderr().is_terminal();
                let checked = check(&opened.ledger, &opened.pool, |stage, done| {
                    if live {
                        eprint!("\r\x1b[K{}: {done}", stage_word(language, stage));
                    }
                })
                .await;
                if live {
                    eprint!("\r\x1b[K");
                }
                let checked = checked?;
                write!(out, "{}", report(&checked, language))?;
                let digests = digest::check(ledger, pool, |_| {}).await?;
                write!(out, "{}", digests.text(language))?;
                if !checked.is_sound() || !digests.differing.is_empty() {
                    return Ok(ExitCode::FAILURE);
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn stage_word(language: Language, stage: Stage) -> String {
    let french = language == Language::Fr;
    match stage {
        Stage::Tree => if french { "arbre" } else { "tree" }.to_owned(),
        Stage::Reading => if french { "lecture" } else { "reading" }.to_owned(),
        Stage::View(name) => format!("{} {name}", if french { "vue" } else { "view" }),
    }
}

fn report(checked: &Checked, language: Language) -> String {
    let french = language == Language::Fr;
    let (size, read, root) = (checked.tree.size, checked.read, hex::encode(checked.tree.root));
    let mut text = if french {
        format!(
            "Arbre : {size} événements, racine {root}, égale à celle enregistrée.\n\
                 Lecture : {read} événements, positions sans trou, dates croissantes, données scellées conformes.\n"
        )
    } else {
        format!(
            "Tree: {size} events, root {root}, equal to the stored one.\n\
                 Reading: {read} events, positions gapless, times in order, sealed data as committed to.\n"
        )
    };
    for view in &checked.views {
        let rows: u64 = view.tables.iter().map(|table| table.rows).sum();
        let (name, tables, next) = (view.name, view.tables.len(), view.next);
        text.push_str(&match (french, view.is_equal()) {
            (true, true) => {
                format!("Vue {name} : égale à sa reconstruction ({tables} tables, {rows} lignes, position {next}).\n")
            }
            (true, false) => format!("Vue {name} : DIFFÈRE de sa reconstruction à la position {next}.\n"),
            (false, true) => {
                format!("View {name}: equal to its replay ({tables} tables, {rows} rows, position {next}).\n")
            }
            (false, false) => format!("View {name}: DIFFERS from its replay at position {next}.\n"),
        });
        view.tables.iter().for_each(|table| text.push_str(&differences(table, french)));
    }
    text + &poisoned(checked, french)
}

/// Where views stand still, and what they pass over by decision.
fn poisoned(checked: &Checked, french: bool) -> String {
    let what = |event: &Option<Header>| match event {
        Some(event) => event.event_type.clone(),
        None => if french { "aucun événement" } else { "no event there" }.to_owned(),
    };
    let mut text = String::new();
    for stop in &checked.stops {
        let (view, position, event, since) = (stop.view, stop.fault.position, what(&stop.event), stop.since);
        text.push_str(&if french {
            format!("Vue {view} : ARRÊTÉE à la position {position} ({event}) depuis le {since}.\n")
        } else {
            format!("View {view}: STOPPED at position {position} ({event}) since {since}.\n")
        });
    }
    for skip in &checked.skips {
        let (view, position, event) = (skip.view, skip.fault.position, what(&skip.event));
        let (at, actor, reason) = (skip.skipped_at, &skip.actor, &skip.reason);
        text.push_str(&if french {
            format!("Vue {view} : sans l'événement {position} ({event}), décision de {actor} le {at} : {reason}\n")
        } else {
            format!("View {view}: without event {position} ({event}), decided by {actor} on {at}: {reason}\n")
        });
    }
    text
}

fn differences(table: &ComparedTable, french: bool) -> String {
    let mut text = String::new();
    for difference in &table.differences {
        let kind = match &difference.kind {
            DifferenceKind::Missing => if french { "ligne manquante" } else { "missing row" }.to_owned(),
            DifferenceKind::Unfounded => if french { "ligne sans fondement" } else { "unfounded row" }.to_owned(),
            DifferenceKind::Columns(columns) => {
                format!("{} {}", if french { "colonnes" } else { "columns" }, columns.join(", "))
            }
        };
        text.push_str(&format!("  {} [{}]: {kind}\n", table.table, difference.key));
    }
    let unnamed = table.differing.saturating_sub(table.differences.len() as u64);
    if unnamed > 0 {
        text.push_str(&format!("  {}: + {unnamed}\n", table.table));
    }
    text
}
