//! The import over HTTP.

use crate::support::{LILLE, Siecle, person, pupil};
use api::testing::{Answer, Browser, TestService};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use futures::StreamExt;
use ledger::access::{Kind, Of, Wanted, read};
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

const TOKEN: &str = "a-token-of-the-tests";

async fn service(folder: &Path) -> TestService {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, TOKEN.as_bytes());
    let folder = folder.to_owned();
    let change = |config: &mut api::config::Config| {
        config.imports.tokens = vec![hex::encode(digest)];
        config.data_dir = folder;
        config.database.max_connections = Some(16);
        config.http.import_limit = api::config::Size(100_000);
        config.http.request_timeout = api::config::Span::seconds(2);
    };
    TestService::with(change, |router| router).await
}

fn program(service: &TestService) -> Browser {
    let mut program = service.browser();
    program.headers.insert(header::AUTHORIZATION, format!("Bearer {TOKEN}").parse().unwrap());
    program.headers.insert(header::ACCEPT, "application/json".parse().unwrap());
    program
}

const FORM: &str = "multipart/form-data; boundary=b";

async fn send(program: &mut Browser, files: &[(String, Vec<u8>)]) -> Answer {
    program.send(Method::POST, "/api/imports", Body::from(form(files)), Some(FORM)).await
}

fn form(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, bytes) in files {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}

/// Asks until the request is in one of these states.
async fn status(program: &mut Browser, address: &str, states: &[&str]) -> serde_json::Value {
    loop {
        let answer = program.get(address).await;
        let status: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        if states.contains(&status["state"].as_str().unwrap()) {
            return status;
        }
        tokio::task::yield_now().await;
    }
}

fn folders(data: &Path) -> usize {
    std::fs::read_dir(data.join("imports")).unwrap().count()
}

/// A request that was received, and a file where its folder should be: a fault of the disk.
async fn unreadable_request(service: &TestService, data: &Path) -> Uuid {
    let id = Uuid::now_v7();
    sqlx::query(
        "INSERT INTO service.import_request (id, state, options, received_at) VALUES ($1, 'received', '{}', now())",
    )
    .bind(id)
    .execute(&service.app().db)
    .await
    .unwrap();
    std::fs::create_dir_all(data.join("imports")).unwrap();
    std::fs::write(data.join("imports").join(id.to_string()), "").unwrap();
    id
}

fn export() -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = pupil(2, "123456789BK", "FICTIF", "Zoe");
    wrong.birth = "31/02/2014";
    let export = Siecle::new(LILLE)
        .with(pupil(1, "123456789AK", "FICTIF", "Anais"))
        .with(wrong)
        .person(person(10, "FICTIF", "Berthe", "+33639980010"))
        .mother(1, 10);
    let files = export.write(folder.path());
    let name = |file: &std::path::Path| format!("../../{}", file.file_name().unwrap().to_string_lossy());
    files.iter().map(|file| (name(file), std::fs::read(file).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_sent_by_a_program_go_in_and_their_report_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let mut program = program(&service);
    let answer = send(&mut program, &export()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let address = answer.location().to_owned();
    let status = loop {
        let answer = program.get(&address).await;
        let status: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        if status["state"] != "received" && status["state"] != "running" {
            break status;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(status["state"], "done", "{status}");
    let counts = &status["exports"][0]["imported"]["counts"];
    assert_eq!((counts["pupils"].as_u64(), counts["refused"].as_u64()), (Some(1), Some(1)), "{status}");
    let report = program.get(&format!("{address}/report")).await;
    assert!(report.body.contains("ELEVE 2") && !report.body.contains("FICTIF"), "{}", report.body);
    let reads = Wanted { kinds: vec![Kind::StaffRead], ..Wanted::all(Of::Everyone, 10) };
    let reads = read(&service.app().db, &reads).await.unwrap();
    assert_eq!(reads.iter().map(|read| read.what.as_str()).collect::<Vec<_>>(), ["import-report"]);
    assert!(reads[0].actor.as_deref().unwrap().starts_with("operator:token-"));
    // The files hold personal data: they are gone once imported.
    while std::fs::read_dir(folder.path().join("imports")).unwrap().count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_or_too_large_nothing_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let answer = send(&mut service.browser(), &export()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let undated = "--b\r\nContent-Disposition: form-data; name=\"exported_on\"\r\n\r\nyesterday\r\n--b--\r\n";
    let answer = program(&service).send(Method::POST, "/api/imports", Body::from(undated), Some(FORM)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let large = vec![("eleves.xml".to_owned(), vec![b' '; 100_001])];
    let answer = send(&mut program(&service), &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(std::fs::read_dir(folder.path().join("imports")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_may_be_slow_but_not_stand_still_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let form = form(&export());
    // Four pauses of 0.7 s: longer than a request may take, each shorter than a pause may be.
    let pieces: Vec<Vec<u8>> = form.chunks(form.len().div_ceil(4)).map(<[u8]>::to_vec).collect();
    let slow = futures::stream::iter(pieces.clone()).then(async |piece| {
        tokio::time::sleep(Duration::from_millis(700)).await;
        Ok::<_, std::io::Error>(piece)
    });
    let mut program = program(&service);
    let answer = program.send(Method::POST, "/api/imports", Body::from_stream(slow), Some(FORM)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    status(&mut program, answer.location(), &["done"]).await;
    while folders(folder.path()) > 0 {
        tokio::task::yield_now().await;
    }

    let begun = || futures::stream::iter(pieces[..2].to_vec()).map(Ok::<_, std::io::Error>);
    let still = Body::from_stream(begun().chain(futures::stream::pending()));
    let answer = program.send(Method::POST, "/api/imports", still, Some(FORM)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(folders(folder.path()), 0);

    // The caller hangs up in the middle.
    let (went, mut gone) = tokio::sync::mpsc::channel::<()>(1);
    let hanging = begun().chain(futures::stream::once(async move {
        went.send(()).await.unwrap();
        std::future::pending().await
    }));
    let mut other = program.clone();
    let sending =
        tokio::spawn(
            async move { other.send(Method::POST, "/api/imports", Body::from_stream(hanging), Some(FORM)).await },
        );
    gone.recv().await.unwrap();
    assert_eq!(folders(folder.path()), 1, "it has begun");
    sending.abort();
    while folders(folder.path()) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upload_left_behind_goes_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let left = folder.path().join("imports").join(Uuid::now_v7().to_string());
    std::fs::create_dir_all(left.join("1")).unwrap();
    std::fs::write(left.join("1/eleves.xml"), "half a file").unwrap();
    let _service = service.restarted(|_| {}).await;
    assert_eq!(folders(folder.path()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_a_fault_stopped_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let id = unreadable_request(&service, folder.path()).await;
    let service = service.restarted(|_| {}).await;
    let (mut program, address) = (program(&service), format!("/api/imports/{id}"));
    status(&mut program, &address, &["waiting"]).await;
    // The fault passes.
    let place = folder.path().join("imports").join(id.to_string());
    let healthy = folder.path().join("healthy");
    for (number, (name, bytes)) in export().into_iter().enumerate() {
        let inside = healthy.join(number.to_string());
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::write(inside.join(name.trim_start_matches("../")), bytes).unwrap();
    }
    std::fs::remove_file(&place).unwrap();
    std::fs::rename(&healthy, &place).unwrap();
    let status = status(&mut program, &address, &["done", "refused", "failed"]).await;
    assert_eq!(status["state"], "done", "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_fault_does_not_pass_ends_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let id = unreadable_request(&service, folder.path()).await;
    api::import::http::run(service.app().clone(), id, Default::default(), 1).await;
    let status = status(&mut program(&service), &format!("/api/imports/{id}"), &["failed"]).await;
    assert!(status["exports"][0]["failed"].as_str().unwrap().contains("send the same files again"), "{status}");
    assert!(!status.to_string().contains(folder.path().to_str().unwrap()));
}
