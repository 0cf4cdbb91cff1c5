//! Forms: what was sent, and what is wrong with it.

use crate::app::App;
use crate::incident::AppError;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use chrono::NaiveDate;
use std::fmt;
use zeroize::Zeroizing;

/// Fields in one form at most.
const MOST: usize = 200;

/// The fields of a form as they were sent. An extractor: a field given twice, or a body that is no form, is a bad
/// request. Values may be personal or secret, so they are wiped when dropped and never printed.
pub struct Fields(Vec<(String, Zeroizing<String>)>);

/// Prints the names only.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Fields {
    /// What was typed, without the spaces around it; empty where there is no such field.
    pub fn text(&self, name: &str) -> &str {
        self.exact(name).trim()
    }

    /// What was typed, space for space: for passwords.
    pub fn exact(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// Whether a box was ticked, or a button pressed.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }

    /// The digits of what was typed: for codes, which people group as they like.
    pub fn digits(&self, name: &str) -> String {
        self.exact(name).chars().filter(char::is_ascii_digit).collect()
    }

    /// The date of the macro `form::date`.
    pub fn date(&self, name: &str) -> DateInput {
        let part = |suffix: &str| self.text(&format!("{name}{suffix}")).to_owned();
        DateInput { day: part(""), month: part("-month"), year: part("-year") }
    }

    fn parse(body: &[u8]) -> Result<Self, AppError> {
        let mut fields: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if fields.len() == MOST || fields.iter().any(|(field, _)| *field == name) {
                return Err(AppError::bad_request().because("a field is given twice, or there are too many"));
            }
            fields.push((name.into_owned(), Zeroizing::new(value.into_owned())));
        }
        Ok(Self(fields))
    }
}

impl FromRequest<App> for Fields {
    type Rejection = AppError;

    async fn from_request(request: Request, app: &App) -> Result<Self, AppError> {
        if !is_form(request.headers()) {
            return Err(AppError::bad_request().because("not a form"));
        }
        match Bytes::from_request(request, app).await {
            Ok(body) => Self::parse(&body),
            Err(rejection) if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE => {
                Err(AppError::refused(rejection.status(), "too-large"))
            }
            Err(_) => Err(AppError::bad_request().because("the body broke off")),
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

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
    fn fields_are_read_once_each() {
        let fields = Fields::parse(b"name=+Fictif+&code=12+34-56&secret=+a+b+&report=yes").unwrap();
        assert_eq!((fields.text("name"), fields.exact("secret")), ("Fictif", " a b "));
        assert_eq!(fields.digits("code"), "123456");
        assert!(fields.has("report") && !fields.has("other"));
        assert!(!format!("{fields:?}").contains("Fictif"));
        assert_eq!(Fields::parse(b"a=1&a=2").unwrap_err().code(), "bad-request");
        assert!(Fields::parse("a=&".repeat(300).as_bytes()).is_err());
    }

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
