//! The rounds, at their times, and what is told of them.

use super::Settings;
use super::signer::{Round, Signer};
use super::trouble::Trouble;
use crate::Ledger;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

/// A standing alert is logged again after so long.
const REMIND: Duration = Duration::from_secs(60);
/// After a round without all cosignatures and the timestamp, the next comes so soon even if nothing is appended.
const UNFINISHED: Duration = Duration::from_secs(31);
/// After trouble, so many times the usual pause.
const REST: u32 = 5;

/// How checkpoints fare, for supervisors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// In a word.
    pub state: State,
    /// Number of leaves of the checkpoint this instance published last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_at: Option<DateTime<Utc>>,
    /// What stands against signing or publishing, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// Witnesses that have not cosigned, and what they said.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub witnesses: BTreeMap<String, String>,
}

/// How checkpoints fare, in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// This instance does not sign.
    Off,
    /// No round has ended yet, or nothing has been recorded.
    #[default]
    Waiting,
    /// Another instance signs.
    Standby,
    /// The last checkpoint is published.
    Signing,
    /// The tree does not extend the kept checkpoint.
    Refused,
    /// Something else stands against it.
    Failing,
}

/// Keeps checkpoints coming until it is stopped.
pub struct Checkpoints {
    health: watch::Receiver<Health>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Checkpoints {
    /// Starts the rounds: one at once, then one whenever something was appended, at most every [`Settings::every`].
    ///
    /// # Errors
    /// The HTTP client for witnesses and timestamps can't be made.
    pub fn start(ledger: Ledger, settings: Settings) -> Result<Self, Trouble> {
        let (told, health) = watch::channel(Health::default());
        let (stop, stopped) = watch::channel(false);
        let every = settings.every;
        let signer = Signer::new(ledger.clone(), settings)?;
        let rounds = Rounds { ledger, signer, told, every, next: Next::Now, alerted: None };
        Ok(Self { health, stop, task: tokio::spawn(rounds.run(stopped)) })
    }

    /// Watches how they fare.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Lets a running round end, and lets another instance sign.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        // Had it panicked, the panic has been reported.
        let _ = self.task.await;
    }
}

/// When the next round is due.
#[derive(Clone, Copy)]
enum Next {
    Now,
    /// Once the ledger has more events than this.
    Beyond(u64),
    /// The same, and at this time in any case.
    BeyondOrAt(u64, Instant),
    At(Instant),
}

struct Rounds {
    ledger: Ledger,
    signer: Signer,
    told: watch::Sender<Health>,
    every: Duration,
    next: Next,
    alerted: Option<(String, Instant)>,
}

impl Rounds {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopped.changed() => break,
                _ = ticks.tick() => {}
            }
            if self.is_due() {
                // Not cancelled by a stop: a round has an end.
                let round = self.signer.round().await;
                self.settle(round);
            }
        }
        self.signer.give_up_turn().await;
    }

    fn is_due(&self) -> bool {
        let now = Instant::now();
        match self.next {
            Next::Now => true,
            Next::Beyond(size) => self.ledger.size() > size,
            Next::BeyondOrAt(size, time) => self.ledger.size() > size || now >= time,
            Next::At(time) => now >= time,
        }
    }

    fn settle(&mut self, round: Result<Round, Trouble>) {
        let later = Instant::now() + self.every * REST;
        let mut health = self.told.borrow().clone();
        (health.alert, health.witnesses) = (None, BTreeMap::new());
        match round {
            Ok(Round::Standby) => {
                health.state = State::Standby;
                self.next = Next::At(later);
            }
            Ok(Round::Empty) => {
                health.state = State::Waiting;
                self.next = Next::Beyond(0);
            }
            Ok(Round::Published { size, complete, failures }) => {
                health.state = State::Signing;
                health.size = Some(size);
                health.published_at = Some(self.ledger.now());
                health.witnesses = failures;
                // A witness that failed is asked again even if nothing is appended.
                self.next =
                    if complete { Next::Beyond(size) } else { Next::BeyondOrAt(size, Instant::now() + UNFINISHED) };
            }
            Err(trouble) => {
                let refused = matches!(trouble, Trouble::Refused(_));
                health.state = if refused { State::Refused } else { State::Failing };
                health.alert = Some(trouble.public());
                self.next = Next::At(later);
                self.alert(&trouble);
            }
        }
        if health.alert.is_none() && self.alerted.take().is_some() {
            tracing::info!("checkpoints are signed and published again");
        }
        self.told.send_replace(health);
    }

    /// Logged when it is new, and again from time to time.
    fn alert(&mut self, trouble: &Trouble) {
        let text = trouble.to_string();
        let known = self.alerted.as_ref().is_some_and(|(known, at)| *known == text && at.elapsed() < REMIND);
        if !known {
            tracing::error!(alert = "checkpoint", "NO CHECKPOINT: {text}");
            self.alerted = Some((text, Instant::now()));
        }
    }
}
