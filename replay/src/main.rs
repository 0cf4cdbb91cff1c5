//! The program `matricule-replay`.

use clap::{Parser, Subcommand};
use domain::reference::Reference;
use ledger::access::Query;
use ledger::checkpoint::VerifierKey;
use replay::account;
use replay::check::{Believed, Format, Stage, check};
use replay::digest;
use replay::history::{history, life};
use replay::incident::incident;
use replay::language::Language;
use replay::moment::{Moment, resolve};
use replay::offline;
use replay::questions::Question;
use replay::source::{Location, Opened};
use replay::state::state;
use replay::trace;
use replay::witness;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
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
        /// A position, a time (RFC 3339), effective:TIME for what held then, or both with a comma [default: now]
        #[arg(long, value_name = "MOMENT")]
        at: Option<Moment>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show an account as it was at a moment
    State {
        /// Id or login
        account: String,
        /// A position, a time (RFC 3339), effective:TIME for what held then, or both with a comma [default: now]
        #[arg(long, value_name = "MOMENT")]
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
    /// Write a bundle that an auditor can keep and verify offline
    Export {
        /// An account (id or login) or a case (an incident reference)
        #[arg(value_name = "ACCOUNT|CASE")]
        what: String,
        /// What for; kept in the bundle and in the access log
        #[arg(long = "for", value_name = "PURPOSE")]
        purpose: String,
        /// Where to write it; an existing file is never replaced [default: beside, named after what it holds]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Leave personal values out: their commitments prove that they are unchanged
        #[arg(long)]
        without_personal_data: bool,
        /// Public key of the ledger or a witness to put beside the checkpoint, for comparing [default: those that the
        /// signing service has stored]
        #[arg(long = "vkey", value_name = "KEY")]
        vkeys: Vec<VerifierKey>,
    },
    /// Verify a bundle: needs the file and trusted public keys, and neither service nor database.
    ///
    /// Exit code: 0 all verified or erased, 1 something failed, 3 nothing failed but something is pending, 4 all
    /// verified, but by the bundle's own key only.
    Verify {
        /// The bundle
        bundle: PathBuf,
        /// A trusted public key (name+hash+key) of a ledger or a witness, got from its owner [default: the bundle's
        /// own keys, which nobody vouches for]
        #[arg(long = "vkey", value_name = "KEY")]
        vkeys: Vec<VerifierKey>,
        /// A file with such keys, one per line; lines that begin with # are passed over
        #[arg(long, value_name = "FILE")]
        trust: Option<PathBuf>,
        /// How many trusted witnesses must have cosigned
        #[arg(long, default_value_t = 0, value_name = "NUMBER")]
        witnesses: usize,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Prove that the ledger is as recorded and that every view is what it says
    Check {
        /// A trusted public key (name+hash+key) of the ledger or a witness, for the signatures of checkpoints
        /// [default: those that the signing service has stored, which nobody vouches for]
        #[arg(long = "vkey", value_name = "KEY")]
        vkeys: Vec<VerifierKey>,
        /// A file with such keys, one per line
        #[arg(long, value_name = "FILE")]
        trust: Option<PathBuf>,
        /// A checkpoint kept elsewhere, as a file [default: checkpoint.last in the data directory]
        #[arg(long, value_name = "FILE")]
        kept: Vec<PathBuf>,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
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
    let unheard = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
    if error.downcast_ref().is_some_and(unheard) {
        // Whoever read along, as `head` does, has read enough.
        return ExitCode::FAILURE;
    }
    eprintln!("matricule-replay: {error:#}");
    ExitCode::FAILURE
}

impl Replay {
    async fn run(mut self) -> anyhow::Result<ExitCode> {
        if let Command::Witness(options) = self.command {
            tracing_subscriber::fmt().with_writer(std::io::stderr).init();
            witness::run(options).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let language = Language::choose(self.language, std::env::var("LANG").ok().as_deref());
        if let Command::Verify { bundle, vkeys, trust, witnesses, json } = self.command {
            return offline::verify(&bundle, vkeys, trust.as_deref(), witnesses, json, language);
        }
        if let Command::Check { kept, .. } = &mut self.command
            && kept.is_empty()
        {
            kept.extend(self.location.kept_checkpoint());
        }
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
            Self::History { account, at, json } => {
                let account = account::find(&opened.ledger, &account).await?;
                let as_of = resolve(ledger, at).await?;
                let query = trace::of_account(ledger, "history", account).await?;
                let mut told = Vec::new();
                let results = if json {
                    let found = life(ledger, &opened.views, account, as_of).await?;
                    writeln!(told, "{}", serde_json::to_string_pretty(&found)?)?;
                    found.events.len() as u64
                } else {
                    history(ledger, &opened.views, account, as_of, language, &mut told).await?
                };
                let filter = query.filter.map(|filter| format!("{filter} at={as_of}"));
                trace::staff_read(ledger, pool, Query { filter, results, purpose, ..query }).await?;
                out.write_all(&told)?;
            }
            Self::State { account, at, json } => {
                let account = account::find(&opened.ledger, &account).await?;
                let as_of = resolve(ledger, at).await?;
                let found = state(ledger, account, as_of).await?;
                let query = trace::of_account(ledger, "state", account).await?;
                let filter = query.filter.map(|filter| format!("{filter} at={as_of}"));
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
                return tell_incident(opened, language, purpose, reference, &mut out).await;
            }
            Self::Export { what, purpose: what_for, out: file, without_personal_data, vkeys } => {
                offline::export(opened, &what, &what_for, file, !without_personal_data, &vkeys, language).await?;
            }
            // Need no ledger: they have been run before one was opened.
            Self::Verify { .. } | Self::Witness(_) => {}
            Self::Check { vkeys, trust, kept, json } => {
                let trust = offline::trust(vkeys, trust.as_deref(), 0)?;
                let mut believed = Believed { trust, own_keys: false, kept: offline::texts(&kept)? };
                if believed.trust.logs.is_empty() {
                    believed.trust.logs = offline::stored_keys(ledger).await?.logs;
                    believed.own_keys = !believed.trust.logs.is_empty();
                }
                return tell_checks(opened, language, &believed, json, &mut out).await;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn tell_incident(
    Opened { ledger, pool, .. }: &Opened,
    language: Language,
    purpose: Option<String>,
    reference: Reference,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
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
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn tell_checks(
    Opened { ledger, pool, .. }: &Opened,
    language: Language,
    believed: &Believed,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let live = std::io::stderr().is_terminal();
    let checked = check(ledger, pool, believed, |stage, done| {
        if live {
            eprint!("\r\x1b[K{}: {done}", stage_word(language, stage));
        }
    })
    .await;
    if live {
        eprint!("\r\x1b[K");
    }
    let checked = checked?;
    let format = if json { Format::Json } else { Format::Text(language) };
    write!(out, "{}", checked.report(format))?;
    out.flush()?;
    let digests = digest::check(ledger, pool, |_| {}).await?;
    // The object stands alone on the standard output.
    if json {
        eprint!("{}", digests.text(language));
    } else {
        write!(out, "{}", digests.text(language))?;
    }
    let sound = checked.is_sound() && digests.differing.is_empty();
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn stage_word(language: Language, stage: Stage) -> String {
    let french = language == Language::Fr;
    match stage {
        Stage::Ledger => if french { "registre" } else { "ledger" }.to_owned(),
        Stage::View(name) => format!("{} {name}", if french { "vue" } else { "view" }),
    }
}
