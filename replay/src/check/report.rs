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
            if *check == Check::CheckpointSignature && self.own_keys && matches!(outcome, Outcome::Passed(_)) {
                text.push_str(&format!("          → {}\n", own_keys(language)));
            }
            if *outcome == Outcome::Failed {
                self.failure(language, *check, &mut text);
            }
        }
        self.recovered(language, &mut text);
        self.poisoned(language, &mut text);
        if let Some(backup) = &self.archive {
            text.push_str(&match language {
                Language::Fr => {
                    format!("Archive sans clés, restaurée de {backup} : rien ne s’y ouvre ni ne s’y ajoute.\n")
                }
                Language::En => format!("Archive without keys, restored from {backup}: nothing opens or is added.\n"),
            });
        }
        text
    }

    /// Which logs were given up, and which checkpoints of them need not be extended any more.
    fn recovered(&self, language: Language, text: &mut String) {
        for recovery in &self.recoveries {
            let (generation, reason) = (recovery.generation, &recovery.reason);
            let at = recovery.at.format(language.of("%d/%m/%Y %H:%M UTC", "%Y-%m-%d %H:%M UTC"));
            text.push_str(&match (&recovery.statement, language) {
                (Some(stated), Language::Fr) => {
                    format!("Reprise {generation} du {at}, signée : le registre est {} depuis. {reason}\n", stated.origin)
                }
                (Some(stated), Language::En) => {
                    format!("Recovery {generation} of {at}, signed: the log is {} since. {reason}\n", stated.origin)
                }
                (None, Language::Fr) => format!(
                    "Reprise {generation} du {at}, qu’aucune clé de confiance n’a signée : elle n’excuse rien. {reason}\n"
                ),
                (None, Language::En) => format!(
                    "Recovery {generation} of {at}, signed by no trusted key: it excuses nothing. {reason}\n"
                ),
            });
            for checkpoint in &recovery.given_up {
                let word = language.of("abandonné, non prolongé :", "given up, not extended:");
                text.push_str(&format!("          {word} {checkpoint}\n"));
            }
            if let Some(size) = recovery.extended {
                let word = language.of("prolongé jusqu’à la taille", "extended up to size");
                text.push_str(&format!("          {word} {size}\n"));
            }
        }
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
            "recoveries": self.recoveries.iter().map(|recovery| json!({
                "generation": recovery.generation,
                "at": recovery.at,
                "reason": recovery.reason,
                "signed": recovery.statement.is_some(),
                "origin": recovery.statement.as_ref().map(|stated| &stated.origin),
                "given_up": recovery.given_up,
                "extended_up_to": recovery.extended,
            })).collect::<Vec<_>>(),
            "keys_independent": !self.own_keys,
            "archive": self.archive,
            "skipped_events": self.skips.iter().map(|skip| skip.fault.position).collect::<Vec<_>>(),
        })
    }
}

fn own_keys(language: Language) -> &'static str {
    language.of(
        "avec la clé que la base donne elle-même, non obtenue indépendamment : donnez-la avec --vkey",
        "by the key that the database itself gives, not independently obtained: give it with --vkey",
    )
}

fn told(language: Language, why: NotMade) -> &'static str {
    match why {
        NotMade::PositionsMissing => language.of("des positions manquent", "positions are missing"),
        NotMade::NoCheckpoint => language.of("aucun point de contrôle", "there is no checkpoint"),
        NotMade::Archive => language.of("archive sans clés", "archive without keys"),
        NotMade::NoKey => language.of("donnez la clé publique avec --vkey", "give the public key with --vkey"),
    }
}
