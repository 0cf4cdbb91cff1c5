//! Which browser it is, in words that its owner recognises.
//!
//! Of what a browser says of itself only its name and its system are kept, each a word of the parser's own list: no
//! version, nothing that would tell two people's phones apart, and nothing that somebody could have made up.

use axum::http::{HeaderMap, header};
use woothee::parser::Parser;
use woothee::woothee::VALUE_UNKNOWN;

/// As much is looked at, in bytes.
const LONGEST: usize = 512;
const SEPARATOR: char = '|';

/// A browser and its system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// `Firefox`; `None` where it is not known.
    pub browser: Option<String>,
    /// `Android`; `None` where it is not known.
    pub system: Option<String>,
}

impl Agent {
    /// What a request's headers say.
    pub fn of(headers: &HeaderMap) -> Self {
        let said = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut end = said.len().min(LONGEST);
        while !said.is_char_boundary(end) {
            end -= 1;
        }
        let Some(parsed) = Parser::new().parse(&said[..end]) else { return Self::default() };
        let known = |word: &str| (!word.is_empty() && word != VALUE_UNKNOWN).then(|| word.to_owned());
        let system = match parsed.os {
            "Mac OSX" => Some("macOS".to_owned()),
            // The version in the name is no longer true of what browsers say.
            windows if windows.starts_with("Windows ") => Some("Windows".to_owned()),
            other => known(other),
        };
        Self { browser: known(parsed.name), system }
    }

    /// As stored.
    pub(super) fn stored(&self) -> Option<String> {
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        (*self != Self::default()).then(|| format!("{}{SEPARATOR}{}", word(&self.browser), word(&self.system)))
    }

    /// From its stored form.
    pub(super) fn read(stored: Option<&str>) -> Self {
        let Some((browser, system)) = stored.and_then(|stored| stored.split_once(SEPARATOR)) else {
            return Self::default();
        };
        let word = |word: &str| (!word.is_empty()).then(|| word.to_owned());
        Self { browser: word(browser), system: word(system) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(said: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, said.parse().unwrap());
        let agent = Agent::of(&headers);
        assert_eq!(Agent::read(agent.stored().as_deref()), agent);
        format!("{} {}", agent.browser.as_deref().unwrap_or("?"), agent.system.as_deref().unwrap_or("?"))
    }

    #[test]
    fn browsers_are_told_by_name_and_system() {
        for (said, expected) in [
            ("Mozilla/5.0 (Android 14; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0", "Firefox Android"),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile \
                 Safari/537.36",
                "Chrome Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/26.0 Mobile/15E148 Safari/604.1",
                "Safari iPhone",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 \
                 Safari/537.36 Edg/141.0.0.0",
                "Edge Windows",
            ),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox macOS"),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox Linux"),
        ] {
            assert_eq!(words(said), expected, "{said}");
        }
    }

    #[test]
    fn what_is_made_up_is_kept_nowhere() {
        for said in ["Jeanne Fictive 06 39 98 00 01", "<script>", "x|y", &"a".repeat(100_000)] {
            assert_eq!(words(said), "? ?", "{said}");
        }
        assert_eq!(Agent::of(&HeaderMap::new()).stored(), None);
    }
}
