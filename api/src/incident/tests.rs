//! The incident's way, from a request that goes wrong to its record.

use super::{AppError, Incident, Reference, find};
use crate::session::CurrentUser;
use crate::testing::{Answer, TestService};
use axum::Router;
use axum::body::Body;
use axum::extract::Form;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::routing::{get, post};
use domain::context::{Actor, Reason};
use domain::ids::AccountId;
use std::time::Duration;
use uuid::Uuid;

/// Routes that go wrong in every way.
fn with_failures(router: Router<crate::app::App>) -> Router<crate::app::App> {
    #[derive(serde::Deserialize)]
    struct Two {
        number: u32,
    }
    let account = AccountId(Uuid::from_u128(7));
    let command = async move |incident: Incident| {
        let (name, method) = ("Prénom Fictif".to_owned(), crate::session::Method::Password);
        incident.note_user(CurrentUser::new(account, name, chrono::DateTime::UNIX_EPOCH, method));
        let context = incident.context(Actor::Account(account), Reason::OwnRequest, chrono::DateTime::UNIX_EPOCH);
        Err::<(), _>(AppError::forbidden().because(format!("command {}", context.command)))
    };
    router
        .route("/test/panic", get(async || -> () { panic!("a static text") }))
        .route("/test/panic-with/{id}", get(async || -> () { panic!("{}", String::from("secret of a person")) }))
        .route("/test/slow", get(async || tokio::time::sleep(Duration::from_secs(600)).await))
        .route("/test/io", get(async || Err::<(), AppError>(std::io::Error::other("the disk is full").into())))
        .route("/test/command", post(command))
        .route("/test/form", post(async |Form(form): Form<Two>| form.number.to_string()))
        .route("/test/own", get(async || (StatusCode::BAD_REQUEST, axum::Json("invalid_grant"))))
        .route("/test/wait", get(async || AppError::too_many(Duration::from_secs(90))))
}

async fn service() -> TestService {
    TestService::with(|config| config.http.request_timeout = crate::config::Span::seconds(1), with_failures).await
}

fn reference(answer: &Answer) -> Reference {
    answer.header(super::HEADER).parse().expect("every answer carries its reference")
}

#[tokio::test]
async fn a_fault_shows_its_reference_and_nothing_else_of_itself() {
    let service = service().await;
    let mut browser = service.browser();
    for (path, cause) in [
        ("/test/panic", "panic: a static text"),
        ("/test/panic-with/7", "panic: (message withheld)"),
        ("/test/io", "the disk is full"),
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 500, "{path}");
        let reference = reference(&answer);
        assert!(answer.body.contains(&reference.to_string()), "{}", answer.body);
        assert!(answer.body.contains("Une erreur est survenue"));
        assert!(!answer.body.contains("disk") && !answer.body.contains("static"));
        let found = find(&service.app().db, reference).await.unwrap();
        assert_eq!(found.len(), 1, "{path}");
        assert_eq!(found[0].cause.as_deref(), Some(cause));
        assert_eq!((found[0].status, found[0].error_code.as_deref()), (500, Some("internal")));
        assert!(!found[0].route.contains('7'), "the template, not the path");
    }
}

#[tokio::test]
async fn a_refused_request_leads_to_who_and_which_command() {
    let service = service().await;
    let answer = service.browser().post("/test/command", &[]).await;
    assert_eq!(answer.status, 403);
    let found = find(&service.app().db, reference(&answer)).await.unwrap();
    assert_eq!(found[0].account, Some(AccountId(Uuid::from_u128(7))));
    assert_eq!((found[0].method.as_str(), found[0].route.as_str()), ("POST", "/test/command"));
    assert_eq!(found[0].cause.as_deref(), Some(&*format!("command {}", found[0].commands[0])));
}

#[tokio::test]
async fn programs_get_a_problem_document() {
    let service = service().await;
    let mut browser = service.browser();
    browser.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    browser.headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("en"));
    let answer = browser.get("/nowhere?name=Fictif").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json");
    let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(document["status"], 404);
    assert_eq!(document["type"], "http://localhost:8080/problems/not-found");
    assert_eq!(document["title"], "Page not found");
    assert_eq!(document["reference"], reference(&answer).to_string());
    let found = find(&service.app().db, reference(&answer)).await.unwrap();
    assert_eq!(found[0].route, "(none)", "what was asked for is not recorded");
}

#[tokio::test]
async fn rejected_extractors_and_layers_get_our_page_too() {
    let service = service().await;
    let mut browser = service.browser();
    let twice = browser.post("/test/form", &[("number", "1"), ("number", "2")]).await;
    assert_eq!(twice.status, 422);
    assert!(twice.body.contains("Demande incomprise") && !twice.body.contains("number"));
    let big = "x".repeat(70_000);
    let large = browser.post("/test/form", &[("number", &big)]).await;
    assert_eq!(large.status, 413);
    assert!(large.body.contains("Envoi trop volumineux"));
    let method = browser.post("/", &[]).await;
    assert_eq!((method.status.as_u16(), method.header(header::ALLOW)), (405, "GET,HEAD"));
    let slow = browser.get("/test/slow").await;
    assert_eq!(slow.status, 503);
    assert!(slow.body.contains("trop de temps"));
    let wait = browser.get("/test/wait").await;
    assert_eq!((wait.status.as_u16(), wait.header(header::RETRY_AFTER)), (429, "90"));
    browser.headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    let foreign = browser.post("/test/form", &[("number", "1")]).await;
    assert_eq!(foreign.status, 403);
    assert!(foreign.body.contains("depuis un autre site"));
}

#[tokio::test]
async fn a_protocols_own_error_stays_as_it_is_and_is_recorded() {
    let service = service().await;
    let answer = service.browser().get("/test/own").await;
    assert_eq!(answer.body, "\"invalid_grant\"");
    let found = find(&service.app().db, reference(&answer)).await.unwrap();
    assert_eq!(found[0].error_code.as_deref(), Some("bad-request"));
}

/// The row of a success is written soon after; a later failure waits for the writer and so for it too.
#[tokio::test]
async fn a_success_is_recorded_and_supervision_is_not() {
    let service = service().await;
    let mut browser = service.browser();
    let home = browser.get("/").await;
    let health = browser.get("/healthz").await;
    browser.get("/nowhere").await;
    let found = find(&service.app().db, reference(&home)).await.unwrap();
    assert_eq!((found[0].status, found[0].route.as_str(), &found[0].error_code), (200, "/", &None));
    assert!(find(&service.app().db, reference(&health)).await.unwrap().is_empty());
}

#[tokio::test]
async fn every_answer_carries_the_guarding_headers() {
    let service =
        TestService::with(|config| config.public_origin = "https://compte.example.org".parse().unwrap(), with_failures)
            .await;
    let mut browser = service.browser();
    for path in ["/", "/nowhere", "/test/panic", "/healthz"] {
        let answer = browser.get(path).await;
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header(header::X_FRAME_OPTIONS), "DENY");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(answer.header(header::REFERRER_POLICY), "same-origin");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{path}");
        assert!(answer.header(header::STRICT_TRANSPORT_SECURITY).contains("max-age"));
    }
}

#[tokio::test]
async fn an_unreadable_body_is_a_bad_request() {
    let service = service().await;
    let mut browser = service.browser();
    let kind = Some("application/x-www-form-urlencoded");
    let answer = browser.send(Method::POST, "/test/form", Body::from("number=%zz"), kind).await;
    assert!(answer.status.is_client_error());
    assert!(answer.body.contains("Demande incomprise"));
}
