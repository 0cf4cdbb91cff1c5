//! What an auditor asks of the ledger: an account's history, its state at a moment and why it is so, which events fit
//! a filter, and proof that nothing was changed. The program `matricule-replay` is its command line.

pub mod account;
pub mod bundle;
pub mod check;
pub mod diff;
pub mod digest;
pub mod events;
pub mod explain;
pub mod fields;
pub mod fold;
pub mod history;
pub mod incident;
pub mod language;
pub mod moment;
pub mod offline;
pub mod questions;
pub mod rules;
pub mod siem;
pub mod source;
pub mod state;
pub mod told;
pub mod trace;
pub mod who_saw;
pub mod witness;
pub mod words;
