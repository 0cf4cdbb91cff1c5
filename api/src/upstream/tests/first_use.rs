//! First use proves phone and children; later uses go straight in; names that differ tie nothing.

use super::super::{SUBJECT, subject_hash};
use super::world::{ORIGIN, World};
use crate::activation::fixture::{
    Family, GIVEN, MOBILE, PASSWORD, SURNAME, choose, confirm, identify, last_code, token, type_code,
};
use crate::testing::{Answer, Browser};
use axum::http::StatusCode;
use domain::account::{Password, Status, UpstreamProof};

/// From `/activate`, where a provider has recognised somebody, to the page that would tie them.
pub async fn prove(world: &World, browser: &mut Browser, family: &Family) -> Answer {
    identify(browser, SURNAME, GIVEN, MOBILE).await;
    let code = last_code(world.service.app()).await;
    let proved = type_code(browser, &code).await;
    assert_eq!(proved.location(), "/children", "children are asked for, whether or not the account is in use");
    confirm(browser, family.anais, ["3", "9", "2014"]).await;
    confirm(browser, family.basile, ["7", "5", "2012"]).await;
    browser.get("/sign-in/link").await
}

/// A whole first use by FranceConnect; the browser is signed in.
pub async fn first_use(world: &World, family: &Family, person: &str) -> Browser {
    let mut browser = world.service.browser();
    assert_eq!(world.come_back(&mut browser, person).await.location(), "/activate");
    let page = prove(world, &mut browser, family).await;
    let token = token(&page, "/sign-in/link");
    let done = browser.post("/sign-in/link", &[("form_token", &token)]).await;
    assert_eq!(done.location(), "/account", "{}", done.body);
    browser
}

#[tokio::test]
async fn first_use_proves_phone_and_children_and_later_uses_go_straight_in() {
    let world = World::start().await;
    let app = world.service.app();
    let family = Family::settle(app).await;
    let mut browser = world.service.browser();

    let page = browser.get("/sign-in?return_to=/account/children").await;
    assert!(page.body.contains("S’identifier avec FranceConnect"), "{}", page.body);
    assert!(page.body.contains("/sign-in/with/franceconnect?return_to=%2Faccount%2Fchildren"));
    let left = browser.get("/sign-in/with/franceconnect?return_to=/account/children").await;
    let sent: url::Url = left.location().parse().unwrap();
    let asked = |name: &str| sent.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert_eq!(asked("acr_values").as_deref(), Some("eidas1"));
    assert_eq!(asked("scope").as_deref(), Some("openid identite_pivot preferred_username"));
    assert_eq!(asked("code_challenge_method").as_deref(), Some("S256"));
    assert!(asked("nonce").unwrap().len() >= 22 && asked("state").unwrap().len() >= 22);
    let back = world.provider.walk(left.location(), "aude", "ok").await;
    assert_eq!(browser.get(&back).await.location(), "/activate");

    let page = browser.get("/activate").await;
    assert!(page.body.contains("Aude Marie LEFICTIF") && page.body.contains("value=\"LEFICTIF\""), "{}", page.body);
    let page = prove(&world, &mut browser, &family).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let token = token(&page, "/sign-in/link");
    let done = browser.post("/sign-in/link", &[("form_token", &token)]).await;
    assert_eq!(done.location(), "/account/children", "{}", done.body);
    assert_eq!(browser.get("/account").await.status, StatusCode::OK);

    let account = world.account(family.account).await;
    assert_eq!((account.status, account.password.is_none()), (Status::Activated, true));
    let link = account.links.values().next().expect("a link");
    assert_eq!((link.provider.as_str(), link.proof), ("franceconnect", UpstreamProof::PhoneAndChildren));
    let subject = &link.identity.get().unwrap().subject;
    let owner = app.ledger.reserved(SUBJECT, &subject_hash(app, "franceconnect", subject)).await.unwrap();
    assert_eq!(owner, Some(family.account.to_string()));

    // Another browser, another day: straight in.
    let mut later = world.service.browser();
    assert_eq!(world.come_back(&mut later, "aude").await.location(), "/account");
    assert!(later.get("/account").await.body.contains("Anaïs"));
    // Out here is out there.
    let out = later.post("/sign-out", &[]).await;
    let out: url::Url = out.location().parse().expect("the provider's address");
    assert!(out.as_str().starts_with(&format!("{}/api/v2/session/end?id_token_hint=", world.provider.origin)), "{out}");
    let back = out.query_pairs().find(|(key, _)| key == "post_logout_redirect_uri").unwrap().1.into_owned();
    assert_eq!(back, format!("{ORIGIN}/"));
    assert!(later.get("/account").await.location().starts_with("/sign-in"));
    let policy = browser.get("/account").await.header("content-security-policy").to_owned();
    assert!(policy.contains(&format!("form-action 'self' {};", world.provider.origin)), "{policy}");
}

#[tokio::test]
async fn point_40_other_names_tie_nothing_and_lead_on_with_a_password() {
    let world = World::start().await;
    let family = Family::settle(world.service.app()).await;
    let mut browser = world.service.browser();
    assert_eq!(world.come_back(&mut browser, "angela").await.location(), "/activate");
    let page = prove(&world, &mut browser, &family).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.body.contains("Angela Claire DUBOIS") && page.body.contains("Aude LEFICTIF"), "{}", page.body);
    assert!(!page.body.contains("action=\"/sign-in/link\""));
    // The page's own form, kept from elsewhere, does no more.
    let cookie = browser.cookies["flow"].clone();
    let flow = crate::session::Token::read(&cookie).unwrap();
    let token = flow.for_form(&world.service.app().ledger, "upstream-link");
    let forced = browser.post("/sign-in/link", &[("form_token", &token)]).await;
    assert_eq!(forced.status, StatusCode::FORBIDDEN);
    assert!(world.account(family.account).await.links.is_empty());
    assert_eq!(choose(&mut browser, PASSWORD).await.location(), "/account");
    assert!(matches!(world.account(family.account).await.password, Some(Password::Personal(_))));
}

#[tokio::test]
async fn a_stranger_learns_nothing_and_may_go_on_without_the_provider() {
    let world = World::start().await;
    Family::settle(world.service.app()).await;
    let mut browser = world.service.browser();
    world.come_back(&mut browser, "angela").await;
    let answer = identify(&mut browser, "DUBOIS", "Angela", "06 39 98 00 55").await;
    assert_eq!(answer.location(), "/code", "the same page as for everybody");
    assert_eq!(browser.get("/sign-in/without").await.location(), "/activate");
    assert!(!browser.get("/activate").await.body.contains("DUBOIS"));
}

#[tokio::test]
async fn an_account_in_use_is_linked_at_first_use_and_keeps_its_password() {
    let world = World::start().await;
    let app = world.service.app();
    let family = Family::settle(app).await;
    crate::activation::fixture::activate(&world.service, &family).await;
    let browser = first_use(&world, &family, "aude").await;
    let account = world.account(family.account).await;
    assert!(account.password.is_some() && account.links.len() == 1);
    // Signed in by both ways: a new password ends both.
    let mut browser = browser;
    assert_eq!(browser.get("/account").await.status, StatusCode::OK);
    let mut elsewhere = world.service.browser();
    crate::activation::fixture::sign_in(&mut elsewhere, "a.lefictif", PASSWORD).await;
    let page = elsewhere.get("/account/password").await;
    let token = token(&page, "/account/password");
    let next = "quatre autruches sous la pluie";
    let fields = [("form_token", token.as_str()), ("current", PASSWORD), ("password", next), ("again", next)];
    let changed = elsewhere.post("/account/password", &fields).await;
    assert!(changed.status.is_redirection(), "{}", changed.body);
    assert!(browser.get("/account").await.location().starts_with("/sign-in"));
    assert_eq!(world.come_back(&mut browser, "aude").await.location(), "/account", "the link stays");
}
