//! The ledger against a real PostgreSQL.

mod access;
mod append;
mod checkpoint;
mod crashes;
mod golden;
mod golden_events;
mod guards;
mod manifests;
mod outside;
mod public_tools;
mod races;
mod reading;
mod rotation;
mod sealing;
mod stores;
mod support;
mod tree;
