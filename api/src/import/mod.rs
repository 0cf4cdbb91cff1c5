//! School data: from a school's exported files to events.
//!
//! The school's information system is the source of truth for people and links; nothing here invents a person.
//! What a file says is compared with what the ledger knows, and only what is new becomes events:
//!
//! 1. The files are read whole once; a file that can't be read is refused before anything is recorded.
//! 2. [`survey`]: who of the establishment's pupils does the export no longer name? Too many: refused.
//! 3. [`run`]: guardians, pupils with links and accounts, what waits for the school, who left; chunk by chunk.
//! 4. The run is completed, and the views have caught up when it is reported done.

mod accounts;
mod draft;
mod error;
mod facts;
mod guardians;
mod held;
pub mod http;
mod importer;
mod known;
mod loader;
mod outcome;
mod pupils;
pub mod queue;
pub mod report;
mod run;
pub mod store;
mod survey;

pub use error::ImportError;
pub use importer::Importer;
pub use outcome::{ImportOptions, Outcome, Progress, Summary, Watch};
