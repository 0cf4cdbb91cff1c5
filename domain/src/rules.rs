//! Which rules were in force when an event was decided.
//!
//! Events are decided by code and configuration, and both change. Nothing of that stands in an event: its stored form
//! and its leaf stay what they are. Instead the service *announces* its rules in a stream of their own whenever they
//! differ from the last announced ones, before it takes commands. The rules of an event are those last announced
//! before its position. While two versions of the service run side by side, during an upgrade, that names the newer;
//! events before the first announcement have no recorded rules, and nobody pretends they had.

use crate::event::{event_names, handle_by_decide};
use crate::personal::{Sealable, Segment};
use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The id of the one stream of rules.
pub const STREAM: &str = "service";

/// The version of each aggregate's decisions, by its stream type. Whoever changes what a `decide` accepts, or which
/// events it gives, takes the next number here and says in a line what changed.
///
/// | Aggregate | Version | What it brought |
/// |---|---|---|
/// | all | 1 | the rules of the first announcement |
/// | guardian | 2 | names in a held link are sealed for the child they may mean; erasing the child ends the link |
/// | account | 2 | upstream identities are linked and unlinked, a provisional password ends their links; second factors |
/// | relying_party | 2 | security profile, service link, EdDSA, registration tokens, an end for good |
/// | initial_access | 1 | tokens by which services register themselves |
pub const DECISIONS: [(&str, u16); 8] = [
    ("pupil", 1),
    ("guardian", 2),
    ("account", 2),
    ("establishment", 1),
    ("ledger_manifest", 1),
    ("relying_party", 2),
    ("initial_access", 1),
    ("auditor", 1),
];

/// What decides: the code's versions and the limits that the configuration sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rulebook {
    /// Version of each aggregate's decisions, by stream type.
    pub decisions: BTreeMap<String, u16>,
    /// Limits and policies by their configuration key, as text. No secret, no personal data.
    pub settings: BTreeMap<String, String>,
}

impl Rulebook {
    /// The rules of this code, under these settings.
    pub fn current(settings: BTreeMap<String, String>) -> Self {
        let decisions = DECISIONS.iter().map(|(kind, version)| ((*kind).to_owned(), *version)).collect();
        Self { decisions, settings }
    }
}

/// Intentions about the rules.
#[derive(Clone, Debug)]
pub enum RulesCommand {
    /// A service starts with these.
    Announce {
        /// Version of the program.
        program: String,
        /// Its rules.
        rules: Rulebook,
    },
}

/// Facts of the rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RulesEvent {
    /// Events are decided under these rules from here on.
    RulesAnnounced {
        /// Number of the announcement, from 1.
        number: u32,
        /// Version of the program.
        program: String,
        /// The rules, whole.
        rules: Rulebook,
    },
}

event_names!(RulesEvent, version "1": RulesAnnounced);

impl Sealable for RulesEvent {
    fn segments(&mut self) -> Vec<&mut dyn Segment> {
        match self {
            Self::RulesAnnounced { .. } => vec![],
        }
    }
}

/// Announcing rules is never refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {}

/// The rules as last announced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Number of the last announcement; 0 before the first.
    pub number: u32,
    /// Version of the program that announced them.
    pub program: String,
    /// The rules in force.
    pub rules: Rulebook,
}

impl Rules {
    /// Which facts a command adds: none where the rules are those last announced.
    ///
    /// # Errors
    /// Never.
    pub fn decide(&self, command: RulesCommand) -> Result<Vec<RulesEvent>, RulesError> {
        let RulesCommand::Announce { program, rules } = command;
        if self.number > 0 && self.program == program && self.rules == rules {
            return Ok(vec![]);
        }
        Ok(vec![RulesEvent::RulesAnnounced { number: self.number + 1, program, rules }])
    }
}

impl Aggregate for Rules {
    const TYPE: &'static str = "rules";
    type Command = RulesCommand;
    type Event = RulesEvent;
    type Error = RulesError;
    type Services = ();

    handle_by_decide!();

    fn apply(&mut self, event: RulesEvent) {
        let RulesEvent::RulesAnnounced { number, program, rules } = event;
        *self = Self { number, program, rules };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    fn announce(settings: &[(&str, &str)]) -> RulesCommand {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        RulesCommand::Announce { program: "0.1.0".to_owned(), rules: Rulebook::current(settings) }
    }

    #[test]
    fn only_other_rules_are_announced() {
        let mut rules = Rules::default();
        for (settings, expected) in [(&[("a", "1")], 1), (&[("a", "1")], 1), (&[("a", "2")], 2)] {
            rules.decide(announce(settings)).unwrap().into_iter().for_each(|event| rules.apply(event));
            assert_eq!(rules.number, expected);
        }
    }

    #[test]
    fn every_aggregate_has_a_version_of_its_decisions() {
        let named: Vec<&str> = DECISIONS.iter().map(|(kind, _)| *kind).chain([Rules::TYPE]).collect();
        for event in crate::samples::every_event() {
            assert!(named.contains(&event.stream_type()), "{} has no version of its decisions", event.stream_type());
        }
        assert!(
            Event::decode(
                "rules",
                br#"{"RulesAnnounced":{"number":1,"program":"0","rules":{"decisions":{},"settings":{}}}}"#
            )
            .is_ok()
        );
    }
}
