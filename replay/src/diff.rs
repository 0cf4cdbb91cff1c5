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
}

/// Compares an account at two moments.
///
/// # Errors
/// The moments are the wrong way round, the account did not exist at the later one, or the ledger can't be read.
pub async fn diff(ledger: &Ledger, account: AccountId, from: AsOf, to: AsOf, sight: Sight) -> anyhow::Result<Diff> {
    if from.position > to.position {
        bail!("position {} comes after {}: give the earlier moment first", from.position, to.position);
    }
    let events = life(ledger, account, to.position).await?;
    let (earlier, later) = events.split_at(events.partition_point(|event| event.position <= from.position));
    let (first, last) = (Fold::of(earlier), Fold::of(&events));
    if last.account.status == Status::Absent {
        return Err(NoAccount::Yet { account, position: to.position }.into());
    }
    let members = first.members().or(&last.members());
    let all = |fold: &Fold| Field::ALL.map(|field| parts(fold, &members, field));
    let told: Vec<PartChange> = Field::ALL
        .into_iter()
        .zip(all(&first).iter().zip(&all(&last)))
        .flat_map(|(field, (before, after))| changes(field, before, after, sight))
        .collect();
    let announced = Announced::read(ledger).await?;
    let (mut fold, mut before) = (first.clone(), all(&first));
    let mut recorded = Vec::new();
    for event in later {
        fold.apply(event);
        let after = all(&fold);
        if before != after {
            recorded.push(event.clone());
        }
        before = after;
    }
    let events = recorded.iter().map(|event| Told::new(event, &announced, sight)).collect();
    Ok(Diff { from, to, account, changes: told, events, recorded })
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
                text.push_str(&format!("{field}\n"));
                of_field.for_each(|change| text.push_str(&change.line()));
            }
        }
        self.recorded.iter().for_each(|event| text.push_str(&format!("\n{}\n", history::entry(language, event))));
        text
    }
}
