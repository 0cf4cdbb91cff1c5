//! `GET` and `POST /new-password`: the login is shown, a password is chosen, the holder is signed in.

use super::flow::{Flow, Kind, Step};
use super::login::login_of;
use super::{own_children_path, record, unconfirmed};
use crate::access;
use crate::app::App;
use crate::delivery::{Envelope, Message, Recipient};
use crate::incident::{AppError, Incident};
use crate::pages::{FormErrors, Language, Page, Sample, View};
use crate::password::{HashError, Password as Chosen, Weakness};
use crate::session::cookies::Cookies;
use crate::session::form::{Binding, PageForm, Submitted};
use crate::session::{self, ClientAddress, CurrentUser, Method};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use domain::account::{Account, AccountCommand, AccountError, Holder, Password, PasswordOrigin, Status};
use domain::context::{Actor, Reason};
use domain::guardian::Guardian;
use domain::ids::{AccountId, SecretId};
use domain::personal::Personal;
use domain::pupil::Pupil;
use ledger::{Ledger, Unit, VaultChange};
use serde::Deserialize;
use uuid::Uuid;
use zeroize::Zeroizing;

/// A password, twice.
#[derive(Deserialize)]
pub struct PasswordForm {
    /// Carried for password managers only.
    #[serde(default, rename = "username")]
    _username: String,
    password: Zeroizing<String>,
    again: Zeroizing<String>,
}

impl PageForm for PasswordForm {
    const NAME: &'static str = "new-password";
    const BINDING: Binding = Binding::Flow;
}

/// The form.
#[derive(Template, Debug)]
#[template(path = "activation/password.html")]
pub struct PasswordPage {
    view: View,
    token: String,
    kind: Kind,
    login: String,
    min_length: i64,
    errors: FormErrors,
}

impl Sample for PasswordPage {
    fn samples(view: &View) -> Vec<Self> {
        let mut errors = FormErrors::new();
        errors.add("password", explain(view, Weakness::TooShort { min: 12 }));
        let page = |kind, errors| Self {
            view: view.clone(),
            token: "…".into(),
            kind,
            login: "a.lefictif".into(),
            min_length: 12,
            errors,
        };
        vec![
            page(Kind::Activation, FormErrors::new()),
            page(Kind::Recovery, errors),
            page(Kind::Change, FormErrors::new()),
        ]
    }
}

/// What is wrong with a password, and what to do.
pub(crate) fn explain(view: &View, weakness: Weakness) -> String {
    view.tn(weakness.message(), "number", i64::try_from(weakness.number()).unwrap_or(i64::MAX))
}

/// What the schools' files say of an account's holder: for logins, for the policy's own words, for notices.
#[derive(Default)]
pub(crate) struct Names {
    pub given_name: String,
    pub surname: String,
    /// All names, whatever the record.
    pub all: Vec<String>,
    /// E-mails, each once.
    pub emails: Vec<String>,
}

impl Names {
    pub async fn of(ledger: &Ledger, account: &Account) -> Result<Self, AppError> {
        match account.holder {
            Some(Holder::Pupil(pupil)) => {
                Ok(Self::of_pupil(&ledger.load::<Pupil>(&pupil.to_string()).await?.aggregate))
            }
            Some(Holder::Guardian(first)) => {
                // The first record names the person; the others may spell the name differently.
                let mut ids = vec![first];
                ids.extend(account.guardians.iter().copied().filter(|id| *id != first));
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                let records = ledger.load_many::<Guardian>(&ids).await?;
                let mut names = Self::default();
                for guardian in ids.iter().filter_map(|id| records.get(id)) {
                    names.add_guardian(&guardian.aggregate);
                }
                Ok(names)
            }
            None => Ok(Self::default()),
        }
    }

    fn of_pupil(pupil: &Pupil) -> Self {
        let Some(status) = pupil.civil_status.as_ref().and_then(Personal::known) else { return Self::default() };
        let mut all = status.given_names.clone();
        all.extend([status.family_name.clone()]);
        all.extend(status.usage_name.clone());
        let surname = status.usage_name.clone().unwrap_or_else(|| status.family_name.clone());
        Self { given_name: status.given_names.first().cloned().unwrap_or_default(), surname, all, emails: vec![] }
    }

    fn add_guardian(&mut self, guardian: &Guardian) {
        if let Some(identity) = guardian.identity.as_ref().and_then(Personal::known) {
            if self.surname.is_empty() {
                self.surname = identity.usage_name.clone().unwrap_or_else(|| identity.family_name.clone());
                self.given_name = identity.given_name.clone();
            }
            self.all.extend([identity.family_name.clone(), identity.given_name.clone()]);
            self.all.extend(identity.usage_name.clone());
        }
        let contact = guardian.contact.as_ref().and_then(Personal::known);
        if let Some(email) = contact.and_then(|contact| contact.email.clone())
            && !self.emails.contains(&email)
        {
            self.emails.push(email);
        }
    }
}

/// The flow, its account and whether the flow still gives the right to choose.
async fn choosing(app: &App, cookies: &Cookies) -> Result<Result<(Flow, AccountId, Account), Redirect>, AppError> {
    let flow = Flow::of(app, cookies).await?;
    let Some(id) = flow.account.filter(|_| flow.step == Step::Password) else {
        return Ok(Err(Redirect::to(flow.step.path())));
    };
    let account = app.ledger.load::<Account>(&id.to_string()).await?.aggregate;
    if !may_choose(&account, &flow) {
        return Err(AppError::refused(StatusCode::GONE, "flow-expired"));
    }
    Ok(Ok((flow, id, account)))
}

/// The phone was proved in this very flow; or the provisional password it began with is still in force.
fn may_choose(account: &Account, flow: &Flow) -> bool {
    match flow.kind {
        Kind::Activation | Kind::Recovery => account.proved.is_some_and(|(proved, _)| proved == flow.id),
        Kind::Change => match &account.password {
            Some(Password::Provisional { secret, .. }) => flow.credential == Some(*secret),
            Some(Password::Personal(_)) | None => false,
        },
    }
}

/// Shows the login, assigned now if there is none, and the form.
///
/// # Errors
/// When there is no such flow (any more), or something fails.
pub async fn show_password(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
) -> Result<Response, AppError> {
    let (flow, id, account) = match choosing(&app, &cookies).await? {
        Ok(found) => found,
        Err(elsewhere) => return Ok(elsewhere.into_response()),
    };
    let login = match account.login.as_ref().and_then(Personal::known) {
        Some(login) => login.clone(),
        None => {
            let names = Names::of(&app.ledger, &account).await?;
            let context = incident.context(Actor::Account(id), Reason::OwnRequest, app.clock.now());
            login_of(&app, &id, &names, &context).await?
        }
    };
    Ok(page(&app, view, &cookies, &flow, login, FormErrors::new()).into_response())
}

fn page(
    app: &App,
    view: View,
    cookies: &Cookies,
    flow: &Flow,
    login: String,
    errors: FormErrors,
) -> Page<PasswordPage> {
    let min_length = i64::try_from(app.guard.policy.min_length()).unwrap_or(i64::MAX);
    let token = cookies.flow.as_ref().map(|cookie| PasswordForm::token(app, cookie)).unwrap_or_default();
    Page(PasswordPage { view, token, kind: flow.kind, login, min_length, errors })
}

/// Takes the password and signs in.
///
/// # Errors
/// When there is no such flow (any more), too many passwords wait, or something fails.
pub async fn choose_password(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    Submitted(form): Submitted<PasswordForm>,
) -> Result<Response, AppError> {
    let (flow, id, account) = match choosing(&app, &cookies).await? {
        Ok(found) => found,
        Err(elsewhere) => return Ok(elsewhere.into_response()),
    };
    let Some(login) = account.login.as_ref().and_then(Personal::known).cloned() else {
        return Ok(Redirect::to(Step::Password.path()).into_response());
    };
    let names = Names::of(&app.ledger, &account).await?;
    let own: Vec<&str> = names.all.iter().map(String::as_str).chain([login.as_str()]).collect();
    let password = match app.guard.policy.choose(&form.password, &form.again, &own) {
        Ok(password) => password,
        Err(weakness) => {
            let mut errors = FormErrors::new();
            let field = if weakness == Weakness::Mismatch { "again" } else { "password" };
            errors.add(field, explain(&view, weakness));
            let page = page(&app, view, &cookies, &flow, login, errors);
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let hash = hash_new(&app, password).await?;
    let secret = SecretId(Uuid::new_v4());
    let language = view.language;
    let recorded = record(&app, &incident, id, |loaded, unit| {
        if !may_choose(&loaded.aggregate, &flow) {
            return Err(AccountError::PhoneNotProved);
        }
        let origin = origin(&loaded.aggregate, &flow);
        let command = AccountCommand::ChoosePassword { secret, origin, flow: Some(flow.id) };
        let unit = unit.stream::<Account>(&loaded.id, loaded.version, loaded.aggregate.decide(command)?);
        let unit = replace_secret(unit, &loaded.aggregate, secret, &hash);
        let message = match loaded.aggregate.status {
            Status::Open => Message::AccountActivated,
            _ => Message::PasswordChanged,
        };
        Ok(notify(unit, &message, language, &names.emails, app.clock.now()))
    });
    recorded.await?.map_err(|_| AppError::refused(StatusCode::GONE, "flow-expired"))?;
    // Whatever was signed in with the old password is dead already; now the rows go too.
    session::end_all(&app.db, id).await?;
    flow.finish(&app).await?;
    let method = if flow.kind == Kind::Change { Method::Password } else { Method::Sms };
    let jar = session::open(&app, &cookies, id, secret, method).await?;
    access::sign_in(&app, &incident, address, Some(id), method, session::second::outcome(&app, &jar));
    incident.note_user(CurrentUser::new(id, login, app.clock.now(), method));
    Ok((jar, Redirect::to(&onward(&app, &account, &flow).await?)).into_response())
}

/// Where to go with the new password: without a phone to prove, no child was asked for on the way.
async fn onward(app: &App, account: &Account, flow: &Flow) -> Result<String, AppError> {
    let children_first = account.confirmed.is_empty() && unconfirmed(app, account).await?.waiting > 0;
    Ok(match (children_first, &flow.return_to) {
        (true, return_to) => own_children_path(return_to.as_ref()),
        (false, Some(return_to)) => return_to.as_str().to_owned(),
        (false, None) => "/account".to_owned(),
    })
}

fn origin(account: &Account, flow: &Flow) -> PasswordOrigin {
    match (flow.kind, super::codes::purpose(account)) {
        (Kind::Change, _) => PasswordOrigin::ForcedChange,
        (_, domain::account::Purpose::Activation) => PasswordOrigin::Activation,
        (_, domain::account::Purpose::CredentialReset) => PasswordOrigin::Reset,
    }
}

/// Hashes a password that was just chosen.
pub(crate) async fn hash_new(app: &App, password: Chosen) -> Result<Zeroizing<String>, AppError> {
    app.guard.passwords.hash(password).await.map_err(|error| match error {
        HashError::Busy => AppError::unavailable(error),
        error => AppError::internal(error),
    })
}

/// The new hash into the vault, the old one out of it.
pub(crate) fn replace_secret(unit: Unit, account: &Account, id: SecretId, hash: &Zeroizing<String>) -> Unit {
    let secret = Zeroizing::new(hash.as_bytes().to_vec());
    let unit = unit.vault(VaultChange::Put { id, kind: "password", secret, expires_at: None });
    account
        .password
        .as_ref()
        .map(Password::secret)
        .into_iter()
        .fold(unit, |unit, old| unit.vault(VaultChange::Delete(old)))
}

/// Tells the holder by mail, wherever the schools know an address.
pub(crate) fn notify(unit: Unit, message: &Message, language: Language, emails: &[String], now: DateTime<Utc>) -> Unit {
    // What a school typed may be no address: then nobody is told by it.
    let addresses = emails.iter().filter_map(|email| email.parse().ok());
    addresses.fold(unit, |unit, address| {
        let envelope = Envelope { to: Recipient::Mail(address), language, message: message.clone() };
        unit.outbox(envelope.queued(Uuid::new_v4(), now, None, None))
    })
}
