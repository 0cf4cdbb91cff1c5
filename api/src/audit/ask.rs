//! Questions that need nobody's approval: answered masked, and not in bulk.

use super::asker::Asker;
use super::question::{Answer, Part, Question, sorted};
use super::refusal::{Unanswered, problem};
use crate::app::App;
use crate::incident::AppError;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use domain::context::Actor;
use domain::ids::AccountId;
use ledger::access::{Cursor, Query};
use ledger::leaf::sha256;
use ledger::postgres::begin;
use replay::events::FilterText;
use replay::fields::Sight;
use replay::who_saw::who_saw;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Results of one answer without approval, at most.
const PAGE: u32 = 100;
/// The response header with the SHA-256 of the answer, hexadecimal, as the access log has it.
pub const HASH: HeaderName = HeaderName::from_static("audit-answer-sha256");

/// `GET /audit/v1/accounts/{account}/history?at&from&limit`
pub async fn history(
    asker: Asker,
    State(app): State<App>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let asked = Given::read(query.as_deref()).and_then(|mut given| {
        let part = given.part()?;
        let at = given.take("at");
        given.done(Question::History { account: id(&account)?, at }, part)
    });
    ask(&app, &asker, "history", asked).await
}

/// `GET /audit/v1/accounts/{account}/state?at`
pub async fn state(
    asker: Asker,
    State(app): State<App>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let asked = Given::read(query.as_deref()).and_then(|mut given| {
        let at = given.take("at");
        given.done(Question::State { account: id(&account)?, at }, FIRST)
    });
    ask(&app, &asker, "state", asked).await
}

/// `GET /audit/v1/accounts/{account}/fields/{field}?at`
pub async fn explain(
    asker: Asker,
    State(app): State<App>,
    Path((account, field)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let asked = Given::read(query.as_deref()).and_then(|mut given| {
        let at = given.take("at");
        given.done(Question::Explain { account: id(&account)?, field, at }, FIRST)
    });
    ask(&app, &asker, "explain", asked).await
}

/// `GET /audit/v1/accounts/{account}/diff?from&to`
pub async fn diff(
    asker: Asker,
    State(app): State<App>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let asked = Given::read(query.as_deref()).and_then(|mut given| {
        let both = given.take("from").zip(given.take("to"));
        let (from, to) = both.ok_or_else(|| Unanswered::malformed("from and to are needed: times or positions"))?;
        given.done(Question::Diff { account: id(&account)?, from, to }, FIRST)
    });
    ask(&app, &asker, "diff", asked).await
}

/// `GET /audit/v1/events?type&establishment&actor&…&at&from&limit`
pub async fn events(asker: Asker, State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, AppError> {
    let asked = Given::read(query.as_deref()).and_then(|mut given| {
        let part = given.part()?;
        let at = given.take("at");
        Ok((Question::Events { filter: Box::new(given.filter()?), at }, part))
    });
    ask(&app, &asker, "events", asked).await
}

/// `GET /audit/v1/accounts/{account}/reads?after&limit`
pub async fn reads(
    asker: Asker,
    State(app): State<App>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let asked = Given::read(query.as_deref()).and_then(|mut given| {
        let after: Option<Cursor> = given.parsed("after")?;
        let limit = given.limit()?;
        given.done((id(&account)?, after, limit), FIRST)
    });
    let found = match asked {
        Ok(((account, after, limit), _)) => {
            let seen = who_saw(&app.ledger, &app.db, account, after, limit).await.map_err(sorted);
            seen.map(|seen| (account, seen))
        }
        Err(refused) => Err(refused),
    };
    match found {
        Ok((account, seen)) => {
            let answer = Answer {
                results: seen.reads.len() as u64,
                concerned: seen.ids.iter().copied().collect(),
                body: serde_json::to_value(seen)?,
            };
            let filter = format!("account={account}");
            hand_out(&app, &asker, Query { name: "who-saw", filter: Some(filter), ..Query::default() }, answer).await
        }
        Err(unanswered) => refuse(&app, &asker, "who-saw", unanswered).await,
    }
}

const FIRST: Part = Part { from: 0, limit: PAGE };

fn id(text: &str) -> Result<AccountId, Unanswered> {
    text.parse().map_err(|_| Unanswered::unknown("there is no such account: accounts are named by their id"))
}

/// The parameters of a query string, each once.
struct Given(BTreeMap<String, String>);

impl Given {
    fn read(query: Option<&str>) -> Result<Self, Unanswered> {
        let mut given = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if given.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(Unanswered::malformed(format!("`{name}` is given twice")));
            }
        }
        Ok(Self(given))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn parsed<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Unanswered> {
        let parsed = self.take(name).map(|text| text.parse()).transpose();
        parsed.map_err(|_| Unanswered::malformed(format!("`{name}` is not of its form")))
    }

    fn part(&mut self) -> Result<Part, Unanswered> {
        let from = self.parsed("from")?.unwrap_or_default();
        Ok(Part { from, limit: self.limit()? })
    }

    fn limit(&mut self) -> Result<u32, Unanswered> {
        let limit = self.parsed("limit")?.unwrap_or(PAGE);
        let fits = (1..=PAGE).contains(&limit);
        if fits { Ok(limit) } else { Err(Unanswered::malformed(format!("`limit` is a number from 1 to {PAGE}"))) }
    }

    fn filter(self) -> Result<FilterText, Unanswered> {
        let given: Map<String, Value> = self.0.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        serde_json::from_value(Value::Object(given)).map_err(Unanswered::malformed)
    }

    /// What was asked, where nothing is left over: a parameter nobody reads would be a filter dropped.
    fn done<T>(&self, asked: T, part: Part) -> Result<(T, Part), Unanswered> {
        match self.0.keys().next() {
            Some(unknown) => Err(Unanswered::malformed(format!("there is no parameter `{unknown}` here"))),
            None => Ok((asked, part)),
        }
    }
}

/// Answers a question masked, within what one auditor may read in a day.
async fn ask(
    app: &App,
    asker: &Asker,
    name: &'static str,
    asked: Result<(Question, Part), Unanswered>,
) -> Result<Response, AppError> {
    // One question of an auditor at a time, over all instances: the day's sum is right when it is looked at.
    let mut turn = begin(&app.db).await?;
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("audit {}", asker.actor))
        .execute(&mut *turn)
        .await?;
    let answered = answered(app, asker, asked).await;
    let response = match answered {
        Ok((question, answer)) => {
            let filter = serde_json::to_string(&question)?;
            hand_out(app, asker, Query { name, filter: Some(filter), ..Query::default() }, answer).await
        }
        Err(unanswered) => refuse(app, asker, name, unanswered).await,
    };
    turn.commit().await?;
    response
}

async fn answered(
    app: &App,
    asker: &Asker,
    asked: Result<(Question, Part), Unanswered>,
) -> Result<(Question, Answer), Unanswered> {
    let (question, mut part) = asked?;
    let allowed = app.config.audit.daily_results;
    let left = i64::from(allowed) - read_today(app, &asker.actor).await?;
    if left <= 0 {
        return Err(Unanswered::not_allowed(format!(
            "{allowed} results were read in a day without approval: ask for a disclosure, which another auditor approves"
        )));
    }
    part.limit = part.limit.min(u32::try_from(left).unwrap_or(PAGE));
    let question = question.settled(app).await?;
    let answer = question.answer(app, Sight::Masked, part).await?;
    Ok((question, answer))
}

/// Results that an auditor was handed in the last day without approval.
async fn read_today(app: &App, actor: &Actor) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "SELECT coalesce(sum(results), 0)::bigint FROM access.entry WHERE ordinal = 0 AND actor = $1 AND at >= $2 \
         AND kind = 'audit-query' AND approved_by IS NULL",
    )
    .bind(actor.to_string())
    .bind(app.clock.now() - TimeDelta::days(1))
    .fetch_one(&app.db)
    .await
}

/// Records the query, then hands out the answer.
///
/// # Errors
/// When it can't be recorded; then there is no answer.
pub async fn hand_out(app: &App, asker: &Asker, query: Query, answer: Answer) -> Result<Response, AppError> {
    let body = serde_json::to_vec(&answer.body)?;
    let hash = sha256(&body);
    let Answer { results, concerned, body: _ } = answer;
    asker.record(app, Query { results, concerned, export_hash: Some(hash), ..query }).await?;
    let hash = HeaderValue::from_str(&hex::encode(hash))?;
    let kind = HeaderValue::from_static("application/json");
    let no_store = HeaderValue::from_static("no-store");
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, no_store), (HASH, hash)], body).into_response())
}

/// Records the refusal, then says why. What was asked is not recorded: it may be anything that somebody typed.
///
/// # Errors
/// When it is no refusal but a fault, or can't be recorded.
pub async fn refuse(
    app: &App,
    asker: &Asker,
    name: &'static str,
    unanswered: Unanswered,
) -> Result<Response, AppError> {
    match unanswered {
        Unanswered::Refused(status, code, detail) => {
            asker.record(app, Query { name, refused: Some(code), ..Query::default() }).await?;
            Ok(problem(status, code, &detail, &asker.incident))
        }
        Unanswered::Fault(error) => {
            asker.record(app, Query { name, refused: Some("fault"), ..Query::default() }).await?;
            Err(AppError::internal(error))
        }
    }
}
