//! Loading aggregates and carrying out commands.

use crate::error::{AppendError, ExecuteError, ReadError};
use crate::reader::COLUMNS;
use crate::store::{LedgerStore, Loaded};
use crate::{Appended, Ledger, Unit};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use domain::context::Context;
use domain::personal::Sealable;
use std::collections::HashMap;

/// How often a command is decided anew after someone else was faster.
const ATTEMPTS: u32 = 8;
/// Fewer ids are looked up by a statement that stays prepared.
const FEW: usize = 8;

impl Ledger {
    /// Loads one aggregate.
    ///
    /// # Errors
    /// When the database or a key fails, or an event can't be decoded.
    pub async fn load<A>(&self, id: &str) -> Result<Loaded<A>, ReadError>
    where
        A: Aggregate,
        A::Event: Sealable,
    {
        LedgerStore::<A>::new(self.clone()).load(id).await
    }

    /// Loads many aggregates in one query. Each id asked for is in the answer; at version 0 if it does not exist.
    ///
    /// # Errors
    /// As [`Ledger::load`].
    pub async fn load_many<A>(&self, ids: &[String]) -> Result<HashMap<String, Loaded<A>>, ReadError>
    where
        A: Aggregate,
        A::Event: Sealable + 'static,
    {
        let mut loaded: HashMap<String, Loaded<A>> =
            ids.iter().map(|id| (id.clone(), Loaded { id: id.clone(), version: 0, aggregate: A::default() })).collect();
        let distinct: Vec<&str> = loaded.keys().map(String::as_str).collect();
        // LATERAL with OFFSET keeps it a look-up by index for each id, however many there are.
        // A statement prepared while the ledger was small would keep the plan of then, which reads the whole table for
        // each id, until the table is next analysed; many ids are worth a plan of their own.
        let few = distinct.len() < FEW;
        let rows = sqlx::query(&format!(
            "SELECT {COLUMNS} FROM unnest($2::text[]) AS wanted (id) CROSS JOIN LATERAL \
             (SELECT * FROM ledger.event WHERE stream_type = $1 AND stream_id = wanted.id ORDER BY sequence OFFSET 0) e"
        ))
        .bind(A::TYPE)
        .bind(distinct)
        .persistent(few)
        .fetch_all(self.pool())
        .await?;
        let events =
            self.decode_rows(rows, |raw, upcasters, ciphers| raw.decode_of::<A::Event>(upcasters, ciphers)).await?;
        for recorded in events {
            if let Some(loaded) = loaded.get_mut(&recorded.stream_id) {
                // Within a stream the subquery's order holds; checked, since everything depends on it.
                if recorded.sequence != loaded.version + 1 {
                    let reason = format!("sequence {} follows {}", recorded.sequence, loaded.version);
                    return Err(ReadError::Event { position: recorded.position, reason });
                }
                loaded.version = recorded.sequence;
                loaded.aggregate.apply(recorded.event);
            }
        }
        Ok(loaded)
    }

    /// Carries out one command on one aggregate: load, decide, append; decided anew a few times when someone else
    /// appended in between.
    ///
    /// # Errors
    /// The aggregate's refusal, or what kept its events from being recorded.
    pub async fn execute<A>(
        &self,
        id: &str,
        command: A::Command,
        context: &Context,
    ) -> Result<Appended, ExecuteError<A::Error>>
    where
        A: Aggregate<Services = ()>,
        A::Command: Clone,
        A::Event: Sealable,
    {
        let mut attempt = 1;
        loop {
            let Loaded { version, mut aggregate, .. } = self.load::<A>(id).await?;
            let sink = EventSink::default();
            aggregate.handle(command.clone(), &(), &sink).await.map_err(ExecuteError::Refused)?;
            let unit = Unit::new(context.clone()).stream::<A>(id, version, sink.collect().await);
            match self.append(unit).await {
                Err(AppendError::Conflict { .. }) if attempt < ATTEMPTS => attempt += 1,
                result => return Ok(result?),
            }
        }
    }
}
