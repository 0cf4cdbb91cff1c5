//! What we publish, judged by the Go project's own packages (`golang.org/x/mod/sumdb`), unmodified: nothing of ours
//! is between the files and their verdict.

use crate::checkpoint::{settings, until};
use crate::support::*;
use crate::tree::synthetic;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ledger::Ledger;
use ledger::checkpoint::{Checkpoints, Published};
use ledger::merkle::Frontier;
use ledger::tree::{TileId, TlogProof};
use sqlx::PgPool;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian puts the packages' sources (`golang-golang-x-mod-dev`).
const SOURCES: &str = "/usr/share/gocode";
const SIZE: u64 = 66_100;
const OLD: u64 = 66_000;
const EVENT: u64 = 65_537;

/// Builds the Go program: on the system's sources of the packages or, where it has none, on those that Go fetches.
fn verifier(dir: &Path) -> PathBuf {
    let program = dir.join("verify");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public-tools");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).env("GOFLAGS", "-mod=mod");
    if Path::new(SOURCES).join("src/golang.org/x/mod").exists() {
        build.arg(source.join("verify.go")).env("GO111MODULE", "off").env("GOPATH", SOURCES).env("GOFLAGS", "");
        build.env("GOCACHE", dir.join("cache"));
    } else {
        let module = dir.join("module");
        std::fs::create_dir_all(&module).unwrap();
        for file in ["verify.go", "go.mod"] {
            std::fs::copy(source.join(file), module.join(file)).unwrap();
        }
        build.arg(".").current_dir(module);
    }
    let built = build.output();
    let built = built.expect("Go is there: scripts/test installs golang-go and golang-golang-x-mod-dev");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    program
}

/// Extends the ledger with synthetic events, as an append would, and has the tree signed.
async fn grow(ledger: &Ledger, owner: &PgPool, frontier: &mut Frontier, size: u64, dir: &Path) -> Published {
    let from = frontier.size();
    frontier.extend((from..size).map(|n| ledger::leaf::leaf_of(&n.to_be_bytes())));
    synthetic(owner, from, size).await;
    let head = "UPDATE ledger.head SET size = $1, root = $2, frontier = $3, revision = revision + 1";
    let head = sqlx::query(head).bind(size as i64).bind(frontier.root()).bind(frontier.to_bytes());
    head.execute(owner).await.unwrap();
    let checkpoints = Checkpoints::start(ledger.clone(), settings(dir)).unwrap();
    until(&checkpoints, |health| health.size == Some(size)).await;
    checkpoints.stop().await;
    ledger.published_checkpoint().await.unwrap().unwrap()
}

/// Writes every tile of the tree under its path.
async fn write_tiles(ledger: &Ledger, dir: &Path) {
    for level in 0.. {
        let of_level: Vec<TileId> = (0..).map_while(|index| TileId::in_tree(level, index, SIZE)).collect();
        if of_level.is_empty() {
            return;
        }
        for tile in of_level {
            let path = dir.join(tile.to_string());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, ledger.tree().tile(tile).await.unwrap().unwrap()).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_accepts_what_we_publish_and_refuses_what_was_changed() {
    let (ledger, database) = ledger().await;
    let (owner, dir) = (owner(&database).await, tempfile::tempdir().unwrap());
    let (keys, files) = (dir.path().join("keys"), dir.path().join("files"));
    std::fs::create_dir_all(&files).unwrap();
    let mut frontier = Frontier::default();
    let old = grow(&ledger, &owner, &mut frontier, OLD, &keys).await;
    let new = grow(&ledger, &owner, &mut frontier, SIZE, &keys).await;

    let settings = settings(&keys);
    let vkey = settings.key.open(false).await.unwrap().verifier(&settings.origin);
    let hashes = ledger.tree().inclusion_proof(EVENT, SIZE).await.unwrap().hashes;
    let proof = TlogProof { extra: None, index: EVENT, hashes, checkpoint: new.text.clone() };
    let consistency = ledger.tree().consistency_proof(OLD, SIZE).await.unwrap();
    let consistency: String = consistency.iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
    let written = [
        ("vkey", vkey.to_string().into_bytes()),
        ("checkpoint", new.text.clone().into_bytes()),
        ("old-checkpoint", old.text.clone().into_bytes()),
        ("consistency", consistency.into_bytes()),
        ("proof", proof.to_string().into_bytes()),
        ("entry", EVENT.to_be_bytes().to_vec()),
    ];
    for (name, content) in &written {
        std::fs::write(files.join(name), content).unwrap();
    }
    write_tiles(&ledger, &files).await;

    let program = verifier(dir.path());
    let verdict = || {
        let run = Command::new(&program).arg(&files).output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
        (run.status.success(), said.into_owned())
    };
    let (accepted, said) = verdict();
    assert!(accepted, "{said}");

    // One byte anywhere, and it is refused for what was changed.
    let refused_for = |name: &str, at: usize, expected: &str| {
        let path = files.join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut changed = whole.clone();
        // Still base64, where it was.
        changed[at] = if whole[at] == b'A' { b'B' } else { b'A' };
        std::fs::write(&path, changed).unwrap();
        let (accepted, said) = verdict();
        std::fs::write(&path, whole).unwrap();
        assert!(!accepted && said.contains(expected), "{name}: {said}");
    };
    refused_for("entry", 7, "inclusion");
    refused_for("checkpoint", vkey.name().len() + 1, "checkpoint");
    refused_for("proof", proof.to_string().find("\n\n").unwrap() - 10, "inclusion");
    refused_for("consistency", 5, "consistency");
    let leaf_tile = TileId::in_tree(0, EVENT / 256, SIZE).unwrap().to_string();
    refused_for(&leaf_tile, 32 * (EVENT % 256) as usize, "tiles");
    refused_for("tile/1/001.p/2", 9, "tiles");
    assert!(verdict().0, "and accepted again as it was");
}
