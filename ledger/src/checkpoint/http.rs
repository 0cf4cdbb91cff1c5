//! Asking configured servers: no redirect is followed, and neither time nor memory is theirs to take.

use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use std::time::Duration;

/// Longest wait for a whole answer.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// Longest answer, in bytes.
const LONGEST: usize = 1 << 20;

pub(super) fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(PATIENCE)
        .user_agent(concat!("matricule/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Sends a request and reads the answer.
///
/// # Errors
/// There is none, or it is too long. The message is without the address: it may be a signed one.
pub(super) async fn bytes(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), String> {
    let told = |error: reqwest::Error| {
        let error = error.without_url();
        match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        }
    };
    let mut answer = request.send().await.map_err(told)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(told)? {
        if body.len() + chunk.len() > LONGEST {
            return Err("the answer is too long".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok((answer.status(), body))
}

/// [`bytes`], as text.
pub(super) async fn text(request: RequestBuilder) -> Result<(StatusCode, String), String> {
    let (status, body) = bytes(request).await?;
    Ok((status, String::from_utf8(body).map_err(|_| "the answer is no text")?))
}
