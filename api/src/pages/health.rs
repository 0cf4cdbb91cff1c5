//! For supervisors: is the process alive, and can it serve.

use crate::app::App;
use crate::delivery::Counts;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use ledger::checkpoint::Health;
use projections::{Name, poison};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest wait for the database's answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process answers. It looks at nothing else, so that a database that is away does not get
/// healthy processes killed.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// What `/readyz` says.
#[derive(Debug, Default, serde::Serialize)]
pub struct Readiness {
    /// Whether requests can be served.
    ready: bool,
    /// Whether the database answers.
    database: bool,
    /// Events that each view has still to take in. A view that lags is served from all the same: what depends on a
    /// write waits for it by itself.
    behind: BTreeMap<&'static str, u64>,
    /// Views that stand still at an event they can't take in, and since when. Requests are served, but what these
    /// views show is as old as that: `matricule views status` tells more.
    stopped: BTreeMap<&'static str, Stopped>,
    /// Events that views pass over by decision.
    skipped: usize,
    /// What became of messages since this instance started.
    messages: Counts,
    /// How checkpoints fare. Requests are served even where none can be signed: the alert is for who runs the service.
    checkpoint: Health,
}

/// A view that stands still.
#[derive(Debug, serde::Serialize)]
struct Stopped {
    position: u64,
    event_type: Option<String>,
    since: DateTime<Utc>,
}

/// `GET /readyz`: whether requests can be served now.
pub async fn ready(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let readiness = match tokio::time::timeout(PATIENCE, look(&app)).await {
        Ok(Ok(readiness)) => readiness,
        Ok(Err(_)) | Err(_) => Readiness::default(),
    };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

async fn look(app: &App) -> sqlx::Result<Readiness> {
    let behind = behind(app).await?;
    let stopped = poison::stops(&app.db).await?.into_iter().map(|stop| {
        let event_type = stop.event.map(|event| event.event_type);
        (stop.view.as_str(), Stopped { position: stop.fault.position, event_type, since: stop.since })
    });
    let (stopped, skipped) = (stopped.collect(), poison::skips(&app.db).await?.len());
    let (messages, checkpoint) = (app.sending.counts(), app.checkpoints.borrow().clone());
    Ok(Readiness { ready: true, database: true, behind, stopped, skipped, messages, checkpoint })
}

async fn behind(app: &App) -> sqlx::Result<BTreeMap<&'static str, u64>> {
    // Asked of the database and before the checkpoints, so that a view never seems ahead.
    let size: i64 = sqlx::query_scalar("SELECT size FROM ledger.head").fetch_one(&app.db).await?;
    let mut behind = BTreeMap::new();
    for name in Name::ALL {
        let next = app.views.checkpoint(name).await?;
        behind.insert(name.as_str(), size.unsigned_abs().saturating_sub(next));
    }
    Ok(behind)
}
