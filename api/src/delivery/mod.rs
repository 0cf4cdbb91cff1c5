//! Delivery: from the outbox to phones and mailboxes.
//!
//! ```text
//!  events + Envelope ──one transaction──► outbox ──claim, committed──► worker ──► SMS gateway │ SMTP │ demo inbox
//!                                           ▲                            │
//!                                           └── sent, failed, uncertain, try again later
//! ```
//!
//! No message goes out twice for one event: it is claimed before the attempt, and tried again only where the first
//! attempt certainly failed or the channel drops repeats by the message's id. The outbox's own states stand in
//! [`ledger::outbox`].

mod channel;
mod gateway;
mod inbox;
mod message;
#[cfg(test)]
mod message_tests;
mod outcome;
mod page;
mod smtp;
#[cfg(test)]
mod tests;
mod worker;

pub use message::{Envelope, MAIL, MailText, Message, OneTimeCode, Recipient, SMS, Unreadable};
pub use outcome::Patience;
pub use page::{InboxPage, inbox, to_inbox};
pub use worker::{Counts, Options};

use crate::clock::Clock;
use crate::config::Config;
use channel::Channel;
use ledger::Ledger;
use sqlx::PgPool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use worker::{Tally, Work};

/// The worker at work.
pub struct Delivery {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    sending: Sending,
}

/// What the worker has done so far. Cheap to clone.
#[derive(Clone, Default)]
pub struct Sending(Arc<Tally>);

impl Sending {
    /// The counts since the start.
    pub fn counts(&self) -> Counts {
        self.0.read()
    }
}

impl Delivery {
    /// Starts sending by what is configured.
    ///
    /// # Errors
    /// The configuration can't be used.
    pub fn start(
        config: &Config,
        ledger: &Ledger,
        db: &PgPool,
        clock: &Clock,
        options: Options,
    ) -> anyhow::Result<Self> {
        let sending = Sending::default();
        let (stop, told) = watch::channel(false);
        let (tell, queued) = watch::channel(());
        let tally = sending.0.clone();
        let work = Work { ledger: ledger.clone(), db: db.clone(), clock: clock.clone(), options, tally };
        let work = Arc::new(work);
        let mut tasks = JoinSet::new();
        let channels: Vec<Arc<Channel>> = Channel::configured(config, db)?.into_iter().map(Arc::new).collect();
        let idempotent = channels.iter().filter(|channel| channel.idempotent()).map(|channel| channel.name).collect();
        tasks.spawn(work.clone().clear_up(idempotent, told.clone()));
        if !channels.is_empty() {
            tasks.spawn(work.clone().listen(tell, told.clone()));
        }
        for channel in channels {
            tasks.spawn(work.clone().run(channel, queued.clone(), told.clone()));
        }
        Ok(Self { tasks, stop, sending })
    }

    /// What it has done so far.
    pub fn sending(&self) -> Sending {
        self.sending.clone()
    }

    /// Stops: claims nothing more, and gives what is under way this long to end. What does not, is dealt with as
    /// after a crash.
    pub async fn stop(mut self, patience: Duration) {
        self.stop.send_replace(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, ended).await.is_err() {
            tracing::warn!("messages on their way were given up");
        }
    }
}
