//! The rows of `view_services`.

use crate::row::row;
use domain::identifiers::{Academie, Degree};
use domain::relying_party::Registration;
use sqlx::types::Json;
use uuid::Uuid;

mod establishment {
    use super::row;
    row! {
        /// An establishment.
        EstablishmentRow in "establishment", key(uai: String) {
            /// National identifier.
            uai: String => "text",
            /// Name, where known.
            name: Option<String> => "text",
            /// Code of its académie, where known.
            academie: Option<i16> => "int2",
            /// `first`, `second`.
            degree: String => "text",
        }
    }
}

mod relying_party {
    use super::{Json, Registration, Uuid, row};
    row! {
        /// A relying party.
        RelyingPartyRow in "relying_party", key(id: Uuid) {
            /// Its `client_id`.
            id: Uuid => "uuid",
            /// Its registration.
            registration: Json<Registration> => "jsonb",
            /// Vault row of its client secret's hash.
            secret: Option<Uuid> => "uuid",
            /// Whether it is served.
            enabled: bool => "bool",
            /// Whether its registration has ended for good.
            deregistered: bool => "bool",
        }
    }
}

pub use establishment::EstablishmentRow;
pub use relying_party::RelyingPartyRow;

impl EstablishmentRow {
    pub(crate) fn new(uai: String, name: &Option<String>, academie: Option<Academie>, degree: Degree) -> Self {
        Self {
            uai,
            name: name.clone(),
            academie: academie.map(|academie| i16::from(academie.code())),
            degree: match degree {
                Degree::First => "first".to_owned(),
                Degree::Second => "second".to_owned(),
            },
        }
    }
}
