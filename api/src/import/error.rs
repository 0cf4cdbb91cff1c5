//! Why an import stops. What concerns single records is no error: it stands in the report.

use domain::identifiers::Uai;
use ledger::{AppendError, ReadError};
use school_files::FileError;

/// An import was refused, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file can't be read; nothing of its export was recorded.
    #[error(transparent)]
    File(#[from] FileError),
    /// A newer export is in already.
    #[error("{uai}: {reason}. Export again at the school, or pass --allow-older to import it all the same")]
    Older {
        /// The establishment.
        uai: Uai,
        /// Which dates.
        reason: domain::establishment::EstablishmentError,
    },
    /// The export lacks too many pupils to be believed.
    #[error(
        "{uai}: {absent} of the {enrolled} pupils enrolled there are not in this export and would be taken to have \
         left. If the file is complete, pass --accept-departures; nothing was recorded"
    )]
    TooManyDepartures {
        /// The establishment.
        uai: Uai,
        /// How many would leave.
        absent: usize,
        /// Of how many.
        enrolled: usize,
    },
    /// Another import of the same establishment is running.
    #[error("{0}: another import of this establishment is running; wait until it has ended")]
    Running(Uai),
    /// Other writers kept changing the same people.
    #[error("the records of one chunk kept being changed by others; run the same import again, it goes on from here")]
    Busy,
    /// The ledger can't be read.
    #[error("{0}. Run the same import again: it goes on where it stopped")]
    Read(#[from] ReadError),
    /// The ledger did not take a unit.
    #[error("{0}. Run the same import again: it goes on where it stopped")]
    Append(#[from] AppendError),
    /// The database failed.
    #[error("database: {0}. Run the same import again: it goes on where it stopped")]
    Database(#[from] sqlx::Error),
    /// Everything is recorded, but the views don't follow.
    #[error("everything is recorded, but the views have not caught up: {0}")]
    Views(String),
    /// The reading thread or a recording task ended early: the program is stopping.
    #[error("the import was interrupted; run it again, it goes on where it stopped")]
    Interrupted,
}

impl ImportError {
    /// Whether the same import, run again, goes on: it was not refused but kept from going on.
    pub fn can_be_resumed(&self) -> bool {
        match self {
            Self::File(_) | Self::Older { .. } | Self::TooManyDepartures { .. } | Self::Running(_) => false,
            Self::Busy | Self::Read(_) | Self::Append(_) | Self::Database(_) | Self::Views(_) | Self::Interrupted => {
                true
            }
        }
    }
}
