//! Links of ONDE files that can't be made without guessing, and what the school said of them.

use super::accounts::{Touched, legal_links, settle_accounts};
use super::draft::Draft;
use super::facts::{child_as_written, hold_reason};
use super::guardians::reservation_of;
use super::known::{Hash, Kind};
use super::loader::Loader;
use super::report::RemarkKind;
use domain::guardian::{ChildAsWritten, GuardianCommand};
use domain::identifiers::{GuardianKey, GuardianLevel, PupilKey, Uai};
use domain::ids::{GuardianId, PupilId};
use domain::pupil::{LinkFact, PupilCommand};
use ledger::ReadError;
use school_files::HeldLink;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// All links of one guardian that a file leaves open; none for one whose links it no longer leaves open.
#[derive(Clone, Debug)]
pub struct OpenLinks {
    /// By the key in the file, or by the record where the file no longer names the person.
    pub guardian: Result<GuardianKey, GuardianId>,
    /// The links.
    pub links: Vec<HeldLink>,
}

/// Groups a file's open links by guardian.
pub fn by_guardian(links: &[HeldLink]) -> BTreeMap<GuardianKey, Vec<HeldLink>> {
    let mut grouped: BTreeMap<GuardianKey, Vec<HeldLink>> = BTreeMap::new();
    for link in links {
        grouped.entry(link.guardian.clone()).or_default().push(link.clone());
    }
    grouped
}

/// The link that an ONDE file means: it declares legal guardians only, and tells no kinship.
fn onde_link(guardian: GuardianId) -> LinkFact {
    LinkFact { guardian, level: GuardianLevel::Legal, relationship: None }
}

async fn identify(
    draft: &mut Draft<'_>,
    loader: &Loader,
    open: &[OpenLinks],
) -> Result<Vec<Option<GuardianId>>, ReadError> {
    let source = |draft: &Draft<'_>, key: &GuardianKey| draft.hash(Kind::GuardianSource, key.as_str());
    let hashes: Vec<Hash> =
        open.iter().filter_map(|one| one.guardian.as_ref().ok()).map(|key| source(draft, key)).collect();
    loader.owners(draft.known, Kind::GuardianSource, hashes).await?;
    let ids: Vec<Option<GuardianId>> = open
        .iter()
        .map(|one| match &one.guardian {
            Ok(key) => draft.known.owner(Kind::GuardianSource, &source(draft, key)).map(GuardianId),
            Err(id) => Some(*id),
        })
        .collect();
    loader.guardians(draft.known, ids.iter().flatten().copied()).await?;
    Ok(ids)
}

/// What is known of a file's open links before its pupils are decided on.
#[derive(Default)]
pub struct Answers {
    /// Links that the school settled earlier: they count as declared.
    pub settled: Vec<(PupilId, LinkFact)>,
    /// Guardians of links not answered yet, by the key of each pupil who may be meant.
    pub undecided: HashMap<PupilKey, BTreeSet<GuardianId>>,
    /// Children as written who are none of the file's pupils, and of whom the school has said nothing, by guardian.
    pub unmatched: HashMap<GuardianId, Vec<ChildAsWritten>>,
}

/// What the school said of the file's open links, and on which it said nothing. Takes out of `open` the records that
/// stand there twice, by their key in the file and as one that waited before.
///
/// # Errors
/// [`ReadError`] when the ledger can't be read.
pub async fn settled_links(
    draft: &mut Draft<'_>,
    loader: &Loader,
    uai: Uai,
    open: &mut Vec<OpenLinks>,
) -> Result<Answers, ReadError> {
    let ids = identify(draft, loader, open).await?;
    let named: BTreeSet<GuardianId> =
        open.iter().zip(&ids).filter(|(one, _)| one.guardian.is_ok()).filter_map(|(_, id)| *id).collect();
    let mut answers = Answers::default();
    for (one, id) in open.iter().zip(ids) {
        let Some(guardian) = id else { continue };
        let Some(known) = draft.known.guardians.get(&guardian) else { continue };
        for link in &one.links {
            let child = child_as_written(link);
            if let Some(pupil) = known.state.settled_as(&uai, &child) {
                answers.settled.push((pupil, onde_link(guardian)));
            }
            if !known.state.is_answered(&uai, &child) {
                for key in &link.candidates {
                    answers.undecided.entry(key.clone()).or_default().insert(guardian);
                }
                if link.candidates.is_empty() {
                    answers.unmatched.entry(guardian).or_default().push(child);
                }
            }
        }
    }
    open.retain(|one| !matches!(one.guardian, Err(id) if named.contains(&id)));
    Ok(answers)
}

/// Puts what is open into the school's queue, and takes out what no longer is.
///
/// # Errors
/// [`ReadError`] when the ledger can't be read.
pub async fn decide_held(
    draft: &mut Draft<'_>,
    loader: &Loader,
    uai: Uai,
    open: &[OpenLinks],
) -> Result<(), ReadError> {
    let ids = identify(draft, loader, open).await?;
    let candidates: Vec<(Kind, Hash)> = open
        .iter()
        .flat_map(|one| &one.links)
        .flat_map(|link| &link.candidates)
        .map(|key| reservation_of(draft, key))
        .collect();
    for kind in [Kind::Ine, Kind::PupilSource] {
        let hashes = candidates.iter().filter(|(of, _)| *of == kind).map(|(_, hash)| *hash);
        loader.owners(draft.known, kind, hashes).await?;
    }
    for (one, id) in open.iter().zip(ids) {
        let Some(guardian) = id else { continue };
        let known = draft.known.guardians.entry(guardian).state.clone();
        if one.links.is_empty() && known.held.is_empty() {
            continue;
        }
        let links = one
            .links
            .iter()
            .filter(|link| known.settled_as(&uai, &child_as_written(link)).is_none())
            .map(|link| {
                let owner = |key: &PupilKey| {
                    let (kind, hash) = reservation_of(draft, key);
                    draft.known.owner(kind, &hash).map(PupilId)
                };
                let mut candidates: Vec<PupilId> = link.candidates.iter().filter_map(owner).collect();
                candidates.sort_unstable();
                candidates.dedup();
                (child_as_written(link), candidates, hold_reason(link.reason))
            })
            .collect();
        let line = one.links.first().map_or(0, |link| link.line);
        if let Err(refusal) = draft.guardian(guardian, GuardianCommand::HoldLinks { establishment: uai, links }) {
            draft.remark(RemarkKind::Refused, line, format!("guardian {guardian}"), refusal);
        }
        let held = &draft.known.guardians.entry(guardian).state.held;
        draft.counts.held += held.values().filter(|link| link.establishment == uai).count() as u64;
    }
    Ok(())
}

/// Why a waiting link could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The guardian record refuses.
    #[error(transparent)]
    Guardian(#[from] domain::guardian::GuardianError),
    /// The pupil's record refuses.
    #[error(transparent)]
    Pupil(#[from] domain::pupil::PupilError),
    /// The ledger can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The school says which pupil a waiting link means, or that it means none: the link is made, the queue entry is
/// closed and accounts follow, in one unit.
///
/// # Errors
/// [`SettleError`]; nothing is drafted then that would be appended.
pub async fn decide_settlement(
    draft: &mut Draft<'_>,
    loader: &Loader,
    guardian: GuardianId,
    number: u32,
    pupil: Option<PupilId>,
) -> Result<(), SettleError> {
    loader.guardians(draft.known, [guardian]).await?;
    let known = &draft.known.guardians.entry(guardian).state;
    let establishment = known.held.get(&number).map(|link| link.establishment);
    draft.guardian(guardian, GuardianCommand::SettleLink { number, pupil })?;
    let (Some(pupil), Some(establishment)) = (pupil, establishment) else { return Ok(()) };
    loader.pupils(draft.known, [pupil]).await?;
    let legal_before = legal_links(&draft.known.pupils.entry(pupil).state);
    draft.pupil(pupil, PupilCommand::LinkGuardian { establishment, link: onde_link(guardian) })?;
    settle_accounts(draft, loader, &[Touched { pupil, line: 0, legal_before }]).await?;
    Ok(())
}
