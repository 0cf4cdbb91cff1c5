//! Reading, page by page on an index, the latest first.

use super::Kind;
use crate::leaf::Hash;
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Whose accesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// All.
    Everyone,
    /// Those that concern an account, a pupil or a guardian record.
    Person(Uuid),
    /// Those by an actor, as [`domain::context::Actor`] prints.
    Actor(String),
}

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose.
    pub of: Of,
    /// Of which kinds; empty: of all.
    pub kinds: Vec<Kind>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Not at or after.
    pub to: Option<DateTime<Utc>>,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// Entries at most.
    pub limit: u32,
}

impl Wanted {
    /// Who, other than its holder, has seen this person's data.
    pub fn seen(person: Uuid, limit: u32) -> Self {
        Self { kinds: Kind::SEEN.to_vec(), ..Self::all(Of::Person(person), limit) }
    }

    /// All accesses.
    pub fn all(of: Of, limit: u32) -> Self {
        Self { of, kinds: Vec::new(), from: None, to: None, after: None, limit }
    }
}

/// Where a page ended: the next one begins behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    at: DateTime<Utc>,
    id: Uuid,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.timestamp_micros(), self.id)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('.');
        let read = parts.and_then(|(at, id)| {
            Some(Self { at: DateTime::from_timestamp_micros(at.parse().ok()?)?, id: id.parse().ok()? })
        });
        read.ok_or_else(|| "this is no place in the access log; give `after` as the page before gave it".to_owned())
    }
}

/// An access as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Stored {
    /// When.
    pub at: DateTime<Utc>,
    /// Which.
    pub id: Uuid,
    /// [`Kind::as_str`].
    pub kind: String,
    /// Method of a sign-in, grant of a token, name of a query.
    pub what: String,
    /// `success`, or one word on why not.
    pub outcome: String,
    /// Who.
    pub actor: Option<String>,
    /// The person asked about, or the first of those concerned.
    pub subject: Option<Uuid>,
    /// How many people it concerned.
    pub concerned: i32,
    /// Relying party of a token.
    pub relying_party: Option<Uuid>,
    /// Keyed hash of the network it came from.
    pub origin: Option<Hash>,
    /// Incident reference, without dashes.
    pub reference: Option<String>,
    /// What for.
    pub purpose: Option<String>,
    /// What was asked.
    pub filter: Option<String>,
    /// Results; of a gap, how many accesses are missing.
    pub results: Option<i64>,
    /// SHA-256 of what was handed out.
    pub export_hash: Option<Hash>,
    /// The second person.
    pub approved_by: Option<String>,
}

impl Stored {
    /// Where it stands, for the next page.
    pub fn cursor(&self) -> Cursor {
        Cursor { at: self.at, id: self.id }
    }
}

/// One page, the latest first. What the background writer still holds is not in it.
///
/// # Errors
/// When the database fails.
pub async fn read(pool: &PgPool, wanted: &Wanted) -> sqlx::Result<Vec<Stored>> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT at, id, kind, what, outcome, actor, subject, concerned, relying_party, origin, reference, purpose, \
                filter, results, export_hash, approved_by FROM access.entry WHERE ",
    );
    // In the words of the indexes' conditions, so that the planner sees them.
    match &wanted.of {
        Of::Everyone => query.push("ordinal = 0"),
        Of::Person(person) => query.push("subject = ").push_bind(*person),
        Of::Actor(actor) => query.push("ordinal = 0 AND actor = ").push_bind(actor),
    };
    if !wanted.kinds.is_empty() {
        let words: Vec<String> = wanted.kinds.iter().map(|kind| format!("'{}'", kind.as_str())).collect();
        query.push(format!(" AND kind IN ({})", words.join(", ")));
    }
    if let Some(from) = wanted.from {
        query.push(" AND at >= ").push_bind(from);
    }
    if let Some(to) = wanted.to {
        query.push(" AND at < ").push_bind(to);
    }
    if let Some(Cursor { at, id }) = wanted.after {
        query.push(" AND (at, id) < (").push_bind(at).push(", ").push_bind(id).push(")");
    }
    query.push(" ORDER BY at DESC, id DESC LIMIT ").push_bind(i64::from(wanted.limit));
    query.build_query_as().fetch_all(pool).await
}

/// Everybody whom one access concerned, in the order of their ids; at most `limit`, after `after`.
///
/// # Errors
/// When the database fails.
pub async fn concerned(pool: &PgPool, access: Cursor, after: Option<Uuid>, limit: u32) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "SELECT subject FROM access.entry WHERE at = $1 AND id = $2 AND subject IS NOT NULL \
         AND ($3::uuid IS NULL OR subject > $3) ORDER BY ordinal LIMIT $4",
    )
    .bind(access.at)
    .bind(access.id)
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await
}
