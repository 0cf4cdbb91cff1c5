//! From the reference a user reads out to the request, its commands and the events they left.

use crate::history;
use crate::language::Language;
use chrono::{DateTime, Utc};
use domain::reference::Reference;
use ledger::Ledger;
use sqlx::PgPool;
use std::io::Write;
use uuid::Uuid;

/// One request, as the service recorded it when it had answered.
#[derive(sqlx::FromRow)]
struct Request {
    started_at: DateTime<Utc>,
    duration_us: i64,
    method: String,
    route: String,
    status: i16,
    account: Option<Uuid>,
    error_code: Option<String>,
    cause: Option<String>,
    commands: Vec<Uuid>,
}

/// Writes what stands behind a reference. References are many but not endless, so there may be more than one
/// request. Returns whether anything was found: a refused request leaves no event, a forgotten one no request.
///
/// # Errors
/// The database, the ledger or `out` fails.
pub async fn incident(
    ledger: &Ledger,
    pool: &PgPool,
    reference: Reference,
    language: Language,
    out: &mut (impl Write + Send),
) -> anyhow::Result<bool> {
    let requests: Vec<Request> = sqlx::query_as(
        "SELECT started_at, duration_us, method, route, status, account, error_code, cause, commands \
         FROM service.request WHERE reference = $1 ORDER BY started_at",
    )
    .bind(reference.compact())
    .fetch_all(pool)
    .await?;
    let events = ledger.read_by_reference(reference.compact()).await?;
    writeln!(out, "{} {reference}", language.of("Incident", "Incident"))?;
    if requests.is_empty() {
        let none = language.of(
            "Aucune requête ne porte cette référence : elle n’est plus conservée, ou n’a jamais été donnée.",
            "No request has this reference: it is no longer kept, or was never given out.",
        );
        writeln!(out, "{none}")?;
    }
    for request in &requests {
        writeln!(out, "{}", request.told(language))?;
        for command in &request.commands {
            let left = events.iter().filter(|event| event.command.0 == *command).count();
            let outcome = match left {
                0 => language.of("refusée, sans événement", "refused, without an event").to_owned(),
                left => format!("{left} {}", language.of("événement(s)", "event(s)")),
            };
            writeln!(out, "    {} {command} : {outcome}", language.of("commande", "command"))?;
        }
    }
    for event in &events {
        writeln!(out, "{}", history::entry(language, event))?;
    }
    Ok(!requests.is_empty() || !events.is_empty())
}

impl Request {
    fn told(&self, language: Language) -> String {
        let moment = language.of("%d/%m/%Y %H:%M:%S%.3f UTC", "%Y-%m-%d %H:%M:%S%.3f UTC");
        let account = match self.account {
            Some(account) => format!("{} {account}", language.of("compte", "account")),
            None => language.of("personne de connecté", "nobody signed in").to_owned(),
        };
        let mut text = format!(
            "{}  {} {} → {} ({} ms, {account})",
            self.started_at.format(moment),
            self.method,
            self.route,
            self.status,
            self.duration_us / 1_000,
        );
        if let Some(code) = &self.error_code {
            text.push_str(&format!("\n    {} {code}", language.of("erreur", "error")));
        }
        if let Some(cause) = &self.cause {
            text.push_str(&format!("\n    {} {cause}", language.of("cause", "cause")));
        }
        text
    }
}
