//! The events that fit a filter, page by page.
//!
//! A filter is read whole or refused: an unknown type, a UAI no school of the ledger has, a reference with a slip in
//! it would otherwise look like "there are no such events".

use crate::language::Language;
use crate::moment::{AsOf, count_until};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use cqrs_es::Aggregate;
use domain::Event;
use domain::account::Account;
use domain::context::Actor;
use domain::establishment::Establishment;
use domain::identifiers::Uai;
use domain::ids::{AccountId, CommandId};
use domain::reference::Reference;
use ledger::{Ledger, ReadError, RecordedEvent};
use projections::audit::{self, Search, establishments};
use projections::{Name, Views};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::str::FromStr;

/// Events on a page, at most.
pub const MOST: u32 = 1_000;
/// Events on a page, where nothing is said.
pub const USUAL: u32 = 100;
/// Days of effect that one filter may span.
const DAYS: i64 = 366;
/// Events that the view may lag behind and are looked through instead.
const LAG: u64 = 20_000;
/// Positions decoded at once.
const CHUNK: u32 = 500;

/// A filter as it is written; an event must fit everything that is given.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterText {
    /// Event type, e.g. AccountActivated; several, separated by commas, mean any of them
    #[arg(long = "type", value_name = "TYPE,…")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// Establishment that the event names (UAI)
    #[arg(long, value_name = "UAI")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub establishment: Option<String>,
    /// Who acted: service, import:…, account:…, operator:… or relying-party:…
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// On whose behalf, written like an actor
    #[arg(long, value_name = "ACTOR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// Command that caused the event (UUID)
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Incident reference
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Account whose own events are meant (id)
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Recorded at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_from: Option<String>,
    /// Recorded before this time
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_before: Option<String>,
    /// Effective at or after this time; goes with --effective-before, at most 366 days apart
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<String>,
    /// Effective before this time
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_before: Option<String>,
}

/// Why a filter can't be applied, and what to do. No personal data: what was given is an id, or refused by its name.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// Not of its form.
    #[error("{name}: {problem}")]
    Malformed {
        /// Which part of the filter.
        name: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// No event is called so.
    #[error("type: there is no event `{asked}`; the types are {all}", asked = .0, all = Event::names().collect::<Vec<_>>().join(", "))]
    UnknownType(String),
    /// No school's file ever named it.
    #[error("establishment: no establishment {0} is known to this ledger")]
    UnknownEstablishment(Uai),
    /// No event opened it.
    #[error("account: there is no account {0}")]
    UnknownAccount(AccountId),
    /// An interval that holds nothing, or has one end only.
    #[error("{0}")]
    Interval(&'static str),
    /// The view lags.
    #[error("the audit view is {0} events behind the ledger: ask again when it has caught up, or with --at")]
    Behind(u64),
    /// The ledger.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The views.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

impl FilterError {
    /// Whether the filter is at fault, rather than the database.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Malformed { .. }
            | Self::UnknownType(_)
            | Self::UnknownEstablishment(_)
            | Self::UnknownAccount(_)
            | Self::Interval(_) => true,
            Self::Behind(_) | Self::Read(_) | Self::Database(_) => false,
        }
    }
}

/// A filter that can be applied.
#[derive(Clone, Debug)]
pub struct Filter {
    search: Search,
    command: Option<CommandId>,
    reference: Option<Reference>,
    account: Option<AccountId>,
    recorded_from: Option<DateTime<Utc>>,
    recorded_before: Option<DateTime<Utc>>,
}

fn read<T: FromStr<Err: ToString>>(name: &'static str, text: Option<&String>) -> Result<Option<T>, FilterError> {
    let parsed = text.map(|text| text.trim().parse::<T>()).transpose();
    parsed.map_err(|error| FilterError::Malformed { name, problem: error.to_string() })
}

fn time(name: &'static str, text: Option<&String>) -> Result<Option<DateTime<Utc>>, FilterError> {
    let problem = "give a time such as 2026-09-01T08:00:00Z".to_owned();
    let parsed = text.map(|text| DateTime::parse_from_rfc3339(text.trim())).transpose();
    let parsed = parsed.map_err(|_| FilterError::Malformed { name, problem })?;
    Ok(parsed.map(|time| time.to_utc()))
}

impl Filter {
    /// Reads a filter, and asks the ledger whether it knows the establishment and the account.
    ///
    /// # Errors
    /// [`FilterError`]: the filter can't be applied as it is written.
    pub async fn new(ledger: &Ledger, text: &FilterText) -> Result<Self, FilterError> {
        let types: Vec<String> =
            text.r#type.iter().flat_map(|types| types.split(',')).map(|one| one.trim().to_owned()).collect();
        if let Some(unknown) = types.iter().find(|one| !Event::names().any(|name| name == one.as_str())) {
            return Err(FilterError::UnknownType(unknown.clone()));
        }
        let establishment: Option<Uai> = read("establishment", text.establishment.as_ref())?;
        if let Some(uai) = establishment
            && ledger.read_stream(Establishment::TYPE, uai.as_str(), 1).await?.is_empty()
        {
            return Err(FilterError::UnknownEstablishment(uai));
        }
        let account: Option<AccountId> = read("account", text.account.as_ref())?;
        if let Some(account) = account
            && ledger.read_stream(Account::TYPE, &account.to_string(), 1).await?.is_empty()
        {
            return Err(FilterError::UnknownAccount(account));
        }
        let actor: Option<Actor> = read("actor", text.actor.as_ref())?;
        let on_behalf_of: Option<Actor> = read("on_behalf_of", text.on_behalf_of.as_ref())?;
        let command: Option<uuid::Uuid> = read("command", text.command.as_ref())?;
        let search = Search {
            types,
            establishment,
            actor: actor.map(|actor| actor.to_string()),
            on_behalf_of: on_behalf_of.map(|actor| actor.to_string()),
            effective: effective(text)?,
        };
        let recorded_from = time("recorded_from", text.recorded_from.as_ref())?;
        let recorded_before = time("recorded_before", text.recorded_before.as_ref())?;
        if let (Some(from), Some(before)) = (recorded_from, recorded_before)
            && from >= before
        {
            return Err(FilterError::Interval("recorded_from must be earlier than recorded_before"));
        }
        let reference = read("reference", text.reference.as_ref())?;
        let command = command.map(CommandId);
        Ok(Self { search, command, reference, account, recorded_from, recorded_before })
    }

    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        let times = self.recorded_from.is_none() && self.recorded_before.is_none();
        times && self.search.is_empty() && !self.is_narrow()
    }

    /// Whether it asks for one command, one request or one account.
    pub fn is_narrow(&self) -> bool {
        self.command.is_some() || self.reference.is_some() || self.account.is_some()
    }

    /// Whether an event fits.
    pub fn fits(&self, event: &RecordedEvent) -> bool {
        let search = &self.search;
        let fits = |wanted: &Option<String>, found: Option<String>| wanted.is_none() || *wanted == found;
        (search.types.is_empty() || search.types.contains(&event.event.event_type()))
            && search.establishment.is_none_or(|uai| establishments(event).contains(&uai))
            && fits(&search.actor, Some(event.actor.to_string()))
            && fits(&search.on_behalf_of, event.on_behalf_of.as_ref().map(ToString::to_string))
            && search.effective.as_ref().is_none_or(|days| days.contains(&event.effective_at))
            && self.command.is_none_or(|command| event.command == command)
            && self.reference.is_none_or(|reference| event.reference.as_deref() == Some(reference.compact()))
            && self.account.is_none_or(|account| audit::entities(event).any(|id| id == account.to_string()))
            && self.recorded_from.is_none_or(|from| event.recorded_at >= from)
            && self.recorded_before.is_none_or(|before| event.recorded_at < before)
    }

    /// The positions between which its recorded times lie, within what counts at a moment.
    async fn range(&self, ledger: &Ledger, as_of: AsOf) -> Result<(u64, u64), FilterError> {
        // Times are kept to the microsecond: recorded before a time is recorded at the latest one earlier.
        let before = async |time: DateTime<Utc>| count_until(ledger, time - TimeDelta::microseconds(1)).await;
        let first = match self.recorded_from {
            Some(from) => before(from).await?,
            None => 0,
        };
        let end = match self.recorded_before {
            Some(time) => before(time).await?,
            None => u64::MAX,
        };
        Ok((first, end.min(as_of.position + 1)))
    }
}

fn effective(text: &FilterText) -> Result<Option<Range<DateTime<Utc>>>, FilterError> {
    let from = time("effective_from", text.effective_from.as_ref())?;
    let before = time("effective_before", text.effective_before.as_ref())?;
    match (from, before) {
        (None, None) => Ok(None),
        (Some(from), Some(before)) if from >= before => {
            Err(FilterError::Interval("effective_from must be earlier than effective_before"))
        }
        (Some(from), Some(before)) if (before - from).num_days() > DAYS => {
            Err(FilterError::Interval("effective_from and effective_before may be 366 days apart at most"))
        }
        (Some(from), Some(before)) => Ok(Some(from..before)),
        (Some(_), None) | (None, Some(_)) => {
            Err(FilterError::Interval("effective_from and effective_before go together"))
        }
    }
}

/// A page of events.
#[derive(Clone, Debug)]
pub struct Page {
    /// The events that fit, in the order of the ledger.
    pub events: Vec<RecordedEvent>,
    /// Where the next page begins; `None` when there are no more.
    pub next: Option<u64>,
}

/// The first `limit` events from a position on that fit a filter, among those that count at a moment.
///
/// # Errors
/// [`FilterError`] where the ledger or the views fail, or the view that finds events is too far behind.
pub async fn events(
    ledger: &Ledger,
    views: &Views,
    filter: &Filter,
    as_of: AsOf,
    from: u64,
    limit: u32,
) -> Result<Page, FilterError> {
    let limit = limit.clamp(1, MOST);
    let (first, end) = filter.range(ledger, as_of).await?;
    let mut finder = Finder { ledger, views, filter, as_of, end, limit, found: Vec::new() };
    let next = finder.find(from.max(first)).await?;
    Ok(Page { events: finder.found, next: next.filter(|next| *next < end) })
}

struct Finder<'a> {
    ledger: &'a Ledger,
    views: &'a Views,
    filter: &'a Filter,
    as_of: AsOf,
    /// The first position that does not count.
    end: u64,
    limit: u32,
    found: Vec<RecordedEvent>,
}

impl Finder<'_> {
    /// Fills the page; says where the next one begins.
    async fn find(&mut self, from: u64) -> Result<Option<u64>, FilterError> {
        if let Some(command) = self.filter.command {
            let events = self.ledger.read_by_command(command).await?;
            return Ok(self.take(events, from));
        }
        if let Some(reference) = self.filter.reference {
            let events = self.ledger.read_by_reference(reference.compact()).await?;
            return Ok(self.take(events, from));
        }
        if self.filter.account.is_none() && self.filter.search.is_empty() {
            return self.walk(from).await;
        }
        let known = self.views.checkpoint(Name::Audit).await?;
        if self.end > known.saturating_add(LAG) {
            return Err(FilterError::Behind(self.end - known));
        }
        let next = match self.filter.account {
            Some(account) => self.follow(account, from, known.min(self.end)).await?,
            None => self.search(from, known.min(self.end)).await?,
        };
        match next {
            Some(next) => Ok(Some(next)),
            // What the view does not have yet.
            None => self.walk(from.max(known)).await,
        }
    }

    /// Keeps those that fit; says where to go on once the page is full.
    fn take(&mut self, events: Vec<RecordedEvent>, from: u64) -> Option<u64> {
        for event in events {
            let counts = event.position >= from && event.position < self.end && self.as_of.held(&event);
            if counts && self.filter.fits(&event) {
                if self.found.len() == self.limit as usize {
                    return Some(event.position);
                }
                self.found.push(event);
            }
        }
        None
    }

    /// Event by event.
    async fn walk(&mut self, mut from: u64) -> Result<Option<u64>, FilterError> {
        while from < self.end {
            let chunk = u32::try_from(self.end - from).unwrap_or(CHUNK).min(CHUNK);
            let page = self.ledger.read(from, chunk).await?;
            let Some(last) = page.last() else { break };
            let after = last.position + 1;
            if let Some(next) = self.take(page, from) {
                return Ok(Some(next));
            }
            from = after;
        }
        Ok(None)
    }

    /// Along an account's timeline.
    async fn follow(&mut self, account: AccountId, mut from: u64, end: u64) -> Result<Option<u64>, FilterError> {
        let entity = [account.to_string()];
        loop {
            let mut positions = self.views.timeline(&entity, from, CHUNK).await?;
            positions.retain(|position| *position < end);
            let Some(last) = positions.last().copied() else { return Ok(None) };
            let events = self.ledger.read_positions(&positions).await?;
            if let Some(next) = self.take(events, from) {
                return Ok(Some(next));
            }
            from = last + 1;
        }
    }

    /// By the marks of the audit view.
    async fn search(&mut self, mut from: u64, end: u64) -> Result<Option<u64>, FilterError> {
        loop {
            let step = self.views.search(&self.filter.search, from, end, CHUNK).await?;
            let events = self.ledger.read_positions(&step.positions).await?;
            if let Some(next) = self.take(events, from) {
                return Ok(Some(next));
            }
            match step.next {
                Some(next) => from = next,
                None => return Ok(None),
            }
        }
    }
}

/// For people: how the page ends.
pub fn footer(language: Language, page: &Page) -> String {
    let count = page.events.len();
    match (page.next, language) {
        (Some(next), Language::Fr) => format!("{count} événement(s) ; suite : --from {next}"),
        (Some(next), Language::En) => format!("{count} event(s); next page: --from {next}"),
        (None, Language::Fr) => format!("{count} événement(s), fin."),
        (None, Language::En) => format!("{count} event(s), end."),
    }
}
