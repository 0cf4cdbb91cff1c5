//! Names that are plainly made up, with every letter ISO-8859-15 adds to ASCII for French.

/// Beginnings and endings of surnames: 24 × 24 of them, and twice that squared with a hyphen.
const STEMS: [&str; 24] = [
    "Fict",
    "Exempl",
    "Imagin",
    "Invent",
    "Suppos",
    "Modèl",
    "Échantill",
    "Hypothét",
    "Fabul",
    "Rêv",
    "Simul",
    "Fant",
    "Prétend",
    "Apocryph",
    "Romanc",
    "Légend",
    "Mirag",
    "Pseud",
    "Chimèr",
    "Théor",
    "Virtu",
    "Illus",
    "Cœur",
    "Façad",
];
const ENDINGS: [&str; 24] = [
    "ard", "eau", "ière", "ois", "ÿ", "œuf", "et", "in", "aud", "ellier", "ançon", "êt", "ou", "ier", "aine", "olles",
    "igny", "abel", "orge", "ïs", "umont", "eric", "onne", "ùs",
];

/// Common first names with the sex they are given to here.
const GIVEN: [(&str, bool); 48] = [
    ("Zoé", true),
    ("Léo", false),
    ("Chloé", true),
    ("Noël", false),
    ("Maëlys", true),
    ("François", false),
    ("Inès", true),
    ("Jérôme", false),
    ("Anaïs", true),
    ("Loïc", false),
    ("Éléonore", true),
    ("Théo", false),
    ("Jeanne", true),
    ("Hugo", false),
    ("Louise", true),
    ("Gaël", false),
    ("Marie-Ève", true),
    ("Jean-Noël", false),
    ("Awa", true),
    ("Mohamed", false),
    ("Lucie", true),
    ("Aurélien", false),
    ("Sofia", true),
    ("Raphaël", false),
    ("Camille", true),
    ("Benoît", false),
    ("Fatou", true),
    ("Étienne", false),
    ("Océane", true),
    ("Yanis", false),
    ("Clémence", true),
    ("Maxime", false),
    ("Adèle", true),
    ("Kévin", false),
    ("Apolline", true),
    ("Rémi", false),
    ("Solène", true),
    ("Gaétan", false),
    ("Mélissa", true),
    ("Çétin", false),
    ("Ana Sofía", true),
    ("Ibrahim", false),
    ("Rose", true),
    ("Joël", false),
    ("Hélène", true),
    ("Cédric", false),
    ("Lætitia", true),
    ("Ulysse", false),
];

/// Number of simple surnames.
const SIMPLE: u64 = (STEMS.len() * ENDINGS.len()) as u64;

/// A surname by number: simple, hyphenated, or with a particle or an apostrophe.
pub(super) fn surname(number: u64) -> String {
    let simple = |number: u64| {
        let number = (number % SIMPLE) as usize;
        format!("{}{}", STEMS[number / ENDINGS.len()], ENDINGS[number % ENDINGS.len()])
    };
    let (first, rest) = (simple(number), number / SIMPLE);
    match rest % 8 {
        0..=3 => first,
        4 => format!("{first}-{}", simple(rest / 8)),
        5 => format!("de {first}"),
        6 => format!("L'{first}"),
        _ => format!("Le {first} {}", simple(rest / 8)),
    }
}

/// A first name by number, and whether it is a girl's here.
pub(super) fn given_name(number: u64) -> (&'static str, bool) {
    GIVEN[(number % GIVEN.len() as u64) as usize]
}

/// A first name of the sex asked for.
pub(super) fn given_name_of(number: u64, female: bool) -> &'static str {
    let (name, sex) = given_name(number);
    if sex == female { name } else { given_name(number + 1).0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_fits_the_encoding_of_the_exports() {
        for number in 0..10 * SIMPLE {
            assert!(!encoding_rs::ISO_8859_15.encode(&surname(number)).2);
        }
        for (name, _) in GIVEN {
            assert!(!encoding_rs::ISO_8859_15.encode(name).2, "{name}");
        }
    }

    #[test]
    fn first_names_alternate_so_that_a_neighbour_has_the_other_sex() {
        for pair in GIVEN.windows(2) {
            assert_ne!(pair[0].1, pair[1].1);
        }
        assert_ne!(GIVEN[0].1, GIVEN[GIVEN.len() - 1].1);
    }
}
