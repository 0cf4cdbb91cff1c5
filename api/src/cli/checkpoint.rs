//! `matricule checkpoint …`

use super::beside::Beside;
use super::{Global, block_on};
use clap::Subcommand;
use ledger::checkpoint::{Settings, kept, origin_of, recover};

/// The signed checkpoints of the ledger.
#[derive(Debug, Subcommand)]
pub enum CheckpointCommand {
    /// Print the log's public key, as witnesses and auditors configure it
    Key,
    /// Show what is published and what is kept
    Status,
    /// Go on signing although the tree does not extend the kept checkpoint; from then on it is another log
    Recover {
        /// Why: it is recorded
        #[arg(long)]
        reason: String,
    },
}

impl CheckpointCommand {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        block_on(async {
            let config = global.load()?;
            let settings = config.checkpoints()?;
            Beside::over(&config, async |beside| self.over(beside, &settings).await).await
        })
    }

    async fn over(self, beside: &Beside, settings: &Settings) -> anyhow::Result<()> {
        let ledger = &beside.ledger;
        match self {
            Self::Key => {
                let signed = ledger.published_checkpoint().await?.is_some() || settings.keep.load().await?.is_some();
                let key = settings.key.open(!signed).await?;
                let generation = ledger.recoveries().await?.last().map_or(1, |recovery| recovery.generation);
                println!("{}", key.verifier(&origin_of(&settings.origin, generation)));
            }
            Self::Status => {
                let (size, root) = ledger.root().await?;
                println!("Ledger:    {size} events, root {}", hex::encode(root));
                match ledger.published_checkpoint().await? {
                    Some(published) => println!("Published: {} events, {}", published.size, published.signed_at),
                    None => println!("Published: nothing yet"),
                }
                match kept(settings).await? {
                    Some(Ok(kept)) => {
                        println!(
                            "Kept:      {} events, root {} ({})",
                            kept.size,
                            hex::encode(kept.root),
                            settings.keep
                        );
                    }
                    Some(Err(reason)) => println!("Kept:      unusable ({}): {reason}", settings.keep),
                    None => println!("Kept:      nothing yet ({})", settings.keep),
                }
                for recovery in ledger.recoveries().await? {
                    let origin = origin_of(&settings.origin, recovery.generation);
                    println!("Recovery:  {origin} from {} on, {}", recovery.recorded_at, recovery.reason);
                }
            }
            Self::Recover { reason } => {
                let recovered = recover(ledger, settings, &reason).await?;
                println!(
                    "Recorded. {} events are signed; from now on the log is {}.\n\
                     Tell witnesses and auditors its key:\n{}",
                    recovered.size, recovered.origin, recovered.key
                );
            }
        }
        Ok(())
    }
}
