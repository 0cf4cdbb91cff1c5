//! Imports into a real ledger with real views: whole exports in, what became of the people out.

mod accounts;
mod http;
mod onde;
mod refusals;
mod sample;
mod schools;
mod support;
