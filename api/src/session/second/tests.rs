//! The second step, and the attacks on it.

use super::totp::OwnSecret;
use crate::activation::fixture::{Family, PASSWORD, activate, choose, context, sign_in, token};
use crate::reset::operator::hand_out;
use crate::reset::second_factor::give_up;
use crate::testing::{Answer, Browser, TestService};
use chrono::TimeDelta;
use domain::Event;
use domain::account::AccountEvent;

/// The value of a hidden field.
fn field(page: &Answer, name: &str) -> String {
    let rest = page.body.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("{}", page.body));
    rest.split('"').next().unwrap().to_owned()
}

fn code(service: &TestService, secret: &OwnSecret) -> String {
    secret.code_at(service.app().clock.now().timestamp().unsigned_abs())
}

/// Adds an app to the account that is signed in; its secret. A minute passes, so that its next code is a fresh one.
async fn enrol(service: &TestService, browser: &mut Browser) -> OwnSecret {
    let page = browser.get("/account/ways-in/app").await;
    let (form, shown) = (token(&page, "/account/ways-in/app"), field(&page, "secret"));
    let secret = OwnSecret::read(&shown).unwrap();
    let wrong = [("form_token", form.as_str()), ("secret", &shown), ("code", "000000")];
    assert_eq!(browser.post("/account/ways-in/app", &wrong).await.status, 422);
    let code = code(service, &secret);
    let right = [("form_token", form.as_str()), ("secret", &shown), ("code", &code)];
    assert_eq!(browser.post("/account/ways-in/app", &right).await.location(), "/account/ways-in?changed=app-added");
    service.app().clock.advance(TimeDelta::seconds(60));
    secret
}

async fn second(browser: &mut Browser, code: &str) -> Answer {
    let page = browser.get("/sign-in/second?return_to=%2Faccount%2Fservices").await;
    let form = token(&page, "/sign-in/second");
    let fields = [("form_token", form.as_str()), ("code", code), ("return_to", "/account/services")];
    browser.post("/sign-in/second", &fields).await
}

async fn recovery_codes(browser: &mut Browser) -> Vec<String> {
    let form = token(&browser.get("/account/ways-in").await, "/account/ways-in/recovery-codes");
    let page = browser.post("/account/ways-in/recovery-codes", &[("form_token", &form)]).await;
    let codes = page.body.split("<li class=\"keep\">").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned());
    codes.collect()
}

#[tokio::test]
async fn a_stolen_password_is_not_enough() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut own = activate(&service, &family).await;
    let secret = enrol(&service, &mut own).await;
    assert_eq!(own.get("/account").await.status, 200, "who added it stays signed in");

    let mut browser = service.browser();
    assert_eq!(sign_in(&mut browser, "a.lefictif", PASSWORD).await.location(), "/account");
    assert!(!browser.cookies.contains_key("session"), "nobody is signed in yet");
    let asked = browser.get("/account").await.location().to_owned();
    assert_eq!(asked, "/sign-in?return_to=%2Faccount");
    assert_eq!(browser.get(&asked).await.location(), "/sign-in/second?return_to=%2Faccount");
    let wrong = second(&mut browser, "000000").await;
    assert!(wrong.status == 422 && !browser.cookies.contains_key("session"), "{}", wrong.body);
    // The form of another browser, or a step that is not there.
    let page = browser.get("/sign-in/second").await;
    let (form, right) = (token(&page, "/sign-in/second"), code(&service, &secret));
    let mut thief = service.browser();
    let fields = [("form_token", form.as_str()), ("code", right.as_str())];
    assert_eq!(thief.post("/sign-in/second", &fields).await.status, 403);
    assert_eq!(thief.get("/sign-in/second").await.location(), "/sign-in");

    assert_eq!(second(&mut browser, &right).await.location(), "/account/services");
    assert_eq!(browser.get("/account").await.status, 200);
    assert!(!browser.cookies.contains_key("second"), "the step was used up");
    // A code is taken once, whoever saw it on the way.
    sign_in(&mut thief, "a.lefictif", PASSWORD).await;
    assert_eq!(second(&mut thief, &right).await.status, 422);
    service.app().clock.advance(TimeDelta::seconds(30));
    let next = code(&service, &secret);
    assert_eq!(second(&mut thief, &next).await.location(), "/account/services");
}

#[tokio::test]
async fn guessing_codes_ends_the_step_and_then_the_day() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut own = activate(&service, &family).await;
    enrol(&service, &mut own).await;
    let mut browser = service.browser();
    for round in 0..2 {
        sign_in(&mut browser, "a.lefictif", PASSWORD).await;
        for _ in 0..4 {
            assert_eq!(second(&mut browser, "000000").await.status, 422);
        }
        assert!(second(&mut browser, "000000").await.location().starts_with("/sign-in?"), "the fifth ends it");
        assert!(browser.get("/sign-in/second").await.location().starts_with("/sign-in"), "round {round}");
    }
    sign_in(&mut browser, "a.lefictif", PASSWORD).await;
    let refused = second(&mut browser, "000000").await;
    assert!(refused.status == 429 && !refused.header("retry-after").is_empty());
}

#[tokio::test]
async fn a_recovery_code_stands_in_once() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut own = activate(&service, &family).await;
    enrol(&service, &mut own).await;
    let codes = recovery_codes(&mut own).await;
    assert_eq!(codes.len(), 10);
    let mut browser = service.browser();
    sign_in(&mut browser, "a.lefictif", PASSWORD).await;
    let heard = codes[3].to_lowercase().replace('-', " ");
    assert_eq!(second(&mut browser, &heard).await.location(), "/account/services");
    assert!(browser.get("/account/ways-in").await.body.contains("Il vous en reste 9"));
    let mut again = service.browser();
    sign_in(&mut again, "a.lefictif", PASSWORD).await;
    assert_eq!(second(&mut again, &codes[3]).await.status, 422, "used up");
    let events = service.app().ledger.read_stream("account", &family.account.to_string(), 1).await.unwrap();
    let used = |event: &Event| matches!(event, Event::Account(AccountEvent::RecoveryCodeUsed { left: 9 }));
    assert_eq!(events.iter().filter(|recorded| used(&recorded.event)).count(), 1);
    // New ones make the former void, and none stands in the ledger or in clear in the vault.
    let fresh = recovery_codes(&mut browser).await;
    assert_eq!(second(&mut again, &codes[4]).await.status, 422);
    let payloads: Vec<String> =
        sqlx::query_scalar("SELECT payload::text FROM ledger.event").fetch_all(&service.app().db).await.unwrap();
    assert!(payloads.iter().all(|payload| !fresh.iter().any(|code| payload.contains(code.as_str()))));
    assert_eq!(second(&mut again, &fresh[0]).await.location(), "/account/services");
}

#[tokio::test]
async fn point_31_proving_again_asks_for_both_and_so_does_giving_a_factor_up() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    let secret = enrol(&service, &mut browser).await;
    let page = browser.get("/account/ways-in").await;
    let remove = [("form_token", token(&page, "/account/ways-in/remove-factor")), ("factor", field(&page, "factor"))];
    service.app().clock.advance(TimeDelta::minutes(11));
    let fields = remove.each_ref().map(|(name, value)| (*name, value.as_str()));
    let refused = browser.post("/account/ways-in/remove-factor", &fields).await;
    assert_eq!(refused.location(), "/sign-in/again?return_to=%2Faccount%2Fways-in");
    // The password alone does not renew the proof.
    assert_eq!(sign_in(&mut browser, "a.lefictif", PASSWORD).await.location(), "/account");
    let asked = browser.get("/account/ways-in/app").await.location().to_owned();
    assert!(asked.starts_with("/sign-in/again"), "{asked}");
    assert!(browser.get(&asked).await.location().starts_with("/sign-in/second"));
    assert_eq!(browser.get("/account").await.status, 200, "and ends nothing");
    let code = code(&service, &secret);
    assert_eq!(second(&mut browser, &code).await.location(), "/account/services");
    let page = browser.get("/account/ways-in").await;
    let remove = [("form_token", token(&page, "/account/ways-in/remove-factor")), ("factor", field(&page, "factor"))];
    let fields = remove.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(
        browser.post("/account/ways-in/remove-factor", &fields).await.location(),
        "/account/ways-in?changed=factor-removed"
    );
    let mut fresh = service.browser();
    sign_in(&mut fresh, "a.lefictif", PASSWORD).await;
    assert_eq!(fresh.get("/account").await.status, 200, "a password alone does again");
}

#[tokio::test]
async fn no_other_way_in_goes_past_the_second_step() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut own = activate(&service, &family).await;
    let secret = enrol(&service, &mut own).await;
    let app = service.app();
    // A step that waits ends with the password it rests on.
    let mut early = service.browser();
    sign_in(&mut early, "a.lefictif", PASSWORD).await;
    let validity = app.config.passwords.provisional_validity.delta();
    let by = context(app);
    let handed = hand_out(&app.ledger, &app.db, &app.guard.passwords, family.account, validity, &by).await.unwrap();
    assert_eq!(early.get("/sign-in/second").await.location(), "/sign-in");
    // Support's provisional password replaces the password, not the second factor.
    let mut browser = service.browser();
    let provisional = handed.password.show().to_string();
    assert_eq!(sign_in(&mut browser, "a.lefictif", &provisional).await.location(), "/new-password");
    assert_eq!(choose(&mut browser, "quatre loutres jouent au tarot").await.location(), "/account");
    assert!(browser.get("/account").await.location().starts_with("/sign-in"));
    let code = code(&service, &secret);
    assert_eq!(second(&mut browser, &code).await.location(), "/account/services");
    assert_eq!(browser.get("/account").await.status, 200);
}

#[tokio::test]
async fn support_gives_up_what_the_holder_has_lost() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut own = activate(&service, &family).await;
    enrol(&service, &mut own).await;
    recovery_codes(&mut own).await;
    let app = service.app();
    assert_eq!(give_up(&app.ledger, &app.db, family.account, &context(app)).await.unwrap(), 1);
    assert!(own.get("/account").await.location().starts_with("/sign-in"), "whoever is signed in is signed out");
    let mut browser = service.browser();
    sign_in(&mut browser, "a.lefictif", PASSWORD).await;
    assert_eq!(browser.get("/account").await.status, 200);
    let left: Vec<String> =
        sqlx::query_scalar("SELECT kind FROM vault.secret WHERE kind IN ('totp', 'recovery-codes')")
            .fetch_all(&app.db)
            .await
            .unwrap();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(give_up(&app.ledger, &app.db, family.account, &context(app)).await.unwrap(), 0);
}
