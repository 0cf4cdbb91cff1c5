//! Reading events: typed, unsealed, in order. An event that can't be decoded is an error that names its position;
//! nothing is ever skipped.

use crate::Ledger;
use crate::error::ReadError;
use crate::record::{AnyEvent, Ciphers, Header, Raw, RecordedEvent, broken, subjects};
use domain::ids::{CommandId, SubjectId};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Encode, Postgres, Row, Type};
use std::collections::HashSet;

/// From so many rows on, decoding leaves the async threads.
const DECODE_BLOCKING_FROM: usize = 64;

pub(crate) const COLUMNS: &str = "e.position, e.stream_type, e.stream_id, e.sequence, e.event_type, \
    e.event_version, e.payload, e.segments, e.recorded_at, e.effective_at, e.actor, e.on_behalf_of, e.reason, \
    e.command_id, e.reference, e.leaf";

impl Ledger {
    /// Up to `limit` events from a position on, in order.
    ///
    /// # Errors
    /// When the database or a key fails, or an event can't be decoded.
    pub async fn read(&self, from: u64, limit: u32) -> Result<Vec<RecordedEvent>, ReadError> {
        self.read_as(from, limit).await
    }

    /// [`Ledger::read`] into a program's own union of events.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub async fn read_as<E: AnyEvent>(&self, from: u64, limit: u32) -> Result<Vec<RecordedEvent<E>>, ReadError> {
        self.page(from, limit.into()).await
    }

    /// All events of one stream from a sequence on, in order.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub async fn read_stream(
        &self,
        stream_type: &str,
        stream_id: &str,
        from: u64,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.read_stream_as(stream_type, stream_id, from).await
    }

    /// [`Ledger::read_stream`] into a program's own union of events.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub async fn read_stream_as<E: AnyEvent>(
        &self,
        stream_type: &str,
        stream_id: &str,
        from: u64,
    ) -> Result<Vec<RecordedEvent<E>>, ReadError> {
        let mut arguments = arguments2(stream_type, stream_id)?;
        arguments.add(clamp(from)).map_err(sqlx::Error::Encode)?;
        let tail = "WHERE e.stream_type = $1 AND e.stream_id = $2 AND e.sequence >= $3 ORDER BY e.sequence";
        self.select(tail, arguments).await
    }

    /// The events at these positions, in order of position; those beyond the end are missing from the answer.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub async fn read_positions(&self, positions: &[u64]) -> Result<Vec<RecordedEvent>, ReadError> {
        self.read_positions_as(positions).await
    }

    /// [`Ledger::read_positions`] into a program's own union of events.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub async fn read_positions_as<E: AnyEvent>(&self, positions: &[u64]) -> Result<Vec<RecordedEvent<E>>, ReadError> {
        let positions: Vec<i64> = positions.iter().map(|position| clamp(*position)).collect();
        self.select("WHERE e.position = ANY($1) ORDER BY e.position", arguments1(positions)?).await
    }

    /// The events of one command, in order: empty when it was never recorded.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub async fn read_by_command(&self, command: CommandId) -> Result<Vec<RecordedEvent>, ReadError> {
        self.read_by_command_as(command).await
    }

    /// [`Ledger::read_by_command`] into a program's own union of events.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub async fn read_by_command_as<E: AnyEvent>(
        &self,
        command: CommandId,
    ) -> Result<Vec<RecordedEvent<E>>, ReadError> {
        self.select("WHERE e.command_id = $1 ORDER BY e.position", arguments1(command.0)?).await
    }

    /// The events of one request, by its incident reference, in order.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub async fn read_by_reference(&self, reference: &str) -> Result<Vec<RecordedEvent>, ReadError> {
        self.read_by_reference_as(reference).await
    }

    /// [`Ledger::read_by_reference`] into a program's own union of events.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub async fn read_by_reference_as<E: AnyEvent>(&self, reference: &str) -> Result<Vec<RecordedEvent<E>>, ReadError> {
        self.select("WHERE e.reference = $1 ORDER BY e.position", arguments1(reference)?).await
    }

    /// What the event at a position is, whether or not it can be decoded; `None` where there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn header(&self, position: u64) -> Result<Option<Header>, ReadError> {
        let found: Option<(String, String)> =
            sqlx::query_as("SELECT stream_type, event_type FROM ledger.event WHERE position = $1")
                .bind(clamp(position))
                .fetch_optional(self.pool())
                .await?;
        Ok(found.map(|(stream_type, event_type)| Header { stream_type, event_type }))
    }

    /// The streams of one type that have events at positions from `from` on and before `to`. Reads every event between:
    /// for whoever follows the ledger closely.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn streams_between(&self, stream_type: &str, from: u64, to: u64) -> Result<Vec<String>, ReadError> {
        let sql =
            "SELECT DISTINCT stream_id FROM ledger.event WHERE position >= $1 AND position < $2 AND stream_type = $3";
        let streams = sqlx::query_scalar(sql).bind(clamp(from)).bind(clamp(to)).bind(stream_type);
        Ok(streams.fetch_all(self.pool()).await?)
    }

    async fn select<E: AnyEvent>(
        &self,
        tail: &str,
        arguments: PgArguments,
    ) -> Result<Vec<RecordedEvent<E>>, ReadError> {
        let rows = sqlx::query_with(&format!("SELECT {COLUMNS} FROM ledger.event e {tail}"), arguments)
            .fetch_all(self.pool())
            .await?;
        self.decode_rows(rows, |raw, upcasters, ciphers| raw.decode(upcasters, ciphers)).await
    }

    /// A page of few events, read by a prepared query.
    pub(crate) async fn few<E: AnyEvent>(&self, from: u64, limit: u64) -> Result<Vec<RecordedEvent<E>>, ReadError> {
        let range = arguments2(clamp(from), clamp(from.saturating_add(limit)))?;
        let events = self.select("WHERE e.position >= $1 AND e.position < $2 ORDER BY e.position", range).await?;
        match events.iter().zip(from..).find(|(event, expected): &(&RecordedEvent<E>, u64)| event.position != *expected)
        {
            Some((event, expected)) => Err(broken(expected, &format!("missing; {} follows", event.position))),
            None => Ok(events),
        }
    }

    /// Decodes rows of [`COLUMNS`], with the keys they need fetched in one query.
    pub(crate) async fn decode_rows<T: Send + 'static>(
        &self,
        rows: Vec<PgRow>,
        decode: impl Fn(&Raw<'_>, &crate::Upcasters, &Ciphers<'_>) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Vec<T>, ReadError> {
        let mut wanted: HashSet<SubjectId> = HashSet::new();
        for row in &rows {
            let raw = raw(row)?;
            for subject in subjects(raw.position, raw.segments)? {
                wanted.insert(subject?);
            }
        }
        let known = self.keys().get(wanted).await?;
        let upcasters = self.upcasters();
        let few = rows.len() < DECODE_BLOCKING_FROM;
        let work = move || {
            let ciphers = Ciphers::new(&known);
            rows.iter().map(|row| decode(&raw(row)?, &upcasters, &ciphers)).collect()
        };
        // Few rows are decoded faster than handed over.
        if few { work() } else { tokio::task::spawn_blocking(work).await.map_err(|_| ReadError::Cancelled)? }
    }
}

/// Borrows the columns of a row.
pub(crate) fn raw(row: &PgRow) -> Result<Raw<'_>, ReadError> {
    let position = row.try_get::<i64, _>(0)? as u64;
    let micros = |time: chrono::DateTime<chrono::Utc>| time.timestamp_micros();
    let payload = row.try_get_raw(6)?.as_bytes().map_err(|error| broken(position, &error))?;
    Ok(Raw {
        position,
        stream_type: row.try_get(1)?,
        stream_id: row.try_get(2)?,
        sequence: row.try_get::<i64, _>(3)? as u64,
        event_type: row.try_get(4)?,
        event_version: row.try_get::<i16, _>(5)? as u16,
        payload,
        segments: row.try_get(7)?,
        recorded_at: micros(row.try_get(8)?),
        effective_at: micros(row.try_get(9)?),
        actor: row.try_get(10)?,
        on_behalf_of: row.try_get(11)?,
        reason: row.try_get(12)?,
        command: row.try_get(13)?,
        reference: row.try_get(14)?,
        leaf: row.try_get(15)?,
    })
}

/// PostgreSQL's bigint ends where ours has half its range: no event lies beyond.
fn clamp(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

fn arguments1<'q, T: Encode<'q, Postgres> + Type<Postgres> + 'q>(value: T) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    arguments.add(value).map_err(sqlx::Error::Encode)?;
    Ok(arguments)
}

fn arguments2<'q, T: Encode<'q, Postgres> + Type<Postgres> + 'q>(a: T, b: T) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = arguments1(a)?;
    arguments.add(b).map_err(sqlx::Error::Encode)?;
    Ok(arguments)
}
