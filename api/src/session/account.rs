//! `GET /account`: my account.

use super::CurrentUser;
use crate::activation::{Unconfirmed, school_names, unconfirmed, views_caught_up};
use crate::app::App;
use crate::incident::AppError;
use crate::pages::{Page, Sample, View, section};
use askama::Template;
use axum::extract::State;
use domain::account::Account;
use domain::personal::Personal;
use domain::pupil::Pupil;

/// A child under the account.
#[derive(Clone, Debug)]
pub struct Child {
    given_name: String,
    surname: String,
    schools: Vec<String>,
}

/// Login and children.
#[derive(Template, Debug)]
#[template(path = "session/account.html")]
pub struct AccountPage {
    view: View,
    login: String,
    children: Vec<Child>,
    /// How many more wait for the holder's answer.
    waiting: usize,
    /// How many the holder reported as not theirs, and may still confirm.
    reported: usize,
}

impl Sample for AccountPage {
    fn samples(view: &View) -> Vec<Self> {
        let child = |given_name: &str, schools: &[&str]| Child {
            given_name: given_name.into(),
            surname: "Lefictif".into(),
            schools: schools.iter().map(|name| (*name).to_owned()).collect(),
        };
        let children = vec![child("Anaïs", &["Collège des Exemples"]), child("Basile", &[])];
        let page = |children, waiting| Self {
            view: view.signed_in(section::HOME),
            login: "a.lefictif".into(),
            children,
            waiting,
            reported: waiting,
        };
        vec![page(vec![], 0), page(children.clone(), 0), page(children, 1), page(vec![], 2)]
    }
}

/// Shows the account: confirmed children whose schools declare the holder a legal guardian now.
///
/// # Errors
/// When something fails.
pub async fn account(State(app): State<App>, view: View, user: CurrentUser) -> Result<Page<AccountPage>, AppError> {
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    let ids: Vec<String> = account.confirmed.iter().map(ToString::to_string).collect();
    let pupils =
        if ids.is_empty() { vec![] } else { app.ledger.load_many::<Pupil>(&ids).await?.into_values().collect() };
    let mine = pupils
        .into_iter()
        .map(|loaded| loaded.aggregate)
        .filter(|pupil| pupil.legal_guardians().any(|guardian| account.guardians.contains(&guardian)));
    let mine: Vec<Pupil> = mine.collect();
    views_caught_up(&app).await?;
    let uais = mine.iter().flat_map(|pupil| pupil.enrolments.keys().map(ToString::to_string)).collect();
    let names = school_names(&app, uais).await?;
    let mut children: Vec<Child> = mine
        .iter()
        .filter_map(|pupil| {
            let status = pupil.civil_status.as_ref().and_then(Personal::known)?;
            let schools = pupil.enrolments.keys().map(ToString::to_string);
            Some(Child {
                given_name: status.given_names.first().cloned().unwrap_or_default(),
                surname: status.usage_name.clone().unwrap_or_else(|| status.family_name.clone()),
                schools: schools.map(|uai| names.get(&uai).cloned().unwrap_or(uai)).collect(),
            })
        })
        .collect();
    children.sort_by(|a, b| (&a.given_name, &a.surname).cmp(&(&b.given_name, &b.surname)));
    let Unconfirmed { waiting, reported } = unconfirmed(&app, &account).await?;
    Ok(Page(AccountPage { view, login: user.name, children, waiting, reported }))
}
