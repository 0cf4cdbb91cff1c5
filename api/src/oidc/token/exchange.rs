//! `grant_type=urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693): a portal calls the mark book on the user's
//! behalf.
//!
//! ```text
//!  person ──▶ portal                  access token: aud issuer, client_id portal
//!             portal ──▶ mark book    exchanged:    aud mark book, client_id portal, act portal,
//!                                                   sub as the mark book knows the person
//!             mark book ──▶ archive   exchanged:    aud archive, client_id mark book, act mark book (act portal)
//! ```
//!
//! The new token stands on the same sign-in and the same family; it ends with them, and never later than the token it
//! was made from.

use super::client_credentials::audience;
use super::mint::{Tokens, token_type};
use crate::app::App;
use crate::oidc::client::Client;
use crate::oidc::codes::Lifetimes;
use crate::oidc::endpoint::{Fault, Refused, required};
use crate::oidc::entitlement::{Entitlement, NotEntitled};
use crate::oidc::error::{ErrorCode, refuse};
use crate::oidc::live::{self, Live, registered};
use crate::oidc::parameters::Parameters;
use crate::oidc::scopes;
use crate::oidc::subject::Pairwise;
use crate::oidc::tokens::{AccessToken, Actor, Confirmation};
use domain::ids::AccountId;
use domain::relying_party::{Registration, SigningAlgorithm};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The one type of token exchanged.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A token for another relying party's service, naming whom it is about and who acts.
///
/// # Errors
/// [`Refused`]; what is wrong with the subject token is `invalid_request` (§2.2.2).
pub async fn issue(
    app: &App,
    client: &Client,
    parameters: &Parameters,
    jkt: Option<String>,
    account: &mut Option<AccountId>,
) -> Result<Tokens, Refused> {
    let invalid = |description| refuse(ErrorCode::InvalidRequest, description);
    let text = required(parameters, "subject_token", "subject_token is missing")?;
    if parameters.get("subject_token_type") != Some(ACCESS_TOKEN)
        || parameters.get("requested_token_type").is_some_and(|asked| asked != ACCESS_TOKEN)
    {
        return Err(invalid("only access tokens are exchanged, for access tokens").into());
    }
    if parameters.get("actor_token").is_some() {
        return Err(invalid("the client that authenticates is the actor: leave actor_token out").into());
    }
    let target = audience(client, parameters)?
        .ok_or(refuse(ErrorCode::InvalidTarget, "say by audience whose service the token is for"))?;
    let bad = || Refused::from(invalid("the subject token is not good, or not this client's"));
    let subject = live::look(app, text).await.map_err(Refused::Fault)?.ok_or_else(bad)?;
    let for_client = subject.token.aud == client.id.to_string();
    let own = subject.token.client_id == client.id && subject.token.aud == app.config.origin();
    let bound = subject.token.cnf.as_ref().is_none_or(|bound| Some(&bound.jkt) == jkt.as_ref());
    if !(own || for_client) || !bound {
        return Err(bad());
    }
    let scopes_held = subject.scopes();
    let Live { token: subject, person: Some((who, _)), .. } = subject else { return Err(bad()) };
    *account = Some(who.id);
    let not_theirs =
        || Refused::from(refuse(ErrorCode::InvalidTarget, "the person has nothing to do with the audience"));
    let registration = registered(app, target).await.map_err(Refused::Fault)?.ok_or_else(not_theirs)?;
    let entitlement = match Entitlement::of(&app.ledger, &who.account, &registration).await {
        Ok(entitlement) => entitlement,
        Err(NotEntitled::Read(error)) => return Err(Fault(error).into()),
        Err(NotEntitled::AccountNotInUse | NotEntitled::NobodyServed) => return Err(not_theirs()),
    };
    let scope = narrowed(parameters, &scopes_held, &registration)?;
    let now = app.clock.now();
    let lifetime = Lifetimes::of(&app.config.oidc, &client.registration.terms).access_token;
    let token = AccessToken {
        iss: subject.iss,
        sub: Pairwise::new(&app.ledger, &registration.sector_identifier).holder(who.id, entitlement.holder),
        aud: target.to_string(),
        exp: subject.exp.min((now + lifetime).timestamp()),
        iat: now.timestamp(),
        jti: Uuid::new_v4(),
        client_id: client.id,
        scope,
        // An access token that belongs to a family ends with it; any other with the first of its kind.
        root: subject.root.or(Some(subject.jti)),
        claims: BTreeMap::new(),
        grant: subject.grant,
        cnf: jkt.map(|jkt| Confirmation { jkt }),
        act: Some(Actor { sub: client.id, act: subject.act.map(Box::new) }),
        sign_in: subject.sign_in,
    };
    let keys = app.keys.get(now).await.map_err(Fault)?;
    let key = keys.signing(SigningAlgorithm::ES256).map_err(Fault)?;
    Ok(Tokens {
        access_token: token.sign(key).map_err(Fault)?,
        issued_token_type: Some(ACCESS_TOKEN),
        token_type: token_type(&token),
        expires_in: token.exp - token.iat,
        id_token: None,
        refresh_token: None,
        scope: token.scope,
    })
}

/// What was granted, as far as the audience is registered for it and the client asks for it.
fn narrowed(parameters: &Parameters, held: &BTreeSet<String>, target: &Registration) -> Result<String, Refused> {
    let mut scopes: BTreeSet<String> = held.intersection(&target.scopes).cloned().collect();
    scopes.remove(scopes::OFFLINE_ACCESS);
    if let Some(asked) = parameters.get("scope") {
        let asked: BTreeSet<String> = asked.split(' ').map(str::to_owned).collect();
        if !asked.is_subset(&scopes) {
            return Err(refuse(ErrorCode::InvalidScope, "more than was granted, or than the audience receives").into());
        }
        scopes = asked;
    }
    Ok(scopes::join(&scopes))
}
