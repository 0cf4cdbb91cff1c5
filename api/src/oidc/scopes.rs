//! The scopes a relying party may be registered for, and the claims that each releases.
//!
//! | Scope | Releases |
//! |---|---|
//! | `openid` | `sub`: pairwise, the same for all relying parties of one sector |
//! | `profile` | `given_name`, `family_name`, `name`, and their field names `givenName`, `sn` |
//! | `affiliation` | `FrEduCtId` (the same as `sub`), `FrEduCtPersonAffiliation`: of `eleve1d`, `eleve2d`, `resp1d`, `resp2d`, those that hold; `FrEduCtRefId` |
//! | `ect.scope.cnx` | `FrEduCtDateConnexion`, `FrEduUrlRetour`, `FrEduOrigAuth`: about the sign-in |
//! | `establishment` | for a pupil: `FrEduCtEleveUAI`, `FrEduCtEleveNiveau`, and `establishments` with UAI, name, class, level or MEF; `FrEduVecteur` |
//! | `children` | for a guardian: `children`, each with pairwise `sub`, names, relationship and establishments |
//! | `ine` | `FrEduCtEleveINE`, `FrEduCtEleveINEHash` of a pupil; of each child where `children` is released |
//! | `birthdate` | `birthdate` and `FrEduCtDateNaissance` of a pupil; of each child where `children` is released |
//! | `offline_access` | nothing: refresh tokens that outlive the session |
//! | `console` | nothing: a console may register relying parties for its operators |
//!
//! Some claims are released by no scope alone: the registration must name them ([`Claim::named`]).
//!
//! Everything is limited to the establishments that the relying party serves by its registration, and is said by
//! userinfo. The ID token, which travels in URLs as `id_token_hint`, has of it only what names nobody.

use super::requested::{Requested, Wanted};
use domain::relying_party::Registration;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// OpenID Connect itself.
pub const OPENID: &str = "openid";
/// Names of the holder.
pub const PROFILE: &str = "profile";
/// Pupil or guardian, first or second degree.
pub const AFFILIATION: &str = "affiliation";
/// The sign-in, by the field's names.
pub const CONNECTION: &str = "ect.scope.cnx";
/// Where a pupil is enrolled.
pub const ESTABLISHMENT: &str = "establishment";
/// A guardian's children.
pub const CHILDREN: &str = "children";
/// Birth dates of pupils.
pub const BIRTHDATE: &str = "birthdate";
/// A pupil's national identifier.
pub const INE: &str = "ine";
/// Refresh tokens that outlive the session (OpenID Connect Core §11); it releases nothing.
pub const OFFLINE_ACCESS: &str = "offline_access";
/// `/console/v1`, for a console that acts for itself; nothing of a person's.
pub const CONSOLE: &str = "console";

/// All that a person's sign-in can be asked for with.
pub const ALL: [&str; 9] =
    [OPENID, PROFILE, AFFILIATION, CONNECTION, ESTABLISHMENT, CHILDREN, BIRTHDATE, INE, OFFLINE_ACCESS];

/// Where claims stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the ID token.
    IdToken,
    /// In userinfo.
    Userinfo,
}

/// One claim that may be released.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Its name.
    pub name: &'static str,
    /// The scope that it belongs to: a registration without it never gets the claim.
    pub scope: &'static str,
    /// Whether the scope alone does not do: the registration must name the claim.
    pub named: bool,
    /// Where the scope puts it.
    by_scope: &'static [Place],
    /// Whether an ID token may have it on request: it names nobody.
    names_nobody: bool,
}

const U: &[Place] = &[Place::Userinfo];
const I: &[Place] = &[Place::IdToken];
const UI: &[Place] = &[Place::Userinfo, Place::IdToken];

const fn claim(name: &'static str, scope: &'static str, by_scope: &'static [Place]) -> Claim {
    Claim { name, scope, by_scope, named: false, names_nobody: false }
}

const fn named(claim: Claim) -> Claim {
    Claim { named: true, ..claim }
}

const fn names_nobody(claim: Claim) -> Claim {
    Claim { names_nobody: true, ..claim }
}

/// All claims, of all scopes.
pub const CLAIMS: [Claim; 21] = [
    claim("name", PROFILE, U),
    claim("given_name", PROFILE, U),
    claim("family_name", PROFILE, U),
    claim("givenName", PROFILE, U),
    claim("sn", PROFILE, U),
    claim("birthdate", BIRTHDATE, U),
    claim("children", CHILDREN, U),
    names_nobody(claim("children_establishments", CHILDREN, I)),
    claim("establishments", ESTABLISHMENT, U),
    names_nobody(claim("FrEduCtId", AFFILIATION, U)),
    names_nobody(claim("FrEduCtPersonAffiliation", AFFILIATION, UI)),
    named(claim("FrEduCtRefId", AFFILIATION, U)),
    names_nobody(claim("FrEduCtDateConnexion", CONNECTION, U)),
    names_nobody(claim("FrEduUrlRetour", CONNECTION, U)),
    names_nobody(claim("FrEduOrigAuth", CONNECTION, U)),
    names_nobody(claim("FrEduCtEleveUAI", ESTABLISHMENT, UI)),
    names_nobody(claim("FrEduCtEleveNiveau", ESTABLISHMENT, U)),
    named(claim("FrEduVecteur", ESTABLISHMENT, U)),
    claim("FrEduCtDateNaissance", BIRTHDATE, U),
    named(claim("FrEduCtEleveINE", INE, U)),
    named(claim("FrEduCtEleveINEHash", INE, U)),
];

/// The names of all claims.
pub fn claim_names() -> Vec<&'static str> {
    CLAIMS.iter().map(|claim| claim.name).collect()
}

/// What is released to one relying party at one place: what the granted scopes bring and what was asked for by name
/// (OpenID Connect Core §5.5), never beyond the registration.
pub struct Release<'a> {
    /// Where.
    pub place: Place,
    /// What was granted.
    pub granted: &'a BTreeSet<String>,
    /// What the relying party is registered with, now.
    pub registration: &'a Registration,
    /// What was asked for by name.
    pub wanted: &'a BTreeMap<String, Wanted>,
}

impl Release<'_> {
    /// Whether the claim is released.
    pub fn tells(&self, name: &str) -> bool {
        let Some(claim) = CLAIMS.iter().find(|claim| claim.name == name) else { return false };
        let permitted = match &self.registration.terms.claims {
            Some(allowed) => allowed.contains(name),
            None => !claim.named,
        };
        let by_scope = self.granted.contains(claim.scope) && claim.by_scope.contains(&self.place);
        let by_name = self.wanted.contains_key(name)
            && self.registration.scopes.contains(claim.scope)
            && (self.place == Place::Userinfo || claim.names_nobody);
        permitted && (by_scope || by_name)
    }

    /// Puts a released claim among the others. One that was asked for with another value only is left out.
    pub fn put(&self, claims: &mut Map<String, Value>, name: &str, value: impl FnOnce() -> Option<Value>) {
        if self.tells(name)
            && let Some(value) = value()
            && self.wanted.get(name).is_none_or(|wanted| wanted.takes(&value))
        {
            claims.insert(name.to_owned(), value);
        }
    }
}

/// What is granted, with the scopes of the claims asked for by name: what people are told that a service receives.
pub fn touched(granted: &BTreeSet<String>, asked: &Requested, registration: &Registration) -> BTreeSet<String> {
    let by_name = asked.userinfo.keys().chain(asked.id_token.keys());
    let scope = |name: &String| CLAIMS.iter().find(|claim| claim.name == name.as_str()).map(|claim| claim.scope);
    let registered = by_name.filter_map(scope).filter(|scope| registration.scopes.contains(*scope));
    granted.iter().cloned().chain(registered.map(str::to_owned)).collect()
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
