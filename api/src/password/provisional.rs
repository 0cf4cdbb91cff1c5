//! Provisional passwords: random, made to be read aloud, shown once.

use super::Password;
use aws_lc_rs::rand;
use std::fmt;
use zeroize::Zeroizing;

/// The symbols of incident references: none sounds like another in French or English, none looks like another.
const ALPHABET: &[u8; 23] = b"023456789AFHJKLNQRUWXYZ";
/// 15 symbols of 23 are 67.8 bits.
const LENGTH: usize = 15;
const GROUP: usize = 5;

/// A provisional password. Prints only through [`ProvisionalPassword::show`].
pub struct ProvisionalPassword(Zeroizing<String>);

impl ProvisionalPassword {
    /// Draws one; `None` when the operating system gives no randomness.
    pub fn draw() -> Option<Self> {
        let mut symbols = Zeroizing::new(String::with_capacity(LENGTH));
        let mut bytes = Zeroizing::new([0; 64]);
        while symbols.len() < LENGTH {
            rand::fill(bytes.as_mut_slice()).ok()?;
            // 253 = 11 × 23: beyond it, a remainder would favour the first symbols.
            let fair = bytes.iter().filter(|byte| **byte < 253).map(|byte| usize::from(*byte) % ALPHABET.len());
            let room = LENGTH - symbols.len();
            symbols.extend(fair.take(room).map(|index| char::from(ALPHABET[index])));
        }
        Some(Self(symbols))
    }

    /// In groups, as it is printed: `K7R2W-A0QX4-…`.
    pub fn show(&self) -> Zeroizing<String> {
        let mut shown = Zeroizing::new(String::with_capacity(LENGTH + LENGTH / GROUP));
        for (index, symbol) in self.0.chars().enumerate() {
            if index > 0 && index % GROUP == 0 {
                shown.push('-');
            }
            shown.push(symbol);
        }
        shown
    }

    /// What is hashed.
    pub fn password(&self) -> Password {
        Password(self.0.clone())
    }
}

impl fmt::Debug for ProvisionalPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProvisionalPassword(…)")
    }
}

impl Password {
    /// What was typed, read as a provisional password: case, spaces and hyphens don't matter, O is zero.
    #[must_use]
    pub fn as_provisional(&self) -> Self {
        let mut canonical = Zeroizing::new(String::with_capacity(self.0.len()));
        for symbol in self.0.chars().filter(|symbol| !symbol.is_whitespace() && !matches!(symbol, '-' | '‐' | '–'))
        {
            canonical.push(if matches!(symbol, 'o' | 'O') { '0' } else { symbol.to_ascii_uppercase() });
        }
        Self(canonical)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn point_33_provisional_passwords_have_60_bits_and_never_repeat() {
        assert!(LENGTH as f64 * (ALPHABET.len() as f64).log2() >= 60.0);
        let drawn: HashSet<String> =
            (0..1000).map(|_| ProvisionalPassword::draw().unwrap().show().to_string()).collect();
        assert_eq!(drawn.len(), 1000);
        let used: HashSet<char> = drawn.iter().flat_map(|shown| shown.chars()).collect();
        assert_eq!(used.len(), ALPHABET.len() + 1, "every symbol, and the hyphen");
    }

    #[test]
    fn it_may_be_typed_as_it_was_heard() {
        let drawn = ProvisionalPassword::draw().unwrap();
        let heard = drawn.show().to_lowercase().replace('-', " ").replace('0', "o");
        assert_eq!(Password::read(&heard).unwrap().as_provisional().as_str(), drawn.password().as_str());
        assert_eq!(format!("{drawn:?}"), "ProvisionalPassword(…)");
    }
}
