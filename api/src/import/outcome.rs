//! What an import is asked, and what came of it.

use super::report::ReportLine;
use super::store::Stage;
use chrono::NaiveDate;
use domain::establishment::ImportCounts;
use domain::identifiers::Uai;
use domain::ids::ImportId;

/// What the operator allows.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ImportOptions {
    /// The establishment of ONDE files whose names don't tell.
    pub uai: Option<Uai>,
    /// The day on which ONDE files were exported: they don't tell it.
    pub exported_on: Option<NaiveDate>,
    /// Import an export older than the last one.
    pub allow_older: bool,
    /// Believe an export that lacks a large part of the pupils.
    pub accept_departures: bool,
    /// Believe that a pupil whose name and birth date both changed under one INE is the same.
    pub accept_identity_changes: bool,
    /// The largest share of an establishment's pupils that may leave by absence, 0 to 1.
    pub departure_share: f64,
    /// Decide everything, record nothing.
    pub dry_run: bool,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            uai: None,
            exported_on: None,
            allow_older: false,
            accept_departures: false,
            accept_identity_changes: false,
            departure_share: 0.3,
            dry_run: false,
        }
    }
}

/// Where a run stands, for a progress bar.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Whose export.
    pub establishment: Uai,
    /// What is being recorded.
    pub stage: Stage,
    /// Records done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// Hears of progress.
pub type Watch<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// What one export came to.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Summary {
    /// Whose export.
    pub establishment: Uai,
    /// The run; in a dry run it is recorded nowhere.
    pub import: ImportId,
    /// What became of the records.
    pub counts: ImportCounts,
    /// Pupils taken to have left, since the export no longer names them.
    pub departed: u64,
    /// Refusals and notices.
    #[serde(skip)]
    pub report: Vec<ReportLine>,
}

/// What an import did.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// These very files are in already: nothing was done.
    AlreadyImported {
        /// Whose export.
        establishment: Uai,
        /// The run that brought them.
        import: ImportId,
    },
    /// Everything is in, and the views show it.
    Imported(Summary),
    /// What would happen.
    WouldImport(Summary),
}
