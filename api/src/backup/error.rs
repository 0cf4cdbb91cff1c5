//! Why a backup was not made, or not restored.

use crate::erasure::ErasureError;
use crate::erasure::register::RegisterError;
use ledger::{ReadError, RotationError, VerifyError};
use std::path::PathBuf;

/// Why a backup was not made, or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no backup, or the manifest is damaged.
    #[error("{path} is no manifest of a backup: {source}")]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Another program made it.
    #[error("this backup has format {0}, which this program does not know; restore it with the one that made it")]
    OtherFormat(u32),
    /// A file is not the one that was written.
    #[error("{0} was changed or damaged since the backup was made; take another copy of it")]
    Changed(PathBuf),
    /// The halves don't belong together.
    #[error(
        "{ledger} and {keys} are not halves of one backup: give the two folders with the same moment in their names"
    )]
    NotAPair {
        /// The ledger's half.
        ledger: String,
        /// The keys' half.
        keys: String,
    },
    /// The keys alone are nothing.
    #[error("{0} is not the ledger's half of a backup: give the folder `ledger-…`")]
    NotALedger(String),
    /// There is something already.
    #[error("the database has {0} events already: a backup is restored into a new data directory or an empty database")]
    NotEmpty(u64),
    /// A newer program made it.
    #[error(
        "the backup's schema is at migration {backup}, this program's at {program}; restore it with a newer program"
    )]
    NewerSchema {
        /// Of the backup.
        backup: i64,
        /// Of the program.
        program: i64,
    },
    /// Who was erased since is not known.
    #[error(
        "the register of erasures ({register}) does not know this backup, so it is older and may lack who was erased \
         since: give the present one with --register. Only where none is left, --without-register restores without it, \
         and brings back everybody erased since"
    )]
    OlderRegister {
        /// Which file.
        register: PathBuf,
    },
    /// The register can't be read.
    #[error(
        "{0}. Without it a restored backup brings back whoever was erased since. Give it with --register; only where \
         none is left, --without-register does without"
    )]
    Register(#[from] RegisterError),
    /// What was restored is not what was backed up.
    #[error("the restored ledger fails its proof: {0}. Drop this database and restore another copy")]
    Proof(#[from] VerifyError),
    /// The ledger proves itself and is another one.
    #[error("the restored ledger has {found} events and root {root}, the manifest says {expected} and {expected_root}")]
    OtherTree {
        /// Events found.
        found: u64,
        /// Root found.
        root: String,
        /// Events expected.
        expected: u64,
        /// Root expected.
        expected_root: String,
    },
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema can't be made.
    #[error("the schema can't be made: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The ledger can't be opened.
    #[error(transparent)]
    Ledger(#[from] ReadError),
    /// The views can't be built.
    #[error("restored, but the views are not built yet: {0}; a later `matricule views rebuild` does it")]
    Views(projections::CaughtUpError),
    /// The master key is another.
    #[error(transparent)]
    Master(#[from] RotationError),
    /// Erasing again failed.
    #[error("restored, but who had been erased could not all be erased again: {0}")]
    Erasure(#[from] ErasureError),
}
