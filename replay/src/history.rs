//! An account's life in plain words.

use crate::account::NoAccount;
use crate::explain::as_of_line;
use crate::fields::Sight;
use crate::language::Language;
use crate::moment::AsOf;
use crate::rules::Announced;
use crate::told::Told;
use crate::{account, words};
use domain::ids::AccountId;
use domain::reference::Reference;
use ledger::{Ledger, RecordedEvent};
use projections::{Name, Views, audit};
use serde::Serialize;
use std::io::Write;

/// Events read at once.
const PAGE: u32 = 500;

/// An account's life, in JSON.
#[derive(Debug, Serialize)]
pub struct Life {
    /// The moment; ask with it to get the same answer.
    pub as_of: AsOf,
    /// The account.
    pub account: AccountId,
    /// The events, in the order of the ledger.
    pub events: Vec<Told>,
}

/// Writes the account's life: its own events and those of the pupils and guardian records that belong to it, in the
/// order of the ledger. Last comes the position that the answer speaks of.
///
/// # Errors
/// The account does not exist, or the ledger or `out` fails.
pub async fn history(
    ledger: &Ledger,
    views: &Views,
    account: AccountId,
    as_of: AsOf,
    language: Language,
    out: &mut (impl Write + Send),
) -> anyhow::Result<u64> {
    let told = follow(ledger, views, account, as_of, |event| writeln!(out, "{}", entry(language, event))).await?;
    writeln!(out, "{}", as_of_line(language, as_of))?;
    Ok(told)
}

/// The same life, event by event with everything of its header.
///
/// # Errors
/// The account does not exist, or the ledger fails.
pub async fn life(ledger: &Ledger, views: &Views, account: AccountId, as_of: AsOf) -> anyhow::Result<Life> {
    let (announced, mut events) = (Announced::read(ledger).await?, Vec::new());
    let keep = |event: &RecordedEvent| {
        events.push(Told::new(event, &announced, Sight::Clear));
        Ok(())
    };
    follow(ledger, views, account, as_of, keep).await?;
    Ok(Life { as_of, account, events })
}

/// Hands out the events; how many they are. Which these are, the timeline says; what they say comes from the ledger
/// itself, and what the timeline does not have yet is looked for in the ledger.
async fn follow(
    ledger: &Ledger,
    views: &Views,
    account: AccountId,
    as_of: AsOf,
    mut take: impl FnMut(&RecordedEvent) -> std::io::Result<()> + Send,
) -> anyhow::Result<u64> {
    let mut own = account::events(ledger, account).await?;
    own.retain(|event| as_of.counts(event));
    if own.is_empty() {
        return Err(NoAccount::Yet { account, as_of }.into());
    }
    let ids = account::concerned(account, &own);
    let entities: Vec<String> = ids.iter().cloned().collect();
    let indexed = views.checkpoint(Name::Audit).await?.min(as_of.position + 1);
    let (mut from, mut told) = (0, 0);
    loop {
        let positions = views.timeline(&entities, from, PAGE).await?;
        let positions: Vec<u64> = positions.into_iter().filter(|position| *position < indexed).collect();
        let Some(last) = positions.last() else { break };
        from = last + 1;
        for event in ledger.read_positions(&positions).await?.iter().filter(|event| as_of.held(event)) {
            told += 1;
            take(event)?;
        }
    }
    let mut next = indexed;
    loop {
        let mut page = ledger.read(next, PAGE).await?;
        page.retain(|event| event.position <= as_of.position);
        let Some(last) = page.last() else { break };
        next = last.position + 1;
        let concerned = |event: &&RecordedEvent| audit::entities(event).any(|entity| ids.contains(&entity));
        for event in page.iter().filter(concerned).filter(|event| as_of.held(event)) {
            told += 1;
            take(event)?;
        }
    }
    Ok(told)
}

/// `#12  22/11/2026 02:30:02 UTC`, with the time of effect where it is another.
pub(crate) fn times(language: Language, event: &RecordedEvent) -> String {
    let moment = language.of("%d/%m/%Y %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S UTC");
    let mut text = format!("#{}  {}", event.position, event.recorded_at.format(moment));
    // A command's facts usually hold from the moment it is given.
    if (event.recorded_at - event.effective_at).abs() >= chrono::TimeDelta::minutes(1) {
        let effective = event.effective_at.format(moment);
        text.push_str(&format!("  ({} {effective})", language.of("effet :", "effective:")));
    }
    text
}

/// A reference as users read it out.
pub(crate) fn reference(stored: &str) -> String {
    stored.parse::<Reference>().map_or_else(|_| stored.to_owned(), |reference| reference.to_string())
}

/// One event, on a few lines.
pub fn entry(language: Language, event: &RecordedEvent) -> String {
    let mut text = times(language, event);
    text.push_str(&format!("\n    {}", words::event(language, &event.event)));
    text.push_str(&format!("\n    {} {}", language.of("Par", "By"), words::actor(language, &event.actor)));
    if let Some(principal) = &event.on_behalf_of {
        text.push_str(&format!(", {} {}", language.of("pour", "for"), words::actor(language, principal)));
    }
    text.push_str(&format!(" – {} {}", language.of("motif :", "reason:"), words::reason(language, event.reason)));
    if let Some(stored) = &event.reference {
        text.push_str(&format!(" – {} {}", language.of("référence", "reference"), reference(stored)));
    }
    text
}
