//! `grant_type=client_credentials` (RFC 6749 §4.4): a service for itself, at another's interface.

use super::mint::{Tokens, signed_for_itself};
use crate::app::App;
use crate::oidc::client::Client;
use crate::oidc::endpoint::Refused;
use crate::oidc::error::{ErrorCode, refuse};
use crate::oidc::parameters::Parameters;
use crate::oidc::scopes;
use domain::ids::RelyingPartyId;

/// An access token that names nobody but the client. Its audience is one that the client is registered to call, by
/// `resource` (RFC 8707) or `audience`; without either, the issuer.
///
/// # Errors
/// [`Refused`].
pub async fn issue(
    app: &App,
    client: &Client,
    parameters: &Parameters,
    jkt: Option<String>,
) -> Result<Tokens, Refused> {
    let audience = audience(client, parameters)?;
    let scope = match parameters.get("scope").map(str::trim).unwrap_or_default() {
        "" => String::new(),
        scopes::CONSOLE if client.registration.scopes.contains(scopes::CONSOLE) && audience.is_none() => {
            scopes::CONSOLE.to_owned()
        }
        // Every other scope releases something of a person, and there is none.
        _ => {
            let only = "client_credentials releases no scope but console, to consoles: leave it out";
            return Err(refuse(ErrorCode::InvalidScope, only).into());
        }
    };
    signed_for_itself(app, client, audience, jkt, scope).await
}

/// The relying party that a token is asked for, if one is named and the client may ask.
///
/// # Errors
/// `invalid_target` (RFC 8693 §2.2.2, RFC 8707 §2).
pub fn audience(client: &Client, parameters: &Parameters) -> Result<Option<RelyingPartyId>, Refused> {
    let named = match (parameters.get("audience"), parameters.get("resource")) {
        (None, None) => return Ok(None),
        (Some(named), None) | (None, Some(named)) => named,
        (Some(_), Some(_)) => {
            return Err(refuse(ErrorCode::InvalidRequest, "give audience or resource, not both").into());
        }
    };
    let named: Option<RelyingPartyId> = named.strip_prefix("urn:uuid:").unwrap_or(named).parse().ok();
    match named.filter(|named| client.registration.terms.audiences.contains(named)) {
        Some(named) => Ok(Some(named)),
        None => Err(refuse(ErrorCode::InvalidTarget, "the client is not registered to call this audience").into()),
    }
}
