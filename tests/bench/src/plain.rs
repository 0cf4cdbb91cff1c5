//! Plain postgres-es: its own schema, its own repository, one transaction per append.

use crate::school::{Fact, PlainAccount, PlainGuardian, PlainPupil, Step};
use cqrs_es::persist::{PersistedEventRepository, SerializedEvent};
use cqrs_es::{Aggregate, DomainEvent, EventEnvelope};
use domain::Event;
use postgres_es::PostgresEventRepository;
use sqlx::{Executor, PgPool};

/// The table as postgres-es's `db/init.sql` prescribes it.
pub async fn create(pool: &PgPool, table: &str) -> anyhow::Result<()> {
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {table} (
             aggregate_type text                         NOT NULL,
             aggregate_id   text                         NOT NULL,
             sequence       bigint CHECK (sequence >= 0) NOT NULL,
             event_type     text                         NOT NULL,
             event_version  text                         NOT NULL,
             payload        json                         NOT NULL,
             metadata       json                         NOT NULL,
             PRIMARY KEY (aggregate_type, aggregate_id, sequence)
         )"
    );
    pool.execute(create.as_str()).await?;
    Ok(())
}

/// One event with the same header as the ledger's, as cqrs-es metadata.
fn serialize<A: Aggregate>(id: String, sequence: u64, payload: A::Event) -> anyhow::Result<SerializedEvent> {
    let mut metadata = ledger::circumstances(&crate::school::context());
    metadata.retain(|_, value| !value.is_empty());
    metadata.insert("recorded_at".to_owned(), chrono::Utc::now().timestamp_micros().to_string());
    let envelope = EventEnvelope::<A> { aggregate_id: id, sequence: sequence as usize, payload, metadata };
    Ok(SerializedEvent::try_from(&envelope)?)
}

fn serialized(step: Step) -> anyhow::Result<SerializedEvent> {
    let Step { id, sequence, fact } = step;
    match fact {
        Fact::Pupil(fact) => serialize::<PlainPupil>(id, sequence, fact),
        Fact::Guardian(fact) => serialize::<PlainGuardian>(id, sequence, fact),
        Fact::Account(fact) => serialize::<PlainAccount>(id, sequence, fact),
    }
}

/// Appends one event the way postgres-es does it.
pub async fn append(repository: &PostgresEventRepository, step: Step) -> anyhow::Result<()> {
    let event = [serialized(step)?];
    match event[0].aggregate_type.as_str() {
        PlainPupil::TYPE => repository.persist::<PlainPupil>(&event, None).await?,
        PlainGuardian::TYPE => repository.persist::<PlainGuardian>(&event, None).await?,
        _ => repository.persist::<PlainAccount>(&event, None).await?,
    }
    Ok(())
}

/// Stores many events in one statement: to have something to replay, not to be measured.
pub async fn store(pool: &PgPool, table: &str, steps: impl IntoIterator<Item = Step>) -> anyhow::Result<()> {
    let events: Vec<SerializedEvent> = steps.into_iter().map(serialized).collect::<Result<_, _>>()?;
    let column = |of: fn(&SerializedEvent) -> String| events.iter().map(of).collect::<Vec<_>>();
    sqlx::query(&format!(
        "INSERT INTO {table} SELECT a, b, c, d, e, f::json, g::json FROM unnest($1::text[], $2::text[], \
         $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[]) AS t (a, b, c, d, e, f, g)"
    ))
    .bind(column(|event| event.aggregate_type.clone()))
    .bind(column(|event| event.aggregate_id.clone()))
    .bind(events.iter().map(|event| event.sequence as i64).collect::<Vec<_>>())
    .bind(column(|event| event.event_type.clone()))
    .bind(column(|event| event.event_version.clone()))
    .bind(column(|event| event.payload.to_string()))
    .bind(column(|event| event.metadata.to_string()))
    .execute(pool)
    .await?;
    Ok(())
}

/// Reads every event of the three aggregates by `stream_all_events`, typed; calls `each` with it.
pub async fn replay(pool: &PgPool, mut each: impl FnMut(&str, Event)) -> anyhow::Result<u64> {
    let repository = PostgresEventRepository::new(pool.clone());
    let mut read = stream::<PlainGuardian>(&repository, &mut each, |fact| Event::Guardian(fact.into())).await?;
    read += stream::<PlainPupil>(&repository, &mut each, |fact| Event::Pupil(fact.into())).await?;
    read += stream::<PlainAccount>(&repository, &mut each, |fact| Event::Account(fact.into())).await?;
    Ok(read)
}

async fn stream<A: Aggregate>(
    repository: &PostgresEventRepository,
    each: &mut impl FnMut(&str, Event),
    event: impl Fn(A::Event) -> Event,
) -> anyhow::Result<u64>
where
    A::Event: DomainEvent,
{
    let mut read = 0;
    let mut stream = repository.stream_all_events::<A>().await?;
    while let Some(envelope) = stream.next::<A>(&[]).await {
        let envelope = envelope?;
        each(&envelope.aggregate_id, event(envelope.payload));
        read += 1;
    }
    Ok(read)
}
