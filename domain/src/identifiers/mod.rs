//! The identifiers school files carry, each a type that cannot hold a badly shaped value.
//!
//! Everything here is pure: values are parsed, compared and printed, never looked up. Types that
//! identify a person ([`Ine`], [`E164`]) print nothing through `Debug`, so that they cannot reach
//! a log by accident.

mod academie;
mod ine;
mod keys;
mod names;
mod phone;
mod relationship;
mod uai;

pub use academie::{Academie, DepartmentTable, UnknownAcademie};
pub use ine::{Ine, IneKind, IneShapeError};
pub use keys::{GuardianKey, KeyShapeError, PupilKey};
pub use names::{fold_name, match_key, match_value};
pub use phone::{E164, E164ShapeError};
pub use relationship::{GuardianLevel, Relationship, Sex, UnknownLevel};
pub use uai::{Degree, Uai, UaiShapeError};

/// Serialises a type as the text its `Display` prints and reads it back with its `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;
