//! Authorization codes: issued for one sign-in, redeemed once.

use super::pkce::Challenge;
use super::request::AuthorizationRequest;
use super::requested::Requested;
use super::scopes;
use crate::config::Span;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{AccountId, RelyingPartyId};
use domain::relying_party::Terms;
use sqlx::PgPool;
use sqlx::types::Json;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The longest that a code may live; the table refuses more.
const MAX_LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// How long codes and the tokens issued on them live.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// A code.
    pub code: TimeDelta,
    /// An ID token.
    pub id_token: TimeDelta,
    /// An access token.
    pub access_token: TimeDelta,
}

impl Lifetimes {
    /// As configured, where the registration says nothing else; a code never longer than a minute.
    pub fn of(config: &crate::config::Oidc, terms: &Terms) -> Self {
        let or = |own: Option<u32>, usual: Span| own.map_or(usual.delta(), |s| TimeDelta::seconds(i64::from(s)));
        Self {
            code: config.code_lifetime.delta().min(MAX_LIFETIME),
            id_token: or(terms.lifetimes.id_token, config.id_token_lifetime),
            access_token: or(terms.lifetimes.access_token, config.access_token_lifetime),
        }
    }
}

/// What a redeemed code stood for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose sign-in.
    pub account: AccountId,
    /// Which session, by its public name.
    pub session: Uuid,
    /// What was granted.
    pub scopes: BTreeSet<String>,
    /// From the request.
    pub nonce: Option<String>,
    /// Name of the access token to issue.
    pub jti: Uuid,
    /// The key that the tokens must be bound to (RFC 9449 §10).
    pub jkt: Option<String>,
    /// Claims asked for by name.
    pub claims: Requested,
}

/// Why a code is not redeemed. The client learns only `invalid_grant`.
#[derive(Debug, thiserror::Error)]
pub enum NotRedeemed {
    /// Not issued here to this client, or long gone.
    #[error("unknown code")]
    Unknown,
    /// Past its time.
    #[error("expired code")]
    Expired,
    /// Redeemed before. What was issued on it is now revoked.
    #[error("code used before")]
    Reused,
    /// Issued for another redirect URI. The code is used up.
    #[error("code of another redirect URI")]
    RedirectUri,
    /// The verifier is not the challenge's. The code is used up.
    #[error("wrong code verifier")]
    Verifier,
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// How a code is presented at the token endpoint.
pub struct Presented<'a> {
    /// The code.
    pub code: &'a str,
    /// The client, authenticated.
    pub client: RelyingPartyId,
    /// As in the authorization request.
    pub redirect_uri: &'a str,
    /// PKCE.
    pub verifier: &'a str,
}

/// Writes a code for a request that the holder of `account`, signed in by `session`, has answered. `random` is 32
/// fresh bytes.
///
/// # Errors
/// When the database fails.
pub async fn issue(
    db: &PgPool,
    request: &AuthorizationRequest,
    (account, session): (AccountId, Uuid),
    random: [u8; 32],
    now: DateTime<Utc>,
    lifetimes: Lifetimes,
) -> Result<String, sqlx::Error> {
    let code = URL_SAFE_NO_PAD.encode(random);
    sqlx::query(
        "INSERT INTO service.authorization_code
             (hash, client, account, session, redirect_uri, challenge, scope, nonce, issued_at, expires_at, delete_after,
              jkt, claims)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(hash(&code))
    .bind(request.target.client.0)
    .bind(account.0)
    .bind(session)
    .bind(&request.target.redirect_uri)
    .bind(request.challenge.as_str())
    .bind(scopes::join(&request.scopes))
    .bind(&request.nonce)
    .bind(now)
    .bind(now + lifetimes.code)
    .bind(now + lifetimes.code + lifetimes.access_token)
    .bind(&request.dpop_jkt)
    .bind(Some(Json(&request.claims)).filter(|Json(claims)| !claims.is_empty()))
    .execute(db)
    .await?;
    Ok(code)
}

type Row = (Uuid, Uuid, String, String, String, Option<String>, Option<String>, Option<Json<Requested>>);

/// Uses a code up and says what it stood for. One statement checks and sets: of any number of simultaneous
/// attempts one gets the grant, and the others revoke what it leads to. An attempt with a wrong redirect URI or
/// verifier uses the code up too: nobody gets a second guess. `jti` names the access token to be issued.
///
/// # Errors
/// [`NotRedeemed`].
pub async fn redeem(
    db: &PgPool,
    presented: Presented<'_>,
    jti: Uuid,
    now: DateTime<Utc>,
    lifetimes: Lifetimes,
) -> Result<Grant, NotRedeemed> {
    let hash = hash(presented.code);
    let row: Option<Row> = sqlx::query_as(
        "UPDATE service.authorization_code SET consumed_at = $3, access_token = $4
         WHERE hash = $1 AND client = $2 AND consumed_at IS NULL AND expires_at > $3
         RETURNING account, session, redirect_uri, challenge, scope, nonce, jkt, claims",
    )
    .bind(&hash)
    .bind(presented.client.0)
    .bind(now)
    .bind(jti)
    .fetch_optional(db)
    .await?;
    let Some((account, session, redirect_uri, challenge, scope, nonce, jkt, claims)) = row else {
        return Err(why_not(db, &hash, presented.client, now, lifetimes).await?);
    };
    if redirect_uri != presented.redirect_uri {
        return Err(NotRedeemed::RedirectUri);
    }
    if !Challenge::try_from(challenge).is_ok_and(|challenge| challenge.made_from(presented.verifier)) {
        return Err(NotRedeemed::Verifier);
    }
    let scopes = scope.split(' ').map(str::to_owned).collect();
    let claims = claims.map(|Json(claims)| claims).unwrap_or_default();
    Ok(Grant { account: AccountId(account), session, scopes, nonce, jti, jkt, claims })
}

async fn why_not(
    db: &PgPool,
    hash: &[u8],
    client: RelyingPartyId,
    now: DateTime<Utc>,
    lifetimes: Lifetimes,
) -> Result<NotRedeemed, sqlx::Error> {
    let used: Option<Option<Uuid>> =
        sqlx::query_scalar("SELECT access_token FROM service.authorization_code WHERE hash = $1 AND client = $2")
            .bind(hash)
            .bind(client.0)
            .fetch_optional(db)
            .await?;
    Ok(match used {
        None => NotRedeemed::Unknown,
        Some(None) => NotRedeemed::Expired,
        Some(Some(jti)) => {
            // The first access token and, by the same name, the refresh tokens that began with it.
            revoke(db, jti, now + lifetimes.access_token).await?;
            super::grants::revoke(db, jti, now).await?;
            NotRedeemed::Reused
        }
    })
}

/// Revokes an access token that would have expired at `expires_at` or before.
///
/// # Errors
/// When the database fails.
pub async fn revoke(db: &PgPool, jti: Uuid, expires_at: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO service.revoked_token (jti, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(jti)
        .bind(expires_at)
        .execute(db)
        .await?;
    Ok(())
}

/// Whether an access token was revoked, or the one it was made from.
///
/// # Errors
/// When the database fails.
pub async fn is_revoked(db: &PgPool, jti: Uuid, root: Option<Uuid>) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM service.revoked_token WHERE jti = ANY (ARRAY[$1, $2]))")
        .bind(jti)
        .bind(root)
        .fetch_one(db)
        .await
}

/// Deletes what has expired, a bounded number of rows of each kind. Returns whether there may be more.
///
/// # Errors
/// When the database fails.
pub async fn delete_expired(db: &PgPool, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    const BATCH: u64 = 1000;
    let mut more = false;
    for (table, key, column) in [
        ("authorization_code", "hash", "delete_after"),
        ("authorization_request", "id", "expires_at"),
        ("revoked_token", "jti", "expires_at"),
        ("once", "hash", "expires_at"),
        ("refresh_family", "id", "expires_at"),
    ] {
        let deleted = sqlx::query(&format!(
            "DELETE FROM service.{table} WHERE {key} IN
                 (SELECT {key} FROM service.{table} WHERE {column} < $1 ORDER BY {column} LIMIT {BATCH})"
        ))
        .bind(now)
        .execute(db)
        .await?
        .rows_affected();
        more |= deleted == BATCH;
    }
    // Its rows have two names, so it is no row of the list above.
    let deleted = sqlx::query(&format!(
        "DELETE FROM service.released WHERE (account, client) IN
             (SELECT account, client FROM service.released WHERE last_at < $1 ORDER BY last_at LIMIT {BATCH})"
    ))
    .bind(now - super::services::REMEMBERED)
    .execute(db)
    .await?
    .rows_affected();
    Ok(more | (deleted == BATCH))
}

/// Only this stands in the table: a reader of the database can't redeem a code. 256 random bits need no slow hash.
fn hash(code: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, code.as_bytes()).as_ref().to_vec()
}
