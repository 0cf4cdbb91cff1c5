//! Other processes: this test binary started again, to do one thing and be killed.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use ledger::postgres::testing::{TempDataDir, fresh_database};
use ledger::postgres::{Database, EmbeddedPostgres, Role, Source};

/// What the child is to do.
const TASK: &str = "MATRICULE_TEST_TASK";
/// Comes before what the child reports, amid what the test harness prints.
const MARK: &str = "@@ ";

/// A child process.
pub struct Helper {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Helper {
    /// Starts a child on a task, as another user if `uid` says so.
    pub fn start(task: &str, dir: &Path, uid: Option<u32>) -> Self {
        let program = match uid {
            Some(_) => program_for_all(),
            None => std::env::current_exe().unwrap(),
        };
        let mut command = Command::new(program);
        if let Some(uid) = uid {
            command.uid(uid).gid(uid).current_dir("/");
        }
        let mut child = command
            .args(["--exact", "child::the_task", "--nocapture", "--test-threads=1"])
            .env(TASK, format!("{task}:{}", dir.display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        Self { child, lines: BufReader::new(stdout).lines() }
    }

    /// What the child reports next.
    pub fn report(&mut self) -> String {
        for line in self.lines.by_ref() {
            if let Some((_, report)) = line.unwrap().split_once(MARK) {
                return report.to_owned();
            }
        }
        panic!("the child ended without a report");
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn kill_hard(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn ends_well(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

/// A copy of this binary where every user can run it: its own folder may be closed to others.
fn program_for_all() -> PathBuf {
    static COPY: LazyLock<PathBuf> = LazyLock::new(|| {
        let copy = TempDataDir::until_exit().join("tests");
        std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        copy
    });
    COPY.clone()
}

fn tell(report: impl std::fmt::Display) {
    println!("{MARK}{report}");
}

/// Does nothing unless started by [`Helper`].
#[tokio::test]
async fn the_task() {
    let Ok(text) = std::env::var(TASK) else {
        return;
    };
    let (task, dir) = text.split_once(':').unwrap();
    let dir = PathBuf::from(dir);
    match task {
        "serve" => {
            let database = Database::open(Source::Embedded(dir)).await.unwrap();
            tell(database.server().unwrap().server_pid().unwrap());
            std::future::pending::<()>().await;
        }
        "serve and stop" => {
            let database = Database::open(Source::Embedded(dir)).await.unwrap();
            let pool = database.pool(Role::Service, 2).await.unwrap();
            let user: String = sqlx::query_scalar("SELECT current_user").fetch_one(&pool).await.unwrap();
            pool.close().await;
            database.close().await;
            tell(user);
        }
        "start" => match EmbeddedPostgres::start(&dir) {
            Ok(_) => tell("started"),
            Err(error) => tell(error),
        },
        "first start" => {
            tell("starting");
            let _server = EmbeddedPostgres::start(&dir).unwrap();
            std::future::pending::<()>().await;
        }
        "test database" => {
            let database = fresh_database().await;
            let server = database.server().unwrap();
            tell(server.server_pid().unwrap());
            tell(server.dir().path().display());
        }
        other => panic!("no such task: {other}"),
    }
}
