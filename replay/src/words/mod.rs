//! What the program says of events, actors and reasons: one file per language, one sentence per event variant.

pub mod checks;
mod en;
mod fr;
pub mod values;

use crate::language::Language;
use domain::Event;
use domain::context::{Actor, Reason};
use domain::guardian::GuardianIdentity;
use domain::personal::Personal;
use domain::pupil::{CivilStatus, Placement};

/// What happened, as one sentence. Personal values are in clear, or said to be erased.
pub fn event(language: Language, event: &Event) -> String {
    match language {
        Language::Fr => fr::event(event),
        Language::En => en::event(event),
    }
}

/// Who acted.
pub fn actor(language: Language, actor: &Actor) -> String {
    match language {
        Language::Fr => fr::actor(actor),
        Language::En => en::actor(actor),
    }
}

/// Why.
pub fn reason(language: Language, reason: Reason) -> &'static str {
    match language {
        Language::Fr => fr::reason(reason),
        Language::En => en::reason(reason),
    }
}

/// `Ana Camille FICTIF (D’EXEMPLE)`, or the word for erased.
fn pupil_name(civil_status: &Personal<CivilStatus>, erased: &str) -> String {
    let Some(status) = civil_status.known() else { return erased.to_owned() };
    let mut name = status.given_names.join(" ");
    name.push(' ');
    name.push_str(&status.family_name.to_uppercase());
    if let Some(usage) = &status.usage_name {
        name.push_str(&format!(" ({})", usage.to_uppercase()));
    }
    name
}

/// `MME Ana FICTIF (D’EXEMPLE)`, or the word for erased.
fn guardian_name(identity: &Personal<GuardianIdentity>, erased: &str) -> String {
    let Some(identity) = identity.known() else { return erased.to_owned() };
    let title = identity.title.iter().map(String::as_str);
    let names = title.chain([identity.given_name.as_str()]);
    let mut name = names.collect::<Vec<_>>().join(" ");
    name.push(' ');
    name.push_str(&identity.family_name.to_uppercase());
    if let Some(usage) = &identity.usage_name {
        name.push_str(&format!(" ({})", usage.to_uppercase()));
    }
    name
}

/// ` 6A, CM2`: class, level and MEF where known; the word for erased; nothing where the file says nothing.
fn placement(placement: &Personal<Placement>, erased: &str) -> String {
    let Some(known) = placement.known() else { return format!(", {erased}") };
    [&known.class, &known.level, &known.mef].into_iter().flatten().map(|word| format!(", {word}")).collect()
}

/// A personal value's text, or the word for erased.
fn value<T: ToString>(personal: &Personal<T>, erased: &str) -> String {
    personal.known().map_or_else(|| erased.to_owned(), T::to_string)
}
