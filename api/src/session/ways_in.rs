//! `GET /account/ways-in`: by which ways the holder signs in.

use super::CurrentUser;
use super::cookies::Cookies;
use crate::app::App;
use crate::incident::AppError;
use crate::pages::{Page, Sample, View};
use crate::upstream::{Linked, Offered, Ways};
use askama::Template;
use axum::extract::{Query, State};
use domain::account::{Account, Holder};
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
    /// What was changed just now, as a message; empty for nothing.
    changed: String,
    /// Other providers.
    ways: Ways,
}

impl Sample for WaysInPage {
    fn samples(view: &View) -> Vec<Self> {
        let linked = Linked {
            link: domain::ids::LinkId(uuid::Uuid::from_u128(1)),
            label: "FranceConnect".into(),
            name: "Aude Marie LEFICTIF".into(),
        };
        let offered = Offered { label: "FranceConnect".into(), href: "/account/ways-in/add/franceconnect".into() };
        let page = |phone, changed: &str, has_password, linked: &[Linked], offered: &[Offered]| Self {
            view: view.signed_in(PATH),
            login: "p.fictif".into(),
            phone,
            changed: changed.into(),
            ways: Ways { token: "…".into(), has_password, linked: linked.to_vec(), offered: offered.to_vec() },
        };
        let linked = std::slice::from_ref(&linked);
        vec![
            page(true, "", true, &[], &[offered]),
            page(false, "…", true, &[], &[]),
            page(true, "", true, linked, &[]),
            page(true, "", false, linked, &[]),
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
    let changed = match told.changed.as_deref() {
        Some("password") => view.t("ways-in-password-changed"),
        Some("added") => view.t("upstream-ways-added"),
        Some("removed") => view.t("upstream-ways-removed"),
        Some("last") => view.t("upstream-ways-last"),
        _ => String::new(),
    };
    let ways = Ways::of(&app, &view, &cookies, &account);
    Ok(Page(WaysInPage { view, login: user.name, phone, changed, ways }))
}
