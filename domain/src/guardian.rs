//! A guardian record: what one source says of a person responsible for pupils.
//!
//! One person may stand behind several records (one per académie, one per ONDE file); the *account* gathers
//! them. Keeping the records apart keeps a wrong match repairable.

use crate::erasure::Grounds;
use crate::event::{event_names, handle_by_decide};
use crate::identifiers::{E164, Uai};
use crate::ids::{GuardianId, PupilId, SubjectId};
use crate::personal::{Personal, Sealable, Segment};
use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Who the person is, in the words of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardianIdentity {
    /// The source's own key: `<académie>|<PERSONNE_ID>` for SIECLE, a digest of the natural key for ONDE.
    pub source_key: String,
    /// `M.` or `MME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Birth name.
    pub family_name: String,
    /// Name in use, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_name: Option<String>,
    /// First given name.
    pub given_name: String,
}

/// How the school reaches the person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardianContact {
    /// Mobile: where activation codes go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile: Option<E164>,
    /// E-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// The child as an ONDE guardians file writes it: names only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChildAsWritten {
    /// Surname.
    pub family_name: String,
    /// First name.
    pub given_name: String,
    /// Classes, as written.
    pub class: Option<String>,
}

/// Why a link waits for the school.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// Several pupils bear these names.
    Ambiguous,
    /// No pupil of the file bears these names.
    NoSuchPupil,
}

/// A link that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldLink {
    /// The establishment whose file it is.
    pub establishment: Uai,
    /// The child as written; sealed for the first candidate, whose name it is as well, and for the guardian where
    /// there is none.
    pub child: Personal<ChildAsWritten>,
    /// The pupils it may be.
    pub candidates: Vec<PupilId>,
    /// Why it waits.
    pub reason: HoldReason,
}

impl HeldLink {
    /// Whether it is the same link, under whatever key its names are sealed.
    fn says_the_same(&self, other: &Self) -> bool {
        (self.establishment, &self.candidates, self.reason) == (other.establishment, &other.candidates, other.reason)
            && self.child.known().is_some_and(|child| other.child.known() == Some(child))
    }
}

/// Intentions about a guardian record.
#[derive(Clone, Debug)]
pub enum GuardianCommand {
    /// A school's file speaks of the person: record whatever is new in it.
    RecordSchoolData {
        /// The record, newly named or known.
        guardian: GuardianId,
        /// Identity.
        identity: GuardianIdentity,
        /// Contact.
        contact: GuardianContact,
    },
    /// Links of one ONDE file that can't be made without guessing: all that now wait for this establishment.
    HoldLinks {
        /// The establishment whose file it is.
        establishment: Uai,
        /// Child as written, candidates and reason of each.
        links: Vec<(ChildAsWritten, Vec<PupilId>, HoldReason)>,
    },
    /// The school says which pupil it is, or that it is none.
    SettleLink {
        /// The number of the held link.
        number: u32,
        /// The pupil; `None` drops the link.
        pupil: Option<PupilId>,
    },
    /// Children are erased: no link that may mean one of them waits any longer.
    ForgetChildren {
        /// The pupils.
        pupils: BTreeSet<PupilId>,
    },
    /// Erase the record.
    Erase {
        /// On which grounds.
        grounds: Grounds,
    },
}

/// Facts of a guardian record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum GuardianEvent {
    /// The person appeared in a source for the first time.
    GuardianRecorded {
        /// The record.
        guardian: GuardianId,
        /// Identity.
        identity: Personal<GuardianIdentity>,
        /// Contact.
        contact: Personal<GuardianContact>,
    },
    /// The school corrected the identity.
    GuardianIdentityCorrected {
        /// The identity as corrected, whole.
        identity: Personal<GuardianIdentity>,
    },
    /// The school corrected how the person is reached.
    GuardianContactCorrected {
        /// The contact as corrected, whole.
        contact: Personal<GuardianContact>,
    },
    /// A link to a child could not be made without guessing and waits for the school.
    ChildLinkHeld {
        /// Number within the record, from 1.
        number: u32,
        /// What waits.
        link: HeldLink,
    },
    /// The school settled a waiting link.
    ChildLinkSettled {
        /// Number within the record.
        number: u32,
        /// The pupil it turned out to be; `None` if the school says it is none of them.
        pupil: Option<PupilId>,
    },
    /// A later file no longer writes the link or no longer leaves it open, or a pupil it may mean is erased.
    ChildLinkLapsed {
        /// Number within the record.
        number: u32,
    },
    /// The record's key was destroyed with this event: no personal value can be read any more.
    GuardianErased {
        /// The record, whose key it was.
        guardian: GuardianId,
        /// On which grounds.
        grounds: Grounds,
    },
}

event_names!(GuardianEvent, version "1":
    GuardianRecorded, GuardianIdentityCorrected, GuardianContactCorrected, ChildLinkHeld, ChildLinkSettled,
    ChildLinkLapsed, GuardianErased);

impl Sealable for GuardianEvent {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        match self {
            Self::GuardianRecorded { identity, contact, guardian: _ } => vec![identity, contact],
            Self::GuardianIdentityCorrected { identity } => vec![identity],
            Self::GuardianContactCorrected { contact } => vec![contact],
            Self::ChildLinkHeld { link, number: _ } => vec![&mut link.child],
            Self::ChildLinkSettled { .. } | Self::ChildLinkLapsed { .. } | Self::GuardianErased { .. } => vec![],
        }
    }
}

/// Why a command about a guardian record is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardianError {
    /// Nobody recorded this guardian.
    #[error("this guardian is not recorded")]
    NotRecorded,
    /// No such link waits.
    #[error("no link number {0} waits for this guardian")]
    NoSuchLink(u32),
    /// The record was erased: nothing more is recorded in it.
    #[error("this guardian record was erased")]
    Erased,
    /// The settled pupil is not among the candidates.
    #[error("this pupil is not a candidate of link number {0}; choose one of its candidates or none")]
    NotACandidate(u32),
}

/// The record as its events make it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Guardian {
    /// The record; `None` before it exists.
    pub id: Option<GuardianId>,
    /// Identity.
    pub identity: Option<Personal<GuardianIdentity>>,
    /// Contact.
    pub contact: Option<Personal<GuardianContact>>,
    /// Links that wait, by number.
    pub held: BTreeMap<u32, HeldLink>,
    /// Settled ones, so that the same file does not raise them again: what was written, and the answer.
    pub settled: Vec<(HeldLink, Option<PupilId>)>,
    next_number: u32,
    /// It was erased.
    #[serde(default)]
    pub erased: bool,
}

impl Guardian {
    /// Which facts a command adds.
    ///
    /// # Errors
    /// [`GuardianError`]; nothing is recorded then.
    pub fn decide(&self, command: GuardianCommand) -> Result<Vec<GuardianEvent>, GuardianError> {
        if self.erased {
            return match command {
                GuardianCommand::Erase { .. } | GuardianCommand::ForgetChildren { .. } => Ok(Vec::new()),
                GuardianCommand::RecordSchoolData { .. }
                | GuardianCommand::HoldLinks { .. }
                | GuardianCommand::SettleLink { .. } => Err(GuardianError::Erased),
            };
        }
        match command {
            GuardianCommand::Erase { grounds } => {
                let guardian = self.id.ok_or(GuardianError::NotRecorded)?;
                Ok(vec![GuardianEvent::GuardianErased { guardian, grounds }])
            }
            GuardianCommand::RecordSchoolData { guardian, identity, contact } => {
                Ok(self.record(guardian, identity, contact))
            }
            GuardianCommand::HoldLinks { establishment, links } => {
                let id = self.id.ok_or(GuardianError::NotRecorded)?;
                Ok(self.hold(id, &establishment, links))
            }
            GuardianCommand::SettleLink { number, pupil } => {
                let held = self.held.get(&number).ok_or(GuardianError::NoSuchLink(number))?;
                if pupil.is_some_and(|pupil| !held.candidates.contains(&pupil)) {
                    return Err(GuardianError::NotACandidate(number));
                }
                Ok(vec![GuardianEvent::ChildLinkSettled { number, pupil }])
            }
            GuardianCommand::ForgetChildren { pupils } => {
                let meant = |held: &HeldLink| held.candidates.iter().any(|pupil| pupils.contains(pupil));
                let meant = self.held.iter().filter(|(_, held)| meant(held));
                Ok(meant.map(|(number, _)| GuardianEvent::ChildLinkLapsed { number: *number }).collect())
            }
        }
    }

    fn record(&self, id: GuardianId, identity: GuardianIdentity, contact: GuardianContact) -> Vec<GuardianEvent> {
        if self.id.is_none() {
            let (identity, contact) = (Personal::new(id, identity), Personal::new(id, contact));
            return vec![GuardianEvent::GuardianRecorded { guardian: id, identity, contact }];
        }
        let mut events = Vec::new();
        if self.identity.as_ref().and_then(Personal::known) != Some(&identity) {
            events.push(GuardianEvent::GuardianIdentityCorrected { identity: Personal::new(id, identity) });
        }
        if self.contact.as_ref().and_then(Personal::known) != Some(&contact) {
            events.push(GuardianEvent::GuardianContactCorrected { contact: Personal::new(id, contact) });
        }
        events
    }

    fn hold(
        &self,
        id: GuardianId,
        establishment: &Uai,
        links: Vec<(ChildAsWritten, Vec<PupilId>, HoldReason)>,
    ) -> Vec<GuardianEvent> {
        let wanted: Vec<HeldLink> = links
            .into_iter()
            .map(|(child, candidates, reason)| {
                // The name is the child's, and the candidates are those who bear it: it goes with the child's key.
                let whose = candidates.first().map_or_else(|| id.into(), |pupil| SubjectId::from(*pupil));
                HeldLink { establishment: *establishment, child: Personal::new(whose, child), candidates, reason }
            })
            .collect();
        // What the file no longer writes, or no longer leaves open, has settled itself.
        let mut events: Vec<_> = self
            .held
            .iter()
            .filter(|(_, held)| held.establishment == *establishment && !wanted.contains(held))
            .map(|(number, _)| GuardianEvent::ChildLinkLapsed { number: *number })
            .collect();
        let known = |link: &HeldLink| {
            self.held.values().any(|held| held == link)
                || self.settled.iter().any(|(settled, _)| settled.says_the_same(link))
        };
        let raised = wanted.into_iter().filter(|link| !known(link)).zip(self.next_number + 1..);
        events.extend(raised.map(|(link, number)| GuardianEvent::ChildLinkHeld { number, link }));
        events
    }

    /// What the school answered earlier for this child as written, if it did.
    pub fn settled_as(&self, establishment: &Uai, child: &ChildAsWritten) -> Option<PupilId> {
        self.settled
            .iter()
            .rev()
            .find(|(link, _)| link.establishment == *establishment && link.child.known() == Some(child))
            .and_then(|(_, pupil)| *pupil)
    }

    /// Whether the school has said which pupil such a link means, or that it means none.
    #[must_use]
    pub fn is_answered(&self, establishment: &Uai, child: &ChildAsWritten) -> bool {
        let such = |link: &HeldLink| link.establishment == *establishment && link.child.known() == Some(child);
        self.settled.iter().any(|(link, _)| such(link))
    }
}

impl Aggregate for Guardian {
    const TYPE: &'static str = "guardian";
    type Command = GuardianCommand;
    type Event = GuardianEvent;
    type Error = GuardianError;
    type Services = ();

    handle_by_decide!();

    fn apply(&mut self, event: GuardianEvent) {
        match event {
            GuardianEvent::GuardianRecorded { guardian, identity, contact } => {
                self.id = Some(guardian);
                self.identity = Some(identity);
                self.contact = Some(contact);
            }
            GuardianEvent::GuardianIdentityCorrected { identity } => self.identity = Some(identity),
            GuardianEvent::GuardianContactCorrected { contact } => self.contact = Some(contact),
            GuardianEvent::ChildLinkHeld { number, link } => {
                self.next_number = self.next_number.max(number);
                self.held.insert(number, link);
            }
            GuardianEvent::ChildLinkSettled { number, pupil } => {
                if let Some(link) = self.held.remove(&number) {
                    self.settled.push((link, pupil));
                }
            }
            GuardianEvent::ChildLinkLapsed { number } => {
                self.held.remove(&number);
            }
            GuardianEvent::GuardianErased { guardian, grounds: _ } => {
                *self = Self { id: Some(guardian), erased: true, ..Self::default() };
            }
        }
    }
}

#[cfg(test)]
mod tests;
