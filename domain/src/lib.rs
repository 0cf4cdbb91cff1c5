//! Placeholder.

pub mod identifiers;
