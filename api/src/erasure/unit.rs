//! The unit of an erasure: all of it in one transaction.

use super::{Eraser, ErasureError, NOBODY, Person};
use domain::account::{Account, AccountCommand, Detachment, Password};
use domain::context::Context;
use domain::erasure::Grounds;
use domain::guardian::{Guardian, GuardianCommand};
use domain::ids::{AccountId, GuardianId, PupilId};
use domain::pupil::{Pupil, PupilCommand};
use ledger::{Unit, VaultChange};
use std::collections::BTreeSet;
use uuid::Uuid;

pub(super) async fn decide(
    eraser: &Eraser,
    person: &Person,
    grounds: Grounds,
    context: Context,
) -> Result<Unit, ErasureError> {
    let mut unit = Unit::new(context);
    for account in &person.accounts {
        unit = account_unit(eraser, unit, *account, grounds).await?;
    }
    for pupil in &person.pupils {
        unit = pupil_unit(eraser, unit, *pupil, grounds).await?;
        unit = detach_child(eraser, unit, *pupil, person).await?;
    }
    unit = lapse_links(eraser, unit, person).await?;
    for guardian in &person.guardians {
        let id = guardian.to_string();
        let loaded = eraser.ledger.load::<Guardian>(&id).await?;
        let events = loaded.aggregate.decide(GuardianCommand::Erase { grounds }).unwrap_or_default();
        if !events.is_empty() {
            unit = unit.stream::<Guardian>(&id, loaded.version, events).erase(*guardian);
        }
        unit = release(eraser, unit, &id).await?;
    }
    forget_guardians(eraser, unit, person).await
}

async fn account_unit(
    eraser: &Eraser,
    mut unit: Unit,
    account: AccountId,
    grounds: Grounds,
) -> Result<Unit, ErasureError> {
    let id = account.to_string();
    let loaded = eraser.ledger.load::<Account>(&id).await?;
    let events = loaded.aggregate.decide(AccountCommand::Erase { grounds }).unwrap_or_default();
    if !events.is_empty() {
        unit = unit.stream::<Account>(&id, loaded.version, events).erase(account);
    }
    let secrets = loaded.aggregate.password.iter().map(Password::secret);
    let secrets = secrets.chain(loaded.aggregate.codes.values().map(|code| code.secret));
    let secrets = secrets.chain(loaded.aggregate.second_factors.values().map(|factor| factor.secret));
    let secrets = secrets.chain(loaded.aggregate.recovery_codes.map(|codes| codes.secret));
    unit = secrets.fold(unit, |unit, secret| unit.vault(VaultChange::Delete(secret)));
    release(eraser, unit, &id).await
}

async fn pupil_unit(eraser: &Eraser, mut unit: Unit, pupil: PupilId, grounds: Grounds) -> Result<Unit, ErasureError> {
    let id = pupil.to_string();
    let loaded = eraser.ledger.load::<Pupil>(&id).await?;
    let events = loaded.aggregate.decide(PupilCommand::Erase { grounds }).unwrap_or_default();
    if !events.is_empty() {
        unit = unit.stream::<Pupil>(&id, loaded.version, events).erase(pupil);
    }
    release(eraser, unit, &id).await
}

/// Gives up everything an id holds. A login is nobody's from then on, so that it is never handed out again: its hash
/// stays and leads to no one.
async fn release(eraser: &Eraser, mut unit: Unit, owner: &str) -> Result<Unit, ErasureError> {
    for held in eraser.ledger.held_by(owner).await? {
        unit = unit.release(&held.kind, owner, held.hash);
        if held.kind == "login" {
            unit = unit.claim("login", NOBODY, held.hash);
        }
    }
    Ok(unit)
}

/// The child leaves the accounts of its guardians.
async fn detach_child(eraser: &Eraser, mut unit: Unit, pupil: PupilId, person: &Person) -> Result<Unit, ErasureError> {
    let accounts: Vec<Uuid> =
        sqlx::query_scalar("SELECT account FROM view_accounts.account_child WHERE pupil = $1 AND status = 'confirmed'")
            .bind(pupil.0)
            .fetch_all(&eraser.db)
            .await?;
    for account in accounts.into_iter().map(AccountId).filter(|id| !person.accounts.contains(id)) {
        let id = account.to_string();
        let loaded = eraser.ledger.load::<Account>(&id).await?;
        let detach = AccountCommand::DetachChild { pupil, cause: Detachment::ChildErased };
        // An account out of use shows nothing of the child.
        let events = loaded.aggregate.decide(detach).unwrap_or_default();
        unit.push::<Account>(&id, loaded.version, events);
    }
    Ok(unit)
}

/// Links that wait in the records of others and may mean the child end: their written names went with its key.
async fn lapse_links(eraser: &Eraser, mut unit: Unit, person: &Person) -> Result<Unit, ErasureError> {
    let pupils: Vec<String> = person.pupils.iter().map(ToString::to_string).collect();
    let guardians: Vec<Uuid> = sqlx::query_scalar(
        "SELECT DISTINCT guardian FROM view_people.held_link WHERE candidates ?| $1 ORDER BY guardian",
    )
    .bind(pupils)
    .fetch_all(&eraser.db)
    .await?;
    for guardian in guardians.into_iter().map(GuardianId).filter(|id| !person.guardians.contains(id)) {
        let id = guardian.to_string();
        let loaded = eraser.ledger.load::<Guardian>(&id).await?;
        let forget = GuardianCommand::ForgetChildren { pupils: person.pupils.clone() };
        unit.push::<Guardian>(&id, loaded.version, loaded.aggregate.decide(forget).unwrap_or_default());
    }
    Ok(unit)
}

/// Pupils no longer name the person as their guardian.
async fn forget_guardians(eraser: &Eraser, mut unit: Unit, person: &Person) -> Result<Unit, ErasureError> {
    let guardians: Vec<Uuid> = person.guardians.iter().map(|id| id.0).collect();
    let pupils: Vec<Uuid> =
        sqlx::query_scalar("SELECT DISTINCT pupil FROM view_people.link WHERE guardian = ANY($1) ORDER BY pupil")
            .bind(&guardians)
            .fetch_all(&eraser.db)
            .await?;
    let others: BTreeSet<PupilId> =
        pupils.into_iter().map(PupilId).filter(|pupil| !person.pupils.contains(pupil)).collect();
    for pupil in others {
        let id = pupil.to_string();
        let loaded = eraser.ledger.load::<Pupil>(&id).await?;
        let forget = |guardian| loaded.aggregate.decide(PupilCommand::ForgetGuardian { guardian }).unwrap_or_default();
        let events = person.guardians.iter().copied().flat_map(forget).collect();
        unit.push::<Pupil>(&id, loaded.version, events);
    }
    Ok(unit)
}
