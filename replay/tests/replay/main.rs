//! The auditor's program against a real ledger.

mod bundles;
mod digests;
mod mutations;
mod questions;
mod siem;
mod support;
mod telling;
mod witness;
mod words;
