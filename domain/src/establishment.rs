//! An establishment and what its files have brought.

use crate::event::{event_names, handle_by_decide};
use crate::identifiers::{Academie, Degree, Uai};
use crate::ids::ImportId;
use crate::personal::{Sealable, Segment};
use chrono::NaiveDateTime;
use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};

/// The format of a school's export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// SIECLE/BEE: collèges and lycées.
    Siecle,
    /// ONDE/BE1D: écoles.
    Onde,
}

/// What became of the records of one export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportCounts {
    /// Pupils read.
    pub pupils: u64,
    /// Guardians read.
    pub guardians: u64,
    /// Records refused alone.
    pub refused: u64,
    /// ONDE links that wait for the school.
    pub held: u64,
    /// Pupils whose record changed anything.
    pub changed: u64,
}

/// Intentions about an establishment.
#[derive(Clone, Debug)]
pub enum EstablishmentCommand {
    /// A file or an operator names the establishment.
    Describe {
        /// National identifier.
        uai: Uai,
        /// Name, where known.
        name: Option<String>,
        /// Académie, where known.
        academie: Option<Academie>,
        /// First or second degree.
        degree: Degree,
    },
    /// An import of its export begins.
    BeginImport {
        /// The run.
        import: ImportId,
        /// Format.
        format: ExportFormat,
        /// Start year of the school year the files speak of.
        school_year: u16,
        /// When the school exported, in its local time.
        exported_at: NaiveDateTime,
        /// SHA-256 of each file, hexadecimal.
        digests: Vec<String>,
        /// Accept an export older than the last one imported.
        allow_older: bool,
    },
    /// The import has run to its end.
    CompleteImport {
        /// The run.
        import: ImportId,
        /// What became of the records.
        counts: ImportCounts,
    },
}

/// Facts of an establishment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EstablishmentEvent {
    /// The establishment became known.
    EstablishmentRegistered {
        /// National identifier.
        uai: Uai,
        /// Name, where known.
        name: Option<String>,
        /// Académie, where known.
        academie: Option<Academie>,
        /// First or second degree.
        degree: Degree,
    },
    /// Its description changed.
    EstablishmentDescribed {
        /// Name, where known.
        name: Option<String>,
        /// Académie, where known.
        academie: Option<Academie>,
        /// First or second degree.
        degree: Degree,
    },
    /// An import of its export began.
    SchoolDataImportStarted {
        /// The run.
        import: ImportId,
        /// Format.
        format: ExportFormat,
        /// Start year of the school year.
        school_year: u16,
        /// When the school exported, in its local time.
        exported_at: NaiveDateTime,
        /// SHA-256 of each file, hexadecimal.
        digests: Vec<String>,
    },
    /// The import ran to its end.
    SchoolDataImported {
        /// The run.
        import: ImportId,
        /// What became of the records.
        counts: ImportCounts,
    },
}

event_names!(EstablishmentEvent, version "1":
    EstablishmentRegistered, EstablishmentDescribed, SchoolDataImportStarted, SchoolDataImported);

impl Sealable for EstablishmentEvent {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        match self {
            Self::EstablishmentRegistered { .. }
            | Self::EstablishmentDescribed { .. }
            | Self::SchoolDataImportStarted { .. }
            | Self::SchoolDataImported { .. } => vec![],
        }
    }
}

/// Why a command about an establishment is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EstablishmentError {
    /// Nobody registered it.
    #[error("this establishment is not registered")]
    NotRegistered,
    /// A newer export is already in.
    #[error("an export of {known} is already imported; this one, of {given}, is older and would undo it")]
    OlderExport {
        /// The export already imported.
        known: NaiveDateTime,
        /// The export refused.
        given: NaiveDateTime,
    },
    /// The run to complete is not the one in progress.
    #[error("this import is not in progress")]
    NoSuchImport,
}

/// An import in progress or done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportRun {
    /// The run.
    pub import: ImportId,
    /// When the school exported.
    pub exported_at: NaiveDateTime,
    /// SHA-256 of each file.
    pub digests: Vec<String>,
    /// Whether it ran to its end.
    pub completed: bool,
}

/// The establishment as its events make it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Establishment {
    /// National identifier; `None` before registration.
    pub uai: Option<Uai>,
    /// Name.
    pub name: Option<String>,
    /// Académie.
    pub academie: Option<Academie>,
    /// First or second degree.
    pub degree: Option<Degree>,
    /// The last import begun.
    pub last_import: Option<ImportRun>,
}

impl Establishment {
    /// Which facts a command adds.
    ///
    /// # Errors
    /// [`EstablishmentError`]; nothing is recorded then.
    pub fn decide(&self, command: EstablishmentCommand) -> Result<Vec<EstablishmentEvent>, EstablishmentError> {
        match command {
            EstablishmentCommand::Describe { uai, name, academie, degree } => {
                Ok(self.describe(uai, name, academie, degree))
            }
            EstablishmentCommand::BeginImport { import, format, school_year, exported_at, digests, allow_older } => {
                self.uai.as_ref().ok_or(EstablishmentError::NotRegistered)?;
                if let Some(last) = &self.last_import {
                    if last.digests == digests && !last.completed {
                        // The same files again after an interruption: the same run goes on.
                        return Ok(vec![]);
                    }
                    if exported_at < last.exported_at && !allow_older {
                        let (known, given) = (last.exported_at, exported_at);
                        return Err(EstablishmentError::OlderExport { known, given });
                    }
                }
                Ok(vec![EstablishmentEvent::SchoolDataImportStarted {
                    import,
                    format,
                    school_year,
                    exported_at,
                    digests,
                }])
            }
            EstablishmentCommand::CompleteImport { import, counts } => match &self.last_import {
                Some(last) if last.import == import && !last.completed => {
                    Ok(vec![EstablishmentEvent::SchoolDataImported { import, counts }])
                }
                _ => Err(EstablishmentError::NoSuchImport),
            },
        }
    }

    fn describe(
        &self,
        uai: Uai,
        name: Option<String>,
        academie: Option<Academie>,
        degree: Degree,
    ) -> Vec<EstablishmentEvent> {
        if self.uai.is_none() {
            return vec![EstablishmentEvent::EstablishmentRegistered { uai, name, academie, degree }];
        }
        // A file that knows less than we do takes nothing away.
        let name = name.or_else(|| self.name.clone());
        let academie = academie.or(self.academie);
        if name == self.name && academie == self.academie && Some(degree) == self.degree {
            return vec![];
        }
        vec![EstablishmentEvent::EstablishmentDescribed { name, academie, degree }]
    }
}

impl Aggregate for Establishment {
    const TYPE: &'static str = "establishment";
    type Command = EstablishmentCommand;
    type Event = EstablishmentEvent;
    type Error = EstablishmentError;
    type Services = ();

    handle_by_decide!();

    fn apply(&mut self, event: EstablishmentEvent) {
        match event {
            EstablishmentEvent::EstablishmentRegistered { uai, name, academie, degree } => {
                *self = Self { uai: Some(uai), name, academie, degree: Some(degree), last_import: None };
            }
            EstablishmentEvent::EstablishmentDescribed { name, academie, degree } => {
                self.name = name;
                self.academie = academie;
                self.degree = Some(degree);
            }
            EstablishmentEvent::SchoolDataImportStarted { import, exported_at, digests, format: _, school_year: _ } => {
                self.last_import = Some(ImportRun { import, exported_at, digests, completed: false });
            }
            EstablishmentEvent::SchoolDataImported { import, counts: _ } => {
                if let Some(last) = self.last_import.as_mut().filter(|last| last.import == import) {
                    last.completed = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
