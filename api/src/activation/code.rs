//! `GET` and `POST /code`, `POST /code/resend`: the code sent by SMS.

use super::codes::{self, Request, is_right, purpose};
use super::flow::{Flow, Kind, Step};
use super::{Floor, record};
use crate::access;
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::pages::{FormErrors, Page, Sample, View};
use crate::session::cookies::Cookies;
use crate::session::form::{Binding, PageForm, Submitted};
use crate::session::{ClientAddress, Method};
use crate::upstream;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::DateTime;
use domain::account::{Account, AccountCommand, AccountError, Purpose};
use domain::identifiers::E164;
use domain::ids::SecretId;
use ledger::VaultChange;
use ledger::access::SignInOutcome;
use serde::Deserialize;
use std::time::Duration;
use uuid::Uuid;

/// Time that trying a code takes, whatever happens behind.
const FLOOR: Duration = Duration::from_millis(250);

/// The code as typed.
#[derive(Deserialize)]
pub struct CodeForm {
    code: String,
}

impl PageForm for CodeForm {
    const NAME: &'static str = "code";
    const BINDING: Binding = Binding::Flow;
}

/// Another code, please.
#[derive(Deserialize)]
pub struct ResendForm {}

impl PageForm for ResendForm {
    const NAME: &'static str = "resend";
    const BINDING: Binding = Binding::Flow;
}

/// The form.
#[derive(Template, Debug)]
#[template(path = "activation/code.html")]
pub struct CodePage {
    view: View,
    token: String,
    resend_token: String,
    recovery: bool,
    /// Last digits of the number typed.
    ending: String,
    /// How long a code is valid, in minutes.
    minutes: i64,
    errors: FormErrors,
    /// A message above the form; empty for none.
    notice: String,
    /// Whether no try or message is left: start again.
    exhausted: bool,
    start: &'static str,
}

impl Sample for CodePage {
    fn samples(view: &View) -> Vec<Self> {
        let mut errors = FormErrors::new();
        errors.add("code", view.t("activation-code-wrong"));
        let page = |errors, notice: &str, exhausted| Self {
            view: view.clone(),
            token: "…".into(),
            resend_token: "…".into(),
            recovery: exhausted,
            ending: "01".into(),
            minutes: 30,
            errors,
            notice: notice.into(),
            exhausted,
            start: "/activate",
        };
        vec![page(FormErrors::new(), "", false), page(errors, "…", false), page(FormErrors::new(), "", true)]
    }
}

/// The number typed when the flow began.
async fn contact(app: &App, flow: &Flow) -> Result<E164, AppError> {
    let id = flow.contact.unwrap_or(SecretId(Uuid::nil()));
    let secret = app.ledger.vault_get(id, app.clock.now()).await?;
    let text = secret.as_ref().and_then(|secret| std::str::from_utf8(&secret.secret).ok());
    text.and_then(|text| text.parse().ok()).ok_or_else(|| AppError::refused(StatusCode::GONE, "flow-expired"))
}

/// The page for a flow as it stands.
struct Shown<'a> {
    app: &'a App,
    view: View,
    cookies: &'a Cookies,
    flow: &'a Flow,
    number: &'a E164,
}

impl Shown<'_> {
    fn page(self, errors: FormErrors, notice: String) -> Page<CodePage> {
        let Self { app, view, cookies, flow, number } = self;
        let token = |form: fn(&App, &crate::session::Token) -> String| {
            cookies.flow.as_ref().map(|flow| form(app, flow)).unwrap_or_default()
        };
        let digits = number.as_str();
        Page(CodePage {
            token: token(CodeForm::token),
            resend_token: token(ResendForm::token),
            recovery: flow.kind == Kind::Recovery,
            ending: digits[digits.len() - 2..].to_owned(),
            minutes: app.config.codes.validity.delta().num_minutes(),
            exhausted: u32::try_from(flow.attempts).is_ok_and(|attempts| attempts >= app.config.codes.attempts),
            start: flow.kind.start_path(),
            view,
            errors,
            notice,
        })
    }

    fn refused(self, message: &str) -> Response {
        let mut errors = FormErrors::new();
        errors.add("code", self.view.t(message));
        (StatusCode::UNPROCESSABLE_ENTITY, self.page(errors, String::new())).into_response()
    }
}

/// The flow, if it waits for a code; else the way to where it stands.
async fn waiting(app: &App, cookies: &Cookies) -> Result<Result<Flow, Redirect>, AppError> {
    let flow = Flow::of(app, cookies).await?;
    Ok(if flow.step == Step::Code { Ok(flow) } else { Err(Redirect::to(flow.step.path())) })
}

/// Shows the form.
///
/// # Errors
/// When there is no such flow (any more).
pub async fn show_code(State(app): State<App>, view: View, cookies: Cookies) -> Result<Response, AppError> {
    let flow = match waiting(&app, &cookies).await? {
        Ok(flow) => flow,
        Err(elsewhere) => return Ok(elsewhere.into_response()),
    };
    let number = contact(&app, &flow).await?;
    let shown = Shown { app: &app, view, cookies: &cookies, flow: &flow, number: &number };
    Ok(shown.page(FormErrors::new(), String::new()).into_response())
}

/// Tries a code. Counted before it is compared; right for one caller only.
///
/// # Errors
/// When there is no such flow (any more), or something fails.
pub async fn check_code(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    Submitted(form): Submitted<CodeForm>,
) -> Result<Response, AppError> {
    let mut flow = match waiting(&app, &cookies).await? {
        Ok(flow) => flow,
        Err(elsewhere) => return Ok(elsewhere.into_response()),
    };
    let floor = Floor::start(FLOOR);
    let number = contact(&app, &flow).await?;
    let typed: String = form.code.chars().filter(|c| !c.is_whitespace()).take(7).collect();
    if typed.len() != 6 || !typed.bytes().all(|byte| byte.is_ascii_digit()) {
        let shown = Shown { app: &app, view, cookies: &cookies, flow: &flow, number: &number };
        return Ok(shown.refused("activation-code-shape"));
    }
    let outcome = try_code(&app, &incident, &mut flow, &typed).await?;
    if outcome.is_err() {
        let why = if flow.attempts == i32::MAX { SignInOutcome::Throttled } else { SignInOutcome::Wrong };
        access::sign_in(&app, &incident, address, flow.account, Method::Sms, why);
    }
    floor.settle().await;
    match outcome {
        Ok(mut next) => {
            // What a provider says of the person is tied to nothing before the children are proved, too.
            let tying = flow.kind == Kind::Activation && upstream::recognised(&app, &cookies).await?.is_some();
            if tying && next == Step::Password {
                next = Step::Children;
            }
            flow.advance(&app, next).await?;
            Ok(Redirect::to(next.path()).into_response())
        }
        Err(message) => {
            let shown = Shown { app: &app, view, cookies: &cookies, flow: &flow, number: &number };
            Ok(shown.refused(message))
        }
    }
}

/// The step that follows, or the message that says why not. The same for strangers, who are never right.
async fn try_code(
    app: &App,
    incident: &Incident,
    flow: &mut Flow,
    typed: &str,
) -> Result<Result<Step, &'static str>, AppError> {
    let Some(attempts) = flow.count_attempt(app).await? else {
        flow.attempts = i32::MAX;
        return Ok(Err("activation-code-exhausted"));
    };
    flow.attempts = attempts;
    let now = app.clock.now();
    let secret = flow.code.unwrap_or(SecretId(Uuid::nil()));
    // Not "as of now": whether it has expired is said by the flow's row, alike for everyone.
    let stored = app.ledger.vault_get(secret, DateTime::UNIX_EPOCH).await?;
    if flow.code_expires_at.is_none_or(|at| now >= at) {
        return Ok(Err("activation-code-expired"));
    }
    let right = stored.is_some_and(|stored| is_right(&app.ledger, flow.id, typed, &stored.secret));
    let (true, Some(account)) = (right, flow.account) else { return Ok(Err("activation-code-wrong")) };
    let proved = record(app, incident, account, |loaded, unit| {
        let events = loaded.aggregate.decide(AccountCommand::AcceptCode { flow: flow.id, now })?;
        let unit = unit.stream::<Account>(&loaded.id, loaded.version, events);
        Ok(unit.vault(VaultChange::Delete(secret)))
    });
    match proved.await? {
        Ok(_) => {
            let account = app.ledger.load::<Account>(&account.to_string()).await?.aggregate;
            Ok(Ok(match purpose(&account) {
                Purpose::Activation => Step::Children,
                Purpose::CredentialReset => Step::Password,
            }))
        }
        Err(AccountError::CodeExpired) => Ok(Err("activation-code-expired")),
        // Used a moment ago in another tab.
        Err(_) => Ok(Err("activation-code-replaced")),
    }
}

/// Sends another code. The tries already made still count.
///
/// # Errors
/// As [`super::begin`].
pub async fn resend_code(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    Submitted(_): Submitted<ResendForm>,
) -> Result<Response, AppError> {
    let flow = match waiting(&app, &cookies).await? {
        Ok(flow) => flow,
        Err(elsewhere) => return Ok(elsewhere.into_response()),
    };
    let number = contact(&app, &flow).await?;
    let request =
        Request { incident: &incident, language: view.language, address, number: &number, matched: flow.account };
    let sent = codes::resend(&app, &request, &flow).await?;
    let (status, message) = match sent {
        true => (StatusCode::OK, "activation-code-resent"),
        false => (StatusCode::TOO_MANY_REQUESTS, "activation-code-not-resent"),
    };
    let notice = view.t(message);
    let shown = Shown { app: &app, view, cookies: &cookies, flow: &flow, number: &number };
    Ok((status, shown.page(FormErrors::new(), notice)).into_response())
}
