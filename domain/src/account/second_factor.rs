//! Second factors: what the holder proves beside their password, of their own choice.
//!
//! ```text
//!  none ── SecondFactorEnrolled ──▶ enrolled ── RecoveryCodesIssued ──▶ and codes on paper
//!   ▲                                  │
//!   └── SecondFactorRemoved (the last one; RecoveryCodesWithdrawn with it)
//! ```
//!
//! That a factor was *used* is a sign-in, and sign-ins stand in the access log. A recovery code is used up by its use:
//! that changes the account, and is an event.

use super::{Account, AccountError, AccountEvent, Status, when};
use crate::ids::{FactorId, SecretId};
use serde::{Deserialize, Serialize};

/// As many of them one account may have: a phone or two, a key, and one in the drawer.
pub const MOST_FACTORS: usize = 5;

/// What a second factor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorKind {
    /// Codes of an authenticator app (RFC 6238).
    Totp,
    /// A passkey (Web Authentication).
    Passkey,
}

/// Why a second factor no longer is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorRemoval {
    /// The holder gave it up.
    OwnRequest,
    /// Support did, for a holder who can no longer use it.
    Lost,
}

/// One second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactor {
    /// What it is.
    pub kind: FactorKind,
    /// Vault row of its secret, or of its public key and counter.
    pub secret: SecretId,
}

/// The codes on paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryCodes {
    /// Vault row of their keyed hashes.
    pub secret: SecretId,
    /// How many have not been used.
    pub left: u8,
}

impl Account {
    /// Whether a password alone does not open the account.
    pub fn wants_second_factor(&self) -> bool {
        !self.second_factors.is_empty()
    }

    pub(super) fn enrol(
        &self,
        factor: FactorId,
        kind: FactorKind,
        secret: SecretId,
    ) -> Result<Vec<AccountEvent>, AccountError> {
        self.activated()?;
        if self.second_factors.len() >= MOST_FACTORS {
            return Err(AccountError::TooManyFactors);
        }
        let known = self.second_factors.contains_key(&factor);
        Ok(when(!known, AccountEvent::SecondFactorEnrolled { factor, kind, secret }))
    }

    pub(super) fn remove_factor(
        &self,
        factor: FactorId,
        cause: FactorRemoval,
    ) -> Result<Vec<AccountEvent>, AccountError> {
        self.opened()?;
        if !self.second_factors.contains_key(&factor) {
            return Err(AccountError::NoSuchFactor);
        }
        let mut events = vec![AccountEvent::SecondFactorRemoved { factor, cause }];
        // Codes that stand in for nothing would only wait to be stolen.
        let last = self.second_factors.len() == 1;
        events.extend(when(last && self.recovery_codes.is_some(), AccountEvent::RecoveryCodesWithdrawn {}));
        Ok(events)
    }

    pub(super) fn remove_all_factors(&self, cause: FactorRemoval) -> Result<Vec<AccountEvent>, AccountError> {
        self.opened()?;
        let removed = self.second_factors.keys().map(|&factor| AccountEvent::SecondFactorRemoved { factor, cause });
        let mut events: Vec<AccountEvent> = removed.collect();
        events.extend(when(self.recovery_codes.is_some(), AccountEvent::RecoveryCodesWithdrawn {}));
        Ok(events)
    }

    pub(super) fn issue_recovery_codes(&self, secret: SecretId, number: u8) -> Result<Vec<AccountEvent>, AccountError> {
        self.activated()?;
        if !self.wants_second_factor() {
            return Err(AccountError::NoSuchFactor);
        }
        Ok(vec![AccountEvent::RecoveryCodesIssued { secret, number }])
    }

    pub(super) fn use_recovery_code(&self) -> Result<Vec<AccountEvent>, AccountError> {
        self.activated()?;
        let left = self.recovery_codes.and_then(|codes| codes.left.checked_sub(1));
        let left = left.ok_or(AccountError::NoCodeWaiting)?;
        Ok(vec![AccountEvent::RecoveryCodeUsed { left }])
    }

    fn activated(&self) -> Result<(), AccountError> {
        self.in_use()?;
        if self.status == Status::Activated { Ok(()) } else { Err(AccountError::NotInUse) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{AccountCommand as C, Holder};
    use crate::ids::{AccountId, GuardianId};
    use cqrs_es::Aggregate;
    use uuid::Uuid;

    fn account(events: &[AccountEvent]) -> Account {
        let id = AccountId(Uuid::from_u128(1));
        let holder = Holder::Guardian(GuardianId(Uuid::from_u128(2)));
        let mut account = Account::default();
        account.apply(AccountEvent::AccountOpened { account: id, holder });
        account.apply(AccountEvent::AccountActivated {});
        events.iter().for_each(|event| account.apply(event.clone()));
        account
    }

    fn factor(number: u128) -> FactorId {
        FactorId(Uuid::from_u128(number))
    }

    fn secret(number: u128) -> SecretId {
        SecretId(Uuid::from_u128(number))
    }

    fn enrolled(number: u128) -> AccountEvent {
        AccountEvent::SecondFactorEnrolled { factor: factor(number), kind: FactorKind::Totp, secret: secret(number) }
    }

    fn codes() -> AccountEvent {
        AccountEvent::RecoveryCodesIssued { secret: secret(9), number: 2 }
    }

    #[test]
    fn a_factor_is_enrolled_once_and_a_few_of_them() {
        let enrol =
            |number| C::EnrolSecondFactor { factor: factor(number), kind: FactorKind::Totp, secret: secret(number) };
        assert_eq!(account(&[]).decide(enrol(1)), Ok(vec![enrolled(1)]));
        assert_eq!(account(&[enrolled(1)]).decide(enrol(1)), Ok(vec![]));
        let many: Vec<_> = (1..=5).map(enrolled).collect();
        assert_eq!(account(&many).decide(enrol(6)), Err(AccountError::TooManyFactors));
        let disabled = account(&[AccountEvent::AccountDisabled {}]);
        assert_eq!(disabled.decide(enrol(1)), Err(AccountError::NotInUse));
    }

    #[test]
    fn the_last_factor_takes_the_recovery_codes_with_it() {
        let remove = |number| C::RemoveSecondFactor { factor: factor(number), cause: FactorRemoval::OwnRequest };
        let two = account(&[enrolled(1), enrolled(2), codes()]);
        let removed = AccountEvent::SecondFactorRemoved { factor: factor(1), cause: FactorRemoval::OwnRequest };
        assert_eq!(two.decide(remove(1)), Ok(vec![removed.clone()]));
        let one = account(&[enrolled(1), codes()]);
        assert_eq!(one.decide(remove(1)), Ok(vec![removed, AccountEvent::RecoveryCodesWithdrawn {}]));
        assert_eq!(one.decide(remove(2)), Err(AccountError::NoSuchFactor));
        let lost = two.decide(C::RemoveAllSecondFactors { cause: FactorRemoval::Lost }).unwrap();
        assert_eq!(lost.len(), 3);
        let after = account(&[&[enrolled(1), enrolled(2), codes()], lost.as_slice()].concat());
        assert!(!after.wants_second_factor() && after.recovery_codes.is_none());
    }

    #[test]
    fn recovery_codes_stand_in_for_a_factor_and_are_used_up() {
        let issue = C::IssueRecoveryCodes { secret: secret(9), number: 2 };
        assert_eq!(account(&[]).decide(issue.clone()), Err(AccountError::NoSuchFactor));
        assert_eq!(account(&[enrolled(1)]).decide(issue), Ok(vec![codes()]));
        let used = |left| AccountEvent::RecoveryCodeUsed { left };
        let mut known = vec![enrolled(1), codes()];
        for left in [1, 0] {
            assert_eq!(account(&known).decide(C::UseRecoveryCode), Ok(vec![used(left)]));
            known.push(used(left));
        }
        assert_eq!(account(&known).decide(C::UseRecoveryCode), Err(AccountError::NoCodeWaiting));
    }
}
