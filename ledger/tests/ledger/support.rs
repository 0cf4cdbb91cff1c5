//! A small aggregate of the tests' own, with personal data of one and of two people in its events.

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use domain::context::{Actor, Context, Reason};
use domain::ids::{CommandId, SubjectId};
use domain::personal::{Personal, Sealable, Segment};
use ledger::postgres::Role;
use ledger::postgres::testing::{TestDatabase, fresh_database};
use ledger::{AnyEvent, Ledger, MasterKeys};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A club: opened, then joined by members who may bring a friend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Club {
    pub opened: bool,
    pub names: Vec<Option<String>>,
    pub visits: u64,
}

#[derive(Clone, Debug)]
pub enum ClubCommand {
    Open,
    Join { member: SubjectId, name: String },
    Visit,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ClubEvent {
    Opened { number: u32 },
    Joined { name: Personal<String> },
    Introduced { member: Personal<String>, friend: Personal<String> },
    Visited { padding: String },
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ClubError {
    #[error("the club is not open")]
    Closed,
}

impl DomainEvent for ClubEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Opened { .. } => "Opened",
            Self::Joined { .. } => "Joined",
            Self::Introduced { .. } => "Introduced",
            Self::Visited { .. } => "Visited",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Sealable for ClubEvent {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        match self {
            Self::Opened { .. } | Self::Visited { .. } => vec![],
            Self::Joined { name } => vec![name],
            Self::Introduced { member, friend } => vec![member, friend],
        }
    }
}

impl Aggregate for Club {
    const TYPE: &'static str = "club";
    type Command = ClubCommand;
    type Event = ClubEvent;
    type Error = ClubError;
    type Services = ();

    async fn handle(&mut self, command: ClubCommand, (): &(), sink: &EventSink<Self>) -> Result<(), ClubError> {
        let event = match command {
            ClubCommand::Open if self.opened => return Ok(()),
            ClubCommand::Open => ClubEvent::Opened { number: 1 },
            _ if !self.opened => return Err(ClubError::Closed),
            ClubCommand::Join { member, name } => ClubEvent::Joined { name: Personal::new(member, name) },
            ClubCommand::Visit => visited(),
        };
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: ClubEvent) {
        match event {
            ClubEvent::Opened { .. } => self.opened = true,
            ClubEvent::Joined { name } => self.names.push(name.known().cloned()),
            ClubEvent::Introduced { member, friend } => {
                self.names.push(member.known().cloned());
                self.names.push(friend.known().cloned());
            }
            ClubEvent::Visited { .. } => self.visits += 1,
        }
    }
}

impl AnyEvent for ClubEvent {
    fn decode(stream_type: &str, payload: &[u8]) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        match stream_type {
            Club::TYPE => Ok(serde_json::from_slice(payload)?),
            other => Err(format!("no aggregate is called {other}").into()),
        }
    }

    fn event_version(&self) -> String {
        DomainEvent::event_version(self)
    }
}

pub fn visited() -> ClubEvent {
    ClubEvent::Visited { padding: "x".repeat(64) }
}

pub fn joined(member: SubjectId, name: &str) -> ClubEvent {
    ClubEvent::Joined { name: Personal::new(member, name.to_owned()) }
}

pub fn context() -> Context {
    Context {
        command: CommandId(Uuid::new_v4()),
        actor: Actor::Service,
        on_behalf_of: None,
        reason: Reason::Rule,
        reference: None,
        effective_at: micros(Utc::now()),
    }
}

/// PostgreSQL keeps microseconds.
pub fn micros(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.timestamp_micros()).unwrap()
}

pub fn subject() -> SubjectId {
    SubjectId(Uuid::new_v4())
}

pub fn id() -> String {
    Uuid::new_v4().to_string()
}

/// One instance on a database of its own.
pub async fn ledger() -> (Ledger, TestDatabase) {
    let database = fresh_database().await;
    let ledger = instance(&database, MasterKeys::generate().unwrap()).await;
    (ledger, database)
}

/// One more instance on the same database.
pub async fn instance(database: &TestDatabase, keys: MasterKeys) -> Ledger {
    let pool = database.pool(Role::Service, 10).await.unwrap();
    Ledger::open(pool, keys).await.unwrap()
}

/// What the owner of the database may do, for looking behind the ledger's back.
pub async fn owner(database: &TestDatabase) -> sqlx::PgPool {
    database.pool(Role::Owner, 2).await.unwrap()
}
