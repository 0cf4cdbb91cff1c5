//! A server that somebody else runs: over TCP, with passwords, and a service login that owns nothing.

use crate::harness::Place;
use ledger::postgres::testing::TempDataDir;
use ledger::postgres::{Database, Role, Source};
use rand::RngExt;
use sqlx::{ConnectOptions, Executor};
use std::fs;

const REGISTER: [&str; 7] = [
    "relying-party",
    "register",
    "--name",
    "Carnet fictif",
    "--redirect-uri",
    "https://carnet.example.org/retour",
    "--all-establishments",
];

/// A server of ours that lets two roles in over TCP, by password, as a hosted one would.
struct Elsewhere {
    database: Database,
    _dir: TempDataDir,
    address: String,
}

impl Elsewhere {
    async fn start() -> Self {
        let dir = TempDataDir::new();
        let opened = Database::open(Source::Embedded(dir.path().to_owned())).await.expect("a first start");
        opened.close().await;
        // Loopback has sixteen million addresses: nobody else listens on this one's usual port.
        let [a, b]: [u8; 2] = rand::rng().random();
        let address = format!("127.{}.{}.7", a | 1, b);
        let conf = dir.path().join("conf");
        let hba = conf.join("elsewhere_hba.conf");
        let local = fs::read_to_string(conf.join("pg_hba.conf")).expect("who may connect now");
        fs::write(
            &hba,
            format!("local all postgres trust\n{local}\nhost school keeper,worker {address}/8 scram-sha-256\n"),
        )
        .expect("written");
        let settings = format!("listen_addresses = '{address}'\nhba_file = '{}'\n", hba.display());
        fs::write(conf.join("local.conf"), settings).expect("written");
        let database = Database::open(Source::Embedded(dir.path().to_owned())).await.expect("a second start");
        let administrator = database.options(Role::Owner).clone().username("postgres").database("postgres");
        let mut administrator = administrator.connect().await.expect("the administrator comes in");
        for sql in [
            "CREATE ROLE keeper LOGIN CREATEROLE PASSWORD 'garde/du lieu'",
            "CREATE ROLE worker LOGIN PASSWORD 'travail'",
            "CREATE DATABASE school OWNER keeper",
        ] {
            administrator.execute(sql).await.expect("two logins and a database");
        }
        Self { database, _dir: dir, address }
    }

    fn url(&self, login: &str) -> String {
        format!("postgres://{login}@{}:5432/school", self.address)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_over_tcp_with_passwords_serves_as_the_embedded_one_does() {
    let elsewhere = Elsewhere::start().await;
    let place = Place::new();
    let with = |keeper: &str, args: &[&str]| {
        let mut command = place.command("matricule");
        command.args(args).env("DATABASE_URL", elsewhere.url("worker:travail"));
        command.env("MATRICULE_DATABASE__OWNER_URL", elsewhere.url(keeper)).output().expect("it runs")
    };

    let refused = with("keeper:faux", &REGISTER);
    let complaint = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && complaint.contains("password"), "{complaint}");
    assert!(!complaint.contains("faux"), "no secret is repeated: {complaint}");

    let keeper = "keeper:garde%2Fdu%20lieu";
    let registered = with(keeper, &REGISTER);
    let complaint = String::from_utf8_lossy(&registered.stderr);
    assert!(registered.status.success(), "{complaint}");

    let replayed = place
        .command("matricule-replay")
        .arg("check")
        .env("DATABASE_URL", elsewhere.url(keeper))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&replayed.stdout);
    assert!(replayed.status.success(), "{said}\n{}", String::from_utf8_lossy(&replayed.stderr));
    assert!(!place.data_dir().join("pg").exists(), "no server of its own is started");
    elsewhere.database.close().await;
}
