//! The demo's inbox: messages end up on a page instead of on phones. The newest are kept.

use super::outcome::Outcome;
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

/// As many messages are kept.
const KEPT: i64 = 200;

/// Puts messages on the page.
pub(super) struct Inbox {
    pub db: PgPool,
}

/// A message as it would have been sent.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct DemoMessage {
    pub id: Uuid,
    pub channel: String,
    pub recipient: String,
    pub language: String,
    pub subject: Option<String>,
    pub body: String,
    pub sent_at: DateTime<Utc>,
}

impl Inbox {
    /// One attempt; repeats are dropped by the message's id.
    pub(super) async fn put(&self, message: &DemoMessage) -> Outcome {
        match self.try_put(message).await {
            Ok(()) => Outcome::Accepted,
            Err(_) => Outcome::Unclear("database".into()),
        }
    }

    async fn try_put(&self, message: &DemoMessage) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO service.demo_message (id, channel, recipient, language, subject, body, sent_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
        )
        .bind(message.id)
        .bind(&message.channel)
        .bind(&message.recipient)
        .bind(&message.language)
        .bind(&message.subject)
        .bind(&message.body)
        .bind(message.sent_at)
        .execute(&self.db)
        .await?;
        sqlx::query(
            "DELETE FROM service.demo_message WHERE number <= \
             (SELECT number FROM service.demo_message ORDER BY number DESC OFFSET $1 LIMIT 1)",
        )
        .bind(KEPT)
        .execute(&self.db)
        .await?;
        Ok(())
    }
}

/// All that are kept, newest first.
pub(super) async fn messages(db: &PgPool) -> sqlx::Result<Vec<DemoMessage>> {
    sqlx::query_as(
        "SELECT id, channel, recipient, language, subject, body, sent_at FROM service.demo_message \
         ORDER BY number DESC",
    )
    .fetch_all(db)
    .await
}
