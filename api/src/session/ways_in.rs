//! `GET /account/ways-in`: by which ways the holder signs in.

use super::CurrentUser;
use super::cookies::Cookies;
use super::form::PageForm;
use super::second::{RecoveryForm, RemoveForm};
use crate::app::App;
use crate::incident::AppError;
use crate::pages::{Page, Sample, View};
use crate::upstream::{Linked, Offered, Ways};
use askama::Template;
use axum::extract::{Query, State};
use domain::account::{Account, FactorKind, Holder};
use serde::Deserialize;

/// The page's path.
pub const PATH: &str = "/account/ways-in";

/// What the page before has to say.
#[derive(Deserialize)]
pub struct Told {
    changed: Option<String>,
}

/// Each way, and what can be done about it.
#[derive(Template, Debug)]
#[template(path = "session/ways_in.html")]
pub struct WaysInPage {
    view: View,
    login: String,
    /// Whether codes can be sent to a mobile of the school's file: guardians only.
    phone: bool,
    /// What the page before has to say: a key of the catalogue; empty for nothing.
    told: &'static str,
    /// Other providers.
    ways: Ways,
    factors: Vec<Factor>,
    /// How many recovery codes are left; `None` where none were handed out.
    codes_left: Option<u8>,
    remove_token: String,
    codes_token: String,
}

/// A second factor.
#[derive(Clone, Debug)]
pub struct Factor {
    id: String,
    /// Key of its name.
    label: &'static str,
}

impl WaysInPage {
    /// How many recovery codes are left, in words.
    fn codes(&self) -> String {
        match self.codes_left {
            Some(left) => self.view.tn("ways-in-codes-left", "count", left),
            None => self.view.t("ways-in-codes-none"),
        }
    }
}

impl Sample for WaysInPage {
    fn samples(view: &View) -> Vec<Self> {
        let linked = Linked {
            link: domain::ids::LinkId(uuid::Uuid::from_u128(1)),
            label: "FranceConnect".into(),
            name: "Aude Marie LEFICTIF".into(),
        };
        let offered = Offered { label: "FranceConnect".into(), href: "/account/ways-in/add/franceconnect".into() };
        let page = |phone, told, has_password, linked: &[Linked], offered: &[Offered]| Self {
            view: view.signed_in(PATH),
            login: "p.fictif".into(),
            phone,
            told,
            ways: Ways { token: "…".into(), has_password, linked: linked.to_vec(), offered: offered.to_vec() },
            factors: vec![],
            codes_left: None,
            remove_token: "…".into(),
            codes_token: "…".into(),
        };
        let factor = || Factor { id: uuid::Uuid::nil().to_string(), label: "ways-in-app" };
        let linked = std::slice::from_ref(&linked);
        vec![
            page(true, "", true, &[], &[offered]),
            page(false, "ways-in-password-changed", true, &[], &[]),
            page(true, "upstream-ways-added", true, linked, &[]),
            page(true, "", false, linked, &[]),
            Self { factors: vec![factor()], ..page(true, "ways-in-told-app-added", true, &[], &[]) },
            Self { factors: vec![factor(), factor()], codes_left: Some(9), ..page(true, "", true, &[], &[]) },
        ]
    }
}

/// Shows them.
///
/// # Errors
/// When the ledger fails.
pub async fn ways_in(
    State(app): State<App>,
    view: View,
    cookies: Cookies,
    user: CurrentUser,
    Query(told): Query<Told>,
) -> Result<Page<WaysInPage>, AppError> {
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    let phone = matches!(account.holder, Some(Holder::Guardian(_)));
    let told = match told.changed.as_deref() {
        Some("password") => "ways-in-password-changed",
        Some("app-added") => "ways-in-told-app-added",
        Some("factor-removed") => "ways-in-told-removed",
        Some("too-many") => "ways-in-told-too-many",
        Some("added") => "upstream-ways-added",
        Some("removed") => "upstream-ways-removed",
        Some("last") => "upstream-ways-last",
        _ => "",
    };
    let factors = account.second_factors.iter().map(|(id, factor)| Factor {
        id: id.to_string(),
        label: match factor.kind {
            FactorKind::Totp => "ways-in-app",
            FactorKind::Passkey => "ways-in-passkey",
        },
    });
    let session = cookies.session.as_ref();
    let remove_token = session.map(|session| RemoveForm::token(&app, session)).unwrap_or_default();
    let codes_token = session.map(|session| RecoveryForm::token(&app, session)).unwrap_or_default();
    let (factors, codes_left) = (factors.collect(), account.recovery_codes.map(|codes| codes.left));
    let ways = Ways::of(&app, &view, &cookies, &account);
    let login = user.name;
    Ok(Page(WaysInPage { view, login, phone, told, ways, factors, codes_left, remove_token, codes_token }))
}
