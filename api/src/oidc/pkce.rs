//! Proof Key for Code Exchange (RFC 7636), `S256` only.

use aws_lc_rs::{constant_time, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// What the client must know the origin of when it redeems the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Challenge(String);

/// The text is not the base64url form of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a code challenge is 43 characters of base64url: the SHA-256 of the verifier")]
pub struct NotAChallenge;

impl TryFrom<String> for Challenge {
    type Error = NotAChallenge;

    fn try_from(text: String) -> Result<Self, NotAChallenge> {
        let decoded = URL_SAFE_NO_PAD.decode(&text).map_err(|_| NotAChallenge)?;
        if decoded.len() == digest::SHA256_OUTPUT_LEN { Ok(Self(text)) } else { Err(NotAChallenge) }
    }
}

impl From<Challenge> for String {
    fn from(challenge: Challenge) -> Self {
        challenge.0
    }
}

impl Challenge {
    /// The text as the client sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the challenge was made from this verifier: 43 to 128 unreserved characters (RFC 7636 §4.1).
    pub fn made_from(&self, verifier: &str) -> bool {
        let unreserved = |c: u8| c.is_ascii_alphanumeric() || b"-._~".contains(&c);
        if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
            return false;
        }
        let computed = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        constant_time::verify_slices_are_equal(computed.as_bytes(), self.0.as_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_holds() {
        let challenge = Challenge::try_from("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()).unwrap();
        assert!(challenge.made_from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.made_from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"));
        assert!(!challenge.made_from("short"));
        assert!(!challenge.made_from(challenge.as_str()), "a challenge is not its own verifier (plain)");
    }

    #[test]
    fn only_a_sha_256_in_base64url_is_a_challenge() {
        for bad in
            ["", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM", "abc"]
        {
            assert_eq!(Challenge::try_from(bad.to_owned()), Err(NotAChallenge), "{bad}");
        }
    }
}
