//! The pupils of a file: who they are, what changed, and who left.

use super::accounts::{Touched, legal_links, settle_accounts};
use super::draft::Draft;
use super::facts::{NaturalKey, civil_status, link_fact, may_be_corrected, plausibly_same, renamed, school_data};
use super::known::{Hash, Kind};
use super::loader::Loader;
use super::report::RemarkKind;
use chrono::NaiveDate;
use domain::guardian::ChildAsWritten;
use domain::identifiers::{PupilKey, Uai, match_key};
use domain::ids::{GuardianId, PupilId};
use domain::pupil::{CivilStatus, LinkFact, Pupil, PupilCommand};
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
    /// Children whom a guardian of the file names and who are none of its pupils.
    pub unmatched: HashMap<GuardianId, Vec<ChildAsWritten>>,
    /// An INE under which the file shows another name and birth date is the same pupil all the same.
    pub accept_identity_changes: bool,
}

/// Why a record is refused whose INE is another pupil's: taken, it would give one child's school, name and parents
/// to the other.
const ANOTHER_PUPILS_INE: &str = "this INE is known as that of a pupil of another name or birth date (two of surname, \
    first name and birth date differ): correct the INE at the school and export again; if it is the same pupil and \
    both were corrected, import the files with --accept-identity-changes";

/// Why a record is refused that makes one pupil of another: twins whose numbers were swapped differ by their first
/// names only, and so look like two corrections.
const ANOTHER_PUPILS_NAME: &str = "the name and birth date are those of another pupil of the school or the family, and \
    the number (INE, or ELEVE_ID where there is none) is not: twins whose numbers were swapped? Correct the numbers or \
    the names at the school and export again; if all is right as it is, import the files with \
    --accept-identity-changes";

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
    let taken = names_of_others(draft, loader, header.uai, around, &read).await?;

    let mut touched = Vec::with_capacity(read.len());
    for (line, record, key) in read {
        draft.counts.pupils += 1;
        if let Some(reason) = stands_against(draft, around, &taken, record, key) {
            let whose = draft.known.owner(key.0, &key.1).map(|owner| format!("pupil {owner}")).unwrap_or_default();
            draft.remark(RemarkKind::Refused, line, whose, reason);
            continue;
        }
        touched.extend(decide_one(draft, header, around, line, record, key));
    }
    settle_accounts(draft, loader, &touched).await
}

/// The pupil who is known under a record's number, and their civil status.
fn known_by_number(draft: &Draft<'_>, (kind, hash): (Kind, Hash)) -> Option<(PupilId, CivilStatus)> {
    let owner = PupilId(draft.known.owner(kind, &hash)?);
    let state = &draft.known.pupils.get(&owner)?.state;
    Some((owner, state.civil_status.as_ref()?.known()?.clone()))
}

/// What others of the school or the family are called, as far as a record here comes to the same under another's
/// number.
async fn names_of_others(
    draft: &mut Draft<'_>,
    loader: &Loader,
    uai: Uai,
    around: &Around,
    read: &[(u64, &PupilRecord, (Kind, Hash))],
) -> Result<HashMap<NaturalKey, BTreeSet<PupilId>>, ReadError> {
    if around.accept_identity_changes {
        return Ok(HashMap::new());
    }
    let mut born = Vec::new();
    for (_, record, key) in read {
        let status = civil_status(record);
        if let Some((owner, known)) = known_by_number(draft, *key)
            && renamed(&known, &status).is_some()
        {
            born.extend(status.birth_date.map(|day| (owner, day)));
        }
    }
    let mut names: HashMap<NaturalKey, BTreeSet<PupilId>> = HashMap::new();
    for other in loader.namesakes(draft.known, uai, &born).await? {
        let state = &draft.known.pupils.entry(other).state;
        let status = state.civil_status.as_ref().and_then(|status| status.known());
        if let Some(key) = status.and_then(NaturalKey::of) {
            names.entry(key).or_default().insert(other);
        }
    }
    Ok(names)
}

/// Why a record can't be taken for a correction of the pupil who is known under its number.
fn stands_against(
    draft: &Draft<'_>,
    around: &Around,
    taken: &HashMap<NaturalKey, BTreeSet<PupilId>>,
    record: &PupilRecord,
    key: (Kind, Hash),
) -> Option<&'static str> {
    if around.accept_identity_changes {
        return None;
    }
    let (owner, known) = known_by_number(draft, key)?;
    let status = civil_status(record);
    if key.0 == Kind::Ine && !may_be_corrected(&known, &status) {
        return Some(ANOTHER_PUPILS_INE);
    }
    // Under a number of the source that came to someone else, nobody is renamed.
    let corrects = key.0 == Kind::Ine || plausibly_same(&known, &status);
    let others = taken.get(&renamed(&known, &status).filter(|_| corrects)?)?;
    others.iter().any(|other| *other != owner).then_some(ANOTHER_PUPILS_NAME)
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
        release_former_ine(draft, pupil, &before, record);
    }
    Some(Touched { pupil, line, legal_before: legal_links(&before) })
}

/// A pupil has one INE: with a new one the former leads to nobody.
fn release_former_ine(draft: &mut Draft<'_>, pupil: PupilId, before: &Pupil, record: &PupilRecord) {
    let former = before.ine.as_ref().and_then(|ine| ine.known());
    if let Some(former) = former.filter(|former| record.ine.as_ref().is_some_and(|ine| ine != *former)) {
        let former = draft.hash(Kind::Ine, former.as_str());
        draft.release(Kind::Ine, former, pupil.0);
    }
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
            || undecided.is_some_and(|guardians| guardians.contains(guardian))
            || around.unmatched.get(guardian).is_some_and(|children| may_mean(children, before));
        if *by == uai && kept && !links.iter().any(|fact| fact.guardian == *guardian) {
            let relationship = link.relationship.known().copied().flatten();
            links.push(LinkFact { guardian: *guardian, level: link.level, relationship });
        }
    }
}

/// Whether a child as written, who is none of the file's pupils, may be this one under a former or a coming name: a
/// surname or the first name is theirs.
fn may_mean(children: &[ChildAsWritten], pupil: &Pupil) -> bool {
    let Some(status) = pupil.civil_status.as_ref().and_then(|status| status.known()) else { return false };
    let surnames = [Some(&status.family_name), status.usage_name.as_ref()];
    let surnames: Vec<String> = surnames.into_iter().flatten().map(|name| match_key(name)).collect();
    let given = status.given_names.first().map(|name| match_key(name));
    children.iter().any(|child| {
        surnames.contains(&match_key(&child.family_name)) || given.as_ref() == Some(&match_key(&child.given_name))
    })
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
