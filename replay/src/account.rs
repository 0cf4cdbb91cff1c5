//! Which account is meant, and who belongs to its life.

use crate::moment::AsOf;
use anyhow::bail;
use cqrs_es::Aggregate;
use domain::Event;
use domain::account::{Account, AccountEvent, Holder};
use domain::ids::AccountId;
use ledger::{Ledger, RecordedEvent};
use std::collections::BTreeSet;

/// There was no such account, at the moment asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAccount {
    /// None was ever opened under this id.
    #[error("there is no account {0}")]
    Ever(AccountId),
    /// It was opened later.
    #[error("account {account} did not exist yet at {as_of}")]
    Yet {
        /// The account.
        account: AccountId,
        /// The moment.
        as_of: AsOf,
    },
}

/// The account with this id or this login.
///
/// # Errors
/// There is none, or the ledger can't be read.
pub async fn find(ledger: &Ledger, id_or_login: &str) -> anyhow::Result<AccountId> {
    let text = id_or_login.trim();
    if let Ok(account) = text.parse::<AccountId>() {
        return Ok(account);
    }
    // By the reservation, which the ledger writes with the event, not by a view.
    let hash = ledger.lookup_hash("login", &text.to_lowercase());
    match ledger.reserved("login", &hash).await? {
        // The login of someone erased is held by nobody.
        Some(owner) if owner.parse::<AccountId>().is_ok() => Ok(owner.parse()?),
        Some(_) | None => bail!("no account has the id or login `{text}`"),
    }
}

/// The account's own events.
///
/// # Errors
/// There are none, or they can't be read.
pub async fn events(ledger: &Ledger, account: AccountId) -> anyhow::Result<Vec<RecordedEvent>> {
    let events = ledger.read_stream(Account::TYPE, &account.to_string(), 1).await?;
    if events.is_empty() {
        return Err(NoAccount::Ever(account).into());
    }
    Ok(events)
}

/// Ids whose events belong to the account's life: its own, its holder's, those of every guardian record that ever
/// stood behind it and of every child ever confirmed, reported or detached.
pub fn concerned(account: AccountId, events: &[RecordedEvent]) -> BTreeSet<String> {
    concerned_by(account, events.iter().map(|recorded| &recorded.event))
}

/// [`concerned`], by events read in any other way.
pub fn concerned_by<'e>(account: AccountId, events: impl IntoIterator<Item = &'e Event>) -> BTreeSet<String> {
    let mut ids = BTreeSet::from([account.to_string()]);
    for event in events {
        let Event::Account(event) = event else { continue };
        ids.extend(match event {
            AccountEvent::AccountOpened { holder: Holder::Pupil(pupil), account: _ } => Some(pupil.to_string()),
            AccountEvent::AccountOpened { holder: Holder::Guardian(guardian), account: _ }
            | AccountEvent::GuardianRecordAttached { guardian }
            | AccountEvent::GuardianRecordDetached { guardian } => Some(guardian.to_string()),
            AccountEvent::ChildConfirmed { pupil }
            | AccountEvent::ChildReported { pupil }
            | AccountEvent::ChildDetached { pupil, cause: _ } => Some(pupil.to_string()),
            AccountEvent::VerificationCodeIssued { .. }
            | AccountEvent::VerificationCodeAccepted { .. }
            | AccountEvent::LoginAssigned { .. }
            | AccountEvent::PasswordChosen { .. }
            | AccountEvent::AccountActivated {}
            | AccountEvent::ProvisionalPasswordIssued { .. }
            | AccountEvent::UpstreamIdentityLinked { .. }
            | AccountEvent::UpstreamIdentityUnlinked { .. }
            | AccountEvent::SecondFactorEnrolled { .. }
            | AccountEvent::SecondFactorRemoved { .. }
            | AccountEvent::RecoveryCodesIssued { .. }
            | AccountEvent::RecoveryCodeUsed { .. }
            | AccountEvent::RecoveryCodesWithdrawn {}
            | AccountEvent::AccountDisabled {}
            | AccountEvent::AccountEnabled {}
            | AccountEvent::AccountClosed {}
            | AccountEvent::AccountErased { .. } => None,
        });
    }
    ids
}
