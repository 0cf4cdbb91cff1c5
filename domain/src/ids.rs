//! Opaque identifiers. None carries personal data: they may appear in logs, URLs and plain columns.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(s).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    };
}

opaque_id!(
    /// Whose key seals a piece of personal data: a pupil, a guardian record or an account.
    SubjectId
);
opaque_id!(
    /// One pupil, for the whole of school life, whatever establishments they pass through.
    PupilId
);
opaque_id!(
    /// One guardian *record*: what one source (an académie's SIECLE base, an ONDE file) says of a person.
    GuardianId
);
opaque_id!(
    /// One account of one person: a pupil, or a guardian who may stand behind several records.
    AccountId
);
opaque_id!(
    /// One relying party; also its OAuth `client_id`.
    RelyingPartyId
);
opaque_id!(
    /// One initial access token, by which services register themselves.
    InitialAccessId
);
opaque_id!(
    /// One auditor.
    AuditorId
);
opaque_id!(
    /// One request to see what is masked to auditors.
    DisclosureId
);
opaque_id!(
    /// One run of an import, from its first chunk to its report.
    ImportId
);
opaque_id!(
    /// One activation or recovery in progress in one browser.
    FlowId
);
opaque_id!(
    /// One upstream identity that opens an account, from its linking to its end.
    LinkId
);
opaque_id!(
    /// A row of the vault: the only thing that an event says of a secret.
    SecretId
);
opaque_id!(
    /// One second factor of an account.
    FactorId
);
opaque_id!(
    /// One command: what it changed, over however many streams, carries this id.
    CommandId
);

macro_rules! is_subject {
    ($($name:ident),*) => {$(
        impl From<$name> for SubjectId {
            fn from(id: $name) -> Self {
                Self(id.0)
            }
        }
    )*};
}
is_subject!(PupilId, GuardianId, AccountId);
