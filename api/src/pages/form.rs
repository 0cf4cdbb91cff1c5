//! Forms: what was typed, to show again, and what is wrong with it.

use chrono::NaiveDate;
use std::fmt;

/// A date as typed into three fields, to show again as it was or to read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DateInput {
    /// Day of the month.
    pub day: String,
    /// Month, as a number.
    pub month: String,
    /// Year, with its century.
    pub year: String,
}

/// A birth date is personal.
impl fmt::Debug for DateInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DateInput")
    }
}

impl DateInput {
    /// Whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.day.is_empty() && self.month.is_empty() && self.year.is_empty()
    }

    /// The date, if there is such a day, in a year of four digits.
    pub fn read(&self) -> Option<NaiveDate> {
        let number = |text: &str, longest: usize| {
            (text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| text.parse::<u32>().ok())?
        };
        let year = number(&self.year, 4).filter(|year| *year >= 1000)?;
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, number(&self.month, 2)?, number(&self.day, 2)?)
    }
}

/// Errors of a form's fields, in the order of the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormErrors(Vec<(String, String)>);

impl FormErrors {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The field (by the `id` of its control) is wrong; `message`, in the page's language, says what to do. It may
    /// repeat nothing that was typed. The first error of a field counts.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        let field = field.into();
        if !self.has(&field) {
            self.0.push((field, message.into()));
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this field is wrong.
    pub fn has(&self, field: &str) -> bool {
        self.0.iter().any(|(name, _)| name == field)
    }

    /// What is wrong with this field; empty if nothing is.
    pub fn of(&self, field: &str) -> &str {
        self.0.iter().find(|(name, _)| name == field).map_or("", |(_, message)| message)
    }

    /// All, for the summary: the field's id and the message.
    pub fn all(&self) -> &[(String, String)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_day_that_exists() {
        let read = |day: &str, month: &str, year: &str| {
            DateInput { day: day.into(), month: month.into(), year: year.into() }.read()
        };
        assert_eq!(read("3", "09", "2012"), NaiveDate::from_ymd_opt(2012, 9, 3));
        assert_eq!(read("29", "2", "2012"), NaiveDate::from_ymd_opt(2012, 2, 29));
        for (day, month, year) in
            [("29", "2", "2013"), ("3", "9", "12"), ("+3", "9", "2012"), ("", "", ""), ("1", "13", "2012")]
        {
            assert_eq!(read(day, month, year), None, "{day}/{month}/{year}");
        }
    }
}
