//! Passwords: how they are read, judged, hashed and handed out.
//!
//! One [`policy`] holds wherever a password is set. A password travels as [`Password`], which is normalised
//! once, never prints and is wiped when dropped.

mod policy;
mod pool;
mod provisional;

pub use policy::{Policy, Weakness};
pub use pool::{HashError, Pool};
pub use provisional::ProvisionalPassword;

use crate::config::Passwords;
use std::fmt;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// Longest password read, in characters; more is refused before any work is spent on it.
pub const MAX_LENGTH: usize = 256;

/// How passwords are judged and hashed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Fewest characters accepted. CNIL 2022-100 and NIST SP 800-63B-4 let length stand in for composition.
    pub min_length: usize,
    /// Lowest zxcvbn score, 0 to 4.
    pub min_score: u8,
    /// Argon2id memory, in KiB.
    pub memory_kib: u32,
    /// Argon2id passes.
    pub passes: u32,
    /// Argon2id lanes.
    pub lanes: u32,
    /// Hashing threads; 0 means as many as cores. Each holds its memory for good.
    pub threads: usize,
    /// How many hashes may wait before people are told to come back in a moment.
    pub queue: usize,
}

impl Default for Settings {
    /// OWASP's and RFC 9106's second choice: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { min_length: 12, min_score: 3, memory_kib: 19 * 1024, passes: 2, lanes: 1, threads: 0, queue: 256 }
    }
}

impl Settings {
    /// As configured.
    pub fn of(config: &Passwords) -> Self {
        Self {
            min_length: config.min_length as usize,
            min_score: config.min_score,
            threads: config.hashing_threads.unwrap_or(0) as usize,
            ..Self::default()
        }
    }
}

/// A password as typed, in Unicode's NFKC form: what two keyboards write differently stays one password.
///
/// Nothing else is changed: leading and trailing spaces count.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Reads what was typed; `None` beyond [`MAX_LENGTH`] characters.
    pub fn read(typed: &str) -> Option<Self> {
        // Bounded before normalising: a few characters of NFKC unfold into many.
        if typed.chars().take(MAX_LENGTH + 1).count() > MAX_LENGTH {
            return None;
        }
        // No reallocation may leave a copy behind: NFKC unfolds one character into at most 18.
        let mut normalised = Zeroizing::new(String::with_capacity(typed.len() * 18));
        normalised.extend(typed.nfkc());
        Some(Self(normalised))
    }

    /// What is hashed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Length in characters.
    pub fn length(&self) -> usize {
        self.0.chars().count()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_password_on_two_keyboards() {
        let composed = Password::read("é ﬁn").unwrap();
        let decomposed = Password::read("e\u{301} fin").unwrap();
        assert_eq!(composed.as_str(), decomposed.as_str());
        assert_eq!(Password::read(" a ").unwrap().as_str(), " a ");
    }

    #[test]
    fn point_32_long_passwords_are_read_and_bounded() {
        assert!(Password::read(&"é".repeat(MAX_LENGTH)).is_some());
        assert!(Password::read(&"é".repeat(MAX_LENGTH + 1)).is_none());
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Password::read("lapin malin").unwrap()), "Password(…)");
    }
}
