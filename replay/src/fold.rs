//! An account and the records behind it, made again event by event by the aggregates' own code.

use crate::account;
use crate::moment::AsOf;
use crate::words::values::Names;
use cqrs_es::Aggregate;
use domain::Event;
use domain::account::{Account, Holder};
use domain::guardian::Guardian;
use domain::ids::{AccountId, GuardianId, PupilId};
use domain::pupil::Pupil;
use ledger::{Ledger, RecordedEvent};
use std::collections::{BTreeMap, BTreeSet};

/// The account with every pupil and guardian record that ever belonged to its life, as far as they were folded.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    /// The account.
    pub account: Account,
    /// Pupils: its holder, and children that were ever confirmed, reported or detached.
    pub pupils: BTreeMap<PupilId, Pupil>,
    /// Guardian records that ever stood behind it.
    pub guardians: BTreeMap<GuardianId, Guardian>,
}

/// The records that belong to an account at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// The pupil who holds it, and its children.
    pub pupils: BTreeSet<PupilId>,
    /// The guardian records behind it.
    pub guardians: BTreeSet<GuardianId>,
}

impl Members {
    /// Those of either moment.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self { pupils: &self.pupils | &other.pupils, guardians: &self.guardians | &other.guardians }
    }
}

/// The events of the account's life that count at a moment, in the order of the ledger: its own, and those of every
/// record that had belonged to it by then, from each record's first event on.
///
/// # Errors
/// There is no such account, or the ledger can't be read.
pub async fn life(ledger: &Ledger, id: AccountId, as_of: AsOf) -> anyhow::Result<Vec<RecordedEvent>> {
    life_where(ledger, id, |event| as_of.counts(event)).await
}

/// [`life`], up to a position.
///
/// # Errors
/// As [`life`].
pub async fn life_up_to(ledger: &Ledger, id: AccountId, position: u64) -> anyhow::Result<Vec<RecordedEvent>> {
    life_where(ledger, id, |event| event.position <= position).await
}

async fn life_where(
    ledger: &Ledger,
    id: AccountId,
    counts: impl Fn(&RecordedEvent) -> bool + Send,
) -> anyhow::Result<Vec<RecordedEvent>> {
    let mut events = account::events(ledger, id).await?;
    events.retain(&counts);
    let mut fold = Fold::default();
    let mut ever = Members::default();
    for event in &events {
        fold.apply(event);
        ever = ever.or(&fold.members());
    }
    for pupil in ever.pupils {
        events.extend(ledger.read_stream(Pupil::TYPE, &pupil.to_string(), 1).await?);
    }
    for guardian in ever.guardians {
        events.extend(ledger.read_stream(Guardian::TYPE, &guardian.to_string(), 1).await?);
    }
    events.retain(&counts);
    events.sort_unstable_by_key(|event| event.position);
    Ok(events)
}

impl Fold {
    /// All of these events, in their order.
    pub fn of<'e>(events: impl IntoIterator<Item = &'e RecordedEvent>) -> Self {
        let mut fold = Self::default();
        events.into_iter().for_each(|event| fold.apply(event));
        fold
    }

    /// The next event. One that belongs to no account's life changes nothing.
    pub fn apply(&mut self, event: &RecordedEvent) {
        match &event.event {
            Event::Account(fact) => self.account.apply(fact.clone()),
            Event::Pupil(fact) => {
                if let Ok(id) = event.stream_id.parse() {
                    self.pupils.entry(id).or_default().apply(fact.clone());
                }
            }
            Event::Guardian(fact) => {
                if let Ok(id) = event.stream_id.parse() {
                    self.guardians.entry(id).or_default().apply(fact.clone());
                }
            }
            Event::Establishment(_)
            | Event::RelyingParty(_)
            | Event::InitialAccess(_)
            | Event::Auditor(_)
            | Event::LedgerManifest(_)
            | Event::Rules(_) => {}
        }
    }

    /// The names of its people by their ids, as far as they can be read.
    pub fn names(&self) -> Names {
        let pupils = self.pupils.iter().filter_map(|(id, pupil)| {
            let status = pupil.civil_status.as_ref()?.known()?;
            Some((id.to_string(), format!("{} {}", status.given_names.join(" "), status.family_name)))
        });
        let guardians = self.guardians.iter().filter_map(|(id, guardian)| {
            let identity = guardian.identity.as_ref()?.known()?;
            Some((id.to_string(), format!("{} {}", identity.given_name, identity.family_name)))
        });
        pupils.chain(guardians).collect()
    }

    /// The records that belong to the account now.
    pub fn members(&self) -> Members {
        let holder = match self.account.holder {
            Some(Holder::Pupil(pupil)) => Some(pupil),
            Some(Holder::Guardian(_)) | None => None,
        };
        let children = self.account.confirmed.union(&self.account.reported).copied();
        Members { pupils: children.chain(holder).collect(), guardians: self.account.guardians.clone() }
    }
}
