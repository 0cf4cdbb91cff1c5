//! Delivery over a real database, a real mail server and a stand-in for an SMS gateway.

mod crash;
mod gateway;
mod inbox;
mod mail;
mod mail_server;
mod sms;

use super::{Delivery, Envelope, Message, OneTimeCode, Options, Patience, Recipient};
use crate::clock::Clock;
use crate::config::Config;
use crate::pages::Language;
use chrono::{DateTime, Utc};
use domain::context::{Actor, Context, Reason};
use domain::ids::CommandId;
use ledger::postgres::Role;
use ledger::postgres::testing::{TestDatabase, fresh_database};
use ledger::{Ledger, MasterKeys, Unit};
use sqlx::PgPool;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// A database with an outbox, and as many workers as a test starts.
struct World {
    ledger: Ledger,
    db: PgPool,
    clock: Clock,
    config: Config,
    options: Options,
    _database: TestDatabase,
}

/// A message's row.
#[derive(Debug, sqlx::FromRow)]
struct Row {
    status: String,
    attempts: i32,
    last_error: Option<String>,
    has_body: bool,
}

impl World {
    async fn new(change: impl FnOnce(&mut Config)) -> Self {
        let database = fresh_database().await;
        let db = database.pool(Role::Service, 6).await.expect("a pool");
        let clock = Clock::default();
        let time = clock.clone();
        let options = ledger::Options { clock: Arc::new(move || time.now()), ..ledger::Options::default() };
        let keys = MasterKeys::generate().expect("random bytes");
        let ledger = Ledger::open_with(db.clone(), keys, options).await.expect("the ledger opens");
        let mut config = Config::default();
        change(&mut config);
        let patience = Patience {
            first: Duration::from_millis(20),
            longest: Duration::from_millis(200),
            give_up: Duration::from_secs(3600),
        };
        let options = Options {
            tick: Duration::from_millis(20),
            clear_up: Duration::from_millis(50),
            claim: Duration::from_secs(120),
            patience,
        };
        Self { ledger, db, clock, config, options, _database: database }
    }

    /// A worker, as one instance of the service has it.
    fn worker(&self) -> Delivery {
        Delivery::start(&self.config, &self.ledger, &self.db, &self.clock, self.options).expect("the worker starts")
    }

    async fn queue(&self, to: Recipient) -> Uuid {
        self.queue_until(to, None).await
    }

    async fn queue_until(&self, to: Recipient, not_after: Option<DateTime<Utc>>) -> Uuid {
        let id = Uuid::now_v7();
        let message = Message::Code { code: OneTimeCode::new("402913"), minutes: 30 };
        let envelope = Envelope { to, language: Language::French, message };
        let context = Context {
            command: CommandId(Uuid::now_v7()),
            actor: Actor::Service,
            on_behalf_of: None,
            reason: Reason::OwnRequest,
            reference: None,
            effective_at: self.clock.now(),
        };
        let row = envelope.queued(id, self.clock.now(), not_after, None);
        self.ledger.append(Unit::new(context).outbox(row)).await.expect("the message is queued");
        id
    }

    async fn row(&self, id: Uuid) -> Row {
        sqlx::query_as(
            "SELECT status::text, attempts, last_error, body IS NOT NULL AS has_body FROM outbox.message WHERE id = $1",
        )
        .bind(id)
        .fetch_one(&self.db)
        .await
        .expect("the message's row")
    }

    /// Waits until the row is as wanted.
    async fn until(&self, id: Uuid, wanted: impl Fn(&Row) -> bool) -> Row {
        let start = Instant::now();
        loop {
            let row = self.row(id).await;
            if wanted(&row) {
                return row;
            }
            assert!(start.elapsed() < DEADLINE, "the message stays {row:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the message's fate is settled, and sees that the body is gone.
    async fn settled(&self, id: Uuid) -> Row {
        let row = self.until(id, |row| !matches!(row.status.as_str(), "pending" | "sending")).await;
        assert!(!row.has_body, "the body must be gone: {row:?}");
        row
    }
}

fn mobile() -> Recipient {
    Recipient::Mobile("+33639980123".parse().expect("a number"))
}

fn mail(address: &str) -> Recipient {
    Recipient::Mail(address.parse().expect("an address"))
}
