//! One activation, recovery or forced change in progress, as a row.
//!
//! ```text
//!   /activate ─┐                            not yet activated
//!              ├─▶ code ──────────────────────▶ children ──▶ password ──▶ signed in
//!   /reset ────┘    └── already activated ────────────────▶    ▲
//!   sign-in with a provisional password ────────────────────────┘
//! ```
//!
//! Every change is a check-and-set in one statement. The row only leads the browser along; what may be done is
//! decided by the account's aggregate, which remembers for itself which flow proved the phone.

use crate::app::App;
use crate::incident::AppError;
use crate::session::cookies::Cookies;
use crate::session::{ReturnTo, Token};
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{AccountId, FlowId, PupilId, SecretId};
use sqlx::FromRow;
use uuid::Uuid;

/// How long the whole may take, beyond the validity of a code.
const LIFE: TimeDelta = TimeDelta::hours(1);

/// What a flow is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// First use.
    Activation,
    /// Login or password forgotten.
    Recovery,
    /// A provisional password must be replaced.
    Change,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::Recovery => "recovery",
            Self::Change => "change",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "activation" => Self::Activation,
            "change" => Self::Change,
            _ => Self::Recovery,
        }
    }

    /// Where it starts.
    pub fn start_path(self) -> &'static str {
        match self {
            Self::Activation => "/activate",
            Self::Recovery => "/reset",
            Self::Change => "/sign-in",
        }
    }
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Waiting for the code.
    Code,
    /// Confirming children.
    Children,
    /// Choosing a password.
    Password,
}

impl Step {
    fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Children => "children",
            Self::Password => "password",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "children" => Self::Children,
            "password" => Self::Password,
            _ => Self::Code,
        }
    }

    /// Its page.
    pub fn path(self) -> &'static str {
        match self {
            Self::Code => "/code",
            Self::Children => "/children",
            Self::Password => "/new-password",
        }
    }
}

/// A flow to start.
pub struct NewFlow {
    /// What for.
    pub kind: Kind,
    /// Where it begins.
    pub step: Step,
    /// Whose; `None` where nobody matched.
    pub account: Option<AccountId>,
    /// For a forced change: the provisional password in force when it began.
    pub credential: Option<SecretId>,
    /// Where to go in the end.
    pub return_to: Option<ReturnTo>,
    /// The first SMS, for all but forced changes.
    pub sms: Option<SmsSent>,
}

/// An SMS that carries a code, real or not.
#[derive(Clone, Copy)]
pub struct SmsSent {
    /// The flow it is for: its id is chosen before, as the code is bound to it.
    pub flow: FlowId,
    /// Vault row of the number.
    pub contact: SecretId,
    /// Vault row of the code's hash.
    pub code: SecretId,
    /// The message.
    pub message: Uuid,
    /// When the code stops working.
    pub expires_at: DateTime<Utc>,
}

/// A flow in progress.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its id, which events name.
    pub id: FlowId,
    /// What for.
    pub kind: Kind,
    /// Where it stands.
    pub step: Step,
    /// Whose.
    pub account: Option<AccountId>,
    /// For a forced change: the provisional password.
    pub credential: Option<SecretId>,
    /// Vault row of the number typed.
    pub contact: Option<SecretId>,
    /// Vault row of the code's hash.
    pub code: Option<SecretId>,
    /// The message that carries it.
    pub message: Option<Uuid>,
    /// When it was sent.
    pub sent_at: Option<DateTime<Utc>>,
    /// When the code stops working.
    pub code_expires_at: Option<DateTime<Utc>>,
    /// Wrong codes so far.
    pub attempts: i32,
    /// Messages so far.
    pub sends: i32,
    /// Children whose birth date was given in this flow.
    pub confirmed: Vec<PupilId>,
    /// Where to go in the end.
    pub return_to: Option<ReturnTo>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    kind: String,
    step: String,
    account: Option<Uuid>,
    credential: Option<Uuid>,
    contact: Option<Uuid>,
    code: Option<Uuid>,
    message: Option<Uuid>,
    sent_at: Option<DateTime<Utc>>,
    code_expires_at: Option<DateTime<Utc>>,
    attempts: i32,
    sends: i32,
    confirmed: Vec<Uuid>,
    return_to: Option<String>,
}

impl From<Row> for Flow {
    fn from(row: Row) -> Self {
        Self {
            id: FlowId(row.id),
            kind: Kind::read(&row.kind),
            step: Step::read(&row.step),
            account: row.account.map(AccountId),
            credential: row.credential.map(SecretId),
            contact: row.contact.map(SecretId),
            code: row.code.map(SecretId),
            message: row.message,
            sent_at: row.sent_at,
            code_expires_at: row.code_expires_at,
            attempts: row.attempts,
            sends: row.sends,
            confirmed: row.confirmed.into_iter().map(PupilId).collect(),
            return_to: row.return_to.as_deref().and_then(ReturnTo::read),
        }
    }
}

impl Flow {
    /// Starts one in the browser that holds `cookie`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start(app: &App, cookie: &Token, new: NewFlow) -> sqlx::Result<FlowId> {
        let now = app.clock.now();
        let id = new.sms.map_or_else(|| FlowId(Uuid::now_v7()), |sms| sms.flow);
        sqlx::query(
            "INSERT INTO service.flow (id, cookie_hash, kind, step, account, credential, contact, code, message,
                 sent_at, code_expires_at, sends, return_to, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        )
        .bind(id.0)
        .bind(cookie.hash(&app.ledger, "flow").as_slice())
        .bind(new.kind.as_str())
        .bind(new.step.as_str())
        .bind(new.account.map(|id| id.0))
        .bind(new.credential.map(|id| id.0))
        .bind(new.sms.map(|sms| sms.contact.0))
        .bind(new.sms.map(|sms| sms.code.0))
        .bind(new.sms.map(|sms| sms.message))
        .bind(new.sms.map(|_| now))
        .bind(new.sms.map(|sms| sms.expires_at))
        .bind(i32::from(new.sms.is_some()))
        .bind(new.return_to.as_ref().map(ReturnTo::as_str))
        .bind(now)
        .bind(now + app.config.codes.validity.delta() + LIFE)
        .execute(&app.db)
        .await?;
        Ok(id)
    }

    /// The browser's flow.
    ///
    /// # Errors
    /// `flow-expired` when there is none any more, with what to do.
    pub async fn of(app: &App, cookies: &Cookies) -> Result<Self, AppError> {
        let gone = || AppError::refused(StatusCode::GONE, "flow-expired");
        let cookie = cookies.flow.as_ref().ok_or_else(gone)?.hash(&app.ledger, "flow");
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, kind, step, account, credential, contact, code, message, sent_at, code_expires_at, attempts,
                    sends, confirmed, return_to
             FROM service.flow WHERE cookie_hash = $1 AND expires_at > $2",
        )
        .bind(cookie.as_slice())
        .bind(app.clock.now())
        .fetch_optional(&app.db)
        .await?;
        row.map(Self::from).ok_or_else(gone)
    }

    /// Counts a try at the code, before it is compared: its number, or `None` when all were used.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_attempt(&self, app: &App) -> sqlx::Result<Option<i32>> {
        let max = i32::try_from(app.config.codes.attempts).unwrap_or(i32::MAX);
        sqlx::query_scalar(
            "UPDATE service.flow SET attempts = attempts + 1
             WHERE id = $1 AND step = 'code' AND attempts < $2 RETURNING attempts",
        )
        .bind(self.id.0)
        .bind(max)
        .fetch_optional(&app.db)
        .await
    }

    /// Takes the right to send another code: true for exactly one caller, within the configured number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_send(&self, app: &App, sms: &SmsSent) -> sqlx::Result<bool> {
        let max = i32::try_from(app.config.codes.sends).unwrap_or(i32::MAX);
        let now = app.clock.now();
        let updated = sqlx::query(
            "UPDATE service.flow SET sends = sends + 1, code = $2, message = $3, sent_at = $4, code_expires_at = $5,
                    expires_at = $6
             WHERE id = $1 AND step = 'code' AND sends = $7 AND sends < $8",
        )
        .bind(self.id.0)
        .bind(sms.code.0)
        .bind(sms.message)
        .bind(now)
        .bind(sms.expires_at)
        .bind(sms.expires_at + LIFE)
        .bind(self.sends)
        .bind(max)
        .execute(&app.db)
        .await?;
        Ok(updated.rows_affected() == 1)
    }

    /// Goes on to another step.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn advance(&self, app: &App, to: Step) -> sqlx::Result<()> {
        sqlx::query("UPDATE service.flow SET step = $2 WHERE id = $1 AND step = $3")
            .bind(self.id.0)
            .bind(to.as_str())
            .bind(self.step.as_str())
            .execute(&app.db)
            .await?;
        Ok(())
    }

    /// Counts a birth date, before it is compared: false when all tries were used.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_date(&self, app: &App, max: i32) -> sqlx::Result<bool> {
        let updated = sqlx::query(
            "UPDATE service.flow SET wrong_dates = wrong_dates + 1
             WHERE id = $1 AND step = 'children' AND wrong_dates < $2",
        )
        .bind(self.id.0)
        .bind(max)
        .execute(&app.db)
        .await?;
        Ok(updated.rows_affected() == 1)
    }

    /// The birth date was right: the child is confirmed, and the try is given back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn child_confirmed(&self, app: &App, pupil: PupilId) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE service.flow SET wrong_dates = greatest(wrong_dates - 1, 0),
                    confirmed = array_append(array_remove(confirmed, $2), $2) WHERE id = $1",
        )
        .bind(self.id.0)
        .bind(pupil.0)
        .execute(&app.db)
        .await?;
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finish(&self, app: &App) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM service.flow WHERE id = $1").bind(self.id.0).execute(&app.db).await?;
        Ok(())
    }
}
