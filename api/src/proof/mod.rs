//! The ledger's tree as static resources: C2SP [tlog-tiles](https://c2sp.org/tlog-tiles) under a configured path.
//!
//! ```text
//!   <path>/checkpoint                  the published checkpoint, cached for a second
//!   <path>/tile/<L>/<N>[.p/<W>]        hashes; never change, cached for ever
//!   <path>/<generation>/…              the same after a recovery: another log, so other addresses
//!   <path>/<generation>/recovery       what the log's key says of that recovery
//! ```
//!
//! Entry bundles (`tile/entries/…`) are not served: an entry names stream and actor, and is for auditors only. Hashes
//! tell nothing: each commits to random bytes.

use crate::app::App;
use crate::incident::AppError;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ledger::checkpoint::Published;
use ledger::leaf::sha256;
use ledger::tree::TileId;

/// A checkpoint is replaced within seconds.
const BRIEFLY: &str = "public, max-age=1";
/// What a tile's path says never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const NO_TYPE: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";

/// Behind the configured path.
pub(crate) const RESOURCE: &str = "/{*resource}";

/// The routes under the configured path.
pub fn routes(path: &str) -> Router<App> {
    Router::new().route(&format!("{path}{RESOURCE}"), get(resource))
}

/// `GET <path>/…`
///
/// # Errors
/// There is no such resource, or the database fails.
pub async fn resource(
    State(app): State<App>,
    Path(resource): Path<String>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    let published = app.ledger.published_checkpoint().await.map_err(AppError::internal)?;
    let published = published.ok_or_else(|| AppError::not_found().because("nothing is published yet"))?;
    let resource = of_generation(&resource, &published).ok_or_else(AppError::not_found)?;
    if resource == "checkpoint" {
        return Ok(answer(&headers, published.text.into_bytes(), TEXT, BRIEFLY));
    }
    if resource == "recovery" {
        let recoveries = app.ledger.recoveries().await.map_err(AppError::internal)?;
        let last = recoveries.into_iter().find(|recovery| recovery.generation == published.generation);
        let statement = last.and_then(|recovery| recovery.statement).ok_or_else(AppError::not_found)?;
        return Ok(answer(&headers, statement.into_bytes(), TEXT, FOR_EVER));
    }
    let tile: TileId = resource.parse().map_err(|_| AppError::not_found())?;
    if !tile.is_within(published.size) {
        return Err(AppError::not_found().because("beyond the published tree"));
    }
    let hashes = app.ledger.tree().tile(tile).await.map_err(AppError::internal)?;
    let hashes = hashes.ok_or_else(AppError::not_found)?;
    Ok(answer(&headers, hashes, NO_TYPE, FOR_EVER))
}

/// What is asked for within the log that is published now. Under the addresses of an earlier one nothing is served:
/// caches may have other tiles under them.
fn of_generation<'a>(resource: &'a str, published: &Published) -> Option<&'a str> {
    if published.generation == 1 {
        return Some(resource);
    }
    resource.strip_prefix(&published.generation.to_string())?.strip_prefix('/')
}

fn answer(asked: &HeaderMap, body: Vec<u8>, kind: &'static str, caching: &'static str) -> Response {
    let tag = format!("\"{}\"", hex::encode(&sha256(&body)[..16]));
    let known = asked.get_all(header::IF_NONE_MATCH).iter().any(|tags| {
        tags.to_str().is_ok_and(|tags| tags.split(',').any(|known| matches!(known.trim(), "*") || known.trim() == tag))
    });
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    // Whoever verifies in a browser may read it: it is public.
    headers.insert(HeaderName::from_static("access-control-allow-origin"), HeaderValue::from_static("*"));
    response
}

#[cfg(test)]
mod tests;
