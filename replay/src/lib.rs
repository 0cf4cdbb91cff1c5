//! What an auditor asks of the ledger: an account's history, its state at a moment, and proof that nothing was
//! changed. The program `matricule-replay` is its command line.

pub mod account;
pub mod bundle;
pub mod check;
pub mod history;
pub mod incident;
pub mod language;
pub mod offline;
pub mod source;
pub mod state;
pub mod trace;
pub mod words;
