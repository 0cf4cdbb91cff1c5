//! `grant_type=authorization_code` (OpenID Connect Core §3.1.3).

use super::mint::{Minting, Tokens, limits};
use crate::app::App;
use crate::oidc::client::Client;
use crate::oidc::codes::{self, Lifetimes, NotRedeemed, Presented};
use crate::oidc::endpoint::{Fault, Refused, required};
use crate::oidc::error::{ErrorCode, refuse};
use crate::oidc::parameters::Parameters;
use crate::oidc::{grants, logout, scopes, who};
use domain::ids::AccountId;
use domain::relying_party::GrantType;
use uuid::Uuid;

/// Tokens for a code, if its session is still alive and the person still has to do with the client.
///
/// # Errors
/// [`Refused`].
pub async fn issue(
    app: &App,
    client: &Client,
    parameters: &Parameters,
    jkt: Option<String>,
    account: &mut Option<AccountId>,
) -> Result<Tokens, Refused> {
    let now = app.clock.now();
    let presented = Presented {
        code: required(parameters, "code", "code is missing")?,
        client: client.id,
        redirect_uri: required(parameters, "redirect_uri", "redirect_uri is missing")?,
        verifier: required(parameters, "code_verifier", "code_verifier is missing: PKCE is required")?,
    };
    let lifetimes = Lifetimes::of(&app.config.oidc, &client.registration.terms);
    let grant = match codes::redeem(&app.db, presented, Uuid::new_v4(), now, lifetimes).await {
        Ok(grant) => grant,
        Err(NotRedeemed::Database(error)) => Err(Fault(error))?,
        Err(why) => {
            // The client learns no more than that; support reads the rest by the reference.
            tracing::warn!(client = %client.id, %why, "code refused");
            return Err(invalid_grant());
        }
    };
    *account = Some(grant.account);
    if grant.jkt.is_some() && grant.jkt != jkt {
        tracing::warn!(client = %client.id, "code of another key");
        return Err(invalid_grant());
    }
    let who = who::by_sid(app, grant.session, Some(grant.account)).await.map_err(Refused::Fault)?;
    let who = who.ok_or_else(invalid_grant)?;
    let mut minting = Minting::new(app, client, &who, &grant.scopes, grant.jti);
    minting.nonce = grant.nonce;
    // Entitlement first: nobody holds a refresh token who got nothing by the code.
    let entitlement = minting.entitlement().await?.ok_or_else(invalid_grant)?;
    if client.registration.terms.backchannel_logout.is_some() {
        logout::note(app, who.sid, client.id, who.id).await.map_err(Fault)?;
    }
    let scope = scopes::join(&grant.scopes);
    let touched = scopes::join(&scopes::touched(&grant.scopes, &grant.claims, &client.registration));
    grants::released(&app.db, who.id, client.id, &touched, now).await.map_err(Fault)?;
    if client.registration.terms.allow(GrantType::RefreshToken) {
        let opening = grants::Opening {
            id: grant.jti,
            client: client.id,
            account: who.id,
            credential: who.credential,
            link: who.link,
            session: who.sid,
            offline: grant.scopes.contains(scopes::OFFLINE_ACCESS),
            scope: &scope,
            authenticated_at: who.authenticated_at,
            method: who.method.as_str(),
            second: who.second.map(crate::session::Second::as_str),
            // RFC 9449 §5: whoever authenticates needs no key to hold a refresh token.
            jkt: jkt.as_deref().filter(|_| !client.is_confidential()),
            claims: &grant.claims,
        };
        let limits = limits(app, client);
        let first = grants::begin(&app.db, &app.ledger, &opening, now, limits).await.map_err(Fault)?;
        (minting.grant, minting.refresh_token) = (Some(grant.jti), Some(first));
    }
    (minting.jkt, minting.claims) = (jkt, grant.claims);
    minting.tokens(&entitlement).await
}

fn invalid_grant() -> Refused {
    Refused::Told(refuse(ErrorCode::InvalidGrant, "the code is unknown, expired, used, or not for this request"))
}
