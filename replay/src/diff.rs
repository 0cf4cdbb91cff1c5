//! What changed of an account between two moments, and by which events.

use crate::account::NoAccount;
use crate::explain::{PartChange, as_of_line, changes};
use crate::fields::{Field, Sight, parts};
use crate::fold::{Fold, life};
use crate::history;
use crate::language::Language;
use crate::moment::AsOf;
use crate::rules::Announced;
use crate::told::Told;
use crate::words::values::{self, Names};
use anyhow::bail;
use domain::account::Status;
use domain::ids::AccountId;
use ledger::{Ledger, RecordedEvent};
use serde::Serialize;

/// What changed.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// The earlier moment.
    pub from: AsOf,
    /// The later moment; ask with both positions to get the same answer.
    pub to: AsOf,
    /// The account.
    pub account: AccountId,
    /// The parts of fields that differ.
    pub changes: Vec<PartChange>,
    /// The events between that changed any field, in the order of the ledger. What one changed and a later one
    /// changed back is no difference, but both are here.
    pub events: Vec<Told>,
    #[serde(skip)]
    recorded: Vec<RecordedEvent>,
    #[serde(skip)]
    names: Names,
}

/// Whether all that counts at one moment counts at the other as well.
pub fn in_order(from: AsOf, to: AsOf) -> bool {
    let effective = match (from.effective_at, to.effective_at) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(from), Some(to)) => from <= to,
    };
    from.position <= to.position && effective
}

/// Compares an account at two moments.
///
/// # Errors
/// The moments are the wrong way round, the account did not exist at the later one, or the ledger can't be read.
pub async fn diff(ledger: &Ledger, account: AccountId, from: AsOf, to: AsOf, sight: Sight) -> anyhow::Result<Diff> {
    if !in_order(from, to) {
        bail!("{from} comes after {to}: give the earlier moment first");
    }
    let events = life(ledger, account, to).await?;
    let earlier = |event: &&RecordedEvent| from.counts(event);
    let (first, last) = (Fold::of(events.iter().filter(earlier)), Fold::of(&events));
    if last.account.status == Status::Absent {
        return Err(NoAccount::Yet { account, as_of: to }.into());
    }
    let members = first.members().or(&last.members());
    let all = |fold: &Fold| Field::ALL.map(|field| parts(fold, &members, field));
    let told: Vec<PartChange> = Field::ALL
        .into_iter()
        .zip(all(&first).iter().zip(&all(&last)))
        .flat_map(|(field, (before, after))| changes(field, before, after, sight))
        .collect();
    let announced = Announced::read(ledger).await?;
    let mut fold = Fold::default();
    let mut before = all(&fold);
    let mut recorded = Vec::new();
    for event in &events {
        fold.apply(event);
        let after = all(&fold);
        if before != after && !earlier(&event) {
            recorded.push(event.clone());
        }
        before = after;
    }
    let events = recorded.iter().map(|event| Told::new(event, &announced, sight)).collect();
    Ok(Diff { from, to, account, changes: told, events, recorded, names: last.names() })
}

impl Diff {
    /// For people.
    pub fn text(&self, language: Language) -> String {
        let (from, to) = (as_of_line(language, self.from), as_of_line(language, self.to));
        let mut text = format!("{from}\n{to}\n{} {}\n", language.of("Compte", "Account"), self.account);
        if self.changes.is_empty() {
            text.push_str(language.of("Aucune différence.\n", "No difference.\n"));
        }
        for field in Field::ALL {
            let mut of_field = self.changes.iter().filter(|change| change.field == field).peekable();
            if of_field.peek().is_some() {
                text.push_str(&format!("{}\n", values::field(language, field)));
                of_field.for_each(|change| text.push_str(&format!("    {}\n", change.line(language, &self.names))));
            }
        }
        self.recorded.iter().for_each(|event| text.push_str(&format!("\n{}\n", history::entry(language, event))));
        text
    }
}
