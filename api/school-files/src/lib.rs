//! Exports of school information systems, read as shipped: SIECLE (collèges and lycées, zipped
//! XML) and ONDE (écoles, CSV pairs), turned into neutral records in bounded memory.
//!
//! Reading takes two passes. [`plan`] recognises files by their content and groups them into
//! exports, one per establishment. [`ExportFiles::validate`] then reads both files of an export
//! whole: a fault refuses the *file*, with line and reason, before anything of it is emitted, and
//! what is kept is an index of identifiers, classes and links (about 100 bytes per pupil, no
//! postal addresses). The resulting [`SchoolExport`] streams the records as often as wanted, from
//! any ordinal; a fault in a *record* refuses that record alone, as a typed [`Rejection`].
//!
//! ```no_run
//! # use std::path::PathBuf;
//! # fn main() -> Result<(), school_files::FileError> {
//! # let received_at = chrono::NaiveDateTime::default();
//! let options = school_files::ReadOptions::new([7; 32], received_at);
//! let files: Vec<PathBuf> = vec!["ExportXML_ElevesAvecAdresses.zip".into()];
//! let plan = school_files::plan(&files, &options);
//! for export in &plan.exports {
//!     let export = export.validate()?;
//!     for entry in export.pupils_from(0)? {
//!         let entry = entry?;
//!         match entry.outcome {
//!             Ok(pupil) => println!("line {}: {} guardians", entry.line, pupil.guardians.len()),
//!             Err(rejection) => eprintln!("{rejection}"),
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod contacts;
mod error;
mod export;
mod onde;
pub mod phones;
mod records;
mod report;
pub mod sample;
mod siecle;
mod source;
mod text;
mod values;
mod xml;

pub use error::{FileError, FileReason};
pub use export::{Counts, Entries, ExportFiles, Plan, PseudonymKey, ReadOptions, SchoolExport, plan};
pub use records::{
    Entry, EstablishmentHeader, FileDigest, GuardianRecord, HeldLink, HeldReason, LinkRecord, MandatoryField,
    PupilRecord, SourceSystem,
};
pub use report::{Notice, Rejection, RejectionReason};
pub use source::Limits;
