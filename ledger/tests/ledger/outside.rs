//! Others that checkpoints are handed to: an object store, a time-stamping authority.

use crate::checkpoint::{settings, until, visits};
use crate::support::*;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use ledger::checkpoint::{Checkpoints, Keep, ObjectStore};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use url::Url;

/// Serves on loopback for as long as the test runs.
async fn serve(routes: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Url::parse(&url).unwrap()
}

type Objects = Arc<Mutex<HashMap<String, String>>>;

/// What of an S3 store is needed here: one object put and got, for who signs.
fn object_store() -> Router {
    fn signed(query: Option<String>) -> Result<(), StatusCode> {
        let query = query.unwrap_or_default();
        let ours = query.contains("X-Amz-Credential=a-key%2F") && query.contains("X-Amz-Signature=");
        if ours { Ok(()) } else { Err(StatusCode::FORBIDDEN) }
    }
    let read = async |State(objects): State<Objects>, Path(path): Path<String>, RawQuery(query): RawQuery| {
        signed(query)?;
        objects.lock().unwrap().get(&path).cloned().ok_or(StatusCode::NOT_FOUND)
    };
    let write = async |State(objects): State<Objects>, Path(path): Path<String>, RawQuery(query): RawQuery, body| {
        signed(query)?;
        objects.lock().unwrap().insert(path, body);
        Ok::<_, StatusCode>(())
    };
    Router::new().route("/{*path}", get(read).put(write)).with_state(Objects::default())
}

fn keep_in(endpoint: Url, key: &str) -> Keep {
    let credentials = (key.to_owned(), "a-secret".to_owned());
    let store = ObjectStore::new(endpoint, "eu".to_owned(), "bucket".to_owned(), "log/last".to_owned(), credentials);
    Keep::Store(Box::new(store.unwrap()))
}

#[tokio::test]
async fn an_object_store_keeps_the_last_checkpoint() {
    let endpoint = serve(object_store()).await;
    let keep = keep_in(endpoint.clone(), "a-key");
    assert_eq!(keep.load().await.unwrap(), None);
    let (ledger, _database) = ledger().await;
    visits(&ledger, 2).await;
    let dir = tempfile::tempdir().unwrap();
    let settings = ledger::checkpoint::Settings { keep: keep.clone(), ..settings(dir.path()) };
    let checkpoints = Checkpoints::start(ledger.clone(), settings).unwrap();
    until(&checkpoints, |health| health.size == Some(2)).await;
    visits(&ledger, 2).await;
    until(&checkpoints, |health| health.size == Some(4)).await;
    checkpoints.stop().await;
    let published = ledger.published_checkpoint().await.unwrap().unwrap();
    assert_eq!(keep.load().await.unwrap(), Some(published.text));
    let stranger = keep_in(endpoint, "another-key");
    assert!(stranger.load().await.is_err(), "refused is not empty");
    let refused = stranger.store("x").await.unwrap_err().to_string();
    assert!(refused.contains("403") && !refused.contains("Signature"), "{refused}");
}

/// An authority made of `openssl ts`.
struct Tsa(PathBuf);

const CONFIGURATION: &str = "
[ req ]
distinguished_name = name
prompt = no
[ name ]
CN = Fictional time-stamping authority
[ ca ]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[ stamper ]
extendedKeyUsage = critical, timeStamping
[ tsa ]
default_tsa = one
[ one ]
serial = $ENV::TSA_DIR/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
";

impl Tsa {
    fn new(dir: PathBuf) -> Self {
        let tsa = Self(dir);
        std::fs::write(tsa.0.join("configuration"), CONFIGURATION).unwrap();
        std::fs::write(tsa.0.join("serial"), "01").unwrap();
        let key = "req -config configuration -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        tsa.must(&format!("{key} -x509 -days 2 -extensions ca -keyout ca.key -out ca.pem"));
        tsa.must(&format!("{key} -keyout tsa.key -out tsa.csr"));
        tsa.must(
            "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile configuration \
             -extensions stamper -out tsa.pem",
        );
        tsa
    }

    fn openssl(&self, arguments: &str) -> Output {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace()).current_dir(&self.0).env("TSA_DIR", &self.0);
        command.output().expect("openssl is there: scripts/test installs it")
    }

    fn must(&self, arguments: &str) -> Vec<u8> {
        let run = self.openssl(arguments);
        assert!(run.status.success(), "{arguments}: {}", String::from_utf8_lossy(&run.stderr));
        run.stdout
    }

    fn reply(&self, query: &[u8]) -> Vec<u8> {
        std::fs::write(self.0.join("query"), query).unwrap();
        let reply = "ts -reply -config configuration -section one -queryfile query -inkey tsa.key -signer tsa.pem";
        self.must(reply)
    }

    /// Whether the token is over these data, as openssl finds.
    fn verifies(&self, data: &[u8], token: &[u8]) -> bool {
        std::fs::write(self.0.join("data"), data).unwrap();
        std::fs::write(self.0.join("token"), token).unwrap();
        self.openssl("ts -verify -data data -in token -token_in -CAfile ca.pem").status.success()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checkpoint_of_a_day_has_a_timestamp_that_openssl_verifies() {
    let (ledger, _database) = ledger().await;
    visits(&ledger, 2).await;
    let dir = tempfile::tempdir().unwrap();
    let tsa = Arc::new(Tsa::new(dir.path().to_owned()));
    let stamp = async |State(tsa): State<Arc<Tsa>>, query: Bytes| tsa.reply(&query);
    let url = serve(Router::new().route("/", post(stamp)).with_state(tsa.clone())).await;
    let settings = ledger::checkpoint::Settings { timestamps: Some(url.clone()), ..settings(&dir.path().join("log")) };
    let checkpoints = Checkpoints::start(ledger.clone(), settings).unwrap();
    until(&checkpoints, |health| health.size == Some(2)).await;
    checkpoints.stop().await;
    let daily = ledger.daily_checkpoint(ledger.now().date_naive()).await.unwrap().unwrap();
    assert_eq!(daily.authority.as_deref(), Some(url.as_str()));
    let token = daily.token.unwrap();
    assert!(tsa.verifies(daily.text.as_bytes(), &token));
    assert!(!tsa.verifies(daily.text.replacen('2', "3", 1).as_bytes(), &token));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_answers_something_else_is_not_believed() {
    let (ledger, _database) = ledger().await;
    visits(&ledger, 2).await;
    let dir = tempfile::tempdir().unwrap();
    let tsa = Tsa::new(dir.path().to_owned());
    // The answer to another question.
    std::fs::write(dir.path().join("other"), "other").unwrap();
    let stale = tsa.reply(&tsa.must("ts -query -data other -sha256 -cert"));
    let routes = Router::new().route("/", post(async move || stale.clone()));
    let settings =
        ledger::checkpoint::Settings { timestamps: Some(serve(routes).await), ..settings(&dir.path().join("log")) };
    let checkpoints = Checkpoints::start(ledger.clone(), settings).unwrap();
    until(&checkpoints, |health| health.size == Some(2)).await;
    checkpoints.stop().await;
    // Published all the same; the day waits for its timestamp.
    assert!(ledger.published_checkpoint().await.unwrap().is_some());
    assert_eq!(ledger.daily_checkpoint(ledger.now().date_naive()).await.unwrap(), None);
}
