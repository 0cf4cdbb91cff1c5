//! A registration as programs write it: client metadata (RFC 7591 §2, OpenID Connect Dynamic Client Registration 1.0
//! §2), with what is our own beside it. The console and services that register themselves use the same form.

use super::client::keys;
use domain::ids::RelyingPartyId;
use domain::relying_party::{
    BackchannelLogout, ClientAuthentication, ClientKeys, Establishments, GrantType, Lifetimes, Registration,
    ResponseMode, SecurityProfile, ServiceLink, SigningAlgorithm, Terms,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use url::Url;

/// Client metadata. What is not given is as the command line has it by default; what is unknown is left, as RFC 7591
/// §2 wants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Name that users will recognise, in French.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// The name in English (RFC 7591 §2.2).
    #[serde(rename = "client_name#en", skip_serializing_if = "Option::is_none")]
    pub english_name: Option<String>,
    /// Its home page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// Where a sign-in begins that somebody else begins (OpenID Connect Core §4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    /// Where answers may go; exact.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// Where browsers may go after logout; exact.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// Scopes, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// How it authenticates, at every endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<ClientAuthentication>,
    /// Grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_types: Option<BTreeSet<GrantType>>,
    /// `code`, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_types: Option<Vec<String>>,
    /// Response modes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_modes: Option<BTreeSet<ResponseMode>>,
    /// Its public keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where it publishes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// `pairwise`, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_type: Option<String>,
    /// Refused: the sector is the redirect URIs' host, or said by an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    /// Services of one sector know a person by the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier: Option<String>,
    /// What its ID tokens are signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<SigningAlgorithm>,
    /// What userinfo is signed with for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<SigningAlgorithm>,
    /// Where it is told of a logout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// Whether it wants to know which session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_session_required: Option<bool>,
    /// Whether its requests must be pushed first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_pushed_authorization_requests: Option<bool>,
    /// Whether its access tokens are always bound to a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dpop_bound_access_tokens: Option<bool>,
    /// The rules that it keeps as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_profile: Option<SecurityProfile>,
    /// Whose people it sees: `"all"`, or `{"only": [UAI, …]}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub establishments: Option<Establishments>,
    /// Of what its scopes release, only these claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<BTreeSet<String>>,
    /// Relying parties whose services it calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audiences: Option<BTreeSet<RelyingPartyId>>,
    /// How long its access tokens live, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<u32>,
    /// How long its ID tokens live, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_lifetime: Option<u32>,
    /// How long its refresh tokens go on in all, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_lifetime: Option<u32>,
}

/// Why metadata makes no registration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMetadata {
    /// No sector can be told.
    #[error("there is no redirect URI with a host; give absolute https URIs, or say the sector")]
    NoSector,
    /// Several sectors.
    #[error("the redirect URIs have several hosts; say which sector people are known under")]
    SeveralSectors,
    /// A document of sectors would have to be fetched.
    #[error("sector_identifier_uri is not supported: give redirect URIs of one host")]
    SectorUri,
    /// No key can be used.
    #[error("jwks has no usable key: P-256, Ed25519, or RSA of 2048 to 4096 bits")]
    Keys,
    /// Two places for keys (RFC 7591 §2).
    #[error("give jwks or jwks_uri, not both")]
    TwoKeys,
    /// An implicit or hybrid flow.
    #[error("response_types can only be code")]
    ResponseTypes,
    /// A public subject.
    #[error("subject_type can only be pairwise")]
    SubjectType,
    /// Nobody said whose people it sees.
    #[error("say in establishments whose people it sees: \"all\", or {{\"only\": [UAI, …]}}")]
    NoEstablishments,
}

/// The sector of redirect URIs: OpenID Connect Core §8.1 wants one host, where nothing else is said.
///
/// # Errors
/// There is none, or several.
pub fn sector_of(redirect_uris: &[String]) -> Result<String, BadMetadata> {
    let host = |uri: &String| Url::parse(uri).ok().and_then(|url| url.host_str().map(str::to_owned));
    let mut hosts: BTreeSet<String> = redirect_uris.iter().filter_map(host).collect();
    match (hosts.pop_first(), hosts.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(BadMetadata::NoSector),
        (Some(_), false) => Err(BadMetadata::SeveralSectors),
    }
}

impl Metadata {
    /// The registration that it describes; what registrations must keep is checked where they are made.
    ///
    /// # Errors
    /// [`BadMetadata`].
    pub fn registration(self) -> Result<Registration, BadMetadata> {
        if self.response_types.as_ref().is_some_and(|types| types.iter().any(|kind| kind != "code")) {
            return Err(BadMetadata::ResponseTypes);
        }
        if self.subject_type.as_ref().is_some_and(|kind| kind != "pairwise") {
            return Err(BadMetadata::SubjectType);
        }
        if self.sector_identifier_uri.is_some() {
            return Err(BadMetadata::SectorUri);
        }
        let terms = self.terms()?;
        let sector_identifier = match self.sector_identifier {
            Some(sector) => sector,
            None => sector_of(&self.redirect_uris)?,
        };
        let mut scopes: BTreeSet<String> =
            self.scope.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        if terms.signs_people_in() {
            scopes.insert(super::scopes::OPENID.to_owned());
        }
        Ok(Registration {
            name: self.client_name.unwrap_or_default(),
            redirect_uris: self.redirect_uris,
            post_logout_redirect_uris: self.post_logout_redirect_uris,
            scopes,
            sector_identifier,
            authentication: self.token_endpoint_auth_method.unwrap_or(ClientAuthentication::ClientSecretBasic),
            establishments: self.establishments.ok_or(BadMetadata::NoEstablishments)?,
            terms,
        })
    }

    fn terms(&self) -> Result<Terms, BadMetadata> {
        let usual = Terms::default();
        let keys = match (&self.jwks, &self.jwks_uri) {
            (Some(_), Some(_)) => return Err(BadMetadata::TwoKeys),
            (Some(set), None) => {
                let keys = keys::read(set.to_string().as_bytes());
                if keys.is_empty() {
                    return Err(BadMetadata::Keys);
                }
                Some(ClientKeys::Set(keys))
            }
            (None, uri) => uri.clone().map(ClientKeys::At),
        };
        let session_required = self.backchannel_logout_session_required.unwrap_or(false);
        let logout = |uri: &String| BackchannelLogout { uri: uri.clone(), session_required };
        Ok(Terms {
            grant_types: self.grant_types.clone().unwrap_or(usual.grant_types),
            response_modes: self.response_modes.clone().unwrap_or(usual.response_modes),
            keys,
            claims: self.claims.clone(),
            audiences: self.audiences.clone().unwrap_or_default(),
            backchannel_logout: self.backchannel_logout_uri.as_ref().map(logout),
            lifetimes: Lifetimes {
                access_token: self.access_token_lifetime,
                id_token: self.id_token_lifetime,
                refresh_token: self.refresh_token_lifetime,
            },
            id_token_signed_response_alg: self.id_token_signed_response_alg.unwrap_or_default(),
            userinfo_signed_response_alg: self.userinfo_signed_response_alg,
            require_pushed_authorization_requests: self.require_pushed_authorization_requests.unwrap_or(false),
            dpop_bound_access_tokens: self.dpop_bound_access_tokens.unwrap_or(false),
            profile: self.security_profile.unwrap_or_default(),
            link: ServiceLink {
                home_uri: self.client_uri.clone(),
                initiate_login_uri: self.initiate_login_uri.clone(),
                english_name: self.english_name.clone(),
            },
        })
    }

    /// What describes a registration, whole.
    pub fn of(registration: &Registration) -> Self {
        let terms = registration.terms.clone();
        let (jwks, jwks_uri) = match terms.keys {
            Some(ClientKeys::Set(keys)) => (Some(json!({ "keys": keys })), None),
            Some(ClientKeys::At(uri)) => (None, Some(uri)),
            None => (None, None),
        };
        let logout = terms.backchannel_logout;
        Self {
            client_name: Some(registration.name.clone()),
            english_name: terms.link.english_name,
            client_uri: terms.link.home_uri,
            initiate_login_uri: terms.link.initiate_login_uri,
            redirect_uris: registration.redirect_uris.clone(),
            post_logout_redirect_uris: registration.post_logout_redirect_uris.clone(),
            scope: Some(super::scopes::join(&registration.scopes)),
            token_endpoint_auth_method: Some(registration.authentication),
            response_types: Some(vec!["code".to_owned()]).filter(|_| registration.terms.signs_people_in()),
            grant_types: Some(terms.grant_types),
            response_modes: Some(terms.response_modes),
            jwks,
            jwks_uri,
            subject_type: Some("pairwise".to_owned()),
            sector_identifier_uri: None,
            sector_identifier: Some(registration.sector_identifier.clone()),
            id_token_signed_response_alg: Some(terms.id_token_signed_response_alg),
            userinfo_signed_response_alg: terms.userinfo_signed_response_alg,
            backchannel_logout_session_required: logout.as_ref().map(|logout| logout.session_required),
            backchannel_logout_uri: logout.map(|logout| logout.uri),
            require_pushed_authorization_requests: Some(terms.require_pushed_authorization_requests),
            dpop_bound_access_tokens: Some(terms.dpop_bound_access_tokens),
            security_profile: Some(terms.profile),
            establishments: Some(registration.establishments.clone()),
            claims: terms.claims,
            audiences: Some(terms.audiences).filter(|audiences| !audiences.is_empty()),
            access_token_lifetime: terms.lifetimes.access_token,
            id_token_lifetime: terms.lifetimes.id_token,
            refresh_token_lifetime: terms.lifetimes.refresh_token,
        }
    }
}

/// Changes a JSON object as RFC 7396 has it: what is given takes the place of what was, `null` takes it away.
pub fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (name, value) in patch {
                match value {
                    Value::Null => drop(into.remove(&name)),
                    value => merge(into.entry(name).or_insert(Value::Null), value),
                }
            }
        }
        (into, patch) => *into = patch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::samples;

    #[test]
    fn a_registration_is_described_whole() {
        for registration in [samples::rich_registration(), samples::linked_registration()] {
            let written = serde_json::to_string(&Metadata::of(&registration)).unwrap();
            let read: Metadata = serde_json::from_str(&written).unwrap();
            assert_eq!(read.registration().unwrap(), registration, "{written}");
        }
    }

    #[test]
    fn the_protocols_own_defaults_hold() {
        let text = r#"{"client_name": "N", "redirect_uris": ["https://a.test/cb"], "establishments": "all",
                       "scope": "profile", "logo_uri": "https://a.test/logo"}"#;
        let registration = serde_json::from_str::<Metadata>(text).unwrap().registration().unwrap();
        assert_eq!(registration.sector_identifier, "a.test");
        assert_eq!(super::super::scopes::join(&registration.scopes), "openid profile");
        assert!(registration.terms.are_plain());
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        use BadMetadata as B;
        let refused = |changes: Value| {
            let mut text = json!({"client_name": "N", "redirect_uris": ["https://a.test/cb"], "establishments": "all"});
            merge(&mut text, changes);
            serde_json::from_value::<Metadata>(text).unwrap().registration().unwrap_err()
        };
        assert_eq!(refused(json!({"redirect_uris": ["https://a.test/", "https://b.test/"]})), B::SeveralSectors);
        assert_eq!(refused(json!({"redirect_uris": []})), B::NoSector);
        assert_eq!(refused(json!({"response_types": ["code id_token"]})), B::ResponseTypes);
        assert_eq!(refused(json!({"subject_type": "public"})), B::SubjectType);
        assert_eq!(refused(json!({"sector_identifier_uri": "https://a.test/s"})), B::SectorUri);
        assert_eq!(refused(json!({"jwks": {"keys": []}})), B::Keys);
        assert_eq!(refused(json!({"jwks": {}, "jwks_uri": "https://a.test/k"})), B::TwoKeys);
        assert_eq!(refused(json!({"establishments": null})), B::NoEstablishments);
    }
}
