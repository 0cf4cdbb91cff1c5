//! What leaves the house, and what is verified away from it: the commands `export` and `verify`.

use crate::account;
use crate::bundle::{Answer, Subject, Trust, Verdict, export as make, own_log_keys, verify as judge};
use crate::language::Language;
use crate::source::Opened;
use crate::trace;
use crate::words::checks::remedy;
use anyhow::{Context, bail};
use domain::reference::Reference;
use ledger::access::Query;
use ledger::checkpoint::{Statement, VerifierKey};
use ledger::{Check, Ledger};
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Exit code where nothing failed, but something is not under a checkpoint yet.
const PENDING: u8 = 3;
/// Exit code where all is verified, but by the bundle's own key only.
const OWN_KEYS: u8 = 4;

/// Makes a bundle, records that in the access log, then writes the file.
///
/// # Errors
/// There is no such account or case, the ledger can't be read, or the file is there already.
pub async fn export(
    opened: &Opened,
    what: &str,
    purpose: &str,
    file: Option<PathBuf>,
    open: bool,
    given: &[VerifierKey],
    language: Language,
) -> anyhow::Result<()> {
    if purpose.trim().is_empty() {
        bail!("say what the bundle is for: --for \"…\"");
    }
    let (subject, filter, name) = match what.parse::<Reference>() {
        // A login has a dot or is no reference by its check character.
        Ok(reference) => {
            let compact = reference.compact().to_owned();
            (Subject::Case(reference), format!("reference={compact}"), format!("case-{compact}"))
        }
        Err(_) => {
            let account = account::find(&opened.ledger, what).await?;
            (Subject::Account(account), format!("account={account}"), format!("account-{account}"))
        }
    };
    let vkeys = match given {
        [] => {
            let Trust { logs, witnesses, threshold: _ } = stored_keys(&opened.ledger).await?;
            logs.into_iter().chain(witnesses).collect()
        }
        given => given.to_vec(),
    };
    let texts: Vec<String> = vkeys.iter().map(ToString::to_string).collect();
    let made = make(&opened.ledger, &opened.pool, subject, purpose, &texts, open).await?;
    let file = file.unwrap_or_else(|| PathBuf::from(format!("matricule-{name}.zip")));
    let mut written = OpenOptions::new();
    let mut written = written.write(true).create_new(true).mode(0o600).open(&file).with_context(|| {
        format!("the bundle can't be written to {}: choose another place with --out", file.display())
    })?;
    let query = Query {
        name: "export",
        concerned: made.concerned,
        purpose: Some(purpose.to_owned()),
        filter: Some(filter),
        results: made.events,
        export_hash: Some(made.digest),
        ..Query::default()
    };
    if let Err(error) = trace::staff_read(&opened.ledger, &opened.pool, query).await {
        let _ = std::fs::remove_file(&file); // it is empty
        return Err(error);
    }
    written.write_all(&made.bytes)?;
    written.sync_all()?;
    let (events, digest) = (made.events, hex::encode(made.digest));
    let word = language.of("événements", "events");
    println!("{}: {events} {word}, SHA-256 {digest}", file.display());
    if made.pending > 0 {
        let not_yet = language.of(
            "ne sont pas encore sous un point de contrôle ; exportez de nouveau plus tard pour leur preuve",
            "are not under a checkpoint yet; export again later for their proof",
        );
        println!("{} {not_yet}", made.pending);
    }
    if given.is_empty() && !texts.is_empty() {
        let word = language.of(
            "Clés publiques telles que la base les donne, non obtenues indépendamment ; qui vérifie les demande au \
             service et aux témoins :",
            "Public keys as the database gives them, not independently obtained; whoever verifies asks the service and \
             the witnesses for them:",
        );
        println!("{word}");
        texts.iter().for_each(|key| println!("  {key}"));
    }
    Ok(())
}

/// The public keys that the signing service has stored beside its checkpoint: as good as the database.
///
/// # Errors
/// When the database fails.
pub async fn stored_keys(ledger: &Ledger) -> anyhow::Result<Trust> {
    let published = ledger.published_checkpoint().await?;
    let keys = published.into_iter().flat_map(|published| published.keys);
    let mut keys: Vec<VerifierKey> = keys.filter_map(|key| key.parse().ok()).collect();
    // After a recovery that nothing was published since, the log has another name already.
    for statement in ledger.recoveries().await?.into_iter().filter_map(|recovery| recovery.statement) {
        let Some(origin) = Statement::claimed_origin(&statement) else { continue };
        let renamed: Vec<VerifierKey> =
            keys.iter().filter(|key| !key.is_cosigner()).map(|key| key.renamed(&origin)).collect();
        keys.extend(renamed.into_iter().filter(|key| Statement::verify(&statement, key).is_ok()));
    }
    trust(keys, None, 0)
}

/// Verifies a bundle and prints what can be said of it.
///
/// # Errors
/// The file or the keys can't be read, or no key was given and there is none in the bundle.
pub fn verify(
    bundle: &Path,
    vkeys: Vec<VerifierKey>,
    trusted: Option<&Path>,
    threshold: usize,
    json: bool,
    language: Language,
) -> anyhow::Result<ExitCode> {
    let mut trust = trust(vkeys, trusted, threshold)?;
    let bytes = std::fs::read(bundle).with_context(|| format!("{} can't be read", bundle.display()))?;
    let own_keys = trust.logs.is_empty();
    if own_keys {
        trust.logs = own_log_keys(&bytes);
    }
    if trust.logs.is_empty() {
        bail!("no key to trust: give the ledger's public key, got from its owner, with --vkey or --trust");
    }
    let verdict = judge(&bytes, &trust);
    let mut out = std::io::stdout();
    match json {
        true => writeln!(out, "{:#}", verdict.json())?,
        false => out.write_all(text(&verdict, language).as_bytes())?,
    }
    if own_keys {
        // On the other channel: the object stands alone, and nobody overlooks it.
        let key = &trust.logs[0];
        eprintln!("{} {key}", own_keys_note(language));
    }
    Ok(match (verdict.has_failed(), verdict.is_pending()) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(PENDING),
        (false, false) if own_keys => ExitCode::from(OWN_KEYS),
        (false, false) => ExitCode::SUCCESS,
    })
}

fn own_keys_note(language: Language) -> &'static str {
    language.of(
        "Vérifié avec la clé que le dossier contient, non obtenue indépendamment : il est cohérent, mais qui l’a établi \
         a pu choisir la clé. Demandez-la au service et donnez-la avec --vkey :",
        "Verified by the key in the bundle itself, not independently obtained: it is consistent, but whoever made it \
         could choose the key. Ask the service for it and give it with --vkey:",
    )
}

/// The keys given one by one and in a file.
///
/// # Errors
/// The file can't be read, a line of it is no key, or more witnesses are demanded than trusted.
pub fn trust(vkeys: Vec<VerifierKey>, file: Option<&Path>, threshold: usize) -> anyhow::Result<Trust> {
    let mut keys = vkeys;
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            keys.push(line.parse().with_context(|| format!("{}: `{line}`", file.display()))?);
        }
    }
    let (witnesses, logs): (Vec<_>, Vec<_>) = keys.into_iter().partition(VerifierKey::is_cosigner);
    if threshold > witnesses.len() {
        bail!("{threshold} witnesses are demanded, and {} are trusted: give their keys too", witnesses.len());
    }
    Ok(Trust { logs, witnesses, threshold })
}

/// The texts of these files.
///
/// # Errors
/// One can't be read.
pub fn texts(files: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let read =
        |file: &PathBuf| std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()));
    files.iter().map(read).collect()
}

/// Event by event, then what is wrong with the whole, and what to do. The answers are words of the format and the
/// same in both languages.
fn text(verdict: &Verdict, language: Language) -> String {
    let mut text = match &verdict.checkpoint {
        Some((origin, size, cosignatures)) => {
            let cosigned = language.of("cosignatures", "cosignatures");
            let checkpoint = language.of("point de contrôle", "checkpoint");
            format!("{checkpoint} {origin}, {size}, {cosignatures} {cosigned}\n")
        }
        None => format!("{}\n", language.of("aucun point de contrôle valable", "no checkpoint to be believed")),
    };
    let mut failed: BTreeSet<Check> = BTreeSet::new();
    for event in &verdict.events {
        let answer = match &event.answer {
            Answer::Verified => "VERIFIED".to_owned(),
            Answer::Pending => "PENDING".to_owned(),
            Answer::Erased { by } => {
                let by: Vec<String> = by.iter().map(|event| format!("#{event}")).collect();
                format!("ERASED ({})", by.join(", "))
            }
            Answer::Failed(checks) => {
                failed.extend(checks.keys());
                let told: Vec<String> = checks.iter().map(|(check, detail)| format!("{check}: {detail}")).collect();
                format!("FAILED ({})", told.join("; "))
            }
        };
        text.push_str(&format!("#{:<10} {:<28} {answer}\n", event.position, event.event_type));
    }
    for (check, detail) in &verdict.findings {
        failed.insert(*check);
        text.push_str(&format!("FAILED {check}: {detail}\n"));
    }
    for check in failed {
        text.push_str(&format!("→ {check}: {}\n", remedy(language, check)));
    }
    text.push_str(&format!("{}\n", verdict.word().to_uppercase()));
    text
}
