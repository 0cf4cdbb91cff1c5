//! Checkpoints against the ledger: signed by a trusted key, and of the same root at their size.

use super::{Believed, Checked, NotMade, Outcome};
use crate::bundle::Trust;
use chrono::{DateTime, Utc};
use ledger::checkpoint::{Checkpoint, SignedCheckpoint, Statement};
use ledger::leaf::Hash;
use ledger::{Check, Finding, Findings, Ledger};
use sqlx::PgPool;
use std::collections::BTreeMap;

/// The checkpoints there are, and where each is from.
pub(super) struct Checkpoints {
    found: Vec<(String, Checkpoint)>,
    has_key: bool,
    recoveries: Vec<Recovered>,
}

/// A recovery that the ledger records: a log was given up, and another goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// 2 for the first.
    pub generation: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Why, as the operator put it.
    pub reason: String,
    /// What a trusted key has signed of it; `None` where there is nothing, or no trusted key did.
    pub statement: Option<Statement>,
    /// Checkpoints of the log given up that the ledger does not extend any more, for this reason.
    pub given_up: Vec<String>,
    /// Size of the last checkpoint of that log which the ledger extends still.
    pub extended: Option<u64>,
}

/// Reads those of the database and those kept elsewhere, and verifies their signatures.
pub(super) async fn read(
    ledger: &Ledger,
    pool: &PgPool,
    believed: &Believed,
    findings: &mut Findings,
) -> sqlx::Result<Checkpoints> {
    let mut texts: Vec<(String, String)> = Vec::new();
    if let Some(published) = ledger.published_checkpoint().await? {
        texts.push(("the published checkpoint".to_owned(), published.text));
    }
    let daily: Vec<(chrono::NaiveDate, String)> =
        sqlx::query_as("SELECT day, note FROM ledger.daily_checkpoint ORDER BY day").fetch_all(pool).await?;
    texts.extend(daily.into_iter().map(|(day, note)| (format!("the checkpoint of {day}"), note)));
    texts.extend(believed.kept.iter().map(|text| ("the checkpoint kept elsewhere".to_owned(), text.clone())));
    let mut trust = believed.trust.clone();
    let recoveries = recoveries(ledger, &mut trust).await?;
    let has_key = !trust.logs.is_empty();
    let mut found = Vec::new();
    for (whence, text) in texts {
        if has_key && let Err(reason) = signed(&text, &trust) {
            findings.push(Finding::of(Check::CheckpointSignature, format!("{whence}: {reason}")));
        }
        match Checkpoint::unverified(&text) {
            Ok(checkpoint) => found.push((whence, checkpoint)),
            Err(error) => findings.push(Finding::of(Check::CheckpointSignature, format!("{whence}: {error}"))),
        }
    }
    Ok(Checkpoints { found, has_key, recoveries })
}

/// The recoveries, the last first: whoever is trusted to sign one vouches for the keys of the log that it gave up.
async fn recoveries(ledger: &Ledger, trust: &mut Trust) -> sqlx::Result<Vec<Recovered>> {
    let mut told = Vec::new();
    for recovery in ledger.recoveries().await?.into_iter().rev() {
        let text = recovery.statement.as_deref();
        let stated = text.and_then(|text| trust.logs.iter().find_map(|log| Statement::verify(text, log).ok()));
        // The row may say what it likes: what counts is what was signed of the very tree that went on.
        let stated = stated.filter(|stated| stated.goes_on == (recovery.size, recovery.root));
        trust.logs.extend(stated.iter().flat_map(|stated| stated.keys.clone()));
        told.push(Recovered {
            generation: recovery.generation,
            at: recovery.recorded_at,
            reason: recovery.reason,
            statement: stated,
            given_up: Vec::new(),
            extended: None,
        });
    }
    told.reverse();
    Ok(told)
}

/// Whether one of the trusted keys signed it, and enough witnesses.
fn signed(text: &str, trust: &Trust) -> Result<(), String> {
    let mut refused = "no trusted key has signed it".to_owned();
    for log in &trust.logs {
        match SignedCheckpoint::verify(text, log) {
            Ok(signed) => {
                let cosigned = signed.cosignatures(&trust.witnesses).len();
                return match cosigned >= trust.threshold {
                    true => Ok(()),
                    false => Err(format!("{cosigned} of {} witnesses demanded have cosigned", trust.threshold)),
                };
            }
            Err(error) => refused = error.to_string(),
        }
    }
    Err(refused)
}

impl Checkpoints {
    /// The sizes whose roots are wanted.
    pub(super) fn sizes(&self) -> Vec<u64> {
        self.found.iter().map(|(_, checkpoint)| checkpoint.size).collect()
    }

    /// Holds each against the roots of the ledger. Where positions are missing, no root beyond them is known. One of a
    /// log that a signed recovery gave up need not be extended.
    pub(super) fn compare(&mut self, size: u64, roots: &BTreeMap<u64, Hash>, whole: bool, findings: &mut Findings) {
        for (whence, checkpoint) in &self.found {
            let mut given_up = self
                .recoveries
                .iter_mut()
                .filter(|recovery| recovery.statement.as_ref().is_some_and(|statement| statement.gives_up(checkpoint)));
            let detail = match roots.get(&checkpoint.size) {
                Some(root) if *root == checkpoint.root => {
                    given_up.for_each(|recovery| recovery.extended = recovery.extended.max(Some(checkpoint.size)));
                    continue;
                }
                Some(_) => format!(
                    "at {} events the ledger has another root than {whence}: history was rewritten, or it forked",
                    checkpoint.size
                ),
                None if checkpoint.size > size => format!(
                    "{whence} is of {} events and the ledger has {size}: an older state was put back, or it was cut \
                     short",
                    checkpoint.size
                ),
                None if whole => continue, // the ledger was empty when the walk began
                None => format!("{whence} covers positions that are missing"),
            };
            match given_up.next() {
                Some(recovery) => recovery.given_up.push(format!("{whence}, of {} events", checkpoint.size)),
                None => findings.push(Finding::of(Check::CheckpointExtends, detail)),
            }
        }
    }

    pub(super) fn conclude(self, checked: &mut Checked) {
        let count = self.found.len() as u64;
        checked.conclude(Check::CheckpointExtends, count);
        checked.conclude(Check::CheckpointSignature, count);
        let failed = |check| checked.findings.count(check) > 0;
        let why = match (count, self.has_key) {
            (0, _) => Some(NotMade::NoCheckpoint),
            (_, false) => Some(NotMade::NoKey),
            (_, true) => None,
        };
        if let Some(why) = why.filter(|_| !failed(Check::CheckpointSignature)) {
            checked.outcomes.insert(Check::CheckpointSignature, Outcome::NotMade(why));
        }
        if count == 0 && checked.findings.count(Check::CheckpointExtends) == 0 {
            checked.outcomes.insert(Check::CheckpointExtends, Outcome::NotMade(NotMade::NoCheckpoint));
        }
        checked.recoveries = self.recoveries;
    }
}
