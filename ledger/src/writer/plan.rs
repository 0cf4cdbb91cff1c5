//! Deciding one batch: which units go in, at which positions, with which leaves.

use super::head::Head;
use crate::error::AppendError;
use crate::leaf::{self, Hash, NO_LEAF};
use crate::prepare::Prepared;
use domain::ids::SubjectId;
use std::collections::{HashMap, HashSet};

/// Kind and id of a stream.
pub(crate) type StreamKey = (&'static str, String);
/// Kind and hash of a reservation.
pub(crate) type ReservationKey = (String, Hash);

/// Where a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub version: u64,
    pub leaf: Hash,
}

/// A stream that does not exist yet.
pub(crate) const EMPTY: Tip = Tip { version: 0, leaf: NO_LEAF };

/// How a subject's key stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    Stored,
    Destroyed,
}

/// Why a unit does not go in.
pub(crate) enum Refusal {
    Error(AppendError),
    /// Someone stored a key for one of its subjects first: to be sealed again with that one.
    Reseal,
}

/// The state a batch is decided on, advanced by each unit that goes in.
pub(crate) struct Plan {
    pub head: Head,
    pub recorded_at: i64,
    /// Every stream that the batch touches.
    pub streams: HashMap<StreamKey, Tip>,
    /// Owners of every reservation that the batch touches.
    pub reservations: HashMap<ReservationKey, Option<String>>,
    /// Which of them change.
    pub changed: HashSet<ReservationKey>,
    /// Keys known to be stored or destroyed, among those of the batch's subjects.
    pub keys: HashMap<SubjectId, KeyState>,
    /// Leaves of the units that go in, in order of position.
    pub leaves: Vec<Hash>,
}

impl Plan {
    pub(crate) fn new(head: Head, now: i64) -> Self {
        let recorded_at = now.max(head.recorded_at);
        Self {
            head,
            recorded_at,
            streams: HashMap::new(),
            reservations: HashMap::new(),
            changed: HashSet::new(),
            keys: HashMap::new(),
            leaves: Vec::new(),
        }
    }

    /// Lets a unit in, or says why not; a refused unit leaves no trace.
    pub(crate) fn admit(&mut self, prepared: &mut Prepared) -> Result<(), Refusal> {
        self.check_streams(prepared)?;
        let reservations = self.check_reservations(prepared)?;
        self.check_keys(prepared)?;

        for (key, owner) in reservations {
            self.changed.insert(key.clone());
            self.reservations.insert(key, owner);
        }
        for new in &prepared.new_keys {
            self.keys.insert(new.subject, KeyState::Stored);
        }
        for subject in &prepared.unit.erase {
            self.keys.insert(*subject, KeyState::Destroyed);
        }
        self.append(prepared);
        Ok(())
    }

    fn check_streams(&self, prepared: &Prepared) -> Result<(), Refusal> {
        let mut within: HashMap<(&str, &str), u64> = HashMap::new();
        let several = prepared.unit.streams.len() > 1;
        for change in &prepared.unit.streams {
            let key = (change.stream_type, change.stream_id.as_str());
            let found = match within.get(&key) {
                Some(version) => *version,
                None => self.tip(change.stream_type, &change.stream_id).version,
            };
            if found != change.expected {
                return Err(Refusal::Error(AppendError::Conflict {
                    stream_type: change.stream_type.to_owned(),
                    stream_id: change.stream_id.clone(),
                    expected: change.expected,
                    found,
                }));
            }
            if several {
                within.insert(key, found + change.events.len() as u64);
            }
        }
        Ok(())
    }

    fn check_reservations(&self, prepared: &Prepared) -> Result<HashMap<ReservationKey, Option<String>>, Refusal> {
        let mut changes: HashMap<ReservationKey, Option<String>> = HashMap::new();
        let owner = |changes: &HashMap<ReservationKey, Option<String>>, key: &ReservationKey| {
            changes.get(key).or_else(|| self.reservations.get(key)).cloned().flatten()
        };
        for release in &prepared.unit.releases {
            let key = (release.kind.clone(), release.hash);
            if owner(&changes, &key).as_ref() == Some(&release.owner) {
                changes.insert(key, None);
            }
        }
        for claim in &prepared.unit.claims {
            let key = (claim.kind.clone(), claim.hash);
            match owner(&changes, &key) {
                Some(owner) if owner == claim.owner => {}
                Some(owner) => {
                    return Err(Refusal::Error(AppendError::Reserved { kind: claim.kind.clone(), owner }));
                }
                None => {
                    changes.insert(key, Some(claim.owner.clone()));
                }
            }
        }
        Ok(changes)
    }

    fn check_keys(&self, prepared: &Prepared) -> Result<(), Refusal> {
        for new in &prepared.new_keys {
            if self.keys.get(&new.subject) == Some(&KeyState::Stored) {
                return Err(Refusal::Reseal);
            }
        }
        // Sealed before the erasure, queued behind it: nothing is recorded of someone after their erasure.
        match prepared.unit.subjects().find(|subject| self.keys.get(subject) == Some(&KeyState::Destroyed)) {
            Some(erased) => Err(Refusal::Error(AppendError::Erased(erased))),
            None => Ok(()),
        }
    }

    fn append(&mut self, prepared: &mut Prepared) {
        let mut sealed = prepared.events.iter_mut();
        for change in &prepared.unit.streams {
            let key = (change.stream_type, change.stream_id.clone());
            let tip = self.streams.entry(key).or_insert(EMPTY);
            for event in sealed.by_ref().take(change.events.len()) {
                leaf::complete(&mut event.entry, self.recorded_at, &tip.leaf);
                tip.leaf = leaf::leaf_of(&event.entry);
                tip.version += 1;
                self.leaves.push(tip.leaf);
                self.head.frontier.push(tip.leaf);
            }
        }
    }

    fn tip(&self, stream_type: &'static str, stream_id: &str) -> Tip {
        // A key must own its id to be looked up; ids are short.
        self.streams.get(&(stream_type, stream_id.to_owned())).copied().unwrap_or(EMPTY)
    }
}
