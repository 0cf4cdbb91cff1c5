//! Proof that the ledger is what was recorded and that the views are what it says, check by check.
//!
//! 1. *Walk*: every leaf recomputed from its row, chained to its stream's previous one, the root from the leaves. Every
//!    segment whose key is there is opened and held against its commitment; erased data is proved by its commitment.
//! 2. *Checkpoints*: the published one, those of each day and those kept elsewhere, against the roots at their sizes.
//! 3. *Erasures* and *manifests*: each against what the ledger says.
//! 4. *Views*: each rebuilt beside the live one and compared row by row.
//!
//! Everything is gone through, whatever is found: the report names each check, passed, failed or not made.

mod checkpoints;
mod erasures;
mod manifests;
mod report;

pub use checkpoints::Recovered;
pub use report::Format;

use crate::bundle::Trust;
use domain::Event;
use ledger::{Check, Finding, Findings, Ledger, ReadError};
use projections::poison::{Skip, Stop, skips, stops};
use projections::{Comparison, DifferenceKind, Name, RebuildError, compare};
use sqlx::PgPool;
use std::collections::BTreeMap;

/// The ledger or a view could not be read to its end: nothing can be said of it.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ReadError),
    /// A view.
    #[error("view: {0}")]
    View(#[from] RebuildError),
    /// The database.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// What comes from elsewhere than the database, and is believed.
#[derive(Clone, Debug, Default)]
pub struct Believed {
    /// Public keys of the ledger and its witnesses.
    pub trust: Trust,
    /// Whether the keys are only those that the database itself gives: then nobody vouches for them.
    pub own_keys: bool,
    /// Checkpoints kept elsewhere, as texts.
    pub kept: Vec<String>,
}

/// What is being checked, for those who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The ledger itself.
    Ledger,
    /// A view.
    View(Name),
}

/// How a check came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is wrong among so many things looked at.
    Passed(u64),
    /// Something is: see the findings.
    Failed,
    /// It was not made; why.
    NotMade(NotMade),
}

/// Why a check was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotMade {
    /// Positions are missing, so no root can be computed.
    PositionsMissing,
    /// No checkpoint has been signed, and none is kept elsewhere.
    NoCheckpoint,
    /// No public key was given to trust.
    NoKey,
    /// The ledger was restored without its keys: nothing opens, and that is no erasure.
    Archive,
}

/// What was found.
#[derive(Debug)]
pub struct Checked {
    /// Number of events, by the head.
    pub size: u64,
    /// The root that the stored leaves have; `None` where positions are missing.
    pub root: Option<[u8; 32]>,
    /// Each check that was to be made.
    pub outcomes: BTreeMap<Check, Outcome>,
    /// What is wrong.
    pub findings: Findings,
    /// Views that stand still at an event they can't take in: equal to their replay, but only up to there.
    pub stops: Vec<Stop>,
    /// Events that views and their replays pass over, by whose decision and why.
    pub skips: Vec<Skip>,
    /// Logs that were given up, and what goes on in their place.
    pub recoveries: Vec<Recovered>,
    /// Signatures were checked by keys that only the database itself gives.
    pub own_keys: bool,
    /// The backup that the ledger alone was restored from, without keys.
    pub archive: Option<String>,
}

impl Checked {
    /// Whether nothing failed. A checkpoint that is not there, or whose key nobody gave, is told and no failure.
    pub fn is_sound(&self) -> bool {
        self.outcomes.values().all(|outcome| match outcome {
            Outcome::Passed(_) | Outcome::NotMade(NotMade::NoCheckpoint | NotMade::NoKey | NotMade::Archive) => true,
            Outcome::Failed | Outcome::NotMade(NotMade::PositionsMissing) => false,
        })
    }

    /// The checks that failed, in the order of reports.
    pub fn failed(&self) -> Vec<Check> {
        self.findings.failed().collect()
    }

    fn conclude(&mut self, check: Check, looked_at: u64) {
        let outcome = if self.findings.count(check) > 0 { Outcome::Failed } else { Outcome::Passed(looked_at) };
        self.outcomes.insert(check, outcome);
    }
}

/// Checks everything; `progress` hears how many events each stage has done.
///
/// # Errors
/// Only what kept the check from being made; what is wrong is in [`Checked`].
pub async fn check(
    ledger: &Ledger,
    pool: &PgPool,
    believed: &Believed,
    mut progress: impl FnMut(Stage, u64) + Send,
) -> Result<Checked, CheckError> {
    let mut findings = Findings::default();
    let mut checkpoints = checkpoints::read(ledger, pool, believed, &mut findings).await?;
    let walked = ledger.verify_opened::<Event>(&checkpoints.sizes(), |done| progress(Stage::Ledger, done)).await?;
    let (size, streams, segments) = (walked.size, walked.streams, walked.opened + walked.erased);
    let mut checked = Checked {
        size,
        root: walked.root,
        outcomes: BTreeMap::new(),
        findings: walked.findings,
        stops: stops(pool).await?,
        skips: skips(pool).await?,
        recoveries: Vec::new(),
        own_keys: believed.own_keys,
        archive: ledger.archive().await?.map(|archive| archive.backup),
    };
    checkpoints.compare(size, &walked.roots, walked.root.is_some(), &mut findings);
    checked.findings.merge(findings);
    checkpoints.conclude(&mut checked);
    checked.conclude(Check::Tiles, walked.tiles);
    for check in [Check::PositionGap, Check::Leaf, Check::ClockOrder, Check::Root, Check::EventForm] {
        checked.conclude(check, size);
    }
    checked.conclude(Check::StreamChain, streams);
    for check in [Check::SegmentFrame, Check::SegmentSubject, Check::SegmentKey, Check::SegmentNonce] {
        checked.conclude(check, segments);
    }
    for check in [Check::SegmentOpen, Check::SegmentCommitment] {
        checked.conclude(check, walked.opened);
    }
    if walked.root.is_none() && checked.findings.count(Check::Root) == 0 {
        checked.outcomes.insert(Check::Root, Outcome::NotMade(NotMade::PositionsMissing));
        checked.outcomes.insert(Check::Tiles, Outcome::NotMade(NotMade::PositionsMissing));
    }
    if checked.archive.is_some() {
        for check in [Check::ErasureEvent, Check::SegmentOpen, Check::SegmentCommitment, Check::SegmentNonce] {
            checked.outcomes.insert(check, Outcome::NotMade(NotMade::Archive));
        }
    } else {
        let erasures = erasures::check(pool, &mut checked.findings).await?;
        checked.conclude(Check::ErasureEvent, erasures);
    }
    let manifests = manifests::check(ledger, &mut checked.findings).await?;
    checked.conclude(Check::Manifest, manifests);
    if checked.findings.count(Check::PositionGap) > 0 {
        // Nothing can be replayed past what is missing.
        checked.outcomes.insert(Check::ViewRows, Outcome::NotMade(NotMade::PositionsMissing));
        return Ok(checked);
    }
    let rows = compare_views(ledger, pool, progress, &mut checked.findings).await?;
    checked.conclude(Check::ViewRows, rows);
    Ok(checked)
}

/// Holds every view against its replay; how many rows were looked at.
async fn compare_views(
    ledger: &Ledger,
    pool: &PgPool,
    mut progress: impl FnMut(Stage, u64) + Send,
    findings: &mut Findings,
) -> Result<u64, CheckError> {
    let mut rows = 0;
    for name in Name::ALL {
        match compare(ledger, pool, name, |done| progress(Stage::View(name), done)).await {
            Ok(compared) => {
                rows += compared.tables.iter().map(|table| table.rows).sum::<u64>();
                differences(&compared, findings);
            }
            // The ledger can't be replayed: what is wrong with it is told above.
            Err(
                error @ (RebuildError::Fault { .. }
                | RebuildError::Ledger(ReadError::Event { .. } | ReadError::Seal(_))),
            ) => {
                findings.push(Finding::of(Check::ViewRows, format!("{name}: {error}")));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(rows)
}

/// Each row that differs is a finding, named by its key, which is an opaque id.
fn differences(compared: &Comparison, findings: &mut Findings) {
    for table in &compared.tables {
        let place = format!("{}.{}", compared.name.schema(), table.table);
        for difference in &table.differences {
            let how = match &difference.kind {
                DifferenceKind::Missing => "the row is missing".to_owned(),
                DifferenceKind::Unfounded => "replay does not make this row".to_owned(),
                DifferenceKind::Columns(columns) => format!("replay gives other values for {}", columns.join(", ")),
            };
            findings.push(Finding::of(Check::ViewRows, format!("{place} [{}]: {how}", difference.key)));
        }
        let unnamed = table.differing.saturating_sub(table.differences.len() as u64);
        if unnamed > 0 {
            findings.push(Finding::of(Check::ViewRows, format!("{place}: {unnamed} more rows differ")));
        }
    }
}
