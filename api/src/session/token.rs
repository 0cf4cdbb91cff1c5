//! Random tokens in cookies, and the form tokens derived from them.

use aws_lc_rs::{constant_time, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ledger::Ledger;
use std::fmt;
use zeroize::Zeroizing;

/// 256 random bits, as base64url: what a cookie holds. The database has only its keyed hash.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

const BYTES: usize = 32;
/// 32 bytes in base64url without padding.
const LENGTH: usize = 43;

/// The operating system gives no randomness.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the operating system gives no randomness")]
pub struct NoRandomness;

impl Token {
    /// Draws a new one.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn draw() -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        rand::fill(bytes.as_mut_slice()).map_err(|_| NoRandomness)?;
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    /// Reads what a browser sent; `None` when it is not of our making.
    pub fn read(text: &str) -> Option<Self> {
        let shaped =
            text.len() == LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        shaped.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The cookie's value.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the database knows of it. `kind` keeps a session's token from passing as a flow's.
    pub fn hash(&self, ledger: &Ledger, kind: &str) -> [u8; 32] {
        ledger.lookup_hash(kind, &self.0)
    }

    /// The token of one form, bound to this browser, session or flow. Nobody without the cookie can make it.
    pub fn for_form(&self, ledger: &Ledger, form: &str) -> String {
        URL_SAFE_NO_PAD.encode(ledger.lookup_hash("form", &format!("{form}|{}", *self.0)))
    }

    /// Whether a form came back with its token.
    pub fn made(&self, ledger: &Ledger, form: &str, given: &str) -> bool {
        let expected = self.for_form(ledger, form);
        constant_time::verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_of_our_making_are_read() {
        let token = Token::draw().unwrap();
        assert_eq!(Token::read(token.expose()).unwrap().expose(), token.expose());
        for bad in ["", "abc", &"é".repeat(22), &format!("{}=", &token.expose()[..42]), &"a".repeat(44)] {
            assert!(Token::read(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
