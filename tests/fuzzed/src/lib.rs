//! What is fuzzed: each target takes any bytes and panics when something does not hold that must hold for all.
//!
//! The targets live here, in the main workspace, so that ordinary tests replay the corpus; `fuzz/` feeds them to
//! libFuzzer (`docs/faults.md`).

mod bytes;
mod checkpoint;
mod event;
mod leaf;
mod school_files;

pub use checkpoint::checkpoint;
pub use event::event;
pub use leaf::leaf;
pub use school_files::{ONDE, SIECLE, pair, school_files};

/// A target's name, which is also its corpus's, and what it runs.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 8] = [
    ("event", event),
    ("leaf", leaf),
    ("checkpoint", checkpoint),
    ("siecle", |data| school_files(data, SIECLE)),
    ("onde", |data| school_files(data, ONDE)),
    ("authorization", api::oidc::fuzzing::authorization),
    ("client", api::oidc::fuzzing::client_authentication),
    ("token", api::oidc::fuzzing::token),
];

/// Runs the target of this name.
///
/// # Panics
/// There is none, or something does not hold.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).expect("a target of this name");
    target(data);
}
