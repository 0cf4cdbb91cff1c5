//! Recovery codes: ten on paper, for the day that the phone with the authenticator app is lost. Each is used once.
//! `POST /account/ways-in/recovery-codes` hands them out, in place of any former ones, and shows them once.

use super::super::form::{Binding, PageForm, Submitted};
use super::super::{NoRandomness, StepUp};
use crate::activation::record;
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::pages::{Page, Sample, View};
use crate::password::{Password as Typed, ProvisionalPassword};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domain::account::{Account, AccountCommand};
use domain::context::{Actor, Reason};
use domain::ids::{AccountId, SecretId};
use ledger::{AppendError, Unit, VaultChange};
use serde::Deserialize;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Where the form is sent.
pub const PATH: &str = "/account/ways-in/recovery-codes";
/// The vault's word for them.
const KIND: &str = "recovery-codes";
/// Codes handed out at once.
const NUMBER: u8 = 10;
/// Length of a keyed hash.
const HASH: usize = 32;

/// New codes, please.
#[derive(Deserialize)]
pub struct RecoveryForm {}

impl PageForm for RecoveryForm {
    const NAME: &'static str = "recovery-codes";
    const BINDING: Binding = Binding::Session;
}

/// The codes, shown once.
#[derive(Template)]
#[template(path = "session/recovery_codes.html")]
pub struct RecoveryCodesPage {
    view: View,
    codes: Vec<Zeroizing<String>>,
}

impl Sample for RecoveryCodesPage {
    fn samples(view: &View) -> Vec<Self> {
        let code = || Zeroizing::new("K7R2W-A0QX4-Z9HJN".to_owned());
        vec![Self { view: view.signed_in(PATH), codes: (0..NUMBER).map(|_| code()).collect() }]
    }
}

/// A keyed hash: the codes are random enough to need no slow one.
fn hash(app: &App, account: AccountId, canonical: &Typed) -> [u8; HASH] {
    app.ledger.lookup_hash("recovery-code", &format!("{account}|{}", canonical.as_str()))
}

/// Hands out codes.
///
/// # Errors
/// When there is no randomness, or the ledger fails.
pub async fn issue_recovery_codes(
    State(app): State<App>,
    view: View,
    incident: Incident,
    StepUp(user): StepUp,
    Submitted(RecoveryForm {}): Submitted<RecoveryForm>,
) -> Result<Response, AppError> {
    let (mut codes, mut hashes) = (Vec::new(), Vec::new());
    for _ in 0..NUMBER {
        let code = ProvisionalPassword::draw().ok_or(NoRandomness)?;
        hashes.extend_from_slice(&hash(&app, user.account, &code.password()));
        codes.push(code.show());
    }
    let secret = SecretId(Uuid::new_v4());
    let recorded = record(&app, &incident, user.account, |loaded, unit| {
        let command = AccountCommand::IssueRecoveryCodes { secret, number: NUMBER };
        let former = loaded.aggregate.recovery_codes.map(|codes| codes.secret);
        let unit = unit.stream::<Account>(&loaded.id, loaded.version, loaded.aggregate.decide(command)?);
        let body = Zeroizing::new(hashes.clone());
        let unit = unit.vault(VaultChange::Put { id: secret, kind: KIND, secret: body, expires_at: None });
        Ok(former.into_iter().fold(unit, |unit, former| unit.vault(VaultChange::Delete(former))))
    });
    match recorded.await? {
        Ok(_) => Ok(Page(RecoveryCodesPage { view, codes }).into_response()),
        // The last factor went meanwhile.
        Err(_) => Ok(Redirect::to(super::super::WAYS_IN_PATH).into_response()),
    }
}

/// Whether it is one of the account's codes that was not used before. It is used up by that: the vault's row loses it
/// first, so that of two who come with one code one is let in, and the event follows.
pub(super) async fn prove(app: &App, incident: &Incident, account: AccountId, typed: &str) -> Result<bool, AppError> {
    let Some(typed) = Typed::read(typed) else { return Ok(false) };
    let id = account.to_string();
    let loaded = app.ledger.load::<Account>(&id).await?;
    let Some(codes) = loaded.aggregate.recovery_codes else { return Ok(false) };
    let Some(stored) = app.ledger.vault_get(codes.secret, app.clock.now()).await? else { return Ok(false) };
    let wanted = hash(app, account, &typed.as_provisional());
    let left: Vec<u8> = stored.secret.chunks(HASH).filter(|known| *known != wanted).flatten().copied().collect();
    if left.len() == stored.secret.len()
        || !app.ledger.vault_replace(codes.secret, KIND, stored.revision, &left).await?
    {
        return Ok(false);
    }
    let context = incident.context(Actor::Account(account), Reason::OwnRequest, app.clock.now());
    loop {
        let loaded = app.ledger.load::<Account>(&id).await?;
        let Ok(events) = loaded.aggregate.decide(AccountCommand::UseRecoveryCode) else { return Ok(false) };
        match app.ledger.append(Unit::new(context.clone()).stream::<Account>(&id, loaded.version, events)).await {
            Ok(_) => return Ok(true),
            Err(AppendError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
