//! A trip to a provider that led nowhere: what happened and what to do, in the reader's words.

use super::provider::{Provider, UpstreamError};
use crate::pages::{Page, Sample, View};
use crate::session::WAYS_IN_PATH;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why it led nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The person went back.
    Declined,
    /// The provider can't be reached, or says that it can't just now.
    Unavailable,
    /// The provider refuses us.
    Refused,
    /// Its answer is not what it must be.
    Wrong,
    /// The answer belongs to no trip of this browser: too late, twice, or begun elsewhere.
    Stale,
    /// The person signed in there below the level that is asked for.
    LevelTooLow,
    /// The provider says too little of the person.
    ClaimMissing,
    /// The identity opens another account already.
    LinkedElsewhere,
    /// The account is linked with somebody born on another day.
    AnotherPerson,
    /// The names are not those of the account.
    OtherNames,
    /// The account has no confirmed child yet.
    NoChild,
    /// The account is disabled or closed.
    NotInUse,
    /// The rule leads to nobody, or to several.
    Nobody,
    /// The account is not of a kind that may come this way.
    NotForThem,
}

impl Why {
    /// What an error of the provider comes to.
    pub fn of(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::Unavailable { .. } => Self::Unavailable,
            UpstreamError::Wrong(_) => Self::Wrong,
            UpstreamError::LevelTooLow => Self::LevelTooLow,
            UpstreamError::ClaimMissing(_) => Self::ClaimMissing,
        }
    }

    const ALL: [Self; 14] = [
        Self::Declined,
        Self::Unavailable,
        Self::Refused,
        Self::Wrong,
        Self::Stale,
        Self::LevelTooLow,
        Self::ClaimMissing,
        Self::LinkedElsewhere,
        Self::AnotherPerson,
        Self::OtherNames,
        Self::NoChild,
        Self::NotInUse,
        Self::Nobody,
        Self::NotForThem,
    ];

    /// In messages and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
            Self::Wrong => "wrong",
            Self::Stale => "stale",
            Self::LevelTooLow => "level-too-low",
            Self::ClaimMissing => "claim-missing",
            Self::LinkedElsewhere => "linked-elsewhere",
            Self::AnotherPerson => "another-person",
            Self::OtherNames => "other-names",
            Self::NoChild => "no-child",
            Self::NotInUse => "not-in-use",
            Self::Nobody => "nobody",
            Self::NotForThem => "not-for-them",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            // The person's own choice is no failure.
            Self::Declined => StatusCode::OK,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused | Self::Wrong | Self::ClaimMissing => StatusCode::BAD_GATEWAY,
            Self::Stale => StatusCode::GONE,
            Self::LinkedElsewhere | Self::AnotherPerson => StatusCode::CONFLICT,
            Self::LevelTooLow | Self::OtherNames | Self::NoChild | Self::NotInUse | Self::Nobody | Self::NotForThem => {
                StatusCode::FORBIDDEN
            }
        }
    }

    /// Whether trying the same once more may help.
    fn worth_retrying(self) -> bool {
        matches!(self, Self::Declined | Self::Unavailable | Self::Wrong | Self::Stale | Self::LevelTooLow)
    }
}

/// What happened and what to do.
#[derive(Template, Debug)]
#[template(path = "upstream/stopped.html")]
pub struct StoppedPage {
    view: View,
    /// The provider as people know it.
    label: String,
    why: Why,
    /// Where trying again begins; nowhere where that would not help.
    again: Option<String>,
}

impl StoppedPage {
    /// The page with its status. What the provider did wrong goes to the log, never to the person.
    pub fn because(view: View, provider: &Provider, why: Why, error: Option<&UpstreamError>) -> Response {
        let detail = error.map(ToString::to_string);
        tracing::warn!(provider = provider.name(), why = why.as_str(), detail, "a visit to a provider led nowhere");
        // The answer's own address has been used up: who changes the language of this page starts from another.
        let here = if view.user.is_some() { WAYS_IN_PATH } else { "/sign-in" };
        let view = view.at(here);
        let again = why.worth_retrying().then(|| match view.user {
            Some(_) => WAYS_IN_PATH.to_owned(),
            None => format!("/sign-in/with/{}", provider.name()),
        });
        let label = provider.label(view.language).to_owned();
        (why.status(), Page(Self { view, label, why, again })).into_response()
    }

    fn title(&self) -> String {
        self.view.t1(&format!("upstream-{}-title", self.why.as_str()), "provider", &self.label)
    }

    fn text(&self) -> String {
        self.view.t1(&format!("upstream-{}-text", self.why.as_str()), "provider", &self.label)
    }
}

impl Sample for StoppedPage {
    fn samples(view: &View) -> Vec<Self> {
        let page = |why: Why| Self {
            view: view.clone(),
            label: "FranceConnect".into(),
            why,
            again: why.worth_retrying().then(|| "/sign-in/with/franceconnect".to_owned()),
        };
        Why::ALL.map(page).into_iter().collect()
    }
}
