//! Two institutions that witness each other, and a fork that neither lets pass.

use axum::Router;
use domain::context::{Actor, Context, Reason};
use domain::establishment::Establishment;
use domain::ids::CommandId;
use ledger::checkpoint::witness::{AddCheckpoint, Witness, WitnessService};
use ledger::checkpoint::{
    Checkpoint, Checkpoints, Health, Keep, KeySource, Settings, SignedCheckpoint, SigningKey, State, VerifierKey,
};
use ledger::leaf::sha256;
use ledger::postgres::Role;
use ledger::postgres::testing::{TestDatabase, fresh_database};
use ledger::{Ledger, MasterKeys, Unit};
use reqwest::Client;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

/// A log and a witness, each with a key of its own.
struct Institution {
    name: &'static str,
    seed: u8,
    dir: PathBuf,
    ledger: Ledger,
    _database: TestDatabase,
}

fn seed_hex(seed: u8) -> String {
    hex::encode([seed; 32])
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

impl Institution {
    async fn new(name: &'static str, seed: u8, dir: &Path) -> Self {
        let database = fresh_database().await;
        let pool = database.pool(Role::Service, 8).await.unwrap();
        let ledger = Ledger::open(pool, MasterKeys::generate().unwrap()).await.unwrap();
        Self { name, seed, dir: dir.join(format!("{name}-{seed}")), ledger, _database: database }
    }

    fn log(&self) -> VerifierKey {
        key(self.seed).verifier(&format!("{}/log", self.name))
    }

    fn witness_key(&self) -> VerifierKey {
        key(self.seed + 100).cosigner(&format!("{}/witness", self.name))
    }

    /// What of it witnesses these logs.
    fn witness(&self, logs: Vec<VerifierKey>) -> Router {
        let (name, key) = (format!("{}/witness", self.name), key(self.seed + 100));
        replay::witness::routes(WitnessService::new(name, key, logs, self.dir.join("witness")).unwrap())
    }

    fn settings(&self, witnesses: Vec<Witness>) -> Settings {
        Settings {
            origin: format!("{}/log", self.name),
            key: KeySource::Value(Zeroizing::new(seed_hex(self.seed))),
            keep: Keep::File(self.dir.join("last")),
            every: Duration::from_millis(10),
            threshold: witnesses.len(),
            witnesses,
            timestamps: None,
        }
    }

    async fn record(&self, count: usize) {
        let context = Context {
            command: CommandId(Uuid::new_v4()),
            actor: Actor::Service,
            on_behalf_of: None,
            reason: Reason::Rule,
            reference: None,
            effective_at: self.ledger.now(),
        };
        let sample = domain::samples::every_event().into_iter().find_map(|event| match event {
            domain::Event::Establishment(event) => Some(event),
            _ => None,
        });
        let events = std::iter::repeat_n(sample.unwrap(), count).collect();
        let stream = Uuid::new_v4().to_string();
        self.ledger.append(Unit::new(context).stream::<Establishment>(&stream, 0, events)).await.unwrap();
    }

    async fn published(&self) -> SignedCheckpoint {
        let published = self.ledger.published_checkpoint().await.unwrap().unwrap();
        SignedCheckpoint::verify(&published.text, &self.log()).unwrap()
    }

    async fn signed(&self) -> SignedCheckpoint {
        let (size, root) = self.ledger.root().await.unwrap();
        Checkpoint { origin: self.log().name().to_owned(), size, root }.sign(&key(self.seed)).unwrap()
    }
}

async fn serve(listener: TcpListener, routes: Router) {
    tokio::spawn(async move { axum::serve(listener, routes).await });
}

async fn bind() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, Url::parse(&url).unwrap())
}

async fn until(checkpoints: &Checkpoints, wanted: impl FnMut(&Health) -> bool) -> Health {
    let mut health = checkpoints.health();
    tokio::time::timeout(Duration::from_secs(20), health.wait_for(wanted)).await.unwrap().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_institutions_witness_each_other_and_no_fork_passes() {
    let dir = tempfile::tempdir().unwrap();
    let north = Institution::new("nord.example.org", 1, dir.path()).await;
    let south = Institution::new("sud.example.org", 2, dir.path()).await;
    let ((at_north, north_url), (at_south, south_url)) = (bind().await, bind().await);
    serve(at_north, north.witness(vec![south.log()])).await;
    serve(at_south, south.witness(vec![north.log()])).await;
    let by_south = Witness { url: south_url.clone(), key: south.witness_key() };
    let by_north = Witness { url: north_url, key: north.witness_key() };
    north.record(3).await;
    south.record(2).await;
    let of_north = Checkpoints::start(north.ledger.clone(), north.settings(vec![by_south.clone()])).unwrap();
    let of_south = Checkpoints::start(south.ledger.clone(), south.settings(vec![by_north])).unwrap();
    until(&of_north, |health| health.size == Some(3)).await;
    until(&of_south, |health| health.size == Some(2)).await;
    north.record(400).await;
    until(&of_north, |health| health.size == Some(403) && health.witnesses.is_empty()).await;
    assert_eq!(north.published().await.cosignatures(&[south.witness_key()]).len(), 1);
    assert_eq!(south.published().await.cosignatures(&[north.witness_key()]).len(), 1);
    assert!(north.published().await.cosignatures(&[north.witness_key()]).is_empty());

    // What the witness shows to others: the same tree, with both signatures.
    let origin = hex::encode(sha256(north.log().name().as_bytes()));
    let shown = reqwest::get(south_url.join(&format!("{origin}/checkpoint")).unwrap()).await.unwrap();
    let shown = SignedCheckpoint::verify(&shown.text().await.unwrap(), &north.log()).unwrap();
    assert_eq!((shown.size, shown.cosignatures(&[south.witness_key()]).len()), (403, 1));
    of_north.stop().await;
    of_south.stop().await;

    // The same log with another history and its own memory, as one who wants to deceive would have it.
    for (events, expected) in [(500, "forked"), (100, "lost or forked")] {
        let fork = Institution::new("nord.example.org", 1, &dir.path().join(events.to_string())).await;
        fork.record(events).await;
        let checkpoints = Checkpoints::start(fork.ledger.clone(), fork.settings(vec![by_south.clone()])).unwrap();
        let health = until(&checkpoints, |health| health.alert.is_some()).await;
        let alert = health.alert.unwrap();
        assert!(health.state == State::Failing && alert.contains(expected), "{alert}");
        assert_eq!(fork.ledger.published_checkpoint().await.unwrap(), None);
        checkpoints.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demanded_witness_that_is_away_holds_publication_back_until_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let north = Institution::new("nord.example.org", 3, dir.path()).await;
    let south = Institution::new("sud.example.org", 4, dir.path()).await;
    let (away, url) = bind().await;
    let address = away.local_addr().unwrap();
    drop(away);
    let by_south = Witness { url, key: south.witness_key() };
    let checkpoints = Checkpoints::start(north.ledger.clone(), north.settings(vec![by_south])).unwrap();
    north.record(2).await;
    let health = until(&checkpoints, |health| health.state == State::Failing).await;
    assert!(health.alert.unwrap().contains("0 of 1"));
    assert_eq!(north.ledger.published_checkpoint().await.unwrap(), None);
    serve(TcpListener::bind(address).await.unwrap(), south.witness(vec![north.log()])).await;
    until(&checkpoints, |health| health.size == Some(2) && health.alert.is_none()).await;
    assert_eq!(north.published().await.cosignatures(&[south.witness_key()]).len(), 1);
    checkpoints.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_answers_as_the_specification_says_and_remembers_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let north = Institution::new("nord.example.org", 5, dir.path()).await;
    let south = Institution::new("sud.example.org", 6, dir.path()).await;
    let (listener, url) = bind().await;
    serve(listener, south.witness(vec![north.log()])).await;
    let client = Client::new();
    let ask = async |url: &Url, body: String| {
        let answer = client.post(url.join("add-checkpoint").unwrap()).body(body).send().await.unwrap();
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("").to_owned();
        (answer.status().as_u16(), kind, answer.text().await.unwrap())
    };
    let body = |old, proof, note: &str| AddCheckpoint { old, proof, note: note.to_owned() }.to_string();
    north.record(5).await;
    let first = north.signed().await;
    let never = url.join(&format!("{}/checkpoint", hex::encode(sha256(b"nord.example.org/log")))).unwrap();
    assert_eq!(reqwest::get(never).await.unwrap().status(), 404);
    assert_eq!(ask(&url, "hello".to_owned()).await.0, 400);
    assert_eq!(ask(&url, body(6, vec![], first.text())).await.0, 400, "older is larger");
    assert_eq!(ask(&url, body(0, vec![], south.signed().await.text())).await.0, 404, "an unknown log");
    let by_another = (*first).clone().sign(&key(99)).unwrap();
    assert_eq!(ask(&url, body(0, vec![], by_another.text())).await.0, 403);
    let changed = first.text().replacen("\n5\n", "\n6\n", 1);
    assert_eq!(ask(&url, body(0, vec![], &changed)).await.0, 403);
    assert_eq!(ask(&url, body(0, vec![[0; 32]], first.text())).await.0, 422, "nothing needs proof from nothing");
    let empty = Checkpoint { origin: north.log().name().to_owned(), size: 0, root: [1; 32] }.sign(&key(5)).unwrap();
    assert_eq!(ask(&url, body(0, vec![], empty.text())).await.0, 422, "the empty tree has one root only");
    let (status, _, line) = ask(&url, body(0, vec![], first.text())).await;
    assert!(status == 200 && line.starts_with("— sud.example.org/witness "), "{line}");
    let conflict = ask(&url, body(0, vec![], first.text())).await;
    assert_eq!(conflict, (409, "text/x.tlog.size".to_owned(), "5\n".to_owned()));
    assert_eq!(ask(&url, body(5, vec![], first.text())).await.0, 200, "the same again");
    let other_root = Checkpoint { root: [7; 32], ..(*first).clone() }.sign(&key(5)).unwrap();
    assert_eq!(ask(&url, body(5, vec![], other_root.text())).await.0, 422);

    // Another process with the same memory.
    let (listener, url) = bind().await;
    serve(listener, south.witness(vec![north.log()])).await;
    north.record(5).await;
    let second = north.signed().await;
    assert_eq!(ask(&url, body(0, vec![], second.text())).await.0, 409);
    assert_eq!(ask(&url, body(5, vec![[3; 32]; 3], second.text())).await.0, 422);
    let proof = north.ledger.tree().consistency_proof(5, 10).await.unwrap();
    assert_eq!(ask(&url, body(5, proof, second.text())).await.0, 200);
    // A damaged memory is no reason to begin anew.
    let memory = south.dir.join("witness").join(hex::encode(sha256(b"nord.example.org/log")));
    std::fs::write(&memory, "").unwrap();
    assert_eq!(ask(&url, body(0, vec![], second.text())).await.0, 500);
}
