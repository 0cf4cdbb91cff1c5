//! The two languages of the service, and how a request's is chosen.

use axum::http::{HeaderMap, header};
use axum_extra::extract::CookieJar;
use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader, langid};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;

/// Holds the language that was chosen by the link at the page's top.
pub const COOKIE: &str = "language";

fluent_templates::static_loader! {
    static CATALOGUES = {
        locales: "./locales",
        fallback_language: "fr",
        // The marks that isolate an argument would be copied along with a login or a reference.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

const FRENCH: LanguageIdentifier = langid!("fr");
const ENGLISH: LanguageIdentifier = langid!("en");

/// What a page, a mail or an SMS is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Language {
    /// First: the language of schools and families.
    #[serde(rename = "fr")]
    French,
    /// Second.
    #[serde(rename = "en")]
    English,
}

impl Language {
    /// Both, French first.
    pub const ALL: [Self; 2] = [Self::French, Self::English];

    /// The code for `lang` attributes and cookies.
    pub fn code(self) -> &'static str {
        match self {
            Self::French => "fr",
            Self::English => "en",
        }
    }

    /// Its own name for itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::French => "Français",
            Self::English => "English",
        }
    }

    /// The one with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The language of a request: chosen by cookie, else the better of its `Accept-Language` (RFC 9110,
    /// section 12.5.4), else `default`.
    pub fn of(headers: &HeaderMap, default: Self) -> Self {
        let chosen = CookieJar::from_headers(headers);
        let chosen = chosen.get(COOKIE).and_then(|cookie| Self::from_code(cookie.value()));
        chosen.or_else(|| accepted(headers)).unwrap_or(default)
    }

    /// The message `key`.
    pub fn message(self, key: &str) -> String {
        self.look_up(key, None)
    }

    /// The message `key` with values for its placeables.
    pub fn message_with(self, key: &str, values: &[(&'static str, FluentValue<'_>)]) -> String {
        let values = values.iter().map(|(name, value)| (Cow::Borrowed(*name), value.clone().into_owned())).collect();
        self.look_up(key, Some(&values))
    }

    fn look_up(self, key: &str, values: Option<&HashMap<Cow<'static, str>, FluentValue<'_>>>) -> String {
        CATALOGUES.try_lookup_complete(&self.identifier(), key, values).unwrap_or_else(|| {
            // A test proves that templates and error codes have their messages; the key is better than a panic.
            tracing::error!(key, language = self.code(), "there is no such message");
            key.to_owned()
        })
    }

    /// Whether the message exists, without placeables, in this very language, not by falling back.
    pub fn has(self, key: &str) -> bool {
        CATALOGUES.lookup_single_language::<&str>(&self.identifier(), key, None).is_ok()
    }

    fn identifier(self) -> LanguageIdentifier {
        match self {
            Self::French => FRENCH,
            Self::English => ENGLISH,
        }
    }
}

fn accepted(headers: &HeaderMap) -> Option<Language> {
    let mut best = None;
    for range in
        headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','))
    {
        let mut parts = range.split(';');
        let tag = parts.next().unwrap_or_default().trim();
        let quality = parts.find_map(|p| p.trim().strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        let primary = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let Some(language) = Language::from_code(&primary) else { continue };
        if quality > best.map_or(0.0, |(_, q)| q) {
            best = Some((language, quality));
        }
    }
    best.map(|(language, _)| language)
}
