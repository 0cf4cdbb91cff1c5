//! The report of a check, for people and for programs.

use super::{Checked, NotMade, Outcome};
use crate::language::Language;
use crate::words::checks::{meaning, remedy};
use ledger::{Check, Header};
use serde_json::{Value, json};

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text(Language),
    /// One JSON object.
    Json,
}

impl Checked {
    /// The report: one line per check, and under each that failed, what was found and what to do.
    pub fn report(&self, format: Format) -> String {
        match format {
            Format::Text(language) => self.text(language),
            Format::Json => format!("{:#}\n", self.json()),
        }
    }

    fn text(&self, language: Language) -> String {
        let root = self.root.map_or_else(|| "–".to_owned(), hex::encode);
        let (events, rooted) = (language.of("événements", "events"), language.of("racine", "root"));
        let mut text = format!("{} {events}, {rooted} {root}\n", self.size);
        for (check, outcome) in &self.outcomes {
            let (word, why) = match outcome {
                Outcome::Passed(count) => (language.of("CONFORME", "PASSED"), format!("({count})")),
                Outcome::Failed => (language.of("ÉCHEC", "FAILED"), format!("({})", self.findings.count(*check))),
                Outcome::NotMade(why) => (language.of("NON FAIT", "NOT MADE"), format!("({})", told(language, *why))),
            };
            text.push_str(&format!("{word:<9} {:<21} {} {why}\n", check.as_str(), meaning(language, *check)));
            if *outcome == Outcome::Failed {
                self.failure(language, *check, &mut text);
            }
        }
        self.poisoned(language, &mut text);
        text
    }

    /// Where views stand still, and what they pass over by decision.
    fn poisoned(&self, language: Language, text: &mut String) {
        let what = |event: &Option<Header>| match event {
            Some(event) => event.event_type.clone(),
            None => language.of("aucun événement", "no event there").to_owned(),
        };
        for stop in &self.stops {
            let (view, position, event, since) = (stop.view, stop.fault.position, what(&stop.event), stop.since);
            text.push_str(&match language {
                Language::Fr => {
                    format!("Vue {view} : ARRÊTÉE à la position {position} ({event}) depuis le {since}.\n")
                }
                Language::En => format!("View {view}: STOPPED at position {position} ({event}) since {since}.\n"),
            });
        }
        for skip in &self.skips {
            let (view, position, event) = (skip.view, skip.fault.position, what(&skip.event));
            let (at, actor, reason) = (skip.skipped_at, &skip.actor, &skip.reason);
            text.push_str(&match language {
                Language::Fr => {
                    format!(
                        "Vue {view} : sans l’événement {position} ({event}), décision de {actor} le {at} : {reason}\n"
                    )
                }
                Language::En => {
                    format!("View {view}: without event {position} ({event}), decided by {actor} on {at}: {reason}\n")
                }
            });
        }
    }

    fn failure(&self, language: Language, check: Check, text: &mut String) {
        let named = self.findings.named(check);
        for finding in named {
            text.push_str(&format!("          {finding}\n"));
        }
        let more = self.findings.count(check) - named.len() as u64;
        if more > 0 {
            text.push_str(&format!("          + {more}\n"));
        }
        text.push_str(&format!("          → {}\n", remedy(language, check)));
    }

    fn json(&self) -> Value {
        let checks = self.outcomes.iter().map(|(check, outcome)| {
            let (result, looked_at) = match outcome {
                Outcome::Passed(count) => ("passed", Some(*count)),
                Outcome::Failed => ("failed", None),
                Outcome::NotMade(_) => ("not-made", None),
            };
            let findings = self.findings.named(*check).iter().map(|finding| {
                let stream = finding.stream.as_ref().map(|(kind, id)| json!({ "type": kind, "id": id }));
                json!({ "position": finding.position, "stream": stream, "detail": finding.detail })
            });
            json!({
                "check": check.as_str(),
                "result": result,
                "looked_at": looked_at,
                "failures": self.findings.count(*check),
                "findings": findings.collect::<Vec<_>>(),
            })
        });
        json!({
            "sound": self.is_sound(),
            "size": self.size,
            "root": self.root.map(hex::encode),
            "checks": checks.collect::<Vec<_>>(),
            "stopped_views": self.stops.iter().map(|stop| stop.view.as_str()).collect::<Vec<_>>(),
            "skipped_events": self.skips.iter().map(|skip| skip.fault.position).collect::<Vec<_>>(),
        })
    }
}

fn told(language: Language, why: NotMade) -> &'static str {
    match why {
        NotMade::PositionsMissing => language.of("des positions manquent", "positions are missing"),
        NotMade::NoCheckpoint => language.of("aucun point de contrôle", "there is no checkpoint"),
        NotMade::NoKey => language.of("donnez la clé publique avec --vkey", "give the public key with --vkey"),
    }
}
