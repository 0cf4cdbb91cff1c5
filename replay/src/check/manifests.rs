//! Each manifest recomputed at its size: a stream that was cut short, left out or added since has another head.

use cqrs_es::Aggregate;
use domain::Event;
use domain::ledger_manifest::{LedgerManifest, LedgerManifestEvent, STREAM};
use ledger::{Check, Finding, Findings, Ledger, ReadError};

/// Checks all of them in one pass over the ledger; how many there are.
pub(super) async fn check(ledger: &Ledger, findings: &mut Findings) -> Result<u64, ReadError> {
    let recorded = match ledger.read_stream(LedgerManifest::TYPE, STREAM, 1).await {
        Ok(recorded) => recorded,
        Err(error @ (ReadError::Event { .. } | ReadError::Seal(_))) => {
            findings.push(Finding::of(Check::Manifest, format!("the manifests can't be read: {error}")));
            return Ok(0);
        }
        Err(error) => return Err(error),
    };
    let mut manifests = Vec::with_capacity(recorded.len());
    for event in recorded {
        if let Event::LedgerManifest(LedgerManifestEvent::LedgerManifestRecorded { day, size, streams, root }) =
            event.event
        {
            manifests.push((event.position, day, size, streams, root));
        }
    }
    let sizes: Vec<u64> = manifests.iter().map(|(_, _, size, _, _)| *size).collect();
    let computed = ledger.heads(&sizes).await?;
    for ((position, day, size, streams, root), heads) in manifests.iter().zip(computed) {
        let found = if size > position {
            format!("the manifest of {day} covers {size} events, but only {position} came before it")
        } else if heads.streams != *streams {
            format!("the manifest of {day} counts {streams} streams after {size} events; there are {}", heads.streams)
        } else if hex::encode(heads.root) != *root {
            format!("at {size} events a stream stands elsewhere than the manifest of {day} attests")
        } else {
            continue;
        };
        findings.push(Finding::at(Check::Manifest, *position, found).in_stream(LedgerManifest::TYPE, STREAM));
    }
    Ok(sizes.len() as u64)
}
