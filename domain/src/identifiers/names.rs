//! Folding of names, so that two spellings of one name compare equal.
//!
//! A table of our own rather than a transliteration library: the domain stays without further
//! dependencies, and what counts as the same name is a rule to read in one place.

use super::E164;

/// Folds a name for comparison: lower case, no accents, ligatures spelt out, and every run of
/// spaces, hyphens, apostrophes or dots as one space. Particles (`de`, `du`, `le`) are kept.
///
/// Letters outside the Latin script are kept in lower case.
///
/// ```
/// # use domain::identifiers::fold_name;
/// assert_eq!(fold_name("  Le Cœur-D’Haÿ "), "le coeur d hay");
/// ```
#[must_use]
pub fn fold_name(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    let mut gap = false;
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            open_word(&mut folded, &mut gap);
            folded.push(character.to_ascii_lowercase());
        } else if let Some(base) = latin_base(character) {
            open_word(&mut folded, &mut gap);
            folded.push_str(base);
        } else if is_combining_mark(character) {
            // An accent written apart from its letter: the letter alone remains.
        } else if character.is_alphanumeric() {
            open_word(&mut folded, &mut gap);
            folded.extend(character.to_lowercase());
        } else {
            gap = true;
        }
    }
    folded
}

/// [`fold_name`] without the spaces: `Jean-Pierre`, `JEAN PIERRE` and `Jeanpierre` are one name.
///
/// This is the key to match names on, between exports and with an identity provider.
///
/// ```
/// # use domain::identifiers::match_key;
/// assert_eq!(match_key("De La Fontaine"), match_key("DELAFONTAINE"));
/// ```
#[must_use]
pub fn match_key(name: &str) -> String {
    let mut key = fold_name(name);
    key.retain(|character| character != ' ');
    key
}

/// The value by which a guardian who gives surname, first name and mobile is found again: kind
/// `guardian-match` of the ledger's reservations, of which only the keyed hash is stored.
///
/// A guardian with a birth name and a name in use is claimed under both. `None` when a name folds to
/// nothing: an empty name must match nobody.
///
/// ```
/// # use domain::identifiers::match_value;
/// let mobile = "+33639980001".parse().unwrap();
/// assert_eq!(match_value("Lefictif-Dô", "Anne Marie", &mobile).unwrap(), "lefictifdo|annemarie|+33639980001");
/// ```
#[must_use]
pub fn match_value(surname: &str, given_name: &str, mobile: &E164) -> Option<String> {
    let (surname, given_name) = (match_key(surname), match_key(given_name));
    (!surname.is_empty() && !given_name.is_empty()).then(|| format!("{surname}|{given_name}|{mobile}"))
}

fn open_word(folded: &mut String, gap: &mut bool) {
    if *gap && !folded.is_empty() {
        folded.push(' ');
    }
    *gap = false;
}

fn is_combining_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}')
}

/// The ASCII letters of a Latin letter with a diacritic or of a ligature.
#[rustfmt::skip] // one line per base letter reads as the table it is
fn latin_base(character: char) -> Option<&'static str> {
    Some(match character {
        'À'..='Å' | 'à'..='å' | 'Ā'..='ą' | 'Ǎ' | 'ǎ' => "a",
        'Æ' | 'æ' => "ae",
        'Ç' | 'ç' | 'Ć'..='č' => "c",
        'Ď'..='đ' | 'Ð' | 'ð' => "d",
        'È'..='Ë' | 'è'..='ë' | 'Ē'..='ě' => "e",
        'Ĝ'..='ģ' | 'Ǧ' | 'ǧ' => "g",
        'Ĥ'..='ħ' => "h",
        'Ì'..='Ï' | 'ì'..='ï' | 'Ĩ'..='ı' | 'Ǐ' | 'ǐ' => "i",
        'Ĳ' | 'ĳ' => "ij",
        'Ĵ' | 'ĵ' => "j",
        'Ķ'..='ĸ' => "k",
        'Ĺ'..='ł' => "l",
        'Ñ' | 'ñ' | 'Ń'..='ŋ' => "n",
        'Ò'..='Ö' | 'Ø' | 'ò'..='ö' | 'ø' | 'Ō'..='ő' | 'Ǒ' | 'ǒ' | 'Ơ' | 'ơ' => "o",
        'Œ' | 'œ' => "oe",
        'Ŕ'..='ř' => "r",
        'Ś'..='š' | 'Ș' | 'ș' | 'ſ' => "s",
        'ß' | 'ẞ' => "ss",
        'Ţ'..='ŧ' | 'Ț' | 'ț' => "t",
        'Þ' | 'þ' => "th",
        'Ù'..='Ü' | 'ù'..='ü' | 'Ũ'..='ų' | 'Ǔ' | 'ǔ' | 'Ư' | 'ư' => "u",
        'Ŵ' | 'ŵ' => "w",
        'Ý' | 'ý' | 'ÿ' | 'Ŷ'..='Ÿ' => "y",
        'Ź'..='ž' => "z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_meet() {
        for (one, other) in [
            ("Éléonore", "ELEONORE"),
            ("Jean-Pierre", "jean pierre"),
            ("N'Guessan", "N’GUESSAN"),
            ("Œuvrard", "oeuvrard"),
            ("L’Haÿ", "l'hay"),
            ("Ferreira  da Conceição", "FERREIRA DA CONCEICAO"),
            ("e\u{301}ric", "Éric"),
            ("Šimůnek", "simunek"),
            ("Łukasz", "LUKASZ"),
            ("Groß", "gross"),
            ("Æbeltoft", "aebeltoft"),
            ("\u{a0}Ÿ.\u{a0}", "y"),
        ] {
            assert_eq!(fold_name(one), fold_name(other), "{one} / {other}");
        }
    }

    #[test]
    fn different_names_stay_apart() {
        for (one, other) in [("Marie-Anne", "Marianne"), ("de Brie", "Brie"), ("Léa", "Léo")] {
            assert_ne!(match_key(one), match_key(other), "{one} / {other}");
        }
    }

    #[test]
    fn particles_are_kept_and_words_are_separated_by_one_space() {
        assert_eq!(fold_name("  de   LA Fontaine "), "de la fontaine");
        assert_eq!(fold_name("-'-"), "");
        assert_eq!(match_key("d'Arc"), "darc");
    }

    #[test]
    fn a_guardian_is_found_under_any_spelling_but_never_under_an_empty_name() {
        let mobile: E164 = "+33639980001".parse().unwrap();
        let known = match_value("D’Haÿ-Fictif", "Éloïse", &mobile);
        assert_eq!(known, match_value("DHAY FICTIF", "eloise", &mobile));
        assert_ne!(known, match_value("DHAY FICTIF", "eloise", &"+33639980002".parse().unwrap()));
        assert_eq!(match_value("-", "Éloïse", &mobile), None);
        assert_eq!(match_value("Fictif", "  ", &mobile), None);
    }

    #[test]
    fn letters_beyond_latin_are_kept() {
        assert_eq!(fold_name("Ωmega"), "ωmega");
    }
}
