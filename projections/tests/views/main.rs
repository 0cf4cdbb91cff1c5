//! The views against a real PostgreSQL and a real ledger.

mod reads;
mod support;
