//! Whether a person has anything to do with a relying party *now*, and whose data it may see.
//!
//! Decided on the aggregates, never on a view: a child who has moved away is out of the former school's sight with
//! the very event that says so.

use domain::account::{Account, Holder, Status};
use domain::identifiers::{GuardianLevel, Uai};
use domain::ids::{AccountId, PupilId};
use domain::pupil::Pupil;
use domain::relying_party::{Establishments, Registration};
use ledger::{Ledger, ReadError};
use std::collections::{BTreeMap, BTreeSet};

/// What an account gives access to at one relying party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// The account.
    pub account: AccountId,
    /// Whose it is.
    pub holder: Holder,
    /// The pupil, or the guardian's children, with their enrolments, as far as the relying party serves the
    /// establishment.
    pub pupils: BTreeMap<PupilId, BTreeSet<Uai>>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum NotEntitled {
    /// The account was never activated, is disabled or closed.
    #[error("the account is not in use")]
    AccountNotInUse,
    /// Nobody of the account is enrolled in an establishment that the relying party serves.
    #[error("no pupil of the account is enrolled where the relying party serves")]
    NobodyServed,
    /// The ledger could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Entitlement {
    /// As the ledger has it now.
    ///
    /// # Errors
    /// [`NotEntitled`].
    pub async fn of(ledger: &Ledger, account: &Account, registration: &Registration) -> Result<Self, NotEntitled> {
        let (Status::Activated, Some(id), Some(holder)) = (account.status, account.id, account.holder) else {
            return Err(NotEntitled::AccountNotInUse);
        };
        let ids: Vec<String> = match holder {
            Holder::Pupil(pupil) => vec![pupil.to_string()],
            Holder::Guardian(_) => account.confirmed.iter().map(ToString::to_string).collect(),
        };
        let pupils = ledger.load_many::<Pupil>(&ids).await?.into_values().map(|loaded| loaded.aggregate);
        Self::decide(id, account, holder, pupils, registration)
    }

    fn decide(
        id: AccountId,
        account: &Account,
        holder: Holder,
        pupils: impl Iterator<Item = Pupil>,
        registration: &Registration,
    ) -> Result<Self, NotEntitled> {
        let mut entitled = BTreeMap::new();
        for pupil in pupils {
            let Some(pupil_id) = pupil.id else { continue };
            let ours = match holder {
                Holder::Pupil(own) => own == pupil_id,
                Holder::Guardian(_) => is_legal_guardian(account, &pupil),
            };
            let served: BTreeSet<Uai> =
                pupil.enrolments.keys().filter(|uai| registration.establishments.includes(uai)).copied().collect();
            if ours && !served.is_empty() {
                entitled.insert(pupil_id, served);
            }
        }
        let everyones = registration.establishments == Establishments::All;
        if entitled.is_empty() && !everyones {
            return Err(NotEntitled::NobodyServed);
        }
        Ok(Self { account: id, holder, pupils: entitled })
    }
}

/// A confirmed child counts while a school still declares one of the account's records its legal guardian.
fn is_legal_guardian(account: &Account, pupil: &Pupil) -> bool {
    pupil
        .links
        .iter()
        .any(|((_, guardian), link)| link.level == GuardianLevel::Legal && account.guardians.contains(guardian))
}
