//! Each way an answer can be wrong: refused with a page that says what to do, and nobody is signed in.

use super::first_use::first_use;
use super::world::World;
use crate::activation::fixture::Family;
use crate::testing::{Answer, Browser};
use axum::http::StatusCode;
use chrono::TimeDelta;

/// Nobody is signed in or recognised in this browser.
async fn nobody(browser: &mut Browser, answer: &Answer, what: &str) {
    assert!(!browser.cookies.contains_key("session"), "{what}");
    assert!(browser.get("/account").await.location().starts_with("/sign-in"), "{what}");
    assert!(!browser.get("/activate").await.body.contains("LEFICTIF"), "{what}");
    assert!(answer.body.contains("class=\"reference\"") && answer.body.contains("href=\"/sign-in\""), "{what}");
}

#[tokio::test]
async fn answers_that_are_wrong_in_any_way_are_refused() {
    let world = World::start().await;
    let family = Family::settle(world.service.app()).await;
    // Where somebody could get in: the identity is linked.
    first_use(&world, &family, "aude").await;
    let wrong = "n’est pas sûre";
    for (fault, status, words) in [
        ("nonce", StatusCode::BAD_GATEWAY, wrong),
        ("no-nonce", StatusCode::BAD_GATEWAY, wrong),
        ("aud", StatusCode::BAD_GATEWAY, wrong),
        ("aud-too-many", StatusCode::BAD_GATEWAY, wrong),
        ("azp", StatusCode::BAD_GATEWAY, wrong),
        ("iss", StatusCode::BAD_GATEWAY, wrong),
        ("signature", StatusCode::BAD_GATEWAY, wrong),
        ("alg-none", StatusCode::BAD_GATEWAY, wrong),
        ("alg-hs256", StatusCode::BAD_GATEWAY, wrong),
        ("expired", StatusCode::BAD_GATEWAY, wrong),
        ("old", StatusCode::BAD_GATEWAY, wrong),
        ("future", StatusCode::BAD_GATEWAY, wrong),
        ("sub", StatusCode::BAD_GATEWAY, wrong),
        ("no-sub", StatusCode::BAD_GATEWAY, wrong),
        ("at_hash", StatusCode::BAD_GATEWAY, wrong),
        ("acr", StatusCode::FORBIDDEN, "trop faible"),
        ("no-acr", StatusCode::FORBIDDEN, "trop faible"),
        ("no-id-token", StatusCode::BAD_GATEWAY, wrong),
        ("token-down", StatusCode::BAD_GATEWAY, wrong),
        ("token-not-json", StatusCode::BAD_GATEWAY, wrong),
        ("userinfo-sub", StatusCode::BAD_GATEWAY, wrong),
        ("userinfo-aud", StatusCode::BAD_GATEWAY, wrong),
        ("userinfo-iss", StatusCode::BAD_GATEWAY, wrong),
        ("userinfo-signature", StatusCode::BAD_GATEWAY, wrong),
        ("userinfo-alg-none", StatusCode::BAD_GATEWAY, wrong),
        ("userinfo-expired", StatusCode::BAD_GATEWAY, wrong),
        ("userinfo-plain", StatusCode::BAD_GATEWAY, wrong),
        ("userinfo-down", StatusCode::SERVICE_UNAVAILABLE, "ne répond pas"),
        ("missing-family-name", StatusCode::BAD_GATEWAY, "n’en dit pas assez"),
        ("missing-given-name", StatusCode::BAD_GATEWAY, "n’en dit pas assez"),
        ("missing-birthdate", StatusCode::BAD_GATEWAY, "n’en dit pas assez"),
    ] {
        world.provider.fault(fault).await;
        let mut browser = world.service.browser();
        let answer = world.come_back(&mut browser, "aude").await;
        assert_eq!(answer.status, status, "{fault}: {}", answer.body);
        assert!(answer.body.contains(words), "{fault}: {}", answer.body);
        nobody(&mut browser, &answer, fault).await;
    }
    world.provider.fault("").await;
    let mut browser = world.service.browser();
    assert_eq!(world.come_back(&mut browser, "aude").await.location(), "/account", "the right answer opens");
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_fetched_and_the_former_goes() {
    let world = World::start().await;
    let family = Family::settle(world.service.app()).await;
    first_use(&world, &family, "aude").await;
    world.provider.fault("rotated").await;
    // An unknown key is looked for once in half a minute, however many tokens name one.
    world.service.app().clock.advance(TimeDelta::seconds(31));
    let mut browser = world.service.browser();
    assert_eq!(world.come_back(&mut browser, "aude").await.location(), "/account");
    world.provider.fault("").await;
    let mut browser = world.service.browser();
    assert_eq!(world.come_back(&mut browser, "aude").await.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn error_redirects_are_pages_in_both_languages() {
    let world = World::start().await;
    for (error, status, french, english) in [
        ("access_denied", StatusCode::OK, "Vous n’avez pas continué", "You did not go on"),
        ("server_error", StatusCode::SERVICE_UNAVAILABLE, "ne répond pas", "does not answer"),
        ("temporarily_unavailable", StatusCode::SERVICE_UNAVAILABLE, "ne répond pas", "does not answer"),
        ("invalid_request", StatusCode::BAD_GATEWAY, "a refusé la demande", "has refused the request"),
    ] {
        for (language, words) in [("fr", french), ("en", english)] {
            let mut browser = world.service.browser();
            browser.headers.insert("accept-language", language.parse().unwrap());
            let back = world.leave(&mut browser, "aude", error).await;
            let answer = browser.get(&back).await;
            assert_eq!(answer.status, status, "{error}");
            assert!(answer.body.contains(words), "{error} {language}: {}", answer.body);
            assert!(!answer.body.contains("essai"), "the provider's own words are not shown: {}", answer.body);
            nobody(&mut browser, &answer, error).await;
        }
    }
}

#[tokio::test]
async fn an_answer_serves_once_in_the_browser_it_was_asked_for() {
    let world = World::start().await;
    let family = Family::settle(world.service.app()).await;
    first_use(&world, &family, "aude").await;
    let mut browser = world.service.browser();
    let back = world.leave(&mut browser, "aude", "ok").await;

    // Without its cookie, in another browser, with another state.
    let mut stranger = world.service.browser();
    assert_eq!(stranger.get(&back).await.status, StatusCode::GONE);
    let theirs = world.leave(&mut stranger, "angela", "ok").await;
    let answer = stranger.get(&back).await;
    assert_eq!(answer.status, StatusCode::GONE);
    nobody(&mut stranger, &answer, "state of another browser").await;
    let no_state = back.replace("state=", "stat=");
    assert_eq!(browser.get(&no_state).await.status, StatusCode::GONE);
    assert_eq!(browser.get(&format!("{back}&code=x")).await.status, StatusCode::BAD_REQUEST, "given twice");

    // A code brought to another trip is of no use there: it is bound to its verifier.
    let code = |path: &str| path.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let mixed = theirs.replace(&code(&theirs), &code(&back));
    let answer = stranger.get(&mixed).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{}", answer.body);
    nobody(&mut stranger, &answer, "code of another browser").await;

    // Once; then never again.
    let mut browser = world.service.browser();
    let back = world.leave(&mut browser, "aude", "ok").await;
    let trip = browser.cookies["upstream"].clone();
    assert_eq!(browser.get(&back).await.location(), "/account");
    browser.post("/sign-out", &[]).await;
    browser.cookies.insert("upstream".into(), trip);
    let answer = browser.get(&back).await;
    assert_eq!(answer.status, StatusCode::GONE, "replayed");
    nobody(&mut browser, &answer, "replayed").await;

    // From another issuer, or from none that it names (RFC 9207).
    for change in [("iss=http%3A%2F%2F127", "iss=http%3A%2F%2F128"), ("iss=", "is=")] {
        let mut browser = world.service.browser();
        let back = world.leave(&mut browser, "aude", "ok").await;
        let answer = browser.get(&back.replace(change.0, change.1)).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{change:?}");
    }

    // Too late.
    let mut browser = world.service.browser();
    let back = world.leave(&mut browser, "aude", "ok").await;
    world.service.app().clock.advance(TimeDelta::minutes(61));
    assert_eq!(browser.get(&back).await.status, StatusCode::GONE);
}

#[tokio::test]
async fn a_provider_that_is_down_or_not_configured_is_said_so() {
    let World { service, provider, .. } = World::start().await;
    let mut browser = service.browser();
    assert_eq!(browser.get("/sign-in/with/nobody").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/sign-in/with/nobody/callback?state=x").await.status, StatusCode::NOT_FOUND);
    drop(provider);
    let answer = browser.get("/sign-in/with/franceconnect").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("ne répond pas") && answer.body.contains("/sign-in/with/franceconnect"));
    let plain = crate::testing::TestService::start().await;
    assert!(!plain.browser().get("/sign-in").await.body.contains("FranceConnect"), "no button unless configured");
}
