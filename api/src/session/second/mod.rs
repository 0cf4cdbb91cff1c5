//! The second step of signing in, for accounts that want one.
//!
//! ```text
//!  password (or any first proof) right ──▶ open ──▶ no second factor ──▶ a session
//!                                              └──▶ second_step row, cookie `second` ──▶ /sign-in/second
//!                                                     right code ──▶ a session, under a new id
//!                                                     5 wrong ──▶ the step is over: from the start
//! ```
//!
//! Every way in ends in [`super::open`]; so none can forget the second step. Until it is done nobody is signed in: whoever
//! leads the browser on to a page that wants a session leads it, over the sign-in page, to the second step.

mod page;
mod recovery;
#[cfg(test)]
mod tests;
mod totp;
mod totp_page;

pub use page::{SecondPage, second_step, show_second, start_over};
pub use recovery::{PATH as RECOVERY_PATH, RecoveryCodesPage, RecoveryForm, issue_recovery_codes};
pub(crate) use totp_page::forget;
pub use totp_page::{
    PATH as TOTP_PATH, REMOVE as REMOVE_PATH, RemoveForm, TotpPage, enrol_totp, remove_factor, show_totp,
};

use super::cookies::{Cookies, Kind, cookie, removal};
use super::current::CurrentUser;
use super::return_to::ReturnTo;
use super::store::{self, ByLink, Method, Opening, Second};
use super::token::Token;
use crate::app::App;
use crate::incident::AppError;
use crate::limits::{Cap, Charge, Refused};
use axum_extra::extract::cookie::CookieJar;
use chrono::TimeDelta;
use domain::account::{Account, NO_PASSWORD, Password, Status};
use domain::ids::{AccountId, LinkId, SecretId};
use ledger::access::SignInOutcome;
use uuid::Uuid;

/// Where the second proof is asked for.
pub const PATH: &str = "/sign-in/second";
/// Where a sign-in is given up halfway.
pub const START_OVER: &str = "/sign-in/second/start-over";

/// A step that waits.
pub(super) struct Step {
    cookie: [u8; 32],
    pub account: AccountId,
    pub credential: SecretId,
    pub method: Method,
    /// The upstream identity that was the first proof.
    upstream: Option<ByLink>,
}

impl Step {
    /// The session that it becomes.
    fn opening(&self, cookies: &Cookies, second: Second) -> Opening {
        let Self { account, credential, method, upstream, .. } = *self;
        Opening { account, credential, method, second: Some(second), device: cookies.agent.stored(), upstream }
    }
}

/// The step's life: long enough to find the phone.
const LIFE: TimeDelta = TimeDelta::minutes(10);
/// Wrong codes, then the first proof is asked for again.
const MOST_WRONG: i32 = 5;

/// Wrong codes of one account, over all its steps. Who spends them knows the password already.
fn cap() -> Cap {
    Cap::new("second-factor", &[(10, 15 * 60), (30, 24 * 60 * 60)])
}

/// Keeps what has been proved, and asks for the rest. Another person's session in this browser ends.
pub(super) async fn begin(app: &App, cookies: &Cookies, new: &Opening) -> Result<CookieJar, AppError> {
    let Opening { account, credential, method, upstream, .. } = new;
    let account = *account;
    let (token, now) = (Token::draw()?, app.clock.now());
    let mut jar = CookieJar::new().add(cookie(app, Kind::Second, token.expose())).add(removal(app, Kind::Flow));
    if let Some(session) = &cookies.session {
        let hash = session.hash(&app.ledger, "session");
        if store::find(app, &hash, now).await?.is_none_or(|session| session.account != account) {
            store::end(&app.db, &hash).await?;
            jar = jar.add(removal(app, Kind::Session));
        }
    }
    sqlx::query(
        "INSERT INTO service.second_step (cookie_hash, account, credential, method, expires_at, link, upstream)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(token.hash(&app.ledger, "second").as_slice())
    .bind(account.0)
    .bind(credential.0)
    .bind(method.as_str())
    .bind(now + LIFE)
    .bind(upstream.map(|by| by.link.0))
    .bind(upstream.map(|by| by.sign_out.0))
    .execute(&app.db)
    .await?;
    tracing::info!(%account, "a second factor is due");
    Ok(jar)
}

/// Whether these cookies are those of a sign-in that waits for its second step, and not of a session.
pub fn outcome(app: &App, jar: &CookieJar) -> SignInOutcome {
    let due = jar.get(&Kind::Second.name(app.config.is_https())).is_some_and(|cookie| !cookie.value().is_empty());
    if due { SignInOutcome::SecondFactorDue } else { SignInOutcome::Success }
}

/// The step that waits in this browser. The account must still be in use, and the password that was proved in force.
pub(super) async fn waiting(app: &App, cookies: &Cookies) -> Result<Option<Step>, AppError> {
    let Some(token) = &cookies.second else { return Ok(None) };
    let cookie = token.hash(&app.ledger, "second");
    type Row = (Uuid, Uuid, String, Option<Uuid>, Option<Uuid>);
    let row: Option<Row> = sqlx::query_as(
        "SELECT account, credential, method, link, upstream FROM service.second_step
         WHERE cookie_hash = $1 AND expires_at > $2 AND attempts < $3",
    )
    .bind(cookie.as_slice())
    .bind(app.clock.now())
    .bind(MOST_WRONG)
    .fetch_optional(&app.db)
    .await?;
    let Some((account, credential, method, link, sign_out)) = row else { return Ok(None) };
    let (account, credential) = (AccountId(account), SecretId(credential));
    let upstream = link.zip(sign_out).map(|(link, row)| ByLink { link: LinkId(link), sign_out: SecretId(row) });
    let state = app.ledger.load::<Account>(&account.to_string()).await?.aggregate;
    let in_force = match upstream {
        None => state.password == Some(Password::Personal(credential)),
        Some(by) => {
            let password = state.password.as_ref().map_or(NO_PASSWORD, Password::secret);
            password == credential && state.links.contains_key(&by.link)
        }
    };
    let good = state.status == Status::Activated && in_force;
    Ok(good.then_some(Step { cookie, account, credential, method: Method::read(&method), upstream }))
}

/// The page of the step that waits in this browser, if one does for this user (or, where nobody is signed in, at all).
pub(super) async fn path_of(
    app: &App,
    cookies: &Cookies,
    user: Option<&CurrentUser>,
    return_to: Option<&ReturnTo>,
) -> Result<Option<String>, AppError> {
    let step = waiting(app, cookies).await?;
    let mine = |step: &Step| user.is_none_or(|user| user.account == step.account);
    Ok(step.filter(mine).map(|_| path(return_to)))
}

fn path(return_to: Option<&ReturnTo>) -> String {
    let Some(back) = return_to else { return PATH.to_owned() };
    let back: String = url::form_urlencoded::byte_serialize(back.as_str().as_bytes()).collect();
    format!("{PATH}?return_to={back}")
}

/// Counts a try before its code is compared.
async fn charge(app: &App, step: &Step) -> Result<Result<(), Refused>, AppError> {
    let cap = cap();
    let charged = app.guard.limits.take(&[Charge::new(&cap, step.account.to_string())], app.clock.now()).await?;
    if charged.is_ok() {
        sqlx::query("UPDATE service.second_step SET attempts = attempts + 1 WHERE cookie_hash = $1")
            .bind(step.cookie.as_slice())
            .execute(&app.db)
            .await?;
    }
    Ok(charged)
}

/// The tries were the holder's own slips.
async fn forgive(app: &App, account: AccountId) -> Result<(), AppError> {
    let cap = cap();
    app.guard.limits.forgive(&[Charge::new(&cap, account.to_string())]).await?;
    Ok(())
}

/// Uses the step up: true for exactly one caller.
async fn consume(app: &App, step: &Step) -> Result<bool, AppError> {
    let used = sqlx::query("DELETE FROM service.second_step WHERE cookie_hash = $1")
        .bind(step.cookie.as_slice())
        .execute(&app.db)
        .await?;
    Ok(used.rows_affected() == 1)
}

/// What a code turned out to be.
async fn prove(
    app: &App,
    incident: &crate::incident::Incident,
    step: &Step,
    typed: &str,
) -> Result<Option<Second>, AppError> {
    if totp::is_shaped(typed) {
        return Ok(totp::prove(app, step.account, typed).await?.then_some(Second::Totp));
    }
    Ok(recovery::prove(app, incident, step.account, typed).await?.then_some(Second::RecoveryCode))
}
