//! The OpenID provider: authorization code with PKCE, rotating refresh tokens, claims as they are at the moment.
//!
//! ```text
//!  GET /authorize ──▶ request::Target::prove ──▶ AuthorizationRequest::read ──▶ who::in_browser
//!                      │ page                     │ error to the client           │ nobody: /sign-in and back
//!                                                                                 ▼
//!                                     codes::issue ◀── entitlement::Entitlement::of (aggregates, not views)
//!  POST /token ──▶ client::authenticate ──▶ codes::redeem ──▶ who::by_sid ──▶ Entitlement ──▶ tokens
//!                    client::authenticate ──▶ grants::rotate ──▶ who::by_grant ──▶ Entitlement ──▶ tokens
//!  GET /userinfo ──▶ live::look (token, client, sign-in, Entitlement) ──▶ claims::Claims (projections)
//!  POST /introspect ──▶ client::authenticate ──▶ live::look          POST /revoke ──▶ client::authenticate
//! ```
//!
//! What a relying party may see is in [`scopes`]; how a person was identified, and that it is no eIDAS level, in
//! [`tokens::acr`].

mod authorize;
mod choose;
mod claims;
pub mod client;
mod codes;
mod consent;
mod console;
mod discovery;
mod dpop;
mod end_session;
mod endpoint;
mod entitlement;
mod error;
pub mod fuzzing;
mod grants;
mod hints;
mod introspection;
pub mod keys;
mod live;
mod logout;
pub mod metadata;
mod par;
mod parameters;
mod pkce;
mod portal;
mod redirect_uri;
pub mod registration;
pub mod registry;
mod request;
mod requested;
mod response;
mod revocation;
pub mod scopes;
mod services;
mod subject;
mod token;
mod tokens;
mod userinfo;
mod who;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod samples;

pub use authorize::{BetterPage, DeniedPage};
pub use choose::ChoosePage;
pub(crate) use client::assertion::{TYPE as ASSERTION_TYPE, verify as verify_with};
pub use client::keys::ClientKeyCache;
pub use client::known::KnownClients;
pub use codes::delete_expired;
pub use consent::ConsentPage;
pub use discovery::path;
pub use end_session::{ConfirmPage, SignedOutPage};
pub use keys::Keys;
pub use logout::{end_sessions_of_the_gone, start as tell_of_logouts};
pub use response::FormPostPage;
pub use services::{EVERYWHERE, EverywhereForm, Received, ServicesPage, names, received};
pub(crate) use tokens::at_hash;

use crate::app::App;
use crate::pages::form_on;
use aws_lc_rs::error::Unspecified;
use axum::Router;
use axum::routing::{get, post};

/// The provider's routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route(path::DISCOVERY, get(discovery::metadata))
        .route(path::JWKS, get(discovery::jwks))
        .route(path::AUTHORIZE, get(authorize::get).post(authorize::post))
        .route(path::CONTINUE, get(authorize::resume))
        .route(path::CONSENT, form_on("/account", post(consent::answer)))
        .route(path::CHOOSE, form_on("/account", post(choose::answer)))
        .route(path::PAR, post(par::post))
        .route(path::TOKEN, post(token::post))
        .route(path::INTROSPECT, post(introspection::post))
        .route(path::REVOKE, post(revocation::post))
        .route(path::USERINFO, get(userinfo::answer).post(userinfo::answer))
        .route(path::END_SESSION, get(end_session::get).post(end_session::post))
        .route(path::END_SESSION_CONFIRM, form_on(path::END_SESSION, post(end_session::confirm)))
        .route(path::REGISTER, post(registration::register))
        .route(path::REGISTERED, get(registration::show).put(registration::update).delete(registration::delete))
        .merge(console::routes())
        .route(services::PATH, get(services::show))
        .route(services::REVOKE, form_on(services::PATH, post(services::revoke)))
        .route(services::EVERYWHERE, form_on(services::PATH, post(services::sign_out_everywhere)))
}

/// Whether forms of other sites may be posted here: the endpoints that the protocol opens to them. None does
/// anything for who is signed in: `authorize` and `end_session` read no cookie on POST, and the others want a
/// secret of their own.
pub fn takes_foreign_forms(path: &str) -> bool {
    [path::AUTHORIZE, path::PAR, path::TOKEN, path::INTROSPECT, path::REVOKE, path::USERINFO, path::END_SESSION]
        .contains(&path)
}

/// Fresh random bytes.
fn random<const N: usize>() -> Result<[u8; N], Unspecified> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(bytes)
}
