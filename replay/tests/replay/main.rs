//! The auditor's program against a real ledger.

mod bundles;
mod mutations;
mod questions;
mod support;
mod telling;
mod witness;
mod words;
