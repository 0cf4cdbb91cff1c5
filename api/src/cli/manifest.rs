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
        Beside::over(&global.load()?, async |Beside { ledger, .. }| {
            let operator = Actor::Operator("local".to_owned());
            match ledger.record_manifest(operator, Reason::Administration).await? {
                Some(heads) => println!("recorded: {} streams after {} events", heads.streams, heads.size),
                None if ledger.size() == 0 => println!("the ledger is empty: there is nothing to attest yet"),
                None => println!("today's manifest (UTC) is recorded already"),
            }
            Ok(())
        })
        .await
    }
}
