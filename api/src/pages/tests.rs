//! Languages, addresses and answers of the pages that need nobody signed in.

use crate::activation::fixture::{
    Family, GIVEN, MOBILE, PASSWORD, SURNAME, choose, confirm, identify, last_code, last_sms, token, type_code,
};
use crate::testing::{Answer, Browser, TestService};
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

/// Follows a page's link to the other language to its end.
async fn other_language(browser: &mut Browser, page: &Answer) -> Answer {
    let link = page.body.split("href=\"").find(|rest| rest.starts_with("/language/")).unwrap();
    let switched = browser.get(link.split('"').next().unwrap()).await;
    assert_eq!(switched.status, 303);
    browser.get(switched.location()).await
}

#[tokio::test]
async fn a_form_shown_again_can_be_read_in_the_other_language() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = service.browser();
    identify(&mut browser, SURNAME, GIVEN, MOBILE).await;
    let code = last_code(service.app()).await;
    type_code(&mut browser, &code).await;
    let wrong = confirm(&mut browser, family.anais, ["4", "9", "2014"]).await;
    assert_eq!(wrong.status, 422);
    let address = browser.get("/children/confirm").await;
    assert_eq!((address.status.as_u16(), address.location()), (303, "/children"));
    assert_eq!(other_language(&mut browser, &wrong).await.location(), "/children");
    let page = browser.get("/children").await;
    assert!(page.status == 200 && page.body.contains("<html lang=\"en\">") && page.body.contains("Anaïs"));

    // What the page was asked with is not lost.
    let page = browser.get("/sign-in?return_to=%2Flegal").await;
    let token = token(&page, "/sign-in");
    let fields = [("form_token", token.as_str()), ("login", "a.lefictif"), ("password", "no"), ("return_to", "/legal")];
    let refused = browser.post("/sign-in", &fields).await;
    assert_eq!(refused.status, 422);
    let page = other_language(&mut browser, &refused).await;
    assert!(page.body.contains("<html lang=\"fr\">"), "{}", page.body);
    assert!(page.body.contains("name=\"return_to\" value=\"/legal\""), "{}", page.body);
}

/// Whoever comes to a form's own address by GET, as the link to the other language makes them, is led to its page.
#[test]
fn every_address_that_takes_a_form_leads_to_a_page() {
    // Asked by programs only.
    let programs =
        ["path::PAR", "path::TOKEN", "path::INTROSPECT", "path::REVOKE", "path::REGISTER", "import::http::UPLOAD"];
    for table in [include_str!("../router.rs"), include_str!("../oidc/mod.rs")] {
        for route in table.split("\n        .route(").skip(1) {
            let route = route.split("\n        .").next().unwrap_or_default();
            let reached = !route.contains("post(") || route.contains("get(") || route.contains("form_on(");
            let by_programs = programs.iter().any(|program| route.starts_with(&format!("{program},")));
            assert!(reached || by_programs, "say with `form_on` which page this form stands on: {route}");
        }
    }
}

/// Whatever a request says of where it was sent to.
const FORGED: [(&str, &str); 9] = [
    ("host", "evil.test"),
    ("x-forwarded-host", "evil.test"),
    ("x-forwarded-server", "evil.test"),
    ("x-forwarded-prefix", "//evil.test"),
    ("x-forwarded-proto", "gopher"),
    ("x-host", "evil.test"),
    ("x-original-url", "https://evil.test/"),
    ("x-rewrite-url", "https://evil.test/"),
    ("forwarded", "host=evil.test;proto=gopher"),
];

#[tokio::test]
async fn point_38_a_forged_host_gets_into_no_message() {
    let service = TestService::start().await;
    let (app, family) = (service.app(), Family::settle(service.app()).await);
    let mut browser = service.browser();
    for (name, value) in FORGED {
        browser.headers.insert(name, HeaderValue::from_static(value));
    }
    let clean = |answer: &Answer| {
        let headers = format!("{:?}", answer.headers);
        for text in [&headers, &answer.body] {
            assert!(!text.contains("evil.test") && !text.contains("gopher"), "{text}");
        }
    };
    clean(&identify(&mut browser, SURNAME, GIVEN, MOBILE).await);
    let sms = last_sms(app).await.unwrap();
    assert!(!sms.contains("evil.test"), "{sms}");
    let code = sms.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).unwrap();
    clean(&type_code(&mut browser, code).await);
    for (child, date) in [(family.anais, ["3", "9", "2014"]), (family.basile, ["7", "5", "2012"])] {
        clean(&confirm(&mut browser, child, date).await);
    }
    clean(&choose(&mut browser, PASSWORD).await);
    clean(&browser.get("/account").await);
    // What waits to be sent: the choice of a password is told by mail.
    let now = app.clock.now();
    let mails = app.ledger.outbox_claim("mail", 100, now, now + chrono::TimeDelta::hours(1)).await.unwrap();
    assert!(!mails.is_empty());
    for mail in mails {
        let envelope = crate::delivery::Envelope::read(&mail.body).unwrap();
        let text = envelope.message.mail(envelope.language, &app.config.origin());
        assert!(!text.subject.contains("evil.test") && !text.body.contains("evil.test"));
    }
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
    // What the start itself records.
    if let Some(last) = service.app().ledger.size().checked_sub(1) {
        service.app().views.caught_up(last, std::time::Duration::from_secs(30)).await.unwrap();
    }
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
