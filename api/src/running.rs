//! The service's parts, opened in order, at work, and stopped in order.

use crate::app::{App, Parts};
use crate::audit;
use crate::clock::Clock;
use crate::config::{Config, MasterKey};
use crate::delivery::{self, Delivery};
use crate::import;
use crate::incident::RequestLog;
use crate::oidc::{ClientKeyCache, Keys, KnownClients};
use crate::outbound::Outbound;
use crate::session::Guard;
use crate::upstream::Upstreams;
use anyhow::{Context, bail};
use ledger::access::AccessLog;
use ledger::checkpoint::{Checkpoints, Health, State};
use ledger::postgres::{Database, Role, Source, migrate};
use ledger::{Ledger, MasterKeys, MasterSource, Options};
use projections::Runner;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Connections of the service without `database.max_connections`.
const CONNECTIONS: u32 = 24;
/// Of those, for the record of requests and the access log, so that a busy service can still say what went wrong.
const RECORD_CONNECTIONS: u32 = 1;
/// The last writes of the background may take so long when the service stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// The service without its listener.
pub struct Running {
    /// What handlers share.
    pub app: App,
    database: Database,
    runner: Runner,
    delivery: Delivery,
    checkpoints: Option<Checkpoints>,
    record: JoinHandle<()>,
    accesses: JoinHandle<()>,
    /// What runs from time to time.
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Opens the database, brings its schema up to date, opens the ledger and starts what works in the background.
    ///
    /// # Errors
    /// The database can't be opened or migrated, or the master key can't be read.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let database = Database::open(source(&config)).await?;
        let owner = database.pool(Role::Owner, 1).await?;
        migrate(&owner).await.context("the schema can't be brought up to date")?;
        owner.close().await;
        let keys = master_keys(&config.master_key, &config.data_dir)?;
        Self::over(database, config, keys, Clock::default()).await
    }

    /// The same over a database that is open and migrated.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn over(database: Database, config: Config, keys: MasterKeys, clock: Clock) -> anyhow::Result<Self> {
        let connections = config.database.max_connections.unwrap_or(CONNECTIONS);
        let db = database.pool(Role::Service, connections - RECORD_CONNECTIONS).await?;
        let its_own = database.pool(Role::Service, RECORD_CONNECTIONS).await?;
        let (access, accesses) = AccessLog::start(its_own.clone());
        let (requests, record) = RequestLog::start(its_own, config.http.request_retention.0);
        let time = clock.clone();
        let options = Options { clock: Arc::new(move || time.now()), ..Options::default() };
        let ledger = Ledger::open_with(db.clone(), keys, options).await.context("the ledger can't be opened")?;
        ledger.check_master().await?;
        if let Some(archive) = ledger.archive().await? {
            let (backup, at) = (archive.backup, archive.restored_at.format("%Y-%m-%d"));
            bail!(
                "this database is an archive without keys, restored from {backup} on {at}: question it with \
                 matricule-replay; a service runs on a ledger with its keys"
            );
        }
        audit::announce(&ledger, &config).await.context("the rules in force can't be announced")?;
        let runner = Runner::start(ledger.clone(), db.clone()).await.context("the views can't be kept")?;
        let views = runner.views();
        let keys = Keys::new(db.clone(), ledger.clone()).with_eddsa(config.oidc.eddsa);
        let delivery = Delivery::start(&config, &ledger, &db, &clock, delivery::Options::default())?;
        let sending = delivery.sending();
        let guard = Guard::new(&config, db.clone(), ledger.clone()).context("passwords can't be hashed")?;
        let signing = match config.proof.sign {
            true => Some(Checkpoints::start(ledger.clone(), config.checkpoints()?)?),
            false => None,
        };
        let off = || watch::channel(Health { state: State::Off, ..Health::default() }).1;
        let checkpoints = signing.as_ref().map_or_else(off, Checkpoints::health);
        let outbound = Outbound::new(&config.oidc.private_hosts).context("relying parties can't be called")?;
        let client_keys = ClientKeyCache::new(outbound.clone());
        let upstreams = Upstreams::new(config.upstreams(), outbound.clone())?;
        let parts = Parts {
            config,
            clock,
            db,
            ledger,
            views,
            keys,
            outbound,
            clients: KnownClients::default(),
            client_keys,
            upstreams,
            sending,
            checkpoints,
            guard,
            requests,
            access,
        };
        let app = App::new(parts);
        import::http::resume(&app).await.context("interrupted imports can't be taken up")?;
        let manifests = crate::manifest::start(app.ledger.clone(), app.clock.clone());
        let tidying = crate::tidying::start(app.clone());
        let logouts = crate::oidc::tell_of_logouts(app.clone());
        let checkpoints = signing;
        let tasks = vec![tidying, logouts, manifests];
        Ok(Self { app, database, runner, delivery, checkpoints, record, accesses, tasks })
    }

    /// Stops everything in order: what writes first, the database last.
    pub async fn stop(self) {
        let Self { app, database, runner, delivery, checkpoints, record, accesses, tasks } = self;
        // Whatever they leave half-done is done by the next round.
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
        delivery.stop(FAREWELL).await;
        app.ledger.close().await;
        if let Some(checkpoints) = checkpoints {
            // A witness may be slow; what it was asked about is kept already.
            let _ = tokio::time::timeout(FAREWELL, checkpoints.stop()).await;
        }
        runner.stop().await;
        let db = app.db.clone();
        drop(app);
        // They end once the last sender is gone; a request that was given up may still hold one.
        for (what, writer) in [("the record of requests", record), ("the access log", accesses)] {
            if tokio::time::timeout(FAREWELL, writer).await.is_err() {
                tracing::warn!("{what} did not finish");
            }
        }
        // A connection that a given-up request still holds is not waited for longer either.
        if tokio::time::timeout(FAREWELL, db.close()).await.is_err() {
            tracing::warn!("a connection to the database is still in use");
        }
        database.close().await;
    }
}

/// Where the configuration says the database is.
pub fn source(config: &Config) -> Source {
    match &config.database.url {
        Some(url) => Source::Url {
            service: url.expose().to_owned(),
            owner: config.database.owner_url.as_ref().map(|url| url.expose().to_owned()),
        },
        None => Source::Embedded(config.data_dir.clone()),
    }
}

/// The master keys, from where the configuration says; by default `master.key` in the data directory, made when
/// it is not there.
///
/// # Errors
/// The file or the value can't be used; the message says why.
pub fn master_keys(key: &MasterKey, data_dir: &Path) -> anyhow::Result<MasterKeys> {
    if let Some(value) = &key.value {
        return MasterKeys::from_hex(value.expose()).context("master_key.value");
    }
    if let Some(command) = &key.command {
        return Ok(MasterKeys::from_source(MasterSource::Command(command.clone()))?);
    }
    let file = match &key.file {
        Some(file) => file.clone(),
        None => {
            std::fs::create_dir_all(data_dir).with_context(|| format!("can't make {}", data_dir.display()))?;
            data_dir.join("master.key")
        }
    };
    Ok(MasterKeys::from_file(&file)?)
}
