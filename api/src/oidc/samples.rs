//! A relying party for the unit tests of this folder.

use domain::ids::RelyingPartyId;
use domain::relying_party::{ClientAuthentication, Establishments, Registration, RelyingParty, Terms};
use uuid::Uuid;

pub const CALLBACK: &str = "https://notes.example.org/cb";

pub fn registration() -> Registration {
    Registration {
        name: "Notes".to_owned(),
        redirect_uris: vec![CALLBACK.to_owned()],
        post_logout_redirect_uris: vec!["https://notes.example.org/bye".to_owned()],
        scopes: ["openid", "profile", "children"].into_iter().map(str::to_owned).collect(),
        sector_identifier: "notes.example.org".to_owned(),
        authentication: ClientAuthentication::ClientSecretBasic,
        establishments: Establishments::All,
        terms: Terms::default(),
    }
}

pub fn party() -> RelyingParty {
    RelyingParty {
        id: Some(RelyingPartyId(Uuid::from_u128(7))),
        registration: Some(registration()),
        secret: None,
        enabled: true,
        ..RelyingParty::default()
    }
}
