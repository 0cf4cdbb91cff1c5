//! What is told about records: refusals and remarks. Neither quotes a value of the record.

use std::fmt;
use std::path::PathBuf;

use domain::identifiers::Ine;

/// A record that was refused alone; the rest of the file goes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The file.
    pub file: PathBuf,
    /// Line on which the record begins, from 1.
    pub line: u64,
    /// What the record is, such as `ELEVE 1234`; holds no name and no national number.
    pub record: String,
    /// Why it was refused.
    pub reason: RejectionReason,
    /// The national number, where a pupil's record was refused for something else: the export names the pupil
    /// all the same. Not for printing.
    pub ine: Option<Ine>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, record, reason, ine: _ } = self;
        write!(f, "{}, line {line}, {record}: {reason}", file.display())
    }
}

/// Why a record was refused. Fields bear the name they have in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectionReason {
    /// A field the record cannot do without is absent or empty.
    #[error("{0} is missing: fill it in at the school and export again")]
    Missing(&'static str),
    /// A field does not hold what it should.
    #[error("{field} is not {expected}: correct it at the school and export again")]
    Malformed {
        /// The field.
        field: &'static str,
        /// What is expected there.
        expected: &'static str,
    },
    /// A record of the same file already has this identifier.
    #[error("another record of the file already has this {0}")]
    Duplicate(&'static str),
    /// A link names a pupil whom the export does not contain.
    #[error("the link names a pupil who is not in the export")]
    UnknownPupil,
    /// A link names a person whom the export does not contain.
    #[error("the link names a person who is not in the export")]
    UnknownGuardian,
    /// The record has more fields than the header, or names children in an incomplete group.
    #[error("the row has {found} fields where the header has {expected}")]
    RowLength {
        /// Fields found.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
}

/// A remark on a record that was read all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// The UAI fails its check letter: a pseudo-structure, or a slip.
    #[error("the check letter of the UAI is wrong")]
    UaiKey,
    /// The department of the UAI is in no known académie.
    #[error("the département of the UAI belongs to no known académie")]
    UnknownAcademie,
    /// A telephone number could not be understood and was left out.
    #[error("{0} is not a telephone number and was left out")]
    UnreadablePhone(&'static str),
    /// The number given as mobile cannot receive text messages; it was kept among the others.
    #[error("{0} is not a mobile number: it was kept as another number")]
    NotMobile(&'static str),
    /// An e-mail address could not be understood and was left out.
    #[error("{0} is not an e-mail address and was left out")]
    UnreadableEmail(&'static str),
    /// An optional code could not be understood and was left out.
    #[error("{0} is not understood and was left out")]
    UnreadableCode(&'static str),
    /// The name at birth is absent; the name in use was taken for it.
    #[error("the name at birth is missing: the name in use was taken")]
    UsageNameOnly,
    /// More than two legal guardians.
    #[error("the pupil has {0} legal guardians: at most 2 are expected")]
    TooManyLegalGuardians(usize),
    /// Two links between the same persons disagree; the weaker level was kept.
    #[error("two links to one guardian disagree: the lesser responsibility was kept")]
    ConflictingLinks,
    /// A link names a person whose record is absent or was refused; it was left out.
    #[error("a guardian of the pupil is absent from the export or was refused")]
    GuardianNotRead,
    /// The same person appears several times; the records were put together.
    #[error("the person appears {0} times in the file: the records were put together")]
    MergedRecords(usize),
}
