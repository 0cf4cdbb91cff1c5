//! What every handler shares.

use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::Sending;
use crate::incident::RequestLog;
use crate::oidc::{ClientKeyCache, Keys, KnownClients};
use crate::outbound::Outbound;
use crate::session::Guard;
use crate::upstream::Upstreams;
use ledger::Ledger;
use ledger::access::AccessLog;
use ledger::checkpoint::Health;
use projections::Views;
use sqlx::PgPool;
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::watch;

/// The service's state. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of [`App`].
pub struct Parts {
    /// Configuration, as checked at start.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// The database, as the service's role.
    pub db: PgPool,
    /// The ledger.
    pub ledger: Ledger,
    /// Reads of the views.
    pub views: Views,
    /// The keys that sign tokens.
    pub keys: Keys,
    /// Calls relying parties.
    pub outbound: Outbound,
    /// Relying parties as last read.
    pub clients: KnownClients,
    /// The keys of relying parties.
    pub client_keys: ClientKeyCache,
    /// Other providers by which people sign in.
    pub upstreams: Upstreams,
    /// What became of messages.
    pub sending: Sending,
    /// How checkpoints fare.
    pub checkpoints: watch::Receiver<Health>,
    /// What guards the ways in.
    pub guard: Guard,
    /// The record of requests.
    pub requests: RequestLog,
    /// The access log.
    pub access: AccessLog,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
