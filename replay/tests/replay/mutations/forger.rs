//! Someone who owns the database, has switched its guards off and knows how leaves and trees are made.

use ledger::leaf::{Entry, Hash, NO_LEAF};
use ledger::merkle::Frontier;
use ledger::postgres::Role;
use ledger::postgres::testing::TestDatabase;
use sqlx::{PgPool, Row};
use std::collections::HashMap;
use uuid::Uuid;

/// The columns that are tampered with and put back.
const TABLES: [&str; 5] = ["ledger.event", "ledger.head", "keys.subject_key", "ledger.tile", "ledger.checkpoint"];

pub struct Forger {
    pub owner: PgPool,
}

impl Forger {
    /// Keeps a copy of everything as it is, and switches the guards off.
    pub async fn new(database: &TestDatabase) -> Self {
        let forger = Self { owner: database.pool(Role::Owner, 1).await.unwrap() };
        for table in TABLES {
            let copy = table.replace('.', "_");
            forger.run(&format!("CREATE TABLE public.{copy} AS TABLE {table}")).await;
            forger.run(&format!("ALTER TABLE {table} DISABLE TRIGGER ALL")).await;
        }
        forger
    }

    pub async fn run(&self, sql: &str) -> u64 {
        let done = sqlx::raw_sql(sql).execute(&self.owner).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected()
    }

    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.owner).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Puts everything back.
    pub async fn restore(&self) {
        for table in TABLES {
            let copy = table.replace('.', "_");
            self.run(&format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM public.{copy}")).await;
        }
    }

    /// Gives every event of a closed interval of positions another position.
    pub async fn shift(&self, from: i64, by: i64) {
        // In two steps: a primary key is checked row by row.
        let far = 1_000_000;
        self.run(&format!("UPDATE ledger.event SET position = position + {far} WHERE position >= {from}")).await;
        self.run(&format!("UPDATE ledger.event SET position = position - {far} + {by} WHERE position >= {far}")).await;
    }

    /// Makes every leaf, and the head, fit the rows again: what only something kept elsewhere can find out.
    pub async fn rewrite(&self) {
        let rows = sqlx::query(
            "SELECT position, stream_type, stream_id, sequence, event_type, event_version, payload::text, segments, \
             (extract(epoch FROM recorded_at) * 1000000)::bigint, \
             (extract(epoch FROM effective_at) * 1000000)::bigint, actor, on_behalf_of, reason, command_id, reference \
             FROM ledger.event ORDER BY position",
        )
        .fetch_all(&self.owner)
        .await
        .unwrap();
        let mut tips: HashMap<(String, String), Hash> = HashMap::new();
        let mut tree = Frontier::default();
        for row in &rows {
            let stream: (String, String) = (row.get(1), row.get(2));
            let (payload, frame): (String, Vec<u8>) = (row.get(6), row.get(7));
            let segments = segments(&frame);
            let entry = Entry {
                recorded_at: row.get(8),
                previous: tips.get(&stream).copied().unwrap_or(NO_LEAF),
                sequence: row.get::<i64, _>(3) as u64,
                effective_at: row.get(9),
                command: row.get(13),
                event_version: row.get::<i16, _>(5) as u16,
                payload: payload.as_bytes(),
                stream_type: &stream.0,
                stream_id: &stream.1,
                event_type: row.get(4),
                actor: row.get(10),
                on_behalf_of: row.get(11),
                reason: row.get(12),
                reference: row.get(14),
                segments: &segments,
            };
            let leaf = entry.leaf();
            let position: i64 = row.get(0);
            let update =
                format!("UPDATE ledger.event SET leaf = '\\x{}' WHERE position = {position}", hex::encode(leaf));
            self.run(&update).await;
            tips.insert(stream, leaf);
            tree.push(leaf);
        }
        let (size, root, frontier) = (tree.size(), hex::encode(tree.root()), hex::encode(tree.to_bytes()));
        let head = format!("UPDATE ledger.head SET size = {size}, root = '\\x{root}', frontier = '\\x{frontier}'");
        self.run(&head).await;
    }
}

/// Subjects and commitments of a frame, by its documentation.
fn segments(frame: &[u8]) -> Vec<(Uuid, Hash)> {
    let mut found = Vec::new();
    let Some((_, mut rest)) = frame.split_at_checked(3) else { return found };
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[60..64].try_into().unwrap()) as usize;
        found.push((Uuid::from_slice(&rest[..16]).unwrap(), rest[16..48].try_into().unwrap()));
        rest = &rest[64 + length..];
    }
    found
}

/// SQL that flips a bit of a byte of a column.
pub fn flip(column: &str, byte: usize) -> String {
    format!("{column} = set_byte({column}, {byte}, get_byte({column}, {byte}) # 1)")
}
