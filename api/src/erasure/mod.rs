//! Erasing a person: their keys, and whatever else could lead to them.
//!
//! ```text
//!   who ─▶ person: account, pupil or guardian records ─▶ register (a file kept apart from the database and its backups)
//!                                                            │
//!                     one unit: …Erased events, keys destroyed, reservations released, secrets deleted
//!                                                            │
//!       projections let go of the rows ◀── the events ──▶ purge: sessions, flows, codes, waiting messages
//!                                                          (again by tidying, from a stored position)
//! ```
//!
//! The key destroyed is always that of the very stream its event stands in, so the log itself says which segments are
//! erased and by what. The streams of others only lose the link to the person.

pub mod entitlement;
mod error;
mod person;
mod purge;
pub mod register;
mod unit;

#[cfg(test)]
mod tests;

pub use error::ErasureError;
pub use person::Person;
pub use purge::{follow_up, purge};
pub use register::{Line, Register};

use crate::app::App;
use chrono::{DateTime, Utc};
use domain::context::{Actor, Context, Reason};
use domain::erasure::Grounds;
use domain::ids::{CommandId, SubjectId};
use ledger::{AppendError, Appended, Ledger};
use projections::{Name, Views};
use sqlx::PgPool;
use std::time::Duration;
use uuid::Uuid;

/// How often a unit is decided anew when others write to the same streams.
const ATTEMPTS: u32 = 20;
/// How long the views may take to be up to date before and after.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who holds what nobody may hold again: logins of the erased. It is nobody's id.
pub const NOBODY: &str = "erased";

/// What erasing takes.
#[derive(Clone)]
pub struct Eraser {
    /// The ledger.
    pub ledger: Ledger,
    /// The database, as the service's role.
    pub db: PgPool,
    /// The views, kept up to date by somebody.
    pub views: Views,
    /// The register of erasures.
    pub register: Register,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Whose keys are destroyed.
    pub subjects: Vec<SubjectId>,
    /// Where the events stand; none where everything had been erased before.
    pub appended: Option<Appended>,
    /// When the last backup of the keys that still holds theirs is to be deleted; `None` where no such backup is
    /// known to the register.
    pub complete_at: Option<DateTime<Utc>>,
}

impl Eraser {
    /// The running service's.
    pub fn of(app: &App) -> Self {
        Self {
            ledger: app.ledger.clone(),
            db: app.db.clone(),
            views: app.views.clone(),
            register: Register::at(app.config.erasure_register()),
        }
    }

    /// Erases a person. Safe to repeat: what is done already is not done again, and what was left undone by a crash is.
    ///
    /// # Errors
    /// [`ErasureError`] says what stood against it. Where the register could not be written, nothing was erased.
    pub async fn erase(&self, person: &Person, grounds: Grounds, actor: Actor) -> Result<Erased, ErasureError> {
        // Who is linked to the person is asked of the views.
        self.caught_up(self.ledger.size().checked_sub(1)).await?;
        let contacts = purge::contacts(&self.ledger, person).await?;
        let subjects = person.subjects();
        self.register.ensure_complete(&self.db).await?;
        let entered = self.register.enter(&subjects, self.ledger.now()).await?;
        let appended = match self.append(person, grounds, actor).await {
            Ok(appended) => appended,
            Err(error) => {
                if !matches!(error, ErasureError::Append(AppendError::Unconfirmed(_))) {
                    self.register.withdraw(&entered, self.ledger.now()).await?;
                }
                return Err(error);
            }
        };
        for account in &person.accounts {
            purge(&self.db, *account, &contacts).await?;
        }
        self.caught_up(appended.and_then(|appended| appended.last())).await?;
        let complete_at = self.register.last_key_backup_expires(self.ledger.now()).await?;
        Ok(Erased { subjects, appended, complete_at })
    }

    async fn append(&self, person: &Person, grounds: Grounds, actor: Actor) -> Result<Option<Appended>, ErasureError> {
        let context = Context {
            command: CommandId(Uuid::now_v7()),
            actor,
            on_behalf_of: None,
            reason: reason(grounds),
            reference: None,
            effective_at: self.ledger.now(),
        };
        let mut attempts = 0;
        loop {
            let unit = unit::decide(self, person, grounds, context.clone()).await?;
            if unit.is_empty() {
                return Ok(None);
            }
            match self.ledger.append(unit).await {
                Ok(appended) => return Ok(Some(appended)),
                Err(AppendError::Conflict { .. }) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn caught_up(&self, position: Option<u64>) -> Result<(), ErasureError> {
        match position {
            Some(position) => {
                let views = [Name::People, Name::Accounts];
                Ok(self.views.caught_up_in(&views, position, PATIENCE).await?)
            }
            None => Ok(()),
        }
    }
}

fn reason(grounds: Grounds) -> Reason {
    match grounds {
        Grounds::OwnRequest => Reason::OwnRequest,
        Grounds::EntitlementEnded | Grounds::RestoredBackup => Reason::Rule,
        Grounds::RecordedInError | Grounds::LegalOrder => Reason::Administration,
    }
}
