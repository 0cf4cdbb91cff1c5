//! The people of a sample, before they are written in the form of a source.

use chrono::NaiveDate;
use domain::identifiers::{Academie, Uai};

/// A school of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct School {
    /// Its UAI, with a right check letter.
    pub uai: Uai,
    /// Its académie.
    pub academie: Academie,
    /// Whether it is a collège or lycée, which exports from SIECLE; an école exports from ONDE.
    pub secondary: bool,
}

/// What is wrong with a record on purpose: a reader must refuse it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A day that does not exist.
    Date,
    /// No first name.
    GivenName,
    /// A national number of no known shape.
    Ine,
}

/// A child of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleChild {
    /// Number in the world, from which identifiers derive.
    pub number: u64,
    /// National number; absent from an incomplete record.
    pub ine: Option<String>,
    /// Name at birth.
    pub family_name: String,
    /// Name in use.
    pub usage_name: Option<String>,
    /// First names.
    pub given_names: Vec<String>,
    /// Date of birth; absent from an incomplete record.
    pub birth_date: Option<NaiveDate>,
    /// Sex.
    pub female: bool,
    /// Class.
    pub class: String,
    /// Date of departure.
    pub left_on: Option<NaiveDate>,
    /// An adult, who is their own guardian.
    pub adult: bool,
    /// What is wrong on purpose.
    pub fault: Option<Fault>,
}

/// A guardian of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleGuardian {
    /// Number in the world, from which identifiers derive.
    pub number: u64,
    /// `M.` or `MME`.
    pub title: &'static str,
    /// Name at birth.
    pub family_name: String,
    /// Name in use.
    pub usage_name: Option<String>,
    /// First name.
    pub given_name: String,
    /// Mobile number, E.164.
    pub mobile: Option<String>,
    /// Number at home, E.164.
    pub home_phone: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Level of responsibility, 1 to 3.
    pub level: u8,
    /// Family tie (`CODE_PARENTE`).
    pub relationship: u8,
    /// Number of the street: parents apart live at two.
    pub street: u64,
    /// Whether ONDE lists the person twice, at two addresses.
    pub listed_twice: bool,
    /// What is wrong on purpose: a first name missing.
    pub fault: Option<Fault>,
}

/// A family as far as it is known to one school.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// Its children in this school, at least one.
    pub children: Vec<SampleChild>,
    /// Their guardians. An adult pupil has none: they are their own.
    pub guardians: Vec<SampleGuardian>,
}

/// Identifier of a person in SIECLE: unique within an académie, different in each.
pub(super) fn person_id(guardian: u64, academie: Academie) -> u64 {
    guardian * 100 + u64::from(academie.code())
}

/// A number as a French form shows it: `06 39 98 00 01`, overseas too.
pub(super) fn national_form(e164: &str) -> String {
    let digits =
        ["+33", "+262", "+590", "+594", "+596"].iter().find_map(|code| e164.strip_prefix(code)).unwrap_or(e164);
    let mut written = String::from("0");
    for (place, digit) in digits.chars().enumerate() {
        if place % 2 == 1 {
            written.push(' ');
        }
        written.push(digit);
    }
    written
}
