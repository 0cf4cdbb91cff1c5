//! Refresh tokens (RFC 6749 §6, RFC 9700 §4.14): families that begin with a sign-in and go on by rotation.
//!
//! ```text
//!  sign-in ──▶ generation 0 ──use──▶ 1 ──use──▶ 2 ──▶ …        absolute end, whatever the use
//!                    │                │
//!                    │ again, within the grace: the same answer, nothing moves
//!                    │ again, later: somebody else has it ──▶ the whole family is revoked
//! ```
//!
//! A family ends with the account, with the password it began under, and – unless the person has agreed to a service
//! that stays connected (`offline_access`) – with the session.

use super::requested::Requested;
use aws_lc_rs::constant_time;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{AccountId, LinkId, RelyingPartyId, SecretId};
use ledger::Ledger;
use sqlx::PgPool;
use sqlx::types::Json;
use std::collections::BTreeSet;
use uuid::Uuid;

const FAMILY: usize = 16;
const GENERATION: usize = 4;
const TAG: usize = 32;

/// How families end.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first token on.
    pub lifetime: TimeDelta,
    /// Without use.
    pub idle: TimeDelta,
    /// For a client that lost an answer.
    pub grace: TimeDelta,
    /// Whether each use makes another token. FAPI 2.0 (§5.3.2.1) has none made: there the key that the client
    /// authenticates with, and the one that its access tokens are bound to, protect the refresh token.
    pub rotate: bool,
}

/// A family about to begin.
pub struct Opening<'a> {
    /// Its name, and that of the first access token.
    pub id: Uuid,
    /// Who holds its tokens.
    pub client: RelyingPartyId,
    /// Whose sign-in.
    pub account: AccountId,
    /// Under which password.
    pub credential: SecretId,
    /// By which upstream identity.
    pub link: Option<LinkId>,
    /// In which session.
    pub session: Uuid,
    /// Whether it outlives the session.
    pub offline: bool,
    /// What was granted.
    pub scope: &'a str,
    /// When the person signed in.
    pub authenticated_at: DateTime<Utc>,
    /// How.
    pub method: &'static str,
    /// With what besides.
    pub second: Option<&'static str>,
    /// The key it is bound to.
    pub jkt: Option<&'a str>,
    /// Claims asked for by name.
    pub claims: &'a Requested,
}

/// A refresh token that was good.
#[derive(Debug)]
pub struct Refreshed {
    /// The family.
    pub id: Uuid,
    /// The token to use next.
    pub next: String,
    /// What was granted at the beginning.
    pub scopes: BTreeSet<String>,
    /// Claims asked for by name at the beginning.
    pub claims: Requested,
}

/// Why a refresh token is refused. The client learns only `invalid_grant`.
#[derive(Debug, thiserror::Error)]
pub enum NotRefreshed {
    /// Not made here for this client.
    #[error("no refresh token of this client")]
    Unknown,
    /// Its family has ended.
    #[error("the family has ended")]
    Ended,
    /// It was used before: the family is revoked now.
    #[error("refresh token used before")]
    Reused,
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// What a family was granted at its beginning.
type Kept = (String, Option<Json<Requested>>);

/// The token of a generation.
fn token(ledger: &Ledger, client: RelyingPartyId, family: Uuid, generation: u32) -> String {
    let mut bytes = Vec::with_capacity(FAMILY + GENERATION + TAG);
    bytes.extend_from_slice(family.as_bytes());
    bytes.extend_from_slice(&generation.to_be_bytes());
    bytes.extend_from_slice(&tag(ledger, client, family, generation));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whoever can't compute it can't make a token: the key is the ledger's own.
fn tag(ledger: &Ledger, client: RelyingPartyId, family: Uuid, generation: u32) -> [u8; TAG] {
    ledger.lookup_hash("refresh-token", &format!("{family}|{generation}|{client}"))
}

/// The family and generation of a token made here for this client.
pub fn read(ledger: &Ledger, client: RelyingPartyId, token: &str) -> Option<(Uuid, u32)> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|bytes| bytes.len() == FAMILY + GENERATION + TAG)?;
    let (family, rest) = bytes.split_at(FAMILY);
    let (generation, given) = rest.split_at(GENERATION);
    let (family, generation) = (Uuid::from_slice(family).ok()?, u32::from_be_bytes(generation.try_into().ok()?));
    constant_time::verify_slices_are_equal(given, &tag(ledger, client, family, generation)).ok()?;
    Some((family, generation))
}

/// Begins a family; its first token. One bound to a session ends with it at the latest.
///
/// # Errors
/// When the database fails.
pub async fn begin(
    db: &PgPool,
    ledger: &Ledger,
    new: &Opening<'_>,
    now: DateTime<Utc>,
    limits: Limits,
) -> Result<String, sqlx::Error> {
    sqlx::query(
        "INSERT INTO service.refresh_family
             (id, client, account, credential, session, offline, scope, authenticated_at, method, jkt, created_at,
              rotated_at, expires_at, link, second, claims)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13, $14, $15)",
    )
    .bind(new.id)
    .bind(new.client.0)
    .bind(new.account.0)
    .bind(new.credential.0)
    .bind(new.session)
    .bind(new.offline)
    .bind(new.scope)
    .bind(new.authenticated_at)
    .bind(new.method)
    .bind(new.jkt)
    .bind(now)
    .bind(now + limits.lifetime)
    .bind(new.link.map(|link| link.0))
    .bind(new.second)
    .bind(Some(Json(new.claims)).filter(|Json(claims)| !claims.is_empty()))
    .execute(db)
    .await?;
    Ok(token(ledger, new.client, new.id, 0))
}

/// Uses a refresh token. One statement checks and counts up: of any number of simultaneous uses one rotates, and the
/// others, within the grace, get the very same next token. `jkt` is the key the client has proved to hold.
///
/// # Errors
/// [`NotRefreshed`].
pub async fn rotate(
    db: &PgPool,
    ledger: &Ledger,
    client: RelyingPartyId,
    (presented, jkt): (&str, Option<&str>),
    now: DateTime<Utc>,
    limits: Limits,
) -> Result<Refreshed, NotRefreshed> {
    let (id, generation) = read(ledger, client, presented).ok_or(NotRefreshed::Unknown)?;
    let current = i32::try_from(generation).map_err(|_| NotRefreshed::Unknown)?;
    let step = i32::from(limits.rotate);
    let rotated: Option<Kept> = sqlx::query_as(
        "UPDATE service.refresh_family SET generation = generation + $7, rotated_at = $4
         WHERE id = $1 AND client = $2 AND generation = $3
           AND revoked_at IS NULL AND expires_at > $4 AND rotated_at > $5
           AND (jkt IS NULL OR jkt = $6)
         RETURNING scope, claims",
    )
    .bind(id)
    .bind(client.0)
    .bind(current)
    .bind(now)
    .bind(now - limits.idle)
    .bind(jkt)
    .bind(step)
    .fetch_optional(db)
    .await?;
    let (scope, claims) = match rotated {
        Some(kept) => kept,
        None => again(db, id, (current, jkt), now, limits).await?,
    };
    let scopes = scope.split(' ').map(str::to_owned).collect();
    let claims = claims.map(|Json(claims)| claims).unwrap_or_default();
    let next = token(ledger, client, id, generation + u32::from(limits.rotate));
    Ok(Refreshed { id, next, scopes, claims })
}

/// A token that does not rotate: repeated within the grace, repeated later, or of a family that has ended.
async fn again(
    db: &PgPool,
    id: Uuid,
    (presented, jkt): (i32, Option<&str>),
    now: DateTime<Utc>,
    limits: Limits,
) -> Result<Kept, NotRefreshed> {
    type Row = (i32, DateTime<Utc>, bool, String, bool, Option<Json<Requested>>);
    let row: Option<Row> = sqlx::query_as(
        "SELECT generation, rotated_at, revoked_at IS NULL AND expires_at > $2, scope, jkt IS NULL OR coalesce(jkt = $3, false),
                claims FROM service.refresh_family WHERE id = $1",
    )
    .bind(id)
    .bind(now)
    .bind(jkt)
    .fetch_optional(db)
    .await?;
    match row {
        // Who can't prove to hold the key can't end the family either.
        Some((_, _, _, _, false, _)) => Err(NotRefreshed::Unknown),
        Some((current, rotated_at, true, scope, true, claims))
            if current == presented + 1 && now - rotated_at <= limits.grace =>
        {
            Ok((scope, claims))
        }
        Some((current, _, true, _, _, _)) if current > presented => {
            revoke(db, id, now).await?;
            Err(NotRefreshed::Reused)
        }
        Some(_) | None => Err(NotRefreshed::Ended),
    }
}

/// What the family of a refresh token was granted, and its absolute end, if the token could be used now.
///
/// # Errors
/// When the database fails.
pub async fn current(
    db: &PgPool,
    id: Uuid,
    generation: u32,
    now: DateTime<Utc>,
    limits: Limits,
) -> Result<Option<(String, DateTime<Utc>)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT scope, expires_at FROM service.refresh_family
         WHERE id = $1 AND generation = $2 AND revoked_at IS NULL AND expires_at > $3 AND rotated_at > $4",
    )
    .bind(id)
    .bind(i64::from(generation))
    .bind(now)
    .bind(now - limits.idle)
    .fetch_optional(db)
    .await
}

/// Ends a family: its refresh tokens and all access tokens that belong to it.
///
/// # Errors
/// When the database fails.
pub async fn revoke(db: &PgPool, id: Uuid, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE service.refresh_family SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
        .bind(id)
        .bind(now)
        .execute(db)
        .await?;
    Ok(())
}

/// Remembers that a person has signed in to a client, and what it received.
///
/// # Errors
/// When the database fails.
pub async fn released(
    db: &PgPool,
    account: AccountId,
    client: RelyingPartyId,
    scope: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO service.released (account, client, scope, first_at, last_at) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (account, client) DO UPDATE SET scope = excluded.scope, last_at = excluded.last_at",
    )
    .bind(account.0)
    .bind(client.0)
    .bind(scope)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// Ends all that one client holds of an account, families and single access tokens, and forgets that the person agreed
/// and signed in there.
///
/// # Errors
/// When the database fails.
pub async fn revoke_client(
    db: &PgPool,
    account: AccountId,
    client: RelyingPartyId,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH ended AS (UPDATE service.refresh_family SET revoked_at = $3
                        WHERE account = $1 AND client = $2 AND revoked_at IS NULL),
              unused AS (DELETE FROM service.authorization_code
                         WHERE account = $1 AND client = $2 AND access_token IS NULL),
              tokens AS (INSERT INTO service.revoked_token (jti, expires_at)
                         SELECT access_token, delete_after FROM service.authorization_code
                         WHERE account = $1 AND client = $2 AND access_token IS NOT NULL ON CONFLICT DO NOTHING),
              forgotten AS (DELETE FROM service.released WHERE account = $1 AND client = $2)
         DELETE FROM service.consent WHERE account = $1 AND client = $2",
    )
    .bind(account.0)
    .bind(client.0)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// Ends all that anybody holds of an account, and forgets what the person agreed to.
///
/// # Errors
/// When the database fails.
pub async fn revoke_all(db: &PgPool, account: AccountId, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH ended AS (UPDATE service.refresh_family SET revoked_at = $2 WHERE account = $1 AND revoked_at IS NULL)
         DELETE FROM service.consent WHERE account = $1",
    )
    .bind(account.0)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// Whether the person has agreed that this client stays connected.
///
/// # Errors
/// When the database fails.
pub async fn has_consented(db: &PgPool, account: AccountId, client: RelyingPartyId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM service.consent WHERE account = $1 AND client = $2)")
        .bind(account.0)
        .bind(client.0)
        .fetch_one(db)
        .await
}

/// Records that the person has agreed.
///
/// # Errors
/// When the database fails.
pub async fn consent(
    db: &PgPool,
    account: AccountId,
    client: RelyingPartyId,
    scope: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO service.consent (account, client, scope, given_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account, client) DO UPDATE SET scope = excluded.scope, given_at = excluded.given_at",
    )
    .bind(account.0)
    .bind(client.0)
    .bind(scope)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}
