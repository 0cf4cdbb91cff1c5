//! What the service writes into the access log. Ids and keyed hashes only; see [`ledger::access`].

use crate::app::App;
use crate::clock::Clock;
use crate::incident::Incident;
use crate::session::{Method, network};
use domain::context::Actor;
use domain::ids::{AccountId, RelyingPartyId};
use ledger::access::{Access, Deed, Grant, Query, SignInMethod, SignInOutcome, TokenOutcome, local_operator, record};
use std::net::IpAddr;

/// A sign-in, successful or not. Whoever signs in does not wait for it, and waits no longer for being known.
pub fn sign_in(
    app: &App,
    incident: &Incident,
    address: IpAddr,
    account: Option<AccountId>,
    method: Method,
    outcome: SignInOutcome,
) {
    let proved = matches!(outcome, SignInOutcome::Success | SignInOutcome::MustChange | SignInOutcome::SecondFactorDue);
    let method = match method {
        Method::Password => SignInMethod::Password,
        Method::Sms => SignInMethod::Sms,
        Method::FranceConnect => SignInMethod::FranceConnect,
        Method::Upstream => SignInMethod::Upstream,
    };
    app.access.note(Access {
        at: app.clock.now(),
        actor: account.filter(|_| proved).map(Actor::Account),
        origin: Some(app.ledger.lookup_hash("network", &network(address))),
        reference: Some(incident.reference()),
        deed: Deed::SignIn { account, method, outcome },
    });
}

/// What a token request turned out to be about, as far as it got.
#[derive(Debug, Default)]
pub struct TokenRequest {
    /// The relying party, once it has proved to be itself.
    pub relying_party: Option<RelyingPartyId>,
    /// The account, once the grant has named it.
    pub account: Option<AccountId>,
    /// By which grant.
    pub grant: Option<Grant>,
}

/// A token request, answered or refused.
pub fn token(app: &App, incident: &Incident, request: &TokenRequest, outcome: TokenOutcome) {
    let TokenRequest { relying_party, account, grant } = *request;
    app.access.note(Access {
        at: app.clock.now(),
        actor: relying_party.map(Actor::RelyingParty),
        origin: None,
        reference: Some(incident.reference()),
        deed: Deed::Token { relying_party, account, grant: grant.unwrap_or(Grant::Unknown), outcome },
    });
}

/// A read by staff over the API. On disk when this returns: without it there is no answer.
///
/// # Errors
/// When the database fails.
pub async fn staff_read(app: &App, incident: &Incident, actor: Actor, query: Query) -> sqlx::Result<()> {
    let reference = Some(incident.reference());
    let deed = Deed::StaffRead(query);
    record(&app.db, &[Access { at: app.clock.now(), actor: Some(actor), origin: None, reference, deed }]).await
}

/// A person takes away what is kept of them; `hash` is the SHA-256 of the file. On disk when this returns.
///
/// # Errors
/// When the database fails.
pub async fn own_read(app: &App, incident: &Incident, account: AccountId, hash: [u8; 32]) -> sqlx::Result<()> {
    let concerned = vec![account.0];
    let query = Query { name: "own-data", concerned, results: 1, export_hash: Some(hash), ..Query::default() };
    let (actor, reference) = (Some(Actor::Account(account)), Some(incident.reference()));
    let access = Access { at: app.clock.now(), actor, origin: None, reference, deed: Deed::OwnRead(query) };
    record(&app.db, &[access]).await
}

/// A read by staff on the machine itself, under the operating system's user. On disk when this returns.
///
/// # Errors
/// When the database fails.
pub async fn local_read(db: &sqlx::PgPool, query: Query) -> sqlx::Result<()> {
    let (actor, deed) = (Some(local_operator()), Deed::StaffRead(query));
    let at = Clock::default().now();
    record(db, &[Access { at, actor, origin: None, reference: None, deed }]).await
}

#[cfg(test)]
mod tests;
