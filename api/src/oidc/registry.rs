//! Registering relying parties and changing them: events of their aggregate, secrets in the vault.

use super::client::{VAULT_KIND, hash};
use super::{random, scopes};
use aws_lc_rs::error::Unspecified;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::context::Context;
use domain::ids::{RelyingPartyId, SecretId};
use domain::relying_party::{
    ClientAuthentication, GrantType, Registration, RelyingParty, RelyingPartyCommand, RelyingPartyError,
    SigningAlgorithm,
};
use ledger::{AppendError, Appended, Ledger, Loaded, ReadError, Unit, VaultChange};
use std::collections::BTreeSet;
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// A client secret, to be shown once.
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// 256 random bits as base64url.
    fn draw() -> Result<Self, Unspecified> {
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(random::<32>()?))))
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

/// A newly registered relying party.
#[derive(Debug)]
pub struct Registered {
    /// Its `client_id`.
    pub id: RelyingPartyId,
    /// Its secret, unless it is a public client.
    pub secret: Option<ClientSecret>,
    /// Where its event landed.
    pub appended: Appended,
}

/// A registration was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The aggregate refused.
    #[error(transparent)]
    Refused(#[from] RelyingPartyError),
    /// A scope that nothing is released for.
    #[error("`{0}` is no scope; there are {scopes}", scopes = scopes::ALL.join(", "))]
    UnknownScope(String),
    /// A claim that is never released.
    #[error("`{0}` is no claim; there are {claims}", claims = scopes::claim_names().join(", "))]
    UnknownClaim(String),
    /// What only a console may have.
    #[error(
        "the scope console is for a service that acts for itself alone: client_credentials and private_key_jwt, no other scope or grant"
    )]
    Console,
    /// There are no keys for it here.
    #[error("the service has no keys for {0}: set oidc.eddsa first")]
    NotOffered(&'static str),
    /// It is no JSON of this form.
    #[error("send client metadata as a JSON object (RFC 7591)")]
    NoMetadata,
    /// An audience that nobody is.
    #[error("the audience {0} is not registered")]
    UnknownAudience(RelyingPartyId),
    /// The ledger could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The ledger could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// No randomness.
    #[error("the operating system gives no randomness")]
    Random(#[from] Unspecified),
}

/// Registers a relying party under a new `client_id`, with a secret if it is confidential.
///
/// # Errors
/// [`RegistryError`].
pub async fn register(
    ledger: &Ledger,
    registration: Registration,
    context: Context,
) -> Result<Registered, RegistryError> {
    check(ledger, &registration).await?;
    // Random, not by time: a client_id tells nothing.
    let id = RelyingPartyId(Uuid::new_v4());
    let secret = secret_for(&registration)?;
    let command = RelyingPartyCommand::Register { id, registration, secret: secret.as_ref().map(|(row, _)| *row) };
    let events = RelyingParty::default().decide(command)?;
    let unit = Unit::new(context).stream::<RelyingParty>(&id.to_string(), 0, events);
    let unit = secret.iter().fold(unit, |unit, (row, secret)| unit.vault(put(*row, secret)));
    let appended = ledger.append(unit).await?;
    Ok(Registered { id, secret: secret.map(|(_, secret)| secret), appended })
}

/// A new secret and the row that will keep its hash, where the registration rests on one.
pub(super) fn secret_for(registration: &Registration) -> Result<Option<(SecretId, ClientSecret)>, RegistryError> {
    let draw = || Ok((SecretId(Uuid::new_v4()), ClientSecret::draw()?));
    registration.authentication.by_secret().then(draw).transpose()
}

/// What `id` is registered with now.
///
/// # Errors
/// When nobody registered it, or the ledger can't be read.
pub async fn load(ledger: &Ledger, id: RelyingPartyId) -> Result<Loaded<RelyingParty>, RegistryError> {
    let loaded = ledger.load::<RelyingParty>(&id.to_string()).await?;
    match loaded.aggregate.id {
        Some(_) => Ok(loaded),
        None => Err(RelyingPartyError::NotRegistered.into()),
    }
}

/// Changes the registration to what `change` makes of it. Returns the new client secret, where it begins to
/// authenticate by one; where it no longer does, the former is gone.
///
/// # Errors
/// [`RegistryError`]; [`AppendError::Conflict`] when someone else changed it at the same time.
pub async fn change(
    ledger: &Ledger,
    id: RelyingPartyId,
    context: Context,
    change: impl FnOnce(&mut Registration),
) -> Result<(Option<ClientSecret>, Appended), RegistryError> {
    let Loaded { aggregate: party, version, id } = load(ledger, id).await?;
    let mut registration = party.registration.clone().ok_or(RelyingPartyError::NotRegistered)?;
    change(&mut registration);
    check(ledger, &registration).await?;
    let by_secret = registration.authentication.by_secret();
    let secret = if by_secret && party.secret.is_none() { Some(ClientSecret::draw()?) } else { None };
    let row = secret.as_ref().map(|_| SecretId(Uuid::new_v4()));
    let events = party.decide(RelyingPartyCommand::Change { registration, secret: row })?;
    let mut unit = Unit::new(context).stream::<RelyingParty>(&id, version, events);
    if let (Some(row), Some(secret)) = (row, &secret) {
        unit = unit.vault(put(row, secret));
    }
    if let Some(former) = party.secret.filter(|_| !by_secret) {
        unit = unit.vault(VaultChange::Delete(former));
    }
    Ok((secret, ledger.append(unit).await?))
}

/// Gives it another secret; the former one stops working in the same moment.
///
/// # Errors
/// [`RegistryError`].
pub async fn replace_secret(
    ledger: &Ledger,
    id: RelyingPartyId,
    context: Context,
) -> Result<(ClientSecret, Appended), RegistryError> {
    let loaded = load(ledger, id).await?;
    let (row, secret) = (SecretId(Uuid::new_v4()), ClientSecret::draw()?);
    let events = loaded.aggregate.decide(RelyingPartyCommand::ReplaceSecret { secret: row })?;
    let unit = Unit::new(context).stream::<RelyingParty>(&loaded.id, loaded.version, events).vault(put(row, &secret));
    let unit = match loaded.aggregate.secret {
        Some(former) => unit.vault(VaultChange::Delete(former)),
        None => unit,
    };
    Ok((secret, ledger.append(unit).await?))
}

/// Stops serving it, or serves it again. Its tokens die with it.
///
/// # Errors
/// [`RegistryError`].
pub async fn set_enabled(
    ledger: &Ledger,
    id: RelyingPartyId,
    context: Context,
    enabled: bool,
) -> Result<Appended, RegistryError> {
    let loaded = load(ledger, id).await?;
    let command = if enabled { RelyingPartyCommand::Enable } else { RelyingPartyCommand::Disable };
    let events = loaded.aggregate.decide(command)?;
    Ok(ledger.append(Unit::new(context).stream::<RelyingParty>(&loaded.id, loaded.version, events)).await?)
}

/// Ends the registration for good: its secrets are deleted, its tokens die, its `client_id` is never served again.
///
/// # Errors
/// [`RegistryError`].
pub async fn deregister(ledger: &Ledger, id: RelyingPartyId, context: Context) -> Result<Appended, RegistryError> {
    let loaded = load(ledger, id).await?;
    let events = loaded.aggregate.decide(RelyingPartyCommand::Deregister)?;
    let unit = Unit::new(context).stream::<RelyingParty>(&loaded.id, loaded.version, events);
    let secrets = [loaded.aggregate.secret, loaded.aggregate.registration_token].into_iter().flatten();
    Ok(ledger.append(secrets.map(VaultChange::Delete).fold(unit, Unit::vault)).await?)
}

pub(super) fn put(id: SecretId, secret: &ClientSecret) -> VaultChange {
    VaultChange::Put { id, kind: VAULT_KIND, secret: hash(secret.expose()), expires_at: None }
}

/// What the aggregate can't know: which scopes and claims there are, and who else is registered.
pub(super) async fn check(ledger: &Ledger, registration: &Registration) -> Result<(), RegistryError> {
    if registration.scopes.contains(scopes::CONSOLE) {
        let alone = registration.scopes.len() == 1
            && registration.authentication == ClientAuthentication::PrivateKeyJwt
            && registration.terms.grant_types == [GrantType::ClientCredentials].into();
        if !alone {
            return Err(RegistryError::Console);
        }
    } else {
        known(&registration.scopes, registration.terms.claims.as_ref())?;
    }
    for audience in &registration.terms.audiences {
        if ledger.load::<RelyingParty>(&audience.to_string()).await?.aggregate.id.is_none() {
            return Err(RegistryError::UnknownAudience(*audience));
        }
    }
    Ok(())
}

/// Whether there are these scopes and claims for people's sign-ins.
pub(super) fn known(asked: &BTreeSet<String>, claims: Option<&BTreeSet<String>>) -> Result<(), RegistryError> {
    if let Some(unknown) = asked.iter().find(|scope| !scopes::ALL.contains(&scope.as_str())) {
        return Err(RegistryError::UnknownScope(unknown.clone()));
    }
    let is_known = |claim: &&String| scopes::CLAIMS.iter().any(|known| known.name == claim.as_str());
    match claims.into_iter().flatten().find(|claim| !is_known(claim)) {
        Some(unknown) => Err(RegistryError::UnknownClaim(unknown.clone())),
        None => Ok(()),
    }
}

/// Whether tokens can be signed so here.
///
/// # Errors
/// There are no such keys.
pub fn offered(config: &crate::config::Oidc, algorithm: Option<SigningAlgorithm>) -> Result<(), RegistryError> {
    match algorithm {
        Some(SigningAlgorithm::EdDSA) if !config.eddsa => {
            Err(RegistryError::NotOffered(SigningAlgorithm::EdDSA.as_str()))
        }
        Some(SigningAlgorithm::EdDSA | SigningAlgorithm::ES256 | SigningAlgorithm::RS256) | None => Ok(()),
    }
}
