//! The keys that sign tokens.
//!
//! ```text
//!   made ──▶ next ──▶ current ──▶ retired ──▶ gone
//!            published  signs       published    after every token it signed
//!            ahead                  still        has expired
//! ```
//!
//! Relying parties may keep our key set for [`PUBLISH_AHEAD`]; a key is published at least that long before it
//! signs, so no token ever meets a relying party that hasn't heard of its key. All instances share the table; each
//! looks again after [`RELOAD_AFTER`], or when a token names a key it doesn't know.

use aws_lc_rs::digest;
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{DecodingKey, EncodingKey};
use ledger::{Ledger, SealError};
use serde::Serialize;
use sqlx::{PgPool, Postgres, Transaction};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The one algorithm so far.
const ALGORITHM: &str = "ES256";
/// How long relying parties may keep the published set; also the least time between two rotations.
pub const PUBLISH_AHEAD: TimeDelta = TimeDelta::hours(1);
/// How long a retired key stays published: longer than any token lives, and long enough for a logout with an older
/// ID token as hint.
const RETIRED_FOR: TimeDelta = TimeDelta::days(7);
/// How long an instance believes what it last read.
const RELOAD_AFTER: TimeDelta = TimeDelta::seconds(60);
/// How often, at most, unknown key ids make it look again.
const RELOAD_FOR_UNKNOWN: TimeDelta = TimeDelta::seconds(2);

/// Keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The stored key does not open under the master key.
    #[error("signing key: {0}")]
    Seal(#[from] SealError),
    /// The stored key is no key.
    #[error("signing key {0} is damaged")]
    Damaged(String),
    /// The crypto library could not make one.
    #[error("no signing key could be made")]
    Generation(#[from] Unspecified),
    /// The next key has not been published long enough.
    #[error(
        "the next key is published since {0} only; relying parties may not have seen it. Rotate later, or with --now if a key has leaked"
    )]
    TooSoon(DateTime<Utc>),
    /// There is no current key: the table was emptied by hand.
    #[error("there is no current signing key")]
    Missing,
}

/// A public key as published (RFC 7517, RFC 7518 §6.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicKey {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    kid: String,
    x: String,
    y: String,
}

/// The key that signs.
pub struct SigningKey {
    kid: String,
    encoding: EncodingKey,
}

impl SigningKey {
    /// Its RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }
}

/// The keys at one moment.
pub struct KeySet {
    signing: SigningKey,
    verifying: HashMap<String, DecodingKey>,
    published: Vec<PublicKey>,
}

impl KeySet {
    /// The key that signs now.
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The public key of this id, if it is ours.
    pub fn verifying(&self, kid: &str) -> Option<&DecodingKey> {
        self.verifying.get(kid)
    }

    /// What JWKS shows: current, next and retired, without their state.
    pub fn published(&self) -> &[PublicKey] {
        &self.published
    }

    /// One fresh key, stored nowhere.
    #[cfg(test)]
    pub(super) fn of(pairs: &[&EcdsaKeyPair]) -> Self {
        let kept = pairs.iter().map(|pair| {
            let pkcs8 = pair.to_pkcs8v1().unwrap();
            Kept { state: "current".to_owned(), pkcs8: zeroize::Zeroizing::new(pkcs8.as_ref().to_vec()) }
        });
        Self::assemble(kept.collect()).unwrap()
    }

    fn assemble(kept: Vec<Kept>) -> Result<Self, KeyError> {
        let mut signing = None;
        let mut verifying = HashMap::new();
        let mut published = Vec::new();
        for Kept { state, pkcs8 } in kept {
            let damaged = |_: KeyRejected| KeyError::Damaged(state.clone());
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).map_err(damaged)?;
            let public = PublicKey::of(&pair);
            verifying.insert(public.kid.clone(), DecodingKey::from_ec_der(pair.public_key().as_ref()));
            if state == "current" && signing.is_none() {
                signing = Some(SigningKey { kid: public.kid.clone(), encoding: EncodingKey::from_ec_der(&pkcs8) });
            }
            published.push(public);
        }
        Ok(Self { signing: signing.ok_or(KeyError::Missing)?, verifying, published })
    }
}

/// A stored key, opened.
struct Kept {
    state: String,
    pkcs8: zeroize::Zeroizing<Vec<u8>>,
}

impl PublicKey {
    fn of(pair: &EcdsaKeyPair) -> Self {
        // Uncompressed point: 0x04, 32 bytes of x, 32 bytes of y (SEC 1 §2.3.3).
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638 §3: required members only, in lexicographic order, without spaces.
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
        Self { kty: "EC", crv: "P-256", alg: ALGORITHM, usage: "sig", kid, x, y }
    }
}

/// Where the keys are kept, with what was read last.
pub struct Keys {
    db: PgPool,
    ledger: Ledger,
    cached: RwLock<Option<(DateTime<Utc>, Arc<KeySet>)>>,
}

impl Keys {
    /// Keys in this database, sealed by this ledger's master key. Nothing is read or made yet.
    pub fn new(db: PgPool, ledger: Ledger) -> Self {
        Self { db, ledger, cached: RwLock::new(None) }
    }

    /// The keys, as read within the last minute; made if there are none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn get(&self, now: DateTime<Utc>) -> Result<Arc<KeySet>, KeyError> {
        match self.cached_since(now - RELOAD_AFTER) {
            Some(keys) => Ok(keys),
            None => self.reload(now).await,
        }
    }

    /// The keys, read again if this one is not among them: another instance may have rotated.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn get_with(&self, kid: &str, now: DateTime<Utc>) -> Result<Arc<KeySet>, KeyError> {
        let keys = self.get(now).await?;
        if keys.verifying(kid).is_some() {
            return Ok(keys);
        }
        match self.cached_since(now - RELOAD_FOR_UNKNOWN) {
            Some(keys) => Ok(keys),
            None => self.reload(now).await,
        }
    }

    /// The next key signs from now on, the current one is retired, and a new next one is published. Returns the
    /// id of the key that signs now. `at_once` is for a leak: relying parties that keep an older set fail until
    /// they fetch it again.
    ///
    /// # Errors
    /// [`KeyError`], also when the next key is too fresh.
    pub async fn rotate(&self, now: DateTime<Utc>, at_once: bool) -> Result<String, KeyError> {
        let mut tx = self.locked().await?;
        self.make_missing(&mut tx, now).await?;
        let published: DateTime<Utc> =
            sqlx::query_scalar("SELECT created_at FROM service.signing_key WHERE state = 'next' AND algorithm = $1")
                .bind(ALGORITHM)
                .fetch_one(&mut *tx)
                .await?;
        if published + PUBLISH_AHEAD > now && !at_once {
            return Err(KeyError::TooSoon(published));
        }
        sqlx::query("DELETE FROM service.signing_key WHERE expires_at < $1").bind(now).execute(&mut *tx).await?;
        sqlx::query(
            "UPDATE service.signing_key SET state = 'retired', retired_at = $2, expires_at = $3
             WHERE state = 'current' AND algorithm = $1",
        )
        .bind(ALGORITHM)
        .bind(now)
        .bind(now + RETIRED_FOR)
        .execute(&mut *tx)
        .await?;
        let kid = sqlx::query_scalar(
            "UPDATE service.signing_key SET state = 'current', current_at = $2
             WHERE state = 'next' AND algorithm = $1 RETURNING kid",
        )
        .bind(ALGORITHM)
        .bind(now)
        .fetch_one(&mut *tx)
        .await?;
        self.make_missing(&mut tx, now).await?;
        tx.commit().await?;
        self.reload(now).await?;
        Ok(kid)
    }

    /// Rotates when the current key has signed for `lifetime`. Instances that see it at the same time rotate once: the
    /// second finds the new next key too fresh.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn rotate_when_due(&self, now: DateTime<Utc>, lifetime: TimeDelta) -> Result<Option<String>, KeyError> {
        let since: Option<DateTime<Utc>> =
            sqlx::query_scalar("SELECT current_at FROM service.signing_key WHERE state = 'current' AND algorithm = $1")
                .bind(ALGORITHM)
                .fetch_optional(&self.db)
                .await?;
        if since.is_none_or(|since| now - since < lifetime) {
            return Ok(None);
        }
        match self.rotate(now, false).await {
            Ok(kid) => Ok(Some(kid)),
            Err(KeyError::TooSoon(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn cached_since(&self, moment: DateTime<Utc>) -> Option<Arc<KeySet>> {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
        cached.as_ref().filter(|(read_at, _)| *read_at > moment).map(|(_, keys)| Arc::clone(keys))
    }

    async fn reload(&self, now: DateTime<Utc>) -> Result<Arc<KeySet>, KeyError> {
        let mut kept = self.read(now).await?;
        if !["current", "next"].iter().all(|state| kept.iter().any(|key| key.state == *state)) {
            let mut tx = self.locked().await?;
            self.make_missing(&mut tx, now).await?;
            tx.commit().await?;
            kept = self.read(now).await?;
        }
        let keys = Arc::new(KeySet::assemble(kept)?);
        *self.cached.write().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&keys)));
        Ok(keys)
    }

    async fn read(&self, now: DateTime<Utc>) -> Result<Vec<Kept>, KeyError> {
        let rows: Vec<(String, String, Vec<u8>)> = sqlx::query_as(
            "SELECT kid, state::text, sealed FROM service.signing_key
             WHERE algorithm = $1 AND (expires_at IS NULL OR expires_at > $2) ORDER BY created_at DESC, kid",
        )
        .bind(ALGORITHM)
        .bind(now)
        .fetch_all(&self.db)
        .await?;
        rows.into_iter()
            .map(|(kid, state, sealed)| {
                Ok(Kept { state, pkcs8: self.ledger.master().open_secret(&context(&kid), &sealed)? })
            })
            .collect()
    }

    /// A transaction in which no one else makes or rotates keys.
    async fn locked(&self) -> Result<Transaction<'static, Postgres>, KeyError> {
        let mut tx = self.db.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtext('service.signing_key'))").execute(&mut *tx).await?;
        Ok(tx)
    }

    async fn make_missing(&self, tx: &mut Transaction<'static, Postgres>, now: DateTime<Utc>) -> Result<(), KeyError> {
        for state in ["current", "next"] {
            let there: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM service.signing_key WHERE state = $1::service.key_state AND algorithm = $2)",
            )
            .bind(state)
            .bind(ALGORITHM)
            .fetch_one(&mut **tx)
            .await?;
            if there {
                continue;
            }
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref())
                .map_err(|_| KeyError::Generation(Unspecified))?;
            let kid = PublicKey::of(&pair).kid;
            sqlx::query(
                "INSERT INTO service.signing_key (kid, algorithm, state, sealed, created_at, current_at)
                 VALUES ($1, $2, $3::service.key_state, $4, $5, CASE WHEN $3 = 'current' THEN $5 END)",
            )
            .bind(&kid)
            .bind(ALGORITHM)
            .bind(state)
            .bind(self.ledger.master().seal_secret(&context(&kid), pkcs8.as_ref())?)
            .bind(now)
            .execute(&mut **tx)
            .await?;
        }
        Ok(())
    }
}

/// What the sealing is bound to.
fn context(kid: &str) -> String {
    format!("service.signing_key/{kid}")
}
