//! Appointing auditors: events of their aggregate, the hash of their credential in the vault.

use crate::session::{NoRandomness, Token};
use aws_lc_rs::{constant_time, digest};
use chrono::{DateTime, Utc};
use domain::auditor::{Auditor, AuditorCommand, AuditorError};
use domain::context::Context;
use domain::ids::{AuditorId, SecretId};
use ledger::{AppendError, Ledger, ReadError, Unit, VaultChange};
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What vault rows of credentials are called.
const VAULT_KIND: &str = "auditor-credential";
/// What the reservation of a staff number is called: one person has one credential, so that a second credential is a
/// second person.
const NUMBER: &str = "auditor";

/// A credential, to be shown once: the auditor's id, a dot and 256 random bits.
pub struct Credential(Zeroizing<String>);

impl Credential {
    fn draw(auditor: AuditorId) -> Result<Self, NoRandomness> {
        Ok(Self(Zeroizing::new(format!("{auditor}.{}", Token::draw()?.expose()))))
    }

    /// The credential itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// An auditor was not appointed or changed.
#[derive(Debug, thiserror::Error)]
pub enum AuditorsError {
    /// The aggregate refused.
    #[error(transparent)]
    Refused(#[from] AuditorError),
    /// Nobody has the number.
    #[error("no auditor has the staff number `{0}`")]
    Unknown(String),
    /// The ledger could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The ledger could not be written; a staff number that is taken is refused here.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// Appoints the member of staff with this number.
///
/// # Errors
/// [`AuditorsError`].
pub async fn appoint(
    ledger: &Ledger,
    number: &str,
    context: Context,
) -> Result<(AuditorId, Credential), AuditorsError> {
    let (id, row) = (AuditorId(Uuid::new_v4()), SecretId(Uuid::new_v4()));
    let credential = Credential::draw(id)?;
    let command = AuditorCommand::Appoint { auditor: id, number: number.to_owned(), credential: row };
    let events = Auditor::default().decide(command)?;
    let unit = Unit::new(context)
        .stream::<Auditor>(&id.to_string(), 0, events)
        .claim(NUMBER, id.to_string(), ledger.lookup_hash(NUMBER, number))
        .vault(put(row, &credential));
    ledger.append(unit).await?;
    Ok((id, credential))
}

/// The auditor with this staff number.
///
/// # Errors
/// Nobody has it, or the ledger can't be read.
pub async fn find(ledger: &Ledger, number: &str) -> Result<AuditorId, AuditorsError> {
    let owner = ledger.reserved(NUMBER, &ledger.lookup_hash(NUMBER, number)).await?;
    owner.and_then(|owner| owner.parse().ok()).ok_or_else(|| AuditorsError::Unknown(number.to_owned()))
}

/// Gives another credential; the former one stops working in the same moment.
///
/// # Errors
/// [`AuditorsError`].
pub async fn replace_credential(ledger: &Ledger, id: AuditorId, context: Context) -> Result<Credential, AuditorsError> {
    let loaded = ledger.load::<Auditor>(&id.to_string()).await?;
    let (row, credential) = (SecretId(Uuid::new_v4()), Credential::draw(id)?);
    let events = loaded.aggregate.decide(AuditorCommand::ReplaceCredential { credential: row })?;
    let unit = Unit::new(context).stream::<Auditor>(&loaded.id, loaded.version, events).vault(put(row, &credential));
    let former = loaded.aggregate.credential.map(VaultChange::Delete);
    ledger.append(former.into_iter().fold(unit, Unit::vault)).await?;
    Ok(credential)
}

/// Takes the role away. The staff number stays taken: what the auditor did stays theirs.
///
/// # Errors
/// [`AuditorsError`].
pub async fn dismiss(ledger: &Ledger, id: AuditorId, context: Context) -> Result<(), AuditorsError> {
    let loaded = ledger.load::<Auditor>(&id.to_string()).await?;
    let events = loaded.aggregate.decide(AuditorCommand::Dismiss)?;
    let unit = Unit::new(context).stream::<Auditor>(&loaded.id, loaded.version, events);
    let former = loaded.aggregate.credential.map(VaultChange::Delete);
    ledger.append(former.into_iter().fold(unit, Unit::vault)).await?;
    Ok(())
}

/// Whose credential this is, with their staff number; by the ledger, not by a view: a dismissal counts at once.
///
/// # Errors
/// When the ledger or the vault can't be read.
pub async fn recognise(
    ledger: &Ledger,
    shown: &str,
    now: DateTime<Utc>,
) -> Result<Option<(AuditorId, String)>, ReadError> {
    let Some((id, token)) = shown.split_once('.') else { return Ok(None) };
    let (Ok(id), Some(_)) = (id.parse::<AuditorId>(), Token::read(token)) else { return Ok(None) };
    let auditor = ledger.load::<Auditor>(&id.to_string()).await?.aggregate;
    let (Some(row), Some(number)) = (auditor.credential, auditor.number) else { return Ok(None) };
    let Some(stored) = ledger.vault_get(row, now).await?.filter(|stored| stored.kind == VAULT_KIND) else {
        return Ok(None);
    };
    let same = constant_time::verify_slices_are_equal(&hash(shown), &stored.secret).is_ok();
    Ok(same.then_some((id, number)))
}

fn put(id: SecretId, credential: &Credential) -> VaultChange {
    VaultChange::Put { id, kind: VAULT_KIND, secret: hash(credential.expose()), expires_at: None }
}

/// What the vault keeps. It is 256 random bits: a slow hash would protect nothing more.
fn hash(credential: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(digest::digest(&digest::SHA256, credential.as_bytes()).as_ref().to_vec())
}
