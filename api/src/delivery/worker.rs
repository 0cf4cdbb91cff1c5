//! Takes messages from the outbox and sends them.
//!
//! One task for each channel claims what is due and sends several at once; it wakes when a message is queued (the
//! outbox notifies), when one is done, and every [`Options::tick`] for what was put off. Another task clears up what
//! crashed workers left. Any number of service instances may do this on one database: a claim is theirs alone.

use super::channel::{Channel, Parcel};
use super::message::Envelope;
use super::outcome::{Outcome, Patience};
use crate::clock::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use ledger::Ledger;
use ledger::outbox::{Claimed, Delivery as Settled};
use serde::Serialize;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Announces each new message; see `migrations/0007_delivery.sql`.
const QUEUED: &str = "outbox_queued";
/// Settled messages are kept for support so long. They have no body any more.
const KEPT: TimeDelta = TimeDelta::days(90);
/// Rows deleted in one go.
const PURGED_AT_ONCE: u32 = 1000;
/// How often writing down what came of a message is tried, a second apart. Then its claim runs out.
const SETTLE_ATTEMPTS: u32 = 20;

/// How the worker works.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often it looks for what was put off.
    pub tick: Duration,
    /// How often it looks for what crashed workers left.
    pub clear_up: Duration,
    /// How long a message is claimed. An attempt that takes half of it is given up.
    pub claim: Duration,
    /// When to try again.
    pub patience: Patience,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tick: Duration::from_secs(1),
            clear_up: Duration::from_secs(15),
            // Four times the longest conversation with a mail server that the configuration allows.
            claim: Duration::from_secs(360),
            patience: Patience::default(),
        }
    }
}

/// What this instance has sent since it started, and what it could not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Taken by their channel.
    pub sent: u64,
    /// Put off, to be tried again.
    pub retried: u64,
    /// Surely not sent, and never will be.
    pub failed: u64,
    /// Perhaps sent.
    pub uncertain: u64,
}

#[derive(Default)]
pub(super) struct Tally {
    sent: AtomicU64,
    retried: AtomicU64,
    failed: AtomicU64,
    uncertain: AtomicU64,
}

impl Tally {
    pub(super) fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            sent: read(&self.sent),
            retried: read(&self.retried),
            failed: read(&self.failed),
            uncertain: read(&self.uncertain),
        }
    }
}

/// What the worker's tasks share.
pub(super) struct Work {
    pub ledger: Ledger,
    pub db: PgPool,
    pub clock: Clock,
    pub options: Options,
    pub tally: Arc<Tally>,
}

impl Work {
    /// Sends messages of one channel until told to stop, then finishes what it has begun.
    pub(super) async fn run(
        self: Arc<Self>,
        channel: Arc<Channel>,
        mut queued: watch::Receiver<()>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut under_way = JoinSet::new();
        loop {
            queued.mark_unchanged();
            let free = channel.at_once - under_way.len();
            for claimed in self.claim(&channel, free).await {
                let (work, channel) = (self.clone(), channel.clone());
                under_way.spawn(async move { work.deliver(&channel, claimed).await });
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(ended) = under_way.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(channel = channel.name, %error, "an attempt to send broke off");
                    }
                }
                Ok(()) = queued.changed(), if under_way.len() < channel.at_once => {}
                () = sleep(self.options.tick) => {}
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn claim(&self, channel: &Channel, free: usize) -> Vec<Claimed> {
        if free == 0 {
            return Vec::new();
        }
        let now = self.clock.now();
        let until = now + TimeDelta::from_std(self.options.claim).unwrap_or(TimeDelta::MAX);
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        self.ledger.outbox_claim(channel.name, limit, now, until).await.unwrap_or_else(|error| {
            tracing::warn!(channel = channel.name, %error, "messages can't be claimed");
            Vec::new()
        })
    }

    async fn deliver(&self, channel: &Channel, claimed: Claimed) {
        let outcome = match Envelope::read(&claimed.body) {
            Ok(envelope) => {
                let (id, queued_at, now) = (claimed.id, claimed.created_at, self.clock.now());
                let parcel = Parcel { id, queued_at, now, envelope: &envelope };
                let attempt = timeout(self.options.claim / 2, channel.send(&parcel));
                attempt.await.unwrap_or(Outcome::Unclear("timeout".into()))
            }
            Err(unreadable) => Outcome::Never(unreadable.to_string().into()),
        };
        let patience = &self.options.patience;
        let settled = patience.settle(outcome, &claimed, channel.idempotent(), self.clock.now(), rand::random::<f64>());
        self.tell(channel, &claimed, &settled);
        self.write_down(&claimed, &settled).await;
    }

    fn tell(&self, channel: &Channel, claimed: &Claimed, settled: &Settled) {
        let (message, channel, attempts) = (claimed.id, channel.name, claimed.attempts);
        let counter = match settled {
            Settled::Sent => {
                tracing::debug!(%message, channel, attempts, "sent");
                &self.tally.sent
            }
            Settled::Retry { error, .. } => {
                tracing::info!(%message, channel, attempts, error, "not sent yet");
                &self.tally.retried
            }
            Settled::Failed { error } => {
                tracing::warn!(%message, channel, attempts, error, "not sent");
                &self.tally.failed
            }
            Settled::Uncertain { error } => {
                tracing::warn!(%message, channel, attempts, error, "perhaps not sent");
                &self.tally.uncertain
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Insists: what is not written down is taken for unclear later.
    async fn write_down(&self, claimed: &Claimed, settled: &Settled) {
        for _ in 0..SETTLE_ATTEMPTS {
            match self.ledger.outbox_settle(claimed, settled, self.clock.now()).await {
                Ok(true) => return,
                Ok(false) => {
                    tracing::warn!(message = %claimed.id, "the claim ran out before the message was sent");
                    return;
                }
                Err(_) if self.db.is_closed() => return,
                Err(_) => sleep(Duration::from_secs(1)).await,
            }
        }
        tracing::error!(message = %claimed.id, "what came of a message can't be written down");
    }

    /// Clears up what crashed workers left and what has come too late, and deletes old rows.
    pub(super) async fn clear_up(self: Arc<Self>, idempotent: Vec<&'static str>, mut stop: watch::Receiver<bool>) {
        loop {
            let now = self.clock.now();
            match self.ledger.outbox_recover(&idempotent, now).await {
                Ok(found) => {
                    self.tally.uncertain.fetch_add(found.uncertain, Ordering::Relaxed);
                    self.tally.failed.fetch_add(found.expired, Ordering::Relaxed);
                    if found.uncertain + found.expired > 0 {
                        let (uncertain, expired) = (found.uncertain, found.expired);
                        tracing::warn!(uncertain, expired, "messages were interrupted or came too late");
                    }
                }
                Err(error) => tracing::warn!(%error, "the outbox can't be cleared up"),
            }
            self.purge(now).await;
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = sleep(self.options.clear_up) => {}
            }
        }
    }

    async fn purge(&self, now: DateTime<Utc>) {
        if let Err(error) = self.ledger.outbox_purge(now - KEPT, PURGED_AT_ONCE).await {
            tracing::warn!(%error, "old messages can't be deleted");
        }
    }

    /// Passes on the news of queued messages. Without a connection the tick has to do.
    pub(super) async fn listen(self: Arc<Self>, tell: watch::Sender<()>, mut stop: watch::Receiver<bool>) {
        let news = async {
            loop {
                if let Err(error) = self.follow(&tell).await {
                    tracing::debug!(%error, "listening for new messages was interrupted");
                }
                sleep(self.options.tick).await;
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = news => {}
        }
    }

    async fn follow(&self, tell: &watch::Sender<()>) -> sqlx::Result<()> {
        let mut listener = PgListener::connect_with(&self.db).await?;
        listener.listen(QUEUED).await?;
        loop {
            tell.send_replace(());
            while listener.try_recv().await?.is_some() {
                tell.send_replace(());
            }
        }
    }
}
