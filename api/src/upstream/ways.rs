//! `POST /account/ways-in/remove`, and what the page of the ways in shows of other providers: which open the account,
//! which may be added or given up.

use super::answer::{Arrival, Arrived, may_use};
use super::link::{self, New, former_subjects, name_of};
use super::matching;
use super::stopped::Why;
use super::{SUBJECT, subject_hash};
use crate::activation::{Names, notify, record};
use crate::app::App;
use crate::config::MatchBy;
use crate::delivery::Message;
use crate::incident::{AppError, Incident};
use crate::pages::View;
use crate::session::cookies::Cookies;
use crate::session::form::{Binding, PageForm, Submitted};
use crate::session::{ReturnTo, StepUp, WAYS_IN_PATH, end_by_link};
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domain::account::{Account, AccountCommand, AccountError, UpstreamProof};
use domain::ids::{AccountId, LinkId};
use serde::Deserialize;

/// A provider that opens the account.
#[derive(Clone, Debug)]
pub struct Linked {
    /// Its link.
    pub link: LinkId,
    /// The provider as people know it.
    pub label: String,
    /// As the provider names the holder; empty where it does not.
    pub name: String,
}

/// A provider that may be added.
#[derive(Clone, Debug)]
pub struct Offered {
    /// The provider as people know it.
    pub label: String,
    /// Where adding it begins.
    pub href: String,
}

/// What an account's other providers come to.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    /// Of the forms that give one up.
    pub token: String,
    /// Whether there is a password besides.
    pub has_password: bool,
    /// Those that open the account.
    pub linked: Vec<Linked>,
    /// Those that may be added.
    pub offered: Vec<Offered>,
}

impl Ways {
    /// Those of an account.
    pub fn of(app: &App, view: &View, cookies: &Cookies, account: &Account) -> Self {
        let label = |name: &str| match app.upstreams.find(name) {
            Some(provider) => provider.label(view.language).to_owned(),
            // Configured no longer; it opens nothing, and may still be given up.
            None => name.to_owned(),
        };
        let linked = account.links.iter().map(|(link, one)| Linked {
            link: *link,
            label: label(&one.provider),
            name: one.identity.known().map(name_of).unwrap_or_default(),
        });
        let free = app.upstreams.all().iter().filter(|provider| {
            may_use(provider, account) && !account.links.values().any(|link| link.provider == provider.name())
        });
        let offered = free.map(|provider| Offered {
            label: provider.label(view.language).to_owned(),
            href: format!("{WAYS_IN_PATH}/add/{}", provider.name()),
        });
        let token = cookies.session.as_ref().map(|session| RemoveForm::token(app, session)).unwrap_or_default();
        let (linked, offered) = (linked.collect(), offered.collect());
        Self { token, has_password: account.password.is_some(), linked, offered }
    }

    /// Whether one may be given up.
    pub fn may_go(&self) -> bool {
        self.has_password || self.linked.len() > 1
    }
}

/// The buttons of the providers that open an account, by which its holder may prove to be themselves again.
pub fn again(app: &App, view: &View, account: &Account, return_to: Option<&ReturnTo>) -> Vec<(String, String)> {
    let query = return_to.map_or_else(String::new, |return_to| {
        let back: String = url::form_urlencoded::byte_serialize(return_to.as_str().as_bytes()).collect();
        format!("?return_to={back}")
    });
    let providers = account.links.values().filter_map(|link| app.upstreams.find(&link.provider));
    let button = |provider: &super::Provider| {
        (provider.button(view.language).to_owned(), format!("/sign-in/with/{}{query}", provider.name()))
    };
    providers.map(button).collect()
}

/// "I give this one up."
#[derive(Deserialize)]
pub struct RemoveForm {
    link: LinkId,
}

impl PageForm for RemoveForm {
    const NAME: &'static str = "upstream-remove";
    const BINDING: Binding = Binding::Session;
}

/// Gives a way in up. Whatever it had opened ends.
///
/// # Errors
/// When something fails.
pub async fn unlink(
    State(app): State<App>,
    view: View,
    incident: Incident,
    StepUp(user): StepUp,
    Submitted(form): Submitted<RemoveForm>,
) -> Result<Response, AppError> {
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    let names = Names::of(&app.ledger, &account).await?;
    let (language, now) = (view.language, app.clock.now());
    let recorded = record(&app, &incident, user.account, |loaded, unit| {
        let events = loaded.aggregate.decide(AccountCommand::UnlinkUpstreamIdentity { link: form.link })?;
        let provider = loaded.aggregate.links.get(&form.link).map(|link| link.provider.clone()).unwrap_or_default();
        let hashes = former_subjects(&loaded.aggregate, &events);
        let hashes = hashes.iter().map(|subject| subject_hash(&app, &provider, subject));
        let unit = hashes.fold(unit, |unit, hash| unit.release(SUBJECT, &loaded.id, hash));
        let unit = unit.stream::<Account>(&loaded.id, loaded.version, events);
        Ok(notify(unit, &Message::WayInRemoved, language, &names.emails, now))
    });
    let told = match recorded.await? {
        Ok(_) => {
            end_by_link(&app.db, form.link).await?;
            "?changed=removed"
        }
        Err(AccountError::LastWayIn) => "?changed=last",
        // Given up a moment ago in another tab.
        Err(_) => "",
    };
    Ok(Redirect::to(&format!("{WAYS_IN_PATH}{told}")).into_response())
}

/// A signed-in holder is back from a provider: the identity is tied to the account if it is the same person's.
pub(super) async fn add_arrived(arrival: Arrival<'_>, id: AccountId, arrived: Arrived) -> Result<Response, AppError> {
    let (app, provider) = (arrival.app, arrival.provider);
    // Whoever left is who comes back, still signed in.
    let Some(user) = arrival.incident.user().filter(|user| user.account == id) else {
        return Ok(arrival.stopped(None, Why::Stale, None));
    };
    let account = app.ledger.load::<Account>(&id.to_string()).await?.aggregate;
    if !may_use(provider, &account) {
        return Ok(arrival.stopped(Some(id), Why::NotForThem, None));
    }
    let proof = if provider.config.matching.by == MatchBy::Names {
        let (agree, _) = link::school_names(&app.ledger, &account, &arrived.identity).await?;
        agree.then_some(UpstreamProof::SignedIn)
    } else {
        let found = matching::find(app, provider, &arrived).await?;
        found.filter(|(account, _)| *account == id).map(|(_, proof)| proof)
    };
    let Some(proof) = proof else { return Ok(arrival.stopped(Some(id), Why::OtherNames, None)) };
    let new = New { provider, identity: &arrived.identity, proof, flow: None, consumed: None };
    if let Err(why) = link::tie(app, arrival.incident, arrival.view.language, id, &new).await? {
        return Ok(arrival.stopped(Some(id), why, None));
    }
    tracing::info!(account = %user.account, provider = provider.name(), "a way in was added");
    Ok(Redirect::to(&format!("{WAYS_IN_PATH}?changed=added")).into_response())
}
