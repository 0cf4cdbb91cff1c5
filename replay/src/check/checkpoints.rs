//! Checkpoints against the ledger: signed by a trusted key, and of the same root at their size.

use super::{Believed, Checked, NotMade, Outcome};
use ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use ledger::leaf::Hash;
use ledger::{Check, Finding, Findings, Ledger};
use sqlx::PgPool;
use std::collections::BTreeMap;

/// The checkpoints there are, and where each is from.
pub(super) struct Checkpoints {
    found: Vec<(String, Checkpoint)>,
    has_key: bool,
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
    let mut found = Vec::new();
    for (whence, text) in texts {
        if !believed.trust.logs.is_empty()
            && let Err(reason) = signed(&text, believed)
        {
            findings.push(Finding::of(Check::CheckpointSignature, format!("{whence}: {reason}")));
        }
        match Checkpoint::unverified(&text) {
            Ok(checkpoint) => found.push((whence, checkpoint)),
            Err(error) => findings.push(Finding::of(Check::CheckpointSignature, format!("{whence}: {error}"))),
        }
    }
    Ok(Checkpoints { found, has_key: !believed.trust.logs.is_empty() })
}

/// Whether one of the trusted keys signed it, and enough witnesses.
fn signed(text: &str, believed: &Believed) -> Result<(), String> {
    let trust = &believed.trust;
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

    /// Holds each against the roots of the ledger. Where positions are missing, no root beyond them is known.
    pub(super) fn compare(&self, size: u64, roots: &BTreeMap<u64, Hash>, whole: bool, findings: &mut Findings) {
        for (whence, checkpoint) in &self.found {
            let detail = match roots.get(&checkpoint.size) {
                Some(root) if *root == checkpoint.root => continue,
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
            findings.push(Finding::of(Check::CheckpointExtends, detail));
        }
    }

    pub(super) fn conclude(&self, checked: &mut Checked) {
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
    }
}
