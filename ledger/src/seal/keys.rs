//! The subjects' keys: random, one per person, stored wrapped by the master key in a schema of their own.

use super::{Cipher, KEY_LEN, MasterKeys, SealError, random};
use crate::copy::{Fields, copy_out};
use domain::ids::SubjectId;
use rustc_hash::FxBuildHasher;
use sqlx::PgPool;
use sqlx::types::Uuid;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// From so many keys on, planning their query anew pays.
const MANY: usize = 64;
/// Bytes of a key's row as PostgreSQL sends it, about.
const KEY_ROW: usize = 96;

/// What is known of a subject's key.
#[derive(Clone)]
pub(crate) enum Known {
    /// It can be used.
    Key(Arc<Zeroizing<[u8; KEY_LEN]>>),
    /// It was destroyed.
    Destroyed,
}

/// Subjects are random numbers of our own making: nobody can choose them so that they collide, and a hash of few
/// instructions will do.
pub(crate) type KnownKeys = HashMap<SubjectId, Known, FxBuildHasher>;
/// Whose keys are wanted.
pub(crate) type Subjects = HashSet<SubjectId, FxBuildHasher>;

/// A key that no transaction has stored yet.
#[derive(Clone)]
pub(crate) struct NewKey {
    pub subject: SubjectId,
    pub wrapped: Vec<u8>,
    pub key: Arc<Zeroizing<[u8; KEY_LEN]>>,
}

/// Reads and caches subject keys. Cheap to clone.
#[derive(Clone)]
pub(crate) struct KeyStore {
    pool: PgPool,
    master: MasterKeys,
    cache: Arc<Mutex<Cache>>,
}

/// Keys in memory, oldest out first; cleared from memory when dropped.
struct Cache {
    keys: KnownKeys,
    order: VecDeque<SubjectId>,
    capacity: usize,
    /// Raised whenever keys are forgotten, so that a read that began before can't put one back.
    generation: u64,
}

impl KeyStore {
    pub(crate) fn new(pool: PgPool, master: MasterKeys, capacity: usize) -> Self {
        let cache = Cache { keys: KnownKeys::default(), order: VecDeque::new(), capacity, generation: 0 };
        Self { pool, master, cache: Arc::new(Mutex::new(cache)) }
    }

    /// A fresh key for a subject, to be stored with its first event.
    pub(crate) fn fresh(&self, subject: SubjectId) -> Result<NewKey, SealError> {
        let key = Zeroizing::new(random::<KEY_LEN>()?);
        let wrapped = self.master.seal_secret(&context(subject), key.as_slice())?;
        Ok(NewKey { subject, wrapped, key: Arc::new(key) })
    }

    /// What is known of these subjects' keys, from the cache and in one query for the rest. A subject that never
    /// had a key is missing from the answer.
    pub(crate) async fn get(&self, subjects: impl IntoIterator<Item = SubjectId>) -> Result<KnownKeys, KeyError> {
        self.get_but(subjects, &HashSet::new()).await
    }

    /// [`KeyStore::get`], without asking the database about `new` ones.
    pub(crate) async fn get_but(
        &self,
        subjects: impl IntoIterator<Item = SubjectId>,
        new: &HashSet<SubjectId>,
    ) -> Result<KnownKeys, KeyError> {
        let mut found = KnownKeys::default();
        let mut missing = Vec::new();
        let generation = {
            let cache = self.lock();
            for subject in subjects {
                if found.contains_key(&subject) {
                    continue;
                }
                match cache.keys.get(&subject) {
                    Some(known) => {
                        found.insert(subject, known.clone());
                    }
                    None if new.contains(&subject) => {}
                    None => missing.push(subject.0),
                }
            }
            cache.generation
        };
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(found);
        }
        // LATERAL with LIMIT keeps it a look-up by index for each subject: with `= ANY` the planner walks the whole
        // table for every page of a replay, which costs more the more people there are.
        let rows: Vec<(Uuid, Option<Vec<u8>>)> = sqlx::query_as(
            "SELECT k.subject, x.wrapped FROM unnest($1::uuid[]) AS k (subject) CROSS JOIN LATERAL \
             (SELECT wrapped FROM keys.subject_key s WHERE s.subject = k.subject LIMIT 1) x",
        )
        // Many at once are planned for the table as it is now, not as it was when the connection was young.
        .persistent(missing.len() < MANY)
        .bind(&missing)
        .fetch_all(&self.pool)
        .await?;
        let mut read = Vec::with_capacity(rows.len());
        for (subject, wrapped) in rows {
            let subject = SubjectId(subject);
            read.push((subject, self.known(subject, wrapped.as_deref())?));
        }
        let mut cache = self.lock();
        for (subject, known) in read {
            if cache.generation == generation {
                cache.insert(subject, known.clone());
            }
            found.insert(subject, known);
        }
        Ok(found)
    }

    /// [`KeyStore::get`] for events recorded from one time to another (microseconds since the Unix epoch). Whoever
    /// first appears among them got their key with them: those keys lie side by side and come at a stroke. They are not
    /// put into the cache: whoever replays a ledger sees most people once, and would push out those who are there now.
    pub(crate) async fn get_created(&self, subjects: Subjects, from: i64, to: i64) -> Result<KnownKeys, KeyError> {
        let mut found = self.cached(&subjects);
        if subjects.len() - found.len() >= MANY {
            let statement = format!(
                "COPY (SELECT subject, wrapped FROM keys.subject_key WHERE created_at BETWEEN \
                 'epoch'::timestamptz + '{from} us'::interval AND 'epoch'::timestamptz + '{to} us'::interval) \
                 TO STDOUT (FORMAT BINARY)"
            );
            let mut bytes = Vec::with_capacity(subjects.len() * KEY_ROW);
            copy_out(&self.pool, &statement, &mut bytes).await?;
            let malformed = || KeyError::Seal(SealError::Malformed("the database sent a malformed key"));
            let mut rows = Fields::after_header(&bytes).ok_or_else(malformed)?;
            while rows.next_row(2).ok_or_else(malformed)?.is_some() {
                let subject = rows.field().and_then(|id| Uuid::from_slice(id).ok()).ok_or_else(malformed)?;
                let wrapped = rows.optional().ok_or_else(malformed)?;
                let subject = SubjectId(subject);
                if subjects.contains(&subject) && !found.contains_key(&subject) {
                    found.insert(subject, self.known(subject, wrapped)?);
                }
            }
        }
        let others: Vec<SubjectId> = subjects.into_iter().filter(|subject| !found.contains_key(subject)).collect();
        found.extend(self.get(others).await?);
        Ok(found)
    }

    fn cached(&self, subjects: &Subjects) -> KnownKeys {
        let cache = self.lock();
        let known = subjects.iter().filter_map(|subject| Some((*subject, cache.keys.get(subject)?.clone())));
        known.collect()
    }

    fn known(&self, subject: SubjectId, wrapped: Option<&[u8]>) -> Result<Known, SealError> {
        Ok(match wrapped {
            None => Known::Destroyed,
            Some(wrapped) => Known::Key(Arc::new(self.unwrap(subject, wrapped)?)),
        })
    }

    fn unwrap(&self, subject: SubjectId, wrapped: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>, SealError> {
        let opened = self.master.open_secret(&context(subject), wrapped)?;
        let key = opened.as_slice().try_into().map_err(|_| SealError::Malformed("a key of the wrong length"))?;
        Ok(Zeroizing::new(key))
    }

    /// A new key was stored.
    pub(crate) fn stored(&self, new: &NewKey) {
        self.lock().insert(new.subject, Known::Key(new.key.clone()));
    }

    /// A key was destroyed: forget it at once.
    pub(crate) fn forget(&self, subject: SubjectId) {
        let mut cache = self.lock();
        cache.generation += 1;
        cache.remove(subject);
    }

    /// News of destroyed keys may have been missed: forget all.
    pub(crate) fn forget_all(&self) {
        let mut cache = self.lock();
        cache.generation += 1;
        cache.keys.clear();
        cache.order.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        // The cache holds no invariant that a panic could break.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn insert(&mut self, subject: SubjectId, known: Known) {
        if self.keys.insert(subject, known).is_none() {
            self.order.push_back(subject);
        }
        while self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.keys.remove(&oldest);
            }
        }
    }

    /// Its place in the order goes too, or the subject's next key would be put out in place of the oldest.
    fn remove(&mut self, subject: SubjectId) {
        if self.keys.remove(&subject).is_some() {
            self.order.retain(|kept| *kept != subject);
        }
    }
}

/// Keys could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl From<KeyError> for crate::AppendError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Database(error) => error.into(),
            KeyError::Seal(error) => error.into(),
        }
    }
}

impl From<KeyError> for crate::ReadError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Database(error) => error.into(),
            KeyError::Seal(error) => error.into(),
        }
    }
}

fn context(subject: SubjectId) -> String {
    format!("subject-key/{subject}")
}

impl Known {
    /// The cipher, unless destroyed.
    pub(crate) fn cipher(&self) -> Option<Cipher> {
        match self {
            Self::Key(key) => Some(Cipher::new(key)),
            Self::Destroyed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_forgotten_and_read_again_is_the_youngest() {
        let subject = |n| SubjectId(Uuid::from_u128(n));
        let mut cache = Cache { keys: KnownKeys::default(), order: VecDeque::new(), capacity: 2, generation: 0 };
        cache.insert(subject(1), Known::Destroyed);
        cache.insert(subject(2), Known::Destroyed);
        cache.remove(subject(1));
        cache.insert(subject(1), Known::Destroyed);
        assert!(cache.keys.contains_key(&subject(1)) && cache.keys.contains_key(&subject(2)));
        cache.insert(subject(3), Known::Destroyed);
        assert!(!cache.keys.contains_key(&subject(2)), "the oldest goes first");
        assert_eq!((cache.keys.len(), cache.order.len()), (2, 2));
    }
}
