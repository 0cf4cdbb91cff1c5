//! Access tokens that come back: ours, and still good in everything they stand on – looked at again each time.

use super::codes::is_revoked;
use super::entitlement::{Entitlement, NotEntitled};
use super::subject::Pairwise;
use super::tokens::AccessToken;
use super::who::{self, Who};
use crate::app::App;
use crate::incident::AppError;
use domain::ids::RelyingPartyId;
use domain::relying_party::Registration;
use std::collections::BTreeSet;

/// A token that is good at this moment.
pub struct Live {
    /// What it says.
    pub token: AccessToken,
    /// What the relying party that may accept it is registered with; the client's own, where that is the issuer.
    pub registration: Registration,
    /// Who stands behind it; nobody where the client acts for itself.
    pub person: Option<(Who, Entitlement)>,
}

/// The token, or `None` where it opens nothing (any more).
///
/// # Errors
/// When ledger or database fail.
pub async fn look(app: &App, text: &str) -> Result<Option<Live>, AppError> {
    let now = app.clock.now();
    let kid = jsonwebtoken::decode_header(text).ok().and_then(|header| header.kid);
    let Some(kid) = kid else { return Ok(None) };
    let keys = app.keys.get_with(&kid, now).await?;
    let issuer = app.config.origin();
    let Ok(token) = AccessToken::open(text, &keys, &issuer, now) else { return Ok(None) };
    if is_revoked(&app.db, token.jti, token.root).await? {
        return Ok(None);
    }
    let Some(client) = registered(app, token.client_id).await? else { return Ok(None) };
    let registration = if token.aud == issuer {
        client
    } else {
        let Ok(audience) = token.aud.parse::<RelyingPartyId>() else { return Ok(None) };
        // Withdrawn since: no longer a service that this client may call.
        let allowed = client.terms.audiences.contains(&audience);
        match registered(app, audience).await? {
            Some(registration) if allowed => registration,
            _ => return Ok(None),
        }
    };
    if token.sign_in.is_none() {
        return Ok(Some(Live { token, registration, person: None }));
    }
    let Some(who) = who::by_token(app, &token).await? else { return Ok(None) };
    let entitlement = match Entitlement::of(&app.ledger, &who.account, &registration).await {
        Ok(entitlement) => entitlement,
        Err(NotEntitled::Read(error)) => return Err(error.into()),
        Err(NotEntitled::AccountNotInUse | NotEntitled::NobodyServed) => return Ok(None),
    };
    let pairwise = Pairwise::new(&app.ledger, &registration.sector_identifier);
    if pairwise.holder(who.id, entitlement.holder) != token.sub {
        // The relying party has moved to another sector since: its old tokens name nobody it should know.
        return Ok(None);
    }
    Ok(Some(Live { token, registration, person: Some((who, entitlement)) }))
}

impl Live {
    /// A scope withdrawn from the registration is withdrawn from tokens already out.
    pub fn scopes(&self) -> BTreeSet<String> {
        let registered = |scope: &&str| self.registration.scopes.contains(*scope);
        self.token.scope.split(' ').filter(registered).map(str::to_owned).collect()
    }
}

/// What a relying party is registered with, while it is served.
///
/// # Errors
/// When the ledger fails.
pub async fn registered(app: &App, id: RelyingPartyId) -> Result<Option<Registration>, AppError> {
    let known = app.clients.get(app, id).await?;
    Ok(known.party.registration.clone().filter(|_| known.party.enabled))
}
