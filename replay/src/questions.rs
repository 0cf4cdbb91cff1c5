//! The commands that answer questions.

use crate::account;
use crate::diff::diff;
use crate::events::{Filter, FilterText, USUAL, events, footer};
use crate::explain::{as_of_line, explain};
use crate::fields::{Field, Sight};
use crate::history;
use crate::language::Language;
use crate::moment::{AsOf, Moment, resolve};
use crate::rules::Announced;
use crate::source::Opened;
use crate::told::Told;
use clap::{Args, Subcommand};
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
}

/// Why a field is as it is.
#[derive(Args)]
pub struct Explain {
    /// Id or login
    account: String,
    /// status, holder, login, password, ways-in, guardians, children, responsibility, establishment, class, names,
    /// birth-dates or contacts
    field: Field,
    /// A time (RFC 3339) or a position [default: now]
    #[arg(long, value_name = "TIME|POSITION")]
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
    /// The earlier moment: a time (RFC 3339) or a position
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
    /// Only what was recorded by then: a time (RFC 3339) or a position [default: now]
    #[arg(long, value_name = "TIME|POSITION")]
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
    /// Answers on `out`.
    ///
    /// # Errors
    /// The question can't be answered as it is put, or the ledger, the views or `out` fail.
    pub async fn answer(
        self,
        opened: &Opened,
        language: Language,
        out: &mut (impl Write + Send),
    ) -> anyhow::Result<()> {
        let ledger = &opened.ledger;
        match self {
            Self::Explain(Explain { account, field, at, json }) => {
                let account = account::find(ledger, &account).await?;
                let as_of = resolve(ledger, at).await?;
                let explanation = explain(ledger, account, field, as_of, Sight::Clear).await?;
                write_answer(out, json, &explanation, || explanation.text(language))
            }
            Self::Diff(Diff { account, from, to, json }) => {
                let account = account::find(ledger, &account).await?;
                let (from, to) = (resolve(ledger, Some(from)).await?, resolve(ledger, Some(to)).await?);
                let found = diff(ledger, account, from, to, Sight::Clear).await?;
                write_answer(out, json, &found, || found.text(language))
            }
            Self::Events(asked) => asked.answer(opened, language, out).await,
        }
    }
}

impl Events {
    async fn answer(self, opened: &Opened, language: Language, out: &mut (impl Write + Send)) -> anyhow::Result<()> {
        let ledger = &opened.ledger;
        let filter = Filter::new(ledger, &self.filter).await?;
        let as_of = resolve(ledger, self.at).await?;
        let page = events(ledger, &opened.views, &filter, as_of, self.from, self.limit).await?;
        let announced = Announced::read(ledger).await?;
        let told = page.events.iter().map(|event| Told::new(event, &announced, Sight::Clear)).collect();
        let answer = EventsAnswer { as_of, filter: self.filter, events: told, next: page.next };
        write_answer(out, self.json, &answer, || {
            let mut text = format!("{}\n", as_of_line(language, as_of));
            page.events.iter().for_each(|event| text.push_str(&format!("{}\n", history::entry(language, event))));
            text.push_str(&format!("{}\n", footer(language, &page)));
            text
        })
    }
}

fn write_answer(
    out: &mut impl Write,
    json: bool,
    answer: &impl Serialize,
    text: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(answer)?)?;
    } else {
        write!(out, "{}", text())?;
    }
    Ok(())
}
