//! `[franceconnect]` and `[[upstream]]`: other providers by which people sign in.

use super::{Secret, is_loopback};
use crate::pages::Language;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;
use url::Url;

/// The configured name of FranceConnect: in addresses, and in the ledger for good.
pub const FRANCECONNECT: &str = "franceconnect";

/// `[franceconnect]`: what FranceConnect gives to a registered service. Everything else about it is known.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FranceConnect {
    /// Its issuer.
    pub issuer: Url,
    /// This service's name there.
    pub client_id: String,
    /// The shared secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// A file with the shared secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// A file with a private key (PEM, PKCS #8; P-256 or RSA), for `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_file: Option<PathBuf>,
    /// The key's id at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_id: Option<String>,
}

/// One table of `[[upstream]]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Its name, in addresses and in the ledger for good: lower-case letters, digits, hyphens.
    pub name: String,
    /// Its issuer.
    pub issuer: Url,
    /// This service's name there.
    pub client_id: String,
    /// The shared secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// A file with the shared secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// A file with a private key (PEM, PKCS #8; P-256 or RSA), for `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_file: Option<PathBuf>,
    /// The key's id at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_id: Option<String>,
    /// How a shared secret travels.
    #[serde(default)]
    pub authentication: SecretBy,
    /// What is asked for; `openid` always is.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The level asked for and demanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr_values: Option<String>,
    /// Where the claims are read.
    #[serde(default)]
    pub userinfo: Userinfo,
    /// Further hosts at which its endpoints may lie, besides the issuer's own.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// What stands on its button.
    pub button: Button,
    /// Who may use it.
    #[serde(rename = "for")]
    pub users: BTreeSet<User>,
    /// How its identity leads to an account at first use.
    pub matching: Matching,
}

/// How a shared secret travels (OpenID Connect Core §9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretBy {
    /// In the form.
    #[default]
    ClientSecretPost,
    /// In the header `Authorization`.
    ClientSecretBasic,
}

/// Where the claims of a provider are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Userinfo {
    /// From its userinfo endpoint, signed.
    #[default]
    Signed,
    /// From its userinfo endpoint, as JSON: TLS alone vouches for it.
    Plain,
    /// From the ID token.
    None,
}

/// What stands on a provider's button.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// In French.
    pub fr: String,
    /// In English.
    pub en: String,
}

/// Who may sign in by a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum User {
    /// Legal guardians.
    Guardian,
    /// Pupils.
    Pupil,
    /// Staff of schools, who have no accounts here.
    Staff,
}

/// How an identity leads to an account at first use. Later uses go by `sub` alone.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    /// By what.
    pub by: MatchBy,
    /// The claim that is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
}

/// By what an identity leads to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatchBy {
    /// The guardian proves the mobile on the school's file and the children's birth dates, and the names agree.
    Names,
    /// A claim has the pupil's INE.
    Ine,
    /// A claim has a `FrEduVecteur`: `type|nom|prénom|élève|UAI`.
    FrEduVecteur,
    /// A claim has the account's login.
    Login,
    /// Names and birth date are one pupil's.
    NamesAndBirthDate,
}

impl Button {
    /// In this language.
    pub fn of(&self, language: Language) -> &str {
        match language {
            Language::French => &self.fr,
            Language::English => &self.en,
        }
    }
}

impl FranceConnect {
    /// FranceConnect as any other provider: the pivot identity, at eIDAS low.
    pub fn as_upstream(&self) -> Upstream {
        Upstream {
            name: FRANCECONNECT.to_owned(),
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            client_secret_file: self.client_secret_file.clone(),
            private_key_file: self.private_key_file.clone(),
            private_key_id: self.private_key_id.clone(),
            authentication: SecretBy::ClientSecretPost,
            scopes: ["identite_pivot", "preferred_username"].map(str::to_owned).to_vec(),
            acr_values: Some("eidas1".to_owned()),
            userinfo: Userinfo::Signed,
            hosts: vec![],
            // The name that FranceConnect's rules demand; the French words are part of it.
            button: Button {
                fr: "S’identifier avec FranceConnect".to_owned(),
                en: "Sign in with FranceConnect".to_owned(),
            },
            users: BTreeSet::from([User::Guardian]),
            matching: Matching { by: MatchBy::Names, claim: None },
        }
    }

    /// What is wrong with it.
    pub(super) fn faults(&self) -> Vec<String> {
        let upstream = self.as_upstream();
        let mut faults = issuer_faults(&self.issuer);
        faults.extend(upstream.credential_faults());
        faults.into_iter().map(|fault| format!("franceconnect.{fault}")).collect()
    }
}

fn issuer_faults(issuer: &Url) -> Vec<String> {
    let secure = issuer.scheme() == "https" || (issuer.scheme() == "http" && is_loopback(issuer));
    let mut faults = Vec::new();
    if !secure || issuer.host().is_none() {
        faults.push("issuer: write it as https://host/path (http:// is for this machine only)".to_owned());
    }
    if issuer.query().is_some() || issuer.fragment().is_some() || !issuer.username().is_empty() {
        faults.push("issuer: only scheme, host and path; remove what follows them".to_owned());
    }
    faults
}

impl Upstream {
    /// The issuer as tokens name it: without a final slash that only the parser added.
    pub fn issuer(&self) -> &str {
        let text = self.issuer.as_str();
        if self.issuer.path() == "/" { text.trim_end_matches('/') } else { text }
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = issuer_faults(&self.issuer);
        faults.extend(self.credential_faults());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 40 || !self.name.chars().all(plain) {
            faults.push("name: 1 to 40 lower-case letters, digits and hyphens".to_owned());
        }
        if self.name == FRANCECONNECT {
            faults.push("name: `franceconnect` has a section of its own, [franceconnect]".to_owned());
        }
        if self.users.is_empty() {
            faults.push("for: say who may use it, e.g. [\"pupil\"]".to_owned());
        }
        if self.users.contains(&User::Staff) {
            faults.push("for: staff have no accounts here; remove `staff`".to_owned());
        }
        for (key, text) in [("button.fr", &self.button.fr), ("button.en", &self.button.en)] {
            if text.trim().is_empty() || text.chars().count() > 80 {
                faults.push(format!("{key}: 1 to 80 characters"));
            }
        }
        if self.scopes.iter().any(|scope| scope.is_empty() || !scope.bytes().all(|b| b.is_ascii_graphic())) {
            faults.push("scopes: each is one word".to_owned());
        }
        faults.extend(self.matching_faults());
        faults
    }

    fn credential_faults(&self) -> Vec<String> {
        let given = [self.client_secret.is_some(), self.client_secret_file.is_some(), self.private_key_file.is_some()];
        let mut faults = Vec::new();
        if given.iter().filter(|given| **given).count() != 1 {
            faults.push(
                "client_secret: give `client_secret`, `client_secret_file` or `private_key_file`, exactly one of them"
                    .to_owned(),
            );
        }
        if self.private_key_id.is_some() && self.private_key_file.is_none() {
            faults.push("private_key_id: needs private_key_file beside it".to_owned());
        }
        faults
    }

    fn matching_faults(&self) -> Vec<String> {
        let only = |user: User| self.users.iter().all(|one| *one == user);
        let needs_claim = matches!(self.matching.by, MatchBy::Ine | MatchBy::FrEduVecteur | MatchBy::Login);
        let mut faults = Vec::new();
        if needs_claim && self.matching.claim.as_deref().is_none_or(str::is_empty) {
            faults.push("matching.claim: is missing; name the claim that this rule looks at".to_owned());
        }
        if !needs_claim && self.matching.claim.is_some() {
            faults.push("matching.claim: this rule looks at no claim of its own; remove it".to_owned());
        }
        if self.matching.by == MatchBy::Names && !only(User::Guardian) {
            faults.push("matching.by: `names` is for guardians only, who prove their phone and children".to_owned());
        }
        if matches!(self.matching.by, MatchBy::Ine | MatchBy::NamesAndBirthDate) && !only(User::Pupil) {
            faults.push("matching.by: this rule finds pupils only; schools know no birth date of guardians".to_owned());
        }
        faults
    }
}

/// What is wrong with the tables of `[[upstream]]`, each by its name or else its number.
pub(super) fn faults(all: &[Upstream]) -> Vec<String> {
    let mut names = BTreeSet::new();
    let mut faults = Vec::new();
    for (number, one) in all.iter().enumerate() {
        let table = if one.name.is_empty() { (number + 1).to_string() } else { one.name.clone() };
        faults.extend(one.faults().into_iter().map(|fault| format!("upstream.{table}.{fault}")));
        if !names.insert(&one.name) {
            faults.push(format!("upstream.{table}.name: another table has it already"));
        }
    }
    faults
}
