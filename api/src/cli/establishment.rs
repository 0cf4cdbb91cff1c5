//! `matricule establishment …`

use super::beside::Beside;
use super::{Global, block_on};
use anyhow::Context as _;
use clap::Subcommand;
use domain::establishment::{Establishment, EstablishmentCommand as Command};
use domain::identifiers::{Degree, Uai};

/// Establishments read at once for the list.
const PAGE: u32 = 500;

/// The establishments that the schools' files have named.
#[derive(Debug, Subcommand)]
pub enum EstablishmentCommand {
    /// List them
    List,
    /// Give one the name that families see; exports carry the UAI only
    Name {
        /// National identifier
        uai: Uai,
        /// The name
        name: String,
    },
}

impl EstablishmentCommand {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        block_on(Beside::over(&global.load()?, async |beside| match self {
            Self::List => list(beside).await,
            Self::Name { uai, name } => give_name(beside, uai, name).await,
        }))
    }
}

async fn list(beside: &Beside) -> anyhow::Result<()> {
    beside.wait_for_all().await?;
    let mut after = None;
    loop {
        let page = beside.views.establishments(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.uai);
        for establishment in page {
            println!("{}  {}", establishment.uai, establishment.name.as_deref().unwrap_or("(no name)"));
        }
    }
}

async fn give_name(beside: &Beside, uai: Uai, name: String) -> anyhow::Result<()> {
    let known = beside.ledger.load::<Establishment>(uai.as_str()).await?.aggregate;
    // One that no file has named yet may be prepared; the first file then says of which degree it is.
    let degree = known.degree.unwrap_or(Degree::Second);
    let describe = Command::Describe { uai, name: Some(name), academie: known.academie, degree };
    let recorded = beside.ledger.execute::<Establishment>(uai.as_str(), describe, &beside.context()).await;
    beside.wait_for(recorded.context("the name can't be recorded")?).await
}
