//! The public keys of clients: those registered, and those fetched from where the registration says.

use crate::outbound::Outbound;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::RelyingPartyId;
use domain::relying_party::{ClientKey, ClientKeys};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How long fetched keys are believed.
const KEEP: TimeDelta = TimeDelta::minutes(10);
/// An unknown key id, or an address that did not answer, leads to another attempt after this at the earliest.
const RETRY: TimeDelta = TimeDelta::seconds(30);
/// Keys taken from one address at most.
const MAX_KEYS: usize = 32;

/// What was fetched for one client.
#[derive(Clone)]
struct Fetched {
    uri: String,
    tried_at: DateTime<Utc>,
    fetched_at: Option<DateTime<Utc>>,
    keys: Vec<ClientKey>,
}

/// Fetched keys, kept a while.
pub struct ClientKeyCache {
    outbound: Outbound,
    fetched: Mutex<HashMap<RelyingPartyId, Fetched>>,
}

impl ClientKeyCache {
    /// Nothing is fetched yet.
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, fetched: Mutex::new(HashMap::new()) }
    }

    /// The client's keys that may have signed a token naming `kid`. An address that does not answer leaves what was
    /// fetched from it last, for as long as the process lives: a client's web server that is down locks nobody out.
    pub async fn candidates(
        &self,
        client: RelyingPartyId,
        keys: Option<&ClientKeys>,
        kid: Option<&str>,
        now: DateTime<Utc>,
    ) -> Vec<ClientKey> {
        let all = match keys {
            None => Vec::new(),
            Some(ClientKeys::Set(keys)) => keys.clone(),
            Some(ClientKeys::At(uri)) => self.at(client, uri, kid, now).await,
        };
        all.into_iter().filter(|key| kid.is_none() || key.kid.is_none() || key.kid.as_deref() == kid).collect()
    }

    async fn at(&self, client: RelyingPartyId, uri: &str, kid: Option<&str>, now: DateTime<Utc>) -> Vec<ClientKey> {
        let kept = {
            let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = fetched.get(&client).filter(|kept| kept.uri == uri).cloned();
            if let Some(kept) = &kept {
                let fresh = kept.fetched_at.is_some_and(|at| now - at < KEEP);
                let known = kid.is_none_or(|kid| kept.keys.iter().any(|key| key.kid.as_deref() == Some(kid)));
                if (fresh && known) || now - kept.tried_at < RETRY {
                    return kept.keys.clone();
                }
            }
            // Marked before the attempt: of many requests at once one fetches.
            let mut trying =
                kept.unwrap_or(Fetched { uri: uri.to_owned(), tried_at: now, fetched_at: None, keys: Vec::new() });
            trying.tried_at = now;
            let first = trying.fetched_at.is_none();
            if !first {
                fetched.insert(client, trying.clone());
            }
            trying
        };
        let fetched = match self.outbound.get(uri).await {
            Ok(body) => Fetched { fetched_at: Some(now), keys: read(&body), ..kept },
            Err(error) => {
                tracing::warn!(%client, %error, "the client's keys can't be fetched");
                kept
            }
        };
        let keys = fetched.keys.clone();
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner).insert(client, fetched);
        keys
    }
}

/// The usable signing keys of a JWK set (RFC 7517 §5): what is not understood is left out.
pub fn read(set: &[u8]) -> Vec<ClientKey> {
    let set: Value = serde_json::from_slice(set).unwrap_or_default();
    let keys = set.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let signs = |key: &&Value| key.get("use").is_none_or(|usage| usage == "sig");
    let read = keys.iter().filter(signs).filter_map(|key| serde_json::from_value::<ClientKey>(key.clone()).ok());
    read.filter(ClientKey::is_usable).take(MAX_KEYS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_signing_keys_are_taken_from_a_set() {
        let set = r#"{"keys": [
            {"kty": "EC", "crv": "P-256", "kid": "a", "x": "x", "y": "y", "use": "sig", "alg": "ES256"},
            {"kty": "EC", "crv": "P-256", "kid": "b", "x": "x", "y": "y", "use": "enc"},
            {"kty": "EC", "crv": "P-384", "kid": "c", "x": "x", "y": "y"},
            {"kty": "oct", "kid": "d", "k": "c2VjcmV0"},
            {"kty": "OKP", "crv": "Ed25519", "kid": "e", "x": "x", "d": "private"},
            "nonsense"
        ]}"#;
        let keys = read(set.as_bytes());
        assert_eq!(keys.iter().map(|key| key.kid.as_deref().unwrap()).collect::<Vec<_>>(), ["a", "e"]);
        assert!(!serde_json::to_string(&keys).unwrap().contains("private"), "a private member is nowhere kept");
        assert!(read(b"[]").is_empty() && read(b"not JSON").is_empty());
    }
}
