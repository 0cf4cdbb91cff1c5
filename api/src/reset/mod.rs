//! Lost login or password.
//!
//! - By the guardian ([`start`]): login and mobile, or the identity form of activation; then the code, the login and
//!   a new password, on the pages of [`crate::activation`].
//! - By an operator ([`operator`]): a provisional password, for pupils above all.
//! - By an operator too ([`second_factor`]): an end to second factors that the holder has lost.

pub mod operator;
pub mod second_factor;
mod start;
#[cfg(test)]
mod tests;

pub use start::{ResetPage, reset, reset_by_identity, show_reset};
