//! Why an erasure did not happen, or not all of it.

use super::register::RegisterError;
use ledger::{AppendError, ReadError};
use projections::CaughtUpError;

/// Why an erasure did not happen, or not all of it. Asking again goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// Nobody has this id or login.
    #[error("no account, pupil or guardian record has the id or login that was given")]
    Unknown,
    /// The ledger could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The events were not recorded.
    #[error("the erasure could not be recorded: {0}")]
    Append(#[from] AppendError),
    /// The register can't be written: without it a restored backup would bring the person back.
    #[error("nothing was erased: {0}")]
    Register(#[from] RegisterError),
    /// The database failed.
    #[error("database: {0}. Give the same command again: it goes on where it stopped")]
    Database(#[from] sqlx::Error),
    /// The views don't follow.
    #[error("the views do not follow: {0}. Start the service, then give the same command again")]
    Views(#[from] CaughtUpError),
}
