//! Bundles: one file that an auditor can keep and verify without the service, its database or this program.
//!
//! A bundle is a zip:
//!
//! | File | Holds |
//! |---|---|
//! | `bundle.json` | what the bundle is about, for which purpose, its streams and positions, versions ([`Index`]) |
//! | `checkpoint` | the signed, perhaps cosigned checkpoint (C2SP tlog-checkpoint); not there before the first |
//! | `vkeys` | the verifier keys under which the exporter knows it, one per line: to be compared, not to be trusted |
//! | `events/<position>.json` | one event, every field that its leaf commits to ([`EventFile`]) |
//! | `events/<position>.entry` | the bytes that its leaf is the hash of |
//! | `events/<position>.proof` | the tlog-proof from the leaf to the checkpoint; not there while it is pending |
//! | `erased.json` | the erased segments, each with the event that erased it |
//! | `report.<language>.html`, `.pdf` | the same for people; proves nothing |
//!
//! Positions are written with twelve digits. Whatever else lies in the zip is refused.

mod archive;
mod completeness;
mod export;
mod format;
mod pdf;
mod report;
mod verify;

pub use archive::{BadArchive, Files};
pub use export::{Exported, Subject, export};
pub use format::{About, EventFile, Index, SegmentFile};
pub use verify::{Answer, EventAnswer, Trust, Verdict, own_log_keys, verify};
