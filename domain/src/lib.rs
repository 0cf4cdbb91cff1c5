//! What may happen, and why: aggregates, commands, events, errors and decisions.
//!
//! Pure: no clock, no randomness, no I/O. Whatever a decision needs is passed in.

pub mod context;
pub mod ids;
pub mod personal;
