//! The ledger and its views for a command that runs beside the service, or while it is down.

use super::attach;
use crate::config::Config;
use crate::import::Importer;
use crate::running::{master_keys, source};
use anyhow::Context as _;
use domain::context::{Actor, Context, Reason};
use domain::identifiers::DepartmentTable;
use domain::ids::CommandId;
use ledger::postgres::{Database, OpenError, Role, migrate};
use ledger::{Appended, Ledger};
use projections::{Name, Runner, Views};
use std::time::Duration;
use uuid::Uuid;

/// The ledger's two, the views' four, a lock, and some for the command itself: an import works over several.
const CONNECTIONS: u32 = 12;
/// How long a command waits to see its own write.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a command needs.
pub(super) struct Beside {
    pub ledger: Ledger,
    pub views: Views,
    runner: Runner,
    database: Database,
    departments: DepartmentTable,
    pub db: sqlx::PgPool,
}

impl Beside {
    /// Opens everything, does the work, and closes everything, however the work ended.
    ///
    /// # Errors
    /// What can't be opened, or the work's own.
    pub(super) async fn over<T>(
        config: &Config,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let beside = Self::open(config).await?;
        let done = work(&beside).await;
        beside.close().await;
        done
    }

    async fn open(config: &Config) -> anyhow::Result<Self> {
        let database = match attach(config).await {
            // Before the service has ever run: made now.
            Err(OpenError::NoDatabase { .. }) => Database::open(source(config)).await?,
            found => found?,
        };
        let owner = database.pool(Role::Owner, 1).await?;
        migrate(&owner).await.context("the schema can't be brought up to date")?;
        owner.close().await;
        let db = database.pool(Role::Service, CONNECTIONS).await?;
        let keys = master_keys(&config.master_key, &config.data_dir)?;
        let ledger = Ledger::open(db.clone(), keys).await.context("the ledger can't be opened")?;
        // Where the service runs, its own runner leads and this one only watches.
        let runner = Runner::start(ledger.clone(), db.clone()).await.context("the views can't be kept")?;
        let departments = config.imports.departments();
        Ok(Self { ledger, views: runner.views(), runner, database, departments, db })
    }

    /// What imports school data, and settles what waits for a school.
    pub(super) fn importer(&self) -> Importer {
        Importer::new(self.ledger.clone(), self.db.clone(), self.views.clone(), self.departments.clone())
    }

    /// The circumstances of a command given on the machine itself.
    pub(super) fn context(&self) -> Context {
        Context {
            command: CommandId(Uuid::now_v7()),
            actor: Actor::Operator("local".to_owned()),
            on_behalf_of: None,
            reason: Reason::Administration,
            reference: None,
            effective_at: self.ledger.now(),
        }
    }

    /// Waits until the services' view shows what was recorded.
    pub(super) async fn wait_for(&self, appended: Appended) -> anyhow::Result<()> {
        match appended.last() {
            Some(position) => self.wait(position).await,
            None => Ok(()),
        }
    }

    /// Waits until the services' view shows everything recorded so far.
    pub(super) async fn wait_for_all(&self) -> anyhow::Result<()> {
        match self.ledger.size().checked_sub(1) {
            Some(position) => self.wait(position).await,
            None => Ok(()),
        }
    }

    async fn wait(&self, position: u64) -> anyhow::Result<()> {
        self.views.caught_up_in(&[Name::Services], position, PATIENCE).await.context("recorded, but not visible yet")
    }

    async fn close(self) {
        self.ledger.close().await;
        self.runner.stop().await;
        self.db.close().await;
        self.database.close().await;
    }
}
