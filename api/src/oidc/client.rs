//! How a client proves to be itself at the token endpoint (RFC 6749 §2.3).

use super::error::{ErrorCode, ProtocolError, refuse};
use super::parameters::Parameters;
use aws_lc_rs::{constant_time, digest};
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use domain::ids::RelyingPartyId;
use domain::relying_party::{ClientAuthentication, Registration, RelyingParty};
use ledger::{Ledger, ReadError};
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
}

/// What a request presents.
struct Presented {
    id: String,
    secret: Option<Zeroizing<String>>,
    method: ClientAuthentication,
}

/// Authenticates the client of a request by the method it is registered for, and no other.
///
/// # Errors
/// [`Unauthenticated`].
pub async fn authenticate(
    ledger: &Ledger,
    headers: &HeaderMap,
    parameters: &Parameters,
    now: DateTime<Utc>,
) -> Result<Client, Unauthenticated> {
    let by_header = headers.contains_key(header::AUTHORIZATION);
    let refused = |error| Unauthenticated::Refused { error, by_header };
    let presented = read(headers, parameters).map_err(refused)?;
    // One answer for all: whether the client, its secret or its method is wrong is nobody's business.
    let invalid = || refused(refuse(ErrorCode::InvalidClient, "client authentication failed"));
    let id: RelyingPartyId = presented.id.parse().map_err(|_| invalid())?;
    let party = ledger.load::<RelyingParty>(&id.to_string()).await?.aggregate;
    let registration = party.registration.filter(|_| party.enabled && party.id == Some(id)).ok_or_else(invalid)?;
    if registration.authentication != presented.method {
        return Err(invalid());
    }
    if let Some(given) = presented.secret {
        let stored = match party.secret {
            Some(row) => ledger.vault_get(row, now).await?,
            None => None,
        };
        let stored = stored.ok_or_else(invalid)?;
        constant_time::verify_slices_are_equal(&hash(&given), &stored.secret).map_err(|_| invalid())?;
    }
    Ok(Client { id, registration })
}

/// What the vault keeps of a client secret. It is 256 random bits: a slow hash would protect nothing more.
pub fn hash(secret: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref().to_vec())
}

fn read(headers: &HeaderMap, parameters: &Parameters) -> Result<Presented, ProtocolError> {
    let refused = |description| Err(refuse(ErrorCode::InvalidRequest, description));
    let in_body = parameters.get("client_secret");
    let mut authorization = headers.get_all(header::AUTHORIZATION).iter();
    if let Some(value) = authorization.next() {
        if in_body.is_some() || parameters.get("client_assertion").is_some() || authorization.next().is_some() {
            return refused("authenticate in one way only");
        }
        let malformed = refuse(ErrorCode::InvalidClient, "the Authorization header must be HTTP Basic");
        let (id, secret) = value.to_str().ok().and_then(read_basic).ok_or(malformed)?;
        if parameters.get("client_id").is_some_and(|in_body| in_body != id) {
            return refused("client_id differs from the Authorization header");
        }
        return Ok(Presented { id, secret: Some(secret), method: ClientAuthentication::ClientSecretBasic });
    }
    let Some(id) = parameters.get("client_id") else {
        return Err(refuse(ErrorCode::InvalidClient, "the client does not say who it is"));
    };
    let (secret, method) = match in_body {
        Some(secret) => (Some(Zeroizing::new(secret.to_owned())), ClientAuthentication::ClientSecretPost),
        None => (None, ClientAuthentication::None),
    };
    Ok(Presented { id: id.to_owned(), secret, method })
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

    fn with(authorization: Option<&'static str>, body: &str) -> Result<Presented, ErrorCode> {
        let mut headers = HeaderMap::new();
        headers.extend(authorization.map(|value| (header::AUTHORIZATION, HeaderValue::from_static(value))));
        read(&headers, &Parameters::parse(body.as_bytes())).map_err(|error| error.code)
    }

    #[test]
    fn each_method_is_recognised() {
        // `a-b:s%2Bt`
        let basic = with(Some("Basic YS1iOnMlMkJ0"), "").unwrap();
        assert_eq!((basic.id.as_str(), basic.secret.unwrap().as_str()), ("a-b", "s+t"));
        assert_eq!(basic.method, ClientAuthentication::ClientSecretBasic);
        assert_eq!(with(None, "client_id=a&client_secret=s").unwrap().method, ClientAuthentication::ClientSecretPost);
        assert_eq!(with(None, "client_id=a").unwrap().method, ClientAuthentication::None);
    }

    #[test]
    fn two_methods_or_none_are_refused() {
        assert_eq!(with(Some("Basic YS1iOnMlMkJ0"), "client_secret=s").err(), Some(ErrorCode::InvalidRequest));
        assert_eq!(with(Some("Basic YS1iOnMlMkJ0"), "client_id=other").err(), Some(ErrorCode::InvalidRequest));
        assert_eq!(with(None, "").err(), Some(ErrorCode::InvalidClient));
        assert_eq!(with(None, "client_id=a&client_id=b").err(), Some(ErrorCode::InvalidClient));
        for broken in ["Bearer x", "Basic", "Basic ????", "Basic YQ=="] {
            assert_eq!(with(Some(broken), "").err(), Some(ErrorCode::InvalidClient), "{broken}");
        }
    }
}
