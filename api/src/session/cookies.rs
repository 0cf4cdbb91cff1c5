//! The service's cookies. All are `HttpOnly` and `SameSite=Lax`; over TLS also `Secure` and named `__Host-…`, so
//! that no other host of the domain can plant one.

use super::agent::Agent;
use super::token::{NoRandomness, Token};
use crate::app::App;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use std::convert::Infallible;

/// What a cookie is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A signed-in session.
    Session,
    /// An activation, recovery or forced change in progress.
    Flow,
    /// An anonymous browser, so that its forms are its own.
    Browser,
    /// Logins this browser signed in to before.
    Device,
    /// Authorization requests that wait in this browser.
    Request,
    /// A visit to an upstream provider.
    Upstream,
    /// A sign-in that waits for its second step.
    Second,
}

impl Kind {
    fn base(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Flow => "flow",
            Self::Browser => "browser",
            Self::Device => "device",
            Self::Request => "request",
            Self::Upstream => "upstream",
            Self::Second => "second",
        }
    }

    /// The cookie's name.
    pub fn name(self, https: bool) -> String {
        if https { format!("__Host-{}", self.base()) } else { self.base().to_owned() }
    }
}

/// Half a year: a known device is one seen since the last holidays but one.
const DEVICE_LIFE: time::Duration = time::Duration::days(180);

/// What the browser sent. An extractor that never fails.
#[derive(Clone, Debug, Default)]
pub struct Cookies {
    /// Session.
    pub session: Option<Token>,
    /// Flow.
    pub flow: Option<Token>,
    /// Browser.
    pub browser: Option<Token>,
    /// Device entries, as sent.
    pub device: String,
    /// Owner of waiting authorization requests.
    pub request: Option<Token>,
    /// A sign-in halfway.
    pub second: Option<Token>,
    /// No cookie: how the browser describes itself.
    pub agent: Agent,
    /// Visit to an upstream provider.
    pub upstream: Option<Token>,
}

impl Cookies {
    /// Reads them.
    pub fn of(headers: &HeaderMap, https: bool) -> Self {
        let jar = CookieJar::from_headers(headers);
        let token = |kind: Kind| jar.get(&kind.name(https)).and_then(|cookie| Token::read(cookie.value()));
        let device = jar.get(&Kind::Device.name(https)).map_or_else(String::new, |cookie| cookie.value().to_owned());
        let (session, flow, browser) = (token(Kind::Session), token(Kind::Flow), token(Kind::Browser));
        Self {
            session,
            flow,
            browser,
            device,
            request: token(Kind::Request),
            second: token(Kind::Second),
            upstream: token(Kind::Upstream),
            agent: Agent::of(headers),
        }
    }

    /// The browser's token, drawn now if it has none, and the cookie to set then.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn browser(&self, app: &App) -> Result<(Token, CookieJar), NoRandomness> {
        match &self.browser {
            Some(token) => Ok((token.clone(), CookieJar::new())),
            None => {
                let token = Token::draw()?;
                let jar = CookieJar::new().add(cookie(app, Kind::Browser, token.expose()));
                Ok((token, jar))
            }
        }
    }
}

impl FromRequestParts<App> for Cookies {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers, app.config.is_https()))
    }
}

/// A cookie to set. All but the device's end with the browser's session; the server's own limits hold anyway.
pub fn cookie(app: &App, kind: Kind, value: &str) -> Cookie<'static> {
    let https = app.config.is_https();
    let mut cookie = Cookie::new(kind.name(https), value.to_owned());
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_secure(https);
    cookie.set_same_site(SameSite::Lax);
    if kind == Kind::Device {
        cookie.set_max_age(DEVICE_LIFE);
    }
    cookie
}

/// A cookie that removes one.
pub fn removal(app: &App, kind: Kind) -> Cookie<'static> {
    let mut cookie = cookie(app, kind, "");
    cookie.set_max_age(time::Duration::ZERO);
    cookie
}
