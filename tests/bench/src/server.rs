//! The private server of one run: on a disk, with every safety on, gone afterwards.

use anyhow::Context as _;
use ledger::postgres::{Database, Role, Source, migrate};
use sqlx::{Executor, PgPool};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A running server with the migrated schema.
pub struct Server {
    database: Database,
    data: Data,
}

/// Its directory, removed with this value.
struct Data(PathBuf);

impl Drop for Data {
    fn drop(&mut self) {
        // What stays is disk space in a build folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Server {
    /// Starts one in a folder of its own under `dir`.
    pub async fn start(dir: &Path) -> anyhow::Result<Self> {
        let dir = std::path::absolute(dir)?.join(std::process::id().to_string());
        let make = std::fs::DirBuilder::new().mode(0o755).recursive(true).create(&dir);
        make.with_context(|| format!("cannot make {}", dir.display()))?;
        let data = Data(dir);
        let database = Database::open(Source::Embedded(data.0.clone())).await?;
        let server = Self { database, data };
        let owner = server.owner().await?;
        migrate(&owner).await?;
        let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&owner).await?;
        let commit: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&owner).await?;
        anyhow::ensure!(fsync == "on" && commit == "on", "the server must write to the disk to be measured");
        projections::install(&owner).await?;
        Ok(server)
    }

    /// Connections as the owner.
    pub async fn owner(&self) -> anyhow::Result<PgPool> {
        self.plain(8).await
    }

    /// So many connections as the owner, for what is compared with the ledger.
    pub async fn plain(&self, connections: u32) -> anyhow::Result<PgPool> {
        Ok(self.database.pool(Role::Owner, connections).await?)
    }

    /// Connections as the service.
    pub async fn service(&self) -> anyhow::Result<PgPool> {
        Ok(self.database.pool(Role::Service, 20).await?)
    }

    /// Where it keeps its files; what is put there goes with it.
    pub fn folder(&self) -> &Path {
        &self.data.0
    }

    /// One more database on it, empty but for the schema.
    pub async fn another(&self, name: &str) -> anyhow::Result<Database> {
        let database = self.database.create(name).await?;
        let owner = database.pool(Role::Owner, 1).await?;
        migrate(&owner).await?;
        owner.close().await;
        Ok(database)
    }

    /// The process that all of its processes descend from.
    pub async fn postmaster(&self) -> anyhow::Result<u32> {
        let owner = self.plain(1).await?;
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&owner).await?;
        let postmaster = crate::usage::parent(backend.cast_unsigned()).context("the server has ended")?;
        owner.close().await;
        Ok(postmaster)
    }

    /// Does now what the server would else do in the middle of what is measured next.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let owner = self.plain(1).await?;
        owner.execute("VACUUM ANALYZE").await?;
        owner.close().await;
        Ok(())
    }

    /// Stops the server.
    pub async fn stop(self) {
        self.database.close().await;
    }
}
