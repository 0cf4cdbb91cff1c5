//! Personal data inside events.
//!
//! A [`Personal`] field knows whose it is and can be read in memory, but it never serialises its value and
//! never prints it: the plain JSON of an event, a log line or a panic message can't leak it. The ledger takes
//! the values out as *segments*, seals each with its subject's own key, and puts them back on reading. Where
//! the key is gone, the reader gets a typed [`Erased`], never an empty value.

use crate::ids::SubjectId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The value was personal and its subject's key has been destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("personal data of {0} was erased")]
pub struct Erased(pub SubjectId);

/// A personal value and the person whose key seals it.
#[derive(Clone, PartialEq, Eq)]
pub struct Personal<T> {
    subject: SubjectId,
    content: Content<T>,
}

#[derive(Clone, PartialEq, Eq)]
enum Content<T> {
    Clear(T),
    /// Read from plain JSON, segment not put back yet.
    Sealed,
    Erased,
}

impl<T> Personal<T> {
    /// A value in clear, to be sealed with the key of `subject`.
    pub fn new(subject: impl Into<SubjectId>, value: T) -> Self {
        Self { subject: subject.into(), content: Content::Clear(value) }
    }

    /// A value that can no longer be read.
    pub fn erased(subject: impl Into<SubjectId>) -> Self {
        Self { subject: subject.into(), content: Content::Erased }
    }

    /// Whose data this is.
    pub fn subject(&self) -> SubjectId {
        self.subject
    }

    /// The value, unless its subject was erased.
    ///
    /// # Errors
    /// [`Erased`] where the key is gone. A field that was never put back reads as erased too: failing closed.
    pub fn get(&self) -> Result<&T, Erased> {
        match &self.content {
            Content::Clear(value) => Ok(value),
            Content::Sealed | Content::Erased => Err(Erased(self.subject)),
        }
    }

    /// The value, or `None` after erasure, for callers to whom both mean "nothing to show".
    pub fn known(&self) -> Option<&T> {
        self.get().ok()
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.content {
            Content::Clear(_) => "clear",
            Content::Sealed => "sealed",
            Content::Erased => "erased",
        };
        write!(f, "Personal({}, {state})", self.subject)
    }
}

/// The wire form: whose, never what.
#[derive(Serialize, Deserialize)]
struct Whose {
    subject: SubjectId,
}

impl<T> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Whose { subject: self.subject }.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Whose { subject } = Whose::deserialize(deserializer)?;
        Ok(Self { subject, content: Content::Sealed })
    }
}

/// One sealable piece of an event, as the ledger sees it.
pub trait Segment: Send {
    /// Whose key seals it.
    fn subject(&self) -> SubjectId;
    /// The value as JSON bytes; `None` when it is not in clear.
    fn plaintext(&self) -> Option<Vec<u8>>;
    /// Puts the opened value back.
    ///
    /// # Errors
    /// When the bytes are not the JSON of the field's type.
    fn reveal(&mut self, plaintext: &[u8]) -> Result<(), serde_json::Error>;
    /// Marks the value as gone.
    fn erase(&mut self);
}

impl<T: Serialize + DeserializeOwned + Send> Segment for Personal<T> {
    fn subject(&self) -> SubjectId {
        self.subject
    }

    fn plaintext(&self) -> Option<Vec<u8>> {
        match &self.content {
            Content::Clear(value) => serde_json::to_vec(value).ok(),
            Content::Sealed | Content::Erased => None,
        }
    }

    fn reveal(&mut self, plaintext: &[u8]) -> Result<(), serde_json::Error> {
        self.content = Content::Clear(from_json(plaintext)?);
        Ok(())
    }

    fn erase(&mut self) {
        self.content = Content::Erased;
    }
}

/// Decodes JSON bytes: looks once whether they are UTF-8, where serde_json looks at every string.
///
/// # Errors
/// When the bytes are not the JSON of the type.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_str(std::str::from_utf8(bytes).map_err(serde::de::Error::custom)?)
}

/// Implemented by every event: its personal fields, always in the same order.
pub trait Sealable {
    /// The personal fields. The order is part of the stored format: append, never reorder.
    fn segments(&mut self) -> Vec<&mut dyn Segment>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn neither_json_nor_debug_shows_the_value() {
        let name = Personal::new(SubjectId(Uuid::nil()), "Fictif".to_owned());
        assert!(!serde_json::to_string(&name).unwrap().contains("Fictif"));
        assert!(!format!("{name:?}").contains("Fictif"));
    }

    #[test]
    fn a_value_comes_back_only_from_its_segment() {
        let clear = Personal::new(SubjectId(Uuid::nil()), "Fictif".to_owned());
        let mut read: Personal<String> = serde_json::from_str(&serde_json::to_string(&clear).unwrap()).unwrap();
        assert!(read.get().is_err());
        read.reveal(&clear.plaintext().unwrap()).unwrap();
        assert_eq!(read, clear);
        read.erase();
        assert_eq!(read.get(), Err(Erased(clear.subject())));
    }
}
