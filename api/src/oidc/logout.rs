//! Back-channel logout (OpenID Connect Back-Channel Logout 1.0): relying parties are told that a session has ended.
//!
//! ```text
//!  session row goes ──(trigger, same transaction)──▶ service.logout ──▶ claimed ──▶ POST logout_token
//!  sign-out, other person, reset, time                                      ▲              │ 200, 204: done
//!                                                                           └── later ─────┤ no answer, 5xx
//!                                                                                          └ 400: refused, over
//! ```
//!
//! A logout may be told twice, never not at all where the relying party can be reached within hours.

use super::live::registered;
use super::subject::Pairwise;
use super::tokens::sign;
use crate::app::App;
use chrono::{DateTime, TimeDelta, Utc};
use domain::account::Account;
use domain::ids::{AccountId, RelyingPartyId};
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// `typ` of a logout token (§2.4).
const TYP: &str = "logout+jwt";
/// What a logout token says has happened.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A logout token is good for so long (§2.4 recommends two minutes at most).
const LIFETIME: TimeDelta = TimeDelta::minutes(2);
/// Between two looks at the queue.
const EVERY: Duration = Duration::from_secs(1);
/// Told at once.
const AT_ONCE: i64 = 16;
/// How long an attempt may take, all told; then another instance may try.
const CLAIM: TimeDelta = TimeDelta::seconds(30);
/// After so many attempts, spread over about nine hours, a relying party that does not answer is given up.
const ATTEMPTS: i32 = 16;

/// One logout to tell.
#[derive(Clone, Copy, sqlx::FromRow)]
struct Due {
    id: Uuid,
    sid: Uuid,
    client: Uuid,
    account: Uuid,
    attempts: i32,
}

/// What became of an attempt.
enum Outcome {
    /// Told, or nobody to tell.
    Done,
    /// The relying party says that it will not.
    Refused(StatusCode),
    /// Later.
    Later(String),
}

/// Starts telling. Several instances may do so at once.
pub fn start(app: App) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            match round(&app).await {
                // More may wait.
                Ok(told) if told > 0 => {}
                Ok(_) => tokio::time::sleep(EVERY).await,
                Err(error) => {
                    tracing::error!(%error, "relying parties could not be told of logouts");
                    tokio::time::sleep(EVERY).await;
                }
            }
        }
    })
}

/// Notes that a relying party has signed the session's person in.
///
/// # Errors
/// When the database fails.
pub async fn note(app: &App, sid: Uuid, client: RelyingPartyId, account: AccountId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO service.session_client (sid, client, account, since)
         SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT FROM service.session WHERE sid = $1 FOR KEY SHARE)
         ON CONFLICT DO NOTHING",
    )
    .bind(sid)
    .bind(client.0)
    .bind(account.0)
    .bind(app.clock.now())
    .execute(&app.db)
    .await?;
    Ok(())
}

/// Tells what is due, a bounded number at once; returns how many attempts were made.
///
/// # Errors
/// When the database fails.
pub async fn round(app: &App) -> Result<usize, sqlx::Error> {
    let now = app.clock.now();
    let due: Vec<Due> = sqlx::query_as(
        "UPDATE service.logout SET attempts = attempts + 1, next_at = $1 WHERE id IN
             (SELECT id FROM service.logout WHERE next_at IS NULL OR next_at <= $2
              ORDER BY next_at NULLS FIRST LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING id, sid, client, account, attempts",
    )
    .bind(now + CLAIM)
    .bind(now)
    .bind(AT_ONCE)
    .fetch_all(&app.db)
    .await?;
    let told = join_all(due.iter().map(|due| tell(app, *due, now))).await;
    for (due, outcome) in due.iter().zip(told) {
        settle(app, due, outcome, now).await?;
    }
    Ok(due.len())
}

async fn settle(app: &App, due: &Due, outcome: Outcome, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let client = due.client;
    match outcome {
        Outcome::Done => {}
        Outcome::Refused(status) => tracing::warn!(%client, %status, "a relying party refuses to hear of a logout"),
        Outcome::Later(why) if due.attempts >= ATTEMPTS => {
            tracing::warn!(%client, why, "a relying party could not be told of a logout, and is given up");
        }
        Outcome::Later(why) => {
            tracing::info!(%client, why, attempts = due.attempts, "a logout is told later");
            // 2 s, 4 s, … 1 h 8 min, then 2 h 16 min each.
            let wait = TimeDelta::seconds(1 << due.attempts.clamp(1, 13));
            sqlx::query("UPDATE service.logout SET next_at = $2 WHERE id = $1")
                .bind(due.id)
                .bind(now + wait)
                .execute(&app.db)
                .await?;
            return Ok(());
        }
    }
    sqlx::query("DELETE FROM service.logout WHERE id = $1").bind(due.id).execute(&app.db).await?;
    Ok(())
}

async fn tell(app: &App, due: Due, now: DateTime<Utc>) -> Outcome {
    let later = |error: &dyn std::fmt::Display| Outcome::Later(error.to_string());
    let (client, account) = (RelyingPartyId(due.client), AccountId(due.account));
    let registration = match registered(app, client).await {
        Ok(Some(registration)) => registration,
        // No longer served: its tokens are dead, and so is its say.
        Ok(None) => return Outcome::Done,
        Err(_) => return Outcome::Later("the registration can't be read".to_owned()),
    };
    let Some(logout) = &registration.terms.backchannel_logout else { return Outcome::Done };
    let holder = match app.ledger.load::<Account>(&account.to_string()).await {
        Ok(loaded) => loaded.aggregate.holder,
        Err(error) => return later(&error),
    };
    let sub = holder.map(|holder| Pairwise::new(&app.ledger, &registration.sector_identifier).holder(account, holder));
    // Never a nonce: so nobody takes it for an ID token (§2.4).
    let claims = json!({
        "iss": app.config.origin(),
        "aud": client,
        "iat": now.timestamp(),
        "exp": (now + LIFETIME).timestamp(),
        "jti": Uuid::new_v4(),
        "sub": sub,
        "sid": due.sid,
        "events": { EVENT: {} },
    });
    let keys = match app.keys.get(now).await {
        Ok(keys) => keys,
        Err(error) => return later(&error),
    };
    let key = match keys.signing(registration.terms.id_token_signed_response_alg) {
        Ok(key) => key,
        Err(error) => return later(&error),
    };
    let token = match sign(TYP, &claims, key) {
        Ok(token) => token,
        Err(error) => return later(&error),
    };
    match app.outbound.post(&logout.uri, &[("logout_token", &token)]).await {
        Ok(StatusCode::OK | StatusCode::NO_CONTENT) => Outcome::Done,
        // §2.8: the relying party has understood and says no; again would be no different.
        Ok(status @ StatusCode::BAD_REQUEST) => Outcome::Refused(status),
        Ok(status) => Outcome::Later(status.to_string()),
        Err(error) => later(&error),
    }
}

/// Ends sessions of accounts that are no longer in use, so that relying parties hear of it. The sessions themselves
/// are dead since the event that says so.
///
/// # Errors
/// When the database fails.
pub async fn end_sessions_of_the_gone(app: &App) -> Result<u64, sqlx::Error> {
    let ended = sqlx::query(
        "DELETE FROM service.session s USING view_accounts.account a
         WHERE a.id = s.account AND (a.status <> 'activated' OR a.must_change)",
    )
    .execute(&app.db)
    .await?;
    Ok(ended.rows_affected())
}
