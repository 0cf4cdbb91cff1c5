//! The report for people: what a bundle holds, in plain words. It proves nothing by itself.

use super::archive::Files;
use super::export::Material;
use super::format::{About, EventFile};
use super::pdf;
use crate::language::Language;
use crate::{history, words};
use askama::Template;
use chrono::DateTime;
use ledger::Ledger;
use serde_json::Value;
use std::collections::BTreeMap;

/// The report, before it is laid out.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Report {
    /// `fr` or `en`.
    pub code: &'static str,
    /// What it is.
    pub title: String,
    /// Of what.
    pub subject: String,
    /// The word for a page.
    pub page: &'static str,
    pub facts: Vec<(String, String)>,
    pub sections: Vec<Section>,
}

/// A heading and what stands under it.
pub(super) struct Section {
    pub heading: String,
    pub entries: Vec<Entry>,
}

/// A piece of a section.
#[derive(Default)]
pub(super) struct Entry {
    /// Its own heading; empty where it has none.
    pub head: String,
    pub lines: Vec<String>,
    /// What only programs compare.
    pub proof: Vec<String>,
}

impl Entry {
    fn of(text: impl Into<String>) -> Self {
        Self { lines: vec![text.into()], ..Self::default() }
    }
}

/// Writes the report in one language, as HTML and as PDF.
pub(super) async fn write(
    ledger: &Ledger,
    material: &Material,
    open: bool,
    language: Language,
    files: &mut Files,
) -> anyhow::Result<()> {
    let report = Report {
        code: language.of("fr", "en"),
        title: language.of("Dossier d’audit", "Audit bundle").to_owned(),
        subject: subject(material, language),
        page: language.of("page", "page"),
        facts: facts(material, open, language),
        sections: vec![
            how_to_verify(language),
            events(ledger, material, open, language).await?,
            erased(material, language),
            rules(material, language),
            versions(material, language),
        ],
    };
    let name = |kind: &str| format!("report.{}.{kind}", report.code);
    files.insert(name("html"), report.render()?.into_bytes());
    files.insert(name("pdf"), pdf::render(&report)?);
    Ok(())
}

fn subject(material: &Material, language: Language) -> String {
    match &material.index.about {
        About::Account(id) => format!("{} {id}", language.of("Compte", "Account")),
        About::Case(reference) => {
            format!("{} {}", language.of("Incident", "Incident"), history::reference(reference))
        }
    }
}

/// `22/11/2026 à 02:30:37 UTC`; a text that is no time stays what it is.
fn time(language: Language, text: &str) -> String {
    let format = language.of("%d/%m/%Y à %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S UTC");
    DateTime::parse_from_rfc3339(text).map_or_else(|_| text.to_owned(), |time| time.to_utc().format(format).to_string())
}

fn facts(material: &Material, open: bool, language: Language) -> Vec<(String, String)> {
    let index = &material.index;
    let values = match open {
        true => language.of("en clair : à garder comme telles", "in clear: to be kept as such"),
        false => language.of("laissées de côté", "left out"),
    };
    let mut facts = vec![
        (language.of("Finalité", "Purpose"), index.purpose.clone()),
        (language.of("Établi le", "Made on"), time(language, &index.made_at)),
        (language.of("Par", "By"), index.made_by.clone()),
        (language.of("Événements", "Events"), index.events.len().to_string()),
        (language.of("Données personnelles", "Personal data"), values.to_owned()),
        (language.of("Registre", "Ledger"), format!("{} {}", index.size, language.of("événements", "events"))),
    ];
    match &material.checkpoint {
        None => facts.push((
            language.of("Point de contrôle", "Checkpoint"),
            language.of("aucun n’a encore été signé", "none has been signed yet").to_owned(),
        )),
        Some((checkpoint, _)) => {
            let size = format!("{} {}", checkpoint.size, language.of("événements", "events"));
            facts.push((language.of("Point de contrôle", "Checkpoint"), format!("{}, {size}", checkpoint.origin)));
            facts.push((language.of("Racine", "Root"), hex::encode(checkpoint.root)));
        }
    }
    if let Some(completeness) = &index.completeness {
        let (french, english) = ("les flux sont entiers jusqu’à l’événement", "the streams are whole up to event");
        let text = format!("{} #{}", language.of(french, english), completeness.manifest);
        facts.push((language.of("Manifeste", "Manifest"), text));
    }
    facts.into_iter().map(|(label, value)| (label.to_owned(), value)).collect()
}

/// Each event's sentence; without opened values only its names.
async fn events(ledger: &Ledger, material: &Material, open: bool, language: Language) -> anyhow::Result<Section> {
    let under = material.checkpoint.as_ref().map_or(0, |(checkpoint, _)| checkpoint.size);
    let mut entries = Vec::with_capacity(material.events.len());
    for event in &material.events {
        let told = if open { ledger.read_positions(&[event.position]).await } else { Ok(Vec::new()) };
        let mut entry = match told.unwrap_or_default().first() {
            Some(told) => {
                let text = history::entry(language, told);
                let mut lines = text.lines().map(|line| line.trim().to_owned());
                Entry { head: lines.next().unwrap_or_default(), lines: lines.collect(), proof: Vec::new() }
            }
            None => {
                let file = EventFile::new(event, false, |_| None);
                let actor = file.actor.parse().map_or(file.actor.clone(), |actor| words::actor(language, &actor));
                Entry {
                    head: format!("#{}  {}", event.position, time(language, &file.recorded_at)),
                    lines: vec![event.event_type.clone(), format!("{} {actor}", language.of("Par", "By"))],
                    proof: Vec::new(),
                }
            }
        };
        if event.position >= under {
            let text = language.of("Pas encore sous un point de contrôle.", "Not under a checkpoint yet.");
            entry.lines.push(text.to_owned());
        }
        entry.proof.push(format!("{} {}", language.of("feuille", "leaf"), hex::encode(event.leaf)));
        entries.push(entry);
    }
    Ok(Section { heading: language.of("Événements", "Events").to_owned(), entries })
}

fn erased(material: &Material, language: Language) -> Section {
    let told = material.erased.iter().map(|erased| {
        let by = match erased.erased_by {
            Some(event) => format!("{} #{event}", language.of("effacée par l’événement", "erased by event")),
            None => language.of("sans événement d’effacement", "without an erasing event").to_owned(),
        };
        let (position, number, subject) = (erased.position, erased.segment + 1, erased.subject);
        Entry::of(match language {
            Language::Fr => format!("Événement #{position}, donnée {number}, de {subject} : {by}"),
            Language::En => format!("Event #{position}, value {number}, of {subject}: {by}"),
        })
    });
    let mut entries: Vec<Entry> = told.collect();
    if entries.is_empty() {
        entries.push(Entry::of(language.of("Aucune.", "None.")));
    }
    Section { heading: language.of("Données effacées", "Erased data").to_owned(), entries }
}

/// The rules last announced: versions of decisions, then the settings, each on a line.
fn rules(material: &Material, language: Language) -> Section {
    let mut entries = Vec::new();
    for announced in material.index.rules.values() {
        let announced = announced.get("RulesAnnounced").unwrap_or(announced);
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let pairs = |key: &str, between: &str| {
            let members = announced.pointer(key).and_then(Value::as_object).into_iter().flatten();
            members.map(|(name, value)| format!("{name}{between}{}", text(value))).collect::<Vec<_>>()
        };
        let told = |key: &str| announced.get(key).map(text).unwrap_or_default();
        let (number, program) = (told("number"), told("program"));
        let head = match language {
            Language::Fr => format!("Règles n° {number}, programme {program}"),
            Language::En => format!("Rules no. {number}, program {program}"),
        };
        let (french, english) = ("Version des décisions :", "Version of decisions:");
        let decisions = format!("{} {}", language.of(french, english), pairs("/rules/decisions", " ").join(", "));
        let lines = [decisions].into_iter().chain(pairs("/rules/settings", " = "));
        entries.push(Entry { head, lines: lines.collect(), proof: Vec::new() });
    }
    if entries.is_empty() {
        entries.push(Entry::of(language.of("Aucune n’a été annoncée.", "None have been announced.")));
    }
    Section { heading: language.of("Règles en vigueur", "Rules in force").to_owned(), entries }
}

/// The schema's version, and those of the events by number.
fn versions(material: &Material, language: Language) -> Section {
    let index = &material.index;
    let mut by_version: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (kind, version) in &index.event_versions {
        by_version.entry(*version).or_default().push(kind);
    }
    let mut entries = vec![Entry::of(format!(
        "{} {}",
        language.of("Version du schéma de la base :", "Version of the database’s schema:"),
        index.schema_version
    ))];
    entries.extend(by_version.into_iter().map(|(version, kinds)| {
        let word = language.of("Événements en version", "Events in version");
        Entry::of(format!("{word} {version}{}{}", language.of(" : ", ": "), kinds.join(", ")))
    }));
    Section { heading: "Versions".to_owned(), entries }
}

fn how_to_verify(language: Language) -> Section {
    let text = language.of(
        "Ce rapport se lit ; il ne prouve rien. La preuve est dans les autres fichiers du dossier : \
         « matricule-replay verify » ou le programme indépendant « matricule_verify.py » la vérifient hors ligne, avec \
         les clés publiques du registre et de ses témoins, à obtenir d’eux et non de ce fichier.",
        "This report is for reading; it proves nothing. The proof is in the other files of the bundle: \
         “matricule-replay verify” or the independent program “matricule_verify.py” verify it offline, with the public \
         keys of the ledger and its witnesses, to be had from them and not from this file.",
    );
    // French signs don't stand at the end or the beginning of a line.
    let text = text.replace("« ", "«\u{a0}").replace(" »", "\u{a0}»").replace(" ;", "\u{a0};").replace(" :", "\u{a0}:");
    Section { heading: language.of("Vérifier", "Verifying").to_owned(), entries: vec![Entry::of(text)] }
}
