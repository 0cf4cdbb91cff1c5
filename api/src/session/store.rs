//! Session rows.

use crate::app::App;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{AccountId, LinkId, SecretId};
use sqlx::PgPool;
use uuid::Uuid;

/// How a session's holder proved to be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By password.
    Password,
    /// By a code sent to the phone, then choosing a password.
    Sms,
    /// With FranceConnect.
    FranceConnect,
    /// With another upstream provider.
    Upstream,
}

impl Method {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Sms => "sms",
            Self::FranceConnect => "franceconnect",
            Self::Upstream => "upstream",
        }
    }

    /// Authentication method references (RFC 8176, whose registry has no word for another provider's sign-in: `fed`
    /// is the one in use). How that provider made sure is not known here and not claimed.
    pub fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Password => &["pwd"],
            Self::Sms => &["sms", "pwd"],
            Self::FranceConnect | Self::Upstream => &["fed"],
        }
    }

    /// From its stored form.
    pub(crate) fn read(text: &str) -> Self {
        match text {
            "sms" => Self::Sms,
            "franceconnect" => Self::FranceConnect,
            "upstream" => Self::Upstream,
            _ => Self::Password,
        }
    }
}

/// A second proof beside the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Second {
    /// A code of an authenticator app (RFC 6238).
    Totp,
    /// A passkey.
    Passkey,
    /// One of the codes kept on paper for the day the others are lost.
    RecoveryCode,
}

impl Second {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::RecoveryCode => "recovery-code",
        }
    }

    /// From its stored form.
    pub(crate) fn read(text: &str) -> Option<Self> {
        [Self::Totp, Self::Passkey, Self::RecoveryCode].into_iter().find(|second| second.as_str() == text)
    }

    /// Authentication method reference (RFC 8176). Whether a passkey lies in hardware nobody has told us.
    pub fn amr(self) -> &'static str {
        match self {
            Self::Totp | Self::RecoveryCode => "otp",
            Self::Passkey => "pop",
        }
    }
}

/// A live session's row.
pub(crate) struct Session {
    pub account: AccountId,
    /// The password in force when it was opened.
    pub credential: SecretId,
    /// The upstream identity that opened it.
    pub link: Option<LinkId>,
    pub authenticated_at: DateTime<Utc>,
    pub method: Method,
    pub second: Option<Second>,
    pub seen_at: DateTime<Utc>,
}

/// Rows are touched at most this often.
const TOUCH_AFTER: TimeDelta = TimeDelta::seconds(60);

type Row = (Uuid, Uuid, Option<Uuid>, DateTime<Utc>, String, Option<String>, DateTime<Utc>);

/// A session that neither idled nor lived too long.
pub(crate) async fn find(app: &App, cookie: &[u8; 32], now: DateTime<Utc>) -> sqlx::Result<Option<Session>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT account, credential, link, authenticated_at, method, second, seen_at FROM service.session
         WHERE cookie_hash = $1 AND expires_at > $2 AND seen_at > $3",
    )
    .bind(cookie.as_slice())
    .bind(now)
    .bind(now - app.config.sessions.idle.delta())
    .fetch_optional(&app.db)
    .await?;
    Ok(row.map(|(account, credential, link, authenticated_at, method, second, seen_at)| Session {
        account: AccountId(account),
        credential: SecretId(credential),
        link: link.map(LinkId),
        authenticated_at,
        method: Method::read(&method),
        second: second.as_deref().and_then(Second::read),
        seen_at,
    }))
}

/// Notes that a session is in use; seldom writes.
pub(crate) async fn touch(app: &App, cookie: &[u8; 32], session: &Session, now: DateTime<Utc>) -> sqlx::Result<()> {
    if now - session.seen_at < TOUCH_AFTER {
        return Ok(());
    }
    sqlx::query("UPDATE service.session SET seen_at = greatest(seen_at, $2) WHERE cookie_hash = $1")
        .bind(cookie.as_slice())
        .bind(now)
        .execute(&app.db)
        .await?;
    Ok(())
}

/// A session about to open.
pub(crate) struct Opening {
    pub account: AccountId,
    pub credential: SecretId,
    pub method: Method,
    pub second: Option<Second>,
    /// Browser and system, as stored.
    pub device: Option<String>,
    /// Opened by an upstream identity.
    pub upstream: Option<ByLink>,
}

/// The upstream identity that opens a session.
#[derive(Clone, Copy, Debug)]
pub struct ByLink {
    /// Its link.
    pub link: LinkId,
    /// Vault row of what its provider needs for signing out there.
    pub sign_out: SecretId,
}

/// Opens one.
pub(crate) async fn insert(app: &App, cookie: &[u8; 32], new: &Opening, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO service.session
             (cookie_hash, account, credential, authenticated_at, method, seen_at, expires_at, began_at, second, device,
              link, upstream)
         VALUES ($1, $2, $3, $4, $5, $4, $6, $4, $7, $8, $9, $10)",
    )
    .bind(cookie.as_slice())
    .bind(new.account.0)
    .bind(new.credential.0)
    .bind(now)
    .bind(new.method.as_str())
    .bind(now + app.config.sessions.absolute.delta())
    .bind(new.second.map(Second::as_str))
    .bind(&new.device)
    .bind(new.upstream.map(|by| by.link.0))
    .bind(new.upstream.map(|by| by.sign_out.0))
    .execute(&app.db)
    .await?;
    Ok(())
}

/// Signs the same person in again: the session goes on under another cookie, with whatever relying parties hold of
/// it. False where the cookie's session is another person's, or none.
pub(crate) async fn renew(
    app: &App,
    former: &[u8; 32],
    cookie: &[u8; 32],
    new: &Opening,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let renewed = sqlx::query(
        "UPDATE service.session SET cookie_hash = $2, authenticated_at = $5, method = $6, seen_at = $5, expires_at = $7,
                second = $8, device = $9, upstream = $11
         WHERE cookie_hash = $1 AND account = $3 AND credential = $4 AND expires_at > $5
           AND link IS NOT DISTINCT FROM $10",
    )
    .bind(former.as_slice())
    .bind(cookie.as_slice())
    .bind(new.account.0)
    .bind(new.credential.0)
    .bind(now)
    .bind(new.method.as_str())
    .bind(now + app.config.sessions.absolute.delta())
    .bind(new.second.map(Second::as_str))
    .bind(&new.device)
    .bind(new.upstream.map(|by| by.link.0))
    .bind(new.upstream.map(|by| by.sign_out.0))
    .execute(&app.db)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// Ends one.
pub(crate) async fn end(db: &PgPool, cookie: &[u8; 32]) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM service.session WHERE cookie_hash = $1").bind(cookie.as_slice()).execute(db).await?;
    Ok(())
}

/// The vault row of what the provider that opened this session needs for signing out there.
pub(crate) async fn upstream_sign_out(db: &PgPool, cookie: &[u8; 32]) -> sqlx::Result<Option<SecretId>> {
    let row = sqlx::query_scalar("SELECT upstream FROM service.session WHERE cookie_hash = $1")
        .bind(cookie.as_slice())
        .fetch_optional(db)
        .await?;
    Ok(row.flatten().map(SecretId))
}

/// Ends what an upstream identity opened, once the event that ends its link is recorded. Even if this fails it is
/// dead: see [`super::current`].
///
/// # Errors
/// When the database fails.
pub async fn end_by_link(db: &PgPool, link: LinkId) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM service.session WHERE link = $1").bind(link.0).execute(db).await?;
    sqlx::query("DELETE FROM service.refresh_family WHERE link = $1").bind(link.0).execute(db).await?;
    Ok(())
}

/// One of an account's sessions, as its holder is shown it.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Listed {
    pub sid: Uuid,
    pub own: bool,
    pub began_at: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
    pub device: Option<String>,
    /// Clients that it signed in to.
    pub clients: Vec<Uuid>,
}

/// As many are shown; whoever has more ends them all at once.
const LISTED: i64 = 50;

/// The account's sessions that are alive under this credential, the one used last first; `own` is the cookie's.
pub(super) async fn of_account(
    app: &App,
    (account, credential): (AccountId, SecretId),
    own: &[u8; 32],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as(
        "SELECT sid, cookie_hash = $3 AS own, began_at, seen_at, device,
                ARRAY(SELECT client FROM service.session_client c WHERE c.sid = s.sid ORDER BY since, client) AS clients
         FROM service.session s
         WHERE account = $1 AND credential = $2 AND expires_at > $4 AND seen_at > $5
         ORDER BY own DESC, seen_at DESC, sid LIMIT $6",
    )
    .bind(account.0)
    .bind(credential.0)
    .bind(own.as_slice())
    .bind(now)
    .bind(now - app.config.sessions.idle.delta())
    .bind(LISTED)
    .fetch_all(&app.db)
    .await
}

/// Ends one of an account's sessions by its public name; false where the account has none of that name.
pub(super) async fn end_named(db: &PgPool, account: AccountId, sid: Uuid) -> sqlx::Result<bool> {
    let ended = sqlx::query("DELETE FROM service.session WHERE sid = $1 AND account = $2")
        .bind(sid)
        .bind(account.0)
        .execute(db)
        .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends all sessions and flows of an account, to be called once the event that ends them is recorded. Even if this
/// fails they are dead: see [`super::current`].
///
/// # Errors
/// When the database fails.
pub async fn end_all(db: &PgPool, account: AccountId) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM service.session WHERE account = $1").bind(account.0).execute(db).await?;
    sqlx::query("DELETE FROM service.flow WHERE account = $1").bind(account.0).execute(db).await?;
    sqlx::query("DELETE FROM service.second_step WHERE account = $1").bind(account.0).execute(db).await?;
    Ok(())
}

/// Deletes what has expired, a bounded number at a time: sessions, flows and counters. Returns how many rows.
///
/// # Errors
/// When the database fails.
pub async fn sweep(db: &PgPool, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let mut swept = crate::limits::sweep(db, now).await?;
    for table in ["service.session", "service.flow", "service.second_step", "service.upstream_visit"] {
        swept += sqlx::query(&format!(
            "DELETE FROM {table} WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM {table} WHERE expires_at < $1 LIMIT 1000 FOR UPDATE SKIP LOCKED))"
        ))
        .bind(now)
        .execute(db)
        .await?
        .rows_affected();
    }
    Ok(swept)
}
