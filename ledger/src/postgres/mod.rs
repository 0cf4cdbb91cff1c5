//! PostgreSQL for every program and test: the embedded server, and the opening of databases.
//!
//! ```text
//!   Source ──► Database::open ──► migrate(owner's pool) ──► Database::pool(Role::Service)
//!     │
//!     ├─ Embedded: EmbeddedPostgres initialises, starts, watches and stops a private server
//!     ├─ Running:  the embedded server of another process of ours
//!     └─ Url:      a server that somebody else runs
//! ```
//!
//! After the opening there is no difference between the sources. Two database roles share the work:
//! `matricule_owner` (or the login of the URL) owns the schema and migrates it; the running service
//! works as `matricule_service`, which owns nothing and is granted what the migrations say.

mod account;
mod begin;
mod binaries;
mod cluster;
mod data_dir;
mod database;
mod embedded;
mod error;
mod lock;
mod postmaster;
mod process;
pub mod testing;

use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

pub use begin::begin;
pub use data_dir::DataDir;
pub use database::{Database, OpenError, Source};
pub use embedded::EmbeddedPostgres;
pub use error::EmbeddedError;

/// The role that owns the schema on the embedded server.
const OWNER: &str = "matricule_owner";
/// The role of the running service.
const SERVICE: &str = "matricule_service";
/// The embedded server's database.
const DATABASE: &str = "matricule";

/// As whom a program works in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Owns the schema: migrations, rebuilds.
    Owner,
    /// The running service, which owns no table and so cannot lift the ledger's guards.
    Service,
}

impl Role {
    /// The role's name on the embedded server.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => OWNER,
            Self::Service => SERVICE,
        }
    }
}

/// What a write that was acknowledged survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Everything, a power cut too.
    #[default]
    Full,
    /// The end of any process by any signal, but not of the machine: for tests, whose data dies with them.
    ProcessCrashes,
}

impl Durability {
    /// Many tests at once each hold a few connections.
    fn connections(self) -> u32 {
        match self {
            Self::Full => 100,
            Self::ProcessCrashes => 300,
        }
    }

    /// `shared_buffers`, MiB: an eighth of the machine's memory, within reason. A server for tests is one of many.
    fn buffers(self) -> u64 {
        match self {
            Self::Full => (memory_mib() / 8).clamp(128, 4096),
            Self::ProcessCrashes => 128,
        }
    }

    /// `max_wal_size`; tests may run in memory.
    fn most_wal(self) -> &'static str {
        match self {
            Self::Full => "4GB",
            Self::ProcessCrashes => "256MB",
        }
    }
}

/// The memory there is, MiB, as Linux tells it: the machine's, or what a container may use of it. 0 elsewhere.
fn memory_mib() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let machine = read("/proc/meminfo");
    let machine = machine.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"));
    let machine = machine.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or_default() / 1024;
    // "max" where nothing is set.
    let container = read("/sys/fs/cgroup/memory.max").trim().parse::<u64>().map_or(u64::MAX, |bytes| bytes / (1 << 20));
    machine.min(container)
}

/// The files of the folder `migrations`, embedded in the program.
static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// Brings the schema up to date; does nothing where it is. Several processes may do it at once:
/// an advisory lock lets one after the other through.
///
/// # Errors
/// A migration fails (it is rolled back), one that was applied has been edited since,
/// or the database has one this program does not know.
pub async fn migrate(owner: &PgPool) -> Result<(), MigrateError> {
    MIGRATIONS.run(owner).await
}

/// Number of the last migration that this program knows.
pub fn schema_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}
