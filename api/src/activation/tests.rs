//! The guardian's way in, and the attacks on it. Named after the points of the security table.

use super::fixture::{
    Family, GIVEN, MOBILE, PASSWORD, SURNAME, activate, choose, confirm, day, identify, last_code, last_sms,
    school_data, sign_in, tell, token, type_code,
};
use crate::testing::{Answer, TestService};
use axum::http::HeaderValue;
use chrono::TimeDelta;
use domain::account::{Account, AccountEvent, Status};
use std::time::{Duration, Instant};

async fn state(service: &TestService, family: &Family) -> Account {
    service.app().ledger.load::<Account>(&family.account.to_string()).await.unwrap().aggregate
}

fn wrong(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

/// A page without what is random in it.
fn bare(page: &Answer) -> String {
    let mut out = String::new();
    let mut rest = page.body.as_str();
    while let Some((before, after)) = rest.split_once("name=\"form_token\" value=\"") {
        out.push_str(before);
        rest = after.split_once('"').map_or("", |(_, after)| after);
    }
    out + rest
}

#[tokio::test]
async fn a_guardian_activates_the_account_and_sees_the_children() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    let page = browser.get("/account").await;
    for expected in ["a.lefictif", "Anaïs", "Basile", "Collège des Exemples"] {
        assert!(page.body.contains(expected), "{expected}: {}", page.body);
    }
    assert_eq!(state(&service, &family).await.status, Status::Activated);
    let mut elsewhere = service.browser();
    assert_eq!(sign_in(&mut elsewhere, " A.Lefictif ", PASSWORD).await.location(), "/account");
}

#[tokio::test]
async fn point_34_a_wrong_or_expired_code_leads_nowhere_and_a_right_one_once() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = service.browser();
    identify(&mut browser, SURNAME, GIVEN, MOBILE).await;
    let code = last_code(service.app()).await;
    assert_eq!(type_code(&mut browser, &wrong(&code)).await.status, 422);
    // In another browser the right code is worth nothing: it belongs to the flow that asked.
    let mut thief = service.browser();
    identify(&mut thief, SURNAME, GIVEN, "06 39 98 00 77").await;
    assert_eq!(type_code(&mut thief, &code).await.status, 422);
    service.app().clock.advance(TimeDelta::minutes(31));
    let late = type_code(&mut browser, &code).await;
    assert!(late.status == 422 && late.body.contains("n’est plus valable"), "{}", late.body);
    assert!(state(&service, &family).await.proved.is_none());
}

#[tokio::test]
async fn point_36_asking_for_a_code_elsewhere_takes_nobodys_away() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut victim = service.browser();
    identify(&mut victim, SURNAME, GIVEN, MOBILE).await;
    let code = last_code(service.app()).await;
    // Whoever knows the name and the mobile.
    identify(&mut service.browser(), SURNAME, GIVEN, MOBILE).await;
    let others = last_code(service.app()).await;
    assert_eq!(type_code(&mut victim, &code).await.location(), "/children");
    assert!(others != code && state(&service, &family).await.proved.is_some());
}

#[tokio::test]
async fn point_34_one_code_used_twice_at_once_is_accepted_once() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = service.browser();
    identify(&mut browser, SURNAME, GIVEN, MOBILE).await;
    let code = last_code(service.app()).await;
    let page = browser.get("/code").await;
    let token = token(&page, "/code");
    let tries = (0..4).map(|_| {
        let (mut browser, token, code) = (browser.clone(), token.clone(), code.clone());
        async move { browser.post("/code", &[("form_token", &token), ("code", &code)]).await }
    });
    futures::future::join_all(tries).await;
    let events = service.app().ledger.read_stream("account", &family.account.to_string(), 0).await.unwrap();
    let accepted = events
        .iter()
        .filter(|event| matches!(&event.event, domain::Event::Account(AccountEvent::VerificationCodeAccepted { .. })));
    assert_eq!(accepted.count(), 1);
}

#[tokio::test]
async fn point_35_asking_again_never_resets_the_attempts() {
    let service = TestService::start().await;
    Family::settle(service.app()).await;
    let mut browser = service.browser();
    identify(&mut browser, SURNAME, GIVEN, MOBILE).await;
    let code = last_code(service.app()).await;
    for _ in 0..3 {
        type_code(&mut browser, &wrong(&code)).await;
    }
    service.app().clock.advance(TimeDelta::minutes(2));
    let page = browser.get("/code").await;
    let again = browser.post("/code/resend", &[("form_token", &token(&page, "/code/resend"))]).await;
    assert_eq!(again.status, 200, "{}", again.body);
    let newer = last_code(service.app()).await;
    for _ in 0..2 {
        assert_eq!(type_code(&mut browser, &wrong(&newer)).await.status, 422);
    }
    // Five in all: the right code comes too late.
    let page = browser.get("/code").await;
    assert!(!page.body.contains("action=\"/code\""), "{}", page.body);
    let mut start_over = service.browser();
    let first = identify(&mut start_over, SURNAME, GIVEN, MOBILE).await;
    assert_eq!(first.location(), "/code");
}

#[tokio::test]
async fn point_35_sends_are_capped_for_one_asker_openly_and_for_one_person_silently() {
    let service =
        TestService::with(|config| config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()], |router| router)
            .await;
    Family::settle(service.app()).await;
    let mut sent = 0;
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        let mut browser = service.browser();
        browser.headers.insert("x-forwarded-for", HeaderValue::from_static(address));
        for number in 1..=4 {
            let answer = identify(&mut browser, SURNAME, GIVEN, MOBILE).await;
            // Three for each address, six for the number.
            assert_eq!(answer.status, if number <= 3 { 303 } else { 429 }, "{address} {number}");
            sent += usize::from(last_sms(service.app()).await.is_some());
        }
    }
    assert_eq!(sent, 6);
}

#[tokio::test]
async fn point_37_nothing_tells_a_stranger_from_a_guardian() {
    let service = TestService::start().await;
    Family::settle(service.app()).await;
    let mut pages = Vec::new();
    let mut times = Vec::new();
    for surname in [SURNAME, "Personne"] {
        let mut browser = service.browser();
        let start = Instant::now();
        let answer = identify(&mut browser, surname, GIVEN, MOBILE).await;
        times.push(start.elapsed());
        assert_eq!((answer.status.as_u16(), answer.location()), (303, "/code"));
        let page = browser.get("/code").await;
        let refused = type_code(&mut browser, "000000").await;
        assert_eq!(refused.status, 422);
        pages.push([bare(&page), bare(&refused)]);
        let mut recovery = service.browser();
        let page = recovery.get("/reset").await;
        let start = Instant::now();
        let login = if surname == SURNAME { "a.lefictif" } else { "p.personne" };
        let token = token(&page, "/reset");
        let fields = [("form_token", token.as_str()), ("login", login), ("login_mobile", "06 39 98 00 09")];
        assert_eq!(recovery.post("/reset", &fields).await.location(), "/code");
        times.push(start.elapsed());
        let token = self::token(&page, "/reset/identity");
        let fields =
            [("form_token", token.as_str()), ("surname", surname), ("given_name", GIVEN), ("mobile", "0639980010")];
        let start = Instant::now();
        assert_eq!(recovery.post("/reset/identity", &fields).await.location(), "/code");
        times.push(start.elapsed());
    }
    assert_eq!(pages[0], pages[1]);
    let floor = Duration::from_millis(400);
    assert!(times.iter().all(|time| *time >= floor), "{times:?}");
}

#[tokio::test]
async fn point_35_birth_dates_are_capped_and_a_reported_child_does_not_block_the_others() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = service.browser();
    identify(&mut browser, SURNAME, GIVEN, MOBILE).await;
    let code = last_code(service.app()).await;
    type_code(&mut browser, &code).await;
    assert_eq!(confirm(&mut browser, family.anais, ["4", "9", "2014"]).await.status, 422);
    let page = browser.get("/children").await;
    let (report, basile) = (token(&page, "/children/report"), family.basile.to_string());
    browser.post("/children/report", &[("form_token", &report), ("pupil", &basile)]).await;
    assert_eq!(browser.get("/new-password").await.location(), "/children", "not before a child is confirmed");
    assert_eq!(confirm(&mut browser, family.anais, ["3", "9", "2014"]).await.status, 303);
    assert_eq!(browser.get("/new-password").await.status, 200);
    let account = state(&service, &family).await;
    assert!(account.reported.contains(&family.basile) && account.confirmed.contains(&family.anais));
}

#[tokio::test]
async fn point_35_guessing_birth_dates_ends() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = service.browser();
    identify(&mut browser, SURNAME, GIVEN, MOBILE).await;
    let code = last_code(service.app()).await;
    type_code(&mut browser, &code).await;
    for day in 10..16 {
        assert_eq!(confirm(&mut browser, family.anais, [&day.to_string(), "9", "2014"]).await.status, 422);
    }
    assert_eq!(confirm(&mut browser, family.anais, ["3", "9", "2014"]).await.status, 429);
}

#[tokio::test]
async fn a_child_taken_back_by_the_school_is_no_longer_proposed() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = service.browser();
    identify(&mut browser, SURNAME, GIVEN, MOBILE).await;
    let code = last_code(service.app()).await;
    type_code(&mut browser, &code).await;
    let page = browser.get("/children").await;
    tell(service.app(), school_data(family.basile, "Basile", day(2012, 5, 7), &[])).await;
    let (token, basile) = (token(&page, "/children/confirm"), family.basile.to_string());
    let fields = [("form_token", token.as_str()), ("pupil", &basile), ("day", "7"), ("month", "5"), ("year", "2012")];
    assert_eq!(browser.post("/children/confirm", &fields).await.location(), "/children");
    assert!(!state(&service, &family).await.confirmed.contains(&family.basile));
    assert!(!browser.get("/children").await.body.contains("Basile"));
}

#[tokio::test]
async fn point_32_the_policy_holds_where_the_password_is_set() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = service.browser();
    identify(&mut browser, SURNAME, GIVEN, MOBILE).await;
    let code = last_code(service.app()).await;
    type_code(&mut browser, &code).await;
    confirm(&mut browser, family.anais, ["3", "9", "2014"]).await;
    confirm(&mut browser, family.basile, ["7", "5", "2012"]).await;
    for weak in ["court", "lefictif-aude-2026", "motdepassemotdepasse"] {
        assert_eq!(choose(&mut browser, weak).await.status, 422, "{weak}");
    }
    assert_eq!(choose(&mut browser, PASSWORD).await.location(), "/account");
}

#[tokio::test]
async fn point_29_an_activated_guardian_who_comes_again_resets_and_ends_other_sessions() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut old = activate(&service, &family).await;
    let mut browser = service.browser();
    identify(&mut browser, SURNAME, GIVEN, MOBILE).await;
    let code = last_code(service.app()).await;
    assert_eq!(type_code(&mut browser, &code).await.location(), "/new-password");
    let fresh = "quatre loutres jouent au tarot";
    assert_eq!(choose(&mut browser, fresh).await.location(), "/account");
    assert!(old.get("/account").await.location().starts_with("/sign-in"));
    assert_eq!(sign_in(&mut service.browser(), "a.lefictif", PASSWORD).await.status, 422);
    assert_eq!(sign_in(&mut service.browser(), "a.lefictif", fresh).await.location(), "/account");
    let now = service.app().clock.now();
    let mails = service.app().ledger.outbox_claim("mail", 10, now, now + TimeDelta::hours(1)).await.unwrap();
    assert_eq!(mails.len(), 2, "the activation and the change are told by mail");
}
