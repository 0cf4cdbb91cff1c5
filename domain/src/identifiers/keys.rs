//! Keys under which a source system knows a person, so that its next export meets the same one.

use std::fmt;
use std::str::FromStr;

use super::{Academie, Ine, serde_as_text};

/// The text is not a key: 1 to 80 characters among `a-z`, `A-Z`, `0-9`, `:` and `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a source key is 1 to 80 letters, digits, colons and hyphens")]
pub struct KeyShapeError;

fn check(text: &str) -> Result<Box<str>, KeyShapeError> {
    let shaped = (1..=80).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-'));
    shaped.then(|| text.into()).ok_or(KeyShapeError)
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The key as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = KeyShapeError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                check(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        serde_as_text!($name);
    };
}

key! {
    /// A pupil as one source knows them: `ine:<INE>`, `siecle:<UAI>:<ELEVE_ID>` or
    /// `onde:<UAI>:<digest>`.
    ///
    /// Nothing guarantees that ELEVE_ID outlives an export: a pupil is matched on the INE wherever
    /// there is one, and this key only tells records of one export apart. It may hold an INE, so
    /// `Debug` prints its origin only.
    PupilKey
}

key! {
    /// A guardian as one source knows them: `siecle:<académie>:<PERSONNE_ID>` or `onde:<digest>`.
    GuardianKey
}

impl PupilKey {
    /// The key of a pupil by national number.
    #[must_use]
    pub fn from_ine(ine: &Ine) -> Self {
        Self(format!("ine:{ine}").into())
    }
}

impl GuardianKey {
    /// The key of a guardian in SIECLE, where PERSONNE_ID is unique within an académie.
    #[must_use]
    pub fn siecle(academie: Academie, person_id: u64) -> Self {
        Self(format!("siecle:{academie}:{person_id}").into())
    }
}

impl fmt::Debug for PupilKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.0.split(':').next().unwrap_or_default();
        write!(f, "PupilKey({origin}, redacted)")
    }
}

impl fmt::Debug for GuardianKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GuardianKey({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_their_source() {
        let ine: Ine = "123456789AK".parse().unwrap();
        assert_eq!(PupilKey::from_ine(&ine).as_str(), "ine:123456789AK");
        let key = GuardianKey::siecle(Academie::from_code(9).unwrap(), 1234);
        assert_eq!(key.as_str(), "siecle:09:1234");
        assert_eq!(key.as_str().parse::<GuardianKey>().unwrap(), key);
    }

    #[test]
    fn a_key_holds_no_spaces_and_a_pupil_key_prints_no_number() {
        assert!("siecle 1".parse::<PupilKey>().is_err());
        assert!("".parse::<GuardianKey>().is_err());
        let key: PupilKey = "ine:123456789AK".parse().unwrap();
        assert!(!format!("{key:?}").contains("123456789AK"));
    }
}
