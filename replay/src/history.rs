//! An account's life in plain words.

use crate::account::NoAccount;
use crate::explain::as_of_line;
use crate::language::Language;
use crate::moment::AsOf;
use crate::{account, words};
use domain::ids::AccountId;
use ledger::{Ledger, RecordedEvent};
use projections::{Name, Views, audit};
use std::io::Write;

/// Events read at once.
const PAGE: u32 = 500;

/// Writes the account's life: its own events and those of the pupils and guardian records that belong to it, in the
/// order of the ledger. Which events these are, the timeline says; what they say comes from the ledger itself, and
/// what the timeline does not have yet is looked for in the ledger. Last comes the position that the answer speaks of.
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
    let mut own = account::events(ledger, account).await?;
    own.retain(|event| event.position <= as_of.position);
    if own.is_empty() {
        return Err(NoAccount::Yet { account, position: as_of.position }.into());
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
        for event in ledger.read_positions(&positions).await? {
            told += 1;
            writeln!(out, "{}", entry(language, &event))?;
        }
    }
    let mut next = indexed;
    loop {
        let mut page = ledger.read(next, PAGE).await?;
        page.retain(|event| event.position <= as_of.position);
        let Some(last) = page.last() else { break };
        next = last.position + 1;
        for event in page.iter().filter(|event| audit::entities(event).any(|entity| ids.contains(&entity))) {
            told += 1;
            writeln!(out, "{}", entry(language, event))?;
        }
    }
    writeln!(out, "{}", as_of_line(language, as_of))?;
    Ok(told)
}

/// One event, on a few lines.
pub fn entry(language: Language, event: &RecordedEvent) -> String {
    let moment = language.of("%d/%m/%Y %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S UTC");
    let mut text = format!("#{}  {}", event.position, event.recorded_at.format(moment));
    // A command's facts usually hold from the moment it is given.
    if (event.recorded_at - event.effective_at).abs() >= chrono::TimeDelta::minutes(1) {
        let effective = event.effective_at.format(moment);
        text.push_str(&format!("  ({} {effective})", language.of("effet :", "effective:")));
    }
    text.push_str(&format!("\n    {}", words::event(language, &event.event)));
    text.push_str(&format!("\n    {} {}", language.of("Par", "By"), words::actor(language, &event.actor)));
    if let Some(principal) = &event.on_behalf_of {
        text.push_str(&format!(", {} {}", language.of("pour", "for"), words::actor(language, principal)));
    }
    text.push_str(&format!(" – {} {}", language.of("motif :", "reason:"), words::reason(language, event.reason)));
    if let Some(reference) = &event.reference {
        text.push_str(&format!(" – {} {reference}", language.of("référence", "reference")));
    }
    text
}
