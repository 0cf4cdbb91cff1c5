//! Why a field of an account is as it is.

use crate::account::NoAccount;
use crate::fields::{Field, Part, Parts, Sight, parts};
use crate::fold::{Fold, life};
use crate::history;
use crate::language::Language;
use crate::moment::AsOf;
use crate::rules::{Announced, RulesOfEvent};
use crate::told::Told;
use crate::words;
use crate::words::values::{self, Names};
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
    #[serde(skip)]
    names: Names,
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
    let events = life(ledger, account, as_of).await?;
    let last = Fold::of(&events);
    if last.account.status == Status::Absent {
        return Err(NoAccount::Yet { account, as_of }.into());
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
    Ok(Explanation { as_of, account, field, value, causes, events: of_causes, names: fold.names() })
}

impl Explanation {
    /// For people. Personal values are told as the answer was made: ask with [`Sight::Clear`].
    pub fn text(&self, language: Language) -> String {
        let mut text = format!("{}\n", as_of_line(language, self.as_of));
        let (account, field) = (language.of("Compte", "Account"), values::field(language, self.field));
        text.push_str(&format!("{account} {}, {field}\n", self.account));
        if self.value.is_empty() {
            text.push_str(&format!("  {}\n", language.of("(sans valeur)", "(no value)")));
        }
        for (part, value) in &self.value {
            let part = values::part(language, self.field, part, &self.names);
            text.push_str(&format!("  {part}{}{}\n", language.of(" : ", ": "), values::value(language, value)));
        }
        for (number, (cause, event)) in self.causes.iter().zip(&self.events).enumerate() {
            let word = match cause.in_force {
                true => language.of("en vigueur", "in force"),
                false => language.of("remplacé depuis", "replaced since"),
            };
            text.push_str(&format!("\n{}. [{word}] {}\n", number + 1, history::times(language, event)));
            for (label, line) in self.account_of(language, cause, event) {
                text.push_str(&format!("   {label:<9} {line}\n"));
            }
        }
        text
    }

    /// What an event says and changed, who caused it, for whom, why and under which rules.
    fn account_of(&self, language: Language, cause: &Cause, event: &RecordedEvent) -> Vec<(&'static str, String)> {
        let reference = event.reference.as_deref().map(history::reference);
        let reference = reference.map(|reference| format!(", {} {reference}", language.of("référence", "reference")));
        let reason = words::reason(language, event.reason);
        let mut lines = vec![
            (language.of("Fait", "Fact"), format!("{} [{}]", words::event(language, &event.event), cause.event.r#type)),
            (language.of("Par", "By"), words::actor(language, &event.actor)),
            (language.of("Pour", "For"), principal(language, event)),
            (language.of("Motif", "Reason"), format!("{reason}{}", reference.unwrap_or_default())),
            (language.of("Commande", "Command"), cause.event.command.to_string()),
            (language.of("Règles", "Rules"), rules(language, cause.event.rules.as_ref(), &event.stream_type)),
        ];
        let changes = cause.changes.iter().map(|change| change.line(language, &self.names));
        lines.extend(changes.map(|line| (language.of("Effet", "Effect"), line)));
        lines
    }
}

/// On whose behalf; said in so many words where it is the actor's own.
fn principal(language: Language, event: &RecordedEvent) -> String {
    match &event.on_behalf_of {
        Some(principal) => words::actor(language, principal),
        None => language.of("personne d’autre (en son propre nom)", "nobody else (on its own account)").to_owned(),
    }
}

impl PartChange {
    /// `part: before → after`, in words.
    pub(crate) fn line(&self, language: Language, names: &Names) -> String {
        let part = values::part(language, self.field, &self.part, names);
        let told = |value: &Value| values::value(language, value);
        format!("{part}{}{} → {}", language.of(" : ", ": "), told(&self.before), told(&self.after))
    }
}

/// Which position an answer speaks of, and how to ask again.
pub fn as_of_line(language: Language, as_of: AsOf) -> String {
    let moment = as_of.recorded_at.format(language.of("%d/%m/%Y %H:%M:%S%.6f UTC", "%Y-%m-%d %H:%M:%S%.6f UTC"));
    let (position, word) = (as_of.position, language.of("enregistrée le", "recorded"));
    let held = as_of.effective_at.map(|time| {
        let time = time.format(language.of("%d/%m/%Y %H:%M:%S%.f UTC", "%Y-%m-%d %H:%M:%S%.f UTC"));
        format!("{} {time}", language.of(", de ce qui avait pris effet le", ", of what was effective by"))
    });
    let held = held.unwrap_or_default();
    format!("{} {position} ({word} {moment}){held}; --at {as_of}", language.of("À la position", "As of position"))
}

fn rules(language: Language, rules: Option<&RulesOfEvent>, stream_type: &str) -> String {
    let Some(RulesOfEvent { number, announced_at, since, program, decisions }) = rules else {
        return language.of("aucunes n’étaient encore annoncées", "none had been announced yet").to_owned();
    };
    let decisions = decisions.map_or_else(|| "–".to_owned(), |version| version.to_string());
    match language {
        Language::Fr => format!(
            "n° {number}, annoncées à la position {announced_at} le {} ; programme {program}, décisions \
             « {stream_type} » version {decisions}",
            since.format("%d/%m/%Y %H:%M:%S UTC")
        ),
        Language::En => format!(
            "no. {number}, announced at position {announced_at} on {}; program {program}, “{stream_type}” decisions \
             version {decisions}",
            since.format("%Y-%m-%d %H:%M:%S UTC")
        ),
    }
}
