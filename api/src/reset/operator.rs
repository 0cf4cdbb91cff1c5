//! An operator's reset: a provisional password, printed once.

use crate::activation::{Names, assign_login, notify};
use crate::delivery::Message;
use crate::incident::AppError;
use crate::pages::Language;
use crate::password::{HashError, Pool, ProvisionalPassword};
use crate::session::end_all;
use chrono::{DateTime, TimeDelta, Utc};
use domain::account::{Account, AccountCommand, AccountError, Password};
use domain::context::Context;
use domain::ids::{AccountId, SecretId};
use ledger::{AppendError, Ledger, Unit, VaultChange};
use sqlx::PgPool;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What was handed out. Shown once, kept nowhere.
pub struct HandedOut {
    /// The account.
    pub account: AccountId,
    /// Its login, perhaps assigned just now.
    pub login: String,
    /// The provisional password.
    pub password: ProvisionalPassword,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
}

/// Why nothing was handed out.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// No account by that name.
    #[error("there is no such account; give its login, its id, or --pupil with the INE")]
    Unknown,
    /// The account refuses.
    #[error(transparent)]
    Refused(#[from] AccountError),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The ledger failed.
    #[error(transparent)]
    Read(#[from] ledger::ReadError),
    /// The ledger refused.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] crate::session::NoRandomness),
    /// No login could be given.
    #[error("no login could be assigned ({})", .0.code())]
    Login(AppError),
}

/// Whose account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// By login.
    Login(String),
    /// By id.
    Account(AccountId),
    /// The pupil with this INE.
    Ine(String),
}

/// Finds an account by what an operator has in hand.
///
/// # Errors
/// [`ResetError::Unknown`], or the database's.
pub async fn find(ledger: &Ledger, whose: &Whose) -> Result<AccountId, ResetError> {
    let owner = match whose {
        Whose::Account(id) => return Ok(*id),
        Whose::Login(login) => ledger.reserved("login", &ledger.lookup_hash("login", login)).await?,
        Whose::Ine(ine) => match ledger.reserved("ine", &ledger.lookup_hash("ine", ine)).await? {
            Some(pupil) => ledger.reserved("holder", &ledger.lookup_hash("holder", &format!("pupil:{pupil}"))).await?,
            None => None,
        },
    };
    owner.and_then(|owner| owner.parse().ok()).ok_or(ResetError::Unknown)
}

/// Hands out a provisional password in place of whatever was in force, and ends all sessions.
///
/// # Errors
/// [`ResetError`]; nothing is handed out then.
pub async fn hand_out(
    ledger: &Ledger,
    db: &PgPool,
    pool: &Pool,
    account: AccountId,
    validity: TimeDelta,
    context: &Context,
) -> Result<HandedOut, ResetError> {
    let id = account.to_string();
    let loaded = ledger.load::<Account>(&id).await?;
    if loaded.version == 0 {
        return Err(ResetError::Unknown);
    }
    let names = Names::of(ledger, &loaded.aggregate).await.map_err(ResetError::Login)?;
    let login =
        assign_login(ledger, &id, &names.given_name, &names.surname, context).await.map_err(ResetError::Login)?;
    let password = ProvisionalPassword::draw().ok_or(crate::session::NoRandomness)?;
    let hash = pool.hash(password.password()).await?;
    let (secret, expires_at) = (SecretId(Uuid::new_v4()), context.effective_at + validity);
    loop {
        let loaded = ledger.load::<Account>(&id).await?;
        let events = loaded.aggregate.decide(AccountCommand::IssueProvisionalPassword { secret, expires_at })?;
        let mut unit = Unit::new(context.clone()).stream::<Account>(&id, loaded.version, events);
        unit = unit.vault(VaultChange::Put {
            id: secret,
            kind: "password",
            secret: Zeroizing::new(hash.as_bytes().to_vec()),
            // Kept for a while beyond: whoever comes too late is told so, instead of that it is wrong.
            expires_at: Some(expires_at + TimeDelta::days(365)),
        });
        if let Some(old) = loaded.aggregate.password.as_ref().map(Password::secret) {
            unit = unit.vault(VaultChange::Delete(old));
        }
        for held in ledger.held_by(&id).await?.into_iter().filter(|held| held.kind == crate::upstream::SUBJECT) {
            unit = unit.release(&held.kind, &id, held.hash);
        }
        unit = notify(unit, &Message::PasswordReset, Language::French, &names.emails, context.effective_at);
        match ledger.append(unit).await {
            Ok(_) => break,
            Err(AppendError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    end_all(db, account).await?;
    Ok(HandedOut { account, login, password, expires_at })
}
