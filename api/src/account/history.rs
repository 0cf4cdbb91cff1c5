//! `GET /account/history`: the account's life in plain words, the latest first, page by page.

use super::Sight;
use crate::app::App;
use crate::incident::AppError;
use crate::pages::{Language, Page, Sample, View};
use crate::session::CurrentUser;
use askama::Template;
use axum::extract::{Query, State};
use domain::account::Account;
use domain::context::Actor;
use domain::ids::AccountId;
use ledger::RecordedEvent;
use projections::Name;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The page's path.
pub const PATH: &str = "/account/history";
/// Entries on a page.
const ON_A_PAGE: usize = 20;
/// Positions looked at for one page, over all rounds, so that a page of a long life costs no more than any other.
const ROUND: u32 = 50;
const ROUNDS: u32 = 10;

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// When it was recorded, UTC.
    pub at: String,
    /// The same in the reader's notation.
    #[serde(skip)]
    pub when: String,
    /// What, as one sentence.
    pub what: String,
    /// By whom.
    pub by: String,
}

/// A page of the history.
#[derive(Template, Debug)]
#[template(path = "account/history.html")]
pub struct HistoryPage {
    view: View,
    entries: Vec<Entry>,
    /// Whether this is the page of the latest.
    latest: bool,
    /// Where the next page begins.
    next: Option<u64>,
}

/// Where to go on.
#[derive(Deserialize)]
pub struct Before {
    before: Option<u64>,
}

/// Shows a page.
///
/// # Errors
/// When the views lag, or the ledger or the database fail.
pub async fn history(
    State(app): State<App>,
    view: View,
    user: CurrentUser,
    Query(Before { before }): Query<Before>,
) -> Result<Page<HistoryPage>, AppError> {
    caught_up(&app).await?;
    let account = app.ledger.load::<Account>(&user.account.to_string()).await?.aggregate;
    let (sight, _) = Sight::of(&app, user.account, &account).await?;
    let (events, next) = read(&app, &sight, before, ON_A_PAGE).await?;
    let entries = events.iter().map(|event| entry(&view, user.account, event)).collect();
    Ok(Page(HistoryPage { view, entries, latest: before.is_none(), next }))
}

/// Waits until the timeline shows everything recorded up to now.
///
/// # Errors
/// When it does not in time: a page must not show an old state as the present one.
pub(super) async fn caught_up(app: &App) -> Result<(), AppError> {
    let Some(last) = app.ledger.size().checked_sub(1) else { return Ok(()) };
    let shown = [Name::Audit, Name::People];
    app.views.caught_up_in(&shown, last, Duration::from_secs(5)).await.map_err(AppError::unavailable)
}

/// Events that may be seen, the latest first, and where to go on.
pub(super) async fn read(
    app: &App,
    sight: &Sight,
    before: Option<u64>,
    most: usize,
) -> Result<(Vec<RecordedEvent>, Option<u64>), AppError> {
    let entities = sight.entities();
    let (mut shown, mut before) = (Vec::new(), before.unwrap_or(u64::MAX));
    for _ in 0..ROUNDS.max(u32::try_from(most).unwrap_or(u32::MAX) / ROUND) {
        let positions = app.views.timeline_before(&entities, before, ROUND).await?;
        let exhausted = positions.len() < ROUND as usize;
        let mut events = app.ledger.read_positions(&positions).await?;
        events.sort_by_key(|event| std::cmp::Reverse(event.position));
        for event in events {
            before = event.position;
            if sight.shows(&event) {
                shown.push(event);
                if shown.len() == most {
                    return Ok((shown, Some(before)));
                }
            }
        }
        if exhausted {
            return Ok((shown, None));
        }
    }
    Ok((shown, Some(before)))
}

/// An event in the words of the auditors' `history`, but for whom it is about.
pub(super) fn entry(view: &View, account: AccountId, event: &RecordedEvent) -> Entry {
    let (language, notation) = match view.language {
        Language::French => (replay::language::Language::Fr, "%d/%m/%Y à %H:%M (UTC)"),
        Language::English => (replay::language::Language::En, "%-d %B %Y at %H:%M (UTC)"),
    };
    let by = match &event.actor {
        Actor::Account(actor) if *actor == account => "history-by-you",
        // By which other account, or which agent, is for auditors.
        Actor::Account(_) | Actor::Operator(_) => "history-by-support",
        Actor::Import(_) => "history-by-school",
        Actor::Service => "history-by-service",
        Actor::RelyingParty(_) => "history-by-relying-party",
    };
    Entry {
        at: event.recorded_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        when: event.recorded_at.format(notation).to_string(),
        what: replay::words::event(language, &event.event),
        by: view.t(by),
    }
}

impl Sample for HistoryPage {
    fn samples(view: &View) -> Vec<Self> {
        let entry = |what: &str| Entry {
            at: "2026-09-01T08:00:00Z".into(),
            when: "01/09/2026 à 08:00 (UTC)".into(),
            what: what.into(),
            by: view.t("history-by-you"),
        };
        let page = |entries, latest, next| Self { view: view.signed_in(PATH), entries, latest, next };
        vec![
            page(vec![entry("Le compte est activé."), entry("L’enfant <Fictif> est confirmé.")], true, Some(7)),
            page(vec![], false, None),
        ]
    }
}
