//! A unit in the making: events, claims and releases of one chunk, decided on what is [`Known`].

use super::known::{Hash, Kind, Known};
use super::report::{Part, Remark, RemarkKind};
use domain::account::{Account, AccountCommand, AccountError, Holder};
use domain::context::Context;
use domain::establishment::ImportCounts;
use domain::guardian::{Guardian, GuardianCommand, GuardianContact, GuardianError, GuardianIdentity};
use domain::identifiers::match_value;
use domain::ids::{AccountId, GuardianId, PupilId};
use domain::pupil::{Pupil, PupilCommand, PupilError};
use ledger::Unit;
use std::collections::BTreeSet;
use uuid::Uuid;

/// What is outside the pure decisions: keyed hashes and new ids.
pub trait Outside: Sync {
    /// Keyed hash of a value of a kind.
    fn hash(&self, kind: Kind, value: &str) -> Hash;
    /// A new id.
    fn new_id(&self) -> Uuid;
}

/// The unit and what it does to the report and the counts.
pub struct Draft<'a> {
    /// What is known, including what this draft has decided.
    pub known: &'a mut Known,
    /// Hashes and ids.
    pub outside: &'a dyn Outside,
    unit: Unit,
    claims: Vec<(Kind, Hash, Uuid)>,
    releases: Vec<(Kind, Hash, Uuid)>,
    part: Part,
    /// What is told of the records.
    pub remarks: Vec<Remark>,
    /// What became of them.
    pub counts: ImportCounts,
}

/// A finished draft.
pub struct Planned {
    /// To append.
    pub unit: Unit,
    /// To report.
    pub remarks: Vec<Remark>,
    /// To count.
    pub counts: ImportCounts,
}

impl<'a> Draft<'a> {
    /// An empty draft.
    pub fn new(known: &'a mut Known, outside: &'a dyn Outside, context: Context, part: Part) -> Self {
        Self {
            known,
            outside,
            unit: Unit::new(context),
            claims: Vec::new(),
            releases: Vec::new(),
            part,
            remarks: Vec::new(),
            counts: ImportCounts::default(),
        }
    }

    /// The unit as it stands.
    pub fn finish(self) -> Planned {
        let mut unit = self.unit;
        for (kind, hash, owner) in self.releases {
            unit = unit.release(kind.as_str(), owner.to_string(), hash);
        }
        for (kind, hash, owner) in self.claims {
            unit = unit.claim(kind.as_str(), owner.to_string(), hash);
        }
        Planned { unit, remarks: self.remarks, counts: self.counts }
    }

    /// Keyed hash of a value.
    pub fn hash(&self, kind: Kind, value: &str) -> Hash {
        self.outside.hash(kind, value)
    }

    /// Claims a value for an owner.
    pub fn claim(&mut self, kind: Kind, hash: Hash, owner: Uuid) {
        self.known.set_owner(kind, hash, Some(owner));
        self.claims.push((kind, hash, owner));
    }

    /// Gives up a value that the owner holds.
    pub fn release(&mut self, kind: Kind, hash: Hash, owner: Uuid) {
        self.known.set_owner(kind, hash, None);
        // The ledger releases before it claims: what this very draft claimed must simply not be claimed.
        self.claims.retain(|claim| *claim != (kind, hash, owner));
        self.releases.push((kind, hash, owner));
    }

    /// Reports something about a record.
    pub fn remark(&mut self, kind: RemarkKind, line: u64, record: String, text: impl ToString) {
        if kind == RemarkKind::Refused {
            self.counts.refused += 1;
        }
        self.remarks.push(Remark { kind, part: self.part, line, record, text: text.to_string() });
    }

    /// Decides on a pupil; whether anything changed.
    ///
    /// # Errors
    /// [`PupilError`]; nothing is drafted then.
    pub fn pupil(&mut self, id: PupilId, command: PupilCommand) -> Result<bool, PupilError> {
        let known = self.known.pupils.entry(id);
        let events = known.state.decide(command)?;
        let expected = known.version;
        known.apply_all(&events);
        let changed = !events.is_empty();
        self.unit.push::<Pupil>(&id.to_string(), expected, events);
        Ok(changed)
    }

    /// Decides on a guardian record; whether anything changed.
    ///
    /// # Errors
    /// [`GuardianError`]; nothing is drafted then.
    pub fn guardian(&mut self, id: GuardianId, command: GuardianCommand) -> Result<bool, GuardianError> {
        let known = self.known.guardians.entry(id);
        let events = known.state.decide(command)?;
        let expected = known.version;
        known.apply_all(&events);
        let changed = !events.is_empty();
        self.unit.push::<Guardian>(&id.to_string(), expected, events);
        Ok(changed)
    }

    /// Decides on an account; whether anything changed.
    ///
    /// # Errors
    /// [`AccountError`]; nothing is drafted then.
    pub fn account(&mut self, id: AccountId, command: AccountCommand) -> Result<bool, AccountError> {
        let known = self.known.accounts.entry(id);
        let events = known.state.decide(command)?;
        let expected = known.version;
        known.apply_all(&events);
        let changed = !events.is_empty();
        self.unit.push::<Account>(&id.to_string(), expected, events);
        Ok(changed)
    }

    /// Hash under which a holder's account is found.
    pub fn holder_hash(&self, holder: Holder) -> Hash {
        let value = match holder {
            Holder::Pupil(pupil) => format!("pupil:{pupil}"),
            Holder::Guardian(guardian) => format!("guardian:{guardian}"),
        };
        self.hash(Kind::Holder, &value)
    }

    /// The account of a holder, as far as known.
    pub fn account_of(&self, holder: Holder) -> Option<AccountId> {
        self.known.owner(Kind::Holder, &self.holder_hash(holder)).map(AccountId)
    }

    /// The values by which a guardian finds their account, hashed.
    pub fn match_keys(&self, guardian: &Guardian) -> BTreeSet<Hash> {
        let identity = guardian.identity.as_ref().and_then(|identity| identity.known());
        let contact = guardian.contact.as_ref().and_then(|contact| contact.known());
        match (identity, contact) {
            (Some(identity), Some(contact)) => {
                match_values(identity, contact).iter().map(|value| self.hash(Kind::GuardianMatch, value)).collect()
            }
            _ => BTreeSet::new(),
        }
    }
}

/// The values by which a guardian is found again: birth name and name in use, each with first name and mobile.
pub fn match_values(identity: &GuardianIdentity, contact: &GuardianContact) -> Vec<String> {
    let Some(mobile) = &contact.mobile else { return Vec::new() };
    [Some(&identity.family_name), identity.usage_name.as_ref()]
        .into_iter()
        .flatten()
        .filter_map(|surname| match_value(surname, &identity.given_name, mobile))
        .collect()
}
