//! `GET /account/ways-in`: by which ways the holder signs in.

use super::CurrentUser;
use crate::app::App;
use crate::incident::AppError;
use crate::pages::{Page, Sample, View};
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
    /// Whether the password was changed just now.
    changed: bool,
}

impl Sample for WaysInPage {
    fn samples(view: &View) -> Vec<Self> {
        let page = |phone, changed| Self { view: view.signed_in(PATH), login: "p.fictif".into(), phone, changed };
        vec![page(true, false), page(false, true)]
    }
}

/// Shows them.
///
/// # Errors
/// When the ledger fails.
pub async fn ways_in(
    State(app): State<App>,
    view: View,
    user: CurrentUser,
    Query(told): Query<Told>,
) -> Result<Page<WaysInPage>, AppError> {
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    let phone = matches!(account.holder, Some(Holder::Guardian(_)));
    let changed = told.changed.as_deref() == Some("password");
    Ok(Page(WaysInPage { view, login: user.name, phone, changed }))
}
