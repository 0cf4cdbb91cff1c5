//! Which passwords may be chosen.
//!
//! Length first, then what guessers try first: passwords known from leaks (the list that zxcvbn carries), words
//! of the circumstances (the person's own names and login, the service's, the school's), rows of keys, dates,
//! repetitions. No rule on kinds of characters: such rules give `Motdepasse1!` (CNIL 2022-100, NIST SP 800-63B-4).

use super::{Password, Settings};
use domain::identifiers::match_key;
use zxcvbn::matching::patterns::MatchPattern;

/// Words anyone would try here, whoever's account it is. Compared without accents, case or separators.
const WORDS_OF_THE_PLACE: &[&str] = &[
    "matricule",
    "ecole",
    "college",
    "lycee",
    "eleve",
    "parent",
    "parents",
    "responsable",
    "professeur",
    "classe",
    "cantine",
    "recreation",
    "rentree",
    "vacances",
    "bulletin",
    "cartable",
    "education",
    "educonnect",
    "pronote",
    "maternelle",
    "primaire",
    "motdepasse",
    "soleil",
    "chouchou",
    "doudou",
    "bonjour",
    "jetaime",
    "azerty",
    "azertyuiop",
    "qwerty",
    "password",
    "school",
    "pupil",
    "student",
    "teacher",
    "france",
    "paris",
    "marseille",
];

/// What a context word leaves must itself be this long, unless the minimum is less.
const REMAINDER: usize = 8;

/// Why a password may not be chosen. Each is explained on the page, with what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Fewer characters than this.
    TooShort {
        /// Fewest accepted.
        min: usize,
    },
    /// More characters than are read.
    TooLong {
        /// Most accepted.
        max: usize,
    },
    /// Among the passwords attackers try first, or nearly so.
    Common,
    /// Little more than the person's name or login.
    OwnName,
    /// Little more than words of school or of this service.
    WordsOfThePlace,
    /// A row of keys, a repetition, a sequence or a date.
    Pattern,
    /// None of these alone, yet quickly guessed.
    Guessable,
    /// The two entries differ.
    Mismatch,
}

impl Weakness {
    /// Name of the message that explains it.
    pub fn message(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "password-too-short",
            Self::TooLong { .. } => "password-too-long",
            Self::Common => "password-common",
            Self::OwnName => "password-own-name",
            Self::WordsOfThePlace => "password-words-of-the-place",
            Self::Pattern => "password-pattern",
            Self::Guessable => "password-guessable",
            Self::Mismatch => "password-mismatch",
        }
    }

    /// The number the message speaks of.
    pub fn number(self) -> usize {
        match self {
            Self::TooShort { min } => min,
            Self::TooLong { max } => max,
            Self::Common | Self::OwnName | Self::WordsOfThePlace | Self::Pattern | Self::Guessable | Self::Mismatch => {
                0
            }
        }
    }
}

/// The policy in force.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    min_length: usize,
    /// Fewest guesses (as a power of ten) an attacker who knows all this must need.
    min_guesses: f64,
}

impl Policy {
    /// From the settings.
    pub fn new(settings: &Settings) -> Self {
        // What zxcvbn's scores mean.
        let min_guesses = match settings.min_score {
            0 => 0.0,
            1 => 3.0,
            2 => 6.0,
            3 => 8.0,
            _ => 10.0,
        };
        Self { min_length: settings.min_length, min_guesses }
    }

    /// Fewest characters accepted, for the page that explains the policy.
    pub fn min_length(&self) -> usize {
        self.min_length
    }

    /// Reads, judges and accepts a password typed twice.
    ///
    /// `own_words`: the person's login, names, children's first names: whatever is known of them.
    ///
    /// # Errors
    /// The first [`Weakness`] found.
    pub fn choose(&self, typed: &str, again: &str, own_words: &[&str]) -> Result<Password, Weakness> {
        let password = Password::read(typed).ok_or(Weakness::TooLong { max: super::MAX_LENGTH })?;
        if Password::read(again).is_none_or(|again| again.as_str() != password.as_str()) {
            return Err(Weakness::Mismatch);
        }
        self.judge(&password, own_words)?;
        Ok(password)
    }

    /// Judges a password.
    ///
    /// # Errors
    /// The first [`Weakness`] found.
    pub fn judge(&self, password: &Password, own_words: &[&str]) -> Result<(), Weakness> {
        if password.length() < self.min_length {
            return Err(Weakness::TooShort { min: self.min_length });
        }
        let own_words: Vec<String> = words(own_words);
        let folded = unleet(&match_key(&letters_for_signs(password.as_str())));
        if self.little_besides(&folded, own_words.iter().map(String::as_str)) {
            return Err(Weakness::OwnName);
        }
        if self.little_besides(&folded, WORDS_OF_THE_PLACE.iter().copied()) {
            return Err(Weakness::WordsOfThePlace);
        }
        // Dates, phone and file numbers: whatever its length, a number is someone's number.
        if password.as_str().chars().all(|c| c.is_numeric() || c.is_whitespace() || c.is_ascii_punctuation()) {
            return Err(Weakness::Pattern);
        }
        let context: Vec<&str> =
            own_words.iter().map(String::as_str).chain(WORDS_OF_THE_PLACE.iter().copied()).collect();
        let estimate = zxcvbn::zxcvbn(password.as_str(), &context);
        if estimate.guesses_log10() >= self.min_guesses {
            return Ok(());
        }
        let length = password.length().min(100);
        let widest = estimate.sequence().iter().max_by_key(|part| part.j - part.i);
        Err(match widest {
            Some(part) if 2 * (part.j - part.i + 1) >= length => match part.pattern {
                MatchPattern::Dictionary(_) => Weakness::Common,
                MatchPattern::Spatial(_)
                | MatchPattern::Repeat(_)
                | MatchPattern::Sequence(_)
                | MatchPattern::Regex(_)
                | MatchPattern::Date(_) => Weakness::Pattern,
                MatchPattern::BruteForce => Weakness::Guessable,
            },
            _ => Weakness::Guessable,
        })
    }

    /// Whether a word is in it and the rest would be too short by itself.
    fn little_besides<'a>(&self, folded: &str, words: impl Iterator<Item = &'a str>) -> bool {
        let mut rest = folded.to_owned();
        let mut words: Vec<&str> = words.collect();
        // Longest first: `parents` must not leave an s behind.
        words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
        for word in words {
            rest = rest.replace(word, "");
        }
        rest.len() < folded.len() && rest.chars().count() < REMAINDER.min(self.min_length)
    }
}

/// The words of names and logins that are long enough to mean anything, folded.
fn words(own: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = own
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()).map(match_key).chain([match_key(text)]))
        .filter(|word| word.chars().count() >= 4)
        .map(|word| unleet(&word))
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The letters that signs stand for.
fn letters_for_signs(text: &str) -> String {
    text.replace('@', "a").replace('$', "s").replace('€', "e")
}

/// The letters that digits stand for in passwords people think clever.
fn unleet(folded: &str) -> String {
    folded
        .chars()
        .map(|c| match c {
            '0' => 'o',
            '1' => 'i',
            '3' => 'e',
            '4' => 'a',
            '5' => 's',
            '7' => 't',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Result<(), Weakness> {
        let policy = Policy::new(&Settings::default());
        policy.judge(&Password::read(text).unwrap(), &["t.lefictif1", "Théodore", "Lefictif-Dô"])
    }

    #[test]
    fn point_32_length_comes_first_and_long_passwords_are_welcome() {
        assert_eq!(judge("kT8#vq!2z"), Err(Weakness::TooShort { min: 12 }));
        assert_eq!(judge("trois girafes mauves chuchotent sous la pluie"), Ok(()));
        assert_eq!(judge(&"cheval agrafe batterie correct; ".repeat(5)), Ok(()));
    }

    #[test]
    fn point_32_no_composition_rule() {
        assert_eq!(judge("girafe mauve chuchote"), Ok(()));
        assert_eq!(judge("дельфин под зонтом"), Ok(()));
    }

    #[test]
    fn point_32_words_of_the_circumstances_are_refused_in_any_disguise() {
        for own in ["theodorelefictif", "Lefictif2026!!", "T.LEFICTIF1-2026", "7h30d0r3-1234!", "lefictifdo123"] {
            assert_eq!(judge(own), Err(Weakness::OwnName), "{own}");
        }
        for place in ["Matricule2026", "M@tricule-école", "Motdepasse123!", "collège-lycée-école", "parentsparents"]
        {
            assert!(judge(place).is_err(), "{place}");
        }
    }

    #[test]
    fn point_32_what_guessers_try_first_is_refused() {
        for (common, weakness) in [
            ("1234567890123", Weakness::Pattern),
            ("12/05/2014-12/05/2016", Weakness::Pattern),
            ("aaaaaaaaaaaaaaa", Weakness::Pattern),
            ("unbelievable", Weakness::Common),
        ] {
            assert_eq!(judge(common), Err(weakness), "{common}");
        }
        for common in ["passwordpassword", "azertyuiopqs", "qwertyuiop12", "iloveyou1234", "12/05/201412052014"] {
            assert!(judge(common).is_err(), "{common}");
        }
    }

    #[test]
    fn both_entries_must_agree() {
        let policy = Policy::new(&Settings::default());
        assert_eq!(policy.choose("girafe mauve chuchote", "girafe mauve", &[]).err(), Some(Weakness::Mismatch));
        assert!(policy.choose("girafe mauve chuchot\u{e9}", "girafe mauve chuchote\u{301}", &[]).is_ok());
    }
}
