//! What is read of accounts.

use crate::Views;
use chrono::{DateTime, Utc};
use domain::account::{Holder, Status};
use domain::ids::{AccountId, GuardianId, PupilId};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

/// An account as shown.
#[derive(Clone, PartialEq)]
pub struct AccountRecord {
    /// The account.
    pub id: AccountId,
    /// Whose it is.
    pub holder: Holder,
    /// Where it stands.
    pub status: Status,
    /// Login, once assigned and until erased.
    pub login: Option<String>,
    /// A provisional password must be replaced at the next sign-in.
    pub must_change_password: bool,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When it was activated.
    pub activated_at: Option<DateTime<Utc>>,
    /// Guardian records that stand behind it now.
    pub guardians: Vec<GuardianId>,
}

/// Prints no personal data.
impl std::fmt::Debug for AccountRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountRecord").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

impl FromRow<'_, PgRow> for AccountRecord {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let holder: Uuid = row.try_get("holder")?;
        let activated: bool = row.try_get("activated")?;
        let guardians: Vec<Uuid> = row.try_get("guardians")?;
        Ok(Self {
            id: AccountId(row.try_get("id")?),
            holder: match row.try_get("holder_kind")? {
                "pupil" => Holder::Pupil(PupilId(holder)),
                _ => Holder::Guardian(GuardianId(holder)),
            },
            status: match row.try_get("status")? {
                "open" => Status::Open,
                "activated" => Status::Activated,
                "disabled" => Status::Disabled { activated },
                _ => Status::Closed,
            },
            login: row.try_get("login")?,
            must_change_password: row.try_get("must_change")?,
            opened_at: row.try_get("opened_at")?,
            activated_at: row.try_get("activated_at")?,
            guardians: guardians.into_iter().map(GuardianId).collect(),
        })
    }
}

const ACCOUNT: &str = "SELECT a.*, ARRAY(SELECT g.guardian FROM view_accounts.account_guardian g \
    WHERE g.account = a.id ORDER BY g.guardian) AS guardians FROM view_accounts.account a";

impl Views {
    /// An account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn account(&self, account: AccountId) -> sqlx::Result<Option<AccountRecord>> {
        sqlx::query_as(&format!("{ACCOUNT} WHERE a.id = $1")).bind(account.0).fetch_optional(&self.pool).await
    }

    /// The account of a pupil, the one not closed first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn account_by_pupil(&self, pupil: PupilId) -> sqlx::Result<Option<AccountRecord>> {
        let sql = format!(
            "{ACCOUNT} WHERE a.holder = $1 AND a.holder_kind = 'pupil' ORDER BY a.status = 'closed', a.id LIMIT 1"
        );
        sqlx::query_as(&sql).bind(pupil.0).fetch_optional(&self.pool).await
    }

    /// The account with this login: for operators. Sign-in goes by the ledger's reservation instead.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn account_by_login(&self, login: &str) -> sqlx::Result<Option<AccountRecord>> {
        sqlx::query_as(&format!("{ACCOUNT} WHERE a.login = $1")).bind(login).fetch_optional(&self.pool).await
    }

    /// Accounts that a guardian record stands behind now: one, unless a match is being repaired.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn accounts_of_guardian(&self, guardian: GuardianId) -> sqlx::Result<Vec<AccountRecord>> {
        let sql = format!(
            "{ACCOUNT} WHERE a.id IN (SELECT account FROM view_accounts.account_guardian WHERE guardian = $1) \
             ORDER BY a.id"
        );
        sqlx::query_as(&sql).bind(guardian.0).fetch_all(&self.pool).await
    }
}
