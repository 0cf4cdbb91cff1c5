//! `GET` and `POST /sign-in/link`: the end of a first use, where the identity is tied to the account that was proved;
//! and the tying itself, whatever the proof.

use super::answer::{Arrival, enter, opened_by};
use super::provider::Provider;
use super::stopped::{StoppedPage, Why};
use super::visit::{Recognised, recognised};
use super::{SUBJECT, subject_hash};
use crate::activation::flow::{Flow, Kind, Step};
use crate::activation::{Names, login_of, notify};
use crate::app::App;
use crate::delivery::Message;
use crate::incident::{AppError, Incident};
use crate::pages::{Language, Page, Sample, View};
use crate::session::ClientAddress;
use crate::session::cookies::Cookies;
use crate::session::form::{Binding, PageForm, Submitted};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use domain::account::{Account, AccountCommand, AccountError, AccountEvent, UpstreamIdentity, UpstreamProof};
use domain::context::{Actor, Reason};
use domain::guardian::Guardian;
use domain::ids::{AccountId, FlowId, LinkId, SecretId};
use domain::personal::Personal;
use ledger::{AppendError, Ledger, Unit, VaultChange};
use serde::Deserialize;
use uuid::Uuid;

/// How often a link is decided anew because someone else appended first.
const ATTEMPTS: u32 = 5;

/// An identity about to be tied to an account.
pub(super) struct New<'a> {
    pub provider: &'a Provider,
    pub identity: &'a UpstreamIdentity,
    pub proof: UpstreamProof,
    /// The flow that proved the phone.
    pub flow: Option<FlowId>,
    /// The vault row that kept it meanwhile.
    pub consumed: Option<SecretId>,
}

/// Ties an identity to an account, with the look-up hash by which it is found from then on; a former subject of the
/// same provider gives way. Who opens another account already is tied to no second one.
pub(super) async fn tie(
    app: &App,
    incident: &Incident,
    language: Language,
    id: AccountId,
    new: &New<'_>,
) -> Result<Result<(), Why>, AppError> {
    let (name, subject) = (new.provider.name(), &new.identity.subject);
    let (owner, hash) = (id.to_string(), subject_hash(app, name, subject));
    let context = incident.context(Actor::Account(id), Reason::OwnRequest, app.clock.now());
    let link = LinkId(Uuid::new_v4());
    for _ in 0..ATTEMPTS {
        match opened_by(app, new.provider, new.identity).await? {
            Some((other, _, _)) if other == id => return Ok(Ok(())),
            Some(_) => return Ok(Err(Why::LinkedElsewhere)),
            None => {}
        }
        let loaded = app.ledger.load::<Account>(&owner).await?;
        let names = Names::of(&app.ledger, &loaded.aggregate).await?;
        let (provider, identity) = (name.to_owned(), new.identity.clone());
        let command =
            AccountCommand::LinkUpstreamIdentity { link, provider, identity, proof: new.proof, flow: new.flow };
        let events = match loaded.aggregate.decide(command) {
            Ok(events) => events,
            Err(refused) => return Ok(Err(why(&refused))),
        };
        let mut unit = Unit::new(context.clone());
        // A hash that a reset left behind leads to nobody.
        if let Some(stale) = app.ledger.reserved(SUBJECT, &hash).await? {
            unit = unit.release(SUBJECT, stale, hash);
        }
        for former in former_subjects(&loaded.aggregate, &events) {
            unit = unit.release(SUBJECT, &owner, subject_hash(app, name, &former));
        }
        unit = unit.stream::<Account>(&owner, loaded.version, events).claim(SUBJECT, &owner, hash);
        if let Some(kept) = new.consumed {
            unit = unit.vault(VaultChange::Delete(kept));
        }
        unit = notify(unit, &Message::WayInAdded, language, &names.emails, app.clock.now());
        match app.ledger.append(unit).await {
            Ok(_) => return Ok(Ok(())),
            // Someone was faster, here or with the same identity elsewhere: look again.
            Err(AppendError::Conflict { .. } | AppendError::Reserved { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(AppError::unavailable("the account changes too fast"))
}

/// The subjects whose links these events end.
pub(super) fn former_subjects(account: &Account, events: &[AccountEvent]) -> Vec<String> {
    let ended = events.iter().filter_map(|event| {
        let AccountEvent::UpstreamIdentityUnlinked { link, .. } = event else { return None };
        account.links.get(link)
    });
    ended.filter_map(|link| link.identity.known()).map(|identity| identity.subject.clone()).collect()
}

fn why(refused: &AccountError) -> Why {
    match refused {
        AccountError::LinkedWithAnotherPerson => Why::AnotherPerson,
        AccountError::NoChildConfirmed => Why::NoChild,
        AccountError::PhoneNotProved => Why::Stale,
        AccountError::NotAGuardian => Why::NotForThem,
        _ => Why::NotInUse,
    }
}

/// Gives an account its login if it has none: by it its holder can add a password later.
pub(super) async fn give_login(app: &App, incident: &Incident, id: AccountId) -> Result<(), AppError> {
    let account = app.ledger.load::<Account>(&id.to_string()).await?.aggregate;
    if account.login.is_none() {
        let names = Names::of(&app.ledger, &account).await?;
        let context = incident.context(Actor::Account(id), Reason::OwnRequest, app.clock.now());
        login_of(app, &id, &names, &context).await?;
    }
    Ok(())
}

/// Whether one of the school's records behind a guardian's account bears the names of an identity; and how the school
/// writes the names, for the page.
pub(super) async fn school_names(
    ledger: &Ledger,
    account: &Account,
    identity: &UpstreamIdentity,
) -> Result<(bool, Vec<String>), AppError> {
    let ids: Vec<String> = account.guardians.iter().map(ToString::to_string).collect();
    let mut written = Vec::new();
    let mut agree = false;
    for guardian in ledger.load_many::<Guardian>(&ids).await?.into_values() {
        let Some(known) = guardian.aggregate.identity.as_ref().and_then(Personal::known) else { continue };
        agree |= identity.bears(&known.family_name, known.usage_name.as_deref(), &known.given_name);
        written.push(in_full(
            std::slice::from_ref(&known.given_name),
            Some(&known.family_name),
            known.usage_name.as_deref(),
        ));
    }
    written.sort();
    written.dedup();
    Ok((agree, written))
}

/// `Aude Marie LEFICTIF (EXEMPLE)`
pub(super) fn in_full(given: &[String], family: Option<&str>, usage: Option<&str>) -> String {
    let usage = usage.filter(|usage| Some(*usage) != family).map(|name| format!("({})", name.to_uppercase()));
    given.iter().cloned().chain(family.map(str::to_uppercase)).chain(usage).collect::<Vec<_>>().join(" ")
}

pub(super) fn name_of(identity: &UpstreamIdentity) -> String {
    in_full(&identity.given_names, identity.family_name.as_deref(), identity.usage_name.as_deref())
}

/// Both identities, and whether they can be tied.
#[derive(Template, Debug)]
#[template(path = "upstream/link.html")]
pub struct LinkPage {
    view: View,
    token: String,
    /// The provider as people know it.
    label: String,
    /// As the provider names the person.
    theirs: String,
    /// As the schools do.
    schools: Vec<String>,
    agree: bool,
    /// Another subject of this provider opens the account and gives way.
    replaces: bool,
}

impl Sample for LinkPage {
    fn samples(view: &View) -> Vec<Self> {
        let page = |theirs: &str, agree, replaces| Self {
            view: view.clone(),
            token: "…".into(),
            label: "FranceConnect".into(),
            theirs: theirs.into(),
            schools: vec!["Aude LEFICTIF".into()],
            agree,
            replaces,
        };
        vec![
            page("Aude Marie LEFICTIF", true, false),
            page("Aude Marie LEFICTIF", true, true),
            page("Angela DUBOIS", false, false),
        ]
    }
}

/// "Yes, tie them."
#[derive(Deserialize)]
pub struct LinkForm {}

impl PageForm for LinkForm {
    const NAME: &'static str = "upstream-link";
    const BINDING: Binding = Binding::Flow;
}

/// A first use that has come to its end: the flow that proved phone and children, and who the provider says it is.
struct Ready {
    flow: Flow,
    id: AccountId,
    account: Account,
    recognised: Recognised,
}

async fn ready(app: &App, cookies: &Cookies) -> Result<Result<Ready, Redirect>, AppError> {
    let flow = Flow::of(app, cookies).await?;
    let Some(id) = flow.account.filter(|_| flow.step == Step::Password && flow.kind == Kind::Activation) else {
        return Ok(Err(Redirect::to(flow.step.path())));
    };
    let Some(recognised) = recognised(app, cookies).await? else {
        return Ok(Err(Redirect::to(Step::Password.path())));
    };
    let account = app.ledger.load::<Account>(&id.to_string()).await?.aggregate;
    if account.proved.is_none_or(|(proved, _)| proved != flow.id) {
        return Err(AppError::refused(StatusCode::GONE, "flow-expired"));
    }
    Ok(Ok(Ready { flow, id, account, recognised }))
}

/// Shows what would be tied; or, where the names differ, what to do about it.
///
/// # Errors
/// When there is no such flow (any more).
pub async fn show_link(State(app): State<App>, view: View, cookies: Cookies) -> Result<Response, AppError> {
    match ready(&app, &cookies).await? {
        Ok(ready) => page(&app, view, &cookies, &ready).await,
        Err(elsewhere) => Ok(elsewhere.into_response()),
    }
}

async fn page(app: &App, view: View, cookies: &Cookies, ready: &Ready) -> Result<Response, AppError> {
    let Ready { account, recognised, .. } = ready;
    let (agree, schools) = school_names(&app.ledger, account, &recognised.identity).await?;
    let provider = recognised.provider(&app.upstreams).ok_or_else(AppError::not_found)?;
    let token = cookies.flow.as_ref().map(|flow| LinkForm::token(app, flow)).unwrap_or_default();
    let replaces = account.links.values().any(|link| link.provider == recognised.provider);
    let (label, theirs) = (provider.label(view.language).to_owned(), name_of(&recognised.identity));
    let status = if agree { StatusCode::OK } else { StatusCode::FORBIDDEN };
    if !agree {
        tracing::warn!(provider = provider.name(), account = %ready.id, "the names differ from the school's");
    }
    Ok((status, Page(LinkPage { view, token, label, theirs, schools, agree, replaces })).into_response())
}

/// Ties the identity to the account and signs in.
///
/// # Errors
/// When there is no such flow (any more), or something fails.
pub async fn link(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    Submitted(_): Submitted<LinkForm>,
) -> Result<Response, AppError> {
    let ready = match ready(&app, &cookies).await? {
        Ok(ready) => ready,
        Err(elsewhere) => return Ok(elsewhere.into_response()),
    };
    let Ready { flow, id, account, recognised } = &ready;
    if !school_names(&app.ledger, account, &recognised.identity).await?.0 {
        return page(&app, view, &cookies, &ready).await;
    }
    let provider = recognised.provider(&app.upstreams).ok_or_else(AppError::not_found)?;
    give_login(&app, &incident, *id).await?;
    let new = New {
        provider,
        identity: &recognised.identity,
        proof: UpstreamProof::PhoneAndChildren,
        flow: Some(flow.id),
        consumed: Some(recognised.kept_in),
    };
    if let Err(why) = tie(&app, &incident, view.language, *id, &new).await? {
        return Ok(StoppedPage::because(view, provider, why, None));
    }
    recognised.finish(&app).await?;
    flow.finish(&app).await?;
    let account = app.ledger.load::<Account>(&id.to_string()).await?.aggregate;
    let subject = &recognised.identity.subject;
    let link = account.link_of(provider.name(), subject).ok_or_else(|| AppError::internal("the link is gone"))?;
    let return_to = flow.return_to.as_ref().or(recognised.return_to.as_ref());
    let arrival = Arrival { app: &app, view, incident: &incident, cookies: &cookies, address, provider };
    enter(arrival, (*id, &account), link, &recognised.id_token, return_to).await
}
