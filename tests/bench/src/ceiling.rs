//! What the machine could do: the same inserts in batches over one connection, without lock, checks, sealing or
//! proof. Rows are as wide as the ledger's, on a table with the same columns, indexes and checks.

use crate::measure::load;
use crate::school::{Step, Steps};
use crate::server::Server;
use domain::personal::Sealable;
use sqlx::{Executor, PgPool};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Bytes a sealed segment has beside its plaintext, and a frame beside its segments.
const SEGMENT: usize = 112;
const FRAME: usize = 3;
/// Bytes of a wrapped key.
const WRAPPED: usize = 60;

struct Row {
    kind: &'static str,
    id: String,
    sequence: i64,
    event_type: String,
    payload: String,
    segments: Vec<u8>,
    /// Whose first event it is: a key is stored with it.
    new_subject: Option<Uuid>,
}

/// A task that inserts what it is sent, batch by batch.
pub struct Ceiling {
    queue: mpsc::Sender<(Row, oneshot::Sender<()>)>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Ceiling {
    /// Starts on empty tables.
    pub async fn start(server: &Server) -> anyhow::Result<Self> {
        let pool = server.plain(2).await?;
        pool.execute(
            "DROP SCHEMA IF EXISTS ceiling CASCADE; CREATE SCHEMA ceiling; \
             CREATE TABLE ceiling.event (LIKE ledger.event INCLUDING ALL); \
             CREATE TABLE ceiling.subject_key (LIKE keys.subject_key INCLUDING ALL)",
        )
        .await?;
        let (queue, jobs) = mpsc::channel(1024);
        let task = tokio::spawn(insert(pool, jobs));
        Ok(Self { queue, task })
    }

    /// Events per second with so many clients.
    pub async fn load(self, clients: u64, time: Duration, first: u64) -> anyhow::Result<f64> {
        let queue = self.queue.clone();
        let start = |client| Steps::of(first + client);
        let rate = load(clients, time, start, move |mut steps: Steps| {
            let queue = queue.clone();
            async move {
                let (reply, answer) = oneshot::channel();
                queue.send((Row::of(steps.next())?, reply)).await.map_err(|_| anyhow::anyhow!("the task ended"))?;
                answer.await?;
                Ok(steps)
            }
        })
        .await?;
        drop(self.queue);
        self.task.await??;
        Ok(rate)
    }
}

impl Row {
    fn of(step: Step) -> anyhow::Result<Self> {
        let (id, sequence) = (step.id.clone(), step.sequence as i64);
        let mut event = step.event();
        let (payload, event_type) = (event.payload()?, event.event_type());
        let segments = event.segments();
        let new_subject = segments.first().filter(|_| sequence == 1).map(|segment| segment.subject().0);
        let sizes = segments.iter().map(|segment| segment.plaintext().map_or(0, |plain| plain.len()) + SEGMENT);
        let size = if segments.is_empty() { 0 } else { FRAME + sizes.sum::<usize>() };
        let kind = event.stream_type();
        Ok(Self { kind, id, sequence, event_type, payload, segments: vec![7; size], new_subject })
    }
}

async fn insert(pool: PgPool, mut jobs: mpsc::Receiver<(Row, oneshot::Sender<()>)>) -> anyhow::Result<()> {
    let mut connection = pool.acquire().await?;
    let mut position = 0;
    while let Some(job) = jobs.recv().await {
        let (mut rows, mut replies) = (vec![job.0], vec![job.1]);
        while let Ok((row, reply)) = jobs.try_recv() {
            rows.push(row);
            replies.push(reply);
        }
        let subjects: Vec<Uuid> = rows.iter().filter_map(|row| row.new_subject).collect();
        sqlx::query(
            "WITH keys AS (INSERT INTO ceiling.subject_key (subject, wrapped, created_at) \
                 SELECT k, $9, now() FROM unnest($8::uuid[]) AS k) \
             INSERT INTO ceiling.event (position, stream_type, stream_id, sequence, event_type, event_version, \
                 payload, segments, recorded_at, effective_at, actor, reason, command_id, leaf) \
             SELECT $10 + n, a, b, c, d, 1, e::json, f, now(), now(), \
                 'import:00000000-0000-0000-0000-000000000001', 'school-data', g, $11 \
             FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bytea[], $7::uuid[]) \
                 WITH ORDINALITY AS t (a, b, c, d, e, f, g, n)",
        )
        .bind(rows.iter().map(|row| row.kind).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.sequence).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.event_type.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.payload.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.segments.as_slice()).collect::<Vec<_>>())
        .bind(rows.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>())
        .bind(subjects)
        .bind(vec![7_u8; WRAPPED])
        .bind(position)
        .bind(vec![7_u8; 32])
        .execute(&mut *connection)
        .await?;
        position += rows.len() as i64;
        for reply in replies {
            // A client that stopped waiting needs no answer.
            let _ = reply.send(());
        }
    }
    Ok(())
}
