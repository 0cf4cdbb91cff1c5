//! Signing out at the provider that opened a session (OpenID Connect RP-Initiated Logout).

use super::provider::Provider;
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::session::Token;
use domain::context::{Actor, Reason};
use domain::ids::SecretId;
use ledger::{Unit, VaultChange};
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

const VAULT_KIND: &str = "upstream-sign-out";

/// What a provider needs to know whom to sign out.
#[derive(Serialize, Deserialize)]
pub struct Hint {
    provider: String,
    id_token: String,
}

/// Keeps the ID token for as long as a session may last.
pub(super) async fn keep(
    app: &App,
    incident: &Incident,
    provider: &Provider,
    id_token: &str,
) -> Result<SecretId, AppError> {
    let (id, now) = (SecretId(Uuid::new_v4()), app.clock.now());
    let hint = Hint { provider: provider.name().to_owned(), id_token: id_token.to_owned() };
    let secret = Zeroizing::new(serde_json::to_vec(&hint)?);
    let expires_at = Some(now + app.config.sessions.absolute.delta());
    let context = incident.context(Actor::Service, Reason::OwnRequest, now);
    app.ledger.append(Unit::new(context).vault(VaultChange::Put { id, kind: VAULT_KIND, secret, expires_at })).await?;
    Ok(id)
}

/// What was kept. It goes with the session: read it before ending that.
pub async fn sign_out_hint(app: &App, kept: Option<SecretId>) -> Option<Hint> {
    let secret = app.ledger.vault_get(kept?, app.clock.now()).await.ok().flatten()?;
    serde_json::from_slice(&secret.secret).ok()
}

/// Where to go on to, to be signed out at the provider too. `None` where no provider opened the session, or where it
/// can't be said: the session here has ended in any case.
pub async fn sign_out_address(app: &App, hint: Option<Hint>) -> Option<String> {
    let hint = hint?;
    let provider = app.upstreams.find(&hint.provider)?;
    let metadata = app.upstreams.metadata(provider, app.clock.now()).await.ok()?;
    let mut address = Url::parse(metadata.end_session_endpoint.as_deref()?).ok()?;
    address
        .query_pairs_mut()
        .append_pair("id_token_hint", &hint.id_token)
        .append_pair("post_logout_redirect_uri", &app.config.link("/"))
        // FranceConnect wants one; what comes back with it changes nothing here.
        .append_pair("state", Token::draw().ok()?.expose());
    Some(address.into())
}
