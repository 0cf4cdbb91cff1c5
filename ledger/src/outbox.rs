//! Messages to send, written in the transaction of the events that cause them.
//!
//! ```text
//!              claim                    delivered
//!   pending ──────────▶ sending ─────────────────────▶ sent
//!      ▲                 │ │ │
//!      ├─────────────────┘ │ └── given up, or too late ▶ failed
//!      │  refused for now, │
//!      │  or crash on an   └── crash, or no clear answer ▶ uncertain
//!      │  idempotent channel
//! ```
//!
//! A message found `sending` after its worker's claim has run out may have gone out or not. Only a channel that
//! drops repeats by message id may be tried again; on any other it becomes `uncertain`, and a person decides.
//! The body is dropped as soon as the message's fate is settled.

use crate::Ledger;
use crate::error::ReadError;
use chrono::{DateTime, Utc};
use uuid::Uuid;
use zeroize::Zeroizing;

/// A message claimed for delivery: nobody else has it until the claim runs out. No `Debug`.
pub struct Claimed {
    /// Its id: the idempotency key to give to a channel that knows such.
    pub id: Uuid,
    /// `sms`, `mail`, ….
    pub channel: String,
    /// What was queued, in clear.
    pub body: Zeroizing<Vec<u8>>,
    /// The command that queued it.
    pub command: Uuid,
    /// How often it was claimed, this time included.
    pub attempts: u32,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
}

/// What came of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The channel took it.
    Sent,
    /// Surely not sent; to be tried again at this time.
    Retry {
        /// When.
        at: DateTime<Utc>,
        /// A short word on why, without personal data.
        error: String,
    },
    /// Surely not sent, and never will be.
    Failed {
        /// A short word on why, without personal data.
        error: String,
    },
    /// It may have gone out: never tried again by itself.
    Uncertain {
        /// A short word on why, without personal data.
        error: String,
    },
}

/// How many messages a look at abandoned claims has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Back to pending, on idempotent channels.
    pub pending: u64,
    /// Now uncertain.
    pub uncertain: u64,
    /// Pending ones whose time was over.
    pub expired: u64,
}

/// What a message's body is sealed under.
pub(crate) fn context(id: Uuid) -> String {
    format!("outbox/{id}")
}

impl Ledger {
    /// Claims up to `limit` due messages of a channel until `until`, oldest first. One whose body does not open is
    /// settled as failed and left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_claim(
        &self,
        channel: &str,
        limit: u32,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<Claimed>, ReadError> {
        type Row = (Uuid, String, Vec<u8>, Uuid, i32, DateTime<Utc>);
        let mut rows: Vec<Row> = sqlx::query_as(
            "UPDATE outbox.message SET status = 'sending', attempts = attempts + 1, claimed_until = $4 \
             WHERE id IN (SELECT id FROM outbox.message WHERE channel = $1 AND status = 'pending' \
             AND not_before <= $3 AND (not_after IS NULL OR not_after > $3) ORDER BY not_before LIMIT $2 \
             FOR UPDATE SKIP LOCKED) RETURNING id, channel, body, command_id, attempts, created_at",
        )
        .bind(channel)
        .bind(i64::from(limit))
        .bind(now)
        .bind(until)
        .fetch_all(self.pool())
        .await?;
        rows.sort_by_key(|row| row.5);
        let mut messages = Vec::with_capacity(rows.len());
        for (id, channel, body, command, attempts, created_at) in rows {
            let opened = self.master().open_secret(&context(id), &body);
            let readable = opened.is_ok();
            let body = opened.unwrap_or_default();
            let claimed = Claimed { id, channel, body, command, attempts: attempts as u32, created_at };
            if readable {
                messages.push(claimed);
            } else {
                // It will not open another time either, and must not keep the others back.
                tracing::error!(%id, %command, "the body of a message does not open: it will not be sent");
                let failed = Delivery::Failed { error: "unreadable".to_owned() };
                if let Err(error) = self.outbox_settle(&claimed, &failed, now).await {
                    // Dealt with once the claim has run out; what was claimed with it can still go.
                    tracing::error!(%id, %error, "a message that does not open could not be settled");
                }
            }
        }
        Ok(messages)
    }

    /// Settles a claimed message. False when the claim was lost meanwhile: it had run out and was recovered.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_settle(
        &self,
        claimed: &Claimed,
        delivery: &Delivery,
        now: DateTime<Utc>,
    ) -> Result<bool, ReadError> {
        let (status, retry_at, error) = match delivery {
            Delivery::Sent => ("sent", None, None),
            Delivery::Retry { at, error } => ("pending", Some(*at), Some(error)),
            Delivery::Failed { error } => ("failed", None, Some(error)),
            Delivery::Uncertain { error } => ("uncertain", None, Some(error)),
        };
        // `attempts` tells this claim from a later one of the same message.
        let updated = sqlx::query(
            "UPDATE outbox.message SET status = $3::outbox.status, not_before = coalesce($4, not_before), \
             last_error = $5, claimed_until = NULL, body = CASE WHEN $4 IS NULL THEN NULL ELSE body END, \
             settled_at = CASE WHEN $4 IS NULL THEN $6 END \
             WHERE id = $1 AND attempts = $2 AND status = 'sending'",
        )
        .bind(claimed.id)
        .bind(claimed.attempts as i32)
        .bind(status)
        .bind(retry_at)
        .bind(error)
        .bind(now)
        .execute(self.pool())
        .await?;
        Ok(updated.rows_affected() == 1)
    }

    /// Deals with what crashed workers left behind, and with messages whose time is over. `idempotent` names the
    /// channels that drop repeats by message id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_recover(&self, idempotent: &[&str], now: DateTime<Utc>) -> Result<Recovered, ReadError> {
        let (pending, uncertain, expired): (i64, i64, i64) = sqlx::query_as(
            "WITH lost AS (SELECT id, channel = ANY($1) AS again FROM outbox.message \
                            WHERE status = 'sending' AND claimed_until <= $2 FOR UPDATE SKIP LOCKED), \
             pending AS (UPDATE outbox.message m SET status = 'pending', claimed_until = NULL \
                           FROM lost WHERE m.id = lost.id AND lost.again RETURNING 1), \
             uncertain AS (UPDATE outbox.message m SET status = 'uncertain', claimed_until = NULL, body = NULL, \
                                  last_error = 'interrupted', settled_at = $2 \
                             FROM lost WHERE m.id = lost.id AND NOT lost.again RETURNING 1), \
             late AS (SELECT id FROM outbox.message WHERE status = 'pending' AND not_after <= $2 \
                       FOR UPDATE SKIP LOCKED), \
             expired AS (UPDATE outbox.message m SET status = 'failed', body = NULL, last_error = 'too late', \
                                settled_at = $2 FROM late WHERE m.id = late.id RETURNING 1) \
             SELECT (SELECT count(*) FROM pending), (SELECT count(*) FROM uncertain), \
                    (SELECT count(*) FROM expired)",
        )
        .bind(idempotent)
        .bind(now)
        .fetch_one(self.pool())
        .await?;
        Ok(Recovered { pending: pending as u64, uncertain: uncertain as u64, expired: expired as u64 })
    }

    /// Deletes at most `limit` messages settled before `before`; how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_purge(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, ReadError> {
        let deleted = sqlx::query(
            "DELETE FROM outbox.message WHERE id IN (SELECT id FROM outbox.message WHERE settled_at < $1 \
             ORDER BY settled_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .bind(before)
        .bind(i64::from(limit))
        .execute(self.pool())
        .await?;
        Ok(deleted.rows_affected())
    }
}
