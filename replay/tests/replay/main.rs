//! The auditor's program against a real ledger.

mod checking;
mod digests;
mod questions;
mod siem;
mod support;
mod telling;
mod witness;
mod words;
