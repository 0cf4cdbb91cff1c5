//! Identities that another provider vouches for (FranceConnect, a ministry's desk), and their links to an account.

use crate::identifiers::match_key;
use crate::personal::Personal;
use serde::{Deserialize, Serialize};

/// Who a person is, in the words of an upstream provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamIdentity {
    /// `sub`: the provider's name for the person, at this service only.
    pub subject: String,
    /// Birth name (`family_name`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    /// Name in use (`preferred_username`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_name: Option<String>,
    /// All given names, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given_names: Vec<String>,
    /// `YYYY-MM-DD`, where month and day may be `00`: not everybody's is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
}

impl UpstreamIdentity {
    /// Whether a school's record bears the names of this identity.
    ///
    /// A surname (birth name or name in use) must be one of the identity's two, and the record's given name must be
    /// the identity's first given name, or its first ones joined (`Jean-Pierre` for *Jean* and *Pierre*). Case,
    /// accents, hyphens, apostrophes and spaces don't count. An empty name agrees with nothing.
    pub fn bears(&self, family_name: &str, usage_name: Option<&str>, given_name: &str) -> bool {
        let keys = |names: [Option<&str>; 2]| names.map(|name| name.map(match_key).filter(|key| !key.is_empty()));
        let theirs = keys([self.family_name.as_deref(), self.usage_name.as_deref()]);
        let ours = keys([Some(family_name), usage_name]);
        let surname = theirs.iter().flatten().any(|name| ours.iter().flatten().any(|own| own == name));
        let given = match_key(given_name);
        let mut joined = String::new();
        let begins = self.given_names.iter().any(|name| {
            joined.push_str(&match_key(name));
            joined == given
        });
        surname && !given.is_empty() && begins
    }
}

/// On what proof an upstream identity was tied to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamProof {
    /// A guardian proved the mobile on the school's file and the children's birth dates; the names agree.
    PhoneAndChildren,
    /// The holder was signed in by another way; the names agree.
    SignedIn,
    /// The provider gave the pupil's national number.
    Ine,
    /// The provider gave a `FrEduVecteur`.
    EducationVector,
    /// The provider gave the account's login.
    Login,
    /// The provider gave names and birth date, and they are one pupil's.
    NamesAndBirthDate,
}

/// Why a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamUnlinking {
    /// The holder gave it up.
    OwnRequest,
    /// The provider names the person anew, as after a correction of the civil status; the new link was proved.
    Replaced,
    /// The account was reset: all ways in begin anew.
    Reset,
}

/// A link in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamLink {
    /// The provider, by its configured name.
    pub provider: String,
    /// Who the provider says it is.
    pub identity: Personal<UpstreamIdentity>,
    /// On what proof.
    pub proof: UpstreamProof,
    /// Whether that proof was a sign-in that itself went back to a provisional password.
    pub by_provisional: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(family: &str, usage: Option<&str>, given: &[&str]) -> UpstreamIdentity {
        UpstreamIdentity {
            subject: "s".into(),
            family_name: Some(family.into()),
            usage_name: usage.map(Into::into),
            given_names: given.iter().map(|name| (*name).to_owned()).collect(),
            birth_date: None,
        }
    }

    #[test]
    fn names_agree_however_they_are_written() {
        let aude = identity("LE FICTIF", Some("Dô-Fictif"), &["Aude", "Marie", "Claire"]);
        assert!(aude.bears("Lefictif", None, "AUDE"));
        assert!(aude.bears("Autre", Some("DO FICTIF"), "aude"));
        assert!(aude.bears("Do-Fictif", None, "Aude Marie"));
        let jean = identity("Éxemple", None, &["Jean", "Pierre"]);
        assert!(jean.bears("EXEMPLE", None, "Jean-Pierre"));
        assert!(jean.bears("EXEMPLE", None, "Jean"));
    }

    #[test]
    fn point_40_other_names_do_not_agree() {
        let aude = identity("Lefictif", None, &["Aude", "Marie"]);
        assert!(!aude.bears("Lefictif", None, "Marie"), "a second given name is not the person's");
        assert!(!aude.bears("Autrenom", None, "Aude"));
        assert!(!aude.bears("Lefictif", None, ""));
        assert!(!aude.bears("", None, "Aude"));
        assert!(!aude.bears("Lefictif", None, "Au"));
        assert!(!identity("", Some("-"), &["Aude"]).bears("", Some("'"), "Aude"));
        assert!(!identity("Lefictif", None, &[]).bears("Lefictif", None, "Aude"));
    }
}
