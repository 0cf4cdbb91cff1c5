//! What can be wrong, each under a stable name; and what was found wrong.

use std::collections::BTreeMap;
use std::fmt;

/// Findings kept per check; the others are counted.
const NAMED: usize = 20;

/// One thing that can be wrong with a ledger, its views or a bundle. The names are stable: reports, other verifiers
/// and the documentation use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Positions run from 0 without a gap or a repetition, up to the head's size.
    PositionGap,
    /// An event's row is what its leaf commits to.
    Leaf,
    /// Sequences of a stream run from 1 without a gap; each leaf names the one before it.
    StreamChain,
    /// Recorded times never go back.
    ClockOrder,
    /// The root and the frontier in the head are those of the leaves.
    Root,
    /// The sealed segments of an event are framed as documented.
    SegmentFrame,
    /// Every personal field has its segment, of the subject that the field names.
    SegmentSubject,
    /// Every subject's key is there and can be unwrapped, or is recorded as destroyed.
    SegmentKey,
    /// A segment opens under its subject's key, at its place.
    SegmentOpen,
    /// A segment's plaintext is what the leaf commits to.
    SegmentCommitment,
    /// No nonce was used twice for one subject.
    SegmentNonce,
    /// The event is one that this version, with its upcasters, understands.
    EventForm,
    /// Every destroyed key has the event that says so, and every such event its destroyed key.
    ErasureEvent,
    /// Every manifest has the root of the stream heads at its size.
    Manifest,
    /// The stored tiles hold the ledger's leaves.
    Tiles,
    /// A checkpoint is signed by the ledger's key, and cosigned by as many witnesses as are asked for.
    CheckpointSignature,
    /// The ledger extends the last checkpoint: same root at that size.
    CheckpointExtends,
    /// A view has exactly the rows that replay makes.
    ViewRows,
    /// A bundle has the files of its format, and they can be read.
    BundleForm,
    /// The readable form of an event in a bundle says what its entry says.
    Entry,
    /// An event's proof leads from its leaf to the checkpoint's root.
    Inclusion,
}

impl Check {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 21] = [
        Self::PositionGap,
        Self::Leaf,
        Self::StreamChain,
        Self::ClockOrder,
        Self::Root,
        Self::SegmentFrame,
        Self::SegmentSubject,
        Self::SegmentKey,
        Self::SegmentOpen,
        Self::SegmentCommitment,
        Self::SegmentNonce,
        Self::EventForm,
        Self::ErasureEvent,
        Self::Manifest,
        Self::Tiles,
        Self::CheckpointSignature,
        Self::CheckpointExtends,
        Self::ViewRows,
        Self::BundleForm,
        Self::Entry,
        Self::Inclusion,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PositionGap => "position-gap",
            Self::Leaf => "leaf",
            Self::StreamChain => "stream-chain",
            Self::ClockOrder => "clock-order",
            Self::Root => "root",
            Self::SegmentFrame => "segment-frame",
            Self::SegmentSubject => "segment-subject",
            Self::SegmentKey => "segment-key",
            Self::SegmentOpen => "segment-open",
            Self::SegmentCommitment => "segment-commitment",
            Self::SegmentNonce => "segment-nonce",
            Self::EventForm => "event-form",
            Self::ErasureEvent => "erasure-event",
            Self::Manifest => "manifest",
            Self::Tiles => "tiles",
            Self::CheckpointSignature => "checkpoint-signature",
            Self::CheckpointExtends => "checkpoint-extends",
            Self::ViewRows => "view-rows",
            Self::BundleForm => "bundle-form",
            Self::Entry => "entry",
            Self::Inclusion => "inclusion",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing found wrong. Holds no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check that failed.
    pub check: Check,
    /// The event, where it is about one.
    pub position: Option<u64>,
    /// Type and id of the stream, where it is about one.
    pub stream: Option<(String, String)>,
    /// What was found.
    pub detail: String,
}

impl Finding {
    /// About the ledger as a whole.
    pub fn of(check: Check, detail: impl Into<String>) -> Self {
        Self { check, position: None, stream: None, detail: detail.into() }
    }

    /// About one position.
    pub fn at(check: Check, position: u64, detail: impl Into<String>) -> Self {
        Self { position: Some(position), ..Self::of(check, detail) }
    }

    /// Names the stream too.
    #[must_use]
    pub fn in_stream(self, stream_type: &str, stream_id: &str) -> Self {
        Self { stream: Some((stream_type.to_owned(), stream_id.to_owned())), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.check)?;
        if let Some(position) = self.position {
            write!(f, "event {position}: ")?;
        }
        if let Some((stream_type, stream_id)) = &self.stream {
            write!(f, "{stream_type} {stream_id}: ")?;
        }
        f.write_str(&self.detail)
    }
}

/// What was found wrong, by check: the first findings of each, and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(BTreeMap<Check, (u64, Vec<Finding>)>);

impl Findings {
    /// Adds one.
    pub fn push(&mut self, finding: Finding) {
        let (count, named) = self.0.entry(finding.check).or_default();
        *count += 1;
        if named.len() < NAMED {
            named.push(finding);
        }
    }

    /// Adds those of another part of the work.
    pub fn merge(&mut self, other: Self) {
        for (check, (count, findings)) in other.0 {
            let (total, named) = self.0.entry(check).or_default();
            *total += count;
            named.extend(findings);
            // Parts of the work end in any order.
            named.sort_by_key(|finding| finding.position);
            named.truncate(NAMED);
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How often a check failed.
    pub fn count(&self, check: Check) -> u64 {
        self.0.get(&check).map_or(0, |(count, _)| *count)
    }

    /// The first findings of a check.
    pub fn named(&self, check: Check) -> &[Finding] {
        self.0.get(&check).map_or(&[], |(_, named)| named)
    }

    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = Check> {
        self.0.keys().copied()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (count, named)) in self.0.values().enumerate() {
            let Some(first) = named.first() else { continue };
            write!(f, "{}{first}", if index == 0 { "" } else { "; " })?;
            if *count > 1 {
                write!(f, " (and {} more)", count - 1)?;
            }
        }
        Ok(())
    }
}

impl FromIterator<Finding> for Findings {
    fn from_iter<T: IntoIterator<Item = Finding>>(findings: T) -> Self {
        let mut all = Self::default();
        findings.into_iter().for_each(|finding| all.push(finding));
        all
    }
}
