//! For tests: the whole service on a database of its own, asked without a network.
//!
//! ```ignore
//! let service = TestService::start().await;
//! let mut browser = service.browser();
//! let page = browser.get("/").await;
//! assert_eq!(page.status, 200);
//! ```

use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::router;
use crate::running::Running;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use ledger::MasterKeys;
use ledger::postgres::testing::{TestDatabase, fresh_database};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tower::ServiceExt;

/// The service of one test.
pub struct TestService {
    running: Running,
    router: Router,
    keys: MasterKeys,
    database: TestDatabase,
}

impl TestService {
    /// Starts one as configured by default.
    pub async fn start() -> Self {
        Self::with(|_| {}, |router| router).await
    }

    /// Starts one with a changed configuration, and a router with more routes or layers than the service has.
    ///
    /// # Panics
    /// It does not start.
    pub async fn with(change: impl FnOnce(&mut Config), more: impl FnOnce(Router<App>) -> Router<App>) -> Self {
        let database = fresh_database().await;
        let mut config = Config::default();
        config.database.max_connections = Some(8);
        // Its key and its memory would lie in a directory that tests share.
        config.proof.sign = false;
        change(&mut config);
        let keys = MasterKeys::generate().expect("the operating system gives random bytes");
        Self::over(database, config, keys, Clock::default(), more).await
    }

    /// Starts one on a database that is there, e.g. a restored one.
    ///
    /// # Panics
    /// It does not start.
    pub async fn on(database: TestDatabase, keys: MasterKeys, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.database.max_connections = Some(8);
        change(&mut config);
        Self::over(database, config, keys, Clock::default(), |router| router).await
    }

    async fn over(
        database: TestDatabase,
        config: Config,
        keys: MasterKeys,
        clock: Clock,
        more: impl FnOnce(Router<App>) -> Router<App>,
    ) -> Self {
        let running = Running::over((*database).clone(), config, keys.clone(), clock).await;
        let running = running.expect("the service starts");
        let router = router::around(more(router::routes()), running.app.clone());
        Self { router: router.expect("the origin is one"), running, keys, database }
    }

    /// Stops it and starts it again on the same database, with a changed configuration. Browsers made before still
    /// ask the service that stopped: give their cookies to new ones.
    pub async fn restarted(self, change: impl FnOnce(&mut Config)) -> Self {
        let Self { running, router, keys, database } = self;
        let (mut config, clock) = (running.app.config.clone(), running.app.clock.clone());
        drop(router);
        running.stop().await;
        change(&mut config);
        Self::over(database, config, keys, clock, |router| router).await
    }

    /// Its database.
    pub fn database(&self) -> &ledger::postgres::Database {
        &self.database
    }

    /// What its handlers share.
    pub fn app(&self) -> &App {
        &self.running.app
    }

    /// A connection as the owner of the schema, who may do what the service may not.
    ///
    /// # Panics
    /// The database does not answer.
    pub async fn owner(&self) -> sqlx::PgPool {
        self.database.pool(ledger::postgres::Role::Owner, 1).await.expect("the database answers")
    }

    /// A browser without cookies, that prefers French.
    pub fn browser(&self) -> Browser {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("fr"));
        Browser { router: self.router.clone(), cookies: BTreeMap::new(), headers }
    }
}

/// Asks the service and keeps its cookies.
#[derive(Clone)]
pub struct Browser {
    router: Router,
    /// Its cookies, by name.
    pub cookies: BTreeMap<String, String>,
    /// Sent with every request.
    pub headers: HeaderMap,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as text.
    pub body: String,
}

impl Answer {
    /// A header as text; empty where there is none.
    pub fn header(&self, name: impl AsRef<str>) -> &str {
        self.headers.get(name.as_ref()).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Where it redirects to.
    pub fn location(&self) -> &str {
        self.header(header::LOCATION)
    }
}

impl Browser {
    /// `GET path`
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, Body::empty(), None).await
    }

    /// `POST path` with a form, as a page of the service would send it.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, path, Body::from(body), Some("application/x-www-form-urlencoded")).await
    }

    /// Any request. Its address is a loopback one, unless the headers bring a `ConnectInfo` of their own.
    ///
    /// # Panics
    /// The path or the headers are none, or the body of the answer breaks off.
    pub async fn send(&mut self, method: Method, path: &str, body: Body, kind: Option<&'static str>) -> Answer {
        let mut request = Request::new(body);
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.parse().expect("a path");
        *request.headers_mut() = self.headers.clone();
        let headers = request.headers_mut();
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if method != Method::GET {
            headers.entry(HeaderName::from_static("sec-fetch-site")).or_insert(HeaderValue::from_static("same-origin"));
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.insert(header::COOKIE, cookies.join("; ").parse().expect("cookies"));
        }
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 40_000))));
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        self.keep_cookies(&parts.headers);
        let body = to_bytes(body, usize::MAX).await.expect("the answer's body");
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let Ok(cookie) = axum_extra::extract::cookie::Cookie::parse(cookie.to_str().unwrap_or_default().to_owned())
            else {
                continue;
            };
            if cookie.max_age().is_some_and(|age| age.is_zero()) || cookie.value().is_empty() {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
    }
}
