//! `matricule manifest`

use super::Global;
use super::beside::Beside;
use clap::Args;
use domain::context::{Actor, Reason};

/// Record today's manifest of the ledger: one hash over where every stream stands. The service does so daily.
#[derive(Debug, Args)]
pub struct Manifest {}

impl Manifest {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let beside = Beside::open(&global.load()?).await?;
        let recorded = beside.ledger.record_manifest(Actor::Operator("local".to_owned()), Reason::Administration).await;
        let empty = beside.ledger.size() == 0;
        beside.close().await;
        match recorded? {
            Some(heads) => println!("recorded: {} streams after {} events", heads.streams, heads.size),
            None if empty => println!("the ledger is empty: there is nothing to attest yet"),
            None => println!("today's manifest (UTC) is recorded already"),
        }
        Ok(())
    }
}
