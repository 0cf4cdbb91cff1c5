//! Where to go after signing in: a path of this service and nothing else.

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use url::Url;

/// Longest path kept, in bytes: an authorization request fits.
const MAX_LENGTH: usize = 4096;

/// A path of this service, with its query: `/authorize?client_id=…`. There is no way to make one that leads away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Reads a path; `None` for anything that a browser might take for another site.
    pub fn read(text: &str) -> Option<Self> {
        let plain = text.len() <= MAX_LENGTH
            && text.starts_with('/')
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if !plain {
            return None;
        }
        // The last word is a real URL parser's: what it makes of the path must be this origin and the same text.
        let base = Url::parse("https://own.invalid/").ok()?;
        let joined = base.join(text).ok()?;
        let path = &joined[url::Position::BeforePath..];
        let own = joined.origin() == base.origin() && joined.username().is_empty() && joined.password().is_none();
        (own && !path.starts_with("//")).then(|| Self(path.to_owned()))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For optional form fields and query parameters: whatever does not lead to this service counts as absent.
///
/// # Errors
/// When the value is not text.
pub fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ReturnTo>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.as_deref().and_then(ReturnTo::read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_paths_pass() {
        for own in ["/", "/account", "/authorize?client_id=a&redirect_uri=https%3A%2F%2Frp.test%2Fcb&state=x%20y"] {
            assert_eq!(ReturnTo::read(own).unwrap().as_str(), own);
        }
    }

    #[test]
    fn point_2_no_open_redirect() {
        for elsewhere in [
            "",
            "https://evil.test/",
            "//evil.test/",
            "///evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/\t/evil.test",
            "/\n/evil.test",
            "/ /evil.test",
            "javascript:alert(1)",
            "data:text/html,x",
            "account",
            "?x",
            "#x",
            "/.//evil.test",
            "/..//evil.test",
            "/a/..//evil.test",
            "/%2e//evil.test",
            "/a\r\nSet-Cookie: x=y",
            "/é",
            "http:evil.test",
            "@evil.test",
        ] {
            assert_eq!(ReturnTo::read(elsewhere), None, "{elsewhere:?}");
        }
        assert_eq!(ReturnTo::read(&format!("/{}", "a".repeat(MAX_LENGTH))), None);
    }
}
