//! Pairwise subjects (OpenID Connect Core §8.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::account::Holder;
use domain::ids::{AccountId, PupilId};
use ledger::Ledger;
use uuid::Uuid;

/// Names persons to the relying parties of one sector: the same person has the same name in a sector, for ever,
/// and another in each other sector. A keyed hash under the ledger's look-up key; nothing is stored.
///
/// A pupil is the same in their own tokens and among their guardian's children, so that a mark book recognises
/// the pupil behind the parent.
pub struct Pairwise<'a> {
    ledger: &'a Ledger,
    sector: &'a str,
}

impl<'a> Pairwise<'a> {
    /// For relying parties of this sector.
    pub fn new(ledger: &'a Ledger, sector: &'a str) -> Self {
        Self { ledger, sector }
    }

    /// The holder of an account.
    pub fn holder(&self, account: AccountId, holder: Holder) -> String {
        match holder {
            Holder::Pupil(pupil) => self.pupil(pupil),
            // The account, not a record: records come and go behind a guardian.
            Holder::Guardian(_) => self.name(account.0),
        }
    }

    /// The holder, by one name for all relying parties, which lets them compare what they know: only for those whose
    /// registration says so.
    pub fn for_everybody(&self, account: AccountId, holder: Holder) -> String {
        let person = match holder {
            Holder::Pupil(pupil) => pupil.0,
            Holder::Guardian(_) => account.0,
        };
        URL_SAFE_NO_PAD.encode(self.ledger.lookup_hash("reference-subject", &person.to_string()))
    }

    /// A pupil.
    pub fn pupil(&self, pupil: PupilId) -> String {
        self.name(pupil.0)
    }

    fn name(&self, person: Uuid) -> String {
        // A UUID has a fixed length: person and sector can't be shifted into each other.
        URL_SAFE_NO_PAD.encode(self.ledger.lookup_hash("pairwise-subject", &format!("{person}|{}", self.sector)))
    }
}
