//! The questions, and their answers as JSON. The same library answers `matricule-replay`.

use super::refusal::Unanswered;
use crate::app::App;
use domain::ids::AccountId;
use ledger::RecordedEvent;
use replay::account::NoAccount;
use replay::diff::{diff, in_order};
use replay::events::{Filter, FilterText, events};
use replay::explain::explain;
use replay::fields::{Field, Sight, parts};
use replay::fold::{Fold, life};
use replay::moment::{AsOf, Moment, resolve};
use replay::rules::Announced;
use replay::told::Told;
use replay::trace;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A question. Moments are as [`Moment`] reads them; once [`Question::settled`], positions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// All events of an account's life.
    History {
        /// The account.
        account: AccountId,
        /// As of.
        at: Option<String>,
    },
    /// An account as it was.
    State {
        /// The account.
        account: AccountId,
        /// As of.
        at: Option<String>,
    },
    /// Why a field is as it is.
    Explain {
        /// The account.
        account: AccountId,
        /// The field.
        field: String,
        /// As of.
        at: Option<String>,
    },
    /// What changed.
    Diff {
        /// The account.
        account: AccountId,
        /// The earlier moment.
        from: String,
        /// The later moment.
        to: String,
    },
    /// The events that fit a filter.
    Events {
        /// The filter.
        #[serde(deserialize_with = "object")]
        filter: Box<FilterText>,
        /// As of.
        at: Option<String>,
    },
}

/// Which part of a long answer.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Position to begin at.
    pub from: u64,
    /// Events at most.
    pub limit: u32,
}

/// An answer.
pub struct Answer {
    /// The answer.
    pub body: Value,
    /// How many results.
    pub results: u64,
    /// Whose data it holds.
    pub concerned: Vec<Uuid>,
}

impl Question {
    /// As the access log names it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::History { .. } => "history",
            Self::State { .. } => "state",
            Self::Explain { .. } => "explain",
            Self::Diff { .. } => "diff",
            Self::Events { .. } => "events",
        }
    }

    /// The same question with its moments resolved to positions, so that it has one answer for ever; refused where it
    /// can't be answered as it is put.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn settled(mut self, app: &App) -> Result<Self, Unanswered> {
        match &mut self {
            Self::History { at, account: _ } | Self::State { at, account: _ } => *at = Some(settle(app, at).await?),
            Self::Explain { at, field, account: _ } => {
                field.parse::<Field>().map_err(Unanswered::malformed)?;
                *at = Some(settle(app, at).await?);
            }
            Self::Diff { from, to, account: _ } => {
                *from = settle(app, &Some(from.clone())).await?;
                *to = settle(app, &Some(to.clone())).await?;
            }
            Self::Events { at, filter } => {
                checked(app, filter).await?;
                *at = Some(settle(app, at).await?);
            }
        }
        if let Some(account) = self.account()
            && let Err(error) = replay::account::events(&app.ledger, account).await
        {
            return Err(sorted(error));
        }
        Ok(self)
    }

    fn account(&self) -> Option<AccountId> {
        match self {
            Self::History { account, .. }
            | Self::State { account, .. }
            | Self::Explain { account, .. }
            | Self::Diff { account, .. } => Some(*account),
            Self::Events { .. } => None,
        }
    }

    /// The answer, as told to who may see so much.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn answer(&self, app: &App, sight: Sight, part: Part) -> Result<Answer, Unanswered> {
        let ledger = &app.ledger;
        let mut answer = match self {
            Self::History { account, at } => {
                let as_of = moment(app, at.as_ref()).await?;
                let mut events = life(ledger, *account, as_of).await.map_err(sorted)?;
                events.retain(|event| event.position >= part.from);
                let next = events.get(part.limit as usize).map(|event| event.position);
                events.truncate(part.limit as usize);
                told(app, json!({ "as_of": as_of, "account": account }), &events, next, sight).await?
            }
            Self::State { account, at } => {
                let as_of = moment(app, at.as_ref()).await?;
                state(app, *account, as_of, sight).await?
            }
            Self::Explain { account, field, at } => {
                let field: Field = field.parse().map_err(Unanswered::malformed)?;
                let as_of = moment(app, at.as_ref()).await?;
                let found = explain(ledger, *account, field, as_of, sight).await.map_err(sorted)?;
                let results = found.causes.len() as u64;
                Answer { body: serde_json::to_value(found)?, results, concerned: Vec::new() }
            }
            Self::Diff { account, from, to } => {
                let (from, to) = (moment(app, Some(from)).await?, moment(app, Some(to)).await?);
                if !in_order(from, to) {
                    return Err(Unanswered::malformed("from lies after to: give the earlier moment first"));
                }
                let found = diff(ledger, *account, from, to, sight).await.map_err(sorted)?;
                let results = found.events.len() as u64;
                Answer { body: serde_json::to_value(found)?, results, concerned: Vec::new() }
            }
            Self::Events { filter, at } => {
                let understood = checked(app, filter).await?;
                let as_of = moment(app, at.as_ref()).await?;
                let page = events(ledger, &app.views, &understood, as_of, part.from, part.limit).await?;
                let head = json!({ "as_of": as_of, "filter": filter });
                told(app, head, &page.events, page.next, sight).await?
            }
        };
        if let Some(account) = self.account() {
            answer.concerned = trace::of_account(ledger, self.name(), account).await.map_err(sorted)?.concerned;
        }
        Ok(answer)
    }
}

/// A filter by the names of its members: serde would take a list of their values as well.
fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<FilterText>, D::Error> {
    let members = Map::deserialize(deserializer)?;
    serde_json::from_value(Value::Object(members)).map_err(D::Error::custom)
}

/// Reads a filter, or says why it can't be applied.
async fn checked(app: &App, filter: &FilterText) -> Result<Filter, Unanswered> {
    match Filter::new(&app.ledger, filter).await {
        Ok(filter) => Ok(filter),
        Err(error) if error.is_refusal() => Err(Unanswered::malformed(error)),
        Err(error) => Err(error.into()),
    }
}

/// Reads a moment and resolves it.
///
/// # Errors
/// [`Unanswered`].
pub async fn moment(app: &App, at: Option<&String>) -> Result<AsOf, Unanswered> {
    let asked: Option<Moment> = at.map(|at| at.parse()).transpose().map_err(Unanswered::malformed)?;
    match resolve(&app.ledger, asked).await {
        Ok(as_of) => Ok(as_of),
        Err(error) if error.is_refusal() => Err(Unanswered::malformed(error)),
        Err(error) => Err(error.into()),
    }
}

async fn settle(app: &App, at: &Option<String>) -> Result<String, Unanswered> {
    Ok(moment(app, at.as_ref()).await?.to_string())
}

/// An account that is not there is the question's fault.
pub fn sorted(error: anyhow::Error) -> Unanswered {
    match error.downcast_ref::<NoAccount>() {
        Some(nobody) => Unanswered::unknown(nobody),
        None => Unanswered::Fault(error),
    }
}

async fn told(
    app: &App,
    mut head: Value,
    events: &[RecordedEvent],
    next: Option<u64>,
    sight: Sight,
) -> Result<Answer, Unanswered> {
    let announced = Announced::read(&app.ledger).await?;
    let told: Vec<Told> = events.iter().map(|event| Told::new(event, &announced, sight)).collect();
    head["events"] = serde_json::to_value(told)?;
    head["next"] = json!(next);
    Ok(Answer { body: head, results: events.len() as u64, concerned: trace::of_events(events) })
}

async fn state(app: &App, account: AccountId, as_of: AsOf, sight: Sight) -> Result<Answer, Unanswered> {
    let fold = Fold::of(&life(&app.ledger, account, as_of).await.map_err(sorted)?);
    if fold.account.id.is_none() {
        return Err(Unanswered::unknown(NoAccount::Yet { account, as_of }));
    }
    let members = fold.members();
    let fields: Map<String, Value> = Field::ALL
        .into_iter()
        .map(|field| {
            let parts = parts(&fold, &members, field);
            let told: Map<String, Value> = parts.into_iter().map(|(name, part)| (name, part.told(sight))).collect();
            (field.as_str().to_owned(), Value::Object(told))
        })
        .collect();
    let body = json!({ "as_of": as_of, "account": account, "fields": fields });
    Ok(Answer { body, results: 1, concerned: Vec::new() })
}
