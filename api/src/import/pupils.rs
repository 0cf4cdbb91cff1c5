//! The pupils of a file: who they are, what changed, and who left.

use super::accounts::{Touched, legal_links, settle_accounts};
use super::draft::Draft;
use super::facts::{NaturalKey, civil_status, link_fact, may_be_corrected, plausibly_same, school_data};
use super::known::{Hash, Kind};
use super::loader::Loader;
use super::report::RemarkKind;
use chrono::NaiveDate;
use domain::identifiers::{PupilKey, Uai};
use domain::ids::{GuardianId, PupilId};
use domain::pupil::{LinkFact, Pupil, PupilCommand};
use ledger::ReadError;
use school_files::{Entry, EstablishmentHeader, PupilRecord};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is the same for all chunks of pupils of one export.
#[derive(Debug, Default)]
pub struct Around {
    /// Pupils the establishment has and the file does not name by number: an unknown record with the same name and
    /// birth date is one of them (a number that was missing or wrong until now).
    pub missed: HashMap<NaturalKey, PupilId>,
    /// ONDE links that the school settled by hand earlier.
    pub settled: BTreeMap<PupilId, Vec<LinkFact>>,
    /// Records of guardians were refused that can't be told from others: no responsibility is taken to have ended.
    pub keep_links: bool,
    /// Guardians of whom the file leaves open whether they are this pupil's, by the pupil's key in the file.
    pub undecided: HashMap<PupilKey, BTreeSet<GuardianId>>,
    /// An INE under which the file shows another name and birth date is the same pupil all the same.
    pub accept_identity_changes: bool,
}

/// Why a record is refused whose INE is another pupil's: taken, it would give one child's school, name and parents
/// to the other.
const ANOTHER_PUPILS_INE: &str = "this INE is known as that of a pupil of another name or birth date (two of surname, \
    first name and birth date differ): correct the INE at the school and export again; if it is the same pupil and \
    both were corrected, import the files with --accept-identity-changes";

/// The reservation that leads to a record's pupil.
pub fn pupil_key(draft: &Draft<'_>, record: &PupilRecord) -> (Kind, Hash) {
    match &record.ine {
        Some(ine) => (Kind::Ine, draft.hash(Kind::Ine, ine.as_str())),
        None => (Kind::PupilSource, draft.hash(Kind::PupilSource, record.source_id.as_str())),
    }
}

/// Decides on one chunk of pupils, their links and all accounts concerned.
///
/// # Errors
/// [`ReadError`] when the ledger can't be read.
pub async fn decide_pupils(
    draft: &mut Draft<'_>,
    loader: &Loader,
    header: &EstablishmentHeader,
    around: &Around,
    entries: &[Entry<PupilRecord>],
) -> Result<(), ReadError> {
    let read: Vec<(u64, &PupilRecord, (Kind, Hash))> = entries
        .iter()
        .filter_map(|entry| entry.outcome.as_ref().ok().map(|record| (entry.line, record)))
        .map(|(line, record)| (line, record, pupil_key(draft, record)))
        .collect();
    for kind in [Kind::Ine, Kind::PupilSource] {
        let hashes = read.iter().filter(|(_, _, key)| key.0 == kind).map(|(_, _, key)| key.1);
        loader.owners(draft.known, kind, hashes).await?;
    }
    let named = read
        .iter()
        .flat_map(|(_, record, _)| record.guardians.iter().map(|link| &link.guardian).chain(&record.unread_guardians));
    let sources: Vec<Hash> = named.map(|key| draft.hash(Kind::GuardianSource, key.as_str())).collect();
    loader.owners(draft.known, Kind::GuardianSource, sources).await?;
    let ids: Vec<PupilId> = read
        .iter()
        .filter_map(|(_, record, (kind, hash))| {
            let missed = || NaturalKey::of(&civil_status(record)).and_then(|key| around.missed.get(&key).copied());
            draft.known.owner(*kind, hash).map(PupilId).or_else(missed)
        })
        .collect();
    loader.pupils(draft.known, ids).await?;

    let mut touched = Vec::with_capacity(read.len());
    for (line, record, key) in read {
        draft.counts.pupils += 1;
        touched.extend(decide_one(draft, header, around, line, record, key));
    }
    settle_accounts(draft, loader, &touched).await
}

fn decide_one(
    draft: &mut Draft<'_>,
    header: &EstablishmentHeader,
    around: &Around,
    line: u64,
    record: &PupilRecord,
    (kind, hash): (Kind, Hash),
) -> Option<Touched> {
    let owner = draft.known.owner(kind, &hash).map(PupilId);
    let status = civil_status(record);
    if let Some(owner) = owner.filter(|_| kind == Kind::Ine && !around.accept_identity_changes) {
        let known = draft.known.pupils.entry(owner).state.civil_status.clone();
        if !known.as_ref().and_then(|known| known.known()).is_none_or(|known| may_be_corrected(known, &status)) {
            draft.remark(RemarkKind::Refused, line, format!("pupil {owner}"), ANOTHER_PUPILS_INE);
            return None;
        }
    }
    // A source may give its own number to someone else later; the INE it may not.
    let same = owner.filter(|id| {
        kind == Kind::Ine || {
            let known = &draft.known.pupils.entry(*id).state;
            known
                .civil_status
                .as_ref()
                .and_then(|known| known.known())
                .is_some_and(|known| plausibly_same(known, &status))
        }
    });
    let missed = || NaturalKey::of(&status).and_then(|key| around.missed.get(&key).copied());
    let known = same.or_else(missed);
    if known.is_none() && record.left_on.is_some_and(|day| day <= header.exported_at.date()) {
        // Left before we ever knew of them: nobody's data is recorded without need.
        return None;
    }
    let pupil = known.unwrap_or_else(|| PupilId(draft.outside.new_id()));
    if draft.known.is_erased(pupil) {
        draft.remark(
            RemarkKind::Refused,
            line,
            format!("pupil {pupil}"),
            "this person's data was erased and may not be recorded again",
        );
        return None;
    }
    let before = draft.known.pupils.entry(pupil).state.clone();
    let mut links = resolve_links(draft, around, pupil, record, line);
    keep_unread(draft, header.uai, around, &before, record, &mut links);
    let data = school_data(header, record, pupil, links);
    match draft.pupil(pupil, PupilCommand::RecordSchoolData(Box::new(data))) {
        Err(refusal) => {
            draft.remark(RemarkKind::Refused, line, format!("pupil {pupil}"), refusal);
            return None;
        }
        Ok(changed) => draft.counts.changed += u64::from(changed),
    }
    if same.is_none() {
        if let Some(other) = owner {
            draft.release(kind, hash, other.0);
        }
        draft.claim(kind, hash, pupil.0);
        let former =
            before.ine.as_ref().and_then(|ine| ine.known()).filter(|former| Some(*former) != record.ine.as_ref());
        if let (Some(former), Kind::Ine) = (former, kind) {
            let former = draft.hash(Kind::Ine, former.as_str());
            draft.release(Kind::Ine, former, pupil.0);
        }
    }
    Some(Touched { pupil, line, legal_before: legal_links(&before) })
}

fn resolve_links(
    draft: &mut Draft<'_>,
    around: &Around,
    pupil: PupilId,
    record: &PupilRecord,
    line: u64,
) -> Vec<LinkFact> {
    let mut links: Vec<LinkFact> = Vec::with_capacity(record.guardians.len());
    for link in &record.guardians {
        let hash = draft.hash(Kind::GuardianSource, link.guardian.as_str());
        match draft.known.owner(Kind::GuardianSource, &hash) {
            Some(guardian) => links.push(link_fact(link, GuardianId(guardian))),
            None => draft.remark(
                RemarkKind::Notice,
                line,
                link.guardian.to_string(),
                "the record of this guardian was refused, so the link to the pupil was left out",
            ),
        }
    }
    for settled in around.settled.get(&pupil).into_iter().flatten() {
        if !links.iter().any(|link| link.guardian == settled.guardian) {
            links.push(settled.clone());
        }
    }
    links
}

/// What could not be read, or means this pupil or a namesake, stays as it was: a slip in a parent's record or a
/// second child of the same name must not cost the parent the child.
fn keep_unread(
    draft: &Draft<'_>,
    uai: Uai,
    around: &Around,
    before: &Pupil,
    record: &PupilRecord,
    links: &mut Vec<LinkFact>,
) {
    let unread: Vec<GuardianId> = record
        .unread_guardians
        .iter()
        .filter_map(|key| draft.known.owner(Kind::GuardianSource, &draft.hash(Kind::GuardianSource, key.as_str())))
        .map(GuardianId)
        .collect();
    let undecided = around.undecided.get(&record.source_id);
    for ((by, guardian), link) in &before.links {
        let kept = around.keep_links
            || unread.contains(guardian)
            || undecided.is_some_and(|guardians| guardians.contains(guardian));
        if *by == uai && kept && !links.iter().any(|fact| fact.guardian == *guardian) {
            let relationship = link.relationship.known().copied().flatten();
            links.push(LinkFact { guardian: *guardian, level: link.level, relationship });
        }
    }
}

/// Decides on pupils whom the establishment's complete export no longer names.
///
/// # Errors
/// [`ReadError`] when the ledger can't be read.
pub async fn decide_absences(
    draft: &mut Draft<'_>,
    loader: &Loader,
    (establishment, on): (Uai, NaiveDate),
    absent: &[PupilId],
) -> Result<(), ReadError> {
    loader.pupils(draft.known, absent.iter().copied()).await?;
    let mut touched = Vec::new();
    for pupil in absent {
        if draft.known.is_erased(*pupil) {
            continue;
        }
        let legal_before = legal_links(&draft.known.pupils.entry(*pupil).state);
        match draft.pupil(*pupil, PupilCommand::RecordAbsence { establishment, on }) {
            Ok(false) => continue,
            Ok(true) => draft.counts.changed += 1,
            Err(refusal) => {
                draft.remark(RemarkKind::Notice, 0, format!("pupil {pupil}"), refusal);
                continue;
            }
        }
        touched.push(Touched { pupil: *pupil, line: 0, legal_before });
    }
    settle_accounts(draft, loader, &touched).await
}
