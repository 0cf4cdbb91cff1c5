//! Whose session it is, by its two names: the cookie's and the public `sid` of tokens.

use super::tokens::{AccessToken, SignIn, acr};
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::session::cookies::Cookies;
use crate::session::{Method, Second};
use chrono::{DateTime, Utc};
use domain::account::{Account, Holder, UpstreamProof};
use domain::ids::{AccountId, LinkId, SecretId};
use uuid::Uuid;

/// A live session and its account, as the ledger has it now.
pub struct Who {
    /// The session's public name.
    pub sid: Uuid,
    /// When the holder signed in.
    pub authenticated_at: DateTime<Utc>,
    /// How.
    pub method: Method,
    /// With what besides.
    pub second: Option<Second>,
    /// The password it was opened under.
    pub credential: SecretId,
    /// The upstream identity that opened it.
    pub link: Option<LinkId>,
    /// The account's id.
    pub id: AccountId,
    /// The account.
    pub account: Account,
}

/// Session columns by whichever name.
type Row = (Uuid, Uuid, Uuid, Option<Uuid>, DateTime<Utc>, String, Option<String>);

/// The session of the browser that asks, if one is alive.
///
/// # Errors
/// When the database fails.
pub async fn in_browser(app: &App, incident: &Incident, cookies: &Cookies) -> Result<Option<Who>, AppError> {
    // The middleware has found the session alive, or there is no user.
    let (Some(token), Some(_)) = (&cookies.session, incident.user()) else { return Ok(None) };
    let hash = token.hash(&app.ledger, "session");
    let row = sqlx::query_as(&select("cookie_hash"))
        .bind(hash.as_slice())
        .bind(app.clock.now())
        .bind(app.clock.now() - app.config.sessions.idle.delta())
        .fetch_optional(&app.db)
        .await?;
    live(app, row).await
}

/// The session that a token names, if it is still alive and this account's.
///
/// # Errors
/// When the database fails.
pub async fn by_sid(app: &App, sid: Uuid, account: Option<AccountId>) -> Result<Option<Who>, AppError> {
    let row = sqlx::query_as(&select("sid"))
        .bind(sid)
        .bind(app.clock.now())
        .bind(app.clock.now() - app.config.sessions.idle.delta())
        .fetch_optional(&app.db)
        .await?;
    Ok(live(app, row).await?.filter(|who| account.is_none_or(|account| account == who.id)))
}

/// The sign-in that a family of refresh tokens began with, if family and account are still good. One that is bound to
/// its session lives until that is signed out or too old; idling in front of the portal does not end the mark book.
///
/// # Errors
/// When the database fails.
pub async fn by_grant(app: &App, family: Uuid) -> Result<Option<Who>, AppError> {
    let row = sqlx::query_as(
        "SELECT f.session, f.account, f.credential, f.link, f.authenticated_at, f.method, f.second
         FROM service.refresh_family f
         WHERE f.id = $1 AND f.revoked_at IS NULL AND f.expires_at > $2
           AND (f.offline OR EXISTS (SELECT FROM service.session s WHERE s.sid = f.session AND s.expires_at > $2))",
    )
    .bind(family)
    .bind(app.clock.now())
    .fetch_optional(&app.db)
    .await?;
    live(app, row).await
}

/// Who stands behind an access token, as everything it rests on is now.
///
/// # Errors
/// When the database fails.
pub async fn by_token(app: &App, token: &AccessToken) -> Result<Option<Who>, AppError> {
    match (token.grant, &token.sign_in) {
        (Some(family), Some(_)) => by_grant(app, family).await,
        (None, Some(sign_in)) => by_sid(app, sign_in.sid, None).await,
        (_, None) => Ok(None),
    }
}

fn select(name: &str) -> String {
    format!(
        "SELECT sid, account, credential, link, authenticated_at, method, second FROM service.session
         WHERE {name} = $1 AND expires_at > $2 AND seen_at > $3"
    )
}

/// A session lives with its account, the very password it was opened under and the upstream identity that opened it: a
/// reset, a disabling or the end of the link ends it in the transaction that records so.
async fn live(app: &App, row: Option<Row>) -> Result<Option<Who>, AppError> {
    let Some((sid, account, credential, link, authenticated_at, method, second)) = row else { return Ok(None) };
    let id = AccountId(account);
    let account = app.ledger.load::<Account>(&id.to_string()).await?.aggregate;
    let (credential, link) = (SecretId(credential), link.map(LinkId));
    if !account.still_opens(credential, link) {
        return Ok(None);
    }
    let (method, second) = (Method::read(&method), second.as_deref().and_then(Second::read));
    Ok(Some(Who { sid, authenticated_at, method, second, credential, link, id, account }))
}

/// Ends a session by its public name; its tokens die with it.
///
/// # Errors
/// When the database fails.
pub async fn end(app: &App, sid: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM service.session WHERE sid = $1").bind(sid).execute(&app.db).await?;
    Ok(())
}

/// What a person can do to be identified better than they are.
pub struct Better {
    /// How they are identified then.
    pub acr: String,
    /// Where they do it.
    pub path: &'static str,
}

impl Who {
    /// How the person was identified.
    pub fn acr(&self, holder: Holder) -> String {
        acr::reached(self.identified(holder), self.second)
    }

    /// How they could be identified better: who came in by a provisional password proves, with a new password, the
    /// mobile on the school's file.
    pub fn better_way(&self, holder: Holder) -> Option<Better> {
        let provisional = self.identified(holder) == acr::GUARDIAN_BY_PROVISIONAL_PASSWORD;
        provisional.then(|| Better { acr: acr::GUARDIAN_BY_SCHOOL_RECORD.to_owned(), path: "/reset" })
    }

    /// What tokens say of it.
    pub fn sign_in(&self, holder: Holder) -> SignIn {
        SignIn {
            auth_time: self.authenticated_at.timestamp(),
            acr: self.acr(holder),
            amr: amr(self.method, self.second),
            sid: self.sid,
        }
    }

    /// What the person is known by: how they were identified once, and how they proved to be so now.
    fn identified(&self, holder: Holder) -> &'static str {
        let link = self.link.and_then(|link| self.account.links.get(&link));
        match (holder, link) {
            (Holder::Guardian(_), None) if self.account.by_provisional => acr::GUARDIAN_BY_PROVISIONAL_PASSWORD,
            (Holder::Guardian(_), None) => acr::GUARDIAN_BY_SCHOOL_RECORD,
            (Holder::Guardian(_), Some(link)) if link.by_provisional => acr::GUARDIAN_BY_PROVISIONAL_PASSWORD,
            (Holder::Guardian(_), Some(link)) => match link.proof {
                UpstreamProof::PhoneAndChildren | UpstreamProof::SignedIn if self.method == Method::FranceConnect => {
                    acr::GUARDIAN_BY_SCHOOL_RECORD_AND_FRANCECONNECT
                }
                UpstreamProof::PhoneAndChildren | UpstreamProof::SignedIn => {
                    acr::GUARDIAN_BY_SCHOOL_RECORD_AND_PROVIDER
                }
                UpstreamProof::Ine
                | UpstreamProof::EducationVector
                | UpstreamProof::Login
                | UpstreamProof::NamesAndBirthDate => acr::GUARDIAN_BY_PROVIDER,
            },
            (Holder::Pupil(_), None) => acr::PUPIL_BY_SCHOOL,
            (Holder::Pupil(_), Some(_)) => acr::PUPIL_BY_PROVIDER,
        }
    }
}

/// Authentication method references (RFC 8176) of a sign-in by these.
fn amr(method: Method, second: Option<Second>) -> Vec<String> {
    let both = second.map(|second| [second.amr(), "mfa"]).into_iter().flatten();
    method.amr().iter().copied().chain(both).map(str::to_owned).collect()
}
