//! Proving to be oneself again, while signed in.

use super::CurrentUser;
use super::cookies::Cookies;
use super::device::KnownDevice;
use super::sign_in::is_right;
use super::store::Method;
use super::throttle::Attempt;
use crate::access;
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::password::Password as Typed;
use domain::account::{Account, Password};
use domain::ids::SecretId;
use ledger::access::SignInOutcome;
use std::net::IpAddr;
use std::time::Duration;

/// What a password typed by who is signed in turned out to be.
pub(super) enum Proved {
    /// The one in force.
    Right(SecretId),
    /// Another.
    Wrong,
    /// Nobody looked: too many were wrong, wait so long.
    TooMany(Duration),
    /// The account has no password of its own.
    NoPassword,
}

/// Compares. Guarded like signing in, with the same counters; a browser left open is no way to guess a password.
pub(super) async fn by_password(
    app: &App,
    incident: &Incident,
    address: IpAddr,
    cookies: &Cookies,
    (user, account): (&CurrentUser, &Account),
    typed: &str,
) -> Result<Proved, AppError> {
    let Some(Password::Personal(present)) = account.password else { return Ok(Proved::NoPassword) };
    let device = KnownDevice::find(&app.ledger, &cookies.device, &user.name);
    let attempt = Attempt { login: &user.name, address, device: device.as_ref() };
    let (throttle, limits) = (&app.guard.throttle, &app.guard.limits);
    let told = |outcome| access::sign_in(app, incident, address, Some(user.account), Method::Password, outcome);
    if let Err(refused) = throttle.begin(limits, &attempt, app.clock.now()).await? {
        told(SignInOutcome::Throttled);
        return Ok(Proved::TooMany(refused.retry_after(app.clock.now())));
    }
    let stored = app.ledger.vault_get(present, app.clock.now()).await?;
    if !is_right(app, Typed::read(typed), stored.as_ref()).await? {
        throttle.failed(limits, &attempt, app.clock.now()).await?;
        tracing::info!(account = %user.account, "re-authentication refused");
        told(SignInOutcome::Wrong);
        return Ok(Proved::Wrong);
    }
    throttle.succeeded(limits, &attempt).await?;
    Ok(Proved::Right(present))
}
