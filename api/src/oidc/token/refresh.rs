//! `grant_type=refresh_token` (RFC 6749 §6, OpenID Connect Core §12).

use super::mint::{Minting, Tokens, limits};
use crate::app::App;
use crate::oidc::client::Client;
use crate::oidc::endpoint::{Fault, Refused, required};
use crate::oidc::error::{ErrorCode, refuse};
use crate::oidc::grants::{self, NotRefreshed};
use crate::oidc::parameters::Parameters;
use crate::oidc::{scopes, who};
use domain::ids::AccountId;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Tokens for a refresh token: with the claims and the entitlement of this moment, never more than was granted.
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
    let presented = required(parameters, "refresh_token", "refresh_token is missing")?;
    let presented = (presented, jkt.as_deref());
    let rotated = grants::rotate(&app.db, &app.ledger, client.id, presented, now, limits(app, client)).await;
    let refreshed = match rotated {
        Ok(refreshed) => refreshed,
        Err(NotRefreshed::Database(error)) => return Err(Fault(error).into()),
        Err(why) => {
            tracing::warn!(client = %client.id, %why, "refresh token refused");
            return Err(invalid_grant());
        }
    };
    // Withdrawn from the registration since: withdrawn here too.
    let held: BTreeSet<String> = refreshed.scopes.intersection(&client.registration.scopes).cloned().collect();
    let scopes = match parameters.get("scope") {
        None => held,
        Some(asked) => {
            let asked: BTreeSet<String> = asked.split(' ').map(str::to_owned).collect();
            if !asked.is_subset(&held) || !asked.contains(scopes::OPENID) {
                return Err(
                    refuse(ErrorCode::InvalidScope, "the scope must be openid and some of what was granted").into()
                );
            }
            asked
        }
    };
    let who = who::by_grant(app, refreshed.id).await.map_err(Refused::Fault)?;
    let ended = match who {
        Some(who) => {
            *account = Some(who.id);
            let mut minting = Minting::new(app, client, &who, &scopes, Uuid::new_v4());
            (minting.grant, minting.refresh_token) = (Some(refreshed.id), Some(refreshed.next));
            (minting.jkt, minting.claims) = (jkt, refreshed.claims);
            match minting.entitlement().await? {
                Some(entitlement) => return minting.tokens(&entitlement).await,
                None => "nobody of the account is where the client serves any more",
            }
        }
        None => "the session, the account or its password is no longer the one it began with",
    };
    tracing::info!(client = %client.id, ended, "a family of refresh tokens ends");
    grants::revoke(&app.db, refreshed.id, now).await.map_err(Fault)?;
    Err(invalid_grant())
}

fn invalid_grant() -> Refused {
    Refused::Told(refuse(ErrorCode::InvalidGrant, "the refresh token is unknown, expired, used or revoked"))
}
