//! The ledger as a cqrs-es `EventStore`: reads go through postgres-es, commits through the writer.

use crate::error::{AppendError, ReadError};
use crate::record::{Ciphers, broken, refuse_newer, reveal, subjects};
use crate::seal::Place;
use crate::unit::{Unit, parse_version};
use crate::{Appended, Ledger};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use cqrs_es::persist::{PersistedEventRepository, PersistenceError, SerializedEvent};
use cqrs_es::{Aggregate, AggregateContext, AggregateError, DomainEvent, EventEnvelope, EventStore};
use domain::context::Context;
use domain::personal::Sealable;
use postgres_es::PostgresEventRepository;
use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;

/// An aggregate's state and the version it was read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<A> {
    /// Which aggregate.
    pub id: String,
    /// Number of its events; 0 when it does not exist yet.
    pub version: u64,
    /// What they make of it.
    pub aggregate: A,
}

impl<A: Aggregate> AggregateContext<A> for Loaded<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.aggregate
    }
}

/// One aggregate type's view of the ledger, for cqrs-es's `CqrsFramework`.
pub struct LedgerStore<A> {
    ledger: Ledger,
    repository: PostgresEventRepository,
    aggregate: PhantomData<fn() -> A>,
}

impl<A> LedgerStore<A>
where
    A: Aggregate,
    A::Event: Sealable,
{
    /// A store over this ledger.
    pub fn new(ledger: Ledger) -> Self {
        // The ledger keeps no snapshots, so the second table is never asked for.
        let repository = PostgresEventRepository::new(ledger.pool().clone()).with_tables("ledger.events", "-");
        Self { ledger, repository, aggregate: PhantomData }
    }

    /// Loads one aggregate.
    pub(crate) async fn load(&self, id: &str) -> Result<Loaded<A>, ReadError> {
        let mut loaded = Loaded { id: id.to_owned(), version: 0, aggregate: A::default() };
        for envelope in self.envelopes(id).await? {
            loaded.version = envelope.sequence as u64;
            loaded.aggregate.apply(envelope.payload);
        }
        Ok(loaded)
    }

    async fn envelopes(&self, id: &str) -> Result<Vec<EventEnvelope<A>>, ReadError> {
        let rows = self.repository.get_events::<A>(id).await.map_err(persistence)?;
        let mut read = Vec::with_capacity(rows.len());
        let mut wanted = HashSet::new();
        for row in rows {
            let mut metadata: HashMap<String, String> =
                serde_json::from_value(row.metadata.clone()).map_err(|error| broken(0, &error))?;
            let position = metadata.get("position").and_then(|text| text.parse().ok()).unwrap_or_default();
            let frame = metadata.remove("segments").unwrap_or_default();
            let frame = BASE64.decode(frame).map_err(|error| broken(position, &error))?;
            for subject in subjects(position, &frame)? {
                wanted.insert(subject?);
            }
            read.push((row, metadata, frame, position));
        }
        let known = self.ledger.keys().get(wanted).await?;
        let ciphers = Ciphers::new(&known);
        read.into_iter()
            .map(|(row, metadata, frame, position)| {
                self.envelope(row, metadata, &frame, &ciphers).map_err(|reason| ReadError::Event { position, reason })
            })
            .collect()
    }

    fn envelope(
        &self,
        row: SerializedEvent,
        metadata: HashMap<String, String>,
        frame: &[u8],
        ciphers: &Ciphers<'_>,
    ) -> Result<EventEnvelope<A>, String> {
        let version = parse_version(&row.event_version).ok_or("its version is no number")?;
        let upcasters = self.ledger.upcasters();
        let is_old = upcasters.wants(A::TYPE, &row.event_type, version);
        let payload = upcasters.apply(A::TYPE, &row.event_type, version, row.payload);
        let mut event: A::Event = serde_json::from_value(payload).map_err(|error| error.to_string())?;
        if !is_old {
            refuse_newer(version, || event.event_version())?;
        }
        let place = Place {
            stream_type: A::TYPE,
            stream_id: &row.aggregate_id,
            sequence: row.sequence as u64,
            event_type: &row.event_type,
        };
        reveal(&mut event, place, frame, ciphers)?;
        Ok(EventEnvelope { aggregate_id: row.aggregate_id, sequence: row.sequence, payload: event, metadata })
    }
}

impl<A> EventStore<A> for LedgerStore<A>
where
    A: Aggregate,
    A::Event: Sealable,
{
    type AC = Loaded<A>;

    async fn load_events(&self, id: &str) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        self.envelopes(id).await.map_err(read_error)
    }

    async fn load_aggregate(&self, id: &str) -> Result<Loaded<A>, AggregateError<A::Error>> {
        self.load(id).await.map_err(read_error)
    }

    /// The metadata must be the [`circumstances`] of a command: the ledger records nothing without them.
    async fn commit(
        &self,
        events: Vec<A::Event>,
        loaded: Loaded<A>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let context = context(&metadata).map_err(|missing| {
            AggregateError::UnexpectedError(
                format!("metadata `{missing}` is missing or malformed; pass ledger::circumstances(&context)").into(),
            )
        })?;
        let unit = Unit::new(context).stream::<A>(&loaded.id, loaded.version, events.clone());
        let Appended { first, .. } = self.ledger.append(unit).await.map_err(append_error)?;
        let envelopes = events.into_iter().zip(0u64..).map(|(payload, n)| {
            let mut metadata = metadata.clone();
            metadata.insert("position".to_owned(), (first + n).to_string());
            let sequence = (loaded.version + 1 + n) as usize;
            EventEnvelope { aggregate_id: loaded.id.clone(), sequence, payload, metadata }
        });
        Ok(envelopes.collect())
    }
}

/// A command's circumstances as cqrs-es metadata, for `CqrsFramework::execute_with_metadata`.
pub fn circumstances(context: &Context) -> HashMap<String, String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let behalf = context.on_behalf_of.as_ref().map(ToString::to_string);
    [
        ("actor", context.actor.to_string()),
        ("on_behalf_of", text(&behalf)),
        ("reason", context.reason.as_str().to_owned()),
        ("command_id", context.command.to_string()),
        ("reference", text(&context.reference)),
        ("effective_at", context.effective_at.timestamp_micros().to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// The way back from [`circumstances`]; on failure, the name of the first entry at fault.
fn context(metadata: &HashMap<String, String>) -> Result<Context, &'static str> {
    let get = |key: &'static str| metadata.get(key).map(String::as_str).ok_or(key);
    let behalf = metadata.get("on_behalf_of").filter(|text| !text.is_empty());
    let micros = get("effective_at")?.parse().map_err(|_| "effective_at")?;
    Ok(Context {
        command: get("command_id")?.parse().map_err(|_| "command_id")?,
        actor: get("actor")?.parse().map_err(|_| "actor")?,
        on_behalf_of: behalf.map(|text| text.parse()).transpose().map_err(|_| "on_behalf_of")?,
        reason: get("reason")?.parse().map_err(|_| "reason")?,
        reference: metadata.get("reference").filter(|text| !text.is_empty()).cloned(),
        effective_at: DateTime::<Utc>::from_timestamp_micros(micros).ok_or("effective_at")?,
    })
}

fn persistence(error: PersistenceError) -> ReadError {
    match error {
        PersistenceError::ConnectionError(error) | PersistenceError::UnknownError(error) => {
            ReadError::Database(sqlx::Error::Io(std::io::Error::other(error)))
        }
        error => ReadError::Database(sqlx::Error::Decode(error.into())),
    }
}

fn read_error<E: std::error::Error>(error: ReadError) -> AggregateError<E> {
    match error {
        ReadError::Database(error) => AggregateError::DatabaseConnectionError(error.into()),
        error @ (ReadError::Event { .. } | ReadError::Seal(_)) => AggregateError::DeserializationError(error.into()),
        error @ (ReadError::Head(_) | ReadError::Cancelled) => AggregateError::UnexpectedError(error.into()),
    }
}

fn append_error<E: std::error::Error>(error: AppendError) -> AggregateError<E> {
    match error {
        AppendError::Conflict { .. } => AggregateError::AggregateConflict,
        AppendError::Database(_) | AppendError::Closed => AggregateError::DatabaseConnectionError(error.into()),
        AppendError::Reserved { .. }
        | AppendError::Erased(_)
        | AppendError::Invalid { .. }
        | AppendError::Unconfirmed(_)
        | AppendError::Seal(_) => AggregateError::UnexpectedError(error.into()),
    }
}
