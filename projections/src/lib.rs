//! The views: what the ledger says, in the shape in which it is read.
//!
//! Each projection is a folder with its tables (`tables.sql`), its rows (`rows.rs`), how events change them
//! (`mod.rs`) and what is read from them (`reads.rs`). [`Runner`] keeps them caught up; [`Views`] is what the rest of
//! the service reads; [`rebuild()`] and [`compare()`] make a view again from the first event.
//!
//! Views are for showing and for claims. They lag the ledger by about a millisecond and no security decision reads
//! them; whoever must see their own write waits with [`Views::caught_up`].

pub mod accounts;
pub mod audit;
mod batch;
mod compare;
mod halt;
mod pages;
pub mod people;
pub mod poison;
mod progress;
mod projection;
mod rebuild;
mod row;
mod runner;
pub mod services;
mod session;
mod tables;
pub mod testing;
mod views;
mod writes;

pub use compare::{ComparedTable, Comparison, Difference, DifferenceKind, compare};
pub use progress::CaughtUpError;
pub use projection::{Fault, Name, UnknownProjection};
pub use rebuild::{RebuildError, Skipped, rebuild, rebuild_with};
pub use runner::Runner;
pub use tables::install;
pub use views::{Child, Person, Views};
