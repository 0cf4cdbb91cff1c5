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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::response::Redirect;
    use axum::routing::get;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn point_26_no_redirect_is_followed_and_an_answer_has_a_size() {
        let reached = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&reached);
        let inside = get(async move || {
            seen.store(true, Ordering::Relaxed);
            "private"
        });
        let routes = Router::new()
            .route("/redirect", get(async || Redirect::temporary("/inside")))
            .route("/inside", inside)
            .route("/endless", get(async || vec![b'x'; LONGEST + 1]))
            .route("/full", get(async || vec![b'x'; LONGEST]))
            .route("/bytes", get(async || vec![0xff]));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let client = client().unwrap();
        let ask = |path: &str| bytes(client.get(format!("{origin}{path}")));
        assert_eq!(ask("/redirect").await.unwrap().0, StatusCode::TEMPORARY_REDIRECT);
        assert!(!reached.load(Ordering::Relaxed), "the redirect leads nowhere");
        assert_eq!(ask("/full").await.unwrap().1.len(), LONGEST);
        assert_eq!(ask("/endless").await.unwrap_err(), "the answer is too long");
        assert!(text(client.get(format!("{origin}/bytes"))).await.is_err());
        let gone = bytes(client.get("http://127.0.0.1:1/?signature=secret")).await.unwrap_err();
        assert!(!gone.contains("secret"), "{gone}");
    }
}
