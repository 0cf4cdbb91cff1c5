//! The daily manifest of the ledger: recorded by whichever instance comes first.

use crate::clock::Clock;
use chrono::NaiveDate;
use domain::context::{Actor, Reason};
use ledger::Ledger;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Between two looks at the date; a failed attempt is repeated as often.
const EVERY: Duration = Duration::from_secs(60);

/// Starts the looks. Several instances may look at once: one event is recorded.
pub fn start(ledger: Ledger, clock: Clock) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut done: Option<NaiveDate> = None;
        loop {
            tokio::time::sleep(EVERY).await;
            let today = clock.now().date_naive();
            if done == Some(today) {
                continue;
            }
            match ledger.record_manifest(Actor::Service, Reason::Rule).await {
                Ok(recorded) => {
                    if let Some(heads) = recorded {
                        tracing::info!(%today, size = heads.size, streams = heads.streams, "manifest recorded");
                    }
                    // A ledger without any event gets its manifest once it has one.
                    done = (ledger.size() > 0).then_some(today);
                }
                Err(error) => tracing::error!(%error, "today's manifest was not recorded; it is tried again"),
            }
        }
    })
}
