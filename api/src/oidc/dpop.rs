//! Proof of possession (RFC 9449): a token that only the holder of a key can use.

use super::client::{assertion::verify, remember};
use super::error::{ErrorCode, ProtocolError, refuse};
use crate::app::App;
use crate::incident::AppError;
use aws_lc_rs::digest;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use domain::relying_party::ClientKey;
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::ThumbprintHash;
use serde::Deserialize;
use url::Url;

/// What may sign a proof: no RSA PKCS #1 v1.5 (FAPI 2.0 Security Profile §5.4.1).
pub const ALGORITHMS: [&str; 3] = ["ES256", "PS256", "EdDSA"];
/// How old a proof may be, and how far ahead of our clock.
const WINDOW: TimeDelta = TimeDelta::seconds(60);
/// The longest `jti` taken, in bytes.
const MAX_JTI: usize = 256;

/// What a proof says (§4.2).
#[derive(Deserialize)]
pub(super) struct Proof {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    #[serde(default)]
    ath: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
}

/// Why a proof is none.
pub enum NoProof {
    /// To tell the client.
    Told(ProtocolError),
    /// It must be made again with this nonce.
    Nonce(String),
    /// A fault of ours.
    Fault(AppError),
}

/// The header with the nonce to use next (§8).
pub const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// What a client is told that has not used it.
pub const WANTED: ProtocolError =
    refuse(ErrorCode::UseDpopNonce, "make the DPoP proof again, with the nonce of DPoP-Nonce");
/// So long a nonce is given out; for as long again it is taken.
const NONCE_SECONDS: i64 = 300;

const BAD: ProtocolError = refuse(ErrorCode::InvalidDpopProof, "the DPoP proof is not good for this request");

/// The thumbprint of the key that the request proves to hold; `None` where it brings no proof. `token` is the access
/// token that comes along, at a protected resource.
///
/// # Errors
/// [`NoProof`].
pub async fn proved(
    app: &App,
    headers: &HeaderMap,
    method: &str,
    path: &str,
    token: Option<&str>,
) -> Result<Option<String>, NoProof> {
    let mut proofs = headers.get_all("dpop").iter();
    let Some(text) = proofs.next() else { return Ok(None) };
    let text = text.to_str().ok().filter(|_| proofs.next().is_none()).ok_or(NoProof::Told(BAD))?;
    let now = app.clock.now();
    let (jkt, proof) = read(text).ok_or(NoProof::Told(BAD))?;
    let here = format!("{}{path}", app.config.origin());
    if !is_good(&proof, method, &here, token, now) {
        return Err(NoProof::Told(BAD));
    }
    if let Some(nonce) = unused_nonce(app, &proof) {
        return Err(NoProof::Nonce(nonce));
    }
    let until = now + WINDOW + WINDOW;
    match remember(&app.db, &format!("dpop|{jkt}"), &proof.jti, until).await {
        Ok(true) => Ok(Some(jkt)),
        Ok(false) => Err(NoProof::Told(BAD)),
        Err(error) => Err(NoProof::Fault(error.into())),
    }
}

/// The nonce that proofs must have, where the provider is configured to want one. It is computed from the time and
/// the ledger's own key: all instances give the same, and none is stored.
fn nonce(app: &App, ago: i64) -> Option<String> {
    let slot = app.clock.now().timestamp() / NONCE_SECONDS - ago;
    let hash = || app.ledger.lookup_hash("dpop-nonce", &slot.to_string());
    app.config.oidc.dpop_nonce.then(|| URL_SAFE_NO_PAD.encode(hash()))
}

/// The nonce that should have been used, where it was not.
fn unused_nonce(app: &App, proof: &Proof) -> Option<String> {
    let current = nonce(app, 0)?;
    let taken = [Some(current.as_str()), nonce(app, 1).as_deref()].contains(&proof.nonce.as_deref());
    (proof.nonce.is_none() || !taken).then_some(current)
}

/// An answer with the nonce to use next (§8.2).
pub fn with_nonce(app: &App, mut response: Response) -> Response {
    let value = nonce(app, 0).and_then(|nonce| HeaderValue::from_str(&nonce).ok());
    response.headers_mut().extend(value.map(|value| (NONCE, value)));
    response
}

/// The key's thumbprint and what it has signed. Here alone a key of the header counts: to have it is what is proved.
pub(super) fn read(text: &str) -> Option<(String, Proof)> {
    let header = jsonwebtoken::decode_header(text).ok()?;
    if header.typ.as_deref() != Some("dpop+jwt") || header.crit.is_some() || header.alg == Algorithm::RS256 {
        return None;
    }
    // Read as a client's public key, which has no private member: a proof that brings one is refused.
    let raw: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.split('.').next()?).ok()?).ok()?;
    let raw = raw.get("jwk")?;
    if ["d", "k", "p", "q"].iter().any(|private| raw.get(private).is_some()) {
        return None;
    }
    let key: ClientKey = serde_json::from_value(raw.clone()).ok()?;
    let proof = verify::<Proof>(text, header.alg, &key)?;
    let jkt = header.jwk?.thumbprint(ThumbprintHash::SHA256).ok()?;
    Some((jkt, proof))
}

fn is_good(proof: &Proof, method: &str, here: &str, token: Option<&str>, now: DateTime<Utc>) -> bool {
    // §4.3: without query and fragment, and normalised (RFC 3986 §6.2.2, §6.2.3), which parsing does.
    let address = |text: &str| Url::parse(text.split(['?', '#']).next().unwrap_or_default()).ok();
    let is_here = address(&proof.htu).is_some_and(|asked| Some(asked) == address(here));
    let recent = (now.timestamp() - proof.iat).abs() <= WINDOW.num_seconds();
    let bound = match token {
        None => true,
        Some(token) => {
            let hash = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, token.as_bytes()));
            proof.ath.as_deref() == Some(hash.as_str())
        }
    };
    proof.htm == method && is_here && recent && bound && !proof.jti.is_empty() && proof.jti.len() <= MAX_JTI
}
