//! `private_key_jwt`: a client signs who it is (RFC 7523 §3, OpenID Connect Core §9).

use super::Client;
use crate::app::App;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::RelyingPartyId;
use domain::relying_party::{ClientKey, RelyingParty, SecurityProfile, Terms};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::Value;

/// `client_assertion_type`.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What may sign an assertion.
pub const ALGORITHMS: [&str; 4] = ["ES256", "RS256", "PS256", "EdDSA"];
/// The furthest that an assertion's end may lie ahead: so long its name is remembered.
const MAX_LIFETIME: TimeDelta = TimeDelta::hours(1);
/// By so much clocks may differ.
const LEEWAY: i64 = 30;

/// What an assertion says.
#[derive(Deserialize)]
pub(in crate::oidc) struct Assertion {
    iss: String,
    sub: String,
    aud: Value,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    iat: Option<i64>,
    jti: String,
}

/// Whom an assertion claims to come from. Nothing is proved by it yet.
pub fn claimed(token: &str) -> Option<RelyingPartyId> {
    let claims: Assertion = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
    claims.sub.parse().ok()
}

/// Whether the assertion is this client's, for us, now, and for the first time.
///
/// # Errors
/// When the database fails.
pub async fn proves(app: &App, token: &str, id: RelyingPartyId, party: &RelyingParty) -> Result<bool, sqlx::Error> {
    let now = app.clock.now();
    let Some(registration) = &party.registration else { return Ok(false) };
    let Ok(header) = jsonwebtoken::decode_header(token) else { return Ok(false) };
    // Only registered keys count: `jwk`, `jku`, `x5u` and `x5c` of the header are never looked at.
    let keys = app.client_keys.candidates(id, registration.terms.keys.as_ref(), header.kid.as_deref(), now).await;
    let expected = Expected { id, issuer: &app.config.origin(), strict: by_fapi(&registration.terms), now };
    match expected.read(token, &header, &keys) {
        Some(claims) => first_time(app, id, &claims, now).await,
        None => Ok(false),
    }
}

/// What an assertion is held against, but for whether it comes for the first time.
pub(in crate::oidc) struct Expected<'a> {
    /// Whose it must be.
    pub id: RelyingPartyId,
    /// For whom.
    pub issuer: &'a str,
    /// Whether the rules of FAPI 2.0 hold.
    pub strict: bool,
    /// Now.
    pub now: DateTime<Utc>,
}

impl Expected<'_> {
    /// What the assertion says, if one of these keys has signed it and it is as expected.
    pub(in crate::oidc) fn read(&self, token: &str, header: &Header, keys: &[ClientKey]) -> Option<Assertion> {
        let typ = header.typ.as_deref().unwrap_or("JWT");
        let expected = typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("client-authentication+jwt");
        if !expected || header.crit.is_some() || (self.strict && header.alg == Algorithm::RS256) {
            return None;
        }
        let verified = keys.iter().find_map(|key| verify::<Assertion>(token, header.alg, key));
        verified.filter(|claims| self.is_met_by(claims))
    }

    fn is_met_by(&self, claims: &Assertion) -> bool {
        let own = self.id.to_string();
        let ours = |audience: &Value| {
            // The issuer, or the token endpoint as older libraries write; nobody else beside us.
            let audience = audience.as_str().unwrap_or_default();
            audience == self.issuer || audience.strip_prefix(self.issuer) == Some(super::super::discovery::path::TOKEN)
        };
        let for_us = match &claims.aud {
            audience if self.strict => audience == self.issuer,
            Value::Array(all) => !all.is_empty() && all.iter().all(ours),
            one => ours(one),
        };
        let now = self.now.timestamp();
        let in_time = claims.exp > now - LEEWAY
            // Libraries that give an hour, such as Authlib, may have a clock that is ahead.
            && claims.exp <= now + MAX_LIFETIME.num_seconds() + LEEWAY
            && [claims.nbf, claims.iat].into_iter().flatten().all(|from| from <= now + LEEWAY);
        claims.iss == own && claims.sub == own && for_us && in_time && !claims.jti.is_empty()
    }
}

/// The claims, if this key has signed them with an algorithm of its own kind.
pub fn verify<T: serde::de::DeserializeOwned>(token: &str, algorithm: Algorithm, key: &ClientKey) -> Option<T> {
    let component = |value: &Option<String>| value.clone().unwrap_or_default();
    let (fits, decoding) = match key.kty.as_str() {
        "EC" => (
            algorithm == Algorithm::ES256,
            DecodingKey::from_ec_components(&component(&key.x), &component(&key.y)).ok()?,
        ),
        "OKP" => (algorithm == Algorithm::EdDSA, DecodingKey::from_ed_components(&component(&key.x)).ok()?),
        "RSA" => (
            matches!(algorithm, Algorithm::RS256 | Algorithm::PS256),
            DecodingKey::from_rsa_components(&component(&key.n), &component(&key.e)).ok()?,
        ),
        _ => return None,
    };
    if !fits || !key.is_usable() {
        return None;
    }
    let mut validation = Validation::new(algorithm);
    // Checked by the callers, against the clock that is passed in.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode(token, &decoding, &validation).map(|data| data.claims).ok()
}

/// Whether the client is registered for the security profile FAPI 2.0: pushed requests and bound tokens alone. Its
/// assertions then name the issuer as their only audience, as text, and are not signed by RS256 (§5.3.2.1, §5.4.1).
fn by_fapi(terms: &Terms) -> bool {
    terms.profile == SecurityProfile::Fapi2
        || (terms.require_pushed_authorization_requests && terms.dpop_bound_access_tokens)
}

/// Remembers the assertion's name until it has expired; false if it was there before.
async fn first_time(
    app: &App,
    client: RelyingPartyId,
    claims: &Assertion,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let expires_at = DateTime::from_timestamp(claims.exp + LEEWAY + 1, 0).unwrap_or(now + MAX_LIFETIME);
    super::remember(&app.db, &format!("client-assertion|{client}"), &claims.jti, expires_at).await
}

impl Client {
    /// Whether it can prove to be itself at all.
    pub fn is_confidential(&self) -> bool {
        self.registration.authentication != domain::relying_party::ClientAuthentication::None
    }
}
