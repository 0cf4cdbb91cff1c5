//! `matricule incident REFERENCE`: request → commands → events.

use super::{Global, attach};
use crate::access::local_read;
use crate::incident::{Reference, RequestRow, find};
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Args;
use cqrs_es::Aggregate;
use domain::relying_party::RelyingParty;
use ledger::access::Query;
use ledger::postgres::Role;
use uuid::Uuid;

/// Show what stands behind an incident reference.
#[derive(Debug, Args)]
pub struct Incident {
    /// The reference as the user reads it out, e.g. K7R-2WA-Q0XZ; case, dashes and spaces don't matter
    #[arg(required = true)]
    reference: Vec<String>,
}

type EventRow = (i64, String, String, i64, String, DateTime<Utc>, String, Option<String>, String, Uuid);

impl Incident {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let reference: Reference = self.reference.concat().parse()?;
        let config = global.load()?;
        let database = attach(&config).await?;
        let pool = database.pool(Role::Service, 1).await?;
        let requests = find(&pool, reference).await?;
        let events = events(&pool, reference).await?;
        let query = Query {
            name: "incident",
            concerned: concerned(&requests, &events),
            filter: Some(format!("reference={}", reference.compact())),
            results: requests.len() as u64 + events.len() as u64,
            ..Query::default()
        };
        let recorded = local_read(&pool, query).await;
        recorded.context("the read can't be recorded in the access log, so nothing is shown")?;
        print(reference, &requests, &events);
        pool.close().await;
        database.close().await;
        Ok(())
    }
}

/// The headers of the events that the reference's commands left. Their content is personal and stays sealed: the
/// account's timeline is `matricule-replay history`.
async fn events(pool: &sqlx::PgPool, reference: Reference) -> Result<Vec<EventRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT position, stream_type, stream_id, sequence, event_type, recorded_at, actor, on_behalf_of, reason, command_id
         FROM ledger.event WHERE reference = $1 ORDER BY position",
    )
    .bind(reference.compact())
    .fetch_all(pool)
    .await
}

/// Whom the answer is about: who was signed in, and whose streams the commands changed.
fn concerned(requests: &[RequestRow], events: &[EventRow]) -> Vec<Uuid> {
    let signed_in = requests.iter().filter_map(|request| request.account.map(|account| account.0));
    // Streams of establishments have no UUID; relying parties are nobody's data.
    let streams = events.iter().filter(|event| event.1 != RelyingParty::TYPE);
    signed_in.chain(streams.filter_map(|event| event.2.parse().ok())).collect()
}

fn print(reference: Reference, requests: &[RequestRow], events: &[EventRow]) {
    println!("Incident {reference}");
    if requests.is_empty() {
        println!("\nNo request has this reference: it was kept for as long as configured, or never given out.");
    }
    for request in requests {
        println!("\nRequest   {} {}", request.method, request.route);
        println!("Arrived   {}", request.started_at.format("%Y-%m-%d %H:%M:%S%.3f UTC"));
        println!("Took      {:.1} ms", request.duration.as_secs_f64() * 1_000.0);
        let code = request.error_code.as_deref().map_or(String::new(), |code| format!(" ({code})"));
        println!("Answered  {}{code}", request.status);
        println!("Signed in {}", request.account.map_or("nobody".to_owned(), |account| format!("account {account}")));
        if let Some(cause) = &request.cause {
            println!("Cause     {cause}");
        }
        for command in &request.commands {
            let left = events.iter().filter(|event| event.9 == *command).count();
            let outcome = if left == 0 { "refused: it left no event".to_owned() } else { format!("{left} event(s)") };
            println!("Command   {command} — {outcome}");
        }
    }
    if !events.is_empty() {
        println!("\nEvents");
    }
    for (position, stream_type, stream_id, sequence, event_type, recorded_at, actor, behalf, reason, _) in events {
        let behalf = behalf.as_ref().map_or(String::new(), |who| format!(" on behalf of {who}"));
        println!("  {position:>8}  {}  {event_type}", recorded_at.format("%Y-%m-%d %H:%M:%S%.3f UTC"));
        println!("            {stream_type} {stream_id} #{sequence}, by {actor}{behalf}, {reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::new_reference;
    use crate::testing::TestService;
    use domain::context::{Actor, Context, Reason};
    use domain::establishment::{Establishment, EstablishmentCommand};
    use domain::identifiers::Degree;
    use domain::ids::CommandId;

    #[tokio::test]
    async fn a_reference_leads_to_the_events_of_its_commands() {
        let service = TestService::start().await;
        let (app, reference) = (service.app(), new_reference());
        let command = CommandId(Uuid::now_v7());
        let context = Context {
            command,
            actor: Actor::Operator("17".into()),
            on_behalf_of: None,
            reason: Reason::Administration,
            reference: Some(reference.compact().to_owned()),
            effective_at: app.clock.now(),
        };
        let uai: domain::identifiers::Uai = "0750001C".parse().unwrap();
        let describe = EstablishmentCommand::Describe { uai, name: None, academie: None, degree: Degree::Second };
        app.ledger.execute::<Establishment>("0750001C", describe, &context).await.unwrap();
        let found = events(&app.db, reference).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].9, found[0].6.as_str(), found[0].8.as_str()),
            (command.0, "operator:17", "administration")
        );
        assert!(events(&app.db, new_reference()).await.unwrap().is_empty());
    }
}
