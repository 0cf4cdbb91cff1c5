//! Before anything is recorded: who of the establishment's pupils does the export no longer name?

use super::draft::Outside;
use super::facts::{NaturalKey, civil_status, may_be_corrected, renamed};
use super::known::{Hash, Kind, Known};
use super::loader::Loader;
use domain::ids::PupilId;
use domain::pupil::CivilStatus;
use ledger::ReadError;
use school_files::{Entry, PupilRecord, Rejection};
use std::collections::{HashMap, HashSet};

/// Pupils of the establishment, compared with its export as that is read along.
pub struct Survey<'a> {
    loader: &'a Loader,
    outside: &'a dyn Outside,
    enrolled: usize,
    unnamed: HashSet<PupilId>,
    strangers: HashSet<NaturalKey>,
    /// Owners of the numbers under which the file shows pupils: not always the pupils themselves.
    numbered: HashMap<NaturalKey, Vec<PupilId>>,
    unread: u64,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Findings {
    /// Pupils enrolled before.
    pub enrolled: usize,
    /// Of these, whom the export does not name at all.
    pub absent: Vec<PupilId>,
    /// Of these, whom it names by another number: same name, same birth date, no longer under the old one.
    pub missed: HashMap<NaturalKey, PupilId>,
    /// Records of pupils without even a readable number: any absent pupil may be one of them.
    pub unread: u64,
}

impl<'a> Survey<'a> {
    /// Begins with the pupils known to be enrolled.
    pub fn new(loader: &'a Loader, outside: &'a dyn Outside, enrolled: impl IntoIterator<Item = PupilId>) -> Self {
        let unnamed: HashSet<PupilId> = enrolled.into_iter().collect();
        let (enrolled, strangers, numbered) = (unnamed.len(), HashSet::new(), HashMap::new());
        Self { loader, outside, enrolled, unnamed, strangers, numbered, unread: 0 }
    }

    /// Whether there is anyone to miss.
    pub fn is_needed(&self) -> bool {
        self.enrolled > 0
    }

    /// Takes note of some records.
    ///
    /// # Errors
    /// [`ReadError`] when the ledger can't be read.
    pub async fn read(&mut self, entries: &[Entry<PupilRecord>]) -> Result<(), ReadError> {
        let mut known = Known::default();
        let mut keyed: Vec<(&PupilRecord, (Kind, Hash))> = Vec::with_capacity(entries.len());
        let mut refused: Vec<Hash> = Vec::new();
        for entry in entries {
            match &entry.outcome {
                // Named, if not understood: not absent.
                Err(Rejection { ine: Some(ine), .. }) => refused.push(self.outside.hash(Kind::Ine, ine.as_str())),
                Err(_) => self.unread += 1,
                Ok(record) => {
                    let key = match &record.ine {
                        Some(ine) => (Kind::Ine, self.outside.hash(Kind::Ine, ine.as_str())),
                        None => (Kind::PupilSource, self.outside.hash(Kind::PupilSource, record.source_id.as_str())),
                    };
                    keyed.push((record, key));
                }
            }
        }
        self.loader.owners(&mut known, Kind::Ine, refused.iter().copied()).await?;
        for hash in refused {
            if let Some(pupil) = known.owner(Kind::Ine, &hash) {
                self.unnamed.remove(&PupilId(pupil));
            }
        }
        for kind in [Kind::Ine, Kind::PupilSource] {
            let hashes = keyed.iter().filter(|(_, key)| key.0 == kind).map(|(_, key)| key.1);
            self.loader.owners(&mut known, kind, hashes).await?;
        }
        for (record, (kind, hash)) in keyed {
            match known.owner(kind, &hash) {
                Some(pupil) => {
                    self.unnamed.remove(&PupilId(pupil));
                    if let Some(key) = NaturalKey::of(&civil_status(record)) {
                        self.numbered.entry(key).or_default().push(PupilId(pupil));
                    }
                }
                None => self.strangers.extend(NaturalKey::of(&civil_status(record))),
            }
        }
        Ok(())
    }

    /// Who is left.
    ///
    /// # Errors
    /// [`ReadError`] when the ledger can't be read.
    pub async fn finish(self) -> Result<Findings, ReadError> {
        let mut unnamed: Vec<PupilId> = self.unnamed.into_iter().collect();
        unnamed.sort_unstable();
        let mut missed: HashMap<NaturalKey, Vec<PupilId>> = HashMap::new();
        let mut misnumbered: HashSet<PupilId> = HashSet::new();
        if !self.strangers.is_empty() || !self.numbered.is_empty() {
            for some in unnamed.chunks(500) {
                let mut known = Known::default();
                self.loader.pupils(&mut known, some.iter().copied()).await?;
                for id in some {
                    let Some(status) = status_of(&known, id) else { continue };
                    let Some(key) = NaturalKey::of(status) else { continue };
                    if let Some(owners) = self.numbered.get(&key) {
                        let mut owning = Known::default();
                        self.loader.pupils(&mut owning, owners.iter().copied()).await?;
                        // The record will be refused: the pupil is there, only not under the right number.
                        let others = |owner| {
                            status_of(&owning, owner)
                                .is_some_and(|of| renamed(of, status).is_some() || !may_be_corrected(of, status))
                        };
                        if owners.iter().any(others) {
                            misnumbered.insert(*id);
                        }
                    }
                    if self.strangers.contains(&key) {
                        missed.entry(key).or_default().push(*id);
                    }
                }
            }
        }
        // Two pupils of one name and birth date: which one is meant is not for us to guess.
        let missed: HashMap<NaturalKey, PupilId> = missed
            .into_iter()
            .filter_map(|(key, ids)| match ids.as_slice() {
                [only] => Some((key, *only)),
                _ => None,
            })
            .collect();
        let found: HashSet<PupilId> = missed.values().copied().collect();
        unnamed.retain(|id| !found.contains(id) && !misnumbered.contains(id));
        Ok(Findings { enrolled: self.enrolled, absent: unnamed, missed, unread: self.unread })
    }
}

fn status_of<'a>(known: &'a Known, id: &PupilId) -> Option<&'a CivilStatus> {
    known.pupils.get(id)?.state.civil_status.as_ref()?.known()
}
