//! ID tokens and access tokens: what they say, how they are signed, and how ours are recognised again.
//!
//! The ID token names nobody: no name, no birth date. It travels in URLs as `id_token_hint`. Names are for
//! userinfo.

use super::keys::{KeySet, SigningKey};
use super::requested::Wanted;
use aws_lc_rs::digest;
use aws_lc_rs::error::Unspecified;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use domain::ids::RelyingPartyId;
use domain::relying_party::SigningAlgorithm;
use jsonwebtoken::{Algorithm, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// `typ` of an ID token.
const ID_TOKEN: &str = "JWT";
/// `typ` of an access token (RFC 9068 §2.1).
const ACCESS_TOKEN: &str = "at+jwt";

/// How the person was identified and has just proved to be so. None of these is an eIDAS level: a mobile on the
/// school's file and a child's birth date prove no identity that a State vouches for.
pub mod acr {
    use crate::session::Second;

    /// A guardian: known to the school, identified once by a code sent to the mobile on its file and by the
    /// children's birth dates; present now by a password.
    pub const GUARDIAN_BY_SCHOOL_RECORD: &str = "urn:matricule:acr:guardian-by-school-record";
    /// A guardian known to the school, who came in by a provisional password that an operator or the school handed out:
    /// nothing else was proved. Present now by the password chosen in its place.
    pub const GUARDIAN_BY_PROVISIONAL_PASSWORD: &str = "urn:matricule:acr:guardian-by-provisional-password";
    /// A pupil: identified by the school that handed out the first password; present now by a password.
    pub const PUPIL_BY_SCHOOL: &str = "urn:matricule:acr:pupil-by-school";

    /// A guardian identified as in [`GUARDIAN_BY_SCHOOL_RECORD`], present now with FranceConnect (itself eIDAS low),
    /// whose identity bears the names of the school's record. The school has no birth date of guardians to compare,
    /// so the whole is no eIDAS level either.
    pub const GUARDIAN_BY_SCHOOL_RECORD_AND_FRANCECONNECT: &str =
        "urn:matricule:acr:guardian-by-school-record-and-franceconnect";
    /// The same with another provider than FranceConnect.
    pub const GUARDIAN_BY_SCHOOL_RECORD_AND_PROVIDER: &str = "urn:matricule:acr:guardian-by-school-record-and-provider";
    /// A guardian whom another provider alone identified, by a claim that names them in the school's data.
    pub const GUARDIAN_BY_PROVIDER: &str = "urn:matricule:acr:guardian-by-provider";
    /// A pupil whom another provider alone identified, by a claim that names them in the school's data.
    pub const PUPIL_BY_PROVIDER: &str = "urn:matricule:acr:pupil-by-provider";

    /// What the name of each of these ends with where a second factor was given besides: an authenticator app, a
    /// passkey or a recovery code. It says nothing more of who the person is, only that a stolen password was not enough.
    pub const SECOND_FACTOR: &str = ":second-factor";

    /// What a session reaches that was opened so, and with this second factor.
    pub fn reached(first: &str, second: Option<Second>) -> String {
        if second.is_some() { format!("{first}{SECOND_FACTOR}") } else { first.to_owned() }
    }

    /// Everything that can be reached, with and without a second factor.
    pub fn every() -> Vec<String> {
        ALL.iter().flat_map(|first| [(*first).to_owned(), format!("{first}{SECOND_FACTOR}")]).collect()
    }

    /// All of them, without a second factor.
    pub const ALL: [&str; 7] = [
        GUARDIAN_BY_SCHOOL_RECORD,
        GUARDIAN_BY_PROVISIONAL_PASSWORD,
        GUARDIAN_BY_SCHOOL_RECORD_AND_FRANCECONNECT,
        GUARDIAN_BY_SCHOOL_RECORD_AND_PROVIDER,
        GUARDIAN_BY_PROVIDER,
        PUPIL_BY_SCHOOL,
        PUPIL_BY_PROVIDER,
    ];
}

/// What both tokens say of the sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// When the person signed in, seconds since 1970.
    pub auth_time: i64,
    /// See [`acr`].
    pub acr: String,
    /// Methods (RFC 8176): `pwd`.
    pub amr: Vec<String>,
    /// The session, by its public name.
    pub sid: Uuid,
}

/// An ID token (OpenID Connect Core §2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdToken {
    /// Issuer.
    pub iss: String,
    /// Pairwise subject.
    pub sub: String,
    /// The client.
    pub aud: String,
    /// Expiry, seconds since 1970.
    pub exp: i64,
    /// Issue, seconds since 1970.
    pub iat: i64,
    /// From the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Binds the access token issued along (§3.1.3.6).
    pub at_hash: String,
    /// The sign-in.
    #[serde(flatten)]
    pub sign_in: SignIn,
    /// Affiliation and establishments, as scopes allow.
    #[serde(flatten)]
    pub claims: serde_json::Map<String, serde_json::Value>,
}

/// An access token (RFC 9068 §2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// Issuer.
    pub iss: String,
    /// Pairwise subject; the client's own id where it acts for itself.
    pub sub: String,
    /// Who may accept it: the issuer's own userinfo endpoint, or another relying party's service.
    pub aud: String,
    /// Expiry, seconds since 1970.
    pub exp: i64,
    /// Issue, seconds since 1970.
    pub iat: i64,
    /// Its own name, by which it is revoked.
    pub jti: Uuid,
    /// The client it was issued to.
    pub client_id: RelyingPartyId,
    /// What it opens.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The token that it was made from in the end, by exchange: it is worth nothing without that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Uuid>,
    /// Claims that userinfo was asked for by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Wanted>,
    /// The family of refresh tokens that it belongs to and ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Uuid>,
    /// The key that whoever uses it must have (RFC 9449 §6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Who acts on the subject's behalf (RFC 8693 §4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// The sign-in; none where the client acts for itself.
    #[serde(flatten)]
    pub sign_in: Option<SignIn>,
}

/// What a token is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// RFC 7638 thumbprint of the key.
    pub jkt: String,
}

/// Who acts, and for whom they acted before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The relying party.
    pub sub: RelyingPartyId,
    /// Through whom it came by the token that it exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Actor>>,
}

/// A token is not ours, not of this type, or no longer good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is malformed, not issued here for this use, or expired")]
pub struct BadToken;

/// A token could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningFailed {
    /// Its claims have no JSON form.
    #[error("the claims of a token could not be written: {0}")]
    Claims(#[from] serde_json::Error),
    /// The crypto library gave no signature.
    #[error("a token could not be signed")]
    Signature(#[from] Unspecified),
}

impl IdToken {
    /// The signed token.
    ///
    /// # Errors
    /// [`SigningFailed`].
    pub fn sign(&self, key: &SigningKey) -> Result<String, SigningFailed> {
        sign(ID_TOKEN, self, key)
    }

    /// An ID token that comes back as a hint: ours, whoever it was for, however old (RP-Initiated Logout §2).
    ///
    /// # Errors
    /// [`BadToken`].
    pub fn from_hint(token: &str, keys: &KeySet, issuer: &str) -> Result<Self, BadToken> {
        let token: Self = open(ID_TOKEN, token, keys)?;
        if token.iss == issuer { Ok(token) } else { Err(BadToken) }
    }
}

impl AccessToken {
    /// The signed token.
    ///
    /// # Errors
    /// [`SigningFailed`].
    pub fn sign(&self, key: &SigningKey) -> Result<String, SigningFailed> {
        sign(ACCESS_TOKEN, self, key)
    }

    /// An access token that is ours and not expired, for whatever audience: the caller looks at `aud`.
    ///
    /// # Errors
    /// [`BadToken`].
    pub fn open(token: &str, keys: &KeySet, issuer: &str, now: DateTime<Utc>) -> Result<Self, BadToken> {
        let token: Self = open(ACCESS_TOKEN, token, keys)?;
        let good = token.iss == issuer && now.timestamp() < token.exp;
        if good { Ok(token) } else { Err(BadToken) }
    }
}

/// Left half of the access token's hash (OpenID Connect Core §3.1.3.6): by the hash of the ID token's algorithm, which
/// for Ed25519 is SHA-512 (RFC 8032 §5.1).
pub fn at_hash(access_token: &str, algorithm: SigningAlgorithm) -> String {
    let hash = match algorithm {
        SigningAlgorithm::ES256 | SigningAlgorithm::RS256 => &digest::SHA256,
        SigningAlgorithm::EdDSA => &digest::SHA512,
    };
    let hash = digest::digest(hash, access_token.as_bytes());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}

/// A JWS in compact form (RFC 7515 §7.1) of this type.
///
/// # Errors
/// [`SigningFailed`].
pub fn sign<T: Serialize>(typ: &str, claims: &T, key: &SigningKey) -> Result<String, SigningFailed> {
    let header = format!(r#"{{"typ":"{typ}","alg":"{}","kid":"{}"}}"#, key.algorithm().as_str(), key.kid());
    compact(&header, claims, key)
}

/// The same under any header.
pub(super) fn compact<T: Serialize>(header: &str, claims: &T, key: &SigningKey) -> Result<String, SigningFailed> {
    let mut token = URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims)?, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

/// Signature and type; times, issuer and audience are the caller's. The key is chosen by `kid` among our own only,
/// and the algorithm is the key's: `jku`, `jwk`, `x5u` and `x5c` are never looked at.
fn open<T: DeserializeOwned>(typ: &str, token: &str, keys: &KeySet) -> Result<T, BadToken> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| BadToken)?;
    let (algorithm, key) = keys.verifying(header.kid.as_deref().ok_or(BadToken)?).ok_or(BadToken)?;
    let algorithm = match algorithm {
        SigningAlgorithm::ES256 => Algorithm::ES256,
        SigningAlgorithm::RS256 => Algorithm::RS256,
        SigningAlgorithm::EdDSA => Algorithm::EdDSA,
    };
    // RFC 7515 §4.1.11: a critical extension that isn't understood makes the token invalid; none is understood.
    if header.alg != algorithm || header.typ.as_deref() != Some(typ) || header.crit.is_some() {
        return Err(BadToken);
    }
    let mut validation = Validation::new(algorithm);
    // Checked by the callers, against the clock that is passed in.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    jsonwebtoken::decode(token, key, &validation).map(|data| data.claims).map_err(|_| BadToken)
}
