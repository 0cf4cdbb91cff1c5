//! `GET /sign-in/with/{provider}` and `GET /account/ways-in/add/{provider}`: off to a provider.

use super::provider::Provider;
use super::stopped::{StoppedPage, Why};
use super::visit;
use crate::app::App;
use crate::incident::AppError;
use crate::limits::{Cap, Charge};
use crate::pages::View;
use crate::session::cookies::{Cookies, Kind, removal};
use crate::session::return_to::{self, ReturnTo};
use crate::session::{ClientAddress, StepUp, network};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use domain::ids::AccountId;
use serde::Deserialize;

/// Trips begun from one network address in an hour: a whole school may lie behind one.
const FROM_ONE_ADDRESS: (u32, u64) = (2_000, 3600);

/// Where to go afterwards.
#[derive(Deserialize)]
pub struct Destination {
    #[serde(default, deserialize_with = "return_to::lenient")]
    return_to: Option<ReturnTo>,
}

/// Sends a visitor to a provider to sign in.
///
/// # Errors
/// There is no such provider, or too many were sent from this address.
pub async fn begin(
    State(app): State<App>,
    view: View,
    ClientAddress(address): ClientAddress,
    Path(name): Path<String>,
    Query(destination): Query<Destination>,
) -> Result<Response, AppError> {
    let provider = app.upstreams.find(&name).ok_or_else(AppError::not_found)?;
    let cap = Cap::new("upstream-address", &[FROM_ONE_ADDRESS]);
    let now = app.clock.now();
    if let Err(refused) = app.guard.limits.take(&[Charge::new(&cap, network(address))], now).await? {
        return Err(AppError::too_many(refused.retry_after(now)).because(refused.cap));
    }
    depart(&app, view, provider, None, destination.return_to.as_ref()).await
}

/// Sends a signed-in holder to a provider, to add it to the account's ways in.
///
/// # Errors
/// There is no such provider.
pub async fn add(
    State(app): State<App>,
    view: View,
    StepUp(user): StepUp,
    Path(name): Path<String>,
) -> Result<Response, AppError> {
    let provider = app.upstreams.find(&name).ok_or_else(AppError::not_found)?;
    depart(&app, view, provider, Some(user.account), None).await
}

async fn depart(
    app: &App,
    view: View,
    provider: &Provider,
    account: Option<AccountId>,
    return_to: Option<&ReturnTo>,
) -> Result<Response, AppError> {
    let metadata = match app.upstreams.metadata(provider, app.clock.now()).await {
        Ok(metadata) => metadata,
        Err(error) => return Ok(StoppedPage::because(view, provider, Why::of(&error), Some(&error))),
    };
    let (token, jar) = visit::begin(app, provider, account, return_to).await?;
    let redirect_uri = app.config.link(&provider.callback_path());
    match provider.authorization(&metadata, &redirect_uri, visit::secrets(app, &token)) {
        Ok(address) => Ok((jar, Redirect::to(address.as_str())).into_response()),
        Err(error) => Ok(StoppedPage::because(view, provider, Why::of(&error), Some(&error))),
    }
}

/// `GET /sign-in/without`: forgets what a provider said of the person in this browser, and goes on without.
///
/// # Errors
/// When the database fails.
pub async fn forget(State(app): State<App>, cookies: Cookies) -> Result<Response, AppError> {
    if let Some(recognised) = visit::recognised(&app, &cookies).await? {
        recognised.finish(&app).await?;
    }
    Ok((CookieJar::new().add(removal(&app, Kind::Upstream)), Redirect::to("/activate")).into_response())
}
