//! `GET` and `POST /activate`: surname, first name, mobile.

use super::Floor;
use super::codes::{self, Request};
use super::flow::{Kind, Step};
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::pages::{FormErrors, Page, Sample, View};
use crate::session::ClientAddress;
use crate::session::cookies::Cookies;
use crate::session::form::{Binding, PageForm, Submitted};
use crate::session::return_to::{self, ReturnTo};
use crate::upstream::{self, Recognised};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use domain::identifiers::{E164, fold_name, match_value};
use domain::ids::AccountId;
use serde::Deserialize;

/// Longest name read, in characters.
const MAX_NAME: usize = 100;

/// What is typed.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct IdentifyForm {
    /// Surname: birth name or name in use.
    pub surname: String,
    /// First name.
    pub given_name: String,
    /// Mobile.
    pub mobile: String,
    /// Where to go in the end.
    #[serde(default, deserialize_with = "return_to::lenient")]
    pub return_to: Option<ReturnTo>,
}

impl PageForm for IdentifyForm {
    const NAME: &'static str = "identify";
    const BINDING: Binding = Binding::Browser;
}

/// The form.
#[derive(Template, Debug)]
#[template(path = "activation/identify.html")]
pub struct IdentifyPage {
    view: View,
    token: String,
    form: IdentifyForm,
    errors: FormErrors,
    /// The provider that has recognised the person, and by which name.
    recognised: Option<(String, String)>,
}

impl Sample for IdentifyPage {
    fn samples(view: &View) -> Vec<Self> {
        let form = IdentifyForm { surname: "Lefictif".into(), given_name: "Aude".into(), ..IdentifyForm::default() };
        let mut errors = FormErrors::new();
        errors.add("mobile", view.t("activation-mobile-wrong"));
        let page = |form, errors| Self { view: view.clone(), token: "…".into(), form, errors, recognised: None };
        let by_provider = Self {
            recognised: Some(("FranceConnect".into(), "Aude Marie LEFICTIF".into())),
            ..page(form.clone(), FormErrors::new())
        };
        vec![page(IdentifyForm::default(), FormErrors::new()), page(form, errors), by_provider]
    }
}

/// What was understood of the form.
pub struct Identity {
    /// By which the person is found.
    pub key: String,
    /// The mobile.
    pub mobile: E164,
}

/// Understands the fields; looks nobody up.
///
/// # Errors
/// What is wrong with them.
pub fn read_identity(view: &View, form: &IdentifyForm) -> Result<Identity, FormErrors> {
    let mut errors = FormErrors::new();
    for (field, value) in [("surname", &form.surname), ("given_name", &form.given_name)] {
        if fold_name(value).is_empty() || value.chars().count() > MAX_NAME {
            errors.add(
                field,
                view.t(if field == "surname" { "activation-surname-missing" } else { "activation-given-name-missing" }),
            );
        }
    }
    let mobile = read_mobile(view, &form.mobile, &mut errors);
    let key = mobile.as_ref().and_then(|mobile| match_value(&form.surname, &form.given_name, mobile));
    match (key, mobile) {
        (Some(key), Some(mobile)) if errors.is_empty() => Ok(Identity { key, mobile }),
        _ => Err(errors),
    }
}

/// Understands a mobile number, or says what is wrong with it.
pub fn read_mobile(view: &View, written: &str, errors: &mut FormErrors) -> Option<E164> {
    let understood = school_files::phones::understand(written, None).filter(|_| written.len() <= MAX_NAME);
    match understood {
        Some(phone) if phone.mobile => Some(phone.number),
        Some(_) => {
            errors.add("mobile", view.t("activation-mobile-landline"));
            None
        }
        None => {
            errors.add("mobile", view.t("activation-mobile-wrong"));
            None
        }
    }
}

/// The account that this identity leads to; looked up while the floor runs.
///
/// # Errors
/// When the database fails.
pub async fn find(app: &App, _running: &Floor, identity: &Identity) -> Result<Option<AccountId>, AppError> {
    let hash = app.ledger.lookup_hash("guardian-match", &identity.key);
    let owner = app.ledger.reserved("guardian-match", &hash).await?;
    owner.map(|owner| owner.parse()).transpose().map_err(AppError::internal)
}

/// What a provider knows of the form; the school may write the names otherwise, so they can be changed.
fn prefilled(recognised: &Recognised) -> IdentifyForm {
    let identity = &recognised.identity;
    let surname = identity.usage_name.as_ref().or(identity.family_name.as_ref());
    IdentifyForm {
        surname: surname.cloned().unwrap_or_default(),
        given_name: identity.given_names.first().cloned().unwrap_or_default(),
        mobile: String::new(),
        return_to: recognised.return_to.clone(),
    }
}

fn told(app: &App, view: &View, recognised: &Recognised) -> Option<(String, String)> {
    let provider = recognised.provider(&app.upstreams)?;
    Some((provider.label(view.language).to_owned(), recognised.name()))
}

/// Shows the form.
///
/// # Errors
/// When there is no randomness.
pub async fn show_identify(State(app): State<App>, view: View, cookies: Cookies) -> Result<Response, AppError> {
    let (browser, jar) = cookies.browser(&app)?;
    let token = IdentifyForm::token(&app, &browser);
    let (form, recognised) = match upstream::recognised(&app, &cookies).await? {
        Some(recognised) => (prefilled(&recognised), told(&app, &view, &recognised)),
        None => (IdentifyForm::default(), None),
    };
    Ok((jar, Page(IdentifyPage { view, token, form, errors: FormErrors::new(), recognised })).into_response())
}

/// Takes the identity; leads to the code's page, whoever was or was not found.
///
/// # Errors
/// When too many codes were asked for, or something fails.
pub async fn identify(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    Submitted(form): Submitted<IdentifyForm>,
) -> Result<Response, AppError> {
    let floor = codes::floor();
    let identity = match read_identity(&view, &form) {
        Ok(identity) => identity,
        Err(errors) => {
            let token = cookies.browser.as_ref().map(|browser| IdentifyForm::token(&app, browser)).unwrap_or_default();
            let recognised = upstream::recognised(&app, &cookies).await?;
            let recognised = recognised.and_then(|recognised| told(&app, &view, &recognised));
            let page = Page(IdentifyPage { view, token, form, errors, recognised });
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let matched = find(&app, &floor, &identity).await?;
    let (number, language) = (&identity.mobile, view.language);
    let request = Request { incident: &incident, language, address, number, matched };
    let jar = codes::begin(&app, &request, Kind::Activation, form.return_to, floor).await?;
    Ok((jar, Redirect::to(Step::Code.path())).into_response())
}
