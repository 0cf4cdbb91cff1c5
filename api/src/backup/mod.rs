//! Backups: the ledger and its keys, of one moment, in two places with two retentions.
//!
//! ```text
//!   one repeatable-read snapshot ─┬─▶ ledger-…/  events, head, access log, requests      kept long, unreadable alone
//!                                 └─▶ keys-…/    subject keys, vault, look-up hashes,    kept short: as long as an
//!                                                outbox, signing keys                    erasure takes to be complete
//!   register of erasures ◀── the line of the keys' backup, written first
//! ```
//!
//! What can be rebuilt (the views) or is of the moment (sessions, flows, codes) is in neither. The master key is in
//! neither, nor the register of erasures: [`restore()`] asks for both.

mod error;
mod restore;
mod take;

#[cfg(test)]
mod tests;

pub use error::BackupError;
pub use restore::{From, Restored, restore};
pub use take::{Settings, Taken, take};

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tokio::io::AsyncReadExt;

/// The manifest's name, within a backup's folder.
const MANIFEST: &str = "manifest.json";
/// Version of the manifest and of the files.
const FORMAT: u32 = 1;

/// Which half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The ledger.
    Ledger,
    /// The keys, and whatever the keys protect or could lead to a person.
    Keys,
}

impl Part {
    /// The beginning of its folders' names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Keys => "keys",
        }
    }

    /// Where a table belongs; `None`: in no backup. A table that nobody has thought of here goes with the ledger.
    fn of(schema: &str, table: &str) -> Option<Self> {
        const KEPT: [&str; 6] =
            ["erasure_progress", "import_remark", "import_request", "import_run", "request", "retention_day"];
        match (schema, table) {
            ("keys", "master_key_user") | ("public", _) => None,
            ("keys" | "vault" | "outbox", _) | ("ledger", "reservation") | ("service", "signing_key") => {
                Some(Self::Keys)
            }
            ("service", kept) => KEPT.contains(&kept).then_some(Self::Ledger),
            (schema, _) if schema.starts_with("view_") || schema.starts_with("rebuild_") => None,
            _ => Some(Self::Ledger),
        }
    }
}

/// What a backup's folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Which half it is.
    pub part: Part,
    /// What both halves are called behind their first word: the moment.
    pub name: String,
    /// When the snapshot was taken.
    pub taken_at: DateTime<Utc>,
    /// Events in the ledger.
    pub size: u64,
    /// Root of its tree, hexadecimal.
    pub root: String,
    /// The last migration of its schema.
    pub migration: i64,
    /// The tables.
    pub tables: Vec<TableFile>,
}

/// One table's rows, in PostgreSQL's binary COPY format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableFile {
    /// Schema and name.
    pub table: String,
    /// Columns in their order.
    pub columns: Vec<String>,
    /// Months that its rows lie in, where it is divided by months.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<String>,
    /// The file's name.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// The folder's name.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.part.word(), self.name)
    }

    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// There is none, or it can't be understood.
    pub async fn read(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(MANIFEST);
        let text = tokio::fs::read(&path).await.map_err(|source| BackupError::File { path: path.clone(), source })?;
        let manifest: Self =
            serde_json::from_slice(&text).map_err(|source| BackupError::Manifest { path: path.clone(), source })?;
        if manifest.format == FORMAT { Ok(manifest) } else { Err(BackupError::OtherFormat(manifest.format)) }
    }

    /// Compares every file with what the manifest says of it.
    ///
    /// # Errors
    /// A file is missing or was changed.
    pub async fn check_files(&self, folder: &Path) -> Result<(), BackupError> {
        for table in &self.tables {
            let path = folder.join(&table.file);
            let failed = |source| BackupError::File { path: path.clone(), source };
            let mut file = tokio::fs::File::open(&path).await.map_err(failed)?;
            let (mut digest, mut length, mut buffer) = (Context::new(&SHA256), 0, vec![0; 1 << 20]);
            loop {
                let read = file.read(&mut buffer).await.map_err(failed)?;
                if read == 0 {
                    break;
                }
                digest.update(&buffer[..read]);
                length += read as u64;
            }
            if length != table.bytes || hex::encode(digest.finish().as_ref()) != table.sha256 {
                return Err(BackupError::Changed(path));
            }
        }
        Ok(())
    }
}
