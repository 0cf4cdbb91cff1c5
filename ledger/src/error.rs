//! What can go wrong, as callers see it.

use crate::seal::SealError;
use domain::ids::{CommandId, SubjectId};

/// A unit was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Someone else appended to the stream first. Load it again and decide anew.
    #[error("{stream_type} {stream_id} is at version {found}, not at {expected}")]
    Conflict {
        /// Kind of aggregate.
        stream_type: String,
        /// Which one.
        stream_id: String,
        /// The version the unit was decided on.
        expected: u64,
        /// The version it has.
        found: u64,
    },
    /// A value that must be unique is held by someone else.
    #[error("a {kind} is already held by {owner}")]
    Reserved {
        /// Kind of reservation.
        kind: String,
        /// Who holds it.
        owner: String,
    },
    /// The unit wants to seal data of a person whose key is destroyed.
    #[error("{0} was erased: nothing more can be recorded about them")]
    Erased(SubjectId),
    /// The unit itself can't be stored.
    #[error("unit of command {command} can't be recorded: {reason}")]
    Invalid {
        /// The unit's command.
        command: CommandId,
        /// What is wrong with it.
        reason: String,
    },
    /// The ledger is shutting down.
    #[error("the ledger is closed")]
    Closed,
    /// The database went away in mid-commit and didn't come back in time: whether the unit landed is not known.
    /// Ask [`crate::Ledger::read_by_command`] once the database is back.
    #[error("the database went away while command {0} was being committed; whether it was recorded is unknown")]
    Unconfirmed(CommandId),
    /// Nothing was written.
    #[error("database: {0}")]
    Database(#[source] std::sync::Arc<sqlx::Error>),
    /// A key could not be used; nothing was written.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl From<sqlx::Error> for AppendError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(std::sync::Arc::new(error))
    }
}

/// Something recorded could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// An event can't be decoded. Never skipped: a reader stops here.
    #[error("event at position {position}: {reason}")]
    Event {
        /// Which event.
        position: u64,
        /// What is wrong with it, without any of its content.
        reason: String,
    },
    /// A key could not be used.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The stored head is damaged.
    #[error("ledger head: {0}")]
    Head(#[from] crate::merkle::BadFrontier),
    /// A decoding task was cancelled: the runtime is shutting down.
    #[error("reading was cancelled")]
    Cancelled,
}

/// A command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<E: std::error::Error> {
    /// The aggregate refused it.
    #[error("{0}")]
    Refused(E),
    /// The aggregate could not be loaded.
    #[error(transparent)]
    Load(#[from] ReadError),
    /// The events could not be appended.
    #[error(transparent)]
    Append(#[from] AppendError),
}
