//! French first, English second.

use clap::ValueEnum;

/// The language a person reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Français.
    Fr,
    /// English.
    En,
}

impl Language {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Fr, Self::En];

    /// The one asked for, else what the value of `LANG` says; French where it says neither.
    pub fn choose(asked: Option<Self>, lang: Option<&str>) -> Self {
        asked.unwrap_or(match lang {
            Some(lang) if lang.starts_with("en") => Self::En,
            Some(_) | None => Self::Fr,
        })
    }

    /// One of two texts.
    pub(crate) fn of<'t>(self, french: &'t str, english: &'t str) -> &'t str {
        match self {
            Self::Fr => french,
            Self::En => english,
        }
    }
}
