//! UAI: the number of an establishment in the national directory.

use std::fmt;
use std::str::FromStr;

use super::serde_as_text;

/// Check letters in the order of `number mod 23` (no I, O, Q).
const KEYS: &[u8; 23] = b"ABCDEFGHJKLMNPRSTUVWXYZ";

/// The UAI (formerly RNE) of an establishment: seven digits and a letter.
///
/// The letter is a check key, `KEYS[number mod 23]`. Pseudo-structures in real files fail it, so
/// only a bad *shape* is an error; ask [`Uai::has_valid_key`] and warn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uai([u8; 8]);

/// The text is not seven digits followed by a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a UAI is seven digits followed by a letter, such as 0750001A")]
pub struct UaiShapeError;

impl Uai {
    /// The UAI with this number and the check letter that goes with it.
    ///
    /// # Errors
    /// [`UaiShapeError`] when the number has more than seven digits.
    pub fn from_number(number: u32) -> Result<Self, UaiShapeError> {
        if number > 9_999_999 {
            return Err(UaiShapeError);
        }
        let key = char::from(KEYS[(number % 23) as usize]);
        format!("{number:07}{key}").parse()
    }

    /// The eight characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a UAI holds ASCII digits and one ASCII letter only")
    }

    /// Whether the letter is the check key of the digits.
    #[must_use]
    pub fn has_valid_key(&self) -> bool {
        let number = self.0[..7].iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        self.0[7] == KEYS[(number % 23) as usize]
    }

    /// The three leading digits, which name the department (`075` Paris, `620` Corse-du-Sud).
    #[must_use]
    pub fn department_prefix(&self) -> &str {
        &self.as_str()[..3]
    }
}

impl FromStr for Uai {
    type Err = UaiShapeError;

    /// Accepts surrounding spaces and a lower-case letter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes: [u8; 8] = text.trim().as_bytes().try_into().map_err(|_| UaiShapeError)?;
        bytes[7] = bytes[7].to_ascii_uppercase();
        if bytes[..7].iter().all(u8::is_ascii_digit) && bytes[7].is_ascii_uppercase() {
            Ok(Self(bytes))
        } else {
            Err(UaiShapeError)
        }
    }
}

impl fmt::Display for Uai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Uai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uai({})", self.as_str())
    }
}

serde_as_text!(Uai);

/// Which part of schooling an establishment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Degree {
    /// Écoles maternelles and élémentaires (exports by ONDE).
    First,
    /// Collèges and lycées (exports by SIECLE).
    Second,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_number_modulo_23() {
        let uai: Uai = "0750001A".parse().unwrap();
        // 750001 = 23 × 32608 + 17, and the 18th letter is U.
        assert!(!uai.has_valid_key());
        assert_eq!(Uai::from_number(750_001).unwrap().as_str(), "0750001U");
        assert!(Uai::from_number(750_001).unwrap().has_valid_key());
    }

    #[test]
    fn the_key_of_a_public_establishment_is_valid() {
        // Lycée Henri-IV, Paris.
        assert!("0750654D".parse::<Uai>().unwrap().has_valid_key());
    }

    #[test]
    fn a_bad_shape_is_refused_and_a_small_slip_of_typing_is_not() {
        for bad in ["", "075000A", "07500011", "0750001AB", "O750001A", "0750001é"] {
            assert_eq!(bad.parse::<Uai>(), Err(UaiShapeError), "{bad}");
        }
        assert_eq!(" 0750001u ".parse::<Uai>().unwrap().as_str(), "0750001U");
        assert!(Uai::from_number(10_000_000).is_err());
    }

    #[test]
    fn it_travels_as_its_text() {
        let uai: Uai = "0750001U".parse().unwrap();
        assert_eq!(serde_json::to_string(&uai).unwrap(), "\"0750001U\"");
        assert_eq!(serde_json::from_str::<Uai>("\"0750001U\"").unwrap(), uai);
        assert!(serde_json::from_str::<Uai>("\"x\"").is_err());
    }
}
