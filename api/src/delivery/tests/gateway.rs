//! A stand-in for an SMS gateway: answers as told and remembers what it was asked.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How to answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Status(u16),
    /// To another address of the same gateway, with this status.
    Redirect(u16),
    /// Never.
    Silence,
}

/// What it was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[derive(Default)]
struct Memory {
    answers: VecDeque<Answer>,
    asked: Vec<Asked>,
}

pub(super) struct StandIn {
    memory: Arc<Mutex<Memory>>,
    pub url: url::Url,
    server: JoinHandle<()>,
}

impl StandIn {
    /// Gives these answers in turn, then 200 for ever.
    pub(super) async fn start(answers: &[Answer]) -> Self {
        let memory = Arc::new(Mutex::new(Memory { answers: answers.iter().copied().collect(), asked: Vec::new() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/messages", listener.local_addr().expect("its address"));
        let router = Router::new().fallback(any(answer)).with_state(memory.clone());
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { memory, url: url.parse().expect("a URL"), server }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.memory.lock().expect("no panic while held").asked.clone()
    }

    pub(super) fn config(&self, more: &str) -> crate::config::Sms {
        toml::from_str(&format!("url = '{}'\n{more}", self.url)).expect("a configuration")
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State(memory): State<Arc<Mutex<Memory>>>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let next = {
        let mut memory = memory.lock().expect("no panic while held");
        let body = String::from_utf8_lossy(&body).into_owned();
        memory.asked.push(Asked { path: uri.path().to_owned(), headers, body });
        memory.answers.pop_front().unwrap_or(Answer::Status(200))
    };
    match next {
        Answer::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Answer::Redirect(status) => {
            (StatusCode::from_u16(status).expect("a status"), [(header::LOCATION, "/elsewhere")]).into_response()
        }
        Answer::Silence => std::future::pending().await,
    }
}
