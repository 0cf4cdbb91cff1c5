//! `GET /sign-in/with/{provider}/callback`: back from a provider.

use super::claims;
use super::link::{self, New};
use super::matching;
use super::provider::{Exchanged, Provider, UpstreamError};
use super::sign_out;
use super::stopped::{StoppedPage, Why};
use super::verify::{Claims, Verified, verified};
use super::visit::{self, Answered};
use super::{SUBJECT, subject_hash};
use crate::access;
use crate::activation::{own_children_path, unconfirmed};
use crate::app::App;
use crate::config::{MatchBy, User};
use crate::incident::{AppError, Incident};
use crate::pages::View;
use crate::session::cookies::Cookies;
use crate::session::{ByLink, ClientAddress, CurrentUser, ReturnTo, WAYS_IN_PATH, open_by_link};
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::account::{Account, Holder, Status, UpstreamIdentity};
use domain::ids::{AccountId, LinkId};
use domain::personal::Personal;
use ledger::access::SignInOutcome;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A request that came back from a provider.
pub(super) struct Arrival<'a> {
    pub app: &'a App,
    pub view: View,
    pub incident: &'a Incident,
    pub cookies: &'a Cookies,
    pub address: IpAddr,
    pub provider: &'a Provider,
}

/// Who came back.
pub(super) struct Arrived {
    pub identity: UpstreamIdentity,
    pub claims: Claims,
    pub id_token: String,
}

impl Arrival<'_> {
    /// The page that says why it led nowhere; also in the access log.
    pub fn stopped(self, account: Option<AccountId>, why: Why, error: Option<&UpstreamError>) -> Response {
        let outcome = if why == Why::NotInUse { SignInOutcome::NotInUse } else { SignInOutcome::Wrong };
        if why != Why::Declined {
            access::sign_in(self.app, self.incident, self.address, account, self.provider.method(), outcome);
        }
        StoppedPage::because(self.view, self.provider, why, error)
    }
}

/// Takes a provider's answer. Whatever is wrong with it, the page says what to do and the log says what it was.
///
/// # Errors
/// There is no such provider, or something fails.
pub async fn callback(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let provider = app.upstreams.find(&name).ok_or_else(AppError::not_found)?;
    let arrival = Arrival { app: &app, view, incident: &incident, cookies: &cookies, address, provider };
    let Some(parameters) = parameters(query.as_deref().unwrap_or_default()) else {
        return Err(AppError::bad_request().because("a parameter given twice"));
    };
    // Whoever has not the cookie of this very trip gets nowhere, whatever else they bring.
    let state = parameters.get("state").map_or("", String::as_str);
    let token = match &cookies.upstream {
        Some(token) if visit::is_own_state(&app, token, state) => token.clone(),
        Some(_) | None => return Ok(arrival.stopped(None, Why::Stale, None)),
    };
    let Some(visit) = visit::answer(&app, provider, &token).await? else {
        return Ok(arrival.stopped(None, Why::Stale, None));
    };
    match parameters.get("error").map(String::as_str) {
        Some("access_denied") => return Ok(arrival.stopped(None, Why::Declined, None)),
        Some("server_error" | "temporarily_unavailable") => {
            return Ok(arrival.stopped(None, Why::Unavailable, None));
        }
        Some(_) => return Ok(arrival.stopped(None, Why::Refused, None)),
        None => {}
    }
    let (_, nonce, verifier) = visit::secrets(&app, &token);
    match arrived(&app, provider, (nonce, verifier), &parameters).await {
        Ok(arrived) => resolve(arrival, visit, arrived).await,
        Err(error) => Ok(arrival.stopped(None, Why::of(&error), Some(&error))),
    }
}

/// The parameters, each once.
fn parameters(query: &str) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(parameters)
}

/// Exchanges the code and verifies all that follows from it.
async fn arrived(
    app: &App,
    provider: &Provider,
    (nonce, verifier): (String, String),
    parameters: &BTreeMap<String, String>,
) -> Result<Arrived, UpstreamError> {
    let now = app.clock.now();
    let metadata = app.upstreams.metadata(provider, now).await?;
    // RFC 9207 §2.4: an answer of another provider, brought here, is turned away.
    match parameters.get("iss") {
        Some(issuer) if *issuer != metadata.issuer => return Err(UpstreamError::Wrong("another issuer answers")),
        None if metadata.authorization_response_iss_parameter_supported => {
            return Err(UpstreamError::Wrong("the answer names no issuer"));
        }
        Some(_) | None => {}
    }
    let code = parameters.get("code").filter(|code| !code.is_empty());
    let code = code.ok_or(UpstreamError::Wrong("neither code nor error"))?;
    let redirect_uri = app.config.link(&provider.callback_path());
    let exchanged = app.upstreams.exchange(provider, &metadata, (code, verifier), &redirect_uri, now).await?;
    let verified = verified(&app.upstreams, provider, &metadata, &exchanged, &nonce, now).await?;
    let identity = claims::identity(provider, &verified)?;
    let (Verified { claims, .. }, Exchanged { id_token, .. }) = (verified, exchanged);
    Ok(Arrived { identity, claims, id_token })
}

/// Where it leads: into the account that the identity opens, or to the proof that an account is this person's.
async fn resolve(arrival: Arrival<'_>, visit: Answered, arrived: Arrived) -> Result<Response, AppError> {
    let (app, provider) = (arrival.app, arrival.provider);
    if let Some(account) = visit.account {
        visit.finish(app).await?;
        return super::ways::add_arrived(arrival, account, arrived).await;
    }
    let signed_in = arrival.incident.user().map(|user| user.account);
    if let Some((id, account, link)) = opened_by(app, provider, &arrived.identity).await? {
        visit.finish(app).await?;
        // One browser, one person: nobody becomes somebody else by the way.
        if signed_in.is_some_and(|user| user != id) {
            return Ok(arrival.stopped(Some(id), Why::LinkedElsewhere, None));
        }
        if account.status != Status::Activated {
            return Ok(arrival.stopped(Some(id), Why::NotInUse, None));
        }
        if !may_use(provider, &account) {
            return Ok(arrival.stopped(Some(id), Why::NotForThem, None));
        }
        return enter(arrival, (id, &account), link, &arrived.id_token, visit.return_to.as_ref()).await;
    }
    if signed_in.is_some() {
        visit.finish(app).await?;
        return Ok(Redirect::to(WAYS_IN_PATH).into_response());
    }
    if provider.config.matching.by == MatchBy::Names {
        visit.keep(app, arrival.incident, arrived.identity, &arrived.id_token).await?;
        return Ok(Redirect::to("/activate").into_response());
    }
    visit.finish(app).await?;
    let Some((id, proof)) = matching::find(app, provider, &arrived).await? else {
        return Ok(arrival.stopped(None, Why::Nobody, None));
    };
    let account = app.ledger.load::<Account>(&id.to_string()).await?.aggregate;
    if !may_use(provider, &account) {
        return Ok(arrival.stopped(Some(id), Why::NotForThem, None));
    }
    let new = New { provider, identity: &arrived.identity, proof, flow: None, consumed: None };
    if let Err(why) = link::tie(app, arrival.incident, arrival.view.language, id, &new).await? {
        return Ok(arrival.stopped(Some(id), why, None));
    }
    link::give_login(app, arrival.incident, id).await?;
    let account = app.ledger.load::<Account>(&id.to_string()).await?.aggregate;
    let Some(link) = account.link_of(provider.name(), &arrived.identity.subject) else {
        return Ok(arrival.stopped(Some(id), Why::NotInUse, None));
    };
    enter(arrival, (id, &account), link, &arrived.id_token, visit.return_to.as_ref()).await
}

/// The account that an identity opens, by the account's own stream.
pub(super) async fn opened_by(
    app: &App,
    provider: &Provider,
    identity: &UpstreamIdentity,
) -> Result<Option<(AccountId, Account, LinkId)>, AppError> {
    let hash = subject_hash(app, provider.name(), &identity.subject);
    let Some(owner) = app.ledger.reserved(SUBJECT, &hash).await? else { return Ok(None) };
    let id: AccountId = owner.parse().map_err(AppError::internal)?;
    let account = app.ledger.load::<Account>(&owner).await?.aggregate;
    Ok(account.link_of(provider.name(), &identity.subject).map(|link| (id, account, link)))
}

/// Whether an account is of a kind that may come this way.
pub(super) fn may_use(provider: &Provider, account: &Account) -> bool {
    let user = match account.holder {
        Some(Holder::Guardian(_)) => User::Guardian,
        Some(Holder::Pupil(_)) => User::Pupil,
        None => return false,
    };
    provider.config.users.contains(&user)
}

/// Opens the session.
pub(super) async fn enter(
    arrival: Arrival<'_>,
    (id, account): (AccountId, &Account),
    link: LinkId,
    id_token: &str,
    return_to: Option<&ReturnTo>,
) -> Result<Response, AppError> {
    let Arrival { app, incident, cookies, address, provider, .. } = arrival;
    let sign_out = sign_out::keep(app, incident, provider, id_token).await?;
    let method = provider.method();
    let jar = open_by_link(app, cookies, id, account, method, ByLink { link, sign_out }).await?;
    access::sign_in(app, incident, address, Some(id), method, SignInOutcome::Success);
    let name = account.login.as_ref().and_then(Personal::known).cloned().unwrap_or_default();
    incident.note_user(CurrentUser::new(id, name, app.clock.now(), method));
    let children_first = account.confirmed.is_empty() && unconfirmed(app, account).await?.waiting > 0;
    let target = match (children_first, return_to) {
        (true, return_to) => own_children_path(return_to),
        (false, Some(return_to)) => return_to.as_str().to_owned(),
        (false, None) => "/account".to_owned(),
    };
    Ok((jar, Redirect::to(&target)).into_response())
}
