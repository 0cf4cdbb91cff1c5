//! `GET` and `POST /sign-in`

use super::address::ClientAddress;
use super::cookies::{Cookies, Kind, cookie};
use super::current::{self, sign_in_path};
use super::device::KnownDevice;
use super::form::{Binding, PageForm, Submitted};
use super::return_to::{self, ReturnTo};
use super::second;
use super::store::Method;
use super::switch;
use super::throttle::Attempt;
use super::token::Token;
use crate::access;
use crate::activation::Floor;
use crate::activation::flow::{Flow, Kind as FlowKind, NewFlow, Step};
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::limits::Refused;
use crate::pages::{FormErrors, Page, Sample, View};
use crate::password::{HashError, Password as Typed};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use domain::account::{Account, Password, Status};
use domain::ids::{AccountId, SecretId};
use ledger::access::SignInOutcome;
use ledger::vault::VaultSecret;
use serde::Deserialize;
use std::time::Duration;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Longest login looked at, in characters.
const MAX_LOGIN: usize = 100;
/// Time that a refusal takes, whoever's the login is: well above a look-up and one Argon2id comparison.
const FLOOR: Duration = Duration::from_millis(400);

/// Where to go afterwards.
#[derive(Deserialize)]
pub struct Destination {
    #[serde(default, deserialize_with = "return_to::lenient")]
    return_to: Option<ReturnTo>,
    /// What to write into the field beforehand.
    #[serde(default)]
    login: String,
}

/// What is typed.
#[derive(Deserialize)]
pub struct SignInForm {
    login: String,
    password: Zeroizing<String>,
    #[serde(default, deserialize_with = "return_to::lenient")]
    return_to: Option<ReturnTo>,
}

impl PageForm for SignInForm {
    const NAME: &'static str = "sign-in";
    const BINDING: Binding = Binding::Browser;
}

/// Login and password.
#[derive(Template, Debug)]
#[template(path = "session/sign_in.html")]
pub struct SignInPage {
    view: View,
    token: String,
    login: String,
    return_to: Option<ReturnTo>,
    errors: FormErrors,
    /// What to say above the form; empty for nothing.
    notice: String,
    /// Other providers: what stands on the button, and where it leads.
    providers: Vec<(String, String)>,
}

/// The buttons of other providers, which lead back to where the form would.
fn providers(app: &App, view: &View, return_to: Option<&ReturnTo>) -> Vec<(String, String)> {
    let query = return_to.map_or_else(String::new, |return_to| {
        let back: String = url::form_urlencoded::byte_serialize(return_to.as_str().as_bytes()).collect();
        format!("?return_to={back}")
    });
    let button = |provider: &crate::upstream::Provider| {
        (provider.button(view.language).to_owned(), format!("/sign-in/with/{}{query}", provider.name()))
    };
    app.upstreams.all().iter().map(button).collect()
}

impl Sample for SignInPage {
    fn samples(view: &View) -> Vec<Self> {
        let mut errors = FormErrors::new();
        errors.add("login", view.t("session-sign-in-wrong"));
        let page = |errors: FormErrors, notice: &str| Self {
            view: view.clone(),
            token: "…".into(),
            login: "t.lefictif".into(),
            return_to: ReturnTo::read("/account"),
            errors,
            notice: notice.into(),
            providers: vec![],
        };
        let button = ("S’identifier avec FranceConnect".to_owned(), "/sign-in/with/franceconnect".to_owned());
        let with_provider = Self { providers: vec![button], ..page(FormErrors::new(), "") };
        vec![page(FormErrors::new(), ""), page(errors, ""), page(FormErrors::new(), "…"), with_provider]
    }
}

/// Shows the form. Who is signed in already is told so, and says first that somebody else shall sign in.
///
/// # Errors
/// When there is no randomness.
pub async fn show_sign_in(
    State(app): State<App>,
    view: View,
    cookies: Cookies,
    Query(destination): Query<Destination>,
) -> Result<Response, AppError> {
    let user = view.user.clone();
    if let Some(step) = second::path_of(&app, &cookies, user.as_ref(), destination.return_to.as_ref()).await?
        && user.is_none()
    {
        return Ok(Redirect::to(&step).into_response());
    }
    if let Some(user) = user {
        return Ok(switch::page(&app, view, &cookies, user.name, destination.return_to).into_response());
    }
    let (browser, jar) = cookies.browser(&app)?;
    let token = SignInForm::token(&app, &browser);
    let notice = String::new();
    let login = destination.login.chars().take(MAX_LOGIN).filter(|c| !c.is_control()).collect();
    let (errors, return_to) = (FormErrors::new(), destination.return_to);
    let providers = providers(&app, &view, return_to.as_ref());
    Ok((jar, Page(SignInPage { view, token, login, return_to, errors, notice, providers })).into_response())
}

/// What the login and the password turned out to be.
enum Outcome {
    Wrong { account: Option<AccountId> },
    In { account: AccountId, credential: SecretId },
    MustChange { account: AccountId, credential: SecretId },
    ProvisionalExpired { account: AccountId },
    NotInUse { account: AccountId },
}

impl Outcome {
    /// As the access log tells it.
    fn told(&self) -> (Option<AccountId>, SignInOutcome) {
        match self {
            Self::Wrong { account } => (*account, SignInOutcome::Wrong),
            Self::In { account, .. } => (Some(*account), SignInOutcome::Success),
            Self::MustChange { account, .. } => (Some(*account), SignInOutcome::MustChange),
            Self::ProvisionalExpired { account } => (Some(*account), SignInOutcome::ProvisionalExpired),
            Self::NotInUse { account } => (Some(*account), SignInOutcome::NotInUse),
        }
    }
}

/// Signs in.
///
/// # Errors
/// When too many passwords wait, or something fails.
pub async fn sign_in(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    Submitted(form): Submitted<SignInForm>,
) -> Result<Response, AppError> {
    let login = normalise_login(&form.login);
    // A page from before somebody else signed in here, in another tab.
    if view.user.as_ref().is_some_and(|user| user.name != login) {
        let target = form.return_to.as_ref().map_or_else(|| "/sign-in".to_owned(), |to| sign_in_path(to.as_str()));
        return Ok(Redirect::to(&target).into_response());
    }
    let device = KnownDevice::find(&app.ledger, &cookies.device, &login);
    let attempt = Attempt { login: &login, address, device: device.as_ref() };
    let guard = &app.guard;
    if let Err(refused) = guard.throttle.begin(&guard.limits, &attempt, app.clock.now()).await? {
        access::sign_in(&app, &incident, address, None, Method::Password, SignInOutcome::Throttled);
        return Ok(too_many(&app, view, &cookies, form, refused));
    }
    let outcome = check_in_time(&app, &attempt, &form.password).await?;
    let (account, told) = outcome.told();
    if !matches!(outcome, Outcome::In { .. }) {
        access::sign_in(&app, &incident, address, account, Method::Password, told);
    }
    match outcome {
        Outcome::Wrong { .. } => Ok(again(&app, view, &cookies, form, "session-sign-in-wrong")),
        Outcome::ProvisionalExpired { .. } => Ok(again(&app, view, &cookies, form, "session-provisional-expired")),
        Outcome::NotInUse { .. } => Ok(again(&app, view, &cookies, form, "session-not-in-use")),
        Outcome::MustChange { account, credential } => {
            let jar = force_change(&app, account, credential, form.return_to).await?;
            Ok((jar, Redirect::to(Step::Password.path())).into_response())
        }
        Outcome::In { account, credential } => {
            let jar = current::open(&app, &cookies, account, credential, Method::Password).await?;
            let told = second::outcome(&app, &jar);
            access::sign_in(&app, &incident, address, Some(account), Method::Password, told);
            let device = KnownDevice::remember(&app.ledger, &cookies.device, &login)?;
            let jar = jar.add(cookie(&app, Kind::Device, &device));
            incident.note_user(super::CurrentUser::new(account, login, app.clock.now(), Method::Password));
            let target = form.return_to.as_ref().map_or("/account", ReturnTo::as_str);
            Ok((jar, Redirect::to(target)).into_response())
        }
    }
}

/// A login as it is stored: lower case, without the spaces around it.
pub fn normalise_login(typed: &str) -> String {
    typed.trim().chars().take(MAX_LOGIN + 1).nfkc().collect::<String>().to_lowercase()
}

/// Compares and counts. Whatever keeps the visitor out, an error too, is told when the floor is full; who is let in
/// learns it at once, and with it nothing new.
async fn check_in_time(app: &App, attempt: &Attempt<'_>, password: &str) -> Result<Outcome, AppError> {
    let floor = Floor::start(FLOOR);
    let checked = check_and_count(app, attempt, password).await;
    match checked {
        Ok(Outcome::In { .. } | Outcome::MustChange { .. }) => {}
        Ok(Outcome::Wrong { .. } | Outcome::ProvisionalExpired { .. } | Outcome::NotInUse { .. }) | Err(_) => {
            floor.settle().await;
        }
    }
    checked
}

async fn check_and_count(app: &App, attempt: &Attempt<'_>, password: &str) -> Result<Outcome, AppError> {
    let (throttle, limits) = (&app.guard.throttle, &app.guard.limits);
    let outcome = check(app, attempt.login, password).await?;
    if matches!(outcome, Outcome::Wrong { .. }) {
        throttle.failed(limits, attempt, app.clock.now()).await?;
        tracing::info!("sign-in refused");
    } else {
        throttle.succeeded(limits, attempt).await?;
    }
    Ok(outcome)
}

/// Compares. The same statements and the same hashing, whether or not the login is anyone's.
async fn check(app: &App, login: &str, password: &str) -> Result<Outcome, AppError> {
    let now = app.clock.now();
    let owner = app.ledger.reserved("login", &app.ledger.lookup_hash("login", login)).await?;
    let owner = owner.unwrap_or_else(|| Uuid::nil().to_string());
    let account = app.ledger.load::<Account>(&owner).await?.aggregate;
    let credential = account.password.as_ref().map_or(SecretId(Uuid::nil()), Password::secret);
    // Not "as of now": a provisional password that has expired must still be told from a wrong one.
    let stored = app.ledger.vault_get(credential, chrono::DateTime::UNIX_EPOCH).await?;
    let provisional = account.must_change_password();
    let typed = Typed::read(password).map(|typed| if provisional { typed.as_provisional() } else { typed });
    let right = is_right(app, typed.clone(), stored.as_ref()).await?;
    if let (true, false, Some(typed), Some(stored)) = (right, provisional, typed, &stored) {
        rehash(app, credential, typed, stored).await;
    }
    let (Some(id), Some(password), true) = (account.id, account.password, right) else {
        return Ok(Outcome::Wrong { account: account.id });
    };
    Ok(match (account.status, password) {
        (Status::Disabled { .. } | Status::Closed | Status::Absent, _) => Outcome::NotInUse { account: id },
        (_, Password::Personal(credential)) => Outcome::In { account: id, credential },
        (_, Password::Provisional { expires_at, .. }) if now >= expires_at => {
            Outcome::ProvisionalExpired { account: id }
        }
        (_, Password::Provisional { secret, .. }) => Outcome::MustChange { account: id, credential: secret },
    })
}

/// Whether a password is the one whose hash is stored. Without either it takes the same time and is not.
pub(super) async fn is_right(app: &App, typed: Option<Typed>, stored: Option<&VaultSecret>) -> Result<bool, AppError> {
    let stored = stored.and_then(|stored| String::from_utf8(stored.secret.to_vec()).ok()).map(Zeroizing::new);
    // Too long to be anyone's password: as good as a wrong one.
    let (typed, stored) = match typed {
        Some(typed) => (typed, stored),
        None => (Typed::read("").ok_or_else(AppError::bad_request)?, None),
    };
    app.guard.passwords.verify(typed, stored).await.map_err(|error| match error {
        HashError::Busy => AppError::unavailable(error),
        error => AppError::internal(error),
    })
}

/// Replaces, in its place, a hash made with other settings than today's: only now is the password known. Nobody is
/// kept out when that fails; the next sign-in tries again.
async fn rehash(app: &App, credential: SecretId, typed: Typed, stored: &VaultSecret) {
    let outdated = std::str::from_utf8(&stored.secret).is_ok_and(|phc| app.guard.passwords.is_outdated(phc));
    if !outdated {
        return;
    }
    let replaced = match app.guard.passwords.hash(typed).await {
        Ok(phc) => {
            app.ledger.vault_replace(credential, &stored.kind, stored.revision, phc.as_bytes()).await.map_err(|_| ())
        }
        Err(_) => Err(()),
    };
    match replaced {
        // Or replaced by someone else meanwhile: then there is nothing to do.
        Ok(_) => tracing::info!("a password hash was brought up to date"),
        Err(()) => tracing::warn!("a password hash could not be brought up to date"),
    }
}

/// Begins the forced change: no session yet, only a flow that leads to choosing a password.
async fn force_change(
    app: &App,
    account: AccountId,
    credential: SecretId,
    return_to: Option<ReturnTo>,
) -> Result<CookieJar, AppError> {
    let token = Token::draw()?;
    let new = NewFlow {
        kind: FlowKind::Change,
        step: Step::Password,
        account: Some(account),
        credential: Some(credential),
        return_to,
        sms: None,
    };
    Flow::start(app, &token, new).await?;
    Ok(CookieJar::new().add(cookie(app, Kind::Flow, token.expose())))
}

/// The form once more, with what to do.
fn again(app: &App, view: View, cookies: &Cookies, form: SignInForm, message: &str) -> Response {
    let mut errors = FormErrors::new();
    errors.add("login", view.t(message));
    refusal(app, view, cookies, form, errors, String::new(), StatusCode::UNPROCESSABLE_ENTITY)
}

fn too_many(app: &App, view: View, cookies: &Cookies, form: SignInForm, refused: Refused) -> Response {
    let wait = refused.retry_after(app.clock.now());
    let notice = view.tn("session-too-many", "minutes", wait.as_secs().div_ceil(60));
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = refusal(app, view, cookies, form, FormErrors::new(), notice, status);
    response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
    response
}

fn refusal(
    app: &App,
    view: View,
    cookies: &Cookies,
    form: SignInForm,
    errors: FormErrors,
    notice: String,
    status: StatusCode,
) -> Response {
    // The form came with this cookie, or it would not have been accepted.
    let token = cookies.browser.as_ref().map(|browser| SignInForm::token(app, browser)).unwrap_or_default();
    let SignInForm { login, return_to, password: _ } = form;
    let providers = providers(app, &view, return_to.as_ref());
    let view = match &return_to {
        Some(return_to) => view.at(sign_in_path(return_to.as_str())),
        None => view,
    };
    (status, Page(SignInPage { view, token, login, return_to, errors, notice, providers })).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_found_however_it_is_typed() {
        assert_eq!(normalise_login(" T.Lefictif1\n"), "t.lefictif1");
        assert_eq!(normalise_login("ｔ．lefictif"), "t.lefictif");
        assert!(normalise_login(&"a".repeat(10_000)).len() <= MAX_LOGIN + 1);
    }
}
