//! Why a person's data is erased.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// On which grounds; one word of a closed vocabulary, so that nothing personal is written into the very event that
/// ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grounds {
    /// The person asked for it (GDPR article 17).
    OwnRequest,
    /// The entitlement ended and the time to keep is over.
    EntitlementEnded,
    /// The record should never have been made.
    RecordedInError,
    /// A court or a supervisory authority ordered it.
    LegalOrder,
    /// It had been erased before, and came back with a restored backup.
    RestoredBackup,
}

impl Grounds {
    /// All.
    pub const ALL: [Self; 5] =
        [Self::OwnRequest, Self::EntitlementEnded, Self::RecordedInError, Self::LegalOrder, Self::RestoredBackup];

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OwnRequest => "own-request",
            Self::EntitlementEnded => "entitlement-ended",
            Self::RecordedInError => "recorded-in-error",
            Self::LegalOrder => "legal-order",
            Self::RestoredBackup => "restored-backup",
        }
    }
}

impl fmt::Display for Grounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no grounds for an erasure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of own-request, entitlement-ended, recorded-in-error, legal-order, restored-backup")]
pub struct UnknownGrounds(pub String);

impl FromStr for Grounds {
    type Err = UnknownGrounds;

    fn from_str(text: &str) -> Result<Self, UnknownGrounds> {
        Self::ALL.into_iter().find(|grounds| grounds.as_str() == text).ok_or_else(|| UnknownGrounds(text.to_owned()))
    }
}
