//! The import over HTTP.

use crate::support::{LILLE, Siecle, person, pupil};
use api::testing::{Answer, Browser, TestService};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};

const TOKEN: &str = "a-token-of-the-tests";

async fn service(folder: &std::path::Path) -> TestService {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, TOKEN.as_bytes());
    let folder = folder.to_owned();
    let change = |config: &mut api::config::Config| {
        config.imports.tokens = vec![hex::encode(digest)];
        config.data_dir = folder;
        config.database.max_connections = Some(16);
        config.http.import_limit = api::config::Size(100_000);
    };
    TestService::with(change, |router| router).await
}

fn program(service: &TestService) -> Browser {
    let mut program = service.browser();
    program.headers.insert(header::AUTHORIZATION, format!("Bearer {TOKEN}").parse().unwrap());
    program.headers.insert(header::ACCEPT, "application/json".parse().unwrap());
    program
}

async fn send(program: &mut Browser, files: &[(String, Vec<u8>)]) -> Answer {
    let mut body = Vec::new();
    for (name, bytes) in files {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    program.send(Method::POST, "/api/imports", Body::from(body), Some("multipart/form-data; boundary=b")).await
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
    let large = vec![("eleves.xml".to_owned(), vec![b' '; 100_001])];
    let answer = send(&mut program(&service), &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(std::fs::read_dir(folder.path().join("imports")).unwrap().count(), 0);
}
