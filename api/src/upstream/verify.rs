//! Whether a provider's answer is its own, for us, now, and about the person who was sent there (OpenID Connect Core
//! §3.1.3.7 and §5.3.2). Pure but for the provider's keys.

use super::provider::{Exchanged, Metadata, Provider, UpstreamError, Upstreams};
use crate::config::Userinfo;
use crate::oidc::{at_hash, verify_with};
use chrono::{DateTime, TimeDelta, Utc};
use domain::relying_party::SigningAlgorithm;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

/// What may sign tokens of a provider. `none` and shared secrets are not among them.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::ES256, Algorithm::RS256, Algorithm::PS256, Algorithm::EdDSA];
/// By so much clocks may differ.
const LEEWAY: i64 = 30;
/// An ID token is not older than this when it comes.
const OLDEST: TimeDelta = TimeDelta::minutes(10);
/// Longest `sub` (OpenID Connect Core §2), in characters.
const LONGEST_SUBJECT: usize = 255;

/// Claims, by name.
pub type Claims = Map<String, Value>;

/// What is verified of a sign-in.
pub struct Verified {
    /// `sub`.
    pub subject: String,
    /// What the provider says of the person.
    pub claims: Claims,
}

/// Verifies the ID token, then fetches and verifies what is said of the person.
///
/// # Errors
/// [`UpstreamError`].
pub async fn verified(
    upstreams: &Upstreams,
    provider: &Provider,
    metadata: &Metadata,
    exchanged: &Exchanged,
    nonce: &str,
    now: DateTime<Utc>,
) -> Result<Verified, UpstreamError> {
    let (claims, algorithm) = opened(upstreams, provider, metadata, &exchanged.id_token, now).await?;
    check_id_token(provider, metadata, &claims, nonce, now)?;
    // For these a half of SHA-256; EdDSA has no hash that everybody agrees on.
    if let (Some(given), true) = (claims.get("at_hash"), algorithm != Algorithm::EdDSA)
        && given.as_str() != Some(&at_hash(exchanged.access_token.expose(), SigningAlgorithm::ES256))
    {
        return Err(UpstreamError::Wrong("another access token than the ID token's"));
    }
    let subject = text(&claims, "sub").filter(|subject| is_subject(subject));
    let subject = subject.ok_or(UpstreamError::Wrong("no usable sub"))?.to_owned();
    let claims = match provider.config.userinfo {
        Userinfo::None => claims,
        Userinfo::Plain => {
            let (_, body) = upstreams.userinfo(metadata, &exchanged.access_token, "application/json").await?;
            serde_json::from_slice(&body).map_err(|_| UpstreamError::Wrong("userinfo is no JSON object"))?
        }
        Userinfo::Signed => {
            let (kind, body) = upstreams.userinfo(metadata, &exchanged.access_token, "application/jwt").await?;
            if !kind.starts_with("application/jwt") {
                return Err(UpstreamError::Wrong("userinfo is not signed"));
            }
            let token = String::from_utf8(body).map_err(|_| UpstreamError::Wrong("userinfo is no JWT"))?;
            let (claims, _) = opened(upstreams, provider, metadata, token.trim(), now).await?;
            check_addressed(provider, metadata, &claims)?;
            if claims.contains_key("exp") {
                check_times(&claims, now)?;
            }
            claims
        }
    };
    if text(&claims, "sub") != Some(&subject) {
        return Err(UpstreamError::Wrong("userinfo is about another sub"));
    }
    Ok(Verified { subject, claims })
}

/// The claims of a token that one of the provider's keys has signed, with an algorithm of the key's own kind.
async fn opened(
    upstreams: &Upstreams,
    provider: &Provider,
    metadata: &Metadata,
    token: &str,
    now: DateTime<Utc>,
) -> Result<(Claims, Algorithm), UpstreamError> {
    // `none` is no algorithm to this library: such a header does not even decode.
    let header = jsonwebtoken::decode_header(token).map_err(|_| UpstreamError::Wrong("not a signed JWT"))?;
    if !ALGORITHMS.contains(&header.alg) || header.crit.is_some() {
        return Err(UpstreamError::Wrong("an algorithm that is not accepted"));
    }
    // Only keys of the provider's own address: `jwk`, `jku`, `x5u` and `x5c` of the header are never looked at.
    let keys = upstreams.keys(provider, metadata, header.kid.as_deref(), now).await;
    let claims = keys.iter().find_map(|key| verify_with::<Claims>(token, header.alg, key));
    claims.map(|claims| (claims, header.alg)).ok_or(UpstreamError::Wrong("signed by no key of the provider"))
}

fn check_id_token(
    provider: &Provider,
    metadata: &Metadata,
    claims: &Claims,
    nonce: &str,
    now: DateTime<Utc>,
) -> Result<(), UpstreamError> {
    check_addressed(provider, metadata, claims)?;
    if claims.get("azp").is_some_and(|azp| azp.as_str() != Some(&provider.config.client_id)) {
        return Err(UpstreamError::Wrong("issued to another client"));
    }
    check_times(claims, now)?;
    let issued = claims.get("iat").and_then(Value::as_i64).ok_or(UpstreamError::Wrong("no iat"))?;
    if issued < (now - OLDEST).timestamp() {
        return Err(UpstreamError::Wrong("an old ID token"));
    }
    if text(claims, "nonce") != Some(nonce) {
        return Err(UpstreamError::Wrong("another nonce"));
    }
    match &provider.config.acr_values {
        Some(demanded) if !is_level(demanded, text(claims, "acr").unwrap_or_default()) => {
            Err(UpstreamError::LevelTooLow)
        }
        Some(_) | None => Ok(()),
    }
}

/// From this provider, for nobody but us.
fn check_addressed(provider: &Provider, metadata: &Metadata, claims: &Claims) -> Result<(), UpstreamError> {
    if text(claims, "iss") != Some(&metadata.issuer) {
        return Err(UpstreamError::Wrong("another issuer"));
    }
    let own = |audience: &Value| audience.as_str() == Some(&provider.config.client_id);
    let for_us = match claims.get("aud") {
        Some(Value::Array(all)) => !all.is_empty() && all.iter().all(own),
        Some(one) => own(one),
        None => false,
    };
    if for_us { Ok(()) } else { Err(UpstreamError::Wrong("another audience")) }
}

fn check_times(claims: &Claims, now: DateTime<Utc>) -> Result<(), UpstreamError> {
    let time = |name: &str| claims.get(name).map(|value| value.as_f64().unwrap_or(f64::NAN).floor() as i64);
    let now = now.timestamp();
    let ended = time("exp").is_none_or(|until| until <= now - LEEWAY);
    let early = [time("nbf"), time("iat")].into_iter().flatten().any(|from| from > now + LEEWAY);
    if ended || early { Err(UpstreamError::Wrong("expired, or not valid yet")) } else { Ok(()) }
}

/// Whether a level is one of those demanded; of eIDAS levels a higher one serves too.
fn is_level(demanded: &str, given: &str) -> bool {
    let eidas = |level: &str| level.strip_prefix("eidas").and_then(|number| number.parse::<u8>().ok());
    demanded.split(' ').any(|level| {
        level == given || matches!((eidas(level), eidas(given)), (Some(low), Some(high)) if (low..=3).contains(&high))
    })
}

fn is_subject(subject: &str) -> bool {
    !subject.is_empty() && subject.len() <= LONGEST_SUBJECT && subject.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A claim that is a text.
pub fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_met_by_itself_and_by_a_higher_eidas_level() {
        for (demanded, given, met) in [
            ("eidas1", "eidas1", true),
            ("eidas1", "eidas3", true),
            ("eidas2", "eidas1", false),
            ("eidas1", "", false),
            ("eidas1", "eidas9", false),
            ("eidas1", "eidas0", false),
            ("urn:a urn:b", "urn:b", true),
            ("urn:a", "urn:a urn:b", false),
        ] {
            assert_eq!(is_level(demanded, given), met, "{demanded} {given}");
        }
    }

    #[test]
    fn a_subject_is_short_and_plain() {
        assert!(is_subject("b6048e95v1"));
        for bad in ["", "a b", "é", &"a".repeat(256)] {
            assert!(!is_subject(bad));
        }
    }

    #[test]
    fn times_must_be_there_and_numbers() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let claims = |text: &str| serde_json::from_str::<Claims>(text).unwrap();
        assert!(check_times(&claims(r#"{"exp": 1790000060, "iat": 1790000000}"#), now).is_ok());
        for bad in [
            r#"{}"#,
            r#"{"exp": "1790000060"}"#,
            r#"{"exp": 1789999000}"#,
            r#"{"exp": 1790000060, "iat": 1790000900}"#,
            r#"{"exp": 1790000060, "nbf": 1790000900}"#,
            r#"{"exp": null}"#,
        ] {
            assert!(check_times(&claims(bad), now).is_err(), "{bad}");
        }
    }
}
