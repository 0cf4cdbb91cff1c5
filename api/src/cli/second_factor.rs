//! `matricule second-factor`: support, for a holder whose phone and recovery codes are both lost.

use super::Global;
use crate::reset::operator::{Whose, find};
use crate::reset::second_factor::give_up;
use crate::running::master_keys;
use crate::session::normalise_login;
use anyhow::{Context as _, bail};
use clap::Args;
use domain::context::{Actor, Context, Reason};
use domain::ids::CommandId;
use ledger::Ledger;
use ledger::postgres::Role;
use uuid::Uuid;

/// Remove all second factors of an account, with its recovery codes, and sign it out everywhere. Make sure first that it
/// is the holder who asks: afterwards the password alone opens the account again.
#[derive(Debug, Args)]
pub struct SecondFactor {
    /// The account: its login or its id
    #[arg(value_name = "LOGIN|ID")]
    account: String,
    /// The staff number of who does it, for the record
    #[arg(long, value_name = "NUMBER", default_value = "console")]
    operator: String,
}

impl SecondFactor {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let config = global.load()?;
        if self.operator.is_empty() || !self.operator.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            bail!("--operator is a staff number: letters, digits and hyphens, never a name");
        }
        let whose = match self.account.parse() {
            Ok(id) => Whose::Account(id),
            Err(_) => Whose::Login(normalise_login(&self.account)),
        };
        let keys = master_keys(&config.master_key, &config.data_dir)?;
        let database = super::attach(&config).await?;
        let db = database.pool(Role::Service, 4).await?;
        let ledger = Ledger::open(db.clone(), keys).await.context("the ledger can't be opened")?;
        let context = Context {
            command: CommandId(Uuid::now_v7()),
            actor: Actor::Operator(self.operator),
            on_behalf_of: None,
            reason: Reason::SupportRequest,
            reference: None,
            effective_at: ledger.now(),
        };
        let done = async { give_up(&ledger, &db, find(&ledger, &whose).await?, &context).await };
        let done = done.await;
        ledger.close().await;
        db.close().await;
        database.close().await;
        match done? {
            0 => println!("The account has no second factor."),
            number => println!("Second factors removed: {number}. The account is signed out everywhere."),
        }
        Ok(())
    }
}
