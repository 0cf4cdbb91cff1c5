//! One trip to a provider, bound to the browser that began it.
//!
//! The browser holds a random cookie; the row has its keyed hash. State, nonce and PKCE verifier are keyed hashes of
//! the same cookie, each for its own use: whoever has not the cookie can't answer for it, and nothing secret is stored.

use super::provider::{Provider, Upstreams};
use crate::app::App;
use crate::incident::AppError;
use crate::session::cookies::{Cookies, Kind, cookie};
use crate::session::{ReturnTo, Token};
use axum_extra::extract::cookie::CookieJar;
use chrono::TimeDelta;
use domain::account::UpstreamIdentity;
use domain::context::{Actor, Reason};
use domain::ids::{AccountId, SecretId};
use ledger::{Unit, VaultChange};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

/// How long a trip may take, and then the first use that it leads to.
const LIFE: TimeDelta = TimeDelta::hours(1);
const VAULT_KIND: &str = "upstream-identity";

/// A trip whose answer was just taken.
pub struct Answered {
    id: Uuid,
    /// Who is signed in and adds a way in.
    pub account: Option<AccountId>,
    /// Where to go in the end.
    pub return_to: Option<ReturnTo>,
}

/// Who a provider said it is, for as long as the first use takes.
#[derive(Serialize, Deserialize)]
struct Kept {
    identity: UpstreamIdentity,
    id_token: String,
}

/// A person whom a provider knows and no account yet.
pub struct Recognised {
    id: Uuid,
    /// Vault row that keeps it.
    pub kept_in: SecretId,
    /// The provider's name.
    pub provider: String,
    /// Who it says it is.
    pub identity: UpstreamIdentity,
    /// For signing out there.
    pub id_token: Zeroizing<String>,
    /// Where to go in the end.
    pub return_to: Option<ReturnTo>,
}

/// State, nonce and PKCE verifier of a trip.
pub fn secrets(app: &App, token: &Token) -> (String, String, String) {
    let of = |what: &str| token.for_form(&app.ledger, &format!("upstream-{what}"));
    (of("state"), of("nonce"), of("verifier"))
}

/// Whether a state is this browser's.
pub fn is_own_state(app: &App, token: &Token, state: &str) -> bool {
    token.made(&app.ledger, "upstream-state", state)
}

/// Begins a trip. Returns its token and the cookie to set.
///
/// # Errors
/// When the database fails or there is no randomness.
pub async fn begin(
    app: &App,
    provider: &Provider,
    account: Option<AccountId>,
    return_to: Option<&ReturnTo>,
) -> Result<(Token, CookieJar), AppError> {
    let (token, now) = (Token::draw()?, app.clock.now());
    sqlx::query(
        "INSERT INTO service.upstream_visit (id, cookie_hash, provider, account, return_to, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(Uuid::now_v7())
    .bind(token.hash(&app.ledger, "upstream").as_slice())
    .bind(provider.name())
    .bind(account.map(|account| account.0))
    .bind(return_to.map(ReturnTo::as_str))
    .bind(now)
    .bind(now + LIFE)
    .execute(&app.db)
    .await?;
    let jar = CookieJar::new().add(cookie(app, Kind::Upstream, token.expose()));
    Ok((token, jar))
}

/// Takes the answer of a trip: once, whoever brings it.
///
/// # Errors
/// When the database fails.
pub async fn answer(app: &App, provider: &Provider, token: &Token) -> sqlx::Result<Option<Answered>> {
    let row: Option<(Uuid, Option<Uuid>, Option<String>)> = sqlx::query_as(
        "UPDATE service.upstream_visit SET answered = true
         WHERE cookie_hash = $1 AND provider = $2 AND NOT answered AND expires_at > $3
         RETURNING id, account, return_to",
    )
    .bind(token.hash(&app.ledger, "upstream").as_slice())
    .bind(provider.name())
    .bind(app.clock.now())
    .fetch_optional(&app.db)
    .await?;
    Ok(row.map(|(id, account, return_to)| Answered {
        id,
        account: account.map(AccountId),
        return_to: return_to.as_deref().and_then(ReturnTo::read),
    }))
}

impl Answered {
    /// Keeps who it is until phone and children are proved.
    ///
    /// # Errors
    /// When something fails.
    pub async fn keep(
        &self,
        app: &App,
        incident: &crate::incident::Incident,
        identity: UpstreamIdentity,
        id_token: &str,
    ) -> Result<(), AppError> {
        let (row, expires_at) = (SecretId(Uuid::new_v4()), app.clock.now() + LIFE);
        let kept = Kept { identity, id_token: id_token.to_owned() };
        let secret = Zeroizing::new(serde_json::to_vec(&kept)?);
        let context = incident.context(Actor::Service, Reason::OwnRequest, app.clock.now());
        let put = VaultChange::Put { id: row, kind: VAULT_KIND, secret, expires_at: Some(expires_at) };
        app.ledger.append(Unit::new(context).vault(put)).await?;
        sqlx::query("UPDATE service.upstream_visit SET identity = $2, expires_at = $3 WHERE id = $1")
            .bind(self.id)
            .bind(row.0)
            .bind(expires_at)
            .execute(&app.db)
            .await?;
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finish(&self, app: &App) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM service.upstream_visit WHERE id = $1").bind(self.id).execute(&app.db).await?;
        Ok(())
    }
}

/// The person whom a provider has recognised in this browser, and whom no account is known for yet.
///
/// # Errors
/// When the database fails.
pub async fn recognised(app: &App, cookies: &Cookies) -> Result<Option<Recognised>, AppError> {
    let (Some(token), false) = (&cookies.upstream, app.upstreams.all().is_empty()) else { return Ok(None) };
    let now = app.clock.now();
    let row: Option<(Uuid, String, Uuid, Option<String>)> = sqlx::query_as(
        "SELECT id, provider, identity, return_to FROM service.upstream_visit
         WHERE cookie_hash = $1 AND account IS NULL AND identity IS NOT NULL AND expires_at > $2",
    )
    .bind(token.hash(&app.ledger, "upstream").as_slice())
    .bind(now)
    .fetch_optional(&app.db)
    .await?;
    let Some((id, provider, kept_in, return_to)) = row else { return Ok(None) };
    let kept_in = SecretId(kept_in);
    let Some(secret) = app.ledger.vault_get(kept_in, now).await? else { return Ok(None) };
    let Kept { identity, id_token } = serde_json::from_slice(&secret.secret)?;
    let return_to = return_to.as_deref().and_then(ReturnTo::read);
    let id_token = Zeroizing::new(id_token);
    // A provider that is configured no longer vouches for nobody.
    let known = app.upstreams.find(&provider).is_some();
    Ok(known.then_some(Recognised { id, kept_in, provider, identity, id_token, return_to }))
}

impl Recognised {
    /// The provider.
    pub fn provider<'a>(&self, upstreams: &'a Upstreams) -> Option<&'a Provider> {
        upstreams.find(&self.provider)
    }

    /// The person's name, as the provider writes it.
    pub fn name(&self) -> String {
        super::link::name_of(&self.identity)
    }

    /// Forgets it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finish(&self, app: &App) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM service.upstream_visit WHERE id = $1").bind(self.id).execute(&app.db).await?;
        Ok(())
    }
}
