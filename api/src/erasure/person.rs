//! Who is meant: everything in the ledger that is one person.

use super::{Eraser, ErasureError};
use crate::session::normalise_login;
use domain::account::{Account, Holder};
use domain::guardian::Guardian;
use domain::ids::{AccountId, GuardianId, PupilId, SubjectId};
use domain::pupil::Pupil;
use ledger::Ledger;
use std::collections::BTreeSet;
use uuid::Uuid;

/// One person: an account and what stands behind it. A guardian may have records of several schools; a pupil has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Their accounts; there should be one at most.
    pub accounts: BTreeSet<AccountId>,
    /// The pupil they are.
    pub pupils: BTreeSet<PupilId>,
    /// The guardian records that are theirs.
    pub guardians: BTreeSet<GuardianId>,
}

/// Something still to be followed.
enum Lead {
    Account(AccountId),
    Pupil(PupilId),
    Guardian(GuardianId),
}

impl Person {
    /// Whose keys they have.
    pub fn subjects(&self) -> Vec<SubjectId> {
        let accounts = self.accounts.iter().map(|id| SubjectId::from(*id));
        let pupils = self.pupils.iter().map(|id| SubjectId::from(*id));
        let guardians = self.guardians.iter().map(|id| SubjectId::from(*id));
        accounts.chain(pupils).chain(guardians).collect()
    }

    async fn follow(ledger: &Ledger, lead: Lead) -> Result<Self, ErasureError> {
        let (mut person, mut leads) = (Self::default(), vec![lead]);
        while let Some(lead) = leads.pop() {
            match lead {
                Lead::Account(account) => {
                    if !person.accounts.insert(account) {
                        continue;
                    }
                    let state = ledger.load::<Account>(&account.to_string()).await?.aggregate;
                    leads.extend(state.guardians.iter().map(|id| Lead::Guardian(*id)));
                    if let Some(Holder::Pupil(pupil)) = state.holder {
                        leads.push(Lead::Pupil(pupil));
                    }
                }
                Lead::Pupil(pupil) => {
                    if person.pupils.insert(pupil) {
                        leads.extend(account_of(ledger, &format!("pupil:{pupil}")).await?.map(Lead::Account));
                    }
                }
                Lead::Guardian(guardian) => {
                    if person.guardians.insert(guardian) {
                        leads.extend(account_of(ledger, &format!("guardian:{guardian}")).await?.map(Lead::Account));
                    }
                }
            }
        }
        Ok(person)
    }
}

async fn account_of(ledger: &Ledger, holder: &str) -> Result<Option<AccountId>, ErasureError> {
    let owner = ledger.reserved("holder", &ledger.lookup_hash("holder", holder)).await?;
    Ok(owner.and_then(|owner| owner.parse().ok()))
}

impl Eraser {
    /// The person behind a login, an account, a pupil or a guardian record.
    ///
    /// # Errors
    /// There is nobody, or the ledger can't be read.
    pub async fn find(&self, id_or_login: &str) -> Result<Person, ErasureError> {
        let ledger = &self.ledger;
        let id = match id_or_login.trim().parse::<Uuid>() {
            Ok(id) => id,
            Err(_) => {
                let hash = ledger.lookup_hash("login", &normalise_login(id_or_login));
                let owner = ledger.reserved("login", &hash).await?.and_then(|owner| owner.parse().ok());
                owner.ok_or(ErasureError::Unknown)?
            }
        };
        self.person_of(SubjectId(id)).await?.ok_or(ErasureError::Unknown)
    }

    /// The person one of whose streams has this id.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn person_of(&self, SubjectId(id): SubjectId) -> Result<Option<Person>, ErasureError> {
        let (ledger, stream) = (&self.ledger, id.to_string());
        let lead = if ledger.load::<Account>(&stream).await?.version > 0 {
            Lead::Account(AccountId(id))
        } else if ledger.load::<Pupil>(&stream).await?.version > 0 {
            Lead::Pupil(PupilId(id))
        } else if ledger.load::<Guardian>(&stream).await?.version > 0 {
            Lead::Guardian(GuardianId(id))
        } else {
            return Ok(None);
        };
        Person::follow(ledger, lead).await.map(Some)
    }
}
