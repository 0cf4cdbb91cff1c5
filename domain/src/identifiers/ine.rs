//! INE: the national number of a pupil, in the forms met in files.

use std::fmt;
use std::str::FromStr;

use super::serde_as_text;

/// A pupil's national number: eleven characters, of one of the known [kinds](IneKind).
///
/// Only the shape is checked; the old keys are known to be wrong in real files, so a number is
/// never refused on its key. `Debug` prints the kind, not the number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ine([u8; 11]);

/// The forms of [`Ine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IneKind {
    /// Current national directory (RNIE): `^[0-9]{9}[A-HJK]{2}$`.
    Rnie,
    /// Old second-degree number (BEA): `^\d{10}[A-HJ-NPR-Z]$`.
    Bea,
    /// Base 36 with a digit at the end: `^[0-9A-Z]{10}\d$`.
    Base36,
    /// `^\d{4}A\d{5}[A-HJ-NPR-Z]$`.
    LetterA,
    /// Provisional: `^\d{4}D\d{5}[A-HJ-NPR-Z]$`.
    Provisional,
}

/// The text has the shape of no known kind of INE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an INE is eleven characters in one of the known forms, such as 123456789AB")]
pub struct IneShapeError;

impl Ine {
    /// The eleven characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an INE holds ASCII digits and letters only")
    }

    /// Which form this number has.
    #[must_use]
    pub fn kind(&self) -> IneKind {
        kind_of(&self.0).expect("an INE is only built in a known form")
    }

    /// The number read in base 36: an exact, order-preserving key of eight bytes.
    #[must_use]
    pub fn packed(&self) -> u64 {
        self.0.iter().fold(0, |sum, byte| {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                letter => letter - b'A' + 10,
            };
            sum * 36 + u64::from(digit)
        })
    }
}

fn is_check_letter(byte: u8) -> bool {
    byte.is_ascii_uppercase() && !matches!(byte, b'I' | b'O' | b'Q')
}

fn kind_of(bytes: &[u8; 11]) -> Option<IneKind> {
    let digits = |range: std::ops::Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
    let rnie_letter = |byte: u8| matches!(byte, b'A'..=b'H' | b'J' | b'K');
    let last = bytes[10];
    if digits(0..9) && rnie_letter(bytes[9]) && rnie_letter(last) {
        Some(IneKind::Rnie)
    } else if digits(0..10) && is_check_letter(last) {
        Some(IneKind::Bea)
    } else if digits(0..4) && digits(5..10) && is_check_letter(last) {
        match bytes[4] {
            b'A' => Some(IneKind::LetterA),
            b'D' => Some(IneKind::Provisional),
            _ => None,
        }
    } else if last.is_ascii_digit() && bytes.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()) {
        Some(IneKind::Base36)
    } else {
        None
    }
}

impl FromStr for Ine {
    type Err = IneShapeError;

    /// Accepts surrounding spaces and lower-case letters.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes: [u8; 11] = text.trim().as_bytes().try_into().map_err(|_| IneShapeError)?;
        bytes.make_ascii_uppercase();
        kind_of(&bytes).map(|_| Self(bytes)).ok_or(IneShapeError)
    }
}

impl fmt::Display for Ine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Ine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ine({:?}, redacted)", self.kind())
    }
}

serde_as_text!(Ine);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_form_is_recognised() {
        for (text, kind) in [
            ("123456789AK", IneKind::Rnie),
            ("1234567890Z", IneKind::Bea),
            ("0A1B2C3D4E5", IneKind::Base36),
            ("12345678901", IneKind::Base36),
            ("1234A56789B", IneKind::LetterA),
            ("1234D56789B", IneKind::Provisional),
        ] {
            assert_eq!(text.parse::<Ine>().unwrap().kind(), kind, "{text}");
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        for bad in ["", "123456789A", "123456789LM", "1234567890I", "1234B56789C", "12345678 01"] {
            assert_eq!(bad.parse::<Ine>(), Err(IneShapeError), "{bad}");
        }
    }

    #[test]
    fn packing_is_exact_and_keeps_the_order() {
        let low: Ine = "12345678901".parse().unwrap();
        let high: Ine = "1234567890Z".parse().unwrap();
        assert!(low.packed() < high.packed());
        let top: Ine = "ZZZZZZZZZZ9".parse().unwrap();
        assert_eq!(top.packed(), 36_u64.pow(11) - 26 - 1);
    }

    #[test]
    fn debug_hides_the_number() {
        let ine: Ine = "123456789AK".parse().unwrap();
        assert!(!format!("{ine:?}").contains("123456789"));
    }
}
