//! Making a cluster and configuring it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Durability;
use super::account::{Account, welcome};
use super::binaries::Binaries;
use super::data_dir::{DataDir, PORT};
use super::error::{EmbeddedError, OnPath};
use super::process::die_with_parent;

/// The cluster's superuser, for upgrades and repairs; only the cluster's account may be it.
const SUPERUSER: &str = "postgres";
/// The name of the map from operating system users to database roles.
const IDENT_MAP: &str = "matricule";

/// Makes the cluster unless it is there. It is built beside its place and renamed once whole,
/// so that a first start killed half-way leaves nothing that looks like a cluster.
pub(super) fn make_if_missing(dir: &DataDir, account: &Account, binaries: &Binaries) -> Result<(), EmbeddedError> {
    let (new, cluster) = (dir.new_cluster(), dir.cluster());
    if cluster.exists() {
        return Ok(());
    }
    for unfinished in dir.unfinished_clusters() {
        // Where that fails, it is in nobody's way, and the next first start tries again.
        let _ = fs::remove_dir_all(unfinished);
    }
    account.make_private_dir(&new)?;
    run_initdb(&new, account, binaries)?;
    create_roles_and_database(&new, account, binaries)?;
    fs::rename(&new, &cluster).on("rename", &new)?;
    // The rename itself must survive a power cut before anything is acknowledged.
    fs::File::open(dir.path()).and_then(|folder| folder.sync_all()).on("sync", dir.path())
}

fn run_initdb(new: &Path, account: &Account, binaries: &Binaries) -> Result<(), EmbeddedError> {
    let mut initdb = Command::new(binaries.program("initdb"));
    initdb
        .arg("--pgdata")
        .arg(new)
        .args(["--username", SUPERUSER, "--encoding", "UTF8"])
        .args(["--auth-local", "peer", "--auth-host", "reject"])
        .args(["--data-checksums", "--no-instructions"])
        .args(locale(binaries.major));
    run(initdb, account, new, "initdb", "")
}

/// C.UTF-8: sorts by code point, so that no system upgrade changes an index's order,
/// and knows the letters. Views that need French order name a collation.
fn locale(major: u32) -> &'static [&'static str] {
    if major >= 17 {
        &["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    } else if cfg!(target_os = "macos") {
        &["--locale=C", "--lc-ctype=UTF-8"]
    } else {
        &["--locale=C.UTF-8"]
    }
}

/// In single-user mode: the superuser never needs a way in over the socket for this.
fn create_roles_and_database(new: &Path, account: &Account, binaries: &Binaries) -> Result<(), EmbeddedError> {
    let mut postgres = Command::new(binaries.program("postgres"));
    postgres.args(["--single", "-c", "exit_on_error=true", "-D"]).arg(new).arg("postgres");
    let (owner, service) = (super::OWNER, super::SERVICE);
    let statements = format!(
        "CREATE ROLE {owner} LOGIN CREATEDB\n\
         CREATE ROLE {service} LOGIN\n\
         GRANT {service} TO {owner}\n\
         CREATE DATABASE {database} OWNER {owner}\n",
        database = super::DATABASE,
    );
    run(postgres, account, new, "postgres --single", &statements)
}

/// Runs a set-up program as the account, feeds it `input`, and waits for it.
fn run(
    mut command: Command,
    account: &Account,
    folder: &Path,
    step: &'static str,
    input: &str,
) -> Result<(), EmbeddedError> {
    account.dress(&mut command);
    die_with_parent(&mut command, rustix::process::Signal::TERM);
    let program = PathBuf::from(command.get_program());
    let mut child = command
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .on("run", &program)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that fails early closes its end; its own words tell more than EPIPE.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().on("wait for", &program)?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    Err(EmbeddedError::Initialise { step, output: String::from_utf8_lossy(&said).trim_end().to_owned() })
}

/// Writes the configuration, out of the cluster's account's hands. Returns the main file's path.
pub(super) fn configure(
    dir: &DataDir,
    account: &Account,
    socket_dir: &Path,
    durability: Durability,
) -> Result<PathBuf, EmbeddedError> {
    let conf = dir.conf();
    fs::create_dir_all(&conf).on("create", &conf)?;
    let main = conf.join("postgresql.conf");
    let write = |name: &str, text: String| {
        let path = conf.join(name);
        fs::write(&path, text).on("write", &path)
    };
    write("pg_hba.conf", hba())?;
    write("pg_ident.conf", ident(account))?;
    write("postgresql.conf", settings(dir, socket_dir, durability))?;
    let local = conf.join("local.conf");
    if !local.exists() {
        let invitation = "# Your own settings for PostgreSQL; they win over the others and are kept.\n";
        fs::write(&local, invitation).on("write", &local)?;
    }
    Ok(main)
}

fn hba() -> String {
    format!(
        "# Written anew at each start. The kernel says who connects (peer); there is no password and no TCP.\n\
         local all all peer map={IDENT_MAP}\n\
         local replication all peer map={IDENT_MAP}\n"
    )
}

fn ident(account: &Account) -> String {
    let mut text = "# Written anew at each start: who may connect as what.\n".to_owned();
    for name in welcome(account) {
        for role in [super::OWNER, super::SERVICE] {
            text.push_str(&format!("{IDENT_MAP} \"{name}\" {role}\n"));
        }
    }
    text.push_str(&format!("{IDENT_MAP} \"{}\" {SUPERUSER}\n", account.name));
    text
}

fn settings(dir: &DataDir, socket_dir: &Path, durability: Durability) -> String {
    let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', "''"));
    let conf = dir.conf();
    let durable = match durability {
        Durability::Full => "on",
        Durability::ProcessCrashes => "off",
    };
    format!(
        "# Written anew at each start; put your own settings into local.conf beside this file.\n\
         include {initdb}\n\
         data_directory = {cluster}\n\
         hba_file = {hba}\n\
         ident_file = {ident}\n\
         \n\
         # A Unix socket only, in a folder of its own.\n\
         listen_addresses = ''\n\
         unix_socket_directories = {socket}\n\
         unix_socket_permissions = 0700\n\
         port = {PORT}\n\
         ssl = off\n\
         \n\
         # An acknowledged event is never lost.\n\
         fsync = {durable}\n\
         synchronous_commit = on\n\
         full_page_writes = {durable}\n\
         \n\
         # A server that shares its machine.\n\
         max_connections = {connections}\n\
         shared_buffers = {buffers}MB\n\
         max_wal_size = {wal}\n\
         checkpoint_timeout = 10min\n\
         wal_compression = on\n\
         random_page_cost = 1.1\n\
         jit = off\n\
         timezone = 'UTC'\n\
         log_timezone = 'UTC'\n\
         \n\
         # No personal data in the log: neither the rows that errors quote nor the statements.\n\
         log_error_verbosity = terse\n\
         log_min_error_statement = panic\n\
         log_statement = none\n\
         log_min_duration_statement = -1\n\
         log_parameter_max_length_on_error = 0\n\
         logging_collector = off\n\
         log_destination = stderr\n\
         log_line_prefix = '%m [%p] %q%u@%d '\n\
         \n\
         include {local}\n",
        initdb = quoted(&dir.cluster().join("postgresql.conf")),
        cluster = quoted(&dir.cluster()),
        hba = quoted(&conf.join("pg_hba.conf")),
        ident = quoted(&conf.join("pg_ident.conf")),
        socket = socket_dir_setting(socket_dir),
        connections = durability.connections(),
        buffers = durability.buffers(),
        wal = durability.most_wal(),
        local = quoted(&conf.join("local.conf")),
    )
}

/// The setting is itself a comma-separated list with its own double quotes.
fn socket_dir_setting(dir: &Path) -> String {
    let item = dir.to_string_lossy().replace('"', "\"\"");
    format!("'\"{}\"'", item.replace('\'', "''"))
}
