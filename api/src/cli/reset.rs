//! `matricule reset`: a provisional password, for a pupil or anyone who can't receive an SMS.

use super::Global;
use crate::password::{Pool, Settings};
use crate::reset::operator::{HandedOut, Whose, find, hand_out};
use crate::running::master_keys;
use crate::session::normalise_login;
use anyhow::{Context as _, bail};
use clap::Args;
use domain::context::{Actor, Context, Reason};
use domain::identifiers::Ine;
use domain::ids::CommandId;
use ledger::Ledger;
use ledger::postgres::Role;
use uuid::Uuid;

/// Hand out a provisional password. It is printed once, expires, and must be changed at the first sign-in; whatever
/// was signed in with the old one is signed out.
#[derive(Debug, Args)]
pub struct Reset {
    /// The account: its login or its id
    #[arg(required_unless_present = "pupil", conflicts_with = "pupil", value_name = "LOGIN|ID")]
    account: Option<String>,
    /// The pupil with this national number
    #[arg(long, value_name = "INE")]
    pupil: Option<Ine>,
    /// The staff number of who does it, for the record
    #[arg(long, value_name = "NUMBER", default_value = "console")]
    operator: String,
    /// For whom it is done: `operator:NUMBER` or `account:ID` [default: the account's holder]
    #[arg(long, value_name = "ACTOR")]
    on_behalf_of: Option<Actor>,
}

impl Reset {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let config = global.load()?;
        if self.operator.is_empty() || !self.operator.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            bail!("--operator is a staff number: letters, digits and hyphens, never a name");
        }
        let whose = self.whose();
        let keys = master_keys(&config.master_key, &config.data_dir)?;
        let database = super::attach(&config).await?;
        let db = database.pool(Role::Service, 6).await?;
        let ledger = Ledger::open(db.clone(), keys).await.context("the ledger can't be opened")?;
        let pool = Pool::start(&Settings { threads: 1, ..Settings::of(&config.passwords) })?;
        let mut context = Context {
            command: CommandId(Uuid::now_v7()),
            actor: Actor::Operator(self.operator),
            on_behalf_of: self.on_behalf_of,
            reason: Reason::SupportRequest,
            reference: None,
            effective_at: ledger.now(),
        };
        let validity = config.passwords.provisional_validity.delta();
        let done = async {
            let account = find(&ledger, &whose).await?;
            context.on_behalf_of.get_or_insert(Actor::Account(account));
            hand_out(&ledger, &db, &pool, account, validity, &context).await
        };
        let done = done.await;
        ledger.close().await;
        db.close().await;
        database.close().await;
        let done = done?;
        print!("{}", told(&done));
        Ok(())
    }

    fn whose(&self) -> Whose {
        match (&self.pupil, &self.account) {
            (Some(ine), _) => Whose::Ine(ine.to_string()),
            (None, Some(account)) => match account.parse() {
                Ok(id) => Whose::Account(id),
                Err(_) => Whose::Login(normalise_login(account)),
            },
            (None, None) => Whose::Login(String::new()),
        }
    }
}

/// What the operator reads, and may hand on to a family as it stands: in both languages, one value on a line.
fn told(done: &HandedOut) -> String {
    format!(
        "Compte / account: {}\n\
         Identifiant / login: {}\n\
         Mot de passe provisoire / provisional password: {}\n\
         Valable jusqu’au / valid until: {}\n\n\
         Ce mot de passe ne sera plus affiché. Il doit être remplacé à la première connexion ; majuscules, \
         espaces et tirets n’y comptent pas.\n\n\
         This password is not shown again. It must be replaced at the first sign-in; case, spaces and hyphens don’t \
         matter in it.\n",
        done.account,
        done.login,
        *done.password.show(),
        done.expires_at.format("%Y-%m-%d %H:%M UTC"),
    )
}
