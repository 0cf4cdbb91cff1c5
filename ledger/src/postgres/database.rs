//! Opening a database, wherever it is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor};

use super::data_dir::DataDir;
use super::embedded::{EmbeddedPostgres, connect_options};
use super::error::EmbeddedError;
use super::lock::DirLock;
use super::{Durability, Role, SERVICE, binaries};

/// How long a pool waits for a free connection, and for a server that is being restarted.
const PATIENCE: Duration = Duration::from_secs(15);
/// A connection idle for longer is tried before use: the server may have been restarted since.
const FRESH: Duration = Duration::from_secs(1);
/// How long a program waits for the embedded server that another one is starting.
const ATTACH_PATIENCE: Duration = Duration::from_secs(60);
/// Between two attempts to reach it.
const ATTACH_PAUSE: Duration = Duration::from_millis(100);

/// Where the database is.
#[derive(Clone)]
pub enum Source {
    /// A private server on this data directory, started and stopped by this process.
    Embedded(PathBuf),
    /// The private server that another process of ours runs on this data directory.
    Running(PathBuf),
    /// A server that somebody else runs.
    Url {
        /// `postgres://…`: the service's login, which also owns the schema unless `owner` is given.
        service: String,
        /// The login that owns the schema, if it is another.
        owner: Option<String>,
    },
}

/// Prints no URL: it may hold a password.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(dir) => f.debug_tuple("Embedded").field(dir).finish(),
            Self::Running(dir) => f.debug_tuple("Running").field(dir).finish(),
            Self::Url { .. } => f.write_str("Url"),
        }
    }
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The embedded server.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// There is no ledger in the directory.
    #[error("there is no database in {dir}: check the data directory, or start the service on it first")]
    NoDatabase {
        /// The data directory.
        dir: PathBuf,
    },
    /// The URL is not one.
    #[error("DATABASE_URL is not a PostgreSQL URL (postgres://user:password@host/database): {0}")]
    Url(sqlx::Error),
    /// The server does not answer, or refuses.
    #[error("the database cannot be reached: {0}")]
    Unreachable(sqlx::Error),
    /// The server is too old.
    #[error(
        "the database server is PostgreSQL {found}; {oldest} or newer is needed",
        oldest = binaries::OLDEST_MAJOR
    )]
    TooOld {
        /// Its major version.
        found: i32,
    },
    /// The service's role is missing and the login may not make it.
    #[error(
        "the role {SERVICE} cannot be prepared by this login ({reason}). Let an administrator run: \
         CREATE ROLE {SERVICE} NOLOGIN; GRANT {SERVICE} TO \"{login}\""
    )]
    ServiceRole {
        /// The login.
        login: String,
        /// What the server said.
        reason: String,
    },
    /// A database's name is not a plain identifier.
    #[error("{0:?} cannot name a database: up to 63 of a-z, 0-9 and _ can, beginning with a letter")]
    Name(String),
    /// A statement failed.
    #[error(transparent)]
    Statement(#[from] sqlx::Error),
}

/// An opened database. Clones share the embedded server, which stops with the last of them.
#[derive(Debug, Clone)]
pub struct Database {
    owner: PgConnectOptions,
    service: PgConnectOptions,
    server: Option<Arc<EmbeddedPostgres>>,
}

impl Database {
    /// Opens a database, starting the embedded server if that is the source, and prepares the
    /// service's role. The schema is not touched: see [`super::migrate`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(source: Source) -> Result<Self, OpenError> {
        let database = match source {
            Source::Embedded(dir) => Self::embedded(dir, Durability::Full).await?,
            Source::Running(dir) => Self::over_socket(&DataDir::existing(&dir)?, None),
            Source::Url { service, owner } => Self::at_url(&service, owner.as_deref())?,
        };
        database.prepare().await?;
        Ok(database)
    }

    /// For a command beside the service: uses the embedded server that another process runs on
    /// `dir`, and where none does starts it for as long as this value lives.
    ///
    /// # Errors
    /// There is no database in `dir`, or see [`OpenError`].
    pub async fn attach(dir: &Path) -> Result<Self, OpenError> {
        let nothing = || OpenError::NoDatabase { dir: dir.to_owned() };
        let data = DataDir::existing(dir).map_err(|_| nothing())?;
        let began = Instant::now();
        loop {
            if !DirLock::is_held(&data)? {
                if data.major()?.is_none() {
                    return Err(nothing());
                }
                match Self::embedded(dir.to_owned(), Durability::Full).await {
                    Err(OpenError::Embedded(EmbeddedError::InUse { .. })) => {} // somebody was faster
                    Err(error) => return Err(error),
                    Ok(database) => {
                        database.prepare().await?;
                        return Ok(database);
                    }
                }
            }
            let running = Self::over_socket(&data, None);
            match running.prepare().await {
                Ok(()) => return Ok(running),
                // It may be starting.
                Err(OpenError::Unreachable(_)) if began.elapsed() < ATTACH_PATIENCE => {
                    tokio::time::sleep(ATTACH_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn embedded(dir: PathBuf, durability: Durability) -> Result<Self, OpenError> {
        let start = move || EmbeddedPostgres::start_with(&dir, durability);
        let server = match tokio::task::spawn_blocking(start).await {
            Ok(started) => Arc::new(started?),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        Ok(Self::over_socket(&server.dir().clone(), Some(server)))
    }

    fn over_socket(dir: &DataDir, server: Option<Arc<EmbeddedPostgres>>) -> Self {
        Self {
            owner: connect_options(dir, Role::Owner).application_name("matricule"),
            service: connect_options(dir, Role::Service).application_name("matricule"),
            server,
        }
    }

    fn at_url(service: &str, owner: Option<&str>) -> Result<Self, OpenError> {
        let parse = |url: &str| PgConnectOptions::from_str(url).map_err(OpenError::Url);
        let service_login = parse(service)?;
        Ok(Self {
            owner: owner.map_or_else(|| Ok(service_login.clone()), parse)?,
            // A start-up option, so that a pooled connection never works as anybody else.
            service: service_login.options([("role", SERVICE)]),
            server: None,
        })
    }

    /// Checks that the server answers and is recent enough, and that the service's role is there.
    async fn prepare(&self) -> Result<(), OpenError> {
        let mut connection = self.owner.connect().await.map_err(OpenError::Unreachable)?;
        let version: String = sqlx::query_scalar("SHOW server_version_num").fetch_one(&mut connection).await?;
        let found = version.parse::<i32>().unwrap_or_default() / 10_000;
        if found.unsigned_abs() < binaries::OLDEST_MAJOR {
            return Err(OpenError::TooOld { found });
        }
        self.prepare_service_role(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }

    async fn prepare_service_role(&self, connection: &mut PgConnection) -> Result<(), OpenError> {
        let exists = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)";
        let exists: bool = sqlx::query_scalar(exists).bind(SERVICE).fetch_one(&mut *connection).await?;
        let refused = |error: sqlx::Error| OpenError::ServiceRole {
            login: self.service.get_username().to_owned(),
            reason: error.to_string(),
        };
        if !exists {
            let created = connection.execute(format!("CREATE ROLE {SERVICE} NOLOGIN").as_str()).await;
            match created {
                Err(error) if !was_created_by_another(&error) => return Err(refused(error)),
                _ => {}
            }
        }
        // The login of the service must be able to become it; a superuser and the role itself can.
        let login = self.service.get_username();
        let member: bool = sqlx::query_scalar("SELECT pg_has_role($1, $2, 'MEMBER')")
            .bind(login)
            .bind(SERVICE)
            .fetch_one(&mut *connection)
            .await?;
        if !member {
            let login = login.replace('"', "\"\"");
            connection.execute(format!("GRANT {SERVICE} TO \"{login}\"").as_str()).await.map_err(refused)?;
        }
        Ok(())
    }

    /// How to connect as `role`.
    pub fn options(&self, role: Role) -> &PgConnectOptions {
        match role {
            Role::Owner => &self.owner,
            Role::Service => &self.service,
        }
    }

    /// The embedded server, if this value (or one it was cloned from) started it.
    pub fn server(&self) -> Option<&EmbeddedPostgres> {
        self.server.as_deref()
    }

    /// A pool of at most `max` connections. It outlives a restart of the server: broken
    /// connections are replaced as they are met, and a server that is starting is waited for.
    ///
    /// # Errors
    /// The first connection fails.
    pub async fn pool(&self, role: Role, max: u32) -> Result<PgPool, sqlx::Error> {
        PgPoolOptions::new()
            .max_connections(max)
            .acquire_timeout(PATIENCE)
            // A round trip before each use would cost a busy service more than it saves.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move { Ok(meta.idle_for < FRESH || connection.ping().await.is_ok()) })
            })
            .connect_with(self.options(role).clone())
            .await
    }

    /// Another database on the same server.
    pub fn sibling(&self, name: &str) -> Self {
        Self {
            owner: self.owner.clone().database(name),
            service: self.service.clone().database(name),
            server: self.server.clone(),
        }
    }

    /// Creates an empty database on the same server.
    ///
    /// # Errors
    /// The name is taken or unfit, or the login may not create databases.
    pub async fn create(&self, name: &str) -> Result<Self, OpenError> {
        let name = fit_name(name)?;
        self.run(&format!("CREATE DATABASE {name}")).await?;
        Ok(self.sibling(name))
    }

    /// Creates a database as a copy of another, which nobody may be using.
    ///
    /// # Errors
    /// As for [`Self::create`]; or somebody is connected to the template.
    pub async fn create_from_template(&self, template: &str, name: &str) -> Result<Self, OpenError> {
        let (template, name) = (fit_name(template)?, fit_name(name)?);
        // Copying files takes two checkpoints, twenty times as long.
        let statement = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log");
        self.run(&statement).await?;
        Ok(self.sibling(name))
    }

    /// Removes a database, throwing out whoever is connected; one that is not there is no error.
    ///
    /// # Errors
    /// It is this one or not the login's.
    pub async fn drop_database(&self, name: &str) -> Result<(), OpenError> {
        let name = fit_name(name)?;
        self.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
    }

    async fn run(&self, statement: &str) -> Result<(), OpenError> {
        let mut connection = self.owner.connect().await.map_err(OpenError::Unreachable)?;
        connection.execute(statement).await?;
        connection.close().await?;
        Ok(())
    }

    /// Stops the embedded server, if this is the last value that uses it, without blocking the
    /// runtime. Close the pools first.
    pub async fn close(self) {
        if let Some(server) = self.server {
            // Joining fails only if stopping panicked, and then the server is the kernel's to stop.
            let _ = tokio::task::spawn_blocking(move || drop(server)).await;
        }
    }
}

/// Two processes may prepare the same server at once: duplicate_object, or the unique violation
/// that the slower of two concurrent inserts meets.
fn was_created_by_another(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("42710" | "23505"))
}

fn fit_name(name: &str) -> Result<&str, OpenError> {
    let fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    if starts_well && name.len() <= 63 && name.bytes().all(fit) {
        Ok(name)
    } else {
        Err(OpenError::Name(name.to_owned()))
    }
}
