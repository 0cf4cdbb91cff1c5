//! One browser and several people, one person and several browsers.

use crate::activation::fixture::{Family, PASSWORD, activate, sign_in, token};
use crate::config::Span;
use crate::testing::{Browser, TestService};
use axum::http::{HeaderValue, header};
use chrono::TimeDelta;

const FIREFOX: &str = "Mozilla/5.0 (Android 14; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0";
const EDGE: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                    Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0";

fn with(service: &TestService, agent: &'static str) -> Browser {
    let mut browser = service.browser();
    browser.headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    browser
}

#[tokio::test]
async fn somebody_else_signs_in_only_after_saying_so() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    let page = browser.get("/sign-in?return_to=%2Faccount%2Fservices").await;
    assert!(page.body.contains("a.lefictif") && page.body.contains("href=\"/account/services\""), "{}", page.body);
    assert!(!page.body.contains("type=\"password\""), "no form to slip in by");
    assert_eq!(browser.get("/account").await.status, 200, "to look is not to leave");

    let before = browser.cookies["session"].clone();
    let switch = token(&page, "/sign-in/switch");
    let forged = browser.post("/sign-in/switch", &[("form_token", "forged")]).await;
    assert_eq!(forged.status, 403);
    let fields = [("form_token", switch.as_str()), ("return_to", "/account/services")];
    let answer = browser.post("/sign-in/switch", &fields).await;
    assert_eq!(answer.location(), "/sign-in?return_to=%2Faccount%2Fservices");
    browser.cookies.insert("session".into(), before);
    assert!(browser.get("/account").await.location().starts_with("/sign-in"), "ended, not parked");
    assert!(browser.get("/sign-in").await.body.contains("action=\"/sign-in\""));
}

#[tokio::test]
async fn a_form_left_open_in_another_tab_changes_nobody() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    activate(&service, &family).await;
    let mut browser = service.browser();
    let page = browser.get("/sign-in").await;
    let (form, cookie) = (token(&page, "/sign-in"), browser.cookies["browser"].clone());
    assert_eq!(sign_in(&mut browser, "a.lefictif", PASSWORD).await.location(), "/account");
    let fields = [("form_token", form.as_str()), ("login", "z.lefictif"), ("password", "girafe mauve")];
    assert_eq!(browser.post("/sign-in", &fields).await.status, 403, "the form was used up with its browser's cookie");
    browser.cookies.insert("browser".into(), cookie);
    let session = browser.cookies["session"].clone();
    assert_eq!(browser.post("/sign-in", &fields).await.location(), "/sign-in", "asked first, nothing compared");
    assert_eq!(browser.cookies["session"], session);
    assert!(browser.get("/account").await.body.contains("a.lefictif"));
}

/// The `session` values of the forms on the page, this browser's first.
fn named(page: &str) -> Vec<String> {
    page.split("name=\"session\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_holder_sees_where_they_are_signed_in_and_ends_one() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    activate(&service, &family).await;
    let (mut phone, mut desk) = (with(&service, FIREFOX), with(&service, EDGE));
    sign_in(&mut desk, "a.lefictif", PASSWORD).await;
    service.app().clock.advance(TimeDelta::minutes(20));
    sign_in(&mut phone, "a.lefictif", PASSWORD).await;
    let page = phone.get("/account/sessions").await;
    for words in ["Firefox sur Android", "Edge sur Windows", "Appareil inconnu", "il y a 20 minutes", "à l’instant"]
    {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert_eq!(page.body.matches("L’appareil que vous utilisez").count(), 1);
    let sessions = named(&page.body);
    assert_eq!(sessions.len(), 3);
    let form = token(&page, "/account/sessions/end");
    let own = [("form_token", form.as_str()), ("session", sessions[0].as_str())];
    assert_eq!(desk.post("/account/sessions/end", &own).await.status, 403, "another browser's form");
    // Used after the phone's page was made: the second of the list may be either of the two.
    for session in &sessions[1..] {
        let fields = [("form_token", form.as_str()), ("session", session.as_str())];
        assert_eq!(phone.post("/account/sessions/end", &fields).await.location(), "/account/sessions");
    }
    assert!(desk.get("/account").await.location().starts_with("/sign-in"));
    assert_eq!(named(&phone.get("/account/sessions").await.body), sessions[..1]);
    assert_eq!(phone.post("/account/sessions/end", &own).await.location(), "/", "its own: signed out");
    assert!(phone.get("/account").await.location().starts_with("/sign-in"));
}

#[tokio::test]
async fn nobody_ends_another_persons_session() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut victim = activate(&service, &family).await;
    let app = service.app();
    let sid = named(&victim.get("/account/sessions").await.body).remove(0);
    let stranger = domain::ids::AccountId(uuid::Uuid::new_v4());
    assert!(!super::store::end_named(&app.db, stranger, sid.parse().unwrap()).await.unwrap());
    assert_eq!(victim.get("/account").await.status, 200);
}

#[tokio::test]
async fn point_28_the_limits_are_those_of_the_configuration() {
    let limits = |config: &mut crate::config::Config| {
        (config.sessions.idle, config.sessions.absolute) = (Span::minutes(5), Span::minutes(20));
    };
    let service = TestService::with(limits, |router| router).await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    let clock = &service.app().clock;
    for _ in 0..4 {
        clock.advance(TimeDelta::minutes(4));
        assert_eq!(browser.get("/account/sessions").await.status, 200);
    }
    clock.advance(TimeDelta::minutes(4));
    assert!(browser.get("/account").await.location().starts_with("/sign-in"), "twenty minutes are over");
    sign_in(&mut browser, "a.lefictif", PASSWORD).await;
    clock.advance(TimeDelta::minutes(6));
    let mut other = service.browser();
    sign_in(&mut other, "a.lefictif", PASSWORD).await;
    assert_eq!(named(&other.get("/account/sessions").await.body).len(), 1, "what has idled is not shown as alive");
    assert!(browser.get("/account").await.location().starts_with("/sign-in"));
}
