//! Signing in, sessions, and the attacks on them. Named after the points of the security table.

use crate::activation::fixture::{Family, PASSWORD, activate, choose, context, sign_in, token};
use crate::password::{Password as Typed, Pool, Settings};
use crate::reset::operator::{HandedOut, hand_out};
use crate::testing::{Answer, Browser, TestService};
use axum::body::Body;
use axum::http::{HeaderValue, Method};
use chrono::TimeDelta;
use domain::account::{Account, AccountCommand, AccountEvent, Password, PasswordOrigin};
use std::time::{Duration, Instant};

/// A service behind a proxy, so that tests have addresses.
async fn proxied() -> TestService {
    let proxies =
        |config: &mut crate::config::Config| config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    TestService::with(proxies, |router| router).await
}

fn from(service: &TestService, address: &str) -> crate::testing::Browser {
    let mut browser = service.browser();
    browser.headers.insert("x-forwarded-for", HeaderValue::from_str(address).unwrap());
    browser
}

async fn provisional(service: &TestService, family: &Family) -> HandedOut {
    let app = service.app();
    let validity = app.config.passwords.provisional_validity.delta();
    hand_out(&app.ledger, &app.db, &app.guard.passwords, family.account, validity, &context(app)).await.unwrap()
}

#[tokio::test]
async fn point_27_each_authentication_has_a_new_session_id() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    let first = browser.cookies["session"].clone();
    // An attacker's id planted beforehand is not taken over, and the old session is gone.
    let answer = sign_in(&mut browser, "a.lefictif", PASSWORD).await;
    assert_eq!(answer.location(), "/account");
    assert_ne!(browser.cookies["session"], first);
    let mut planted = service.browser();
    planted.cookies.insert("session".into(), first);
    assert!(planted.get("/account").await.location().starts_with("/sign-in"));
}

#[tokio::test]
async fn point_28_sessions_idle_out_and_end_absolutely() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    service.app().clock.advance(TimeDelta::minutes(31));
    assert!(browser.get("/account").await.location().starts_with("/sign-in"));
    sign_in(&mut browser, "a.lefictif", PASSWORD).await;
    for _ in 0..24 {
        assert_eq!(browser.get("/account").await.status, 200);
        service.app().clock.advance(TimeDelta::minutes(29));
        let _ = browser.get("/").await;
    }
    service.app().clock.advance(TimeDelta::minutes(29));
    assert!(browser.get("/account").await.location().starts_with("/sign-in"), "twelve hours are over");
}

#[tokio::test]
async fn point_29_disabling_ends_sessions_at_once() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    let id = family.account.to_string();
    service.app().ledger.execute::<Account>(&id, AccountCommand::Disable, &context(service.app())).await.unwrap();
    assert!(browser.get("/account").await.location().starts_with("/sign-in"));
    let answer = sign_in(&mut service.browser(), "a.lefictif", PASSWORD).await;
    assert!(answer.status == 422 && answer.body.contains("n’est plus en service"));
}

#[tokio::test]
async fn signing_out_ends_the_session_in_the_database_too() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    let cookie = browser.cookies["session"].clone();
    assert_eq!(browser.post("/sign-out", &[]).await.location(), "/");
    browser.cookies.insert("session".into(), cookie);
    assert!(browser.get("/account").await.location().starts_with("/sign-in"));
}

#[tokio::test]
async fn point_2_after_signing_in_only_own_paths_are_gone_to() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    activate(&service, &family).await;
    for (asked, expected) in [
        ("/account?x=1", "/account?x=1"),
        ("https://evil.test/", "/account"),
        ("//evil.test/", "/account"),
        ("/\\evil.test", "/account"),
    ] {
        let mut browser = service.browser();
        let page = browser.get("/sign-in").await;
        let token = token(&page, "/sign-in");
        let fields =
            [("form_token", token.as_str()), ("login", "a.lefictif"), ("password", PASSWORD), ("return_to", asked)];
        assert_eq!(browser.post("/sign-in", &fields).await.location(), expected, "{asked}");
    }
    let page = service.browser().get("/sign-in?return_to=https%3A%2F%2Fevil.test").await;
    assert!(!page.body.contains("name=\"return_to\""), "{}", page.body);
}

#[tokio::test]
async fn forms_from_elsewhere_are_refused() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    activate(&service, &family).await;
    let fields = |token: &str| format!("form_token={token}&login=a.lefictif&password=x");
    let kind = Some("application/x-www-form-urlencoded");
    // No token; another browser's; another form's; a field twice; from another site.
    let mut browser = service.browser();
    let page = browser.get("/sign-in").await;
    let own = token(&page, "/sign-in");
    let others = token(&service.browser().get("/sign-in").await, "/sign-in");
    let identify = token(&browser.get("/activate").await, "/activate");
    for bad in ["", &others, &identify] {
        assert_eq!(browser.send(Method::POST, "/sign-in", Body::from(fields(bad)), kind).await.status, 403);
    }
    let twice = fields(&own) + "&login=b";
    assert_eq!(browser.send(Method::POST, "/sign-in", Body::from(twice), kind).await.status, 400);
    browser.headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    assert_eq!(browser.send(Method::POST, "/sign-in", Body::from(fields(&own)), kind).await.status, 403);
}

#[tokio::test]
async fn cookies_of_a_tls_service_are_host_bound() {
    let origin =
        |config: &mut crate::config::Config| config.public_origin = "https://compte.example.org".parse().unwrap();
    let service = TestService::with(origin, |router| router).await;
    let answer = service.browser().get("/sign-in").await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-browser="), "{cookie}");
    for part in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
}

#[tokio::test]
async fn point_37_a_wrong_login_and_a_wrong_password_look_alike() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    activate(&service, &family).await;
    let mut pages = Vec::new();
    for login in ["a.lefictif", "z.personne"] {
        let start = Instant::now();
        let answer = sign_in(&mut service.browser(), login, "girafe mauve chuchote").await;
        assert_eq!(answer.status, 422);
        assert!(start.elapsed() >= Duration::from_millis(400), "{login} {:?}", start.elapsed());
        let (before, after) = answer.body.split_once("form_token\" value=\"").unwrap();
        let body = format!("{before}{}", &after[43..]);
        pages.push(body.replace(login, "LOGIN"));
    }
    assert_eq!(pages[0], pages[1]);
}

#[tokio::test]
async fn point_36_guessing_is_slowed_and_the_victim_still_enters() {
    let service = proxied().await;
    let family = Family::settle(service.app()).await;
    activate(&service, &family).await;
    // The victim's own browser, behind the attacker's very address (a school's).
    let mut known = from(&service, "192.0.2.66");
    assert_eq!(sign_in(&mut known, "a.lefictif", PASSWORD).await.location(), "/account");
    let mut attacker = from(&service, "192.0.2.66");
    let mut refused = 0;
    for _ in 0..12 {
        refused += usize::from(sign_in(&mut attacker, "a.lefictif", "girafe mauve").await.status == 429);
    }
    assert!(refused >= 6, "{refused}");
    assert_eq!(sign_in(&mut attacker, "a.lefictif", PASSWORD).await.status, 429, "even the right one, from there");
    assert_eq!(sign_in(&mut known, "a.lefictif", PASSWORD).await.location(), "/account", "the known device");
    let mut fresh = from(&service, "198.51.100.7");
    assert_eq!(sign_in(&mut fresh, "a.lefictif", PASSWORD).await.location(), "/account", "a fresh address");
}

#[tokio::test]
async fn point_36_a_guessing_network_leaves_the_victim_tries_anywhere() {
    let service = proxied().await;
    let family = Family::settle(service.app()).await;
    activate(&service, &family).await;
    for n in 0..60 {
        sign_in(&mut from(&service, &format!("203.0.113.{n}")), "a.lefictif", "girafe mauve").await;
    }
    // The account is suspect: fewer tries for each address it never saw, but the holder's is among them.
    let mut attacker = from(&service, "203.0.113.200");
    assert_eq!(sign_in(&mut attacker, "a.lefictif", "girafe mauve").await.status, 422);
    assert_eq!(sign_in(&mut attacker, "a.lefictif", "girafe mauve").await.status, 429);
    let mut victim = from(&service, "198.51.100.7");
    assert_eq!(sign_in(&mut victim, "a.lefictif", PASSWORD).await.location(), "/account");
}

#[tokio::test]
async fn point_33_a_provisional_password_forces_a_change_before_anything_else() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut old = activate(&service, &family).await;
    let handed = provisional(&service, &family).await;
    assert_eq!(handed.login, "a.lefictif");
    assert!(old.get("/account").await.location().starts_with("/sign-in"), "a reset ends all sessions");
    assert_eq!(sign_in(&mut service.browser(), "a.lefictif", PASSWORD).await.status, 422);
    let mut browser = service.browser();
    let heard = handed.password.show().to_lowercase().replace('-', " ");
    assert_eq!(sign_in(&mut browser, "a.lefictif", &heard).await.location(), "/new-password");
    assert!(browser.get("/account").await.location().starts_with("/sign-in"), "not signed in yet");
    let fresh = "quatre loutres jouent au tarot";
    assert_eq!(choose(&mut browser, fresh).await.location(), "/account");
    assert_eq!(sign_in(&mut service.browser(), "a.lefictif", &heard).await.status, 422, "it served once");
    assert_eq!(sign_in(&mut service.browser(), "a.lefictif", fresh).await.location(), "/account");
}

#[tokio::test]
async fn point_33_a_newer_provisional_password_ends_a_change_in_progress() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let first = provisional(&service, &family).await;
    let mut browser = service.browser();
    assert_eq!(sign_in(&mut browser, &first.login, &first.password.show()).await.location(), "/new-password");
    let page = browser.get("/new-password").await;
    provisional(&service, &family).await;
    let token = token(&page, "/new-password");
    let fields = [("form_token", token.as_str()), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(browser.post("/new-password", &fields).await.status, 410);
}

#[tokio::test]
async fn point_33_an_expired_provisional_password_says_what_to_do() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let handed = provisional(&service, &family).await;
    service.app().clock.advance(TimeDelta::days(93));
    let answer = sign_in(&mut service.browser(), &handed.login, &handed.password.show()).await;
    assert!(answer.status == 422 && answer.body.contains("n’est plus valable"), "{}", answer.body);
    let wrong = sign_in(&mut service.browser(), &handed.login, "girafe mauve").await;
    assert!(!wrong.body.contains("n’est plus valable"), "told to who knows it only");
}

#[tokio::test]
async fn point_33_it_is_stored_hashed_and_sealed_and_in_no_event() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let handed = provisional(&service, &family).await;
    let shown = handed.password.show().to_string();
    let bare = shown.replace('-', "");
    let (events, vault): (Vec<String>, Vec<Vec<u8>>) = (
        sqlx::query_scalar("SELECT payload::text FROM ledger.event").fetch_all(&service.app().db).await.unwrap(),
        sqlx::query_scalar("SELECT body FROM vault.secret").fetch_all(&service.app().db).await.unwrap(),
    );
    assert!(!vault.is_empty() && events.iter().all(|event| !event.contains(&shown) && !event.contains("argon2")));
    let holds = |body: &[u8], text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(vault.iter().all(|body| !holds(body, &bare) && !holds(body, "$argon2id$")));
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let cookies = activate(&service, &family).await.cookies;
    let service = service.restarted(|_| {}).await;
    let mut browser = service.browser();
    browser.cookies = cookies;
    let page = browser.get("/account").await;
    assert!(page.status == 200 && page.body.contains("a.lefictif"), "{}", page.body);
}

/// The stored hash of the password in force.
async fn stored(service: &TestService, family: &Family) -> String {
    let app = service.app();
    let account = app.ledger.load::<Account>(&family.account.to_string()).await.unwrap().aggregate;
    let id = account.password.as_ref().map(Password::secret).unwrap();
    let secret = app.ledger.vault_get(id, app.clock.now()).await.unwrap().unwrap();
    String::from_utf8(secret.secret.to_vec()).unwrap()
}

#[tokio::test]
async fn a_hash_of_other_settings_is_replaced_at_sign_in_and_ends_no_session() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    let app = service.app();
    let account = app.ledger.load::<Account>(&family.account.to_string()).await.unwrap().aggregate;
    let id = account.password.as_ref().map(Password::secret).unwrap();
    let before = app.ledger.vault_get(id, app.clock.now()).await.unwrap().unwrap();
    let past = Pool::start(&Settings { memory_kib: 64, passes: 1, threads: 1, ..Settings::default() }).unwrap();
    let weak = past.hash(Typed::read(PASSWORD).unwrap()).await.unwrap();
    assert!(app.ledger.vault_replace(id, &before.kind, before.revision, weak.as_bytes()).await.unwrap());

    assert_eq!(sign_in(&mut service.browser(), "a.lefictif", "girafe mauve").await.status, 422);
    assert_eq!(stored(&service, &family).await, *weak, "a wrong password changes nothing");
    assert_eq!(sign_in(&mut service.browser(), "a.lefictif", PASSWORD).await.location(), "/account");
    let fresh = stored(&service, &family).await;
    assert!(!service.app().guard.passwords.is_outdated(&fresh), "{fresh}");
    assert_eq!(browser.get("/account").await.status, 200);
    assert_eq!(sign_in(&mut service.browser(), "a.lefictif", PASSWORD).await.location(), "/account");
    assert_eq!(stored(&service, &family).await, fresh, "once");
}

async fn change(browser: &mut Browser, page: &Answer, current: &str, password: &str, again: &str) -> Answer {
    let token = token(page, "/account/password");
    let fields = [("form_token", token.as_str()), ("current", current), ("password", password), ("again", again)];
    browser.post("/account/password", &fields).await
}

#[tokio::test]
async fn point_31_an_own_change_asks_for_the_present_password_and_ends_all_other_sessions() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    let mut elsewhere = service.browser();
    sign_in(&mut elsewhere, "a.lefictif", PASSWORD).await;
    let app = service.app();
    let mails = async || {
        let now = app.clock.now();
        app.ledger.outbox_claim("mail", 10, now, now + TimeDelta::hours(1)).await.unwrap().len()
    };
    assert_eq!(mails().await, 1, "of the activation");
    assert!(browser.get("/account/ways-in").await.body.contains("href=\"/account/password\""));
    let page = browser.get("/account/password").await;
    let fresh = "quatre loutres jouent au tarot";
    let wrong = change(&mut browser, &page, "girafe mauve", fresh, fresh).await;
    assert!(wrong.status == 422 && wrong.body.contains("pas votre mot de passe actuel"), "{}", wrong.body);
    assert_eq!(change(&mut browser, &page, PASSWORD, "lefictif-2026", "lefictif-2026").await.status, 422);
    assert_eq!(change(&mut browser, &page, PASSWORD, fresh, "quatre loutres").await.status, 422);
    assert_eq!(change(&mut elsewhere, &page, PASSWORD, fresh, fresh).await.status, 403, "another session's form");

    let before = browser.cookies["session"].clone();
    let done = change(&mut browser, &page, PASSWORD, fresh, fresh).await;
    assert_eq!(done.location(), "/account/ways-in?changed=password", "{}", done.body);
    assert_ne!(browser.cookies["session"], before);
    assert!(browser.get(done.location()).await.body.contains("Votre mot de passe est changé"));
    assert!(elsewhere.get("/account").await.location().starts_with("/sign-in"));
    let mut planted = service.browser();
    planted.cookies.insert("session".into(), before);
    assert!(planted.get("/account").await.location().starts_with("/sign-in"));
    assert_eq!(sign_in(&mut service.browser(), "a.lefictif", PASSWORD).await.status, 422);
    assert_eq!(sign_in(&mut service.browser(), "a.lefictif", fresh).await.location(), "/account");
    assert_eq!(mails().await, 1, "of the change");
    let events = app.ledger.read_stream("account", &family.account.to_string(), 0).await.unwrap();
    let own = |event: &domain::Event| {
        matches!(event, domain::Event::Account(AccountEvent::PasswordChosen { origin: PasswordOrigin::OwnChange, .. }))
    };
    assert_eq!(events.iter().filter(|recorded| own(&recorded.event)).count(), 1);
}

#[tokio::test]
async fn point_31_the_present_password_is_not_guessed_from_an_open_session() {
    let service = proxied().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    browser.headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.66"));
    let page = browser.get("/account/password").await;
    let fresh = "quatre loutres jouent au tarot";
    let mut refused = 0;
    for _ in 0..8 {
        refused += usize::from(change(&mut browser, &page, "girafe mauve", fresh, fresh).await.status == 429);
    }
    assert_eq!(refused, 3, "five tries in a minute");
    let late = change(&mut browser, &page, PASSWORD, fresh, fresh).await;
    assert!(late.status == 429 && !late.header("retry-after").is_empty());
    let mut holder = from(&service, "198.51.100.7");
    assert_eq!(sign_in(&mut holder, "a.lefictif", PASSWORD).await.location(), "/account", "elsewhere");
    assert!(service.browser().get("/account/password").await.location().starts_with("/sign-in"));
}
