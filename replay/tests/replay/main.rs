//! The auditor's program against a real ledger.

mod checking;
mod questions;
mod support;
mod telling;
mod witness;
mod words;
