use crate::config::Span;
use crate::testing::{Browser, TestService};
use axum::http::{HeaderValue, header};
use domain::context::{Actor, Context, Reason};
use domain::establishment::Establishment;
use domain::ids::CommandId;
use ledger::Unit;
use ledger::checkpoint::{Health, SignedCheckpoint, State};
use ledger::tree::TileId;
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

/// A service that signs, with its files in a directory of its own.
async fn signing() -> (TestService, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().to_owned();
    let change = move |config: &mut crate::config::Config| {
        config.data_dir = data_dir;
        config.proof.sign = true;
        config.proof.every = Span(Duration::from_millis(10));
    };
    (TestService::with(change, |router| router).await, dir)
}

async fn until(service: &TestService, wanted: impl FnMut(&Health) -> bool) {
    let mut health = service.app().checkpoints.clone();
    tokio::time::timeout(Duration::from_secs(20), health.wait_for(wanted)).await.unwrap().unwrap();
}

/// Records events until there are so many.
async fn record(service: &TestService, size: u64) {
    let count = usize::try_from(size - service.app().ledger.size()).unwrap();
    let context = Context {
        command: CommandId(Uuid::new_v4()),
        actor: Actor::Service,
        on_behalf_of: None,
        reason: Reason::Rule,
        reference: None,
        effective_at: service.app().ledger.now(),
    };
    let sample = domain::samples::every_event().into_iter().find_map(|event| match event {
        domain::Event::Establishment(event) => Some(event),
        _ => None,
    });
    let events = std::iter::repeat_n(sample.unwrap(), count).collect();
    let stream = Uuid::new_v4().to_string();
    service.app().ledger.append(Unit::new(context).stream::<Establishment>(&stream, 0, events)).await.unwrap();
}

async fn tile(browser: &mut Browser, path: &str) -> crate::testing::Answer {
    browser.get(&format!("/log/{path}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoint_and_tiles_are_public_and_cacheable() {
    let (service, _dir) = signing().await;
    let mut browser = service.browser();
    record(&service, 300).await;
    until(&service, |health| health.size == Some(300)).await;

    let checkpoint = browser.get("/log/checkpoint").await;
    assert_eq!(checkpoint.status, 200);
    assert_eq!(checkpoint.header(header::CONTENT_TYPE), "text/plain; charset=utf-8");
    assert_eq!(checkpoint.header(header::CACHE_CONTROL), "public, max-age=1");
    let app = service.app();
    let key = app.config.checkpoints().unwrap().key.open(false).await.unwrap();
    let signed = SignedCheckpoint::verify(&checkpoint.body, &key.verifier("localhost:8080/log")).unwrap();
    assert_eq!(signed.size, 300);

    for path in ["tile/0/000", "tile/0/001.p/44", "tile/0/001.p/1", "tile/1/000.p/1", "tile/0/000.p/7"] {
        let answer = tile(&mut browser, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/octet-stream");
        assert!(answer.header(header::CACHE_CONTROL).contains("immutable"));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let expected = app.ledger.tree().tile(path.parse::<TileId>().unwrap()).await.unwrap().unwrap();
        assert_eq!(answer.body, String::from_utf8_lossy(&expected));
    }
    for path in [
        "tile/0/001",
        "tile/0/001.p/45",
        "tile/0/002",
        "tile/1/000",
        "tile/2/000.p/1",
        "tile/0/000.p/256",
        "tile/0/0",
        "tile/entries/000",
        "2/checkpoint",
        "",
        "checkpoint/",
    ] {
        assert_eq!(tile(&mut browser, path).await.status, 404, "{path}");
    }

    let known = tile(&mut browser, "tile/0/000").await.header(header::ETAG).to_owned();
    browser.headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(&known).unwrap());
    let answer = tile(&mut browser, "tile/0/000").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str(), answer.header(header::ETAG)), (304, "", known.as_str()));
    assert_eq!(tile(&mut browser, "tile/0/001.p/44").await.status, 200);
}

#[tokio::test]
async fn what_stands_against_signing_shows_and_the_service_serves_on() {
    let (service, dir) = signing().await;
    record(&service, 2).await;
    until(&service, |health| health.size == Some(2)).await;
    let ready = service.browser().get("/readyz").await;
    let said: serde_json::Value = serde_json::from_str(&ready.body).unwrap();
    assert_eq!((said["checkpoint"]["state"].as_str(), said["checkpoint"]["size"].as_u64()), (Some("signing"), Some(2)));
    // Somebody else's checkpoint lies where ours was kept.
    std::fs::write(dir.path().join("checkpoint.last"), "another.example/log\n9\n").unwrap();
    record(&service, 3).await;
    until(&service, |health| health.state == State::Refused).await;
    let ready = service.browser().get("/readyz").await;
    let said: serde_json::Value = serde_json::from_str(&ready.body).unwrap();
    assert_eq!((ready.status.as_u16(), &said["ready"]), (200, &true.into()));
    assert!(said["checkpoint"]["alert"].as_str().unwrap().contains("checkpoint recover"), "{said}");
    assert_eq!(service.browser().get("/log/tile/0/000.p/2").await.status, 200);
    assert_eq!(service.browser().get("/log/tile/0/000.p/3").await.status, 404, "not published");
}
