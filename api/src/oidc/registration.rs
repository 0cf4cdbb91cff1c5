//! Services that register themselves (RFC 7591), and manage their registration (RFC 7592): off unless configured.
//!
//! ```text
//!  operator ──issue──▶ initial access token: so many uses, until then, within these bounds
//!  service  ──POST /register, with it──▶ client_id, secret, registration access token
//!  service  ──GET, PUT, DELETE /register/{client_id}, with that──▶ its own registration, never wider than it was
//! ```
//!
//! Both tokens name what they are for and carry 256 random bits, whose hash is in the vault. Whatever they do is
//! events, decided on the streams.

use super::discovery::path;
use super::endpoint::no_store;
use super::error::ErrorCode;
use super::metadata::{BadMetadata, Metadata, sector_of};
use super::registry::{self, ClientSecret, RegistryError};
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::session::{NoRandomness, Token};
use aws_lc_rs::{constant_time, digest};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::context::{Actor, Context, Reason};
use domain::ids::{InitialAccessId, RelyingPartyId, SecretId};
use domain::initial_access::{Bounds, InitialAccess, InitialAccessCommand, InitialAccessError};
use domain::relying_party::{InvalidRegistration, Registration, RelyingParty, RelyingPartyCommand, RelyingPartyError};
use ledger::{AppendError, Ledger, Loaded, ReadError, Unit, VaultChange};
use serde_json::{Value, json};
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What vault rows of initial access tokens are called.
const INITIAL: &str = "initial-access-token";
/// What vault rows of registration access tokens are called.
const MANAGING: &str = "registration-access-token";

/// A token that is shown once: what it is for, a dot and 256 random bits.
pub struct Shown(Zeroizing<String>);

impl Shown {
    fn draw(of: Uuid) -> Result<Self, NoRandomness> {
        Ok(Self(Zeroizing::new(format!("{of}.{}", Token::draw()?.expose()))))
    }

    /// The token itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn kept(&self, id: SecretId, kind: &'static str, expires_at: Option<DateTime<Utc>>) -> VaultChange {
        VaultChange::Put { id, kind, secret: hash(&self.0), expires_at }
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(…)")
    }
}

/// What the vault keeps. It is 256 random bits: a slow hash would protect nothing more.
fn hash(token: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec())
}

/// A registration was not made, changed or ended.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The initial access token does not allow it.
    #[error(transparent)]
    Initial(#[from] InitialAccessError),
    /// The registry refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The metadata makes no registration.
    #[error(transparent)]
    Metadata(#[from] BadMetadata),
    /// It asks for more than it has.
    #[error("a service that manages its registration may give up scopes; more are an operator's to grant")]
    Wider,
    /// It would know people by the names that services of another host know them by.
    #[error("the redirect URIs must stay on the host under which people are known: {0}")]
    Sector(String),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl From<ReadError> for RegistrationError {
    fn from(error: ReadError) -> Self {
        Self::Registry(error.into())
    }
}

impl From<AppendError> for RegistrationError {
    fn from(error: AppendError) -> Self {
        Self::Registry(error.into())
    }
}

impl From<RelyingPartyError> for RegistrationError {
    fn from(error: RelyingPartyError) -> Self {
        Self::Registry(error.into())
    }
}

/// Hands out an initial access token.
///
/// # Errors
/// [`RegistrationError`].
pub async fn issue(
    ledger: &Ledger,
    uses: u32,
    expires_at: DateTime<Utc>,
    bounds: Bounds,
    context: Context,
) -> Result<(InitialAccessId, Shown), RegistrationError> {
    registry::known(&bounds.scopes, bounds.claims.as_ref())?;
    let (id, row) = (InitialAccessId(Uuid::new_v4()), SecretId(Uuid::new_v4()));
    let token = Shown::draw(id.0)?;
    let command = InitialAccessCommand::Issue { id, token: row, uses, expires_at, bounds };
    let events = InitialAccess::default().decide(command)?;
    let unit = Unit::new(context).stream::<InitialAccess>(&id.to_string(), 0, events);
    ledger.append(unit.vault(token.kept(row, INITIAL, Some(expires_at)))).await?;
    Ok((id, token))
}

/// Makes an initial access token worthless. What was registered with it stays.
///
/// # Errors
/// [`RegistrationError`].
pub async fn withdraw(ledger: &Ledger, id: InitialAccessId, context: Context) -> Result<(), RegistrationError> {
    let loaded = ledger.load::<InitialAccess>(&id.to_string()).await?;
    let events = loaded.aggregate.decide(InitialAccessCommand::Withdraw)?;
    let unit = Unit::new(context).stream::<InitialAccess>(&loaded.id, loaded.version, events);
    let former = loaded.aggregate.token.map(VaultChange::Delete);
    ledger.append(former.into_iter().fold(unit, Unit::vault)).await?;
    Ok(())
}

/// Whether the vault has this token in that row.
async fn is_kept(
    ledger: &Ledger,
    row: Option<SecretId>,
    kind: &str,
    shown: &str,
    now: DateTime<Utc>,
) -> Result<bool, ReadError> {
    let Some(row) = row else { return Ok(false) };
    let stored = ledger.vault_get(row, now).await?.filter(|stored| stored.kind == kind);
    Ok(stored.is_some_and(|stored| constant_time::verify_slices_are_equal(&hash(shown), &stored.secret).is_ok()))
}

/// The initial access token that is shown, if it is one.
async fn initial(ledger: &Ledger, shown: &str, now: DateTime<Utc>) -> Result<Option<Loaded<InitialAccess>>, ReadError> {
    let Some((id, _)) = shown.split_once('.') else { return Ok(None) };
    let Ok(id) = id.parse::<InitialAccessId>() else { return Ok(None) };
    let loaded = ledger.load::<InitialAccess>(&id.to_string()).await?;
    let good = is_kept(ledger, loaded.aggregate.token, INITIAL, shown, now).await?;
    Ok(good.then_some(loaded))
}

/// The relying party whose registration access token is shown, if it is that one's.
async fn managed(
    ledger: &Ledger,
    id: RelyingPartyId,
    shown: &str,
    now: DateTime<Utc>,
) -> Result<Option<Loaded<RelyingParty>>, ReadError> {
    let loaded = ledger.load::<RelyingParty>(&id.to_string()).await?;
    let good = is_kept(ledger, loaded.aggregate.registration_token, MANAGING, shown, now).await?;
    Ok(good.then_some(loaded))
}

/// Registers a service with an initial access token: the use, the registration and its two secrets are one unit.
async fn register_self(
    ledger: &Ledger,
    initial: Loaded<InitialAccess>,
    metadata: Metadata,
    (incident, now): (&Incident, DateTime<Utc>),
) -> Result<(RelyingPartyId, Registration, Option<ClientSecret>, Shown), RegistrationError> {
    let bounds = initial.aggregate.bounds.clone().ok_or(InitialAccessError::NotIssued)?;
    // The sector is its own host's, whatever it says: see `BadMetadata`.
    let metadata = Metadata {
        establishments: Some(bounds.establishments),
        claims: bounds.claims,
        audiences: None,
        sector_identifier: None,
        ..metadata
    };
    let mut registration = metadata.registration()?;
    if registration.scopes.len() <= 1 {
        // Nothing asked for: all that it may have (RFC 7591 §2, `scope`).
        registration.scopes.extend(bounds.scopes);
    }
    registry::check(ledger, &registration).await?;
    let id = RelyingPartyId(Uuid::new_v4());
    let used = initial.aggregate.decide(InitialAccessCommand::Use {
        relying_party: id,
        registration: Box::new(registration.clone()),
        now,
    })?;
    let secret = registry::secret_for(&registration)?;
    let (managing, row) = (Shown::draw(id.0)?, SecretId(Uuid::new_v4()));
    let command = RelyingPartyCommand::Register {
        id,
        registration: registration.clone(),
        secret: secret.as_ref().map(|(row, _)| *row),
    };
    let mut party = RelyingParty::default();
    let mut events = party.decide(command)?;
    events.iter().cloned().for_each(|event| cqrs_es::Aggregate::apply(&mut party, event));
    events.extend(party.decide(RelyingPartyCommand::IssueRegistrationToken { token: row })?);
    let context = incident.context(Actor::RelyingParty(id), Reason::OwnRequest, now);
    let unit = Unit::new(context)
        .stream::<InitialAccess>(&initial.id, initial.version, used)
        .stream::<RelyingParty>(&id.to_string(), 0, events)
        .vault(managing.kept(row, MANAGING, None));
    let unit = secret.iter().fold(unit, |unit, (row, secret)| unit.vault(registry::put(*row, secret)));
    ledger.append(unit).await?;
    Ok((id, registration, secret.map(|(_, secret)| secret), managing))
}

/// The one bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (scheme, token) = values.next()?.to_str().ok()?.split_once(' ')?;
    (values.next().is_none() && scheme.eq_ignore_ascii_case("bearer")).then_some(token.trim())
}

/// Why a request is answered with an error.
enum Refused {
    /// It has no token, or not the right one.
    Token,
    /// The service asks for what it can't have.
    Told(RegistrationError),
    /// A fault of ours.
    Fault(AppError),
}

impl From<RegistrationError> for Refused {
    fn from(error: RegistrationError) -> Self {
        match error {
            RegistrationError::Registry(RegistryError::Read(error)) => Self::Fault(error.into()),
            // Someone else was faster: the service tries again, and hears what is so then.
            RegistrationError::Registry(RegistryError::Append(error))
                if !matches!(error, AppendError::Conflict { .. }) =>
            {
                Self::Fault(error.into())
            }
            RegistrationError::Random(error) => Self::Fault(error.into()),
            error => Self::Told(error),
        }
    }
}

impl From<ReadError> for Refused {
    fn from(error: ReadError) -> Self {
        Self::Fault(error.into())
    }
}

impl Refused {
    /// RFC 7591 §3.2.2, RFC 6750 §3.1.
    fn answer(self) -> Result<Response, AppError> {
        let answer = |status: StatusCode, code: ErrorCode, text: &str| {
            no_store((status, Json(json!({ "error": code.as_str(), "error_description": text }))).into_response())
        };
        match self {
            Self::Fault(error) => Err(error),
            Self::Token => {
                let text = "the token does not allow this, or no longer";
                let mut response = answer(StatusCode::UNAUTHORIZED, ErrorCode::InvalidToken, text);
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                Ok(response)
            }
            Self::Told(error) => {
                let code = match &error {
                    RegistrationError::Registry(RegistryError::Refused(RelyingPartyError::Invalid(
                        InvalidRegistration::RedirectUri(_) | InvalidRegistration::NoRedirectUri,
                    ))) => ErrorCode::InvalidRedirectUri,
                    _ => ErrorCode::InvalidClientMetadata,
                };
                Ok(answer(StatusCode::BAD_REQUEST, code, &error.to_string()))
            }
        }
    }
}

/// Nobody registers himself where the operator does not want it.
fn offered(app: &App) -> Result<(), AppError> {
    if app.config.oidc.dynamic_registration { Ok(()) } else { Err(AppError::not_found()) }
}

fn read(app: &App, body: &[u8]) -> Result<Metadata, Refused> {
    let metadata: Metadata = serde_json::from_slice(body).map_err(|_| Refused::Told(RegistrationError::from_json()))?;
    registry::offered(&app.config.oidc, metadata.id_token_signed_response_alg).map_err(RegistrationError::from)?;
    registry::offered(&app.config.oidc, metadata.userinfo_signed_response_alg).map_err(RegistrationError::from)?;
    Ok(metadata)
}

impl RegistrationError {
    fn from_json() -> Self {
        Self::Registry(RegistryError::NoMetadata)
    }
}

/// What a service is told of its registration (RFC 7591 §3.2.1, RFC 7592 §3).
fn told(app: &App, id: RelyingPartyId, registration: &Registration) -> Value {
    let mut told = serde_json::to_value(Metadata::of(registration)).unwrap_or_default();
    told["client_id"] = json!(id);
    told["registration_client_uri"] = json!(format!("{}{}/{id}", app.config.origin(), path::REGISTER));
    told
}

fn with_secret(mut told: Value, secret: Option<&ClientSecret>) -> Value {
    if let Some(secret) = secret {
        told["client_secret"] = json!(secret.expose());
        // It does not expire.
        told["client_secret_expires_at"] = json!(0);
    }
    told
}

/// `POST /register`
///
/// # Errors
/// Faults of ours only; refusals are answered in the protocol's form.
pub async fn register(
    State(app): State<App>,
    incident: Incident,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AppError> {
    offered(&app)?;
    match registered(&app, &incident, &headers, &body).await {
        Ok(told) => Ok(no_store((StatusCode::CREATED, Json(told)).into_response())),
        Err(refused) => refused.answer(),
    }
}

async fn registered(app: &App, incident: &Incident, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refused> {
    let now = app.clock.now();
    let shown = bearer(headers).ok_or(Refused::Token)?;
    let initial = initial(&app.ledger, shown, now).await?.ok_or(Refused::Token)?;
    let metadata = read(app, body)?;
    let (id, registration, secret, managing) = register_self(&app.ledger, initial, metadata, (incident, now)).await?;
    tracing::info!(client = %id, "a service registered itself");
    let mut told = with_secret(told(app, id, &registration), secret.as_ref());
    told["client_id_issued_at"] = json!(now.timestamp());
    told["registration_access_token"] = json!(managing.expose());
    Ok(told)
}

/// `GET /register/{client_id}`
///
/// # Errors
/// As [`register`].
pub async fn show(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, AppError> {
    offered(&app)?;
    match own(&app, &id, &headers).await {
        Ok((id, party)) => match &party.aggregate.registration {
            Some(registration) => Ok(no_store(Json(told(&app, id, registration)).into_response())),
            None => Refused::Token.answer(),
        },
        Err(refused) => refused.answer(),
    }
}

/// The registration that the request names and has the token of (RFC 7592 §2: anything else is 401).
async fn own(app: &App, id: &str, headers: &HeaderMap) -> Result<(RelyingPartyId, Loaded<RelyingParty>), Refused> {
    let shown = bearer(headers).ok_or(Refused::Token)?;
    let id: RelyingPartyId = id.parse().map_err(|_| Refused::Token)?;
    let party = managed(&app.ledger, id, shown, app.clock.now()).await?.ok_or(Refused::Token)?;
    Ok((id, party))
}

/// `PUT /register/{client_id}`
///
/// # Errors
/// As [`register`].
pub async fn update(
    State(app): State<App>,
    incident: Incident,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AppError> {
    offered(&app)?;
    match updated(&app, &incident, &id, &headers, &body).await {
        Ok(told) => Ok(no_store(Json(told).into_response())),
        Err(refused) => refused.answer(),
    }
}

/// The metadata are replaced whole (RFC 7592 §2.2); what the operator's token set stays, and scopes are given up only.
async fn updated(app: &App, incident: &Incident, id: &str, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refused> {
    let (id, party) = own(app, id, headers).await?;
    let known = party.aggregate.registration.ok_or(Refused::Token)?;
    let metadata = Metadata {
        establishments: Some(known.establishments.clone()),
        claims: known.terms.claims.clone(),
        audiences: Some(known.terms.audiences.clone()),
        // Who is who must not change with a redirect URI.
        sector_identifier: Some(known.sector_identifier.clone()),
        ..read(app, body)?
    };
    let wanted = metadata.registration().map_err(RegistrationError::from)?;
    let sector = sector_of(&wanted.redirect_uris).map_err(RegistrationError::from)?;
    if sector != known.sector_identifier {
        return Err(RegistrationError::Sector(known.sector_identifier).into());
    }
    if !wanted.scopes.is_subset(&known.scopes) {
        return Err(RegistrationError::Wider.into());
    }
    let context = incident.context(Actor::RelyingParty(id), Reason::OwnRequest, app.clock.now());
    let replace = |registration: &mut Registration| *registration = wanted.clone();
    let (secret, _) = registry::change(&app.ledger, id, context, replace).await.map_err(RegistrationError::from)?;
    Ok(with_secret(told(app, id, &wanted), secret.as_ref()))
}

/// `DELETE /register/{client_id}`
///
/// # Errors
/// As [`register`].
pub async fn delete(
    State(app): State<App>,
    incident: Incident,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    offered(&app)?;
    let (id, _) = match own(&app, &id, &headers).await {
        Ok(own) => own,
        Err(refused) => return refused.answer(),
    };
    let context = incident.context(Actor::RelyingParty(id), Reason::OwnRequest, app.clock.now());
    match registry::deregister(&app.ledger, id, context).await {
        Ok(_) => Ok(no_store(StatusCode::NO_CONTENT.into_response())),
        Err(error) => Refused::from(RegistrationError::from(error)).answer(),
    }
}
