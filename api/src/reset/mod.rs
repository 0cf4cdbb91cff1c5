//! Lost login or password.
//!
//! - By the guardian ([`start`]): login and mobile, or the identity form of activation; then the code, the login and
//!   a new password, on the pages of [`crate::activation`].
//! - By an operator ([`operator`]): a provisional password, for pupils above all.

pub mod operator;
mod start;
#[cfg(test)]
mod tests;

pub use start::{ResetPage, reset, reset_by_identity, show_reset};
