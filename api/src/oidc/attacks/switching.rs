//! Two people on one browser, and two browsers on one request: nothing of the one reaches the other.

use super::world::{World, claims, college, error, field, json, parameter, registration, stays_here, text};
use crate::session::{self, Method, cookies::Cookies};
use crate::testing::Browser;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use domain::relying_party::{Establishments, GrantType};

/// The world's person of the moment signs in, in this browser, whoever was there before.
async fn sign_in(world: &World, browser: &mut Browser) {
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, HeaderValue::from_str(&cookies.join("; ")).unwrap());
    let cookies = Cookies::of(&headers, false);
    let jar = session::open(world.service.app(), &cookies, world.account, world.credential, Method::Password).await;
    for cookie in jar.unwrap().iter().filter(|cookie| !cookie.value().is_empty()) {
        browser.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
    }
}

#[tokio::test]
async fn a_parent_and_a_pupil_on_one_browser_are_never_mixed() {
    let mut world = World::new().await;
    let mut refreshing = registration(Establishments::Only([college()].into()));
    refreshing.terms.grant_types.insert(GrantType::RefreshToken);
    (world.client, world.secret) = world.register(refreshing).await;
    let mut browser = world.signed_in().await;
    let answer = world.redeem(&world.code(&mut browser).await).await;
    let parents = json(&answer);
    let (access, refresh) = (text(&parents["access_token"]), text(&parents["refresh_token"]));
    let hint = text(&parents["id_token"]);
    // A code of the parent's is still on its way when the pupil signs in.
    let waiting = world.code(&mut browser).await;
    world.become_the_pupil().await;
    sign_in(&world, &mut browser).await;
    assert_eq!(error(&world.redeem(&waiting).await), "invalid_grant", "the parent's code is nobody's now");
    assert_eq!(world.userinfo(&access).await.status, StatusCode::UNAUTHORIZED);
    let again = world.token(&[("grant_type", "refresh_token"), ("refresh_token", &refresh)]).await;
    assert_eq!(error(&again), "invalid_grant");
    // A relying party that still believes in the parent is told so; one that asks is told who is there.
    let silent = browser.get(&world.request(&[("prompt", Some("none")), ("id_token_hint", Some(&hint))])).await;
    assert_eq!(parameter(silent.location(), "error").as_deref(), Some("login_required"), "{}", silent.location());
    let (_, pupils) = world.tokens(&mut browser).await;
    assert_ne!(claims(&pupils)["sub"], claims(&hint)["sub"]);
    assert_ne!(claims(&pupils)["sid"], claims(&hint)["sid"]);
}

#[tokio::test]
async fn point_27_a_request_is_finished_by_the_browser_that_began_it() {
    let world = World::new().await;
    // An attacker begins a sign-in at the service and sends a signed-in parent the link to finish it.
    let mut attacker = world.service.browser();
    let to_sign_in = attacker.get(&world.request(&[("state", Some("attackers"))])).await;
    let back = parameter(to_sign_in.location(), "return_to").unwrap();
    let mut victim = world.signed_in().await;
    let refused = victim.get(&back).await;
    assert!(stays_here(&refused), "{} {}", refused.status, refused.location());
    victim.cookies.insert("request".to_owned(), "A".repeat(43));
    assert!(stays_here(&victim.get(&back).await));
    // Consent and choice are bound alike.
    for prompt in ["consent", "select_account"] {
        let mut began = world.signed_in().await;
        let page = began.get(&world.request(&[("prompt", Some(prompt))])).await;
        let (token, request) = (field(&page.body, "form_token"), field(&page.body, "request"));
        let action = if prompt == "consent" { "/authorize/consent" } else { "/authorize/choose" };
        let fields = [("form_token", token.as_str()), ("request", &request), ("answer", "yes")];
        began.cookies.remove("request");
        assert!(stays_here(&began.post(action, &fields).await), "{prompt}");
        assert_eq!(victim.post(action, &fields).await.status, StatusCode::FORBIDDEN, "{prompt}: another's form");
    }
    // The one who began it goes on, signed in.
    sign_in(&world, &mut attacker).await;
    let answer = attacker.get(&back).await;
    assert!(parameter(answer.location(), "code").is_some(), "{}", answer.location());
}

#[tokio::test]
async fn select_account_asks_with_which_account_to_go_on() {
    let mut world = World::new().await;
    let mut browser = world.signed_in().await;
    let (_, parent) = world.tokens(&mut browser).await;
    let select = [("prompt", Some("select_account"))];
    let page = browser.get(&world.request(&select)).await;
    assert!(page.status == 200 && page.body.contains("t.lefictif"), "{} {}", page.status, page.location());
    assert!(page.location().is_empty(), "no code before the choice");
    let fields = |page: &str, answer: &'static str| {
        [("form_token", field(page, "form_token")), ("request", field(page, "request")), ("answer", answer.to_owned())]
    };
    let go_on = fields(&page.body, "continue");
    let go_on = go_on.each_ref().map(|(name, value)| (*name, value.as_str()));
    let back = browser.post("/authorize/choose", &go_on).await.location().to_owned();
    let code = parameter(browser.get(&back).await.location(), "code").expect("a code after the choice");
    let same = json(&world.redeem(&code).await);
    assert_eq!(claims(&text(&same["id_token"]))["sub"], claims(&parent)["sub"]);

    // The pupil: the parent's session ends first, and the request waits for the pupil's.
    let page = browser.get(&world.request(&select)).await;
    let other = fields(&page.body, "other");
    let other = other.each_ref().map(|(name, value)| (*name, value.as_str()));
    let to_sign_in = browser.post("/authorize/choose", &other).await;
    let back = parameter(to_sign_in.location(), "return_to").unwrap();
    assert!(browser.get(&back).await.location().starts_with("/sign-in?"), "nobody is signed in");
    world.become_the_pupil().await;
    sign_in(&world, &mut browser).await;
    let answer = browser.get(&back).await;
    let code = parameter(answer.location(), "code").expect("signing in was the choice");
    let pupil = json(&world.redeem(&code).await);
    assert_ne!(claims(&text(&pupil["id_token"]))["sub"], claims(&parent)["sub"]);
}
