//! The ledger against a real PostgreSQL.

mod append;
mod support;
