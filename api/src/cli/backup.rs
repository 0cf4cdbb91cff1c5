//! `matricule backup` and `matricule restore`.

use super::{Global, attach};
use crate::backup::{From, Settings, restore, take};
use crate::clock::Clock;
use crate::config::Config;
use crate::erasure::Register;
use crate::running::{master_keys, source};
use anyhow::{Context as _, bail};
use clap::Args;
use ledger::postgres::Database;
use std::path::PathBuf;

/// Back up the ledger, and its keys apart from it, while the service runs; delete earlier backups past their
/// retention.
///
/// The master key and the register of erasures are not in it: keep a copy of each elsewhere.
#[derive(Debug, Args)]
pub struct Backup {
    /// Where the backup of the ledger goes (default: `backup.ledger_dir`)
    #[arg(long, value_name = "DIRECTORY")]
    ledger_dir: Option<PathBuf>,
    /// Where the backup of the keys goes (default: `backup.keys_dir`)
    #[arg(long, value_name = "DIRECTORY")]
    keys_dir: Option<PathBuf>,
}

/// Restore a backup into a new data directory or an empty database, prove it, and erase again whoever was erased since.
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup of the ledger: a folder `ledger-…`
    #[arg(long, value_name = "FOLDER")]
    ledger: PathBuf,
    /// The backup of the keys made with it: the folder `keys-…` of the same moment
    #[arg(long, value_name = "FOLDER")]
    keys: PathBuf,
    /// The present register of erasures (default: the configured one); repeat it where several machines kept one
    #[arg(long, value_name = "FILE", conflicts_with = "without_register")]
    register: Vec<PathBuf>,
    /// Bring back everybody who was erased since the backup: only where no register is left
    #[arg(long)]
    without_register: bool,
}

impl Backup {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let config = global.load()?;
        let settings = self.settings(&config)?;
        let database = attach(&config).await?;
        let register = Register::at(config.erasure_register());
        let taken = take(&database, &settings, &register, Clock::default().now()).await;
        database.close().await;
        let taken = taken?;
        println!("{} events, root {}", taken.size, taken.root);
        println!("ledger  {}", taken.ledger.display());
        println!("keys    {}", taken.keys.display());
        for deleted in &taken.deleted {
            println!("deleted {}, past its retention", deleted.display());
        }
        println!("Keep copies of the master key and of {} apart from both.", register.path().display());
        Ok(())
    }

    fn settings(self, config: &Config) -> anyhow::Result<Settings> {
        let backup = &config.backup;
        let ledger_dir = self.ledger_dir.or_else(|| backup.ledger_dir.clone());
        let keys_dir = self.keys_dir.or_else(|| backup.keys_dir.clone());
        let (Some(ledger_dir), Some(keys_dir)) = (ledger_dir, keys_dir) else {
            bail!("say where backups go: backup.ledger_dir and backup.keys_dir, or --ledger-dir and --keys-dir");
        };
        if ledger_dir == keys_dir {
            bail!("keep the keys apart from what they open: give two directories");
        }
        let (ledger_retention, keys_retention) = (backup.ledger_retention.delta(), backup.keys_retention.delta());
        Ok(Settings { ledger_dir, keys_dir, ledger_retention, keys_retention })
    }
}

impl Restore {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let config = global.load()?;
        let registers = match (self.without_register, self.register.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => vec![Register::at(config.erasure_register())],
            (false, false) => self.register.iter().map(Register::at).collect(),
        };
        let default = config.master_key.file.is_none() && config.master_key.value.is_none();
        if default && config.master_key.command.is_none() && !config.data_dir.join("master.key").is_file() {
            bail!(
                "there is no master key: put the one that was in force into {} first",
                config.data_dir.join("master.key").display()
            );
        }
        let master = master_keys(&config.master_key, &config.data_dir)?;
        let database = Database::open(source(&config)).await?;
        let from = From { ledger: self.ledger, keys: self.keys, registers };
        let restored = restore(&database, master, &from).await;
        database.close().await;
        let restored = restored.context("not restored")?;
        println!("{} events, root {}: as backed up, and proved by walking the tree.", restored.size, restored.root);
        println!("{} people who had been erased since are erased again.", restored.erased_again);
        println!("Messages that waited then are not sent: see `matricule outbox`. Everybody signs in anew.");
        Ok(())
    }
}
