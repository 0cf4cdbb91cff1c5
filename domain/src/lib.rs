//! What may happen, and why: aggregates, commands, events, errors and decisions.
//!
//! Pure: no clock, no randomness, no I/O. Whatever a decision needs is passed in.

pub mod account;
pub mod auditor;
pub mod context;
pub mod erasure;
pub mod establishment;
pub mod event;
pub mod guardian;
pub mod identifiers;
pub mod ids;
pub mod initial_access;
pub mod ledger_manifest;
pub mod personal;
pub mod pupil;
pub mod reference;
pub mod relying_party;
pub mod rules;
pub mod samples;

pub use event::{DecodeError, Event};
