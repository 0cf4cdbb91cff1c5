//! The commands that answer questions.

use crate::account;
use crate::diff::diff;
use crate::events::{Filter, FilterText, MOST, USUAL, events, footer};
use crate::explain::{as_of_line, explain};
use crate::fields::{Field, Sight};
use crate::history;
use crate::language::Language;
use crate::moment::{AsOf, Moment, resolve};
use crate::rules::Announced;
use crate::siem;
use crate::source::Opened;
use crate::told::Told;
use crate::trace;
use crate::who_saw::who_saw;
use clap::{Args, Subcommand};
use ledger::access::{Cursor, Query};
use serde::Serialize;
use std::io::Write;

/// A question.
#[derive(Subcommand)]
pub enum Question {
    /// Tell why a field of an account is as it is: which events, under which rules, by whom and on whose behalf
    Explain(Explain),
    /// Show what changed of an account between two moments, and by which events
    Diff(Diff),
    /// List the events that fit a filter
    Events(Box<Events>),
    /// List who, other than its holder, has read an account's data: staff and auditors, the latest first
    WhoSaw(WhoSaw),
    /// Export events for a SIEM as OCSF, one JSON object on a line, without personal data
    Siem(Siem),
}

/// Why a field is as it is.
#[derive(Args)]
pub struct Explain {
    /// Id or login
    account: String,
    /// status, holder, login, password, ways-in, guardians, children, responsibility, establishment, class, names,
    /// birth-dates or contacts
    field: Field,
    /// A position, a time (RFC 3339), effective:TIME for what held then, or both with a comma [default: now]
    #[arg(long, value_name = "MOMENT")]
    at: Option<Moment>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What changed.
#[derive(Args)]
pub struct Diff {
    /// Id or login
    account: String,
    /// The earlier moment: a position, a time (RFC 3339), effective:TIME, or both with a comma
    from: Moment,
    /// The later moment
    to: Moment,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Events by a filter.
#[derive(Args)]
pub struct Events {
    #[command(flatten)]
    filter: FilterText,
    /// Only what was recorded by a position or time (RFC 3339), or held by effective:TIME, or both with a comma
    /// [default: now]
    #[arg(long, value_name = "MOMENT")]
    at: Option<Moment>,
    /// Position to begin at: the one that the page before named as the next
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    from: u64,
    /// Events on a page, 1000 at most
    #[arg(long, default_value_t = USUAL)]
    limit: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Who read an account's data.
#[derive(Args)]
pub struct WhoSaw {
    /// Id or login
    account: String,
    /// Where the page before ended, as it said
    #[arg(long, value_name = "PLACE")]
    after: Option<Cursor>,
    /// Reads on a page, 1000 at most
    #[arg(long, default_value_t = USUAL)]
    limit: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Events as OCSF.
#[derive(Args)]
pub struct Siem {
    /// Position to begin at: the one after the last `metadata.sequence` received
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    from: u64,
    /// Events at most [default: all there are]
    #[arg(long)]
    limit: Option<u64>,
}

/// A page of events, in JSON.
#[derive(Serialize)]
pub struct EventsAnswer {
    /// The moment; ask with its position to get the same answer.
    pub as_of: AsOf,
    /// The filter as it was understood.
    pub filter: FilterText,
    /// The events.
    pub events: Vec<Told>,
    /// Position at which the next page begins; `null` when there are no more.
    pub next: Option<u64>,
}

impl Question {
    /// Answers on `out`, once the read stands in the access log.
    ///
    /// # Errors
    /// The question can't be answered as it is put, or the ledger, the views, the access log or `out` fail.
    pub async fn answer(
        self,
        opened: &Opened,
        language: Language,
        purpose: Option<String>,
        out: &mut (impl Write + Send),
    ) -> anyhow::Result<()> {
        let ledger = &opened.ledger;
        let (query, answer) = match self {
            Self::Explain(Explain { account, field, at, json }) => {
                let account = account::find(ledger, &account).await?;
                let as_of = resolve(ledger, at).await?;
                let found = explain(ledger, account, field, as_of, Sight::Clear).await?;
                let asked = format!("account={account} field={field} at={as_of}");
                let query = trace::of_account(ledger, "explain", account).await?;
                let results = found.causes.len() as u64;
                (Query { filter: Some(asked), results, ..query }, told(json, &found, || found.text(language))?)
            }
            Self::Diff(Diff { account, from, to, json }) => {
                let account = account::find(ledger, &account).await?;
                let (from, to) = (resolve(ledger, Some(from)).await?, resolve(ledger, Some(to)).await?);
                let found = diff(ledger, account, from, to, Sight::Clear).await?;
                let asked = format!("account={account} from={from} to={to}");
                let query = trace::of_account(ledger, "diff", account).await?;
                let results = found.changes.len() as u64;
                (Query { filter: Some(asked), results, ..query }, told(json, &found, || found.text(language))?)
            }
            Self::Events(asked) => asked.answer(opened, language).await?,
            Self::WhoSaw(WhoSaw { account, after, limit, json }) => {
                let account = account::find(ledger, &account).await?;
                let seen = who_saw(ledger, &opened.pool, account, after, limit.clamp(1, MOST)).await?;
                let query = trace::of_account(ledger, "who-saw", account).await?;
                let results = seen.reads.len() as u64;
                (Query { results, ..query }, told(json, &seen, || seen.text(language))?)
            }
            Self::Siem(asked) => return asked.export(opened, language, purpose, out).await,
        };
        trace::staff_read(ledger, &opened.pool, Query { purpose, ..query }).await?;
        out.write_all(answer.as_bytes())?;
        Ok(())
    }
}

impl Events {
    async fn answer(self, opened: &Opened, language: Language) -> anyhow::Result<(Query, String)> {
        let ledger = &opened.ledger;
        let filter = Filter::new(ledger, &self.filter).await?;
        let as_of = resolve(ledger, self.at).await?;
        let page = events(ledger, &opened.views, &filter, as_of, self.from, self.limit).await?;
        let announced = Announced::read(ledger).await?;
        let query = Query {
            name: "events",
            concerned: trace::of_events(&page.events),
            filter: Some(format!("{} at={as_of} from={}", serde_json::to_string(&self.filter)?, self.from)),
            results: page.events.len() as u64,
            ..Query::default()
        };
        let shown = page.events.iter().map(|event| Told::new(event, &announced, Sight::Clear)).collect();
        let answer = EventsAnswer { as_of, filter: self.filter, events: shown, next: page.next };
        let text = told(self.json, &answer, || {
            let mut text = format!("{}\n", as_of_line(language, as_of));
            page.events.iter().for_each(|event| text.push_str(&format!("{}\n", history::entry(language, event))));
            text.push_str(&format!("{}\n", footer(language, &page)));
            text
        })?;
        Ok((query, text))
    }
}

impl Siem {
    /// A line is written once the export stands in the access log.
    async fn export(
        self,
        opened: &Opened,
        language: Language,
        purpose: Option<String>,
        out: &mut (impl Write + Send),
    ) -> anyhow::Result<()> {
        let (size, _) = opened.ledger.root().await?;
        let end = self.limit.map_or(size, |limit| size.min(self.from.saturating_add(limit)));
        let results = end.saturating_sub(self.from);
        let filter = Some(format!("from={} before={end}", self.from));
        trace::staff_read(
            &opened.ledger,
            &opened.pool,
            Query { name: "siem", filter, results, purpose, ..Query::default() },
        )
        .await?;
        let next = siem::export(&opened.ledger, self.from, end, out).await?;
        // On the other channel: what is piped on is events and nothing else.
        eprintln!("{} --from {next}", language.of("Suite :", "Go on with"));
        Ok(())
    }
}

/// The answer, in the form asked for.
fn told(json: bool, answer: &impl Serialize, text: impl FnOnce() -> String) -> anyhow::Result<String> {
    Ok(if json { format!("{}\n", serde_json::to_string_pretty(answer)?) } else { text() })
}
