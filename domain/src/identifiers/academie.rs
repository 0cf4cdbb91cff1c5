//! Académies, and which one a department belongs to.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{Uai, serde_as_text};

/// Codes and names of the académies.
const NAMES: &[(u8, &str)] = &[
    (1, "Paris"),
    (2, "Aix-Marseille"),
    (3, "Besançon"),
    (4, "Bordeaux"),
    (5, "Caen"),
    (6, "Clermont-Ferrand"),
    (7, "Dijon"),
    (8, "Grenoble"),
    (9, "Lille"),
    (10, "Lyon"),
    (11, "Montpellier"),
    (12, "Nancy-Metz"),
    (13, "Poitiers"),
    (14, "Rennes"),
    (15, "Strasbourg"),
    (16, "Toulouse"),
    (17, "Nantes"),
    (18, "Orléans-Tours"),
    (19, "Reims"),
    (20, "Amiens"),
    (21, "Rouen"),
    (22, "Limoges"),
    (23, "Nice"),
    (24, "Créteil"),
    (25, "Versailles"),
    (27, "Corse"),
    (28, "La Réunion"),
    (31, "Martinique"),
    (32, "Guadeloupe"),
    (33, "Guyane"),
    (40, "Nouvelle-Calédonie"),
    (41, "Polynésie française"),
    (42, "Wallis-et-Futuna"),
    (43, "Mayotte"),
    (44, "Saint-Pierre-et-Miquelon"),
    (70, "Normandie"),
    (98, "Enseignement agricole"),
];

/// Departments of each académie, by the three digits that begin a UAI.
///
/// Public code lists of départements and UAIs in use agree on them: 620 and 720 are Corse-du-Sud and Haute-Corse, 977
/// and 978 Saint-Barthélemy and Saint-Martin, which belong to Guadeloupe, 983 and 984 what the INSEE numbers 988 and
/// 987. Normandie is one académie (70) since 2020. A default that [`DepartmentTable::with`] overrides.
const DEPARTMENTS: &[(u8, &[u16])] = &[
    (1, &[75]),
    (2, &[4, 5, 13, 84]),
    (3, &[25, 39, 70, 90]),
    (4, &[24, 33, 40, 47, 64]),
    (6, &[3, 15, 43, 63]),
    (7, &[21, 58, 71, 89]),
    (8, &[7, 26, 38, 73, 74]),
    (9, &[59, 62]),
    (10, &[1, 42, 69]),
    (11, &[11, 30, 34, 48, 66]),
    (12, &[54, 55, 57, 88]),
    (13, &[16, 17, 79, 86]),
    (14, &[22, 29, 35, 56]),
    (15, &[67, 68]),
    (16, &[9, 12, 31, 32, 46, 65, 81, 82]),
    (17, &[44, 49, 53, 72, 85]),
    (18, &[18, 28, 36, 37, 41, 45]),
    (19, &[8, 10, 51, 52]),
    (20, &[2, 60, 80]),
    (22, &[19, 23, 87]),
    (23, &[6, 83]),
    (24, &[77, 93, 94]),
    (25, &[78, 91, 92, 95]),
    (27, &[620, 720]),
    (28, &[974]),
    (31, &[972]),
    (32, &[971, 977, 978]),
    (33, &[973]),
    (40, &[983, 988]),
    (41, &[984, 987]),
    (42, &[986]),
    (43, &[976]),
    (44, &[975]),
    (70, &[14, 27, 50, 61, 76]),
];

/// An académie, by its code of two digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Academie(u8);

/// No académie has this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no académie has this code; expected two digits such as 01 (Paris)")]
pub struct UnknownAcademie;

impl Academie {
    /// The académie with this code.
    ///
    /// # Errors
    /// [`UnknownAcademie`] when no académie has it.
    pub fn from_code(code: u8) -> Result<Self, UnknownAcademie> {
        NAMES.iter().find(|(known, _)| *known == code).map(|_| Self(code)).ok_or(UnknownAcademie)
    }

    /// Its code, 1 to 98.
    #[must_use]
    pub fn code(self) -> u8 {
        self.0
    }

    /// Its name, in French.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(code, _)| *code == self.0).map_or("", |(_, name)| name)
    }

    /// Every académie, in the order of the codes.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(code, _)| Self(*code))
    }
}

impl fmt::Display for Academie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

impl fmt::Debug for Academie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Academie({:02} {})", self.0, self.name())
    }
}

impl FromStr for Academie {
    type Err = UnknownAcademie;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() != 2 {
            return Err(UnknownAcademie);
        }
        Self::from_code(text.parse().map_err(|_| UnknownAcademie)?)
    }
}

serde_as_text!(Academie);

/// Which académie the three leading digits of a UAI belong to.
///
/// The default table can be corrected by configuration, one prefix at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DepartmentTable {
    overrides: BTreeMap<u16, Academie>,
}

impl DepartmentTable {
    /// The same table where `prefix` (the number its three digits write) belongs to `academie`.
    #[must_use]
    pub fn with(mut self, prefix: u16, academie: Academie) -> Self {
        self.overrides.insert(prefix, academie);
        self
    }

    /// The académie of an establishment, or `None` when its prefix is in no table.
    #[must_use]
    pub fn academie_of(&self, uai: Uai) -> Option<Academie> {
        let prefix: u16 = uai.department_prefix().parse().ok()?;
        self.overrides.get(&prefix).copied().or_else(|| {
            DEPARTMENTS.iter().find(|(_, departments)| departments.contains(&prefix)).map(|(code, _)| Academie(*code))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn academie_of(uai: &str) -> Option<Academie> {
        DepartmentTable::default().academie_of(uai.parse().unwrap())
    }

    #[test]
    fn the_prefix_of_the_uai_leads_to_the_academie() {
        for (uai, name) in [
            ("0750001U", "Paris"),
            ("0590001A", "Lille"),
            ("6200001A", "Corse"),
            ("7200001A", "Corse"),
            ("9710001A", "Guadeloupe"),
            ("9720001A", "Martinique"),
            ("9730001A", "Guyane"),
            ("9740001A", "La Réunion"),
            ("9750001A", "Saint-Pierre-et-Miquelon"),
            ("9760001A", "Mayotte"),
            ("9780001A", "Guadeloupe"),
            ("9830001A", "Nouvelle-Calédonie"),
            ("9840001A", "Polynésie française"),
            ("9860001A", "Wallis-et-Futuna"),
            ("0760001A", "Normandie"),
        ] {
            assert_eq!(academie_of(uai).unwrap().name(), name, "{uai}");
        }
        assert_eq!(academie_of("9990001A"), None);
    }

    #[test]
    fn the_table_names_each_department_once_and_only_known_academies() {
        let mut seen = BTreeSet::new();
        for (code, departments) in DEPARTMENTS {
            assert!(Academie::from_code(*code).is_ok());
            for department in *departments {
                assert!(seen.insert(department), "{department} twice");
            }
        }
        for metropolitan in (1..=95).filter(|department| *department != 20) {
            assert!(seen.contains(&metropolitan), "{metropolitan} missing");
        }
    }

    #[test]
    fn configuration_overrides_a_prefix() {
        let table = DepartmentTable::default().with(76, Academie::from_code(21).unwrap());
        let academie = table.academie_of("0760001A".parse().unwrap()).unwrap();
        assert_eq!(academie.name(), "Rouen");
    }

    #[test]
    fn the_text_form_is_two_digits() {
        let paris: Academie = "01".parse().unwrap();
        assert_eq!(paris.to_string(), "01");
        assert!("1".parse::<Academie>().is_err());
        assert!("26".parse::<Academie>().is_err());
    }
}
