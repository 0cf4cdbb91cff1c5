//! For supervisors: is the process alive, and can it serve.

use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use std::time::Duration;

/// Longest wait for the database's answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process answers. It looks at nothing else, so that a database that is away does not get
/// healthy processes killed.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// What `/readyz` says.
#[derive(serde::Serialize)]
pub struct Readiness {
    ready: bool,
    database: bool,
}

/// `GET /readyz`: whether requests can be served now.
pub async fn ready(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let asked = tokio::time::timeout(PATIENCE, sqlx::query("SELECT 1").execute(&app.db)).await;
    let database = matches!(asked, Ok(Ok(_)));
    let status = if database { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready: database, database }))
}
