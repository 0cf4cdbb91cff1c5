//! The guard of sensitive acts, and the attacks on it.

use super::StepUp;
use crate::activation::fixture::{Family, PASSWORD, activate, token};
use crate::testing::{Answer, Browser, TestService};
use axum::routing::get;
use chrono::TimeDelta;

/// A service with a sensitive page.
async fn guarded() -> TestService {
    let page = get(async |StepUp(user): StepUp| user.name).post(async |StepUp(user): StepUp| user.name);
    TestService::with(|_| {}, |router| router.route("/account/password/guarded", page)).await
}

const GUARDED: &str = "/account/password/guarded";

async fn again(browser: &mut Browser, page: &str, password: &str, return_to: &str) -> Answer {
    let page = browser.get(page).await;
    let token = token(&page, "/sign-in/again");
    let fields = [("form_token", token.as_str()), ("password", password), ("return_to", return_to)];
    browser.post("/sign-in/again", &fields).await
}

#[tokio::test]
async fn point_31_who_proved_long_ago_proves_again_and_comes_back_to_where_they_were() {
    let service = guarded().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    assert_eq!(browser.get(GUARDED).await.body, "a.lefictif");
    service.app().clock.advance(TimeDelta::minutes(11));
    let here = format!("{GUARDED}?x=1&y=2");
    let asked = browser.get(&here).await.location().to_owned();
    assert_eq!(asked, "/sign-in/again?return_to=%2Faccount%2Fpassword%2Fguarded%3Fx%3D1%26y%3D2");
    // Nothing posted passes either; the way back is the section that the form stood in.
    let posted = browser.post(GUARDED, &[]).await;
    assert_eq!(posted.location(), "/sign-in/again?return_to=%2Faccount%2Fways-in");
    assert_eq!(browser.get("/account").await.status, 200, "the rest of the account is open as before");

    let page = browser.get(&asked).await;
    assert!(page.body.contains("name=\"return_to\" value=\"/account/password/guarded?x=1&#38;y=2\""), "{}", page.body);
    let wrong = again(&mut browser, &asked, "girafe mauve", &here).await;
    assert!(wrong.status == 422 && wrong.body.contains("pas votre mot de passe"), "{}", wrong.body);
    assert!(browser.get(&here).await.location().starts_with("/sign-in/again"));
    let before = browser.cookies["session"].clone();
    assert_eq!(again(&mut browser, &asked, PASSWORD, &here).await.location(), here);
    assert_ne!(browser.cookies["session"], before, "a new session id at each authentication");
    assert_eq!(browser.get(&here).await.body, "a.lefictif");
    assert_eq!(browser.post(GUARDED, &[]).await.body, "a.lefictif");
}

#[tokio::test]
async fn point_31_proving_again_is_guarded_like_signing_in() {
    let service = guarded().await;
    let family = Family::settle(service.app()).await;
    let stranger = service.browser().get(GUARDED).await;
    assert!(stranger.location().starts_with("/sign-in?return_to="), "{}", stranger.location());
    assert!(service.browser().get("/sign-in/again").await.location().starts_with("/sign-in?return_to="));
    let mut browser = activate(&service, &family).await;
    let mut refused = 0;
    for _ in 0..8 {
        refused += usize::from(again(&mut browser, "/sign-in/again", "girafe mauve", "").await.status == 429);
    }
    assert_eq!(refused, 3, "five tries in a minute");
    assert_eq!(again(&mut browser, "/sign-in/again", PASSWORD, "").await.status, 429);
    // Another browser's form, and another site as the way back.
    service.app().clock.advance(TimeDelta::minutes(16));
    let mut elsewhere = browser.clone();
    assert_eq!(again(&mut browser, "/sign-in/again", PASSWORD, "//evil.test/").await.location(), "/account");
    assert!(elsewhere.get("/account").await.location().starts_with("/sign-in"), "the former id is dead");
}
