//! `matricule keys …`

use super::beside::Beside;
use super::{Global, block_on};
use crate::oidc::Keys;
use clap::Subcommand;
use ledger::Rotated;
use std::io::IsTerminal;

/// The keys that sign tokens, and the one that wraps all others.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Let the next key sign from now on; the present one stays published until its last token has expired
    Rotate {
        /// Even if relying parties may not have seen the next key yet: for a key that has leaked
        #[arg(long)]
        now: bool,
    },
    /// Wrap every key and secret with a new master key, while the service runs; goes on where it was cut off.
    ///
    /// A key file gets its successor made beside it (`.next`). From a command or the environment, first give every
    /// instance both keys. Given again once it is done, it makes no further key and looks whether anything is left
    /// that only the old one opens.
    RotateMaster {
        /// Make yet another key, although the last rotation is done
        #[arg(long)]
        another: bool,
    },
}

impl KeysCommand {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        let at_once = match self {
            Self::Rotate { now } => now,
            Self::RotateMaster { another } => return block_on(rotate_master(global, another)),
        };
        let config = global.load()?;
        block_on(Beside::over(&config, async |beside| {
            let keys = Keys::new(beside.db.clone(), beside.ledger.clone()).with_eddsa(config.oidc.eddsa);
            let rotated = keys.rotate(beside.ledger.now(), at_once).await?;
            println!("Tokens are now signed by {}; running services follow within a minute.", rotated.join(" and "));
            Ok(())
        }))
    }
}

async fn rotate_master(global: &Global, another: bool) -> anyhow::Result<()> {
    let (live, mut seen) = (std::io::stderr().is_terminal(), 0_u64);
    let rotate = async |beside: &Beside| {
        let rotated = beside.ledger.rotate_master(another, |rows| {
            seen += rows;
            if live {
                eprint!("\r\x1b[K{seen} rows");
            }
        });
        Ok(rotated.await)
    };
    let rotated = Beside::over(&global.load()?, rotate).await?;
    if live {
        eprint!("\r\x1b[K");
    }
    let Rotated { renewed, sealing, old_file, ended_before } = rotated?;
    if let Some(ended) = ended_before {
        println!(
            "There is no rotation to go on with: the last one ended on {}, and the master key `{sealing}` is in force. \
             All rows were looked at; {renewed} that only the old key opened were sealed anew.",
            ended.format("%Y-%m-%d %H:%M UTC")
        );
        println!("To go over to yet another key: --another, with a key file; or give every instance both keys first.");
        return Ok(());
    }
    println!("{renewed} rows were sealed anew; the master key `{sealing}` is in force, in every running program.");
    match old_file {
        Some(file) => println!(
            "The old key opens nothing in the database any more. Backups made before still need it: keep {} apart \
             until the last of them is deleted, then destroy it.",
            file.display()
        ),
        None => println!(
            "The old key opens nothing in the database any more: give only the new one from now on. Backups made \
             before still need the old one until the last of them is deleted."
        ),
    }
    Ok(())
}
