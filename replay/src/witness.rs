//! `matricule-replay witness`: being a witness for other institutions' logs (C2SP tlog-witness).

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ledger::checkpoint::witness::{SIZE_TYPE, Verdict, WitnessError, WitnessService};
use ledger::checkpoint::{KeySource, VerifierKey};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

/// A proof and a checkpoint with many signatures are shorter.
const LONGEST_BODY: usize = 64 << 10;
const TEXT: &str = "text/plain; charset=utf-8";

/// What the witness needs to know.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Address and port to listen on; put a proxy with TLS in front
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Name to sign under, a URL without scheme
    #[arg(long)]
    name: String,
    /// File of the signing key, made at the first start
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Directory that remembers each log's last checkpoint [default: beside the key, `witness`]
    #[arg(long, value_name = "DIRECTORY")]
    state: Option<PathBuf>,
    /// Verifier key of a log to witness, as `matricule checkpoint key` prints it; once for each log
    #[arg(long = "log", value_name = "VKEY", required = true)]
    logs: Vec<VerifierKey>,
}

/// Runs the witness until it is told to stop.
///
/// # Errors
/// The key, the logs' keys or the address can't be used.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let Options { listen, name, key, state, logs } = options;
    let state = state.unwrap_or_else(|| key.with_file_name("witness"));
    std::fs::create_dir_all(&state).with_context(|| format!("can't make {}", state.display()))?;
    // A witness that lost its key must not get another by itself while it remembers what it signed.
    let fresh = std::fs::read_dir(&state)?.next().is_none();
    let key = KeySource::File(key).open(fresh).await?;
    let service = WitnessService::new(name, key, logs, state)?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("can't listen on {listen}"))?;
    println!("Witness on http://{}; logs configure it by its key:\n{}", listener.local_addr()?, service.verifier());
    let stopped = async {
        // Without the signal's handler, the process ends by the signal itself.
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, routes(service)).with_graceful_shutdown(stopped).await?;
    Ok(())
}

/// The witness's two endpoints.
pub fn routes(service: WitnessService) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(checkpoint))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(Arc::new(service))
}

async fn add_checkpoint(State(service): State<Arc<WitnessService>>, body: Bytes) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    match service.add_checkpoint(&body, now).await {
        Ok(verdict) => answer(verdict),
        Err(error) => failed(&error),
    }
}

fn answer(verdict: Verdict) -> Response {
    let text = |status: StatusCode, text: &'static str| (status, [(header::CONTENT_TYPE, TEXT)], text).into_response();
    match verdict {
        Verdict::Cosigned(lines) => (StatusCode::OK, [(header::CONTENT_TYPE, TEXT)], lines).into_response(),
        Verdict::Conflict(size) => {
            (StatusCode::CONFLICT, [(header::CONTENT_TYPE, SIZE_TYPE)], format!("{size}\n")).into_response()
        }
        Verdict::BadRequest => text(StatusCode::BAD_REQUEST, "no such request: see c2sp.org/tlog-witness\n"),
        Verdict::UnknownLog => text(StatusCode::NOT_FOUND, "this log is not configured here\n"),
        Verdict::WrongSignature => text(StatusCode::FORBIDDEN, "not signed by the log's key\n"),
        Verdict::NotConsistent => {
            text(StatusCode::UNPROCESSABLE_ENTITY, "does not extend the checkpoint that was cosigned last\n")
        }
    }
}

async fn checkpoint(State(service): State<Arc<WitnessService>>, Path(origin): Path<String>) -> Response {
    match service.checkpoint(&origin).await {
        Ok(Some(note)) => ([(header::CONTENT_TYPE, TEXT)], note).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &WitnessError) -> Response {
    tracing::error!(%error, "can't witness");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
