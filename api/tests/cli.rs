//! The program as it is run: configuration, the service's life, and following an incident.

use ledger::postgres::testing::TempDataDir;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The program, with nothing of the test's own environment that would configure it.
fn matricule(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matricule"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name == "DATABASE_URL" || (name.starts_with("MATRICULE_") && !name.starts_with("MATRICULE_POSTGRES_")) {
            command.env_remove(name);
        }
    }
    command.current_dir(dir).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn config_check_prints_what_holds_and_masks_secrets() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("matricule.toml"), "language = \"en\"\n[codes]\nvalidity = \"20min\"\n").unwrap();
    let output = matricule(dir.path())
        .args(["config", "check", "--data-dir", "there"])
        .env("MATRICULE_CODES__ATTEMPTS", "4")
        .env("MATRICULE_MASTER_KEY__VALUE", "0123456789")
        .env("DATABASE_URL", "postgres://someone:hunter2@db.example.org/matricule")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    for line in
        ["language = \"en\"", "data_dir = \"there\"", "validity = \"20m\"", "attempts = 4", "url = \"(secret)\""]
    {
        assert!(shown.lines().any(|l| l == line), "{line}\n{shown}");
    }
    assert!(!shown.contains("hunter2") && !shown.contains("0123456789"));
}

#[test]
fn a_wrong_variable_is_refused_at_start_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |name: &str, value: &str| -> Output {
        let output = matricule(dir.path()).arg("serve").env(name, value).output().unwrap();
        assert!(!output.status.success());
        output
    };
    let unknown = text(&refused("MATRICULE_LISSEN", "127.0.0.1:0").stderr);
    assert!(unknown.contains("lissen (from MATRICULE_LISSEN): there is no such key"), "{unknown}");
    let wrong = text(&refused("MATRICULE_HTTP__REQUEST_TIMEOUT", "soon").stderr);
    assert!(wrong.contains("http.request_timeout (from MATRICULE_HTTP__REQUEST_TIMEOUT)"), "{wrong}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was begun");
}

/// A running service; killed if the test ends early.
struct Service {
    child: Child,
    address: String,
    /// What it has logged.
    log: Arc<Mutex<String>>,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself, which is what the test wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    fn start(dir: &Path) -> Self {
        let mut child = matricule(dir)
            .args(["serve", "--data-dir"])
            .arg(dir.join("data"))
            .env("MATRICULE_LISTEN", "127.0.0.1:0")
            .env("MATRICULE_LOG__FORMAT", "json")
            .env("MATRICULE_HTTP__REQUEST_TIMEOUT", "2s")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let address = loop {
            let Some(line) = lines.next() else { panic!("the service did not start:\n{said}") };
            let line = line.unwrap();
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if entry["message"] == "serving" {
                break entry["address"].as_str().unwrap().to_owned();
            }
            said += &(line + "\n");
        };
        // Whoever writes into a pipe nobody reads is stopped by it.
        let log = Arc::new(Mutex::new(said));
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| *written.lock().unwrap() += &(line + "\n"))
        });
        Self { child, address, log }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: elsewhere.example.org\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn terminate(&mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let ended = self.child.wait().unwrap().success();
        // All that it said has been read once nobody else holds the log.
        while Arc::strong_count(&self.log) > 1 {
            std::thread::yield_now();
        }
        ended
    }
}

#[test]
fn the_service_starts_answers_cuts_off_the_slow_and_stops_with_its_database() {
    let dir = TempDataDir::new();
    let mut service = Service::start(dir.path());
    let ready = service.get("/readyz");
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains("\"people\":0"), "{ready}");
    assert!(!service.get("/").contains("elsewhere.example.org"), "nothing is built from the Host header");

    // A head that never ends.
    let mut slow = TcpStream::connect(&service.address).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nX-").unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let began = Instant::now();
    let mut end = Vec::new();
    slow.read_to_end(&mut end).unwrap();
    assert!(began.elapsed() < Duration::from_secs(15));

    let missing = service.get("/nowhere?name=Fictif");
    let reference =
        missing.lines().find_map(|line| line.strip_prefix("incident-reference: ")).unwrap().trim().to_owned();
    let follow = |typed: &str| {
        let mut command = matricule(dir.path());
        command.args(["incident", "--data-dir"]).arg(dir.path().join("data")).args(typed.split(' '));
        command.output().unwrap()
    };
    let told = follow(&reference.to_lowercase().replace('-', " "));
    let told = text(&told.stdout) + &text(&told.stderr);
    assert!(told.contains("Answered  404 (not-found)") && !told.contains("Fictif"), "{told}");

    assert!(service.terminate());
    let log = service.log.lock().unwrap().clone();
    assert!(log.contains(&reference.replace('-', "")), "the log tells of the request: {log}");
    assert!(!log.contains("Fictif") && !log.contains("127.0.0.1"), "and not who asked for what: {log}");
    assert!(!dir.path().join("data/pg/postmaster.pid").exists(), "PostgreSQL stopped too");
    // Also beside a service that is not running.
    let told = follow(&reference);
    assert!(text(&told.stdout).contains("(none)"), "{}", text(&told.stderr));
    let slip = if reference.starts_with('0') { "2" } else { "0" };
    let refused = follow(&format!("{slip}{}", &reference[1..]));
    assert!(!refused.status.success() && text(&refused.stderr).contains("check symbol"), "{}", text(&refused.stderr));
}

#[test]
fn an_operator_resets_a_pupil_by_ine_beside_the_running_service() {
    let dir = TempDataDir::new();
    let files = tempfile::tempdir().unwrap();
    let mut service = Service::start(dir.path());
    let run = |arguments: &[&str]| {
        let data = dir.path().join("data");
        let output = matricule(dir.path()).args(arguments).arg("--data-dir").arg(data).output().unwrap();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let out = files.path().to_str().unwrap();
    let (done, written, error) = run(&["sample", "--pupils", "3", "--secondary", "1", "--primary", "0", "--out", out]);
    assert!(done, "{error}");
    let exports: Vec<&str> = written.lines().filter(|line| line.starts_with(out)).collect();
    let import = [&["import", "--report-dir", out], exports.as_slice()].concat();
    let (done, _, error) = run(&import);
    assert!(done, "{error}");

    let (done, told, error) = run(&["reset", "--pupil", "000000000AA", "--operator", "4711"]);
    assert!(done, "{error}");
    let value = |label: &str| {
        let line = told.lines().find(|line| line.contains(label)).unwrap_or_else(|| panic!("{label}\n{told}"));
        line.split_once(": ").unwrap().1.to_owned()
    };
    assert_eq!(value("Identifiant / login"), value("login"));
    let password = value("password");
    assert_eq!((password.len(), password.matches('-').count()), (17, 2), "{told}");
    assert!(told.contains("mot de passe") && told.contains("not shown again"), "{told}");
    let (_, again, _) = run(&["reset", &value("login"), "--operator", "4711"]);
    assert!(again.contains(&value("account")) && !again.contains(&password), "the same account, another password");
    let (done, nothing, error) = run(&["reset", "--pupil", "123456789AK"]);
    assert!(!done && nothing.is_empty() && error.contains("there is no such account"), "{nothing}{error}");
    assert!(service.terminate());
    let log = service.log.lock().unwrap().clone();
    assert!(!log.contains(&password), "nothing of it in the log");
}

/// Asks until the answer is as wanted.
fn get_until(service: &Service, path: &str, wanted: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = service.get(path);
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{path}: {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn checkpoints_are_signed_as_things_are_recorded_and_recovered_at_the_command_line_only() {
    let dir = TempDataDir::new();
    let mut service = Service::start(dir.path());
    let run = |arguments: &[&str]| {
        let data = dir.path().join("data");
        let output = matricule(dir.path()).args(arguments).arg("--data-dir").arg(data).output().unwrap();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let files = tempfile::tempdir().unwrap();
    let out = files.path().to_str().unwrap();
    let (_, written, _) = run(&["sample", "--pupils", "3", "--secondary", "1", "--primary", "0", "--out", out]);
    let exports: Vec<&str> = written.lines().filter(|line| line.starts_with(out)).collect();
    let (done, _, error) = run(&[&["import", "--report-dir", out], exports.as_slice()].concat());
    assert!(done, "{error}");
    let key = |expected: &str| {
        let (done, key, error) = run(&["checkpoint", "key"]);
        assert!(done && key.starts_with(expected), "{key}{error}");
        key.parse::<ledger::checkpoint::VerifierKey>().unwrap()
    };
    let log = key("localhost:8080/log+");
    let (_, told, _) = run(&["checkpoint", "status"]);
    let size = told.strip_prefix("Ledger:").and_then(|rest| rest.split_whitespace().next()).unwrap();
    let of_all = |answer: &str| answer.contains(&format!("\n{size}\n"));
    let answer = get_until(&service, "/log/checkpoint", of_all);
    let note = answer.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(ledger::checkpoint::SignedCheckpoint::verify(note, &log).unwrap().size.to_string(), size);
    let (done, _, error) = run(&["checkpoint", "recover", "--reason", "for fun"]);
    assert!(!done && error.contains("nothing to recover from"), "{error}");
    assert!(service.terminate());

    // The kept checkpoint is lost: that is not passed over.
    std::fs::remove_file(dir.path().join("data/checkpoint.last")).unwrap();
    let mut service = Service::start(dir.path());
    get_until(&service, "/readyz", |answer| answer.starts_with("HTTP/1.1 200") && answer.contains("\"refused\""));
    assert!(service.get("/log/checkpoint").contains(note), "what was published stays");
    let (done, told, error) = run(&["checkpoint", "recover", "--reason", "a disk was lost"]);
    assert!(done && told.contains("localhost:8080/log/2+"), "{told}{error}");
    let answer = get_until(&service, "/log/2/checkpoint", |answer| answer.starts_with("HTTP/1.1 200"));
    let note = answer.split_once("\r\n\r\n").unwrap().1;
    ledger::checkpoint::SignedCheckpoint::verify(note, &key("localhost:8080/log/2+")).unwrap();
    assert!(service.get("/log/checkpoint").starts_with("HTTP/1.1 404"), "another log, other addresses");
    let (_, told, _) = run(&["checkpoint", "status"]);
    assert!(told.contains("a disk was lost") && told.contains("Kept:      "), "{told}");
    assert!(service.terminate());
    assert!(service.log.lock().unwrap().contains("NO CHECKPOINT"));
}

/// The drill of an operator: backup, rotation of the master key, restore elsewhere with the key of then.
#[test]
fn what_was_backed_up_is_restored_elsewhere_with_the_key_of_then_and_the_register() {
    let (here, there) = (TempDataDir::new(), TempDataDir::new());
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let run = |data: &Path, arguments: &[&str]| -> Output {
        matricule(folder.path()).args(arguments).arg("--data-dir").arg(data).output().unwrap()
    };
    let done = |data: &Path, arguments: &[&str]| -> String {
        let output = run(data, arguments);
        assert!(output.status.success(), "{arguments:?}\n{}", text(&output.stderr));
        text(&output.stdout)
    };
    done(here.path(), &["establishment", "name", "0210001A", "Collège des Exemples"]);
    let nobody = run(here.path(), &["erase", "personne", "--reason", "own-request"]);
    assert!(text(&nobody.stderr).contains("no account, pupil or guardian record"), "{}", text(&nobody.stderr));
    assert!(done(here.path(), &["erase", "--ended"]).contains("Nobody's entitlement ended"));
    let (ledger, keys) = (at("ledger"), at("keys"));
    let (ledger, keys) = (ledger.to_str().unwrap(), keys.to_str().unwrap());
    let told = done(here.path(), &["backup", "--ledger-dir", ledger, "--keys-dir", keys]);
    let folder_of = |word: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_else(|| panic!("{told}"));
        line.trim().to_owned()
    };
    let (ledger, keys) = (folder_of("ledger"), folder_of("keys"));
    let old = std::fs::read(here.path().join("master.key")).unwrap();
    let rotated = done(here.path(), &["keys", "rotate-master"]);
    assert!(rotated.contains("opens nothing in the database any more"), "{rotated}");
    assert!(done(here.path(), &["establishment", "list"]).contains("Collège des Exemples"));
    let register = here.path().join("erasures.register");
    let restore = ["restore", "--ledger", &ledger, "--keys", &keys, "--register", register.to_str().unwrap()];
    let keyless = run(there.path(), &restore);
    assert!(text(&keyless.stderr).contains("there is no master key"), "{}", text(&keyless.stderr));
    std::fs::create_dir_all(there.path()).unwrap();
    let key = there.path().join("master.key");
    std::fs::write(&key, old).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let restored = done(there.path(), &restore);
    assert!(restored.contains("proved by walking the tree"), "{restored}");
    assert!(done(there.path(), &["establishment", "list"]).contains("Collège des Exemples"));
    let again = run(there.path(), &restore);
    assert!(text(&again.stderr).contains("events already"), "{}", text(&again.stderr));
}
