//! The rows of `view_audit`.

use crate::row::row;
use chrono::{DateTime, NaiveDateTime, Utc};
use domain::establishment::{ExportFormat, ImportCounts};
use uuid::Uuid;

mod timeline {
    use super::row;
    row! {
        /// An event is about an entity.
        TimelineRow in "timeline", key(entity: String, position: i64) {
            /// Id of an account, pupil, guardian record, establishment or relying party.
            entity: String => "text",
            /// Position of the event.
            position: i64 => "int8",
        }
    }
}

mod mark {
    use super::row;
    row! {
        /// Something that at least one event of a page of the ledger bears.
        MarkRow in "mark", key(mark: i16, value: String, page: i64) {
            /// [`super::super::Mark::number`].
            mark: i16 => "int2",
            /// Its value.
            value: String => "text",
            /// Number of the page.
            page: i64 => "int8",
        }
    }
}

mod import_run {
    use super::{DateTime, NaiveDateTime, Utc, Uuid, row};
    row! {
        /// A run of the import.
        ImportRunRow in "import_run", key(import: Uuid) {
            /// The run.
            import: Uuid => "uuid",
            /// Whose export.
            establishment: String => "text",
            /// `siecle`, `onde`.
            format: String => "text",
            /// Start year of the school year.
            school_year: i32 => "int4",
            /// When the school exported, in its local time.
            exported_at: NaiveDateTime => "timestamp",
            /// When the run began.
            started_at: DateTime<Utc> => "timestamptz",
            /// When it ended.
            completed_at: Option<DateTime<Utc>> => "timestamptz",
            /// Pupils read.
            pupils: Option<i64> => "int8",
            /// Guardians read.
            guardians: Option<i64> => "int8",
            /// Records refused alone.
            refused: Option<i64> => "int8",
            /// Links that wait for the school.
            held: Option<i64> => "int8",
            /// Pupils whose record changed anything.
            changed: Option<i64> => "int8",
        }
    }
}

pub use import_run::ImportRunRow;
pub use mark::MarkRow;
pub use timeline::TimelineRow;

impl ImportRunRow {
    pub(crate) fn started(
        import: Uuid,
        establishment: String,
        format: ExportFormat,
        school_year: u16,
        exported_at: NaiveDateTime,
        started_at: DateTime<Utc>,
    ) -> Self {
        Self {
            import,
            establishment,
            format: match format {
                ExportFormat::Siecle => "siecle".to_owned(),
                ExportFormat::Onde => "onde".to_owned(),
            },
            school_year: i32::from(school_year),
            exported_at,
            started_at,
            completed_at: None,
            pupils: None,
            guardians: None,
            refused: None,
            held: None,
            changed: None,
        }
    }

    pub(crate) fn completed(&mut self, at: DateTime<Utc>, counts: &ImportCounts) {
        let count = |count: u64| Some(i64::try_from(count).unwrap_or(i64::MAX));
        self.completed_at = Some(at);
        self.pupils = count(counts.pupils);
        self.guardians = count(counts.guardians);
        self.refused = count(counts.refused);
        self.held = count(counts.held);
        self.changed = count(counts.changed);
    }
}
