//! The scopes a relying party may be registered for, and what each releases.
//!
//! | Scope | Releases |
//! |---|---|
//! | `openid` | `sub`: pairwise, the same for all relying parties of one sector |
//! | `profile` | `given_name`, `family_name`, `name`, and their field names `givenName`, `sn` |
//! | `affiliation` | `FrEduCtPersonAffiliation`: of `eleve1d`, `eleve2d`, `resp1d`, `resp2d`, those that hold |
//! | `establishment` | for a pupil: `FrEduCtEleveUAI`, and `establishments` with UAI, name, class, level or MEF |
//! | `children` | for a guardian: `children`, each with pairwise `sub`, names, relationship and establishments |
//! | `offline_access` | nothing: refresh tokens that outlive the session |
//! | `birthdate` | `birthdate` and `FrEduCtDateNaissance` of a pupil; of each child where `children` is released |
//!
//! Everything is limited to the establishments that the relying party serves by its registration, and is said by
//! userinfo. The ID token, which travels in URLs as `id_token_hint`, has of it only what names nobody:
//! `FrEduCtPersonAffiliation`, `FrEduCtEleveUAI`, and `children_establishments` (the UAIs, no child).
//!
//! `FrEduCtEleveNiveau` (MEFSTAT4) is not released: it follows from the MEF only by a national table that no
//! school's export carries.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// OpenID Connect itself.
pub const OPENID: &str = "openid";
/// Names of the holder.
pub const PROFILE: &str = "profile";
/// Pupil or guardian, first or second degree.
pub const AFFILIATION: &str = "affiliation";
/// Where a pupil is enrolled.
pub const ESTABLISHMENT: &str = "establishment";
/// A guardian's children.
pub const CHILDREN: &str = "children";
/// Birth dates of pupils.
pub const BIRTHDATE: &str = "birthdate";

/// Refresh tokens that outlive the session (OpenID Connect Core §11); it releases nothing.
pub const OFFLINE_ACCESS: &str = "offline_access";

/// All of them.
pub const ALL: [&str; 7] = [OPENID, PROFILE, AFFILIATION, ESTABLISHMENT, CHILDREN, BIRTHDATE, OFFLINE_ACCESS];

/// What scopes release, by name: a registration may narrow it to some of these.
pub const CLAIMS: [&str; 12] = [
    "name",
    "given_name",
    "family_name",
    "givenName",
    "sn",
    "birthdate",
    "children",
    "children_establishments",
    "establishments",
    "FrEduCtPersonAffiliation",
    "FrEduCtEleveUAI",
    "FrEduCtDateNaissance",
];

/// Leaves of the claims those that the registration lets through.
pub fn narrow(claims: &mut Map<String, Value>, allowed: Option<&BTreeSet<String>>) {
    if let Some(allowed) = allowed {
        claims.retain(|name, _| allowed.contains(name));
    }
}

/// The scopes of a space-separated list that the client is registered for; the others are left out, and the token
/// response says which remain (RFC 6749 §3.3).
pub fn granted(asked: &str, registered: &BTreeSet<String>) -> BTreeSet<String> {
    asked.split(' ').filter(|scope| ALL.contains(scope) && registered.contains(*scope)).map(str::to_owned).collect()
}

/// As the protocol writes them.
pub fn join(scopes: &BTreeSet<String>) -> String {
    scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}
