//! `matricule backup` and `matricule restore`.

use super::{Global, attach};
use crate::backup::{From, Manifest, Settings, restore, take};
use crate::clock::Clock;
use crate::config::Config;
use crate::erasure::Register;
use crate::running::{master_keys, source};
use anyhow::{Context as _, bail};
use clap::Args;
use ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use ledger::postgres::{Database, Role};
use ledger::tree::Tree;
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
    #[arg(long, value_name = "FOLDER", required_unless_present = "without_keys", conflicts_with = "without_keys")]
    keys: Option<PathBuf>,
    /// Restore the ledger alone, once the backup of its keys has been deleted: an archive that proves what was recorded,
    /// opens nothing and takes nothing in
    #[arg(long)]
    without_keys: bool,
    /// The present register of erasures (default: the configured one); repeat it where several machines kept one
    #[arg(long, value_name = "FILE", conflicts_with = "without_register")]
    register: Vec<PathBuf>,
    /// Bring back everybody who was erased since the backup: only where no register is left
    #[arg(long)]
    without_register: bool,
    /// The last checkpoint, to hold the backup against (default: the one kept as configured)
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Although the backup is older than the last checkpoint: what was recorded since is lost
    #[arg(long)]
    accept_loss: bool,
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
        if default
            && !self.without_keys
            && config.master_key.command.is_none()
            && !config.data_dir.join("master.key").is_file()
        {
            bail!(
                "there is no master key: put the one that was in force into {} first",
                config.data_dir.join("master.key").display()
            );
        }
        let last = self.last_checkpoint(&config).await?;
        let size = Manifest::read(&self.ledger).await?.size;
        if let Some(lost) = last.as_ref().map_or(0, |last| last.size).checked_sub(size).filter(|lost| *lost > 0)
            && !self.accept_loss
            && !self.without_keys
        {
            bail!(
                "not restored: the backup has {size} events, the last checkpoint {}: the {lost} recorded after the \
                 backup would be lost. Look for a later backup. Only where there is none, give --accept-loss; then \
                 nothing is signed until `matricule checkpoint recover --reason …`",
                size + lost
            );
        }
        let master = master_keys(&config.master_key, &config.data_dir)?;
        let database = Database::open(source(&config)).await?;
        let from = From { ledger: self.ledger, keys: self.keys, registers };
        let restored = restore(&database, master, &from).await;
        let compared = match &restored {
            Ok(restored) => against_last(last.as_ref(), &database, restored.size).await,
            Err(_) => Ok(String::new()),
        };
        database.close().await;
        let restored = restored.context("not restored")?;
        println!("{} events, root {}: as backed up, and proved by walking the tree.", restored.size, restored.root);
        println!("{}", compared?);
        if self.without_keys {
            println!("It is an archive without keys: question it with matricule-replay; no service runs on it.");
            return Ok(());
        }
        println!("{} people who had been erased since are erased again.", restored.erased_again);
        println!("Messages that waited then are not sent: see `matricule outbox`. Everybody signs in anew.");
        Ok(())
    }
}

/// What the last checkpoint says of the restored tree.
async fn against_last(last: Option<&Checkpoint>, database: &Database, size: u64) -> anyhow::Result<String> {
    let Some(last) = last else {
        return Ok("No checkpoint is kept here: the tree was compared with the backup's alone. Give one with \
                   --checkpoint."
            .to_owned());
    };
    if last.size > size {
        return Ok(format!(
            "The last checkpoint is of {} events: the {} after the backup are lost. No checkpoint is signed until \
             somebody says why: matricule checkpoint recover --reason …",
            last.size,
            last.size - size
        ));
    }
    let pool = database.pool(Role::Service, 1).await?;
    let root = Tree::new(pool.clone()).root(last.size).await;
    pool.close().await;
    if root? == last.root {
        Ok(format!("It extends the last checkpoint, of {} events.", last.size))
    } else {
        bail!("the restored tree does not extend the last checkpoint: it is another ledger, or one of them was forged")
    }
}

impl Restore {
    /// The one given, or the one kept; its signature is checked where the key is at hand.
    async fn last_checkpoint(&self, config: &Config) -> anyhow::Result<Option<Checkpoint>> {
        let settings = config.checkpoints()?;
        let text = match &self.checkpoint {
            Some(file) => {
                let read = tokio::fs::read_to_string(file).await;
                Some(read.with_context(|| format!("{} can't be read", file.display()))?)
            }
            None => settings.keep.load().await?,
        };
        let Some(text) = text else { return Ok(None) };
        let last = Checkpoint::unverified(&text).context("the last checkpoint can't be read")?;
        match settings.key.open(false).await {
            Ok(key) => {
                let key = key.verifier(&last.origin);
                SignedCheckpoint::verify(&text, &key).context("the last checkpoint can't be believed")?;
            }
            Err(error) => println!("The signature of the last checkpoint was not checked: {error}"),
        }
        Ok(Some(last))
    }
}
