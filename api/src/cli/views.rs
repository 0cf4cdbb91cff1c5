//! `matricule views …`

use super::beside::Beside;
use super::{Global, block_on};
use clap::{Subcommand, ValueEnum};
use projections::{Name, rebuild};

/// The views that are built from the ledger.
#[derive(Debug, Subcommand)]
pub enum ViewsCommand {
    /// Build views anew beside the live ones and swap them in; the service may go on meanwhile
    Rebuild {
        /// Which; all of them without a name
        #[arg(value_enum)]
        views: Vec<View>,
    },
}

/// A view on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum View {
    /// Pupils, enrolments, guardians, responsibilities, links that wait
    People,
    /// Accounts and their children
    Accounts,
    /// Establishments and relying parties
    Services,
    /// Whom or what each event is about; imports
    Audit,
}

impl From<View> for Name {
    fn from(view: View) -> Self {
        match view {
            View::People => Self::People,
            View::Accounts => Self::Accounts,
            View::Services => Self::Services,
            View::Audit => Self::Audit,
        }
    }
}

impl ViewsCommand {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self::Rebuild { views } = self;
        let names: Vec<Name> = views.into_iter().map(Name::from).collect();
        let names = if names.is_empty() { Name::ALL.to_vec() } else { names };
        block_on(async {
            let beside = Beside::open(&global.load()?).await?;
            let rebuilt = rebuild(&beside.ledger, &beside.db, &names, |_| {}).await;
            beside.close().await;
            for (name, next) in rebuilt? {
                println!("{name}: rebuilt from {next} events");
            }
            Ok(())
        })
    }
}
