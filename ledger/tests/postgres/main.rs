//! The embedded PostgreSQL and the opening of databases, against real servers and real kills.
//! Works as root (PostgreSQL then runs as an unprivileged account) and as any other user.

mod child;
mod crashes;
mod databases;
mod places;
mod starting;

use std::time::{Duration, Instant};

use ledger::postgres::{EmbeddedPostgres, Role};
use sqlx::{ConnectOptions, Connection, PgConnection};

/// Waits for a condition; fails if it takes far longer than it ever should.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_alive(pid: i32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid).expect("a process id");
    rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

fn kill_hard(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

async fn connect(server: &EmbeddedPostgres, role: Role) -> PgConnection {
    server.connect_options(role).connect().await.unwrap()
}

/// Writes a number that a later start must find.
async fn remember(server: &EmbeddedPostgres, number: i32) {
    let mut owner = connect(server, Role::Owner).await;
    let table = "CREATE TABLE IF NOT EXISTS remembered (number int)";
    sqlx::query(table).execute(&mut owner).await.unwrap();
    let insert = sqlx::query("INSERT INTO remembered VALUES ($1)").bind(number);
    insert.execute(&mut owner).await.unwrap();
    owner.close().await.unwrap();
}

async fn remembered(server: &EmbeddedPostgres) -> Vec<i32> {
    let mut owner = connect(server, Role::Owner).await;
    let numbers = sqlx::query_scalar("SELECT number FROM remembered ORDER BY 1");
    let numbers = numbers.fetch_all(&mut owner).await.unwrap();
    owner.close().await.unwrap();
    numbers
}

async fn show(connection: &mut PgConnection, setting: &str) -> String {
    let query = format!("SHOW {setting}");
    sqlx::query_scalar(&query).fetch_one(connection).await.unwrap()
}
