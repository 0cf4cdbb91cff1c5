//! The token endpoint (RFC 6749 §3.2, OpenID Connect Core §3.1.3): one file for each grant, [`mint`] for what all
//! of them hand out.

mod client_credentials;
mod code;
mod exchange;
mod mint;
mod refresh;

use super::discovery::path;
use super::dpop;
use super::endpoint::{FormRequest, Refused, no_store};
use super::error::{ErrorCode, refuse};
use crate::access::{self, TokenRequest};
use crate::app::App;
use crate::incident::{AppError, Incident};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::relying_party::GrantType;
use ledger::access::{Grant, TokenOutcome};
use mint::Tokens;
pub use mint::limits;

/// `POST /token`
///
/// # Errors
/// Faults of ours only; refusals are answered in the protocol's form.
pub async fn post(State(app): State<App>, incident: Incident, request: FormRequest) -> Result<Response, AppError> {
    let mut about = TokenRequest::default();
    let answer = issue(&app, &request, &mut about).await;
    let outcome = match &answer {
        Ok(_) => TokenOutcome::Success,
        Err(Refused::Told(error) | Refused::Unauthenticated(error, _)) => TokenOutcome::Refused(error.code.as_str()),
        Err(Refused::Nonce(_)) => TokenOutcome::Refused(dpop::WANTED.code.as_str()),
        Err(Refused::Fault(_)) => TokenOutcome::Refused("server_error"),
    };
    access::token(&app, &incident, &about, outcome);
    match answer {
        Ok(tokens) => Ok(dpop::with_nonce(&app, no_store(Json(tokens).into_response()))),
        Err(refused) => refused.answer(),
    }
}

async fn issue(app: &App, request: &FormRequest, about: &mut TokenRequest) -> Result<Tokens, Refused> {
    let (parameters, client) = request.authenticated(app).await?;
    about.relying_party = Some(client.id);
    let Some(name) = parameters.get("grant_type") else {
        return Err(refuse(ErrorCode::InvalidRequest, "grant_type is missing").into());
    };
    // Only the protocol's own names, not the short ones of the command line.
    let Some(grant) = GrantType::ALL.into_iter().find(|grant| grant.as_str() == name) else {
        return Err(refuse(ErrorCode::UnsupportedGrantType, "this grant_type is not supported").into());
    };
    about.grant = Some(match grant {
        GrantType::AuthorizationCode => Grant::AuthorizationCode,
        GrantType::RefreshToken => Grant::RefreshToken,
        GrantType::ClientCredentials => Grant::ClientCredentials,
        GrantType::TokenExchange => Grant::TokenExchange,
    });
    if !client.registration.terms.allow(grant) {
        return Err(refuse(ErrorCode::UnauthorizedClient, "the client is not registered for this grant_type").into());
    }
    let jkt = dpop::proved(app, &request.headers, "POST", path::TOKEN, None).await?;
    if jkt.is_none() && client.registration.terms.dpop_bound_access_tokens {
        return Err(refuse(ErrorCode::InvalidDpopProof, "the client is registered to bind its tokens by DPoP").into());
    }
    let account = &mut about.account;
    match grant {
        GrantType::AuthorizationCode => code::issue(app, &client, &parameters, jkt, account).await,
        GrantType::RefreshToken => refresh::issue(app, &client, &parameters, jkt, account).await,
        GrantType::ClientCredentials => client_credentials::issue(app, &client, &parameters, jkt).await,
        GrantType::TokenExchange => exchange::issue(app, &client, &parameters, jkt, account).await,
    }
}
