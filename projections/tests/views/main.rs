//! The views against a real PostgreSQL and a real ledger.

mod poison;
mod reads;
mod rebuilding;
mod running;
mod support;
