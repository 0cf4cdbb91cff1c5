//! What is known of clients without reading their streams at every request.
//!
//! A relying party changes by events only. So what was read stays true until the ledger has an event of its stream:
//! each request asks the ledger how far it has grown, and whoever finds that it has looks whether there was one, for all
//! clients at once. Requests that come together ask together, by one query that begins after the last of them came; so
//! nobody is served by a registration that had changed before they asked, whichever instance changed it.

use crate::app::App;
use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use domain::ids::RelyingPartyId;
use domain::relying_party::RelyingParty;
use ledger::vault::VaultSecret;
use ledger::{Ledger, ReadError};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Clients kept in memory; with more, all are read anew.
const CAPACITY: usize = 10_000;
/// A ledger that has grown by more (an import, mostly) is not looked through: all clients are read anew.
const FAR: u64 = 5_000;

/// A relying party, and what its secret is compared with.
pub struct KnownClient {
    /// As its events make it.
    pub party: RelyingParty,
    secret: Option<VaultSecret>,
}

impl KnownClient {
    /// The hash of its secret, if it has one that still holds.
    pub fn secret(&self, now: DateTime<Utc>) -> Option<&[u8]> {
        let kept = self.secret.as_ref()?;
        kept.expires_at.is_none_or(|expires_at| expires_at > now).then_some(&kept.secret)
    }
}

/// The clients read so far.
#[derive(Default)]
pub struct KnownClients {
    known: Mutex<Known>,
    /// Requests so far.
    asked: AtomicU64,
    /// Held by whoever asks the ledger: one for all.
    looking: tokio::sync::Mutex<Look>,
}

#[derive(Default)]
struct Known {
    /// All events before this position are taken into account.
    at: u64,
    clients: HashMap<RelyingPartyId, Arc<KnownClient>>,
}

/// The last look at the ledger.
#[derive(Default)]
struct Look {
    /// The requests that had come when it began.
    covers: u64,
}

impl KnownClients {
    /// The relying party as the ledger has it now; one that never was has no id.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn get(&self, app: &App, id: RelyingPartyId) -> Result<Arc<KnownClient>, ReadError> {
        self.follow(&app.ledger).await?;
        let at = {
            let known = self.lock();
            if let Some(client) = known.clients.get(&id) {
                return Ok(client.clone());
            }
            known.at
        };
        let party = app.ledger.load::<RelyingParty>(&id.to_string()).await?.aggregate;
        let secret = match party.secret {
            Some(row) => app.ledger.vault_get(row, app.clock.now()).await?,
            None => None,
        };
        let client = Arc::new(KnownClient { party, secret });
        let mut known = self.lock();
        // What happened since is looked through from `at` on; once somebody has, this may be older than that.
        if known.at == at && client.party.id.is_some() {
            if known.clients.len() >= CAPACITY {
                known.clients.clear();
            }
            known.clients.insert(id, client.clone());
        }
        Ok(client)
    }

    /// Forgets the clients that the ledger has news of, by a look that begins after this call.
    async fn follow(&self, ledger: &Ledger) -> Result<(), ReadError> {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut look = self.looking.lock().await;
        if look.covers >= mine {
            return Ok(());
        }
        let covers = self.asked.load(Ordering::SeqCst);
        let (size, _) = ledger.root().await?;
        let from = self.lock().at;
        if from < size {
            self.look_through(ledger, from, size).await?;
        }
        look.covers = covers;
        Ok(())
    }

    async fn look_through(&self, ledger: &Ledger, from: u64, size: u64) -> Result<(), ReadError> {
        let changed = match size - from {
            ..=FAR => Some(ledger.streams_between(RelyingParty::TYPE, from, size).await?),
            _ => None,
        };
        let mut known = self.lock();
        match changed {
            Some(streams) => {
                for id in streams.iter().filter_map(|id| id.parse().ok()) {
                    known.clients.remove(&id);
                }
            }
            None => known.clients.clear(),
        }
        known.at = size;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Each change to it is whole by itself.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
