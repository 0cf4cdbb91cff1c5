//! Sample exports of any size: plainly fictional people, seeded, the same byte for byte each time.
//!
//! A [`World`] derives every family from the seed and the family's number alone, so exports are
//! written in bounded memory, and a *later* export of the same world ([`SampleSpec::later`])
//! shows the same people after transfers, corrections and changed numbers.
//!
//! The people live in both kinds of school: families with children in a collège of one académie
//! and an école of another, separated parents, twins, homonyms, guardians of all three levels,
//! adult pupils, double enrolments, departures, incomplete records, and, at a rate asked for,
//! records that a reader must refuse. Telephone numbers lie in ranges nobody can own, addresses
//! at example.org.

mod demo;
mod files;
mod names;
mod onde;
mod people;
mod siecle;
mod world;

pub use demo::{DemoChild, DemoGuardian, DemoSet, write_demo};
pub use files::{SampleSummary, write_samples};
pub use people::{Enrolment, Fault, SampleChild, SampleGuardian, School};
pub use world::{SampleSpec, World};
