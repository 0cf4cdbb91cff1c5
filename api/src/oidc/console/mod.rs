//! `/console/v1`: relying parties registered and changed by a console, for the operators who use it.
//!
//! ```text
//!   console ──client_credentials, private_key_jwt, scope console──▶ access token (bound by DPoP, where registered so)
//!   console ──bearer, Console-Operator: A-17──▶ Caller ──▶ registry, as on the command line ──▶ events
//! ```
//!
//! The console says which operator acts, by an opaque staff number; every event names both: the operator as its actor,
//! on behalf of the console that vouches for them. A console registers no console: that is for the command line.

mod caller;
mod parties;
mod tokens;

#[cfg(test)]
mod tests;

use crate::app::App;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};

/// The description of the interface, kept by hand and held against [`routes`] by a test.
const OPENAPI: &str = include_str!("openapi.json");

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/console/v1/openapi.json", get(openapi))
        .route("/console/v1/relying-parties", get(parties::list).post(parties::register))
        .route(
            "/console/v1/relying-parties/{client_id}",
            get(parties::show).patch(parties::change).delete(parties::deregister),
        )
        .route("/console/v1/relying-parties/{client_id}/secret", post(parties::secret))
        .route("/console/v1/relying-parties/{client_id}/disable", post(parties::disable))
        .route("/console/v1/relying-parties/{client_id}/enable", post(parties::enable))
        .route("/console/v1/registration-tokens", post(tokens::issue))
        .route("/console/v1/registration-tokens/{id}", delete(tokens::withdraw))
}

/// `GET /console/v1/openapi.json`: open to all, like the rest of the source.
async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}
