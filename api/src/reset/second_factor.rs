//! Support gives up second factors that a holder can no longer use, once it has made sure who asks.

use super::operator::ResetError;
use crate::activation::{Names, notify};
use crate::delivery::Message;
use crate::pages::Language;
use crate::session::{end_all, second::forget};
use domain::account::{Account, AccountCommand, FactorRemoval};
use domain::context::Context;
use domain::ids::AccountId;
use ledger::{AppendError, Ledger, Unit};
use sqlx::PgPool;

/// Removes all second factors of an account, with its recovery codes, and ends its sessions; how many there were.
///
/// # Errors
/// [`ResetError`]; nothing is removed then.
pub async fn give_up(ledger: &Ledger, db: &PgPool, account: AccountId, context: &Context) -> Result<usize, ResetError> {
    let id = account.to_string();
    loop {
        let loaded = ledger.load::<Account>(&id).await?;
        if loaded.version == 0 {
            return Err(ResetError::Unknown);
        }
        let state = &loaded.aggregate;
        let number = state.second_factors.len();
        if number == 0 {
            return Ok(0);
        }
        let names = Names::of(ledger, state).await.map_err(ResetError::Login)?;
        let events = state.decide(AccountCommand::RemoveAllSecondFactors { cause: FactorRemoval::Lost })?;
        let unit = Unit::new(context.clone()).stream::<Account>(&id, loaded.version, events);
        let unit = forget(unit, state, None);
        let unit = notify(unit, &Message::WaysInChanged, Language::French, &names.emails, context.effective_at);
        match ledger.append(unit).await {
            Ok(_) => {
                end_all(db, account).await?;
                return Ok(number);
            }
            Err(AppendError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
