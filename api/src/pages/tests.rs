//! Languages, addresses and answers of the pages that need nobody signed in.

use crate::testing::TestService;
use axum::http::{HeaderValue, header};
use projections::Name;
use std::time::Duration;

#[tokio::test]
async fn the_language_is_negotiated_and_can_be_chosen() {
    let service = TestService::start().await;
    let mut browser = service.browser();
    for (accepts, lang) in [
        ("fr", "fr"),
        ("en-GB,en;q=0.9,fr;q=0.8", "en"),
        ("de,en;q=0.5,fr;q=0.7", "fr"),
        ("de", "fr"),
        ("en;q=0", "fr"),
        ("*", "fr"),
    ] {
        browser.headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accepts));
        let page = browser.get("/").await;
        assert!(page.body.contains(&format!("<html lang=\"{lang}\">")), "{accepts}");
    }
    browser.headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("fr"));
    let page = browser.get("/legal?a=b").await;
    let link = page.body.split("href=\"").find(|rest| rest.starts_with("/language/en")).unwrap();
    let link = link.split('"').next().unwrap();
    let switched = browser.get(link).await;
    assert_eq!((switched.status.as_u16(), switched.location()), (303, "/legal?a=b"));
    let cookie = switched.header(header::SET_COOKIE);
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    assert!(browser.get("/").await.body.contains("<html lang=\"en\">"));
    assert_eq!(browser.get("/language/de").await.status, 404);
}

#[tokio::test]
async fn the_language_link_leads_nowhere_else() {
    let service = TestService::start().await;
    let mut browser = service.browser();
    for from in [
        "https://elsewhere.example.org/",
        "//elsewhere.example.org/",
        "/%5Celsewhere.example.org",
        "%5C%5Celsewhere.example.org",
        "/%09/elsewhere.example.org",
        "javascript:alert(1)",
        "elsewhere",
        "",
    ] {
        let answer = browser.get(&format!("/language/en?from={from}")).await;
        let location = answer.location();
        assert!(
            location.starts_with('/') && !location.starts_with("//") && !location.contains('\\'),
            "{from}: {location}"
        );
        assert!(!location.contains("elsewhere") || location.starts_with("/elsewhere"), "{from}: {location}");
    }
    let twice = browser.get("/language/en?from=/legal&from=//elsewhere.example.org").await;
    assert_eq!(twice.status, 400);
}

#[tokio::test]
async fn a_problem_documents_type_leads_to_its_meaning() {
    let service = TestService::start().await;
    let mut browser = service.browser();
    let page = browser.get("/problems/too-many").await;
    assert!(page.status == 200 && page.body.contains("Trop de tentatives"));
    assert_eq!(browser.get("/problems/anything").await.status, 404);
}

#[tokio::test]
async fn the_style_sheet_is_kept_for_ever_under_its_hash() {
    let service = TestService::start().await;
    let mut browser = service.browser();
    let home = browser.get("/").await;
    let path = home.body.split("href=\"").find(|rest| rest.starts_with("/assets/matricule-")).unwrap();
    let sheet = browser.get(path.split('"').next().unwrap()).await;
    assert_eq!(sheet.header(header::CONTENT_TYPE), "text/css; charset=utf-8");
    assert!(sheet.header(header::CACHE_CONTROL).contains("immutable"));
    assert_eq!(browser.get("/assets/matricule-0000000000000000.css").await.status, 404);
}

#[tokio::test]
async fn readiness_tells_how_far_the_views_are() {
    let service = TestService::start().await;
    let answer = service.browser().get("/readyz").await;
    let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status.as_u16(), &said["ready"], &said["behind"]["audit"]), (200, &true.into(), &0.into()));
    service.app().db.close().await;
    let answer = service.browser().get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(service.browser().get("/healthz").await.status, 200, "the process itself is well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_stops_shows_and_stops_nothing_else() {
    let service = TestService::start().await;
    let app = service.app();
    let position = app.ledger.append(projections::testing::from_a_newer_program()).await.unwrap().first;
    let patience = tokio::time::Instant::now() + Duration::from_secs(60);
    let mut browser = service.browser();
    let degraded = loop {
        let answer = browser.get("/readyz").await;
        assert_eq!(answer.status, 200, "requests are served");
        let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        if said["stopped"].as_object().unwrap().len() == 2 && said["behind"]["accounts"] == 0 {
            break said;
        }
        assert!(tokio::time::Instant::now() < patience, "{said}");
    };
    for view in ["people", "audit"] {
        assert_eq!(degraded["stopped"][view]["position"], position);
        assert_eq!(degraded["stopped"][view]["event_type"], "GuardianMovedAbroad");
        assert_eq!(degraded["behind"][view], 1);
    }
    let status = crate::cli::views_status(&app.db).await.unwrap();
    assert!(status.contains(&format!("views skip audit {position}")), "{status}");
    let (reason, operator) = ("not about families", domain::context::Actor::Operator("4711".to_owned()));
    for view in [Name::People, Name::Audit] {
        projections::poison::skip(&app.db, view, position, reason, &operator, app.clock.now()).await.unwrap();
    }
    loop {
        let answer = browser.get("/readyz").await;
        let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        if said["stopped"].as_object().unwrap().is_empty() {
            assert_eq!(said["skipped"], 2);
            break;
        }
        assert!(tokio::time::Instant::now() < patience, "{said}");
    }
    let status = crate::cli::views_status(&app.db).await.unwrap();
    assert!(status.contains("by operator:4711: not about families") && !status.contains("STOPPED"), "{status}");
}
