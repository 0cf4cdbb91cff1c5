//! Disclosures: a question to be answered in clear or in bulk, once another auditor has approved it.

use super::ask::{hand_out, refuse as say_no};
use super::asker::Asker;
use super::question::{Answer, Part, Question};
use super::refusal::Unanswered;
use crate::app::App;
use crate::incident::AppError;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::auditor::{Auditor, AuditorCommand, AuditorError, Decision};
use domain::context::{Actor, Reason};
use domain::ids::{AuditorId, DisclosureId};
use ledger::access::Query;
use ledger::leaf::sha256;
use ledger::{ExecuteError, Ledger};
use replay::events::MOST;
use replay::fields::Sight;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// Requests in the list at most, the latest first.
const LISTED: i64 = 100;

/// What is asked for: a question, and whether personal values are to be in clear.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    question: Question,
    #[serde(default)]
    personal: bool,
}

/// A request as it is kept.
#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    auditor: Uuid,
    question: String,
    purpose: String,
    requested_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl Row {
    /// What the event commits to.
    fn digest(&self) -> String {
        hex::encode(sha256(format!("{}\n{}\n{}\n{}", self.id, self.auditor, self.question, self.purpose).as_bytes()))
    }

    async fn read(app: &App, id: DisclosureId) -> sqlx::Result<Option<Self>> {
        let sql =
            "SELECT id, auditor, question, purpose, requested_at, expires_at FROM service.disclosure WHERE id = $1";
        sqlx::query_as(sql).bind(id.0).fetch_optional(&app.db).await
    }
}

/// `POST /audit/v1/disclosures`: `{"question": {"kind": …}, "personal": true}`
pub async fn request(asker: Asker, State(app): State<App>, body: Bytes) -> Result<Response, AppError> {
    match requested(&app, &asker, &body).await {
        Ok((filter, answer)) => {
            let query = Query { name: "disclosure-request", filter: Some(filter), ..Query::default() };
            let mut response = hand_out(&app, &asker, query, answer).await?;
            *response.status_mut() = StatusCode::ACCEPTED;
            Ok(response)
        }
        Err(unanswered) => say_no(&app, &asker, "disclosure-request", unanswered).await,
    }
}

async fn requested(app: &App, asker: &Asker, body: &[u8]) -> Result<(String, Answer), Unanswered> {
    let wish: Wish = serde_json::from_slice(body).map_err(Unanswered::malformed)?;
    let wish = Wish { question: wish.question.settled(app).await?, ..wish };
    let now = app.clock.now();
    let id = DisclosureId(Uuid::now_v7());
    let row = Row {
        id: id.0,
        auditor: asker.id.0,
        question: serde_json::to_string(&wish)?,
        purpose: asker.purpose.clone(),
        requested_at: now,
        expires_at: now + app.config.audit.request_validity.delta(),
    };
    sqlx::query(
        "INSERT INTO service.disclosure (id, auditor, question, purpose, requested_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(row.id)
    .bind(row.auditor)
    .bind(&row.question)
    .bind(&row.purpose)
    .bind(row.requested_at)
    .bind(row.expires_at)
    .execute(&app.db)
    .await?;
    let command =
        AuditorCommand::RequestDisclosure { disclosure: id, digest: row.digest(), expires_at: row.expires_at };
    decide(app, asker, asker.id, command).await?;
    let told =
        json!({ "disclosure": id, "question": wish.question, "personal": wish.personal, "expires_at": row.expires_at });
    Ok((row.question, Answer { body: told, results: 0, concerned: Vec::new() }))
}

/// `GET /audit/v1/disclosures`: the latest requests of everyone, for who may decide them.
pub async fn list(asker: Asker, State(app): State<App>) -> Result<Response, AppError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, auditor, question, purpose, requested_at, expires_at FROM service.disclosure \
         ORDER BY requested_at DESC, id DESC LIMIT $1",
    )
    .bind(LISTED)
    .fetch_all(&app.db)
    .await?;
    let mut listed = Vec::new();
    for row in &rows {
        listed.push(told(&app, row).await?);
    }
    let answer = Answer { results: 0, concerned: Vec::new(), body: json!({ "disclosures": listed }) };
    hand_out(&app, &asker, Query { name: "disclosures", ..Query::default() }, answer).await
}

async fn told(app: &App, row: &Row) -> Result<Value, AppError> {
    let auditor = load(&app.ledger, AuditorId(row.auditor)).await?;
    let decision = auditor.disclosures.get(&DisclosureId(row.id)).map(|disclosure| disclosure.decision);
    Ok(json!({
        "disclosure": row.id,
        "auditor": row.auditor,
        "by": auditor.number.map(|number| Actor::Operator(number).to_string()),
        "wish": serde_json::from_str::<Value>(&row.question)?,
        "purpose": row.purpose,
        "requested_at": row.requested_at,
        "expires_at": row.expires_at,
        "decision": decision,
    }))
}

/// `POST /audit/v1/disclosures/{id}/approve`: by another auditor than the one who asked.
pub async fn approve(asker: Asker, State(app): State<App>, Path(id): Path<Uuid>) -> Result<Response, AppError> {
    let (now, disclosure, by) = (app.clock.now(), DisclosureId(id), asker.id);
    let until = now + app.config.audit.approval_validity.delta();
    let command = AuditorCommand::ApproveDisclosure { disclosure, by, now, until };
    settle(&app, &asker, "disclosure-approval", disclosure, command).await
}

/// `POST /audit/v1/disclosures/{id}/refuse`: by another auditor than the one who asked.
pub async fn refuse(asker: Asker, State(app): State<App>, Path(id): Path<Uuid>) -> Result<Response, AppError> {
    let disclosure = DisclosureId(id);
    let command = AuditorCommand::RefuseDisclosure { disclosure, by: asker.id };
    settle(&app, &asker, "disclosure-refusal", disclosure, command).await
}

async fn settle(
    app: &App,
    asker: &Asker,
    name: &'static str,
    id: DisclosureId,
    command: AuditorCommand,
) -> Result<Response, AppError> {
    let settled = async {
        let row = Row::read(app, id).await?.ok_or_else(|| Unanswered::unknown("there is no such request"))?;
        decide(app, asker, AuditorId(row.auditor), command).await?;
        Ok::<_, Unanswered>(row)
    };
    match settled.await {
        Ok(row) => {
            let answer = Answer { body: told(app, &row).await?, results: 0, concerned: Vec::new() };
            let query = Query { name, filter: Some(format!("disclosure={id}")), ..Query::default() };
            hand_out(app, asker, query, answer).await
        }
        Err(unanswered) => say_no(app, asker, name, unanswered).await,
    }
}

/// Gives a command to an auditor's stream, as the asker.
async fn decide(app: &App, asker: &Asker, of: AuditorId, command: AuditorCommand) -> Result<(), Unanswered> {
    let context = asker.incident.context(asker.actor.clone(), Reason::Administration, app.clock.now());
    match app.ledger.execute::<Auditor>(&of.to_string(), command, &context).await {
        Ok(_) => Ok(()),
        Err(ExecuteError::Refused(refused)) => Err(match refused {
            AuditorError::SamePerson => Unanswered::not_allowed(refused),
            AuditorError::NoSuchRequest => Unanswered::unknown(refused),
            AuditorError::AlreadyDecided
            | AuditorError::RequestExpired
            | AuditorError::NotAppointed
            | AuditorError::AlreadyAppointed
            | AuditorError::Number(_) => {
                Unanswered::Refused(StatusCode::CONFLICT, "audit-disclosure", refused.to_string())
            }
        }),
        Err(error) => Err(error.into()),
    }
}

/// `GET /audit/v1/disclosures/{id}/result?from`: by the auditor who asked, while the approval lasts.
pub async fn result(
    asker: Asker,
    State(app): State<App>,
    Path(id): Path<Uuid>,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    match disclosed(&app, &asker, DisclosureId(id), query.as_deref()).await {
        Ok((query, answer)) => hand_out(&app, &asker, query, answer).await,
        Err(unanswered) => say_no(&app, &asker, "disclosure", unanswered).await,
    }
}

async fn disclosed(
    app: &App,
    asker: &Asker,
    id: DisclosureId,
    query: Option<&str>,
) -> Result<(Query, Answer), Unanswered> {
    let from = match query.unwrap_or_default() {
        "" => 0,
        query => query.strip_prefix("from=").and_then(|from| from.parse().ok()).ok_or_else(|| {
            Unanswered::malformed("the only parameter is `from`: the position that the part before named as next")
        })?,
    };
    // The aggregate says who may see it, for it alone knows of approvals; the row says what was approved.
    let own = load(&app.ledger, asker.id).await?;
    let refused = || {
        Unanswered::not_allowed(format!(
            "no approval for this request is in force: another auditor must approve it, and an approval lasts {}",
            app.config.audit.approval_validity
        ))
    };
    let granted = own.granted(id, app.clock.now()).ok_or_else(refused)?;
    let Decision::Granted { by, until: _ } = granted.decision else { return Err(refused()) };
    let row = Row::read(app, id).await?.filter(|row| row.auditor == asker.id.0).ok_or_else(refused)?;
    if row.digest() != granted.digest {
        tracing::error!(disclosure = %id, "a disclosure request is not what was approved");
        return Err(Unanswered::not_allowed("this request is not what was approved: it was changed afterwards"));
    }
    let wish: Wish = serde_json::from_str(&row.question)?;
    let sight = if wish.personal { Sight::Clear } else { Sight::Masked };
    let mut answer = wish.question.answer(app, sight, Part { from, limit: MOST }).await?;
    answer.body["disclosure"] = json!(id);
    let approved_by = load(&app.ledger, by).await?.number.map(Actor::Operator);
    let filter = format!("disclosure={id} from={from} {}", row.question);
    Ok((Query { name: "disclosure", filter: Some(filter), approved_by, ..Query::default() }, answer))
}

async fn load(ledger: &Ledger, id: AuditorId) -> Result<Auditor, ledger::ReadError> {
    Ok(ledger.load::<Auditor>(&id.to_string()).await?.aggregate)
}

/// Deletes requests older than what the access log keeps; whether there may be more.
///
/// # Errors
/// When the database fails.
pub async fn sweep(db: &sqlx::PgPool, before: DateTime<Utc>) -> sqlx::Result<bool> {
    let deleted = sqlx::query(
        "DELETE FROM service.disclosure WHERE id IN (SELECT id FROM service.disclosure WHERE requested_at < $1 \
         ORDER BY requested_at LIMIT 1000)",
    )
    .bind(before)
    .execute(db)
    .await?;
    Ok(deleted.rows_affected() == 1000)
}
