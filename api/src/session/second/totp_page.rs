//! `GET` and `POST /account/ways-in/app`: an authenticator app is added. `POST /account/ways-in/remove`: a second
//! factor is given up. All behind [`StepUp`].

use super::super::cookies::Cookies;
use super::super::form::{Binding, PageForm, Submitted};
use super::super::{NoRandomness, StepUp, WAYS_IN_PATH};
use super::totp::{KIND, OwnSecret};
use crate::activation::{Names, notify, record};
use crate::app::App;
use crate::delivery::Message;
use crate::incident::{AppError, Incident};
use crate::pages::{FormErrors, Page, Sample, View};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use domain::account::{Account, AccountCommand, FactorKind, FactorRemoval};
use domain::ids::{FactorId, SecretId};
use ledger::VaultChange;
use qrcodegen::{QrCode, QrCodeEcc};
use serde::Deserialize;
use std::fmt::Write as _;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The page's path.
pub const PATH: &str = "/account/ways-in/app";
/// Where the forms that give a factor up are sent.
pub const REMOVE: &str = "/account/ways-in/remove-factor";
/// Light around the picture, in modules: readers want it.
const QUIET: i32 = 4;

/// The secret that the page showed, and a code made of it.
#[derive(Deserialize)]
pub struct TotpForm {
    secret: Zeroizing<String>,
    code: Zeroizing<String>,
}

impl PageForm for TotpForm {
    const NAME: &'static str = "enrol-totp";
    const BINDING: Binding = Binding::Session;
}

/// Which factor to give up.
#[derive(Deserialize)]
pub struct RemoveForm {
    factor: FactorId,
}

impl PageForm for RemoveForm {
    const NAME: &'static str = "remove-second-factor";
    const BINDING: Binding = Binding::Session;
}

/// The secret as picture, link and letters, and the field for the first code.
#[derive(Template)]
#[template(path = "session/totp.html")]
pub struct TotpPage {
    view: View,
    token: String,
    secret: Zeroizing<String>,
    link: Zeroizing<String>,
    /// Side of the picture, in modules.
    side: i32,
    /// The dark modules, as an SVG path.
    picture: Zeroizing<String>,
    errors: FormErrors,
}

impl Sample for TotpPage {
    fn samples(view: &View) -> Vec<Self> {
        let mut errors = FormErrors::new();
        errors.add("code", view.t("totp-wrong"));
        let secret = OwnSecret::read("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let page = |errors| {
            secret.as_ref().and_then(|secret| make(view.signed_in(PATH), "…".into(), secret, "p.fictif", errors))
        };
        [page(FormErrors::new()), page(errors)].into_iter().flatten().collect()
    }
}

/// The page for a secret; `None` where no picture can be made of it, which its length rules out.
fn make(view: View, token: String, secret: &OwnSecret, login: &str, errors: FormErrors) -> Option<TotpPage> {
    let link = Zeroizing::new(secret.link(login, &view.t("service-name"))?);
    let code = QrCode::encode_text(&link, QrCodeEcc::Medium).ok()?;
    let mut picture = Zeroizing::new(String::new());
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|&x| code.get_module(x, y)) {
            // Writing into a string never fails.
            let _ = write!(picture, "M{} {}h1v1h-1z", x + QUIET, y + QUIET);
        }
    }
    let secret = Zeroizing::new(secret.base32());
    Some(TotpPage { view, token, secret, link, side: code.size() + 2 * QUIET, picture, errors })
}

impl TotpPage {
    /// The secret in groups, to type it.
    fn groups(&self) -> String {
        let symbols: Vec<char> = self.secret.chars().collect();
        symbols.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }
}

/// Draws a secret and shows it.
///
/// # Errors
/// When there is no randomness.
pub async fn show_totp(
    State(app): State<App>,
    view: View,
    cookies: Cookies,
    StepUp(user): StepUp,
) -> Result<Page<TotpPage>, AppError> {
    let secret = OwnSecret::draw().ok_or(NoRandomness)?;
    let token = cookies.session.as_ref().map(|session| TotpForm::token(&app, session)).unwrap_or_default();
    make(view, token, &secret, &user.name, FormErrors::new()).map(Page).ok_or_else(AppError::bad_request)
}

/// Takes the first code, which proves that the app has the secret; from then on a password alone does not do.
///
/// # Errors
/// When something fails.
pub async fn enrol_totp(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    StepUp(user): StepUp,
    Submitted(form): Submitted<TotpForm>,
) -> Result<Response, AppError> {
    let secret = OwnSecret::read(&form.secret).ok_or_else(AppError::bad_request)?;
    let (now, language) = (app.clock.now(), view.language);
    let Some(step) = secret.step_of(&form.code, now.timestamp().unsigned_abs()) else {
        let mut errors = FormErrors::new();
        errors.add("code", view.t("totp-wrong"));
        let token = cookies.session.as_ref().map(|session| TotpForm::token(&app, session)).unwrap_or_default();
        let page = make(view, token, &secret, &user.name, errors).ok_or_else(AppError::bad_request)?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response());
    };
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    let names = Names::of(&app.ledger, &account).await?;
    let (factor, id) = (FactorId(Uuid::new_v4()), SecretId(Uuid::new_v4()));
    let recorded = record(&app, &incident, user.account, |loaded, unit| {
        let command = AccountCommand::EnrolSecondFactor { factor, kind: FactorKind::Totp, secret: id };
        let unit = unit.stream::<Account>(&loaded.id, loaded.version, loaded.aggregate.decide(command)?);
        let row = secret.row(step);
        let unit = unit.vault(VaultChange::Put { id, kind: KIND, secret: row, expires_at: None });
        Ok(notify(unit, &Message::WaysInChanged, language, &names.emails, now))
    });
    let told = if recorded.await?.is_ok() { "app-added" } else { "too-many" };
    Ok(Redirect::to(&format!("{WAYS_IN_PATH}?changed={told}")).into_response())
}

/// Gives a second factor up.
///
/// # Errors
/// When something fails.
pub async fn remove_factor(
    State(app): State<App>,
    view: View,
    incident: Incident,
    StepUp(user): StepUp,
    Submitted(form): Submitted<RemoveForm>,
) -> Result<Response, AppError> {
    let (now, language) = (app.clock.now(), view.language);
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    let names = Names::of(&app.ledger, &account).await?;
    let recorded = record(&app, &incident, user.account, |loaded, unit| {
        let command = AccountCommand::RemoveSecondFactor { factor: form.factor, cause: FactorRemoval::OwnRequest };
        let unit = unit.stream::<Account>(&loaded.id, loaded.version, loaded.aggregate.decide(command)?);
        let unit = forget(unit, &loaded.aggregate, Some(form.factor));
        Ok(notify(unit, &Message::WaysInChanged, language, &names.emails, now))
    });
    let told = if recorded.await?.is_ok() { "?changed=factor-removed" } else { "" };
    Ok(Redirect::to(&format!("{WAYS_IN_PATH}{told}")).into_response())
}

/// Takes what a factor (or each of them) kept in the vault out of it, and with the last the recovery codes.
pub(crate) fn forget(unit: ledger::Unit, account: &Account, factor: Option<FactorId>) -> ledger::Unit {
    let gone = account.second_factors.iter().filter(|(id, _)| factor.is_none_or(|factor| factor == **id));
    let gone: Vec<SecretId> = gone.map(|(_, factor)| factor.secret).collect();
    let codes = account.recovery_codes.filter(|_| gone.len() == account.second_factors.len());
    let all = gone.into_iter().chain(codes.map(|codes| codes.secret));
    all.fold(unit, |unit, secret| unit.vault(VaultChange::Delete(secret)))
}
