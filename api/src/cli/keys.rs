//! `matricule keys …`

use super::beside::Beside;
use super::{Global, block_on};
use crate::oidc::Keys;
use clap::Subcommand;

/// The keys that sign tokens.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Let the next key sign from now on; the present one stays published until its last token has expired
    Rotate {
        /// Even if relying parties may not have seen the next key yet: for a key that has leaked
        #[arg(long)]
        now: bool,
    },
}

impl KeysCommand {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self::Rotate { now: at_once } = self;
        block_on(async {
            let beside = Beside::open(&global.load()?).await?;
            let keys = Keys::new(beside.db.clone(), beside.ledger.clone());
            let rotated = keys.rotate(beside.ledger.now(), at_once).await;
            beside.close().await;
            println!("Tokens are now signed by {}; running services follow within a minute.", rotated?.join(" and "));
            Ok(())
        })
    }
}
