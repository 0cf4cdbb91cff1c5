//! `matricule demo`: the whole service on one command, with two schools of made-up people to try it on.
//!
//! Everything lies in one directory and goes the ordinary ways: the embedded database, the import of exported
//! files, a registered relying party. A second start finds what the first one made.

mod guide;
mod relying_party;
mod state;

use super::serve::{answer, stop_signal};
use super::{Global, telemetry};
use crate::config::Config;
use crate::import::{ImportOptions, Importer};
use crate::running::Running;
use anyhow::{Context, bail};
use clap::Args;
use domain::context::{Actor, Reason};
use domain::establishment::{Establishment, EstablishmentCommand};
use domain::identifiers::Degree;
use domain::ids::CommandId;
use guide::Guide;
use ledger::postgres::{DataDir, Database, Source};
use relying_party::RelyingParty;
use school_files::sample::{DemoSet, write_demo};
use state::State;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use uuid::Uuid;

/// Where the demo listens unless told otherwise.
const PORT: u16 = 8080;
/// Where its relying party does.
const RELYING_PARTY_PORT: u16 = 8090;
/// So many further ports are tried when one is taken.
const MORE_PORTS: u16 = 20;

/// Try the service: made-up schools and families, messages on a page instead of phones, and a relying party.
///
/// It runs until Ctrl+C. The next start goes on with what was there; `--fresh` starts over.
#[derive(Debug, Args)]
pub struct Demo {
    /// Forget the former demo and start over
    #[arg(long)]
    fresh: bool,
    /// Port of the service on this machine [default: 8080, or the next that is free]
    #[arg(long)]
    port: Option<u16>,
    /// Port of the demo relying party [default: 8090, or the next that is free]
    #[arg(long)]
    relying_party_port: Option<u16>,
    /// Where the demo relying party's program lies
    #[arg(long, value_name = "DIRECTORY", default_value = "tests/relying-party")]
    relying_party: PathBuf,
}

impl Demo {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        let config = configuration(global)?;
        // The guide must stay in sight, though people mistype.
        telemetry::start_quietly(&config.log)?;
        crate::incident::watch_panics();
        // The embedded server follows the thread that starts it, so it must be this one.
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.play(config))
    }

    async fn play(self, mut config: Config) -> anyhow::Result<()> {
        let stop = stop_signal()?;
        let dir = config.data_dir.clone();
        refuse_foreign(&dir)?;
        if self.fresh {
            start_over(&dir).await?;
        }
        let listener = listen(self.port, PORT, "--port").await?;
        let address = listener.local_addr()?;
        config.listen = address;
        config.public_origin = format!("http://localhost:{}", address.port()).parse()?;
        let its_port = free_port(self.relying_party_port, RELYING_PARTY_PORT, "--relying-party-port").await?;

        let mut state = State::read_or_new(&dir)?;
        let running = Running::start(config).await?;
        let serving = tokio::spawn(answer(listener, running.app.clone(), stop));
        let prepared = self.prepare(&running, &dir, its_port, &mut state).await;
        let mut service = match prepared {
            Ok((set, service)) => {
                let guide = Guide::new(&running.app.config, &dir, &set, &service, state.imported.unwrap_or_default());
                io::stdout().write_all(guide.text()?.as_bytes())?;
                io::stdout().flush()?;
                service
            }
            Err(error) => {
                serving.abort();
                running.stop().await;
                return Err(error);
            }
        };
        let served = serving.await?;
        service.stop().await;
        running.stop().await;
        println!("\n Arrêté. / Stopped.");
        served
    }

    /// Brings in the schools and the relying party, if they are not in yet.
    async fn prepare(
        &self,
        running: &Running,
        dir: &Path,
        port: u16,
        state: &mut State,
    ) -> anyhow::Result<(DemoSet, RelyingParty)> {
        let files = dir.join("ecoles");
        let set = write_demo(&files).with_context(|| format!("can't write {}", files.display()))?;
        if state.imported.is_none() {
            import(running, &set).await?;
            state.imported = running.app.ledger.size().checked_sub(1);
            state.write(dir)?;
        }
        let service = RelyingParty::start(running, &self.relying_party, dir, port, state).await?;
        Ok((set, service))
    }
}

/// The ordinary configuration, but for what makes it a demo.
fn configuration(global: &Global) -> anyhow::Result<Config> {
    let mut config = global.load()?;
    if config.database.url.is_some() {
        bail!("the demo keeps to a database of its own: unset DATABASE_URL and remove database.url");
    }
    if global.data_dir.is_none() && config.data_dir == Config::default().data_dir {
        let under = DataDir::default_under(&std::env::current_dir()?)?;
        // Shorter to read, and to copy.
        let under = if under.ends_with(&config.data_dir) { config.data_dir } else { under };
        config.data_dir = under.join("demo");
    }
    config.demo.inbox = true;
    (config.smtp, config.sms) = (None, None);
    // Playing means trying again and again, always with the same number and from the same address.
    config.codes.sends_per_number = 200;
    config.codes.sends_per_address = 1_000;
    Ok(config)
}

/// Refuses a directory that holds something else than a demo: made-up people don't go among real ones.
fn refuse_foreign(dir: &Path) -> anyhow::Result<()> {
    let empty = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| format!("can't read {}", dir.display())),
    };
    if empty || State::is_there(dir) {
        return Ok(());
    }
    bail!("{} holds something else than a demo; choose another directory with --data-dir", dir.display())
}

/// Deletes the former demo, unless it is running.
async fn start_over(dir: &Path) -> anyhow::Result<()> {
    if !State::is_there(dir) {
        return Ok(());
    }
    // Opening it proves that nobody else has.
    Database::open(Source::Embedded(dir.to_owned())).await?.close().await;
    std::fs::remove_dir_all(dir).with_context(|| format!("can't delete {}", dir.display()))
}

async fn import(running: &Running, set: &DemoSet) -> anyhow::Result<()> {
    let app = &running.app;
    let departments = app.config.imports.departments();
    let importer = Importer::new(app.ledger.clone(), app.db.clone(), app.views.clone(), departments);
    let options = ImportOptions::default();
    for export in importer.validate(set.files.clone(), &options).await? {
        importer.import(export?, &options, &|_| {}).await?;
    }
    name_schools(running, set).await
}

/// Exported files don't hold the schools' names.
async fn name_schools(running: &Running, set: &DemoSet) -> anyhow::Result<()> {
    let app = &running.app;
    let schools =
        [(&set.college, set.college_name), (&set.ecole, set.ecole_name), (&set.other_college, set.other_college_name)];
    for (school, name) in schools {
        let context = domain::context::Context {
            command: CommandId(Uuid::now_v7()),
            actor: Actor::Service,
            on_behalf_of: None,
            reason: Reason::Administration,
            reference: None,
            effective_at: app.clock.now(),
        };
        let degree = if school.secondary { Degree::Second } else { Degree::First };
        let (name, academie) = (Some(name.to_owned()), Some(school.academie));
        let describe = EstablishmentCommand::Describe { uai: school.uai, name, academie, degree };
        app.ledger.execute::<Establishment>(&school.uai.to_string(), describe, &context).await?;
    }
    Ok(())
}

/// A listener on this machine: on the wanted port, or else on the usual one or the next that is free.
async fn listen(wanted: Option<u16>, usual: u16, option: &str) -> anyhow::Result<TcpListener> {
    let ports = match wanted {
        Some(port) => port..=port,
        None => usual..=usual + MORE_PORTS,
    };
    for port in ports.clone() {
        match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error).with_context(|| format!("can't listen on port {port}")),
        }
    }
    let taken = if wanted.is_some() { "the port" } else { "every port tried" };
    bail!("{taken} from {} to {} is taken; choose another with {option}", ports.start(), ports.end())
}

async fn free_port(wanted: Option<u16>, usual: u16, option: &str) -> anyhow::Result<u16> {
    Ok(listen(wanted, usual, option).await?.local_addr()?.port())
}
