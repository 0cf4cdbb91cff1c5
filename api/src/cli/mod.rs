//! The command line of `matricule`: one file for each command.

mod auditor;
mod backup;
mod beside;
mod checkpoint;
mod config;
mod demo;
mod erase;
mod establishment;
mod import;
mod incident;
mod keys;
mod manifest;
mod outbox;
mod registration_token;
mod relying_party;
mod reset;
mod sample;
mod second_factor;
mod serve;
mod telemetry;
mod views;

#[cfg(test)]
pub(crate) use views::status as views_status;

use crate::config::{Config, ConfigError};
use crate::running::source;
use clap::{Args, Parser, Subcommand};
use ledger::postgres::{Database, OpenError, Source};
use std::path::PathBuf;
use std::process::ExitCode;

/// An event-sourced identity ledger for schools.
#[derive(Debug, Parser)]
#[command(name = "matricule", version, propagate_version = true)]
pub struct Matricule {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// Configuration file (default: `matricule.toml` in the working directory, if it is there)
    #[arg(long, global = true, env = "MATRICULE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the embedded database and the key files live (default: `matricule-data`)
    #[arg(long, global = true, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
}

impl Global {
    /// The effective configuration.
    ///
    /// # Errors
    /// It is refused.
    pub fn load(&self) -> Result<Config, ConfigError> {
        crate::config::load(self.config.as_deref(), self.data_dir.clone())
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve(serve::Serve),
    /// Try the service with made-up schools and families
    Demo(demo::Demo),
    /// Import school data from exported files
    Import(import::Import),
    /// Write exports of fictional schools
    Sample(sample::Sample),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Register the services that consume tokens, and change them
    #[command(subcommand)]
    RelyingParty(relying_party::RelyingPartyCommand),
    /// Let services register themselves, within bounds
    #[command(subcommand)]
    RegistrationToken(registration_token::RegistrationTokenCommand),
    /// Appoint auditors, who question the ledger over the API
    #[command(subcommand)]
    Auditor(auditor::AuditorCommand),
    /// The establishments that the schools' files have named
    #[command(subcommand)]
    Establishment(establishment::EstablishmentCommand),
    /// The views that are built from the ledger
    #[command(subcommand)]
    Views(views::ViewsCommand),
    /// The signed checkpoints of the ledger
    #[command(subcommand)]
    Checkpoint(checkpoint::CheckpointCommand),
    /// The keys that sign tokens, and the one that wraps all others
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Record today's manifest of the ledger; the service does so daily
    Manifest(manifest::Manifest),
    /// Show what stands behind an incident reference
    Incident(incident::Incident),
    /// Back up the ledger, and its keys apart from it
    Backup(backup::Backup),
    /// Restore a backup
    Restore(backup::Restore),
    /// Erase a person's data for good
    Erase(erase::Erase),
    /// List messages that were not sent, or perhaps not
    Outbox(outbox::Outbox),
    /// Hand out a provisional password
    Reset(reset::Reset),
    /// Give up second factors that their holder has lost
    SecondFactor(second_factor::SecondFactor),
}

/// Runs a command to its end.
pub fn run(program: Matricule) -> ExitCode {
    let Matricule { global, command } = program;
    let result = match command {
        Command::Serve(command) => command.run(&global),
        Command::Demo(command) => command.run(&global),
        Command::Import(command) => block_on(command.run(&global)),
        Command::Sample(command) => command.run(),
        Command::Config(command) => command.run(&global),
        Command::RelyingParty(command) => command.run(&global),
        Command::RegistrationToken(command) => command.run(&global),
        Command::Auditor(command) => command.run(&global),
        Command::Establishment(command) => command.run(&global),
        Command::Views(command) => command.run(&global),
        Command::Checkpoint(command) => command.run(&global),
        Command::Keys(command) => command.run(&global),
        Command::Manifest(command) => block_on(command.run(&global)),
        Command::Incident(command) => block_on(command.run(&global)),
        Command::Backup(command) => block_on(command.run(&global)),
        Command::Restore(command) => block_on(command.run(&global)),
        Command::Erase(command) => block_on(command.run(&global)),
        Command::Outbox(command) => block_on(command.run(&global)),
        Command::Reset(command) => block_on(command.run(&global)),
        Command::SecondFactor(command) => block_on(command.run(&global)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("matricule: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A runtime for a command that asks the database a little.
fn block_on(future: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(future)
}

/// The database of a command beside the service: that of `DATABASE_URL`, or the embedded server, running or not.
///
/// # Errors
/// There is none, or it can't be reached.
pub async fn attach(config: &Config) -> Result<Database, OpenError> {
    match source(config) {
        Source::Embedded(dir) | Source::Running(dir) => Database::attach(&dir).await,
        url @ Source::Url { .. } => Database::open(url).await,
    }
}
