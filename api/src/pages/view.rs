//! What every page knows besides its own content. Each page struct has a field `view: View`, and its template
//! writes `{{ view.t("key") }}`.

use super::Language;
use super::assets;
use super::section::{self, Section};
use crate::app::App;
use crate::incident::{Incident, Reference};
use crate::session::CurrentUser;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use fluent_templates::fluent_bundle::FluentValue;
use std::convert::Infallible;
use std::fmt::Display;

/// The request as a page sees it. An extractor that never fails.
#[derive(Clone, Debug)]
pub struct View {
    /// The page's language.
    pub language: Language,
    /// The request's incident reference.
    pub reference: Reference,
    /// Who is signed in.
    pub user: Option<CurrentUser>,
    /// Path and query at which the page is had, to come back to after changing language.
    pub here: String,
    /// Whether this is a demo, with its inbox and sample people.
    pub demo: bool,
}

impl View {
    /// The message `key`.
    pub fn t(&self, key: &str) -> String {
        self.language.message(key)
    }

    /// The message `key`, its placeable `name` filled with `value`.
    pub fn t1(&self, key: &str, name: &'static str, value: impl Display) -> String {
        self.language.message_with(key, &[(name, FluentValue::from(value.to_string()))])
    }

    /// The message `key`, its placeable `name` a number by which it may choose its plural.
    pub fn tn(&self, key: &str, name: &'static str, number: impl TryInto<i64>) -> String {
        self.language.message_with(key, &[(name, FluentValue::from(number.try_into().unwrap_or(i64::MAX)))])
    }

    /// The message `key` with several values.
    pub fn with(&self, key: &str, values: &[(&'static str, FluentValue<'_>)]) -> String {
        self.language.message_with(key, values)
    }

    /// The sections of "my account", on its pages only.
    pub fn sections(&self) -> Vec<Section> {
        match &self.user {
            Some(user) => section::around(&self.here, user.pupil),
            None => vec![],
        }
    }

    /// The style sheet's address.
    pub fn css(&self) -> &'static str {
        assets::CSS.path()
    }

    /// The icon's address.
    pub fn icon(&self) -> &'static str {
        assets::ICON.path()
    }

    /// "Step 2 of 4".
    pub fn step(&self, current: &u8, total: &u8) -> String {
        self.with("step", &[("current", FluentValue::from(*current)), ("total", FluentValue::from(*total))])
    }

    /// The address that shows this page in the other language.
    pub fn switch(&self) -> (Language, String) {
        let other = match self.language {
            Language::French => Language::English,
            Language::English => Language::French,
        };
        let from: String = url::form_urlencoded::byte_serialize(self.here.as_bytes()).collect();
        (other, format!("/language/{}?from={from}", other.code()))
    }

    /// The view of a page that is had at `here`, though this request came to another address: to that of its form,
    /// which does not hold what the page was asked with.
    #[must_use]
    pub fn at(self, here: impl Into<String>) -> Self {
        Self { here: here.into(), ..self }
    }

    /// The same, of a page that a guardian sees signed in; for samples and tests.
    pub fn signed_in(&self, here: &str) -> Self {
        let (account, name) = (uuid::Uuid::nil().into(), "p.fictif".to_owned());
        let user = CurrentUser::new(account, name, chrono::DateTime::UNIX_EPOCH, crate::session::Method::Password);
        Self { user: Some(user), here: here.to_owned(), ..self.clone() }
    }

    /// A view for samples and tests.
    pub fn sample(language: Language) -> Self {
        Self { language, reference: crate::incident::new_reference(), user: None, here: "/".to_owned(), demo: false }
    }
}

impl FromRequestParts<App> for View {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let Ok(incident) = Incident::from_request_parts(parts, app).await;
        Ok(Self {
            language: Language::of(&parts.headers, app.config.language),
            reference: incident.reference(),
            user: incident.user(),
            here: parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            demo: app.config.demo.inbox,
        })
    }
}
