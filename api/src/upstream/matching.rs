//! Which account a first use leads to, where the provider's word is enough: an operator has configured that it is.
//!
//! Names that the provider gives beside the claim must be those of the school's record. Where several people fit,
//! nobody does. Views only help to find candidates; what decides is their own streams.

use super::answer::Arrived;
use super::claims::of_rule;
use super::provider::Provider;
use crate::activation::views_caught_up;
use crate::app::App;
use crate::config::MatchBy;
use crate::incident::AppError;
use crate::session::normalise_login;
use domain::account::{Account, Holder, UpstreamIdentity, UpstreamProof};
use domain::guardian::Guardian;
use domain::identifiers::{Ine, Uai};
use domain::ids::{AccountId, GuardianId, PupilId};
use domain::personal::Personal;
use domain::pupil::Pupil;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The one account that a provider's rule leads to, and on what proof.
///
/// # Errors
/// When something fails.
pub(super) async fn find(
    app: &App,
    provider: &Provider,
    arrived: &Arrived,
) -> Result<Option<(AccountId, UpstreamProof)>, AppError> {
    let claim = of_rule(provider, &arrived.claims);
    let identity = &arrived.identity;
    let (found, proof) = match (provider.config.matching.by, claim) {
        (MatchBy::Ine, Some(ine)) => (by_ine(app, &ine, identity).await?, UpstreamProof::Ine),
        (MatchBy::FrEduVecteur, Some(vector)) => (by_vector(app, &vector).await?, UpstreamProof::EducationVector),
        (MatchBy::Login, Some(login)) => (by_login(app, &login, identity).await?, UpstreamProof::Login),
        (MatchBy::NamesAndBirthDate, _) => {
            (by_names_and_birth_date(app, identity).await?, UpstreamProof::NamesAndBirthDate)
        }
        (MatchBy::Ine | MatchBy::FrEduVecteur | MatchBy::Login, None) | (MatchBy::Names, _) => return Ok(None),
    };
    Ok(found.map(|account| (account, proof)))
}

async fn by_ine(app: &App, text: &str, identity: &UpstreamIdentity) -> Result<Option<AccountId>, AppError> {
    let Ok(ine) = text.to_uppercase().parse::<Ine>() else { return Ok(None) };
    let owner = app.ledger.reserved("ine", &app.ledger.lookup_hash("ine", ine.as_str())).await?;
    let Some(pupil) = owner.and_then(|owner| owner.parse::<PupilId>().ok()) else { return Ok(None) };
    let state = app.ledger.load::<Pupil>(&pupil.to_string()).await?.aggregate;
    if !says_nothing_else(&state, identity) {
        return Ok(None);
    }
    account_of(app, Holder::Pupil(pupil)).await
}

async fn by_login(app: &App, text: &str, identity: &UpstreamIdentity) -> Result<Option<AccountId>, AppError> {
    let owner = app.ledger.reserved("login", &app.ledger.lookup_hash("login", &normalise_login(text))).await?;
    let Some(id) = owner.and_then(|owner| owner.parse::<AccountId>().ok()) else { return Ok(None) };
    let account = app.ledger.load::<Account>(&id.to_string()).await?.aggregate;
    let agrees = match account.holder {
        Some(Holder::Pupil(pupil)) => {
            says_nothing_else(&app.ledger.load::<Pupil>(&pupil.to_string()).await?.aggregate, identity)
        }
        Some(Holder::Guardian(_)) => {
            !has_names(identity) || super::link::school_names(&app.ledger, &account, identity).await?.0
        }
        None => false,
    };
    Ok(agrees.then_some(id))
}

fn has_names(identity: &UpstreamIdentity) -> bool {
    identity.family_name.is_some() || !identity.given_names.is_empty()
}

/// Whether the names and the birth date that an identity has, if it has any, are the pupil's.
fn says_nothing_else(pupil: &Pupil, identity: &UpstreamIdentity) -> bool {
    let Some(status) = pupil.civil_status.as_ref().and_then(Personal::known) else { return false };
    let given = status.given_names.first().map_or("", String::as_str);
    let names = !has_names(identity) || identity.bears(&status.family_name, status.usage_name.as_deref(), given);
    let born = status.birth_date.map(|date| date.to_string());
    names && identity.birth_date.as_ref().is_none_or(|date| born.as_ref() == Some(date))
}

/// `type|nom|prénom|élève|UAI`: 1 and 2 are guardians, 3 and 4 pupils, of the first and second degree. The number of
/// the pupil is the desk's own and leads nowhere here: the person is the one of that name at that establishment.
async fn by_vector(app: &App, text: &str) -> Result<Option<AccountId>, AppError> {
    let parts: Vec<&str> = text.split('|').map(str::trim).collect();
    let [kind, family, given, _, uai] = parts.as_slice() else { return Ok(None) };
    let Ok(uai) = uai.to_uppercase().parse::<Uai>() else { return Ok(None) };
    let identity = UpstreamIdentity {
        family_name: Some((*family).to_owned()),
        given_names: given.split_whitespace().map(str::to_owned).collect(),
        ..UpstreamIdentity::default()
    };
    views_caught_up(app).await?;
    let guardians = match *kind {
        "1" | "2" => true,
        "3" | "4" => false,
        _ => return Ok(None),
    };
    let sql = if guardians {
        "SELECT DISTINCT g.id, g.family_name, g.usage_name, g.given_name FROM view_people.enrolment e
         JOIN view_people.link l ON l.pupil = e.pupil AND l.level = 1
         JOIN view_people.guardian g ON g.id = l.guardian WHERE e.establishment = $1"
    } else {
        "SELECT p.id, p.family_name, p.usage_name, p.given_names->>0 FROM view_people.enrolment e
         JOIN view_people.pupil p ON p.id = e.pupil WHERE e.establishment = $1"
    };
    type Row = (Uuid, Option<String>, Option<String>, Option<String>);
    let rows: Vec<Row> = sqlx::query_as(sql).bind(uai.to_string()).fetch_all(&app.db).await?;
    let bears = |(_, family, usage, given): &Row| {
        identity.bears(family.as_deref().unwrap_or_default(), usage.as_deref(), given.as_deref().unwrap_or_default())
    };
    let found: Vec<Uuid> = rows.iter().filter(|row| bears(row)).map(|(id, ..)| *id).collect();
    let mut accounts = BTreeSet::new();
    for id in found {
        let holder = if guardians { Holder::Guardian(GuardianId(id)) } else { Holder::Pupil(PupilId(id)) };
        if still_bears(app, holder, &identity).await? {
            accounts.extend(account_of(app, holder).await?);
        }
    }
    Ok(only(accounts))
}

/// The same by the person's own stream.
async fn still_bears(app: &App, holder: Holder, identity: &UpstreamIdentity) -> Result<bool, AppError> {
    Ok(match holder {
        Holder::Pupil(pupil) => {
            says_nothing_else(&app.ledger.load::<Pupil>(&pupil.to_string()).await?.aggregate, identity)
        }
        Holder::Guardian(guardian) => {
            let record = app.ledger.load::<Guardian>(&guardian.to_string()).await?.aggregate;
            record
                .identity
                .as_ref()
                .and_then(Personal::known)
                .is_some_and(|known| identity.bears(&known.family_name, known.usage_name.as_deref(), &known.given_name))
        }
    })
}

async fn by_names_and_birth_date(app: &App, identity: &UpstreamIdentity) -> Result<Option<AccountId>, AppError> {
    // Day and month may be unknown at the provider: then nobody is found.
    let born = identity.birth_date.as_deref().and_then(|date| date.parse::<chrono::NaiveDate>().ok());
    let Some(born) = born else { return Ok(None) };
    views_caught_up(app).await?;
    let candidates: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM view_people.pupil WHERE birth_date = $1")
        .bind(born)
        .fetch_all(&app.db)
        .await?;
    let ids: Vec<String> = candidates.iter().map(Uuid::to_string).collect();
    let mut accounts = BTreeSet::new();
    let pupils = if ids.is_empty() { Default::default() } else { app.ledger.load_many::<Pupil>(&ids).await? };
    for loaded in pupils.into_values() {
        let pupil = loaded.aggregate;
        if let (true, Some(id)) = (says_nothing_else(&pupil, identity), pupil.id) {
            accounts.extend(account_of(app, Holder::Pupil(id)).await?);
        }
    }
    Ok(only(accounts))
}

fn only(accounts: BTreeSet<AccountId>) -> Option<AccountId> {
    if accounts.len() == 1 { accounts.into_iter().next() } else { None }
}

async fn account_of(app: &App, holder: Holder) -> Result<Option<AccountId>, AppError> {
    let holder = match holder {
        Holder::Pupil(pupil) => format!("pupil:{pupil}"),
        Holder::Guardian(guardian) => format!("guardian:{guardian}"),
    };
    let owner = app.ledger.reserved("holder", &app.ledger.lookup_hash("holder", &holder)).await?;
    Ok(owner.and_then(|owner| owner.parse().ok()))
}
