//! `GET /account/data/matricule.json` and `….html`: what is kept of a person, for that person only. Behind
//! [`StepUp`], and in the access log before it leaves.

use super::Sight;
use super::history::{self, Entry};
use crate::activation::school_names;
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::oidc::{self, Received};
use crate::pages::{Sample, View};
use crate::session::StepUp;
use crate::{access, session};
use askama::Template;
use aws_lc_rs::digest;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::account::{Account, Holder};
use domain::guardian::Guardian;
use domain::personal::Personal;
use domain::pupil::Pupil;
use ledger::access::{Of, Wanted};
use serde::Serialize;

/// For programs.
pub const JSON: &str = "/account/data/matricule.json";
/// For reading.
pub const HTML: &str = "/account/data/matricule.html";
/// Events at most; who has more asks the operator.
const MOST_EVENTS: usize = 5_000;
/// Accesses at most, the latest.
const MOST_ACCESSES: u32 = 1_000;

/// Everything, as it stands.
#[derive(Debug, Default, Serialize)]
pub struct Download {
    login: String,
    /// `guardian` or `pupil`.
    holder: &'static str,
    /// Whether a second factor is asked for.
    second_factor: bool,
    /// What the schools' files say of the person.
    records: Vec<Record>,
    children: Vec<Child>,
    services: Vec<Received>,
    accesses: Vec<Seen>,
    history: Vec<Entry>,
}

/// What a school's file says of a guardian, or of the pupil.
#[derive(Debug, Serialize)]
struct Record {
    family_name: String,
    usage_name: Option<String>,
    given_name: String,
    birth_date: Option<String>,
    mobile: Option<String>,
    email: Option<String>,
}

/// A child of a guardian.
#[derive(Debug, Serialize)]
struct Child {
    family_name: String,
    given_names: Vec<String>,
    birth_date: Option<String>,
    schools: Vec<String>,
}

/// An access to the account, or to data of it.
#[derive(Debug, Serialize)]
struct Seen {
    at: String,
    kind: String,
    what: String,
    outcome: String,
    service: Option<String>,
}

/// For reading.
#[derive(Template)]
#[template(path = "account/download.html")]
pub struct DownloadPage {
    view: View,
    made: String,
    content: Download,
}

/// `GET /account/data/matricule.json`
///
/// # Errors
/// When something fails, the record of the access above all: then nothing leaves.
pub async fn json(State(app): State<App>, view: View, incident: Incident, user: StepUp) -> Result<Response, AppError> {
    let content = gather(&app, &view, &user.0).await?;
    let body = serde_json::to_vec_pretty(&content).map_err(AppError::internal)?;
    hand_out(&app, &incident, &user.0, body, "application/json", "json").await
}

/// `GET /account/data/matricule.html`
///
/// # Errors
/// As for JSON.
pub async fn html(State(app): State<App>, view: View, incident: Incident, user: StepUp) -> Result<Response, AppError> {
    let content = gather(&app, &view, &user.0).await?;
    let made = app.clock.now().format("%d/%m/%Y %H:%M UTC").to_string();
    let body = DownloadPage { view, made, content }.render().map_err(AppError::internal)?;
    hand_out(&app, &incident, &user.0, body.into_bytes(), "text/html; charset=utf-8", "html").await
}

async fn hand_out(
    app: &App,
    incident: &Incident,
    user: &session::CurrentUser,
    body: Vec<u8>,
    kind: &'static str,
    extension: &str,
) -> Result<Response, AppError> {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, &body).as_ref());
    access::own_read(app, incident, user.account, hash).await?;
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let name = format!("attachment; filename=\"matricule.{extension}\"");
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(AppError::internal)?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn gather(app: &App, view: &View, user: &session::CurrentUser) -> Result<Download, AppError> {
    history::caught_up(app).await?;
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    let (sight, children) = Sight::of(app, user.account, &account).await?;
    let (events, _) = history::read(app, &sight, None, MOST_EVENTS).await?;
    let (holder, records) = match account.holder {
        Some(Holder::Pupil(pupil)) => {
            let pupil = app.ledger.load::<Pupil>(&pupil.to_string()).await?.aggregate;
            ("pupil", of_pupil(&pupil).into_iter().collect())
        }
        Some(Holder::Guardian(_)) | None => {
            let ids: Vec<String> = account.guardians.iter().map(ToString::to_string).collect();
            let records =
                if ids.is_empty() { Default::default() } else { app.ledger.load_many::<Guardian>(&ids).await? };
            ("guardian", records.into_values().filter_map(|record| of_guardian(&record.aggregate)).collect())
        }
    };
    let uais = children.iter().flat_map(|pupil| pupil.enrolments.keys().map(ToString::to_string)).collect();
    let names = school_names(app, uais).await?;
    let child = |pupil: &Pupil| {
        let status = pupil.civil_status.as_ref().and_then(Personal::known)?;
        let schools = pupil.enrolments.keys().map(ToString::to_string);
        Some(Child {
            family_name: status.family_name.clone(),
            given_names: status.given_names.clone(),
            birth_date: status.birth_date.map(|date| date.to_string()),
            schools: schools.map(|uai| names.get(&uai).map_or(uai.clone(), |name| format!("{name} ({uai})"))).collect(),
        })
    };
    let services = oidc::received(app, view, user.account).await?;
    let accesses = accesses(app, user).await?;
    Ok(Download {
        login: user.name.clone(),
        holder,
        second_factor: account.wants_second_factor(),
        records,
        children: children.iter().filter_map(child).collect(),
        services,
        accesses,
        history: events.iter().map(|event| history::entry(view, user.account, event)).collect(),
    })
}

fn of_guardian(guardian: &Guardian) -> Option<Record> {
    let identity = guardian.identity.as_ref().and_then(Personal::known)?;
    let contact = guardian.contact.as_ref().and_then(Personal::known);
    Some(Record {
        family_name: identity.family_name.clone(),
        usage_name: identity.usage_name.clone(),
        given_name: identity.given_name.clone(),
        birth_date: None,
        mobile: contact.and_then(|contact| contact.mobile.as_ref()).map(ToString::to_string),
        email: contact.and_then(|contact| contact.email.clone()),
    })
}

fn of_pupil(pupil: &Pupil) -> Option<Record> {
    let status = pupil.civil_status.as_ref().and_then(Personal::known)?;
    Some(Record {
        family_name: status.family_name.clone(),
        usage_name: status.usage_name.clone(),
        given_name: status.given_names.join(" "),
        birth_date: status.birth_date.map(|date| date.to_string()),
        mobile: None,
        email: None,
    })
}

/// The latest accesses: sign-ins, what services were told, who else has read. Who of the staff it was is for auditors.
async fn accesses(app: &App, user: &session::CurrentUser) -> Result<Vec<Seen>, AppError> {
    let wanted = Wanted::all(Of::Person(user.account.0), MOST_ACCESSES);
    let stored = ledger::access::read(&app.db, &wanted).await?;
    let names = oidc::names(app, stored.iter().filter_map(|access| access.relying_party)).await?;
    let seen = stored.into_iter().map(|access| Seen {
        at: access.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        kind: access.kind,
        what: access.what,
        outcome: access.outcome,
        service: access.relying_party.and_then(|id| names.get(&id).cloned()),
    });
    Ok(seen.collect())
}

impl Sample for DownloadPage {
    fn samples(view: &View) -> Vec<Self> {
        let record = Record {
            family_name: "Lefictif".into(),
            usage_name: None,
            given_name: "Aude <A>".into(),
            birth_date: None,
            mobile: Some("+33639980001".into()),
            email: Some("aude@example.org".into()),
        };
        let content =
            Download { login: "a.lefictif".into(), holder: "guardian", records: vec![record], ..Download::default() };
        vec![Self { view: view.clone(), made: "01/09/2026 08:00 UTC".into(), content }]
    }
}
