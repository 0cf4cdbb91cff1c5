//! Verifying a bundle: from the file and trusted keys only.

use super::archive::{Files, unpack};
use super::completeness;
use super::format::{EventFile, FORMAT, Index, SegmentFile, SegmentState, hash, micros};
use ledger::Check;
use ledger::checkpoint::{Checkpoint, SignedCheckpoint, VerifierKey};
use ledger::leaf::{Entry, Hash, NO_LEAF, leaf_of, sha256};
use ledger::tree::{TlogProof, verify_inclusion};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// The names of the events that destroy a key, and the field of the payload that says whose.
const ERASING: [(&str, &str); 3] =
    [("AccountErased", "account"), ("GuardianErased", "guardian"), ("PupilErased", "pupil")];

/// Which keys count.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Logs whose signature is believed.
    pub logs: Vec<VerifierKey>,
    /// Witnesses whose cosignatures count.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them must have cosigned.
    pub threshold: usize,
}

/// What can be said of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is as recorded, and under the checkpoint.
    Verified,
    /// So it is, and personal values in it were erased by these events.
    Erased {
        /// Positions of the events that erased them.
        by: Vec<u64>,
    },
    /// It is whole in itself, but not under the checkpoint yet.
    Pending,
    /// These checks fail.
    Failed(BTreeMap<Check, String>),
}

/// One event of a bundle and what can be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventAnswer {
    /// Its position.
    pub position: u64,
    /// Its name; empty where the file can't be read.
    pub event_type: String,
    /// The answer.
    pub answer: Answer,
}

/// What can be said of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Origin, size and number of counted cosignatures of the checkpoint, where it is to be believed.
    pub checkpoint: Option<(String, u64, usize)>,
    /// What is wrong with the bundle as a whole.
    pub findings: Vec<(Check, String)>,
    /// Event by event, in order of position.
    pub events: Vec<EventAnswer>,
}

impl Verdict {
    /// Whether anything failed.
    pub fn has_failed(&self) -> bool {
        !self.findings.is_empty() || self.events.iter().any(|event| matches!(event.answer, Answer::Failed(_)))
    }

    /// Whether anything is not under the checkpoint yet.
    pub fn is_pending(&self) -> bool {
        self.events.iter().any(|event| event.answer == Answer::Pending)
    }

    /// `failed`, `pending` or `verified`.
    pub fn word(&self) -> &'static str {
        match (self.has_failed(), self.is_pending()) {
            (true, _) => "failed",
            (false, true) => "pending",
            (false, false) => "verified",
        }
    }

    /// As every verifier of bundles answers, but for the wording of details.
    pub fn json(&self) -> Value {
        let events = self.events.iter().map(|event| match &event.answer {
            Answer::Verified => json!({ "position": event.position, "answer": "VERIFIED" }),
            Answer::Erased { by } => json!({ "position": event.position, "answer": "ERASED", "by": by }),
            Answer::Pending => json!({ "position": event.position, "answer": "PENDING" }),
            Answer::Failed(checks) => {
                let names: Vec<&str> = checks.keys().map(|check| check.as_str()).collect();
                let details: Vec<&String> = checks.values().collect();
                json!({ "position": event.position, "answer": "FAILED", "checks": names, "details": details })
            }
        });
        let findings = self.findings.iter().map(|(check, detail)| json!({ "check": check.as_str(), "detail": detail }));
        let checkpoint = self.checkpoint.as_ref().map(
            |(origin, size, cosignatures)| json!({ "origin": origin, "size": size, "cosignatures": cosignatures }),
        );
        json!({
            "result": self.word(),
            "checkpoint": checkpoint,
            "bundle": findings.collect::<Vec<_>>(),
            "events": events.collect::<Vec<_>>(),
        })
    }
}

/// An event whose file could be read.
pub(super) struct Read {
    pub file: EventFile,
    /// Recomputed from the entry's bytes.
    pub leaf: Hash,
    failed: BTreeMap<Check, String>,
    pending: bool,
}

/// Verifies a bundle's bytes.
pub fn verify(bytes: &[u8], trust: &Trust) -> Verdict {
    let mut verdict = Verdict { checkpoint: None, findings: Vec::new(), events: Vec::new() };
    let files = match unpack(bytes) {
        Ok(files) => files,
        Err(error) => {
            verdict.findings.push((Check::BundleForm, error.to_string()));
            return verdict;
        }
    };
    let index = match index(&files) {
        Ok(index) => index,
        Err(reason) => {
            verdict.findings.push((Check::BundleForm, reason));
            return verdict;
        }
    };
    form(&files, &index, &mut verdict.findings);
    let checkpoint = checkpoint(&files, trust);
    if let Ok(Some((signed, cosignatures))) = &checkpoint {
        verdict.checkpoint = Some((signed.origin.clone(), signed.size, *cosignatures));
    }
    if let Err(reason) = &checkpoint {
        verdict.findings.push((Check::CheckpointSignature, reason.clone()));
    }
    let mut events: BTreeMap<u64, Result<Read, String>> = BTreeMap::new();
    for position in &index.events {
        events.insert(*position, event(&files, *position));
    }
    chains(&index, &mut events, &mut verdict.findings);
    let signed = match &checkpoint {
        Ok(signed) => signed.as_ref().map(|(signed, _)| signed),
        Err(_) => None,
    };
    for (position, read) in &mut events {
        let Ok(read) = read else { continue };
        match (&checkpoint, signed) {
            (Err(reason), _) => read.fail(Check::CheckpointSignature, reason.clone()),
            (Ok(_), signed) => prove(&files, *position, read, signed),
        }
    }
    if let (Some(completeness), Ok(_)) = (&index.completeness, &checkpoint) {
        let found = completeness::verify(completeness, &index, &events);
        verdict.findings.extend(found.into_iter().map(|detail| (Check::Manifest, detail)));
    }
    let erasers = erasers(&events);
    for (position, read) in events {
        verdict.events.push(conclude(position, read, &erasers));
    }
    verdict
}

/// The keys of logs that a bundle itself gives: nobody vouches for them.
pub fn own_log_keys(bundle: &[u8]) -> Vec<VerifierKey> {
    let Ok(files) = unpack(bundle) else { return Vec::new() };
    let text = files.get("vkeys").map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).filter(|key: &VerifierKey| !key.is_cosigner()).collect()
}

fn index(files: &Files) -> Result<Index, String> {
    let bytes = files.get("bundle.json").ok_or("`bundle.json` is missing")?;
    let index: Index = serde_json::from_slice(bytes).map_err(|error| format!("bundle.json: {error}"))?;
    if index.format != FORMAT {
        return Err(format!("the format is `{}`; this verifier knows {FORMAT}", index.format));
    }
    if !index.events.is_sorted_by(|a, b| a < b) {
        return Err("bundle.json: the positions are not ascending".to_owned());
    }
    Ok(index)
}

/// No file but those of the format.
fn form(files: &Files, index: &Index, findings: &mut Vec<(Check, String)>) {
    const FIXED: [&str; 8] = [
        "bundle.json",
        "checkpoint",
        "vkeys",
        "erased.json",
        "report.fr.html",
        "report.en.html",
        "report.fr.pdf",
        "report.en.pdf",
    ];
    for name in files.keys() {
        let known = FIXED.contains(&name.as_str())
            || name.strip_prefix("events/").and_then(|rest| rest.split_once('.')).is_some_and(|(position, kind)| {
                ["json", "entry", "proof"].contains(&kind)
                    && position.parse().is_ok_and(|position: u64| {
                        index.events.binary_search(&position).is_ok() && EventFile::name(position, kind) == *name
                    })
            });
        if !known {
            findings
                .push((Check::BundleForm, format!("`{name}` does not belong into a bundle, or is not listed in it")));
        }
    }
}

/// The checkpoint, if there is one, with the number of cosignatures that count.
fn checkpoint(files: &Files, trust: &Trust) -> Result<Option<(SignedCheckpoint, usize)>, String> {
    let Some(bytes) = files.get("checkpoint") else { return Ok(None) };
    let text = std::str::from_utf8(bytes).map_err(|_| "the checkpoint is no text")?;
    let origin = Checkpoint::claimed_origin(text).map_err(|error| error.to_string())?;
    let mut refused = format!("no trusted key is called {origin}");
    for log in trust.logs.iter().filter(|log| log.name() == origin) {
        match SignedCheckpoint::verify(text, log) {
            Ok(signed) => {
                let cosignatures = signed.cosignatures(&trust.witnesses).len();
                if cosignatures < trust.threshold {
                    return Err(format!("{cosignatures} of {} witnesses demanded have cosigned", trust.threshold));
                }
                return Ok(Some((signed, cosignatures)));
            }
            Err(error) => refused = error.to_string(),
        }
    }
    Err(refused)
}

impl Read {
    fn fail(&mut self, check: Check, detail: impl Into<String>) {
        self.failed.entry(check).or_insert_with(|| detail.into());
    }

    /// Whether nothing speaks against it, as far as was looked.
    pub fn stands(&self) -> bool {
        self.failed.is_empty()
    }
}

/// Reads an event and checks it by itself.
fn event(files: &Files, position: u64) -> Result<Read, String> {
    let bytes = files.get(&EventFile::name(position, "json")).ok_or("its file is missing")?;
    let file: EventFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if file.position != position {
        return Err(format!("the file says position {}", file.position));
    }
    let entry = files.get(&EventFile::name(position, "entry")).ok_or("its entry is missing")?;
    let mut read = Read { leaf: leaf_of(entry), file, failed: BTreeMap::new(), pending: false };
    match encoded(&read.file) {
        None => return Err("a time or a hash is not written as it should be".to_owned()),
        Some(encoded) if encoded != *entry => {
            read.fail(Check::Entry, "the readable form says something else than the entry");
        }
        Some(_) => {}
    }
    if hash(&read.file.leaf) != Some(read.leaf) {
        read.fail(Check::Leaf, "the entry is not what the leaf commits to");
    }
    for (number, segment) in read.file.segments.clone().iter().enumerate() {
        match segment.state {
            SegmentState::Open if !opens(segment) => {
                read.fail(Check::SegmentCommitment, format!("segment {number} is not what the leaf commits to"));
            }
            SegmentState::Damaged => {
                read.fail(Check::SegmentOpen, format!("segment {number} could not be opened when it was exported"));
            }
            SegmentState::Open | SegmentState::Withheld | SegmentState::Erased => {}
        }
    }
    Ok(read)
}

/// The entry that the readable form makes.
fn encoded(file: &EventFile) -> Option<Vec<u8>> {
    let segments: Option<Vec<(Uuid, Hash)>> =
        file.segments.iter().map(|segment| Some((segment.subject, hash(&segment.commitment)?))).collect();
    let entry = Entry {
        recorded_at: micros(&file.recorded_at)?,
        previous: hash(&file.previous)?,
        sequence: file.sequence,
        effective_at: micros(&file.effective_at)?,
        command: file.command,
        event_version: file.event_version,
        payload: file.payload.as_bytes(),
        stream_type: &file.stream_type,
        stream_id: &file.stream_id,
        event_type: &file.event_type,
        actor: &file.actor,
        on_behalf_of: file.on_behalf_of.as_deref(),
        reason: &file.reason,
        reference: file.reference.as_deref(),
        segments: &segments?,
    };
    Some(entry.encode())
}

fn opens(segment: &SegmentFile) -> bool {
    let (Some(blind), Some(plaintext)) = (&segment.blind, &segment.plaintext) else { return false };
    let Ok(mut committed) = hex::decode(blind) else { return false };
    committed.extend_from_slice(plaintext.as_bytes());
    hash(&segment.commitment) == Some(sha256(&committed))
}

/// Streams are whole where the bundle says so, and each event names the one before it.
fn chains(index: &Index, events: &mut BTreeMap<u64, Result<Read, String>>, findings: &mut Vec<(Check, String)>) {
    let mut places: HashMap<(String, String, u64), (u64, Hash)> = HashMap::new();
    for (position, read) in events.iter() {
        let Ok(read) = read else { continue };
        let place = (read.file.stream_type.clone(), read.file.stream_id.clone(), read.file.sequence);
        if places.insert(place, (*position, read.leaf)).is_some() {
            findings.push((Check::StreamChain, format!("event {position} has the place of another in its stream")));
        }
    }
    for read in events.values_mut().flatten() {
        let file = &read.file;
        let before = file.sequence.checked_sub(1);
        let expected = match before {
            Some(0) => Some((0, NO_LEAF)),
            Some(before) => places.get(&(file.stream_type.clone(), file.stream_id.clone(), before)).copied(),
            None => None,
        };
        let follows = expected.is_none_or(|(position, leaf)| {
            let in_order = file.sequence == 1 || position < file.position;
            hash(&file.previous) == Some(leaf) && in_order
        });
        if !follows || before.is_none() {
            read.fail(Check::StreamChain, "it does not follow the event before it in its stream");
        }
    }
    for range in &index.streams {
        for sequence in 1..=range.to {
            if !places.contains_key(&(range.stream_type.clone(), range.stream_id.clone(), sequence)) {
                let (kind, id) = (&range.stream_type, &range.stream_id);
                findings.push((Check::StreamChain, format!("event {sequence} of {kind} {id} is missing")));
                break;
            }
        }
    }
}

/// The event's proof leads to the checkpoint, or the event is not under it yet.
fn prove(files: &Files, position: u64, read: &mut Read, signed: Option<&SignedCheckpoint>) {
    let proof = files.get(&EventFile::name(position, "proof"));
    let (proof, signed) = match (proof, signed) {
        (None, Some(signed)) if position < signed.size => {
            return read.fail(Check::Inclusion, "it is under the checkpoint, but its proof is missing");
        }
        (None, _) => {
            read.pending = true;
            return;
        }
        (Some(_), None) => return read.fail(Check::Inclusion, "a proof without a checkpoint proves nothing"),
        (Some(proof), Some(signed)) => (proof, signed),
    };
    let parsed = std::str::from_utf8(proof).ok().and_then(|text| text.parse::<TlogProof>().ok());
    let Some(proof) = parsed else { return read.fail(Check::Inclusion, "its proof is no tlog-proof") };
    if proof.checkpoint != signed.text() {
        return read.fail(Check::Inclusion, "its proof is for another checkpoint than the bundle's");
    }
    if proof.index != position {
        return read.fail(Check::Inclusion, format!("its proof is that of event {}", proof.index));
    }
    if let Err(error) = verify_inclusion(position, signed.size, signed.root, read.leaf, &proof.hashes) {
        read.fail(Check::Inclusion, error.to_string());
    }
}

/// The events that erased someone, as far as nothing speaks against them: position to subject.
fn erasers(events: &BTreeMap<u64, Result<Read, String>>) -> HashMap<u64, Uuid> {
    let erases = |read: &Read| {
        let (_, field) = ERASING.iter().find(|(name, _)| *name == read.file.event_type)?;
        let payload: Value = serde_json::from_str(&read.file.payload).ok()?;
        payload.get(&read.file.event_type)?.get(field)?.as_str()?.parse().ok()
    };
    let standing = events.iter().filter_map(|(position, read)| Some((*position, read.as_ref().ok()?)));
    standing.filter(|(_, read)| read.stands()).filter_map(|(at, read)| Some((at, erases(read)?))).collect()
}

fn conclude(position: u64, read: Result<Read, String>, erasers: &HashMap<u64, Uuid>) -> EventAnswer {
    let mut read = match read {
        Ok(read) => read,
        Err(reason) => {
            let answer = Answer::Failed(BTreeMap::from([(Check::BundleForm, reason)]));
            return EventAnswer { position, event_type: String::new(), answer };
        }
    };
    let mut by = Vec::new();
    for (number, segment) in read.file.segments.clone().iter().enumerate() {
        if segment.state != SegmentState::Erased {
            continue;
        }
        match segment.erased_by {
            Some(event) if erasers.get(&event) == Some(&segment.subject) => by.push(event),
            Some(event) => {
                let detail = format!("segment {number} is said to be erased by event {event}, which does not say so");
                read.fail(Check::ErasureEvent, detail);
            }
            None => read.fail(Check::ErasureEvent, format!("no event erased segment {number}")),
        }
    }
    by.sort_unstable();
    by.dedup();
    let answer = match (read.failed.is_empty(), read.pending, by.is_empty()) {
        (false, _, _) => Answer::Failed(read.failed),
        (true, true, _) => Answer::Pending,
        (true, false, false) => Answer::Erased { by },
        (true, false, true) => Answer::Verified,
    };
    EventAnswer { position, event_type: read.file.event_type, answer }
}
