//! `GET` and `POST /account/password`: the signed-in holder chooses another password, by the present one.

use super::address::ClientAddress;
use super::cookies::Cookies;
use super::current::{self, CurrentUser, sign_in_path};
use super::form::{Binding, PageForm, Submitted};
use super::proving::{Proved, by_password};
use super::store::{self, Method, Opening};
use crate::access;
use crate::activation::{Names, explain, hash_new, notify, record, replace_secret};
use crate::app::App;
use crate::delivery::Message;
use crate::incident::{AppError, Incident};
use crate::pages::{FormErrors, Page, Sample, View};
use crate::password::Weakness;
use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use domain::account::{Account, AccountCommand, AccountError, Password, PasswordOrigin};
use domain::ids::SecretId;
use ledger::access::SignInOutcome;
use serde::Deserialize;
use std::time::Duration;
use uuid::Uuid;
use zeroize::Zeroizing;

const PATH: &str = "/account/password";

/// The present password, and another twice.
#[derive(Deserialize)]
pub struct OwnPasswordForm {
    /// Carried for password managers only.
    #[serde(default, rename = "username")]
    _username: String,
    current: Zeroizing<String>,
    password: Zeroizing<String>,
    again: Zeroizing<String>,
}

impl PageForm for OwnPasswordForm {
    const NAME: &'static str = "own-password";
    const BINDING: Binding = Binding::Session;
}

/// The form.
#[derive(Template, Debug)]
#[template(path = "session/own_password.html")]
pub struct OwnPasswordPage {
    view: View,
    token: String,
    login: String,
    min_length: i64,
    errors: FormErrors,
    /// What to say above the form; empty for nothing.
    notice: String,
}

impl Sample for OwnPasswordPage {
    fn samples(view: &View) -> Vec<Self> {
        let mut errors = FormErrors::new();
        errors.add("current", view.t("session-own-password-wrong"));
        let page = |errors, notice: String| Self {
            view: view.signed_in(PATH),
            token: "…".into(),
            login: "a.lefictif".into(),
            min_length: 12,
            errors,
            notice,
        };
        vec![
            page(FormErrors::new(), String::new()),
            page(errors, String::new()),
            page(FormErrors::new(), view.tn("session-too-many", "minutes", 2)),
        ]
    }
}

/// Makes the page for one request.
struct Shown<'a> {
    app: &'a App,
    view: View,
    cookies: &'a Cookies,
    login: String,
}

impl Shown<'_> {
    fn page(self, errors: FormErrors, notice: String) -> Page<OwnPasswordPage> {
        let min_length = i64::try_from(self.app.guard.policy.min_length()).unwrap_or(i64::MAX);
        let session = self.cookies.session.as_ref();
        let token = session.map(|session| OwnPasswordForm::token(self.app, session)).unwrap_or_default();
        Page(OwnPasswordPage { view: self.view, token, login: self.login, min_length, errors, notice })
    }

    fn wrong(self, field: &str, message: String) -> Response {
        let mut errors = FormErrors::new();
        errors.add(field, message);
        (StatusCode::UNPROCESSABLE_ENTITY, self.page(errors, String::new())).into_response()
    }

    fn weak(self, weakness: Weakness) -> Response {
        let field = if weakness == Weakness::Mismatch { "again" } else { "password" };
        let message = explain(&self.view, weakness);
        self.wrong(field, message)
    }

    fn too_many(self, wait: Duration) -> Response {
        let notice = self.view.tn("session-too-many", "minutes", wait.as_secs().div_ceil(60));
        let retry = [(header::RETRY_AFTER, wait.as_secs().to_string())];
        (StatusCode::TOO_MANY_REQUESTS, retry, self.page(FormErrors::new(), notice)).into_response()
    }
}

/// Shows the form.
pub async fn show_own_password(
    State(app): State<App>,
    view: View,
    cookies: Cookies,
    user: CurrentUser,
) -> Page<OwnPasswordPage> {
    Shown { app: &app, view, cookies: &cookies, login: user.name }.page(FormErrors::new(), String::new())
}

/// Takes the passwords. The present one is guarded like signing in, with the same counters; another's browser left
/// open is no way to guess it. Every other session ends, and this one goes on under a new id.
///
/// # Errors
/// When too many passwords wait, or something fails.
pub async fn change_own_password(
    State(app): State<App>,
    view: View,
    incident: Incident,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    user: CurrentUser,
    Submitted(form): Submitted<OwnPasswordForm>,
) -> Result<Response, AppError> {
    let language = view.language;
    let shown = Shown { app: &app, view, cookies: &cookies, login: user.name.clone() };
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    let names = Names::of(&app.ledger, &account).await?;
    let own: Vec<&str> = names.all.iter().map(String::as_str).chain([user.name.as_str()]).collect();
    let password = match app.guard.policy.choose(&form.password, &form.again, &own) {
        Ok(password) => password,
        Err(weakness) => return Ok(shown.weak(weakness)),
    };
    let present = match by_password(&app, &incident, address, &cookies, (&user, &account), &form.current).await? {
        Proved::Right(present) => present,
        Proved::TooMany(wait) => return Ok(shown.too_many(wait)),
        Proved::NoPassword => return Ok(Redirect::to(&sign_in_path(PATH)).into_response()),
        Proved::Wrong => {
            let message = shown.view.t("session-own-password-wrong");
            return Ok(shown.wrong("current", message));
        }
    };
    let hash = hash_new(&app, password).await?;
    let secret = SecretId(Uuid::new_v4());
    let recorded = record(&app, &incident, user.account, |loaded, unit| {
        // The password that was proved must still be the one in force.
        if loaded.aggregate.password != Some(Password::Personal(present)) {
            return Err(AccountError::NotInUse);
        }
        let command = AccountCommand::ChoosePassword { secret, origin: PasswordOrigin::OwnChange, flow: None };
        let unit = unit.stream::<Account>(&loaded.id, loaded.version, loaded.aggregate.decide(command)?);
        let unit = replace_secret(unit, &loaded.aggregate, secret, &hash);
        Ok(notify(unit, &Message::PasswordChanged, language, &names.emails, app.clock.now()))
    });
    if recorded.await?.is_err() {
        return Ok(Redirect::to(&sign_in_path(PATH)).into_response());
    }
    // Whatever was signed in with the old password is dead already; now the rows go too.
    store::end_all(&app.db, user.account).await?;
    // What a second factor proved, it proved to this very session.
    let new = Opening {
        account: user.account,
        credential: secret,
        method: Method::Password,
        second: user.second,
        device: cookies.agent.stored(),
        upstream: None,
    };
    let jar = current::open_proved(&app, &cookies, new).await?;
    access::sign_in(&app, &incident, address, Some(user.account), Method::Password, SignInOutcome::Success);
    Ok((jar, Redirect::to("/account/ways-in?changed=password")).into_response())
}
