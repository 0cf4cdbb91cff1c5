//! `matricule auditor …`

use super::beside::Beside;
use super::{Global, block_on};
use crate::audit::auditors::{self, Credential};
use clap::Subcommand;

/// Who may question the ledger over `/audit/v1`.
#[derive(Debug, Subcommand)]
pub enum AuditorCommand {
    /// Appoint a member of staff; prints the credential, once
    Add {
        /// Opaque staff number, no name
        number: String,
    },
    /// Give another credential, printed once; the former stops working at once
    Credential {
        /// Staff number
        number: String,
    },
    /// Take the role away
    Dismiss {
        /// Staff number
        number: String,
    },
}

impl AuditorCommand {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        block_on(Beside::over(&global.load()?, async |beside| self.carry_out(beside).await))
    }

    async fn carry_out(self, beside: &Beside) -> anyhow::Result<()> {
        let (ledger, context) = (&beside.ledger, beside.context());
        match self {
            Self::Add { number } => {
                let (id, credential) = auditors::appoint(ledger, &number, context).await?;
                println!("AUDITOR={id}");
                print(&credential);
            }
            Self::Credential { number } => {
                let id = auditors::find(ledger, &number).await?;
                print(&auditors::replace_credential(ledger, id, context).await?);
            }
            Self::Dismiss { number } => {
                let id = auditors::find(ledger, &number).await?;
                auditors::dismiss(ledger, id, context).await?;
            }
        }
        Ok(())
    }
}

/// In the form of an environment file, so that it can be handed on as it is.
fn print(credential: &Credential) {
    println!("AUDITOR_CREDENTIAL={}", credential.expose());
    eprintln!("The credential is shown this once and kept nowhere in clear.");
}
