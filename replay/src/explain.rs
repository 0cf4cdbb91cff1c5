//! Why a field of an account is as it is.

use crate::account::NoAccount;
use crate::fields::{Field, Part, Parts, Sight, parts};
use crate::fold::{Fold, life};
use crate::history;
use crate::language::Language;
use crate::moment::AsOf;
use crate::rules::{Announced, RulesOfEvent};
use crate::told::Told;
use domain::account::Status;
use domain::ids::AccountId;
use ledger::{Ledger, RecordedEvent};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A part of a field that changed.
#[derive(Clone, Debug, Serialize)]
pub struct PartChange {
    /// Which field.
    pub field: Field,
    /// Which part.
    pub part: String,
    /// Its value before; `null` where there was none.
    pub before: Value,
    /// Its value after; `null` where it went.
    pub after: Value,
}

/// The parts of `field` that are not the same in both.
pub(crate) fn changes(field: Field, before: &Parts, after: &Parts, sight: Sight) -> Vec<PartChange> {
    let tell = |part: Option<&Part>| part.map_or(Value::Null, |part| part.told(sight));
    let mut names: Vec<&String> =
        before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))).collect();
    names.sort_unstable();
    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    changed
        .map(|name| PartChange {
            field,
            part: name.clone(),
            before: tell(before.get(name)),
            after: tell(after.get(name)),
        })
        .collect()
}

/// One event that made the field so.
#[derive(Clone, Debug, Serialize)]
pub struct Cause {
    /// The event.
    pub event: Told,
    /// What it changed in the field.
    pub changes: Vec<PartChange>,
    /// Whether it is the last word on any part of the field; otherwise later events have replaced what it said.
    pub in_force: bool,
}

/// Why a field is as it is.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The moment; ask with its position to get the same answer.
    pub as_of: AsOf,
    /// The account.
    pub account: AccountId,
    /// The field.
    pub field: Field,
    /// Its parts.
    pub value: BTreeMap<String, Value>,
    /// The events that made it so, in the order of the ledger.
    pub causes: Vec<Cause>,
    #[serde(skip)]
    events: Vec<RecordedEvent>,
}

/// Explains a field of an account as it was at a moment.
///
/// # Errors
/// The account did not exist then, or the ledger can't be read.
pub async fn explain(
    ledger: &Ledger,
    account: AccountId,
    field: Field,
    as_of: AsOf,
    sight: Sight,
) -> anyhow::Result<Explanation> {
    let events = life(ledger, account, as_of.position).await?;
    let last = Fold::of(&events);
    if last.account.status == Status::Absent {
        return Err(NoAccount::Yet { account, position: as_of.position }.into());
    }
    // The records of the moment asked about: an enrolment counts though it is older than the child's confirmation.
    let members = last.members();
    let announced = Announced::read(ledger).await?;
    let mut fold = Fold::default();
    let (mut before, mut causes, mut of_causes) = (Parts::new(), Vec::new(), Vec::new());
    let mut last_word: BTreeMap<String, usize> = BTreeMap::new();
    for event in events {
        fold.apply(&event);
        let after = parts(&fold, &members, field);
        let changes = changes(field, &before, &after, sight);
        if !changes.is_empty() {
            last_word.extend(changes.iter().map(|change| (change.part.clone(), causes.len())));
            causes.push(Cause { event: Told::new(&event, &announced, sight), changes, in_force: false });
            of_causes.push(event);
        }
        before = after;
    }
    last_word.into_values().for_each(|cause| causes[cause].in_force = true);
    let value = before.iter().map(|(name, part)| (name.clone(), part.told(sight))).collect();
    Ok(Explanation { as_of, account, field, value, causes, events: of_causes })
}

impl Explanation {
    /// For people. Personal values are told as the answer was made: ask with [`Sight::Clear`].
    pub fn text(&self, language: Language) -> String {
        let moment = as_of_line(language, self.as_of);
        let mut text = format!("{moment}\n{} {}, {}\n", language.of("Compte", "Account"), self.account, self.field);
        if self.value.is_empty() {
            text.push_str(&format!("  {}\n", language.of("(sans valeur)", "(no value)")));
        }
        for (part, value) in &self.value {
            text.push_str(&format!("  {part}: {value}\n"));
        }
        for (cause, event) in self.causes.iter().zip(&self.events) {
            let word = match cause.in_force {
                true => language.of("en vigueur", "in force"),
                false => language.of("remplacé depuis", "replaced since"),
            };
            text.push_str(&format!("\n[{word}] {}\n", history::entry(language, event)));
            text.push_str(&format!("    {}\n", rules_line(language, cause.event.rules.as_ref())));
            cause.changes.iter().for_each(|change| text.push_str(&change.line()));
        }
        text
    }
}

impl PartChange {
    /// `    part: before → after`
    pub(crate) fn line(&self) -> String {
        let told = |value: &Value| if value.is_null() { "–".to_owned() } else { value.to_string() };
        format!("    {}: {} → {}\n", self.part, told(&self.before), told(&self.after))
    }
}

/// Which position an answer speaks of, and how to ask again.
pub fn as_of_line(language: Language, as_of: AsOf) -> String {
    let moment = as_of.recorded_at.format(language.of("%d/%m/%Y %H:%M:%S%.6f UTC", "%Y-%m-%d %H:%M:%S%.6f UTC"));
    let (position, word) = (as_of.position, language.of("enregistrée le", "recorded"));
    format!("{} {position} ({word} {moment}); --at {position}", language.of("À la position", "As of position"))
}

fn rules_line(language: Language, rules: Option<&RulesOfEvent>) -> String {
    match rules {
        None => language.of("Règles : aucune n’était encore annoncée", "Rules: none had been announced yet").to_owned(),
        Some(rules) => {
            let decisions = rules.decisions.map_or_else(|| "–".to_owned(), |version| version.to_string());
            match language {
                Language::Fr => format!(
                    "Règles n° {} (annoncées à la position {}, programme {}, décisions v{decisions})",
                    rules.number, rules.announced_at, rules.program
                ),
                Language::En => format!(
                    "Rules no. {} (announced at position {}, program {}, decisions v{decisions})",
                    rules.number, rules.announced_at, rules.program
                ),
            }
        }
    }
}
