//! The report for people: what a bundle holds, in plain words. It proves nothing by itself.

use super::archive::Files;
use super::export::Material;
use super::format::{About, EventFile};
use super::pdf;
use crate::history;
use crate::language::Language;
use askama::Template;
use ledger::Ledger;

/// The report, before it is laid out.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Report {
    /// `fr` or `en`.
    pub code: &'static str,
    pub title: String,
    pub facts: Vec<(String, String)>,
    pub sections: Vec<Section>,
}

/// A heading and what stands under it.
pub(super) struct Section {
    pub heading: String,
    pub paragraphs: Vec<Vec<String>>,
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
        title: title(material, language),
        facts: facts(material, language),
        sections: vec![
            events(ledger, material, open, language).await?,
            erased(material, language),
            how_to_verify(language),
        ],
    };
    let name = |kind: &str| format!("report.{}.{kind}", report.code);
    files.insert(name("html"), report.render()?.into_bytes());
    files.insert(name("pdf"), pdf::render(&report)?);
    Ok(())
}

fn title(material: &Material, language: Language) -> String {
    match &material.index.about {
        About::Account(id) => format!("{} {id}", language.of("Dossier du compte", "Bundle of account")),
        About::Case(reference) => format!("{} {reference}", language.of("Dossier de l’incident", "Bundle of case")),
    }
}

fn facts(material: &Material, language: Language) -> Vec<(String, String)> {
    let index = &material.index;
    let mut facts = vec![
        (language.of("Finalité", "Purpose"), index.purpose.clone()),
        (language.of("Établi le", "Made at"), index.made_at.clone()),
        (language.of("Par", "By"), index.made_by.clone()),
        (language.of("Événements", "Events"), index.events.len().to_string()),
        (language.of("Registre", "Ledger"), format!("{} {}", index.size, language.of("événements", "events"))),
        (language.of("Version du schéma", "Schema version"), index.schema_version.to_string()),
    ];
    let versions = index.event_versions.iter().map(|(kind, version)| format!("{kind} v{version}"));
    facts.push((language.of("Versions des événements", "Event versions"), versions.collect::<Vec<_>>().join(", ")));
    for (stream, rules) in &index.rules {
        facts.push((language.of("Règles", "Rules"), format!("{stream}: {rules}")));
    }
    match &material.checkpoint {
        None => facts.push((
            language.of("Point de contrôle", "Checkpoint"),
            language.of("aucun n’a encore été signé", "none has been signed yet").to_owned(),
        )),
        Some((checkpoint, _)) => {
            facts.push((language.of("Point de contrôle", "Checkpoint"), checkpoint.origin.clone()));
            facts.push((language.of("Taille", "Size"), checkpoint.size.to_string()));
            facts.push((language.of("Racine", "Root"), hex::encode(checkpoint.root)));
        }
    }
    if let Some(completeness) = &index.completeness {
        facts.push((language.of("Manifeste", "Manifest"), format!("#{}", completeness.manifest)));
    }
    facts.into_iter().map(|(label, value)| (label.to_owned(), value)).collect()
}

/// Each event's sentence; without opened values only its names.
async fn events(ledger: &Ledger, material: &Material, open: bool, language: Language) -> anyhow::Result<Section> {
    let under = material.checkpoint.as_ref().map_or(0, |(checkpoint, _)| checkpoint.size);
    let mut paragraphs = Vec::with_capacity(material.events.len());
    for event in &material.events {
        let told = if open { ledger.read_positions(&[event.position]).await } else { Ok(Vec::new()) };
        let mut lines: Vec<String> = match told.unwrap_or_default().first() {
            Some(told) => history::entry(language, told).lines().map(|line| line.trim().to_owned()).collect(),
            None => {
                let file = EventFile::new(event, false, |_| None);
                vec![format!("#{}  {}", event.position, file.recorded_at), event.event_type.clone(), file.actor]
            }
        };
        if event.position >= under {
            lines.push(language.of("pas encore sous un point de contrôle", "not under a checkpoint yet").to_owned());
        }
        lines.push(format!("{} {}", language.of("feuille", "leaf"), hex::encode(event.leaf)));
        paragraphs.push(lines);
    }
    Ok(Section { heading: language.of("Événements", "Events").to_owned(), paragraphs })
}

fn erased(material: &Material, language: Language) -> Section {
    let told = material.erased.iter().map(|erased| {
        let by = match erased.erased_by {
            Some(event) => format!("{} #{event}", language.of("effacé par l’événement", "erased by event")),
            None => language.of("sans événement d’effacement", "without an erasing event").to_owned(),
        };
        let (event, of) = (language.of("donnée", "value"), language.of("de", "of"));
        vec![format!("#{} {event} {} {of} {} : {by}", erased.position, erased.segment, erased.subject)]
    });
    let mut paragraphs: Vec<Vec<String>> = told.collect();
    if paragraphs.is_empty() {
        paragraphs.push(vec![language.of("Aucune.", "None.").to_owned()]);
    }
    Section { heading: language.of("Données effacées", "Erased data").to_owned(), paragraphs }
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
    let heading = language.of("Vérifier", "Verifying").to_owned();
    Section { heading, paragraphs: vec![vec![text.to_owned()]] }
}
