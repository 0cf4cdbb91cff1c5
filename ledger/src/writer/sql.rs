//! The writer's two statements: what it must know before deciding a batch, and the batch itself.

use super::plan::{KeyState, Plan, ReservationKey, StreamKey, Tip};
use crate::prepare::{OutboxRow, Prepared, VaultRow};
use crate::tail;
use chrono::{DateTime, Utc};
use domain::ids::SubjectId;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, Encode, PgConnection, Postgres, Row, Type};
use std::collections::HashSet;
use std::fmt::Write;
use uuid::Uuid;

/// What a batch touches and is not known yet.
#[derive(Default)]
pub(crate) struct Wanted {
    pub streams: Vec<StreamKey>,
    pub reservations: Vec<ReservationKey>,
    pub keys: Vec<SubjectId>,
}

/// LATERAL with LIMIT keeps every look-up an index look-up, whatever the planner believes of the tables' sizes.
const PREFETCH: &str = "
SELECT 0::smallint AS what, s.n - 1 AS n, e.sequence AS number, e.leaf AS bytes, NULL::text AS text
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS s (kind, id, n)
 CROSS JOIN LATERAL (SELECT sequence, leaf FROM ledger.event
                      WHERE stream_type = s.kind AND stream_id = s.id ORDER BY sequence DESC LIMIT 1) e
UNION ALL
SELECT 1::smallint, r.n - 1, NULL::bigint, NULL::bytea, x.owner
  FROM unnest($3::text[], $4::bytea[]) WITH ORDINALITY AS r (kind, hash, n)
 CROSS JOIN LATERAL (SELECT owner FROM ledger.reservation WHERE kind = r.kind AND hash = r.hash LIMIT 1) x
UNION ALL
SELECT 2::smallint, k.n - 1, (x.wrapped IS NOT NULL)::int::bigint, NULL::bytea, NULL::text
  FROM unnest($5::uuid[]) WITH ORDINALITY AS k (subject, n)
 CROSS JOIN LATERAL (SELECT wrapped FROM keys.subject_key WHERE subject = k.subject LIMIT 1) x";

impl Wanted {
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.reservations.is_empty() && self.keys.is_empty()
    }

    /// Asks the database, in one round trip, and puts the answers into the plan.
    pub(crate) async fn fetch(&self, connection: &mut PgConnection, plan: &mut Plan) -> Result<(), sqlx::Error> {
        let kinds: Vec<&str> = self.streams.iter().map(|(kind, _)| *kind).collect();
        let ids: Vec<&str> = self.streams.iter().map(|(_, id)| id.as_str()).collect();
        let reservation_kinds: Vec<&str> = self.reservations.iter().map(|(kind, _)| kind.as_str()).collect();
        let hashes: Vec<&[u8]> = self.reservations.iter().map(|(_, hash)| hash.as_slice()).collect();
        let subjects: Vec<Uuid> = self.keys.iter().map(|subject| subject.0).collect();
        let rows = sqlx::query(PREFETCH)
            .bind(kinds)
            .bind(ids)
            .bind(reservation_kinds)
            .bind(hashes)
            .bind(subjects)
            .fetch_all(connection)
            .await?;
        for row in rows {
            let n = row.try_get::<i64, _>(1)? as usize;
            match row.try_get::<i16, _>(0)? {
                0 => {
                    let tip = Tip { version: row.try_get::<i64, _>(2)? as u64, leaf: row.try_get(3)? };
                    plan.streams.insert(self.streams[n].clone(), tip);
                }
                1 => {
                    plan.reservations.insert(self.reservations[n].clone(), Some(row.try_get(4)?));
                }
                _ => {
                    let stored = row.try_get::<i64, _>(2)? == 1;
                    plan.keys.insert(self.keys[n], if stored { KeyState::Stored } else { KeyState::Destroyed });
                }
            }
        }
        Ok(())
    }
}

/// SQL text with its arguments numbered as they are bound.
struct Statement {
    sql: String,
    arguments: PgArguments,
}

impl Statement {
    fn bind<'q, T: Encode<'q, Postgres> + Type<Postgres> + 'q>(&mut self, value: T) -> Result<usize, sqlx::Error> {
        self.arguments.add(value).map_err(sqlx::Error::Encode)?;
        Ok(self.arguments.len())
    }
}

/// Writes the admitted units and the new head in one statement, which does nothing at all when the head is no
/// longer at the revision that the plan was made on. Says whether it wrote.
pub(crate) async fn write(
    connection: &mut PgConnection,
    plan: &Plan,
    first: u64,
    units: &[&Prepared],
) -> Result<bool, sqlx::Error> {
    let mut statement = Statement { sql: String::with_capacity(4096), arguments: PgArguments::default() };
    let recorded_at = DateTime::from_timestamp_micros(plan.recorded_at).unwrap_or(DateTime::<Utc>::MAX_UTC);
    statement.bind(plan.head.revision)?;
    statement.bind(plan.head.size() as i64)?;
    statement.bind(plan.head.frontier.root())?;
    statement.bind(plan.head.frontier.to_bytes())?;
    // The head remembers the time of the last event, so a batch without events leaves it alone.
    let head_time = if plan.leaves.is_empty() { plan.head.recorded_at } else { plan.recorded_at };
    statement.bind(DateTime::from_timestamp_micros(head_time).unwrap_or(DateTime::<Utc>::MAX_UTC))?;
    statement.bind(recorded_at)?;
    statement.sql.push_str(
        "WITH head AS (UPDATE ledger.head SET revision = revision + 1, size = $2, root = $3, frontier = $4, \
         recorded_at = $5 WHERE revision = $1 RETURNING $6::timestamptz AS now)",
    );
    if !plan.leaves.is_empty() {
        events(&mut statement, plan, first, units)?;
    }
    let erased: HashSet<SubjectId> = units.iter().flat_map(|unit| unit.unit.erase.iter().copied()).collect();
    keys(&mut statement, units, &erased)?;
    reservations(&mut statement, plan)?;
    vault(&mut statement, units)?;
    outbox(&mut statement, units)?;
    let _ = write!(statement.sql, " SELECT pg_notify('{}', $2::text)", tail::GROWN); // writing to a String can't fail
    if !erased.is_empty() {
        let erased: Vec<Uuid> = erased.into_iter().map(|subject| subject.0).collect();
        let n = statement.bind(erased)?;
        let _ = write!(
            statement.sql,
            ", (SELECT count(pg_notify('{}', s::text)) FROM unnest(${n}::uuid[]) s)",
            tail::ERASED
        );
    }
    statement.sql.push_str(" FROM head");
    let rows = sqlx::query_with(&statement.sql, statement.arguments).fetch_all(connection).await?;
    Ok(!rows.is_empty())
}

fn events(statement: &mut Statement, plan: &Plan, first: u64, units: &[&Prepared]) -> Result<(), sqlx::Error> {
    let count = plan.leaves.len();
    macro_rules! columns {
        ($($name:ident: $type:ty),* $(,)?) => { $(let mut $name: Vec<$type> = Vec::with_capacity(count);)* };
    }
    columns! {
        kinds: &str, ids: &str, sequences: i64, types: &str, versions: i16, payloads: &str, segments: &[u8],
        effective: DateTime<Utc>, actors: &str, behalf: Option<&str>, reasons: &str, commands: Uuid,
        references: Option<&str>,
    }
    for prepared in units {
        let context = &prepared.unit.context;
        let mut sealed = prepared.events.iter();
        for change in &prepared.unit.streams {
            for ((event, sequence), sealed) in change.events.iter().zip(change.expected + 1..).zip(sealed.by_ref()) {
                kinds.push(change.stream_type);
                ids.push(&change.stream_id);
                sequences.push(sequence as i64);
                types.push(&event.event_type);
                versions.push(event.event_version as i16);
                payloads.push(&event.payload);
                segments.push(&sealed.segments);
                effective.push(context.effective_at);
                actors.push(&prepared.actor);
                behalf.push(prepared.on_behalf_of.as_deref());
                reasons.push(context.reason.as_str());
                commands.push(context.command.0);
                references.push(context.reference.as_deref());
            }
        }
    }
    let base = statement.bind(first as i64)?;
    let n = statement.bind(kinds)?;
    statement.bind(ids)?;
    statement.bind(sequences)?;
    statement.bind(types)?;
    statement.bind(versions)?;
    statement.bind(payloads)?;
    statement.bind(segments)?;
    statement.bind(effective)?;
    statement.bind(actors)?;
    statement.bind(behalf)?;
    statement.bind(reasons)?;
    statement.bind(commands)?;
    statement.bind(references)?;
    let last = statement.bind(&plan.leaves)?;
    debug_assert_eq!(last, n + 13, "one argument per unnested column");
    insert_events(statement, base, n);
    Ok(())
}

/// The SQL of the events: their first position is argument `base`, and their columns begin at argument `n`.
fn insert_events(statement: &mut Statement, base: usize, n: usize) {
    let _ = write!(
        statement.sql,
        ", events AS (INSERT INTO ledger.event (position, stream_type, stream_id, sequence, event_type, \
         event_version, payload, segments, recorded_at, effective_at, actor, on_behalf_of, reason, command_id, \
         reference, leaf) SELECT ${base} + e.n - 1, e.a, e.b, e.c, e.d, e.e, e.f::json, e.g, head.now, e.h, e.i, \
         e.j, e.k, e.l, e.m, e.o FROM head, unnest(${}::text[], ${}::text[], ${}::bigint[], ${}::text[], \
         ${}::smallint[], ${}::text[], ${}::bytea[], ${}::timestamptz[], ${}::text[], ${}::text[], ${}::text[], \
         ${}::uuid[], ${}::text[], ${}::bytea[]) WITH ORDINALITY AS e (a, b, c, d, e, f, g, h, i, j, k, l, m, o, n))",
        n,
        n + 1,
        n + 2,
        n + 3,
        n + 4,
        n + 5,
        n + 6,
        n + 7,
        n + 8,
        n + 9,
        n + 10,
        n + 11,
        n + 12,
        n + 13,
    );
}

fn keys(statement: &mut Statement, units: &[&Prepared], erased: &HashSet<SubjectId>) -> Result<(), sqlx::Error> {
    let new: Vec<_> =
        units.iter().flat_map(|unit| &unit.new_keys).filter(|new| !erased.contains(&new.subject)).collect();
    if !new.is_empty() {
        let subjects: Vec<Uuid> = new.iter().map(|new| new.subject.0).collect();
        let wrapped: Vec<&[u8]> = new.iter().map(|new| new.wrapped.as_slice()).collect();
        let (a, b) = (statement.bind(subjects)?, statement.bind(wrapped)?);
        let _ = write!(
            statement.sql,
            ", new_keys AS (INSERT INTO keys.subject_key (subject, wrapped, created_at) \
             SELECT k.s, k.w, head.now FROM head, unnest(${a}::uuid[], ${b}::bytea[]) AS k (s, w))",
        );
    }
    if !erased.is_empty() {
        let subjects: Vec<Uuid> = erased.iter().map(|subject| subject.0).collect();
        let a = statement.bind(subjects)?;
        let _ = write!(
            statement.sql,
            ", erased AS (INSERT INTO keys.subject_key AS old (subject, wrapped, created_at, destroyed_at) \
             SELECT s, NULL, head.now, head.now FROM head, unnest(${a}::uuid[]) s ON CONFLICT (subject) \
             DO UPDATE SET wrapped = NULL, destroyed_at = coalesce(old.destroyed_at, excluded.destroyed_at))",
        );
    }
    Ok(())
}

fn reservations(statement: &mut Statement, plan: &Plan) -> Result<(), sqlx::Error> {
    let (mut claim_kinds, mut claim_hashes, mut owners) = (Vec::new(), Vec::new(), Vec::new());
    let (mut release_kinds, mut release_hashes) = (Vec::new(), Vec::new());
    for key in &plan.changed {
        match plan.reservations.get(key).and_then(Option::as_ref) {
            Some(owner) => {
                claim_kinds.push(key.0.as_str());
                claim_hashes.push(key.1.as_slice());
                owners.push(owner.as_str());
            }
            None => {
                release_kinds.push(key.0.as_str());
                release_hashes.push(key.1.as_slice());
            }
        }
    }
    if !owners.is_empty() {
        let (a, b, c) = (statement.bind(claim_kinds)?, statement.bind(claim_hashes)?, statement.bind(owners)?);
        let _ = write!(
            statement.sql,
            ", claimed AS (INSERT INTO ledger.reservation (kind, hash, owner) SELECT r.k, r.h, r.o \
             FROM head, unnest(${a}::text[], ${b}::bytea[], ${c}::text[]) AS r (k, h, o) \
             ON CONFLICT (kind, hash) DO UPDATE SET owner = excluded.owner)",
        );
    }
    if !release_kinds.is_empty() {
        let (a, b) = (statement.bind(release_kinds)?, statement.bind(release_hashes)?);
        let _ = write!(
            statement.sql,
            ", released AS (DELETE FROM ledger.reservation x USING head, unnest(${a}::text[], ${b}::bytea[]) \
             AS r (k, h) WHERE x.kind = r.k AND x.hash = r.h)",
        );
    }
    Ok(())
}

fn vault(statement: &mut Statement, units: &[&Prepared]) -> Result<(), sqlx::Error> {
    let (mut ids, mut kinds, mut bodies, mut expiries) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut deleted = Vec::new();
    for row in units.iter().flat_map(|unit| &unit.vault) {
        match row {
            VaultRow::Put { id, kind, body, expires_at } => {
                ids.push(id.0);
                kinds.push(*kind);
                bodies.push(body.as_slice());
                expiries.push(*expires_at);
            }
            VaultRow::Delete(id) => deleted.push(id.0),
        }
    }
    if !ids.is_empty() {
        let (a, b) = (statement.bind(ids)?, statement.bind(kinds)?);
        let (c, d) = (statement.bind(bodies)?, statement.bind(expiries)?);
        let _ = write!(
            statement.sql,
            ", vaulted AS (INSERT INTO vault.secret (id, kind, body, expires_at, created_at) SELECT v.*, head.now \
             FROM head, unnest(${a}::uuid[], ${b}::text[], ${c}::bytea[], ${d}::timestamptz[]) AS v \
             ON CONFLICT (id) DO NOTHING)",
        );
    }
    if !deleted.is_empty() {
        let a = statement.bind(deleted)?;
        let _ = write!(
            statement.sql,
            ", unvaulted AS (DELETE FROM vault.secret x USING head WHERE x.id = ANY(${a}::uuid[]))",
        );
    }
    Ok(())
}

fn outbox(statement: &mut Statement, units: &[&Prepared]) -> Result<(), sqlx::Error> {
    let rows: Vec<(&OutboxRow, Uuid)> =
        units.iter().flat_map(|unit| unit.outbox.iter().map(|row| (row, unit.unit.context.command.0))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let a = statement.bind(rows.iter().map(|(row, _)| row.id).collect::<Vec<_>>())?;
    let b = statement.bind(rows.iter().map(|(row, _)| row.channel).collect::<Vec<_>>())?;
    let c = statement.bind(rows.iter().map(|(row, _)| row.body.as_slice()).collect::<Vec<_>>())?;
    let d = statement.bind(rows.iter().map(|(_, command)| *command).collect::<Vec<_>>())?;
    let e = statement.bind(rows.iter().map(|(row, _)| row.not_before).collect::<Vec<_>>())?;
    let f = statement.bind(rows.iter().map(|(row, _)| row.not_after).collect::<Vec<_>>())?;
    let _ = write!(
        statement.sql,
        ", queued AS (INSERT INTO outbox.message (id, channel, body, command_id, not_before, not_after, created_at) \
         SELECT m.*, head.now FROM head, unnest(${a}::uuid[], ${b}::text[], ${c}::bytea[], ${d}::uuid[], \
         ${e}::timestamptz[], ${f}::timestamptz[]) AS m ON CONFLICT (id) DO NOTHING)",
    );
    let replaced: Vec<Uuid> = rows.iter().filter_map(|(row, _)| row.replaces).collect();
    if !replaced.is_empty() {
        let a = statement.bind(replaced)?;
        let _ = write!(
            statement.sql,
            ", replaced AS (DELETE FROM outbox.message x USING head \
             WHERE x.id = ANY(${a}::uuid[]) AND x.status = 'pending')",
        );
    }
    Ok(())
}
