//! The append-only ledger: the batching writer, the reader, subject keys and sealing, the Merkle tree.
//!
//! ```text
//!   Ledger::execute ─▶ load ─▶ decide ─▶ Unit ─▶ Ledger::append ─▶ prepare (seal) ─▶ writer ─▶ PostgreSQL
//!                       ▲                                                                         │
//!                       └────────────── store (cqrs-es, postgres-es) ◀── reader ◀─────────────────┘
//! ```
//!
//! - What is recorded is never changed (`migrations/0001_ledger.sql` refuses it) and never lost once
//!   [`Ledger::append`] has returned.
//! - Positions are gapless and in commit order ([`writer`]).
//! - Personal data is sealed per person ([`seal`]); every event is committed to by a leaf ([`leaf`], [`merkle`]).
//! - The tree is published as tiles ([`tree`]) under signed checkpoints ([`checkpoint`]).

pub mod access;
mod bulk;
mod canonical;
pub mod checkpoint;
mod copy;
mod error;
mod execute;
pub mod leaf;
pub mod manifest;
pub mod merkle;
pub mod outbox;
pub mod postgres;
mod prepare;
mod reader;
mod record;
mod reserve;
pub mod seal;
mod store;
mod tail;
pub mod tree;
mod unit;
mod upcast;
pub mod vault;
pub mod verify;
pub mod writer;

pub use canonical::{CanonicalEvent, CanonicalSegment, Content};
pub use error::{AppendError, ExecuteError, ReadError};
pub use record::{AnyEvent, Header, RecordedEvent};
pub use seal::{MasterKeys, MasterKeysError, MasterSource, Rotated, RotationError, SealError};
pub use store::{LedgerStore, Loaded, circumstances};
pub use unit::{Appended, OutboxMessage, Reservation, Unit, VaultChange};
pub use upcast::Upcasters;
pub use verify::{Check, Finding, Findings, Verified, VerifyError, Walked};
pub use writer::Clock;

use crate::leaf::Hash;
use crate::seal::KeyStore;
use crate::tail::Tail;
use crate::writer::{Head, Job, Outcome};
use sqlx::PgPool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// The ledger over one database. Cheap to clone; clones share the writer.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    pool: PgPool,
    master: MasterKeys,
    keys: KeyStore,
    tail: Tail,
    upcasters: Arc<Upcasters>,
    clock: Clock,
    tree: tree::Tree,
    /// `None` once closed.
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    listener: JoinHandle<()>,
    rotations: JoinHandle<()>,
}

/// How to open a ledger.
pub struct Options {
    /// Steps from earlier event versions to the current ones.
    pub upcasters: Upcasters,
    /// What time it is. Tests and demonstrations may set their own.
    pub clock: Clock,
    /// Subject keys kept in memory at most (about 150 bytes each).
    pub cached_keys: usize,
    /// How long an append waits for a database that went away.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            upcasters: Upcasters::program(),
            clock: Arc::new(chrono::Utc::now),
            cached_keys: 65_536,
            patience: Duration::from_secs(30),
        }
    }
}

impl Ledger {
    /// Opens the ledger of a migrated database. The pool connects as the service's role; the writer and the
    /// listener take a connection each.
    ///
    /// # Errors
    /// When the database can't be reached or is not migrated.
    pub async fn open(pool: PgPool, keys: MasterKeys) -> Result<Self, ReadError> {
        Self::open_with(pool, keys, Options::default()).await
    }

    /// [`Ledger::open`], with options.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub async fn open_with(pool: PgPool, master: MasterKeys, options: Options) -> Result<Self, ReadError> {
        let tail = Tail::new(Head::read(&pool).await?.size());
        seal::rotation::obey(&pool, &master).await.map_err(ReadError::from)?;
        let keys = KeyStore::new(pool.clone(), master.clone(), options.cached_keys);
        let clock = options.clock;
        let (queue, writer) = writer::spawn(pool.clone(), keys.clone(), tail.clone(), clock.clone(), options.patience);
        let listener = tokio::spawn(tail::listen(pool.clone(), tail.clone(), keys.clone()));
        let rotations = tokio::spawn(seal::rotation::watch(pool.clone(), master.clone()));
        Ok(Self(Arc::new(Inner {
            tree: tree::Tree::new(pool.clone()),
            pool,
            master,
            keys,
            tail,
            upcasters: Arc::new(options.upcasters),
            clock,
            queue: Mutex::new(Some(queue)),
            writer: Mutex::new(Some(writer)),
            listener,
            rotations,
        })))
    }

    /// Records a unit: all of it or nothing. Once this returns, it is on disk and never lost.
    ///
    /// Dropping the future does not withdraw the unit once it waits for the writer.
    ///
    /// # Errors
    /// [`AppendError`] says what stood against it; nothing was written then, except for
    /// [`AppendError::Unconfirmed`].
    pub async fn append(&self, unit: Unit) -> Result<Appended, AppendError> {
        if unit.is_empty() && unit.fault.is_none() {
            return Ok(Appended { first: self.size(), count: 0 });
        }
        let queue = self.queue().ok_or(AppendError::Closed)?;
        let mut prepared = prepare::prepare(unit, self.keys(), &self.0.master).await?;
        loop {
            let (reply, answer) = oneshot::channel();
            queue.send(Job { prepared, reply }).await.map_err(|_| AppendError::Closed)?;
            match answer.await.map_err(|_| AppendError::Closed)? {
                Outcome::Appended(appended) => return Ok(appended),
                Outcome::Refused(error) => return Err(error),
                Outcome::Reseal(again) => {
                    prepared = prepare::prepare_again(again.unit, self.keys(), &self.0.master).await?;
                }
            }
        }
    }

    /// Keyed hash by which a value is reserved and found again without being stored.
    pub fn lookup_hash(&self, kind: &str, normalised: &str) -> Hash {
        self.0.master.lookup_hash(kind, normalised)
    }

    /// Number of events, as far as this instance knows.
    pub fn size(&self) -> u64 {
        self.0.tail.size()
    }

    /// Watches the number of events: changes with each batch, of this instance or another.
    pub fn tail(&self) -> watch::Receiver<u64> {
        self.0.tail.subscribe()
    }

    /// The tree's root and size, as stored.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn root(&self) -> Result<(u64, Hash), ReadError> {
        let (size, root): (i64, Hash) =
            sqlx::query_as("SELECT size, root FROM ledger.head").fetch_one(&self.0.pool).await?;
        Ok((size as u64, root))
    }

    /// Refuses further units and waits until those already queued have been answered.
    pub async fn close(&self) {
        self.0.listener.abort();
        self.0.rotations.abort();
        drop(lock(&self.0.queue).take());
        let writer = lock(&self.0.writer).take();
        if let Some(writer) = writer {
            // It ends by itself; had it panicked, its callers have already been told.
            let _ = writer.await;
        }
    }

    /// Puts the master key on record as the one in force, where none is yet; refuses another one.
    ///
    /// # Errors
    /// Another key is in force, or the database fails.
    pub async fn check_master(&self) -> Result<(), RotationError> {
        seal::rotation::check(&self.0.pool, &self.0.master).await
    }

    /// Seals everything anew with another master key, while everybody goes on working; goes on with a rotation that
    /// was cut off. Once it is done, the same call makes no further key: it looks through all rows for one that only
    /// the old key opens, unless it is `another` that is wanted. `progress` is told how many more rows have been
    /// looked at.
    ///
    /// # Errors
    /// [`RotationError`] says what to do; every row still opens then.
    pub async fn rotate_master(&self, another: bool, progress: impl FnMut(u64)) -> Result<Rotated, RotationError> {
        seal::rotation::rotate(&self.0.pool, &self.0.master, another, progress).await
    }

    /// The master keys.
    pub fn master(&self) -> &MasterKeys {
        &self.0.master
    }

    /// What time it is, by the ledger's clock.
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        (self.0.clock)()
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    pub(crate) fn keys(&self) -> &KeyStore {
        &self.0.keys
    }

    pub(crate) fn upcasters(&self) -> Arc<Upcasters> {
        self.0.upcasters.clone()
    }

    fn queue(&self) -> Option<mpsc::Sender<Job>> {
        lock(&self.0.queue).clone()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.listener.abort();
        self.rotations.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing that these guard can be left half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
