//! `matricule config …`

use super::Global;
use crate::config::REFERENCE;
use clap::Subcommand;

/// Look at the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the effective configuration, secrets masked; or refuse it, saying why
    Check,
    /// Print every key with its default and its meaning
    Reference,
}

impl ConfigCommand {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Check => print!("{}", toml::to_string_pretty(&global.load()?)?),
            Self::Reference => print!("{REFERENCE}"),
        }
        Ok(())
    }
}
