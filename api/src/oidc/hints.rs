//! What a client knows of the person beforehand (OpenID Connect Core §3.1.2.1): which login to expect, which language
//! to speak. Hints go straight to the sign-in page; they may describe a person, and are stored nowhere here.

use super::parameters::Parameters;
use super::response::redirect;
use crate::app::App;
use crate::pages::{Language, language_cookie};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::CookieJar;

/// The longest hint that could be a login, in bytes.
const MAX_LOGIN: usize = 100;

/// The length of a pairwise subject, in bytes; logins are shorter.
const SUBJECT: usize = 43;

/// The hints of a request.
#[derive(Default)]
pub struct Hints {
    login: Option<String>,
    language: Option<Language>,
}

impl Hints {
    /// `login_hint` and `ui_locales`; what is of no use here is left.
    pub fn read(parameters: &Parameters) -> Self {
        // A person as the service knows them is no login: see `portal`.
        let login = parameters.get("login_hint").filter(|hint| hint.len() <= MAX_LOGIN && hint.len() != SUBJECT);
        let locales = parameters.get("ui_locales").unwrap_or_default().split(' ');
        // In the client's order of preference (BCP 47 tags): `fr-CA` is French to us.
        let mut known = locales
            .filter_map(|tag| Language::from_code(&tag.split('-').next().unwrap_or_default().to_ascii_lowercase()));
        Self { login: login.map(str::to_owned), language: known.next() }
    }

    /// Leads to the sign-in page, hinted.
    pub fn lead(&self, app: &App, path: &str) -> Response {
        let path = match &self.login {
            Some(login) => {
                let login: String = url::form_urlencoded::byte_serialize(login.as_bytes()).collect();
                format!("{path}&login={login}")
            }
            None => path.to_owned(),
        };
        match self.language {
            Some(language) => (CookieJar::new().add(language_cookie(app, language)), redirect(&path)).into_response(),
            None => redirect(&path),
        }
    }
}
