//! How a client proves to be itself (RFC 6749 §2.3): one way for all endpoints, at each by the one method that the
//! client is registered for.
//!
//! ```text
//!  Authorization: Basic   ─┐
//!  client_secret           ├─▶ read: exactly one ──▶ registered for it? ──▶ secret, or signature and first use
//!  client_assertion        │
//!  client_id alone        ─┘
//! ```

pub mod assertion;
pub mod keys;

use super::error::{ErrorCode, ProtocolError, refuse};
use super::parameters::Parameters;
use crate::app::App;
use aws_lc_rs::{constant_time, digest};
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use domain::ids::RelyingPartyId;
use domain::relying_party::{ClientAuthentication, Registration, RelyingParty};
use ledger::ReadError;
use sqlx::PgPool;
use zeroize::Zeroizing;

/// What vault rows of client secrets are called.
pub const VAULT_KIND: &str = "client-secret";

/// A client that has proved to be itself, as far as it can.
pub struct Client {
    /// Its id.
    pub id: RelyingPartyId,
    /// Its registration.
    pub registration: Registration,
}

/// Why a client is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Unauthenticated {
    /// To tell it. The flag says whether it used the `Authorization` header, and so gets a challenge.
    #[error("{error}")]
    Refused {
        /// What to tell.
        error: ProtocolError,
        /// Whether it used HTTP Basic.
        by_header: bool,
    },
    /// The ledger could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What a request presents.
struct Presented {
    id: RelyingPartyId,
    proof: Proof,
}

/// By what it wants to be believed.
enum Proof {
    Nothing,
    Secret(Zeroizing<String>, ClientAuthentication),
    Assertion(String),
}

impl Proof {
    fn method(&self) -> ClientAuthentication {
        match self {
            Self::Nothing => ClientAuthentication::None,
            Self::Secret(_, method) => *method,
            Self::Assertion(_) => ClientAuthentication::PrivateKeyJwt,
        }
    }
}

/// One answer for all: whether the client, its secret or its method is wrong is nobody's business.
const INVALID: ProtocolError = refuse(ErrorCode::InvalidClient, "client authentication failed");

/// Authenticates the client of a request by the method it is registered for, and no other.
///
/// # Errors
/// [`Unauthenticated`].
pub async fn authenticate(app: &App, headers: &HeaderMap, parameters: &Parameters) -> Result<Client, Unauthenticated> {
    let by_header = headers.contains_key(header::AUTHORIZATION);
    let refused = |error| Unauthenticated::Refused { error, by_header };
    let Presented { id, proof } = read(headers, parameters).map_err(refused)?;
    let party = app.ledger.load::<RelyingParty>(&id.to_string()).await?.aggregate;
    let registered = party.registration.as_ref().filter(|_| party.enabled && party.id == Some(id));
    let registered = registered.ok_or_else(|| refused(INVALID))?;
    if registered.authentication != proof.method() {
        return Err(refused(INVALID));
    }
    let proved = match proof {
        Proof::Nothing => true,
        Proof::Secret(given, _) => {
            let stored = match party.secret {
                Some(row) => app.ledger.vault_get(row, app.clock.now()).await?,
                None => None,
            };
            stored.is_some_and(|stored| constant_time::verify_slices_are_equal(&hash(&given), &stored.secret).is_ok())
        }
        Proof::Assertion(token) => assertion::proves(app, &token, id, &party).await?,
    };
    match party.registration {
        Some(registration) if proved => Ok(Client { id, registration }),
        _ => Err(refused(INVALID)),
    }
}

/// Remembers that something was used in a scope, until it has expired; false if it was used before. One statement
/// decides, whatever number of requests bring the same thing at once.
///
/// # Errors
/// When the database fails.
pub async fn remember(db: &PgPool, scope: &str, name: &str, expires_at: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    let hash = digest::digest(&digest::SHA256, format!("{scope}|{name}").as_bytes());
    let kept = sqlx::query("INSERT INTO service.once (hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(hash.as_ref())
        .bind(expires_at)
        .execute(db)
        .await?;
    Ok(kept.rows_affected() == 1)
}

/// What the vault keeps of a client secret. It is 256 random bits: a slow hash would protect nothing more.
pub fn hash(secret: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref().to_vec())
}

/// Whom a request says it comes from, and the method by which it would prove so. Nothing is proved yet.
///
/// # Errors
/// It says nothing, or two things.
pub(super) fn claimed(
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<(RelyingPartyId, ClientAuthentication), ProtocolError> {
    read(headers, parameters).map(|presented| (presented.id, presented.proof.method()))
}

fn read(headers: &HeaderMap, parameters: &Parameters) -> Result<Presented, ProtocolError> {
    let one_way = refuse(ErrorCode::InvalidRequest, "authenticate in one way only");
    let (secret, assertion) = (parameters.get("client_secret"), parameters.get("client_assertion"));
    let mut authorization = headers.get_all(header::AUTHORIZATION).iter();
    let header = authorization.next();
    let ways = usize::from(header.is_some()) + usize::from(secret.is_some()) + usize::from(assertion.is_some());
    if ways > 1 || authorization.next().is_some() {
        return Err(one_way);
    }
    let named = parameters.get("client_id");
    let (id, proof) = if let Some(value) = header {
        let malformed = refuse(ErrorCode::InvalidClient, "the Authorization header must be HTTP Basic");
        let (id, secret) = value.to_str().ok().and_then(read_basic).ok_or(malformed)?;
        (id, Proof::Secret(secret, ClientAuthentication::ClientSecretBasic))
    } else if let Some(token) = assertion {
        if parameters.get("client_assertion_type") != Some(assertion::TYPE) {
            return Err(refuse(ErrorCode::InvalidRequest, "client_assertion_type must be …:jwt-bearer of RFC 7523"));
        }
        let claimed = assertion::claimed(token).ok_or(INVALID)?;
        (claimed.to_string(), Proof::Assertion(token.to_owned()))
    } else {
        let id = named.ok_or(refuse(ErrorCode::InvalidClient, "the client does not say who it is"))?.to_owned();
        let by_post =
            |secret: &str| Proof::Secret(Zeroizing::new(secret.to_owned()), ClientAuthentication::ClientSecretPost);
        (id, secret.map_or(Proof::Nothing, by_post))
    };
    if named.is_some_and(|named| named != id) {
        return Err(refuse(ErrorCode::InvalidRequest, "client_id differs from who authenticates"));
    }
    Ok(Presented { id: id.parse().map_err(|_| INVALID)?, proof })
}

/// Id and secret, each form-encoded before they were joined (RFC 6749 §2.3.1).
fn read_basic(value: &str) -> Option<(String, Zeroizing<String>)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((form_decode(id), Zeroizing::new(form_decode(secret))))
}

fn form_decode(text: &str) -> String {
    // As a name without value: `=` and `&` in it stand encoded, or the client broke the rule and fails.
    url::form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const ID: &str = "00000000-0000-0000-0000-00000000000a";
    /// `00000000-0000-0000-0000-00000000000a:s%2Bt`
    const BASIC: &str = "Basic MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDBhOnMlMkJ0";

    fn with(authorization: Option<&'static str>, body: &str) -> Result<Presented, ErrorCode> {
        let mut headers = HeaderMap::new();
        headers.extend(authorization.map(|value| (header::AUTHORIZATION, HeaderValue::from_static(value))));
        read(&headers, &Parameters::parse(body.as_bytes())).map_err(|error| error.code)
    }

    /// A JWT that says it comes from `sub`, and proves nothing.
    fn claiming(sub: &str) -> String {
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let claims = serde_json::json!({ "iss": sub, "sub": sub, "aud": "a", "exp": 1, "jti": "j" });
        format!("{}.{}.x", URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#), URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn each_method_is_recognised() {
        let basic = with(Some(BASIC), "").unwrap();
        assert_eq!(basic.id.to_string(), ID);
        assert!(
            matches!(&basic.proof, Proof::Secret(secret, ClientAuthentication::ClientSecretBasic) if **secret == "s+t")
        );
        let method = |body: &str| with(None, body).unwrap().proof.method();
        assert_eq!(method(&format!("client_id={ID}&client_secret=s")), ClientAuthentication::ClientSecretPost);
        assert_eq!(method(&format!("client_id={ID}")), ClientAuthentication::None);
        let assertion = format!("client_assertion={}&client_assertion_type={}", claiming(ID), assertion::TYPE);
        assert_eq!(method(&assertion), ClientAuthentication::PrivateKeyJwt);
        assert_eq!(with(None, &assertion).unwrap().id.to_string(), ID);
    }

    #[test]
    fn two_methods_or_none_are_refused() {
        use ErrorCode as E;
        let assertion = format!("client_assertion={}&client_assertion_type={}", claiming(ID), assertion::TYPE);
        let other = ID.replace('a', "b");
        assert_eq!(with(Some(BASIC), "client_secret=s").err(), Some(E::InvalidRequest));
        assert_eq!(with(Some(BASIC), &assertion).err(), Some(E::InvalidRequest));
        assert_eq!(with(None, &format!("{assertion}&client_secret=s")).err(), Some(E::InvalidRequest));
        assert_eq!(with(Some(BASIC), &format!("client_id={other}")).err(), Some(E::InvalidRequest));
        assert_eq!(with(None, &format!("{assertion}&client_id={other}")).err(), Some(E::InvalidRequest));
        assert_eq!(with(None, &format!("client_assertion={}", claiming(ID))).err(), Some(E::InvalidRequest));
        assert_eq!(with(None, "").err(), Some(E::InvalidClient));
        assert_eq!(with(None, "client_id=a&client_id=b").err(), Some(E::InvalidClient));
        for broken in ["Bearer x", "Basic", "Basic ????", "Basic YQ=="] {
            assert_eq!(with(Some(broken), "").err(), Some(E::InvalidClient), "{broken}");
        }
    }
}
