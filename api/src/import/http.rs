//! `/api/imports`: the same import over HTTP, for programs of the school information systems.
//!
//! Files are streamed to disk, the answer is 202 with the address of the status, and the import goes on by itself;
//! one that a stop of the service interrupted goes on at the next start. Callers show an operator's token, of which
//! the configuration holds the SHA-256.

use super::report::{ReportFormat, write_report};
use super::{ImportOptions, Importer, Outcome, store};
use crate::access;
use crate::app::App;
use crate::incident::{AppError, Incident};
use axum::Json;
use axum::extract::multipart::Field;
use axum::extract::{FromRequestParts, Multipart, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::context::Actor;
use domain::ids::ImportId;
use futures::StreamExt;
use ledger::access::Query;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;
use tokio::fs;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tracing::Instrument;
use uuid::Uuid;

/// Imports at once; more wait for their turn.
static TURNS: Semaphore = Semaphore::const_new(2);
/// Files of one request at most: two for each of some hundred schools.
const MOST_FILES: usize = 512;

/// Route of uploads: no limit to the time of the whole, for large files come over slow lines; `http.request_timeout`
/// is the longest pause in one.
pub const UPLOAD: &str = "/api/imports";
/// How often an import that a passing fault stopped is tried.
const ATTEMPTS: u32 = 8;

/// The caller showed an operator's token: who it is, by the token's digest.
pub struct OperatorToken(Actor);

impl FromRequestParts<App> for OperatorToken {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, AppError> {
        let shown = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = shown.and_then(|value| value.strip_prefix("Bearer "));
        let known = token.and_then(|token| {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.trim().as_bytes());
            let digest = hex::encode(digest);
            // Digests of high-entropy tokens: how long a comparison takes tells nothing about a token.
            let known = app.config.imports.tokens.iter().any(|known| known.eq_ignore_ascii_case(&digest));
            known.then(|| Actor::Operator(format!("token-{}", &digest[..12])))
        });
        if let Some(operator) = known {
            return Ok(Self(operator));
        }
        Err(AppError::refused(StatusCode::UNAUTHORIZED, "unauthorized")
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
    }
}

/// Where a request stands.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportStatus {
    /// The request.
    pub id: Uuid,
    /// `received`, `running`, `waiting` (a fault stopped it; it is tried again), `done` (every export went in or was in
    /// already), `refused` (at least one was not) or `failed` (the fault did not pass).
    pub state: String,
    /// One for each export, once finished.
    pub exports: Vec<serde_json::Value>,
}

fn folder(app: &App, id: Uuid) -> PathBuf {
    app.config.data_dir.join("imports").join(id.to_string())
}

/// The folder of an upload. It holds personal data, so it goes with the request that brought it, however that ends,
/// unless the upload is accepted.
struct Received {
    folder: PathBuf,
    accepted: bool,
}

impl Drop for Received {
    fn drop(&mut self) {
        if !self.accepted
            && let Err(error) = std::fs::remove_dir_all(&self.folder)
        {
            tracing::error!(%error, "what arrived of an upload could not be deleted; the next start tries again");
        }
    }
}

/// `POST /api/imports`: multipart form; parts `file` (any number), `uai`, `exported_on`, `allow_older`,
/// `accept_departures`, `accept_identity_changes`.
///
/// # Errors
/// 401 without an operator's token, 400 where the form is none, 413 where it is too large, 503 where it stands still.
pub async fn create(
    _: OperatorToken,
    State(app): State<App>,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Result<Response, AppError> {
    let form = form.map_err(|_| AppError::bad_request())?;
    let id = Uuid::now_v7();
    // On its own: dropped halfway with a caller who hangs up, it could still be making the folder that is deleted. It
    // hears of the end from the form.
    tokio::spawn(take(app, id, form).in_current_span()).await??;
    let status = ImportStatus { id, state: "received".to_owned(), exports: Vec::new() };
    let location = HeaderValue::from_str(&format!("{UPLOAD}/{id}"))?;
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(status)).into_response())
}

async fn take(app: App, id: Uuid, mut form: Multipart) -> Result<(), AppError> {
    let mut received = Received { folder: folder(&app, id), accepted: false };
    fs::create_dir_all(&received.folder).await?;
    let options = receive(&app, &mut form, &received.folder).await?;
    sqlx::query(
        "INSERT INTO service.import_request (id, state, options, received_at) VALUES ($1, 'received', $2::json, $3)",
    )
    .bind(id)
    .bind(serde_json::to_string(&options)?)
    .bind(app.clock.now())
    .execute(&app.db)
    .await?;
    received.accepted = true;
    tokio::spawn(run(app, id, options, ATTEMPTS));
    Ok(())
}

/// Waits for the next piece of an upload, but not for ever.
async fn in_time<T>(
    app: &App,
    piece: impl Future<Output = Result<T, axum::extract::multipart::MultipartError>>,
) -> Result<T, AppError> {
    match tokio::time::timeout(app.config.http.request_timeout.0, piece).await {
        Ok(piece) => piece.map_err(too_large_or_bad),
        Err(_) => Err(AppError::refused(StatusCode::SERVICE_UNAVAILABLE, "timeout")),
    }
}

async fn receive(app: &App, form: &mut Multipart, folder: &std::path::Path) -> Result<ImportOptions, AppError> {
    let mut options = ImportOptions { departure_share: app.config.imports.departure_share, ..ImportOptions::default() };
    let mut files = 0;
    let mut room = app.config.http.import_limit.0;
    while let Some(field) = in_time(app, form.next_field()).await? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "file" if files < MOST_FILES => {
                files += 1;
                save(app, field, folder, files, &mut room).await?;
            }
            "uai" => {
                let text = short(app, field).await?;
                options.uai = Some(text.parse().map_err(|_| AppError::bad_request())?);
            }
            "exported_on" => {
                let text = short(app, field).await?;
                options.exported_on = Some(text.parse().map_err(|_| AppError::bad_request())?);
            }
            "allow_older" => options.allow_older = flag(app, field).await?,
            "accept_departures" => options.accept_departures = flag(app, field).await?,
            "accept_identity_changes" => options.accept_identity_changes = flag(app, field).await?,
            _ => return Err(AppError::bad_request()),
        }
    }
    if files == 0 { Err(AppError::bad_request()) } else { Ok(options) }
}

/// A part that is no file.
async fn short(app: &App, mut field: Field<'_>) -> Result<String, AppError> {
    let mut text = Vec::new();
    while let Some(chunk) = in_time(app, field.chunk()).await? {
        text.extend_from_slice(&chunk);
        if text.len() > 64 {
            return Err(AppError::bad_request());
        }
    }
    String::from_utf8(text).map_err(|_| AppError::bad_request())
}

async fn flag(app: &App, field: Field<'_>) -> Result<bool, AppError> {
    match short(app, field).await?.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(AppError::bad_request()),
    }
}

fn too_large_or_bad(error: axum::extract::multipart::MultipartError) -> AppError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE { too_large() } else { AppError::bad_request() }
}

fn too_large() -> AppError {
    AppError::refused(StatusCode::PAYLOAD_TOO_LARGE, "too-large")
}

/// Streams a part to disk. The name keeps what tells the establishment of an ONDE file, and nothing that a path
/// could be made of; the number keeps two files of one name apart, in a folder each.
async fn save(
    app: &App,
    mut field: Field<'_>,
    folder: &std::path::Path,
    number: usize,
    room: &mut u64,
) -> Result<(), AppError> {
    let given = field.file_name().unwrap_or_default();
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = given.chars().filter(|c| kept(*c)).take(100).collect();
    let name = match name.trim_start_matches('.') {
        "" => "file",
        name => name,
    };
    let folder = folder.join(number.to_string());
    fs::create_dir_all(&folder).await?;
    let mut file = fs::File::create_new(folder.join(name)).await?;
    while let Some(chunk) = in_time(app, field.chunk()).await? {
        *room = room.checked_sub(chunk.len() as u64).ok_or_else(too_large)?;
        file.write_all(&chunk).await?;
    }
    file.sync_all().await?;
    Ok(())
}

/// What became of an export, and whether it was refused.
type Ended = (serde_json::Value, bool);

/// Imports what was received and keeps what became of it; then the files go: they hold personal data. What a passing
/// fault stopped is tried again, and given up in a way the caller sees.
pub async fn run(app: App, id: Uuid, options: ImportOptions, attempts: u32) {
    let mut ended = Vec::new();
    for attempt in 1..=attempts {
        let error = {
            let Ok(_turn) = TURNS.acquire().await else { return };
            match run_to_its_end(&app, id, &options, &mut ended).await {
                Ok(()) => return,
                Err(error) => error,
            }
        };
        if attempt < attempts {
            tracing::warn!(%id, attempt, error = %error, "an import stopped and will be tried again");
            // The fault may be the database's: then the state stays what it was, and the attempts go on.
            let _ = set_state(&app, id, "waiting").await;
            tokio::time::sleep(pause_after(attempt)).await;
        } else {
            tracing::error!(%id, error = %error, "an import stopped and is given up");
        }
    }
    if let Err(error) = give_up(&app, id, &ended).await {
        // The row stays open: the next start of the service takes the request up again.
        tracing::error!(%id, error = %error, "an import could not be given up and will go on at the next start");
    }
}

/// 1, 2, 4 … s, a minute at most: some two minutes in all.
fn pause_after(attempt: u32) -> Duration {
    Duration::from_secs(1 << (attempt - 1).min(6)).min(Duration::from_secs(60))
}

async fn set_state(app: &App, id: Uuid, state: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE service.import_request SET state = $2 WHERE id = $1")
        .bind(id)
        .bind(state)
        .execute(&app.db)
        .await?;
    Ok(())
}

/// Ends a request that a fault keeps from going on.
async fn give_up(app: &App, id: Uuid, ended: &[Ended]) -> anyhow::Result<()> {
    let failed = "the service could not finish: send the same files again, it goes on where it stopped; if it fails \
                  again, the log has the cause under the request's id";
    let mut exports: Vec<serde_json::Value> = ended.iter().map(|(told, _)| told.clone()).collect();
    exports.push(serde_json::json!({ "failed": failed }));
    finish(app, id, "failed", &exports).await
}

/// Keeps what became of a request, then deletes its files.
async fn finish(app: &App, id: Uuid, state: &str, exports: &[serde_json::Value]) -> anyhow::Result<()> {
    sqlx::query("UPDATE service.import_request SET state = $2, outcome = $3::json, finished_at = $4 WHERE id = $1")
        .bind(id)
        .bind(state)
        .bind(serde_json::to_string(exports)?)
        .bind(app.clock.now())
        .execute(&app.db)
        .await?;
    if let Err(error) = fs::remove_dir_all(folder(app, id)).await {
        tracing::error!(%id, %error, "the files of an import could not be deleted; the next start tries again");
    }
    Ok(())
}

/// Imports the exports that have not `ended` in an earlier attempt.
async fn run_to_its_end(app: &App, id: Uuid, options: &ImportOptions, ended: &mut Vec<Ended>) -> anyhow::Result<()> {
    set_state(app, id, "running").await?;
    let folder = folder(app, id);
    let mut files = Vec::new();
    let mut entries = fs::read_dir(&folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let mut inside = fs::read_dir(entry.path()).await?;
        while let Some(file) = inside.next_entry().await? {
            files.push(file.path());
        }
    }
    files.sort();
    let importer = importer(app);
    // In the same order each time, for the files are sorted; those that ended before are in already.
    let mut outcomes = pin!(importer.import_all(files, options, &|_| {}).await?.skip(ended.len()));
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(outcome) => ended.push((serde_json::to_value(&outcome)?, false)),
            Err(error) if error.can_be_resumed() => return Err(error.into()),
            Err(error) => {
                // The folder's path says nothing to the caller.
                let told = error.to_string().replace(&format!("{}/", folder.display()), "");
                ended.push((serde_json::json!({ "refused": told }), true));
            }
        }
    }
    let state = if ended.iter().any(|(_, refused)| *refused) { "refused" } else { "done" };
    let exports: Vec<serde_json::Value> = ended.iter().map(|(told, _)| told.clone()).collect();
    finish(app, id, state, &exports).await
}

fn importer(app: &App) -> Importer {
    let departments = app.config.imports.departments();
    Importer::new(app.ledger.clone(), app.db.clone(), app.views.clone(), departments)
}

/// Takes up the requests that a stop of the service interrupted, as far as their files are on this machine, and
/// deletes what no request waits for: uploads that were cut off.
///
/// # Errors
/// When the database fails.
pub async fn resume(app: &App) -> sqlx::Result<()> {
    let open: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT id, options::text FROM service.import_request WHERE finished_at IS NULL ORDER BY received_at",
    )
    .fetch_all(&app.db)
    .await?;
    if let Err(error) = delete_all_but(app, &open.iter().map(|(id, _)| *id).collect()).await {
        tracing::error!(%error, "uploads that were cut off could not be deleted");
    }
    for (id, options) in open {
        let here = fs::try_exists(folder(app, id)).await.unwrap_or_default();
        if here && let Ok(options) = serde_json::from_str(&options) {
            tokio::spawn(run(app.clone(), id, options, ATTEMPTS));
        }
    }
    Ok(())
}

/// Deletes the folders of requests that are not open.
async fn delete_all_but(app: &App, open: &HashSet<Uuid>) -> std::io::Result<()> {
    let all = app.config.data_dir.join("imports");
    if !fs::try_exists(&all).await? {
        return Ok(());
    }
    let mut entries = fs::read_dir(&all).await?;
    while let Some(entry) = entries.next_entry().await? {
        let id = entry.file_name().to_str().and_then(|name| Uuid::parse_str(name).ok());
        if id.is_some_and(|id| !open.contains(&id)) {
            fs::remove_dir_all(entry.path()).await?;
        }
    }
    Ok(())
}

/// `GET /api/imports/{id}`
///
/// # Errors
/// 401 without an operator's token, 404 where there is no such request.
pub async fn status(
    _: OperatorToken,
    State(app): State<App>,
    Path(id): Path<Uuid>,
) -> Result<Json<ImportStatus>, AppError> {
    find(&app, id).await.map(Json)
}

async fn find(app: &App, id: Uuid) -> Result<ImportStatus, AppError> {
    let row: Option<(String, Option<String>)> =
        sqlx::query_as("SELECT state, outcome::text FROM service.import_request WHERE id = $1")
            .bind(id)
            .fetch_optional(&app.db)
            .await?;
    let (state, outcome) = row.ok_or_else(AppError::not_found)?;
    let exports = outcome.map(|outcome| serde_json::from_str(&outcome)).transpose()?.unwrap_or_default();
    Ok(ImportStatus { id, state, exports })
}

/// `GET /api/imports/{id}/report`: refusals and notices of all its exports; CSV, or JSON where the caller asks for it.
///
/// # Errors
/// As [`status`].
pub async fn report(
    OperatorToken(operator): OperatorToken,
    State(app): State<App>,
    incident: Incident,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    let mut lines = Vec::new();
    for export in find(&app, id).await?.exports {
        if let Ok(Outcome::Imported(summary)) = serde_json::from_value(export) {
            lines.extend(store::remarks(&app.db, ImportId(summary.import.0)).await?);
        }
    }
    let (results, filter) = (lines.len() as u64, Some(format!("request={id}")));
    let query = Query { name: "import-report", filter, results, ..Query::default() };
    access::staff_read(&app, &incident, operator, query).await?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (format, kind) = if accept.contains("json") {
        (ReportFormat::Json, "application/json")
    } else {
        (ReportFormat::Csv, "text/csv; charset=utf-8")
    };
    let mut body = Vec::new();
    write_report(&lines, format, &mut body)?;
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}
