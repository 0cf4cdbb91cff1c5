//! `/api/imports`: the same import over HTTP, for programs of the school information systems.
//!
//! Files are streamed to disk, the answer is 202 with the address of the status, and the import goes on by itself;
//! one that a stop of the service interrupted goes on at the next start. Callers show an operator's token, of which
//! the configuration holds the SHA-256.

use super::report::{ReportFormat, write_report};
use super::{ImportOptions, Importer, Outcome, store};
use crate::app::App;
use crate::incident::AppError;
use axum::Json;
use axum::extract::multipart::Field;
use axum::extract::{FromRequestParts, Multipart, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::ids::ImportId;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::pin::pin;
use tokio::fs;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Imports at once; more wait for their turn.
static TURNS: Semaphore = Semaphore::const_new(2);
/// Files of one request at most: two for each of some hundred schools.
const MOST_FILES: usize = 512;

/// The caller showed an operator's token.
pub struct OperatorToken;

impl FromRequestParts<App> for OperatorToken {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, AppError> {
        let shown = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = shown.and_then(|value| value.strip_prefix("Bearer "));
        let known = token.is_some_and(|token| {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.trim().as_bytes());
            let digest = hex::encode(digest);
            // Digests of high-entropy tokens: how long a comparison takes tells nothing about a token.
            app.config.imports.tokens.iter().any(|known| known.eq_ignore_ascii_case(&digest))
        });
        if known {
            return Ok(Self);
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
    /// `received`, `running`, `done` (every export went in or was in already) or `refused` (at least one was not).
    pub state: String,
    /// One for each export, once finished.
    pub exports: Vec<serde_json::Value>,
}

fn folder(app: &App, id: Uuid) -> PathBuf {
    app.config.data_dir.join("imports").join(id.to_string())
}

/// `POST /api/imports`: multipart form; parts `file` (any number), `uai`, `allow_older`, `accept_departures`.
///
/// # Errors
/// 401 without an operator's token, 400 where the form is none, 413 where it is too large.
pub async fn create(
    _: OperatorToken,
    State(app): State<App>,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Result<Response, AppError> {
    let id = Uuid::now_v7();
    let folder = folder(&app, id);
    fs::create_dir_all(&folder).await?;
    let mut form = form.map_err(|_| AppError::bad_request())?;
    let options = match receive(&app, &mut form, &folder).await {
        Ok(options) => options,
        Err(refused) => {
            fs::remove_dir_all(&folder).await?;
            return Err(refused);
        }
    };
    sqlx::query(
        "INSERT INTO service.import_request (id, state, options, received_at) VALUES ($1, 'received', $2::json, $3)",
    )
    .bind(id)
    .bind(serde_json::to_string(&options)?)
    .bind(app.clock.now())
    .execute(&app.db)
    .await?;
    tokio::spawn(run(app.clone(), id, options));
    let status = ImportStatus { id, state: "received".to_owned(), exports: Vec::new() };
    let location = HeaderValue::from_str(&format!("/api/imports/{id}"))?;
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(status)).into_response())
}

async fn receive(app: &App, form: &mut Multipart, folder: &std::path::Path) -> Result<ImportOptions, AppError> {
    let mut options = ImportOptions { departure_share: app.config.imports.departure_share, ..ImportOptions::default() };
    let mut files = 0;
    let mut room = app.config.http.import_limit.0;
    while let Some(field) = form.next_field().await.map_err(too_large_or_bad)? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "file" if files < MOST_FILES => {
                files += 1;
                save(field, folder, files, &mut room).await?;
            }
            "uai" => {
                let text = short(field).await?;
                options.uai = Some(text.parse().map_err(|_| AppError::bad_request())?);
            }
            "allow_older" => options.allow_older = flag(field).await?,
            "accept_departures" => options.accept_departures = flag(field).await?,
            _ => return Err(AppError::bad_request()),
        }
    }
    if files == 0 { Err(AppError::bad_request()) } else { Ok(options) }
}

/// A part that is no file.
async fn short(mut field: Field<'_>) -> Result<String, AppError> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(too_large_or_bad)? {
        text.extend_from_slice(&chunk);
        if text.len() > 64 {
            return Err(AppError::bad_request());
        }
    }
    String::from_utf8(text).map_err(|_| AppError::bad_request())
}

async fn flag(field: Field<'_>) -> Result<bool, AppError> {
    match short(field).await?.as_str() {
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
async fn save(mut field: Field<'_>, folder: &std::path::Path, number: usize, room: &mut u64) -> Result<(), AppError> {
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
    while let Some(chunk) = field.chunk().await.map_err(too_large_or_bad)? {
        *room = room.checked_sub(chunk.len() as u64).ok_or_else(too_large)?;
        file.write_all(&chunk).await?;
    }
    file.sync_all().await?;
    Ok(())
}

/// Imports what was received and keeps what became of it; then the files go: they hold personal data.
async fn run(app: App, id: Uuid, options: ImportOptions) {
    let Ok(_turn) = TURNS.acquire().await else { return };
    if let Err(error) = run_to_its_end(&app, id, &options).await {
        // The row stays open: the next start of the service takes the request up again.
        tracing::error!(%id, error = %error, "an import stopped and will go on at the next start");
    }
}

async fn run_to_its_end(app: &App, id: Uuid, options: &ImportOptions) -> anyhow::Result<()> {
    sqlx::query("UPDATE service.import_request SET state = 'running' WHERE id = $1").bind(id).execute(&app.db).await?;
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
    let mut exports = Vec::new();
    let mut refused = false;
    let mut outcomes = pin!(importer.import_all(files, options, &|_| {}).await?);
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(outcome) => exports.push(serde_json::to_value(&outcome)?),
            Err(error) if error.can_be_resumed() => return Err(error.into()),
            Err(error) => {
                refused = true;
                // The folder's path says nothing to the caller.
                let told = error.to_string().replace(&format!("{}/", folder.display()), "");
                exports.push(serde_json::json!({ "refused": told }));
            }
        }
    }
    sqlx::query("UPDATE service.import_request SET state = $2, outcome = $3::json, finished_at = $4 WHERE id = $1")
        .bind(id)
        .bind(if refused { "refused" } else { "done" })
        .bind(serde_json::to_string(&exports)?)
        .bind(app.clock.now())
        .execute(&app.db)
        .await?;
    fs::remove_dir_all(&folder).await?;
    Ok(())
}

fn importer(app: &App) -> Importer {
    Importer::new(app.ledger.clone(), app.db.clone(), app.views.clone(), Default::default())
}

/// Takes up the requests that a stop of the service interrupted, as far as their files are on this machine.
///
/// # Errors
/// When the database fails.
pub async fn resume(app: &App) -> sqlx::Result<()> {
    let open: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT id, options::text FROM service.import_request WHERE finished_at IS NULL ORDER BY received_at",
    )
    .fetch_all(&app.db)
    .await?;
    for (id, options) in open {
        let here = fs::try_exists(folder(app, id)).await.unwrap_or_default();
        if here && let Ok(options) = serde_json::from_str(&options) {
            tokio::spawn(run(app.clone(), id, options));
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
    _: OperatorToken,
    State(app): State<App>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    let mut lines = Vec::new();
    for export in find(&app, id).await?.exports {
        if let Ok(Outcome::Imported(summary)) = serde_json::from_value(export) {
            lines.extend(store::remarks(&app.db, ImportId(summary.import.0)).await?);
        }
    }
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
