//! Which account a school's data opens, feeds or limits.
//!
//! - A pupil gets one account for life, as soon as the record is complete and there is one current school.
//! - A guardian gets one as soon as a record of theirs is a legal guardian's: the account that is found by the
//!   same name and mobile, else the one behind a like-named record that another school declares for the same
//!   pupil (a mobile that differs between schools), else a new one.
//! - Where the last record behind an account stops being a pupil's legal guardian, the confirmed child leaves the
//!   account in the same transaction.

use super::draft::Draft;
use super::guardians::{claim_keys, like_named};
use super::known::{Hash, Kind, Versioned};
use super::loader::Loader;
use super::report::RemarkKind;
use domain::account::{AccountCommand, Detachment, Holder};
use domain::guardian::Guardian;
use domain::identifiers::{GuardianLevel, Relationship, Uai};
use domain::ids::{AccountId, GuardianId, PupilId};
use domain::pupil::{Eligibility, Pupil};
use ledger::ReadError;
use std::collections::{BTreeMap, BTreeSet};

/// A pupil on whom a chunk decided, and what was so before.
pub struct Touched {
    /// The pupil.
    pub pupil: PupilId,
    /// Line of the record, 0 where there is none.
    pub line: u64,
    /// Legal guardians before, by the establishments that declared them.
    pub legal_before: BTreeSet<(Uai, GuardianId)>,
}

/// Legal guardians other than the pupil themself: an adult pupil has the pupil's account.
pub fn legal_links(pupil: &Pupil) -> BTreeSet<(Uai, GuardianId)> {
    pupil
        .links
        .iter()
        .filter(|(_, link)| link.level == GuardianLevel::Legal)
        .filter(|(_, link)| link.relationship.known() != Some(&Some(Relationship::Oneself)))
        .map(|(key, _)| *key)
        .collect()
}

/// What follows from the touched pupils for accounts.
///
/// # Errors
/// [`ReadError`] when the ledger can't be read.
pub async fn settle_accounts(draft: &mut Draft<'_>, loader: &Loader, touched: &[Touched]) -> Result<(), ReadError> {
    let mut eligible = Vec::new();
    let mut guardians: BTreeMap<GuardianId, Vec<PupilId>> = BTreeMap::new();
    let mut order = Vec::new();
    let mut ended: Vec<(GuardianId, PupilId)> = Vec::new();
    for one in touched {
        let pupil = &draft.known.pupils.entry(one.pupil).state;
        if matches!(pupil.eligibility(), Eligibility::Eligible(_)) {
            eligible.push(one.pupil);
        }
        let now = legal_links(pupil);
        for (_, guardian) in &now {
            let of = guardians.entry(*guardian).or_insert_with(|| {
                order.push((*guardian, one.line));
                Vec::new()
            });
            of.push(one.pupil);
        }
        let still: BTreeSet<GuardianId> = now.iter().map(|(_, guardian)| *guardian).collect();
        let gone: BTreeSet<GuardianId> =
            one.legal_before.iter().map(|(_, guardian)| *guardian).filter(|id| !still.contains(id)).collect();
        ended.extend(gone.into_iter().map(|guardian| (guardian, one.pupil)));
    }
    let holders: Vec<Hash> = eligible
        .iter()
        .map(|pupil| Holder::Pupil(*pupil))
        .chain(guardians.keys().map(|guardian| Holder::Guardian(*guardian)))
        .chain(ended.iter().map(|(guardian, _)| Holder::Guardian(*guardian)))
        .map(|holder| draft.holder_hash(holder))
        .collect();
    loader.owners(draft.known, Kind::Holder, holders).await?;

    for pupil in eligible {
        if draft.account_of(Holder::Pupil(pupil)).is_none() {
            open(draft, Holder::Pupil(pupil));
        }
    }
    let mut homeless = Vec::new();
    for (guardian, line) in order {
        if draft.account_of(Holder::Guardian(guardian)).is_none() {
            homeless.push(Homeless { guardian, line, likely: likely_same(draft, touched, guardian, &guardians) });
        }
    }
    house(draft, loader, homeless).await?;
    detach(draft, loader, ended).await
}

/// A legal guardian's record without an account.
struct Homeless {
    guardian: GuardianId,
    line: u64,
    /// Records of other schools for the same pupils: one may be the same person's.
    likely: BTreeSet<GuardianId>,
}

/// Legal guardians whom *other* establishments declare, or declared until this very file, for the same pupils.
/// Two records that one establishment tells apart are two persons.
fn likely_same(
    draft: &mut Draft<'_>,
    touched: &[Touched],
    guardian: GuardianId,
    guardians: &BTreeMap<GuardianId, Vec<PupilId>>,
) -> BTreeSet<GuardianId> {
    let mut likely = BTreeSet::new();
    let pupils = guardians.get(&guardian).map(Vec::as_slice).unwrap_or_default();
    for one in touched.iter().filter(|one| pupils.contains(&one.pupil)) {
        let now = legal_links(&draft.known.pupils.entry(one.pupil).state);
        let told_by: BTreeSet<Uai> = now.iter().filter(|(_, id)| *id == guardian).map(|(by, _)| *by).collect();
        let apart: BTreeSet<GuardianId> =
            now.iter().filter(|(by, _)| told_by.contains(by)).map(|(_, id)| *id).collect();
        let all = now.iter().chain(&one.legal_before);
        likely.extend(all.map(|(_, id)| *id).filter(|id| !apart.contains(id)));
    }
    likely
}

/// Finds or opens an account for each.
async fn house(draft: &mut Draft<'_>, loader: &Loader, homeless: Vec<Homeless>) -> Result<(), ReadError> {
    if homeless.is_empty() {
        return Ok(());
    }
    let wanted = homeless.iter().flat_map(|one| one.likely.iter().chain([&one.guardian])).copied();
    loader.guardians(draft.known, wanted.collect::<Vec<_>>()).await?;
    let others = homeless.iter().flat_map(|one| &one.likely).map(|other| Holder::Guardian(*other));
    let others: Vec<Hash> = others.map(|holder| draft.holder_hash(holder)).collect();
    loader.owners(draft.known, Kind::Holder, others).await?;
    let mut keyed = Vec::with_capacity(homeless.len());
    for one in homeless {
        let keys = draft.known.guardians.get(&one.guardian).map(|known| draft.match_keys(&known.state));
        keyed.push((one, keys.unwrap_or_default()));
    }
    loader.owners(draft.known, Kind::GuardianMatch, keyed.iter().flat_map(|(_, keys)| keys).copied()).await?;
    let candidates: Vec<AccountId> = keyed.iter().flat_map(|(one, keys)| found(draft, one, keys)).collect();
    loader.accounts(draft.known, candidates).await?;

    for (one, keys) in keyed {
        let holder = Holder::Guardian(one.guardian);
        // Not decided together with the candidates above: an account opened for an earlier one may be this one's.
        let account = match found(draft, &one, &keys).first().copied() {
            None => open(draft, holder),
            Some(account) => {
                let attach = AccountCommand::AttachGuardianRecord { guardian: one.guardian };
                if let Err(refusal) = draft.account(account, attach) {
                    let record = format!("guardian {}", one.guardian);
                    let text = format!("the record was not attached to the person's account {account}: {refusal}");
                    draft.remark(RemarkKind::Notice, one.line, record, text);
                    continue;
                }
                let hash = draft.holder_hash(holder);
                draft.claim(Kind::Holder, hash, account.0);
                account
            }
        };
        claim_keys(draft, account, one.guardian, one.line, keys);
    }
    Ok(())
}

/// Accounts that are this person's, the surest first.
fn found(draft: &Draft<'_>, one: &Homeless, keys: &BTreeSet<Hash>) -> Vec<AccountId> {
    let by_key = keys.iter().filter_map(|key| draft.known.owner(Kind::GuardianMatch, key)).map(AccountId);
    let own = draft.known.guardians.get(&one.guardian);
    let by_name = one.likely.iter().filter_map(|other| {
        let identity = |known: &Versioned<Guardian>| known.state.identity.as_ref()?.known().cloned();
        let (own, theirs) = (identity(own?)?, identity(draft.known.guardians.get(other)?)?);
        like_named(&own, &theirs).then(|| draft.account_of(Holder::Guardian(*other)))?
    });
    by_key.chain(by_name).collect()
}

fn open(draft: &mut Draft<'_>, holder: Holder) -> AccountId {
    let account = AccountId(draft.outside.new_id());
    let hash = draft.holder_hash(holder);
    draft.account(account, AccountCommand::Open { account, holder }).expect("an id made just now names no account yet");
    draft.claim(Kind::Holder, hash, account.0);
    account
}

/// Takes children off the accounts none of whose records is their legal guardian any more.
async fn detach(draft: &mut Draft<'_>, loader: &Loader, ended: Vec<(GuardianId, PupilId)>) -> Result<(), ReadError> {
    let of: BTreeSet<(AccountId, PupilId)> = ended
        .into_iter()
        .filter_map(|(guardian, pupil)| draft.account_of(Holder::Guardian(guardian)).map(|account| (account, pupil)))
        .collect();
    loader.accounts(draft.known, of.iter().map(|(account, _)| *account)).await?;
    for (account, pupil) in of {
        let legal: BTreeSet<GuardianId> = draft.known.pupils.entry(pupil).state.legal_guardians().collect();
        let behind = &draft.known.accounts.entry(account).state;
        if behind.guardians.is_disjoint(&legal) && behind.confirmed.contains(&pupil) {
            let cause = Detachment::NoLongerLegalGuardian;
            if let Err(refusal) = draft.account(account, AccountCommand::DetachChild { pupil, cause }) {
                // A disabled account: nobody sees anything through it, and the views ask for a legal link anyway.
                tracing::info!(%account, %pupil, %refusal, "child stays listed on an account out of use");
            }
        }
    }
    Ok(())
}
