//! The parameters of a protocol request.

use std::collections::{BTreeMap, BTreeSet};

/// Form-encoded parameters of which each may come once only (RFC 6749 §3.1): two readers of one request must
/// never see different values. No `Debug`: a token request holds secrets.
#[derive(Default)]
pub struct Parameters {
    values: BTreeMap<String, String>,
    repeated: BTreeSet<String>,
}

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` text: a query string or a form body.
    pub fn parse(encoded: &[u8]) -> Self {
        let mut parameters = Self::default();
        for (name, value) in url::form_urlencoded::parse(encoded) {
            if parameters.values.contains_key(name.as_ref()) {
                parameters.repeated.insert(name.into_owned());
            } else {
                parameters.values.insert(name.into_owned(), value.into_owned());
            }
        }
        parameters
    }

    /// The value; an empty one counts as omitted (RFC 6749 §3.1), and so does a repeated one: no choice is made.
    pub fn get(&self, name: &str) -> Option<&str> {
        if self.is_repeated(name) {
            return None;
        }
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether this parameter came more than once.
    pub fn is_repeated(&self, name: &str) -> bool {
        self.repeated.contains(name)
    }

    /// Whether any parameter came more than once.
    pub fn any_repeated(&self) -> bool {
        !self.repeated.is_empty()
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_parameter_has_no_value() {
        let parameters = Parameters::parse(b"a=1&b=%20x+y&a=2&c=");
        assert_eq!(parameters.get("a"), None);
        assert!(parameters.is_repeated("a") && parameters.any_repeated() && !parameters.is_repeated("b"));
        assert_eq!(parameters.get("b"), Some(" x y"));
        assert_eq!(parameters.get("c"), None);
    }

    #[test]
    fn an_empty_first_value_does_not_hide_a_repetition() {
        assert!(Parameters::parse(b"a=&a=1").is_repeated("a"));
        assert!(Parameters::parse(b"%61=1&a=1").is_repeated("a"));
    }
}
