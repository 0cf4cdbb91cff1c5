//! `[imports]`: school data.

use domain::identifiers::{Academie, DepartmentTable};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `[imports]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Imports {
    /// SHA-256, hexadecimal, of each token that opens `/api/imports`.
    pub tokens: Vec<String>,
    /// The largest share of an establishment's pupils that may leave by not being in its export, 0 to 1.
    pub departure_share: f64,
    /// Académies of establishments, by the three digits that begin their UAI, where the built-in table is wrong or
    /// does not know them.
    pub academies: BTreeMap<String, Academie>,
}

impl Default for Imports {
    fn default() -> Self {
        Self { tokens: Vec::new(), departure_share: 0.3, academies: BTreeMap::new() }
    }
}

impl Imports {
    /// Which académie an establishment belongs to.
    pub fn departments(&self) -> DepartmentTable {
        let prefixed = self.academies.iter().filter_map(|(prefix, academie)| Some((prefix_of(prefix)?, *academie)));
        prefixed.fold(DepartmentTable::default(), |table, (prefix, academie)| table.with(prefix, academie))
    }

    /// What types can't say.
    pub(super) fn faults(&self) -> Vec<&'static str> {
        let mut faults = Vec::new();
        let digest = |token: &String| token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !self.tokens.iter().all(digest) {
            faults.push("imports.tokens: give the SHA-256 of each token, 64 hexadecimal digits, not the token itself");
        }
        if !(0.0..=1.0).contains(&self.departure_share) {
            faults.push("imports.departure_share: a number from 0 to 1");
        }
        if !self.academies.keys().all(|prefix| prefix_of(prefix).is_some()) {
            faults.push("imports.academies: each key is the three digits that begin a UAI, such as \"620\"");
        }
        faults
    }
}

fn prefix_of(digits: &str) -> Option<u16> {
    let three = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    three.then(|| digits.parse().ok()).flatten()
}
