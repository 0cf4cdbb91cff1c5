//! `GET` and `POST /reset`, `POST /reset/identity`

use crate::activation::flow::{Kind, Step};
use crate::activation::{Floor, IdentifyForm, Request, begin, find, floor, read_identity, read_mobile};
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::pages::{FormErrors, Page, Sample, View};
use crate::session::cookies::Cookies;
use crate::session::form::{Binding, PageForm, Submitted};
use crate::session::{ClientAddress, normalise_login};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use domain::account::Account;
use domain::guardian::Guardian;
use domain::identifiers::E164;
use domain::ids::AccountId;
use domain::personal::Personal;
use serde::Deserialize;
use uuid::Uuid;

/// Login and mobile.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct LoginForm {
    login: String,
    login_mobile: String,
}

impl PageForm for LoginForm {
    const NAME: &'static str = "reset-login";
    const BINDING: Binding = Binding::Browser;
}

/// The identity form of activation, sent from here.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct ByIdentity(IdentifyForm);

impl PageForm for ByIdentity {
    const NAME: &'static str = "reset-identity";
    const BINDING: Binding = Binding::Browser;
}

/// Both forms.
#[derive(Template, Debug)]
#[template(path = "reset/start.html")]
pub struct ResetPage {
    view: View,
    login_token: String,
    identity_token: String,
    login: LoginForm,
    identity: IdentifyForm,
    login_errors: FormErrors,
    identity_errors: FormErrors,
}

impl Sample for ResetPage {
    fn samples(view: &View) -> Vec<Self> {
        let mut errors = FormErrors::new();
        errors.add("login", view.t("reset-login-missing"));
        let page = |login_errors| Self {
            view: view.clone(),
            login_token: "…".into(),
            identity_token: "…".into(),
            login: LoginForm::default(),
            identity: IdentifyForm::default(),
            login_errors,
            identity_errors: FormErrors::new(),
        };
        vec![page(FormErrors::new()), page(errors)]
    }
}

/// Shows both forms.
///
/// # Errors
/// When there is no randomness.
pub async fn show_reset(State(app): State<App>, view: View, cookies: Cookies) -> Result<Response, AppError> {
    let (browser, jar) = cookies.browser(&app)?;
    Ok((
        jar,
        Page(ResetPage {
            view,
            login_token: LoginForm::token(&app, &browser),
            identity_token: ByIdentity::token(&app, &browser),
            login: LoginForm::default(),
            identity: IdentifyForm::default(),
            login_errors: FormErrors::new(),
            identity_errors: FormErrors::new(),
        }),
    )
        .into_response())
}

/// By login and mobile.
///
/// # Errors
/// When too many codes were asked for, or something fails.
pub async fn reset(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    Submitted(form): Submitted<LoginForm>,
) -> Result<Response, AppError> {
    let floor = floor();
    let mut errors = FormErrors::new();
    let login = normalise_login(&form.login);
    if login.is_empty() {
        errors.add("login", view.t("reset-login-missing"));
    }
    let mut mobile_errors = FormErrors::new();
    let mobile = read_mobile(&view, &form.login_mobile, &mut mobile_errors);
    if mobile_errors.has("mobile") {
        errors.add("login_mobile", mobile_errors.of("mobile").to_owned());
    }
    let Some(mobile) = mobile.filter(|_| errors.is_empty()) else {
        return refused(&app, view, &cookies, (form, errors), (IdentifyForm::default(), FormErrors::new()));
    };
    let matched = find_by_login(&app, &floor, &login, &mobile).await?;
    let request = Request { incident: &incident, language: view.language, address, number: &mobile, matched };
    let jar = begin(&app, &request, Kind::Recovery, None, floor).await?;
    Ok((jar, Redirect::to(Step::Code.path())).into_response())
}

/// By surname, first name and mobile.
///
/// # Errors
/// When too many codes were asked for, or something fails.
pub async fn reset_by_identity(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    Submitted(ByIdentity(form)): Submitted<ByIdentity>,
) -> Result<Response, AppError> {
    let floor = floor();
    let identity = match read_identity(&view, &form) {
        Ok(identity) => identity,
        Err(errors) => {
            return refused(&app, view, &cookies, (LoginForm::default(), FormErrors::new()), (form, errors));
        }
    };
    let matched = find(&app, &floor, &identity).await?;
    let request = Request { incident: &incident, language: view.language, address, number: &identity.mobile, matched };
    let jar = begin(&app, &request, Kind::Recovery, None, floor).await?;
    Ok((jar, Redirect::to(Step::Code.path())).into_response())
}

fn refused(
    app: &App,
    view: View,
    cookies: &Cookies,
    (login, login_errors): (LoginForm, FormErrors),
    (identity, identity_errors): (IdentifyForm, FormErrors),
) -> Result<Response, AppError> {
    let (browser, jar) = cookies.browser(app)?;
    let (login_token, identity_token) = (LoginForm::token(app, &browser), ByIdentity::token(app, &browser));
    let page = ResetPage { view, login_token, identity_token, login, identity, login_errors, identity_errors };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, jar, Page(page)).into_response())
}

/// The guardian's account with this login, if a school's file names this mobile for the guardian now; a number that was
/// proved once and is no longer on file gets nothing. The same statements whether or not there is such an account; one
/// that exists takes longer to load, hence the floor that runs.
async fn find_by_login(app: &App, _running: &Floor, login: &str, mobile: &E164) -> Result<Option<AccountId>, AppError> {
    let owner = app.ledger.reserved("login", &app.ledger.lookup_hash("login", login)).await?;
    let owner = owner.unwrap_or_else(|| Uuid::nil().to_string());
    let account = app.ledger.load::<Account>(&owner).await?.aggregate;
    let mut records: Vec<String> = account.guardians.iter().map(ToString::to_string).collect();
    if records.is_empty() {
        records.push(Uuid::nil().to_string());
    }
    let records = app.ledger.load_many::<Guardian>(&records).await?;
    let on_file = records.values().any(|record| {
        let contact = record.aggregate.contact.as_ref().and_then(Personal::known);
        contact.and_then(|contact| contact.mobile.as_ref()) == Some(mobile)
    });
    Ok(account.id.filter(|_| on_file))
}
