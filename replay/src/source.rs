//! Opening the ledger and the views of a running or stopped service.

use anyhow::{Context, bail};
use clap::Args;
use ledger::postgres::{Database, Role, Source};
use ledger::{Ledger, MasterKeys, MasterSource};
use projections::Views;
use sqlx::PgPool;
use std::path::PathBuf;

/// Where the ledger is: the same names as the service's configuration.
#[derive(Args)]
pub struct Location {
    /// The service's data directory, with its embedded database and its key file
    #[arg(long, global = true, env = "MATRICULE_DATA_DIR", default_value = "matricule-data", value_name = "DIRECTORY")]
    data_dir: PathBuf,
    /// Database server, where the service does not use the embedded one
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
    /// Master key file [default: master.key in the data directory]
    #[arg(long, global = true, env = "MATRICULE_MASTER_KEY__FILE", value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// Program that prints the master keys, with its arguments, separated by spaces
    #[arg(long, global = true, value_name = "COMMAND")]
    master_key_command: Option<String>,
    /// Master keys, as 128 hexadecimal digits
    #[arg(long, global = true, env = "MATRICULE_MASTER_KEY__VALUE", hide = true, hide_env_values = true)]
    master_key: Option<String>,
}

/// The open ledger, for reading.
pub struct Opened {
    /// The ledger.
    pub ledger: Ledger,
    /// The views, which this program reads and does not feed.
    pub views: Views,
    /// Connections as the service's role.
    pub pool: PgPool,
    database: Database,
}

impl Location {
    /// Opens the ledger: the embedded server is used where it runs, and started for this command where it does not.
    ///
    /// # Errors
    /// There is no ledger or no master key there, or the database can't be reached.
    pub async fn open(&self) -> anyhow::Result<Opened> {
        let keys = self.keys()?;
        let database = match &self.database_url {
            Some(url) => Database::open(Source::Url { service: url.clone(), owner: None }).await?,
            None => Database::attach(&self.data_dir).await?,
        };
        let pool = database.pool(Role::Service, 8).await?;
        let ledger = Ledger::open(pool.clone(), keys).await.context("the ledger can't be opened")?;
        Ok(Opened { ledger, views: Views::new(pool.clone()), pool, database })
    }

    /// The checkpoint that a service with this data directory keeps outside its database, where it is a file there.
    pub fn kept_checkpoint(&self) -> Option<PathBuf> {
        Some(self.data_dir.join("checkpoint.last")).filter(|file| file.exists())
    }

    /// Never makes new keys: they would open nothing.
    fn keys(&self) -> anyhow::Result<MasterKeys> {
        if let Some(value) = &self.master_key {
            return Ok(MasterKeys::from_hex(value)?);
        }
        if let Some(command) = &self.master_key_command {
            let words = command.split_whitespace().map(ToOwned::to_owned).collect();
            return Ok(MasterKeys::from_source(MasterSource::Command(words))?);
        }
        let file = self.master_key_file.clone().unwrap_or_else(|| self.data_dir.join("master.key"));
        if !file.exists() {
            bail!("there is no master key file {}: give --data-dir or --master-key-file", file.display());
        }
        Ok(MasterKeys::from_file(&file)?)
    }
}

impl Opened {
    /// Ends cleanly; stops the embedded server if this command had started it.
    pub async fn close(self) {
        self.ledger.close().await;
        self.pool.close().await;
        self.database.close().await;
    }
}
