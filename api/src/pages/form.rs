//! What is wrong with a form, for its summary and beside its fields.

/// Errors of a form's fields, in the order of the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormErrors(Vec<(&'static str, String)>);

impl FormErrors {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The field (by the `id` of its control) is wrong; `message`, already in the page's language, says what to
    /// do. The first error of a field counts.
    pub fn add(&mut self, field: &'static str, message: String) {
        if !self.has(field) {
            self.0.push((field, message));
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this field is wrong.
    pub fn has(&self, field: &str) -> bool {
        self.0.iter().any(|(name, _)| *name == field)
    }

    /// What is wrong with this field; empty if nothing is.
    pub fn of(&self, field: &str) -> &str {
        self.0.iter().find(|(name, _)| *name == field).map_or("", |(_, message)| message)
    }

    /// All, for the summary.
    pub fn all(&self) -> &[(&'static str, String)] {
        &self.0
    }
}
