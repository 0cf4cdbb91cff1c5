//! The guardians of a file: their records, and the keys by which their accounts are found.

use super::draft::Draft;
use super::facts::guardian_facts;
use super::known::{Hash, Kind};
use super::loader::Loader;
use super::report::RemarkKind;
use domain::account::Holder;
use domain::guardian::{Guardian, GuardianCommand, GuardianContact, GuardianIdentity};
use domain::identifiers::{GuardianKey, PupilKey, Uai, fold_name, match_key};
use domain::ids::{AccountId, GuardianId, PupilId};
use ledger::ReadError;
use school_files::{Entry, GuardianRecord};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A record whose identity or contact changed, and the keys it had before.
struct Changed {
    guardian: GuardianId,
    line: u64,
    keys_before: BTreeSet<Hash>,
}

/// What must be known of an ONDE file of guardians as a whole. Its keys are digests of what it says of a person, so
/// a new mobile number makes a new key.
#[derive(Debug)]
pub struct OndeFile {
    /// Whose file.
    pub uai: Uai,
    /// Every key in it.
    pub keys: HashSet<GuardianKey>,
    /// Whether any record of it was refused.
    pub has_refused: bool,
}

/// Decides on one chunk of guardians.
///
/// # Errors
/// [`ReadError`] when the ledger can't be read.
pub async fn decide_guardians(
    draft: &mut Draft<'_>,
    loader: &Loader,
    entries: &[Entry<GuardianRecord>],
    onde: Option<&OndeFile>,
) -> Result<(), ReadError> {
    let read: Vec<(u64, &GuardianRecord, Hash)> = entries
        .iter()
        .filter_map(|entry| entry.outcome.as_ref().ok().map(|record| (entry.line, record)))
        .map(|(line, record)| (line, record, draft.hash(Kind::GuardianSource, record.source_key.as_str())))
        .collect();
    loader.owners(draft.known, Kind::GuardianSource, read.iter().map(|(_, _, hash)| *hash)).await?;
    let successors = match onde {
        Some(file) => continued_records(draft, loader, file, &read).await?,
        None => BTreeMap::new(),
    };
    let ids: Vec<Option<GuardianId>> = read
        .iter()
        .map(|(_, _, hash)| {
            draft.known.owner(Kind::GuardianSource, hash).map(GuardianId).or_else(|| successors.get(hash).copied())
        })
        .collect();
    loader.guardians(draft.known, ids.iter().flatten().copied()).await?;

    let mut changed = Vec::new();
    for ((line, record, hash), id) in read.into_iter().zip(ids) {
        draft.counts.guardians += 1;
        changed.extend(decide_one(draft, line, record, hash, id));
    }
    follow_keys(draft, loader, changed).await
}

/// Known records that unknown ones of the file continue: same name, guardian of the same child by the same school,
/// and gone from the file under the old key. One candidate only, and each only once.
async fn continued_records(
    draft: &mut Draft<'_>,
    loader: &Loader,
    file: &OndeFile,
    read: &[(u64, &GuardianRecord, Hash)],
) -> Result<BTreeMap<Hash, GuardianId>, ReadError> {
    let unknown: Vec<(&GuardianRecord, Hash)> = read
        .iter()
        .filter(|(_, _, hash)| draft.known.owner(Kind::GuardianSource, hash).is_none())
        .map(|(_, record, hash)| (*record, *hash))
        .collect();
    let children = |draft: &Draft<'_>, record: &GuardianRecord| -> Vec<(Kind, Hash)> {
        record.children.iter().map(|key| reservation_of(draft, key)).collect()
    };
    let all: Vec<(Kind, Hash)> = unknown.iter().flat_map(|(record, _)| children(draft, record)).collect();
    for kind in [Kind::Ine, Kind::PupilSource] {
        let hashes = all.iter().filter(|(of, _)| *of == kind).map(|(_, hash)| *hash);
        loader.owners(draft.known, kind, hashes).await?;
    }
    let pupils = all.iter().filter_map(|(kind, hash)| draft.known.owner(*kind, hash)).map(PupilId);
    let pupils: Vec<PupilId> = pupils.collect();
    loader.pupils(draft.known, pupils.iter().copied()).await?;
    let mut linked: BTreeMap<PupilId, BTreeSet<GuardianId>> = BTreeMap::new();
    for pupil in pupils {
        let links = &draft.known.pupils.entry(pupil).state.links;
        let here = links.keys().filter(|(by, _)| *by == file.uai).map(|(_, guardian)| *guardian);
        linked.entry(pupil).or_default().extend(here);
    }
    loader.guardians(draft.known, linked.values().flatten().copied()).await?;
    let mut continued: BTreeMap<GuardianId, Vec<Hash>> = BTreeMap::new();
    for (record, hash) in unknown {
        let pupils = children(draft, record);
        let pupils = pupils.iter().filter_map(|(kind, hash)| draft.known.owner(*kind, hash)).map(PupilId);
        let candidates: BTreeSet<GuardianId> =
            pupils.filter_map(|pupil| linked.get(&pupil)).flatten().copied().collect();
        let (written, _) = guardian_facts(record);
        let gone = |guardian: &GuardianId| {
            let state = draft.known.guardians.get(guardian).map(|known| &known.state);
            let identity = state.and_then(|state| state.identity.as_ref()?.known());
            identity.is_some_and(|identity| {
                let key = identity.source_key.parse::<GuardianKey>();
                like_named(identity, &written) && !key.is_ok_and(|key| file.keys.contains(&key))
            })
        };
        if let [only] = candidates.iter().filter(|candidate| gone(candidate)).collect::<Vec<_>>().as_slice() {
            continued.entry(**only).or_default().push(hash);
        }
    }
    Ok(continued
        .into_iter()
        .filter_map(|(guardian, hashes)| match hashes.as_slice() {
            [hash] => Some((*hash, guardian)),
            _ => None,
        })
        .collect())
}

/// Same first name, and a surname in common.
pub fn like_named(one: &GuardianIdentity, other: &GuardianIdentity) -> bool {
    let given = match_key(&one.given_name);
    !given.is_empty() && given == match_key(&other.given_name) && share_surname(one, other)
}

fn share_surname(one: &GuardianIdentity, other: &GuardianIdentity) -> bool {
    let surnames = |identity: &GuardianIdentity| -> BTreeSet<String> {
        let both = [Some(&identity.family_name), identity.usage_name.as_ref()];
        both.into_iter().flatten().map(|name| match_key(name)).collect()
    };
    !surnames(one).is_disjoint(&surnames(other))
}

/// Whether what a file says under the key of a record may correct it. If not it is another person's, and must not
/// come into the account behind the record: whoever has the name and the mobile of an account can recover it.
fn may_be_corrected(known: &Guardian, identity: &GuardianIdentity, contact: &GuardianContact) -> bool {
    // Nothing known, or erased: there is nobody to mistake for someone else.
    let Some(before) = known.identity.as_ref().and_then(|identity| identity.known()) else { return true };
    if like_named(before, identity) {
        return true;
    }
    let reached_alike = known.contact.as_ref().and_then(|contact| contact.known()).is_some_and(|before| {
        let mail = before.email.as_ref().zip(contact.email.as_ref());
        (before.mobile.is_some() && before.mobile == contact.mobile)
            || mail.is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
    });
    let (one, other) = (fold_name(&before.given_name), fold_name(&identity.given_name));
    let same = match_key(&one) == match_key(&other);
    reached_alike && (same || (share_surname(before, identity) && is_slip(&one, &other)))
}

/// Whether two folded first names differ by one slip of the keyboard, or by names added after the first: parents
/// who share a mobile and a surname are told apart by nothing else.
fn is_slip(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    if short.is_empty() || long.strip_prefix(short).is_some_and(|rest| rest.starts_with(' ')) {
        return !short.is_empty();
    }
    let (short, long): (Vec<char>, Vec<char>) = (short.chars().collect(), long.chars().collect());
    let head = short.iter().zip(&long).take_while(|(one, other)| one == other).count();
    let tail =
        short[head..].iter().rev().zip(long[head..].iter().rev()).take_while(|(one, other)| one == other).count();
    let (short, long) = (&short[head..short.len() - tail], &long[head..long.len() - tail]);
    match (short, long) {
        ([], rest) => rest.len() <= 1,
        ([_], [_]) => true,
        ([a, b], [c, d]) => (a, b) == (d, c),
        _ => false,
    }
}

/// The reservation that leads to the pupil of a key.
pub fn reservation_of(draft: &Draft<'_>, key: &PupilKey) -> (Kind, Hash) {
    match key.as_str().strip_prefix("ine:") {
        Some(ine) => (Kind::Ine, draft.hash(Kind::Ine, ine)),
        None => (Kind::PupilSource, draft.hash(Kind::PupilSource, key.as_str())),
    }
}

/// What is told of a record under whose number someone else was known.
const ANOTHER_PERSONS_NUMBER: &str = "this number named another person until now: a new record was made, and the \
    account of the person before stays theirs. If it was the same person, they activate an account again";

fn decide_one(
    draft: &mut Draft<'_>,
    line: u64,
    record: &GuardianRecord,
    hash: Hash,
    id: Option<GuardianId>,
) -> Option<Changed> {
    let (identity, contact) = guardian_facts(record);
    let owner = draft.known.owner(Kind::GuardianSource, &hash).map(GuardianId);
    // A source may give its number to someone else, or a school may type one parent over the other.
    let replaced =
        owner.filter(|owner| !may_be_corrected(&draft.known.guardians.entry(*owner).state, &identity, &contact));
    let known_as = owner.filter(|_| replaced.is_none());
    let id = id.filter(|id| replaced != Some(*id));
    let guardian = id.or(known_as).unwrap_or_else(|| GuardianId(draft.outside.new_id()));
    if draft.known.is_erased(guardian) {
        draft.remark(
            RemarkKind::Refused,
            line,
            record.source_key.to_string(),
            "this person's data was erased and may not be recorded again",
        );
        return None;
    }
    let before = &draft.known.guardians.entry(guardian).state;
    let existed = before.id.is_some();
    let former_source = before
        .identity
        .as_ref()
        .and_then(|identity| identity.known())
        .map(|identity| identity.source_key.clone())
        .filter(|source| source != record.source_key.as_str());
    let before = before.clone();
    let keys_before = if existed { draft.match_keys(&before) } else { BTreeSet::new() };
    match draft.guardian(guardian, GuardianCommand::RecordSchoolData { guardian, identity, contact }) {
        Err(refusal) => {
            draft.remark(RemarkKind::Refused, line, record.source_key.to_string(), refusal);
            return None;
        }
        Ok(false) => return None,
        Ok(true) => {}
    }
    if let Some(other) = replaced {
        draft.release(Kind::GuardianSource, hash, other.0);
        draft.remark(RemarkKind::Notice, line, record.source_key.to_string(), ANOTHER_PERSONS_NUMBER);
    }
    if known_as.is_none() {
        draft.claim(Kind::GuardianSource, hash, guardian.0);
    }
    if let Some(former) = former_source {
        let former = draft.hash(Kind::GuardianSource, &former);
        draft.release(Kind::GuardianSource, former, guardian.0);
    }
    existed.then_some(Changed { guardian, line, keys_before })
}

/// After a correction an account must be found by the new name and number, and no longer by the old ones.
async fn follow_keys(draft: &mut Draft<'_>, loader: &Loader, changed: Vec<Changed>) -> Result<(), ReadError> {
    let holders: Vec<Hash> =
        changed.iter().map(|changed| draft.holder_hash(Holder::Guardian(changed.guardian))).collect();
    loader.owners(draft.known, Kind::Holder, holders).await?;
    let with_account: Vec<(Changed, AccountId)> = changed
        .into_iter()
        .filter_map(|changed| draft.account_of(Holder::Guardian(changed.guardian)).map(|account| (changed, account)))
        .collect();
    if with_account.is_empty() {
        return Ok(());
    }
    loader.accounts(draft.known, with_account.iter().map(|(_, account)| *account)).await?;
    let behind: Vec<GuardianId> = with_account
        .iter()
        .flat_map(|(_, account)| draft.known.accounts.entry(*account).state.guardians.clone())
        .collect();
    loader.guardians(draft.known, behind).await?;

    let mut moves = Vec::new();
    for (changed, account) in with_account {
        let wanted = keys_of_account(draft, account);
        moves.push((changed, account, wanted));
    }
    let all_keys: Vec<Hash> =
        moves.iter().flat_map(|(changed, _, wanted)| changed.keys_before.iter().chain(wanted)).copied().collect();
    loader.owners(draft.known, Kind::GuardianMatch, all_keys).await?;
    for (changed, account, wanted) in moves {
        for key in changed.keys_before.difference(&wanted) {
            if draft.known.owner(Kind::GuardianMatch, key) == Some(account.0) {
                draft.release(Kind::GuardianMatch, *key, account.0);
            }
        }
        claim_keys(draft, account, changed.guardian, changed.line, wanted);
    }
    Ok(())
}

/// The keys of all records behind an account: one that another record still has must stay.
fn keys_of_account(draft: &mut Draft<'_>, account: AccountId) -> BTreeSet<Hash> {
    let records = draft.known.accounts.entry(account).state.guardians.clone();
    let mut keys = BTreeSet::new();
    for record in records {
        if let Some(guardian) = draft.known.guardians.get(&record) {
            keys.extend(draft.match_keys(&guardian.state));
        }
    }
    keys
}

/// Claims what is free. What another account holds is left alone: two accounts of one person are merged by the
/// person, not by a guess.
pub fn claim_keys(draft: &mut Draft<'_>, account: AccountId, guardian: GuardianId, line: u64, keys: BTreeSet<Hash>) {
    for key in keys {
        match draft.known.owner(Kind::GuardianMatch, &key) {
            None => draft.claim(Kind::GuardianMatch, key, account.0),
            Some(owner) if owner == account.0 => {}
            Some(_) => draft.remark(
                RemarkKind::Notice,
                line,
                format!("guardian {guardian}"),
                "another account is already found by this name and mobile: it keeps them, and this person's account \
                 is not found by them",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_slip;

    #[test]
    fn a_slip_is_told_from_another_name() {
        for (one, other) in [("berthe", "berte"), ("berthe", "bertha"), ("berthe", "berteh"), ("anne", "anne marie")] {
            assert!(is_slip(one, other) && is_slip(other, one), "{one} {other}");
        }
        for (one, other) in [("berthe", "claude"), ("jean", "jeanne"), ("", "a"), ("", "anne")] {
            assert!(!is_slip(one, other), "{one} {other}");
        }
    }
}
