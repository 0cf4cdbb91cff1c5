//! `matricule outbox`: what waits, and what was not sent.
//!
//! There is no sending again by hand: the words of a message are dropped with its fate, as they hold codes. Whoever
//! waits for one asks for another.

use super::{Global, attach};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use ledger::postgres::Role;
use sqlx::PgPool;
use uuid::Uuid;

/// List messages that were not sent, or perhaps not, newest first.
#[derive(Debug, Args)]
pub struct Outbox {
    /// As many as this
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    last: u32,
}

#[derive(sqlx::FromRow)]
struct Unsent {
    id: Uuid,
    channel: String,
    status: String,
    attempts: i32,
    last_error: Option<String>,
    command_id: Uuid,
    settled_at: DateTime<Utc>,
}

impl Outbox {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let config = global.load()?;
        let database = attach(&config).await?;
        let db = database.pool(Role::Service, 1).await?;
        let shown = self.show(&db).await;
        db.close().await;
        database.close().await;
        shown
    }

    async fn show(&self, db: &PgPool) -> anyhow::Result<()> {
        let waiting: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT channel, count(*), count(last_error) FROM outbox.message WHERE status IN ('pending', 'sending') \
             GROUP BY channel ORDER BY channel",
        )
        .fetch_all(db)
        .await?;
        for (channel, count, put_off) in waiting {
            println!("{channel}: {count} waiting, of which {put_off} after a failed attempt");
        }
        let unsent: Vec<Unsent> = sqlx::query_as(
            "SELECT id, channel, status::text, attempts, last_error, command_id, settled_at FROM outbox.message \
             WHERE status IN ('failed', 'uncertain') AND settled_at IS NOT NULL ORDER BY settled_at DESC LIMIT $1",
        )
        .bind(i64::from(self.last))
        .fetch_all(db)
        .await?;
        if unsent.is_empty() {
            println!("No message failed.");
        }
        for message in unsent {
            println!(
                "{}  {:<4} {:<9}  {} attempts  {}\n    message {}  command {}",
                message.settled_at.to_rfc3339_opts(SecondsFormat::Secs, true),
                message.channel,
                message.status,
                message.attempts,
                message.last_error.as_deref().unwrap_or("-"),
                message.id,
                message.command_id,
            );
        }
        Ok(())
    }
}
