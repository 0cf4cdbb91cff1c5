//! What came of one attempt, and what follows from it.

use chrono::{DateTime, TimeDelta, Utc};
use ledger::outbox::{Claimed, Delivery};
use std::borrow::Cow;
use std::time::Duration;

/// A short word on why, without personal data: what servers say may quote an address, so only their codes are kept.
pub(super) type Why = Cow<'static, str>;

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The channel took the message.
    Accepted,
    /// It certainly did not, and may later.
    NotNow(Why),
    /// It certainly did not, and never will.
    Never(Why),
    /// Nobody knows: the answer to the last word is missing.
    Unclear(Why),
}

/// When to try again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before the second attempt; doubled before each further one.
    pub first: Duration,
    /// Longest wait between two attempts.
    pub longest: Duration,
    /// A message older than this is given up.
    pub give_up: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            longest: Duration::from_secs(300),
            give_up: Duration::from_secs(24 * 3600),
        }
    }
}

impl Patience {
    /// The wait after this many attempts, `spread` (0 to 1) of its second half: those who failed together must not
    /// come back together.
    pub(super) fn wait(&self, attempts: u32, spread: f64) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(self.longest).mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0)
    }

    /// The outbox's next state. `idempotent`: the channel drops repeats by message id.
    pub(super) fn settle(
        &self,
        outcome: Outcome,
        claimed: &Claimed,
        idempotent: bool,
        now: DateTime<Utc>,
        spread: f64,
    ) -> Delivery {
        let error = match outcome {
            Outcome::Accepted => return Delivery::Sent,
            Outcome::Never(why) => return Delivery::Failed { error: why.into_owned() },
            Outcome::Unclear(why) if !idempotent => return Delivery::Uncertain { error: why.into_owned() },
            Outcome::Unclear(why) | Outcome::NotNow(why) => why.into_owned(),
        };
        let wait = TimeDelta::from_std(self.wait(claimed.attempts, spread)).unwrap_or(TimeDelta::MAX);
        let give_up = TimeDelta::from_std(self.give_up).unwrap_or(TimeDelta::MAX);
        match now.checked_add_signed(wait) {
            Some(at) if at - claimed.created_at < give_up => Delivery::Retry { at, error },
            _ => Delivery::Failed { error: format!("given up: {error}") },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;
    use zeroize::Zeroizing;

    fn claimed(attempts: u32, created_at: DateTime<Utc>) -> Claimed {
        let body = Zeroizing::new(Vec::new());
        Claimed { id: Uuid::nil(), channel: "sms".into(), body, command: Uuid::nil(), attempts, created_at }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_spread_over_their_second_half() {
        let patience = Patience::default();
        let waits: Vec<u64> = (1..=10).map(|attempts| patience.wait(attempts, 1.0).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(patience.wait(1, 0.0), Duration::from_secs(1));
        assert_eq!(patience.wait(u32::MAX, 0.5), Duration::from_secs(225));
    }

    #[test]
    fn only_what_is_surely_not_sent_or_dropped_as_a_repeat_is_tried_again() {
        let patience = Patience::default();
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(365);
        let fresh = claimed(1, now);
        let settle = |outcome: Outcome, idempotent| patience.settle(outcome, &fresh, idempotent, now, 1.0);
        let why = || Why::from("why");
        let again = Delivery::Retry { at: now + TimeDelta::seconds(2), error: "why".into() };
        for idempotent in [false, true] {
            assert_eq!(settle(Outcome::Accepted, idempotent), Delivery::Sent);
            assert_eq!(settle(Outcome::Never(why()), idempotent), Delivery::Failed { error: "why".into() });
            assert_eq!(settle(Outcome::NotNow(why()), idempotent), again);
        }
        assert_eq!(settle(Outcome::Unclear(why()), true), again);
        assert_eq!(settle(Outcome::Unclear(why()), false), Delivery::Uncertain { error: "why".into() });
        let old = claimed(20, now - TimeDelta::hours(24));
        let given_up = patience.settle(Outcome::NotNow(why()), &old, false, now, 1.0);
        assert_eq!(given_up, Delivery::Failed { error: "given up: why".into() });
    }
}
