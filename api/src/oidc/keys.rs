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
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use domain::relying_party::SigningAlgorithm;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use ledger::postgres::begin;
use ledger::{Ledger, SealError};
use serde::Serialize;
use sqlx::{PgPool, Postgres, Transaction};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

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

/// A public key as published (RFC 7517, RFC 7518 §6.2 and §6.3, RFC 8037 §2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicKey {
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    kid: String,
    #[serde(flatten)]
    parameters: Parameters,
}

/// What makes a key, by its type. Members in lexicographic order, as a thumbprint wants them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Parameters {
    Ec { crv: &'static str, kty: &'static str, x: String, y: String },
    Rsa { e: String, kty: &'static str, n: String },
    Ed { crv: &'static str, kty: &'static str, x: String },
}

/// A private key, parsed once: parsing costs more than signing.
enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Pair {
    fn open(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Result<Self, KeyRejected> {
        match algorithm {
            SigningAlgorithm::ES256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map(Self::Ec),
            SigningAlgorithm::RS256 => RsaKeyPair::from_pkcs8(pkcs8).map(Self::Rsa),
            SigningAlgorithm::EdDSA => Ed25519KeyPair::from_pkcs8(pkcs8).map(Self::Ed),
        }
    }

    /// A new one, as PKCS #8.
    fn generate(algorithm: SigningAlgorithm) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let document = match algorithm {
            SigningAlgorithm::ES256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?.as_ref().to_vec()
            }
            SigningAlgorithm::RS256 => RsaKeyPair::generate(KeySize::Rsa2048)?.as_der()?.as_ref().to_vec(),
            SigningAlgorithm::EdDSA => Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())?.as_ref().to_vec(),
        };
        Ok(Zeroizing::new(document))
    }

    fn algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::Ec(_) => SigningAlgorithm::ES256,
            Self::Rsa(_) => SigningAlgorithm::RS256,
            Self::Ed(_) => SigningAlgorithm::EdDSA,
        }
    }

    fn verifying(&self) -> DecodingKey {
        match self {
            Self::Ec(pair) => DecodingKey::from_ec_der(pair.public_key().as_ref()),
            Self::Rsa(pair) => DecodingKey::from_rsa_der(pair.public_key().as_ref()),
            Self::Ed(pair) => DecodingKey::from_ed_der(pair.public_key().as_ref()),
        }
    }
}

/// The key that signs.
pub struct SigningKey {
    kid: String,
    pair: Pair,
}

impl SigningKey {
    /// Its RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.pair.algorithm()
    }

    /// The signature of a message as JWS has it (RFC 7518 §3.3, §3.4; RFC 8037 §3.1).
    ///
    /// # Errors
    /// The crypto library gives none.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match &self.pair {
            Pair::Ec(pair) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            Pair::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
        }
    }
}

/// The keys at one moment.
pub struct KeySet {
    signing: Vec<SigningKey>,
    verifying: HashMap<String, (SigningAlgorithm, DecodingKey)>,
    published: Vec<PublicKey>,
}

impl KeySet {
    /// The key that signs now with this algorithm.
    ///
    /// # Errors
    /// [`KeyError::Missing`], which [`Keys`] lets nobody see.
    pub fn signing(&self, algorithm: SigningAlgorithm) -> Result<&SigningKey, KeyError> {
        self.signing.iter().find(|key| key.algorithm() == algorithm).ok_or(KeyError::Missing)
    }

    /// The public key of this id, if it is ours, and the one algorithm that it is for.
    pub fn verifying(&self, kid: &str) -> Option<&(SigningAlgorithm, DecodingKey)> {
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
            let pkcs8 = Zeroizing::new(pair.to_pkcs8v1().unwrap().as_ref().to_vec());
            Kept { state: "current".to_owned(), algorithm: SigningAlgorithm::ES256, pkcs8 }
        });
        Self::assemble(kept.collect()).unwrap()
    }

    /// One key that is given, for fuzzing: it signs now.
    pub(super) fn of_one(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pkcs8 = Zeroizing::new(pkcs8.to_vec());
        Self::assemble(vec![Kept { state: "current".to_owned(), algorithm: SigningAlgorithm::ES256, pkcs8 }])
    }

    fn assemble(kept: Vec<Kept>) -> Result<Self, KeyError> {
        let mut set = Self { signing: Vec::new(), verifying: HashMap::new(), published: Vec::new() };
        for Kept { state, algorithm, pkcs8 } in kept {
            let pair = Pair::open(algorithm, &pkcs8).map_err(|_| KeyError::Damaged(state.clone()))?;
            let public = PublicKey::of(&pair).ok_or_else(|| KeyError::Damaged(state.clone()))?;
            set.verifying.insert(public.kid.clone(), (algorithm, pair.verifying()));
            if state == "current" {
                set.signing.push(SigningKey { kid: public.kid.clone(), pair });
            }
            set.published.push(public);
        }
        Ok(set)
    }
}

/// A stored key, opened.
struct Kept {
    state: String,
    algorithm: SigningAlgorithm,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl PublicKey {
    fn of(pair: &Pair) -> Option<Self> {
        let parameters = match pair {
            Pair::Ec(pair) => {
                // Uncompressed point: 0x04, 32 bytes of x, 32 bytes of y (SEC 1 §2.3.3).
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
                Parameters::Ec { crv: "P-256", kty: "EC", x, y }
            }
            Pair::Ed(pair) => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
                Parameters::Ed { crv: "Ed25519", kty: "OKP", x }
            }
            Pair::Rsa(_) => match Jwk::from_decoding_key(&pair.verifying(), None).ok()?.algorithm {
                AlgorithmParameters::RSA(public) => Parameters::Rsa { e: public.e, kty: "RSA", n: public.n },
                _ => return None,
            },
        };
        // RFC 7638 §3: required members only, in lexicographic order, without spaces. All values are base64url.
        let canonical = match &parameters {
            Parameters::Ec { crv, kty, x, y } => format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}","y":"{y}"}}"#),
            Parameters::Ed { crv, kty, x } => format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}"}}"#),
            Parameters::Rsa { e, kty, n } => format!(r#"{{"e":"{e}","kty":"{kty}","n":"{n}"}}"#),
        };
        let kid = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
        Some(Self { alg: pair.algorithm().as_str(), usage: "sig", kid, parameters })
    }
}

/// Where the keys are kept, with what was read last.
pub struct Keys {
    db: PgPool,
    ledger: Ledger,
    eddsa: bool,
    cached: RwLock<Option<(DateTime<Utc>, Arc<KeySet>)>>,
}

impl Keys {
    /// Keys in this database, sealed by this ledger's master key. Nothing is read or made yet.
    pub fn new(db: PgPool, ledger: Ledger) -> Self {
        Self { db, ledger, eddsa: false, cached: RwLock::new(None) }
    }

    /// With keys for EdDSA beside the others: published, they disturb relying parties whose libraries know no OKP key.
    pub fn with_eddsa(self, eddsa: bool) -> Self {
        Self { eddsa, ..self }
    }

    /// Of each algorithm one key signs and one waits.
    fn wanted(&self) -> impl Iterator<Item = (SigningAlgorithm, &'static str)> {
        let eddsa = self.eddsa;
        let wanted = SigningAlgorithm::ALL.into_iter().filter(move |one| eddsa || *one != SigningAlgorithm::EdDSA);
        wanted.flat_map(|algorithm| [(algorithm, "current"), (algorithm, "next")])
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

    /// Of each algorithm the next key signs from now on, the current one is retired, and a new next one is published.
    /// Returns the ids of the keys that sign now. `at_once` is for a leak: relying parties that keep an older set fail
    /// until they fetch it again.
    ///
    /// # Errors
    /// [`KeyError`], also when a next key is too fresh.
    pub async fn rotate(&self, now: DateTime<Utc>, at_once: bool) -> Result<Vec<String>, KeyError> {
        let mut tx = self.locked().await?;
        self.make_missing(&mut tx, now).await?;
        let published: DateTime<Utc> =
            sqlx::query_scalar("SELECT max(created_at) FROM service.signing_key WHERE state = 'next'")
                .fetch_one(&mut *tx)
                .await?;
        if published + PUBLISH_AHEAD > now && !at_once {
            return Err(KeyError::TooSoon(published));
        }
        sqlx::query("DELETE FROM service.signing_key WHERE expires_at < $1").bind(now).execute(&mut *tx).await?;
        sqlx::query(
            "UPDATE service.signing_key SET state = 'retired', retired_at = $1, expires_at = $2 WHERE state = 'current'",
        )
        .bind(now)
        .bind(now + RETIRED_FOR)
        .execute(&mut *tx)
        .await?;
        let kids = sqlx::query_scalar(
            "UPDATE service.signing_key SET state = 'current', current_at = $1 WHERE state = 'next' RETURNING kid",
        )
        .bind(now)
        .fetch_all(&mut *tx)
        .await?;
        self.make_missing(&mut tx, now).await?;
        tx.commit().await?;
        self.reload(now).await?;
        Ok(kids)
    }

    /// Rotates when a current key has signed for `lifetime`. Instances that see it at the same time rotate once: the
    /// second finds the new next keys too fresh.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn rotate_when_due(&self, now: DateTime<Utc>, lifetime: TimeDelta) -> Result<Vec<String>, KeyError> {
        let since: Option<DateTime<Utc>> =
            sqlx::query_scalar("SELECT min(current_at) FROM service.signing_key WHERE state = 'current'")
                .fetch_one(&self.db)
                .await?;
        if since.is_none_or(|since| now - since < lifetime) {
            return Ok(Vec::new());
        }
        match self.rotate(now, false).await {
            Err(KeyError::TooSoon(_)) => Ok(Vec::new()),
            rotated => rotated,
        }
    }

    fn cached_since(&self, moment: DateTime<Utc>) -> Option<Arc<KeySet>> {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
        cached.as_ref().filter(|(read_at, _)| *read_at > moment).map(|(_, keys)| Arc::clone(keys))
    }

    async fn reload(&self, now: DateTime<Utc>) -> Result<Arc<KeySet>, KeyError> {
        let mut kept = self.read(now).await?;
        let there = |(algorithm, state): &(SigningAlgorithm, &str)| {
            kept.iter().any(|key| key.algorithm == *algorithm && key.state == *state)
        };
        if !self.wanted().all(|wanted| there(&wanted)) {
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
        let rows: Vec<(String, String, String, Vec<u8>)> = sqlx::query_as(
            "SELECT kid, algorithm, state::text, sealed FROM service.signing_key
             WHERE expires_at IS NULL OR expires_at > $1 ORDER BY algorithm, created_at DESC, kid",
        )
        .bind(now)
        .fetch_all(&self.db)
        .await?;
        let mut kept = Vec::new();
        for (kid, algorithm, state, sealed) in rows {
            // A key of an algorithm that only a newer version knows is its own.
            let Some(algorithm) = SigningAlgorithm::ALL.into_iter().find(|known| known.as_str() == algorithm) else {
                continue;
            };
            let pkcs8 = self.ledger.master().open_secret(&context(&kid), &sealed)?;
            kept.push(Kept { state, algorithm, pkcs8 });
        }
        Ok(kept)
    }

    /// A transaction in which no one else makes or rotates keys.
    async fn locked(&self) -> Result<Transaction<'static, Postgres>, KeyError> {
        let mut tx = begin(&self.db).await?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtext('service.signing_key'))").execute(&mut *tx).await?;
        Ok(tx)
    }

    async fn make_missing(&self, tx: &mut Transaction<'static, Postgres>, now: DateTime<Utc>) -> Result<(), KeyError> {
        for (algorithm, state) in self.wanted() {
            let there: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM service.signing_key WHERE state = $1::service.key_state AND algorithm = $2)",
            )
            .bind(state)
            .bind(algorithm.as_str())
            .fetch_one(&mut **tx)
            .await?;
            if there {
                continue;
            }
            // An RSA key takes its time: not on a thread that answers requests.
            let made = tokio::task::spawn_blocking(move || Pair::generate(algorithm)).await;
            let pkcs8 = made.map_err(|_| KeyError::Generation(Unspecified))??;
            let pair = Pair::open(algorithm, &pkcs8).map_err(|_| KeyError::Generation(Unspecified))?;
            let kid = PublicKey::of(&pair).ok_or(KeyError::Generation(Unspecified))?.kid;
            sqlx::query(
                "INSERT INTO service.signing_key (kid, algorithm, state, sealed, created_at, current_at)
                 VALUES ($1, $2, $3::service.key_state, $4, $5, CASE WHEN $3 = 'current' THEN $5 END)",
            )
            .bind(&kid)
            .bind(algorithm.as_str())
            .bind(state)
            .bind(self.ledger.master().seal_secret(&context(&kid), &pkcs8)?)
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
