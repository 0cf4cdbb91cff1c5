//! `/audit/v1`: the auditor's questions over HTTP, for the audit role only.
//!
//! ```text
//!   bearer credential, purpose ─▶ Asker ─▶ Question ─▶ answer (masked) ─▶ access log ─▶ response
//!                                   │                     ▲ in clear, or in bulk
//!                                   └─▶ disclosure: asked ─▶ approved by another auditor, for a while
//! ```
//!
//! Nothing is answered before the query stands in the access log, with its purpose, its filter, the number of results
//! and the SHA-256 of the answer. Answers are masked: events without their personal values. What a second auditor has
//! approved, for one question and a limited time, is answered in clear or in bulk.

mod announce;
mod ask;
mod asker;
pub mod auditors;
mod disclosures;
mod question;
mod refusal;
#[cfg(test)]
mod tests;

pub use announce::announce;
pub use disclosures::sweep;

use crate::app::App;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};

/// The description of the interface, kept by hand and held against [`routes`] by a test.
const OPENAPI: &str = include_str!("openapi.json");

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/audit/v1/openapi.json", get(openapi))
        .route("/audit/v1/accounts/{account}/history", get(ask::history))
        .route("/audit/v1/accounts/{account}/state", get(ask::state))
        .route("/audit/v1/accounts/{account}/fields/{field}", get(ask::explain))
        .route("/audit/v1/accounts/{account}/diff", get(ask::diff))
        .route("/audit/v1/accounts/{account}/reads", get(ask::reads))
        .route("/audit/v1/events", get(ask::events))
        .route("/audit/v1/disclosures", get(disclosures::list).post(disclosures::request))
        .route("/audit/v1/disclosures/{id}/approve", post(disclosures::approve))
        .route("/audit/v1/disclosures/{id}/refuse", post(disclosures::refuse))
        .route("/audit/v1/disclosures/{id}/result", get(disclosures::result))
}

/// `GET /audit/v1/openapi.json`: open to all, like the rest of the source.
async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}
