//! What a request asks for by name: the `claims` parameter (OpenID Connect Core §5.5) and `acr_values` (§3.1.2.1).
//!
//! Nothing is released for being asked for: see [`super::scopes::Release`]. Names that are no claim here are left, as
//! §5.5 wants; what is kept is bounded by the claims there are.

use super::error::{ErrorCode, ProtocolError, refuse};
use super::parameters::Parameters;
use super::scopes::CLAIMS;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The longest `claims` taken, in bytes.
const MAX_LENGTH: usize = 8192;
/// The most values that one claim may be wanted with, and ways of identification asked for.
const MAX_VALUES: usize = 16;
/// The longest value that a claim may be wanted with, in bytes of JSON.
const MAX_VALUE: usize = 256;

const MALFORMED: ProtocolError =
    refuse(ErrorCode::InvalidRequest, "claims must be a JSON object with userinfo and id_token (OpenID Connect 5.5)");

/// How one claim is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Of these values; empty: whatever it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

impl Wanted {
    /// Whether this value is one of those wanted.
    pub fn takes(&self, value: &Value) -> bool {
        self.values.is_empty() || self.values.contains(value)
    }
}

/// How the person must have been identified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedAcr {
    /// One of these, the best first.
    pub values: Vec<String>,
    /// Whether anything else will not do (§5.5.1.1).
    #[serde(default)]
    pub essential: bool,
}

impl WantedAcr {
    /// Whether a session of this kind is what is wanted.
    pub fn is_met_by(&self, acr: &str) -> bool {
        self.values.iter().any(|value| value == acr)
    }
}

/// What is asked for by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requested {
    /// In userinfo.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub userinfo: BTreeMap<String, Wanted>,
    /// In the ID token.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub id_token: BTreeMap<String, Wanted>,
}

impl Requested {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What one request asks for by name, whatever it concerns.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Claims.
    pub claims: Requested,
    /// How the person must have been identified.
    pub acr: Option<WantedAcr>,
    /// Whom the client expects: `sub` with a value (§5.5.1).
    pub subject: Option<String>,
}

impl Asked {
    /// Reads `claims` and `acr_values`.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn read(parameters: &Parameters) -> Result<Self, ProtocolError> {
        let by_name = match parameters.get("acr_values") {
            None => None,
            Some(text) => {
                let values: Vec<String> = text.split_whitespace().take(MAX_VALUES).map(str::to_owned).collect();
                (!values.is_empty()).then_some(WantedAcr { values, essential: false })
            }
        };
        let Some(text) = parameters.get("claims") else { return Ok(Self { acr: by_name, ..Self::default() }) };
        if text.len() > MAX_LENGTH {
            return Err(MALFORMED);
        }
        let document: Map<String, Value> = serde_json::from_str(text).map_err(|_| MALFORMED)?;
        let empty = Map::new();
        let member = |name: &str| match document.get(name) {
            None | Some(Value::Null) => Ok(&empty),
            Some(Value::Object(member)) => Ok(member),
            Some(_) => Err(MALFORMED),
        };
        let (userinfo, id_token) = (member("userinfo")?, member("id_token")?);
        let claims = Requested { userinfo: known(userinfo)?, id_token: known(id_token)? };
        let acr = acr(id_token)?.or(by_name);
        let subject = [id_token, userinfo].into_iter().find_map(|member| member.get("sub")?.get("value")?.as_str());
        Ok(Self { claims, acr, subject: subject.map(str::to_owned) })
    }
}

/// The claims of a member that there are here.
fn known(member: &Map<String, Value>) -> Result<BTreeMap<String, Wanted>, ProtocolError> {
    let known = member.iter().filter(|(name, _)| CLAIMS.iter().any(|claim| claim.name == name.as_str()));
    known.map(|(name, how)| Ok((name.clone(), Wanted { values: values(how)? }))).collect()
}

/// `null`, or `{"essential", "value", "values"}` (§5.5.1). Whether a claim is essential changes nothing here: what may
/// be released is, and the person is not asked for the rest.
fn values(how: &Value) -> Result<Vec<Value>, ProtocolError> {
    let values = match how {
        Value::Null => Vec::new(),
        Value::Object(how) => match (how.get("value"), how.get("values")) {
            (Some(value), None) => vec![value.clone()],
            (None, Some(Value::Array(values))) => values.clone(),
            (None, None) => Vec::new(),
            _ => return Err(MALFORMED),
        },
        _ => return Err(MALFORMED),
    };
    let short = values.iter().all(|value| value.to_string().len() <= MAX_VALUE);
    if values.len() <= MAX_VALUES && short { Ok(values) } else { Err(MALFORMED) }
}

fn acr(id_token: &Map<String, Value>) -> Result<Option<WantedAcr>, ProtocolError> {
    let Some(how) = id_token.get("acr") else { return Ok(None) };
    let values: Vec<String> = values(how)?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let essential = how.get("essential").and_then(Value::as_bool).unwrap_or(false);
    Ok((!values.is_empty()).then_some(WantedAcr { values, essential }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(fields: &[(&str, &str)]) -> Result<Asked, ErrorCode> {
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Asked::read(&Parameters::parse(text.as_bytes())).map_err(|error| error.code)
    }

    #[test]
    fn what_there_is_no_claim_for_is_left() {
        let asked = read(&[(
            "claims",
            r#"{"userinfo": {"given_name": {"essential": true}, "picture": null, "FrEduCtEleveUAI": {"values": ["0750001A"]}},
                "id_token": {"auth_time": {"essential": true}, "FrEduOrigAuth": {"value": "ECT"}}, "other": {}}"#,
        )])
        .unwrap();
        let names: Vec<&str> = asked.claims.userinfo.keys().map(String::as_str).collect();
        assert_eq!(names, ["FrEduCtEleveUAI", "given_name"]);
        assert!(asked.claims.userinfo["FrEduCtEleveUAI"].takes(&json!("0750001A")));
        assert!(!asked.claims.userinfo["FrEduCtEleveUAI"].takes(&json!("0750002B")));
        assert!(asked.claims.userinfo["given_name"].takes(&json!("Zoé")));
        assert_eq!(asked.claims.id_token.len(), 1);
        assert_eq!((asked.acr, asked.subject), (None, None));
        let stored = serde_json::to_string(&asked.claims).unwrap();
        assert_eq!(serde_json::from_str::<Requested>(&stored).unwrap(), asked.claims);
    }

    #[test]
    fn an_essential_acr_is_told_from_a_wish() {
        let wish = read(&[("acr_values", "a b")]).unwrap().acr.unwrap();
        assert!(!wish.essential && wish.is_met_by("b") && !wish.is_met_by("c"));
        let claims = r#"{"id_token": {"acr": {"essential": true, "values": ["c"]}, "sub": {"value": "me"}}}"#;
        let asked = read(&[("acr_values", "a"), ("claims", claims)]).unwrap();
        let acr = asked.acr.unwrap();
        assert!(acr.essential && acr.is_met_by("c") && !acr.is_met_by("a"));
        assert_eq!(asked.subject.as_deref(), Some("me"));
        // Without a value there is nothing to be held to: an `acr` is always told.
        let bare = read(&[("claims", r#"{"id_token": {"acr": {"essential": true}}}"#)]).unwrap();
        assert_eq!(bare.acr, None);
    }

    #[test]
    fn what_is_no_claims_request_is_refused() {
        let long = format!(r#"{{"userinfo": {{"sn": {{"value": "{}"}}}}}}"#, "x".repeat(300));
        for broken in [
            "[]",
            "x",
            r#"{"userinfo": 1}"#,
            r#"{"userinfo": {"sn": "x"}}"#,
            r#"{"userinfo": {"sn": {"value": 1, "values": [1]}}}"#,
            r#"{"userinfo": {"sn": {"values": 1}}}"#,
            &long,
            &" ".repeat(9000),
        ] {
            assert_eq!(read(&[("claims", broken)]), Err(ErrorCode::InvalidRequest), "{broken}");
        }
        assert_eq!(read(&[]).unwrap(), Asked::default());
    }
}
