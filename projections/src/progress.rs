//! How far each view is, for those who wait to read their own writes.

use crate::projection::{Fault, Name};
use sqlx::PgPool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often a checkpoint that another instance moves is looked at, while somebody waits. Not by LISTEN/NOTIFY: a
/// commit that notifies holds a lock of the whole server, so views would wait for the ledger's disk writes.
const LOOK: Duration = Duration::from_millis(2);
/// How long a waiter trusts that this instance still leads.
const TRUST: Duration = Duration::from_millis(100);

/// Where a projection stands, as this instance sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Somebody else feeds it, or nobody yet.
    Following,
    /// This instance feeds it; the events before `next` are in.
    Leading { next: u64 },
    /// It met an event it can't apply.
    Stopped(Fault),
}

/// The views are not as far as asked.
#[derive(Debug, thiserror::Error)]
pub enum CaughtUpError {
    /// Not within the time given. The write itself is safe; only its effect is not visible yet.
    #[error("the view {projection} has not reached position {position} in time")]
    Late {
        /// Which view.
        projection: Name,
        /// The position waited for.
        position: u64,
    },
    /// The view stands still until an operator acts.
    #[error("the view {projection} has stopped at {fault}")]
    Stopped {
        /// Which view.
        projection: Name,
        /// At which event, and why.
        fault: Fault,
    },
    /// The checkpoint could not be read.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// How far each view is. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pool: PgPool,
    standings: Arc<[watch::Sender<Standing>; 4]>,
}

impl Progress {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool, standings: Arc::new(Name::ALL.map(|_| watch::channel(Standing::Following).0)) }
    }

    pub(crate) fn set(&self, name: Name, standing: Standing) {
        self.standing(name).send_replace(standing);
    }

    fn standing(&self, name: Name) -> &watch::Sender<Standing> {
        match name {
            Name::People => &self.standings[0],
            Name::Accounts => &self.standings[1],
            Name::Services => &self.standings[2],
            Name::Audit => &self.standings[3],
        }
    }

    /// Waits until the event at `position` is in the view.
    pub(crate) async fn caught_up(&self, name: Name, position: u64, deadline: Instant) -> Result<(), CaughtUpError> {
        let late = || CaughtUpError::Late { projection: name, position };
        let mut standing = self.standing(name).subscribe();
        loop {
            let now = standing.borrow_and_update().clone();
            let leading = match now {
                Standing::Leading { next } if next > position => return Ok(()),
                Standing::Leading { .. } => true,
                Standing::Following => false,
                // What came before the event it stands at is in.
                Standing::Stopped(_) if self.stored(name).await? > position => return Ok(()),
                Standing::Stopped(fault) => return Err(CaughtUpError::Stopped { projection: name, fault }),
            };
            if !leading && self.stored(name).await? > position {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(late());
            }
            let pause = deadline.min(Instant::now() + if leading { TRUST } else { LOOK });
            // The sender lives as long as this value; a pause that ends first is no error.
            let _ = tokio::time::timeout_at(pause, standing.changed()).await;
        }
    }

    /// The checkpoint as stored: the events before it are in.
    pub(crate) async fn stored(&self, name: Name) -> sqlx::Result<u64> {
        let next: i64 = sqlx::query_scalar(match name {
            Name::People => "SELECT next FROM view_people.checkpoint",
            Name::Accounts => "SELECT next FROM view_accounts.checkpoint",
            Name::Services => "SELECT next FROM view_services.checkpoint",
            Name::Audit => "SELECT next FROM view_audit.checkpoint",
        })
        .fetch_one(&self.pool)
        .await?;
        Ok(next.try_into().unwrap_or_default())
    }
}
