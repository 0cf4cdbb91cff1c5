//! With refresh tokens: replayed, raced, outlived, taken to another client.

use super::world::{CALLBACK, VERIFIER, World, claims, error, json, parameter, registration, text};
use crate::oidc::registry;
use crate::testing::{Answer, Browser};
use axum::http::StatusCode;
use chrono::TimeDelta;
use domain::account::{Account, AccountCommand};
use domain::relying_party::{ClientAuthentication, Establishments, GrantType, Registration};
use futures::future::join_all;
use serde_json::Value;

fn refreshing(establishments: Establishments) -> Registration {
    let mut registration = registration(establishments);
    registration.terms.grant_types.insert(GrantType::RefreshToken);
    registration
}

/// A mark book of the collège that may refresh.
async fn world() -> World {
    let mut world = World::new().await;
    let only = Establishments::Only([super::world::college()].into());
    (world.client, world.secret) = world.register(refreshing(only)).await;
    world
}

async fn sign_in(world: &World, browser: &mut Browser) -> Value {
    let code = world.code(browser).await;
    let answer = world.redeem(&code).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    json(&answer)
}

async fn refresh(world: &World, token: &str) -> Answer {
    world.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

fn refresh_token(tokens: &Value) -> String {
    text(&tokens["refresh_token"])
}

fn advance(world: &World, seconds: i64) {
    world.service.app().clock.advance(TimeDelta::seconds(seconds));
}

#[tokio::test]
async fn point_15_refresh_tokens_rotate_and_say_the_same_sign_in() {
    let world = world().await;
    let mut browser = world.signed_in().await;
    let first = sign_in(&world, &mut browser).await;
    advance(&world, 60);
    let answer = refresh(&world, &refresh_token(&first)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let second = json(&answer);
    assert_ne!(refresh_token(&first), refresh_token(&second));
    let (before, after) = (claims(&text(&first["id_token"])), claims(&text(&second["id_token"])));
    for same in ["iss", "sub", "aud", "auth_time", "sid", "acr"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert!(after.get("nonce").is_none() && after["iat"].as_i64() > before["iat"].as_i64());
    assert_eq!(world.userinfo(&text(&second["access_token"])).await.status, StatusCode::OK);
    // A client that is not registered for it gets none.
    let (plain, secret) = world.register(registration(Establishments::All)).await;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &refresh_token(&second))];
    assert_eq!(error(&world.token_as(plain, &secret, &fields).await), "unauthorized_client");
}

#[tokio::test]
async fn point_15_a_stolen_refresh_token_ends_the_family_when_it_comes_again() {
    let world = world().await;
    let mut browser = world.signed_in().await;
    let first = sign_in(&world, &mut browser).await;
    let second = json(&refresh(&world, &refresh_token(&first)).await);
    let third = json(&refresh(&world, &refresh_token(&second)).await);
    assert_eq!(world.userinfo(&text(&third["access_token"])).await.status, StatusCode::OK);
    // The first is two rotations old: no grace for it, however soon.
    assert_eq!(error(&refresh(&world, &refresh_token(&first)).await), "invalid_grant");
    for tokens in [&first, &second, &third] {
        assert_eq!(error(&refresh(&world, &refresh_token(tokens)).await), "invalid_grant");
        let token = text(&tokens["access_token"]);
        assert_eq!(world.userinfo(&token).await.status, StatusCode::UNAUTHORIZED, "its access tokens end with it");
    }
    // Another family of the same person and client goes on.
    let other = sign_in(&world, &mut browser).await;
    assert_eq!(refresh(&world, &refresh_token(&other)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn point_15_of_many_at_once_one_rotates_and_all_hold_the_same_next_token() {
    let world = world().await;
    let mut browser = world.signed_in().await;
    let first = sign_in(&world, &mut browser).await;
    let token = refresh_token(&first);
    let answers = join_all((0..12).map(|_| refresh(&world, &token))).await;
    let next: std::collections::BTreeSet<String> = answers.iter().map(|a| refresh_token(&json(a))).collect();
    assert_eq!(next.len(), 1, "the family has not branched");
    let generation: i32 = sqlx::query_scalar("SELECT generation FROM service.refresh_family")
        .fetch_one(&world.service.app().db)
        .await
        .unwrap();
    assert_eq!(generation, 1);
}

#[tokio::test]
async fn point_16_the_state_survives_a_restart() {
    let world = world().await;
    let mut browser = world.signed_in().await;
    let (used, live) = (sign_in(&world, &mut browser).await, sign_in(&world, &mut browser).await);
    let next = json(&refresh(&world, &refresh_token(&used)).await);
    advance(&world, 31);
    let World { service, secret, account, credential, guardian, children, client } = world;
    let world =
        World { service: service.restarted(|_| {}).await, secret, account, credential, guardian, children, client };
    assert_eq!(refresh(&world, &refresh_token(&live)).await.status, StatusCode::OK);
    assert_eq!(error(&refresh(&world, &refresh_token(&used)).await), "invalid_grant", "used before the restart");
    assert_eq!(error(&refresh(&world, &refresh_token(&next)).await), "invalid_grant", "and so the family ends");
}

#[tokio::test]
async fn point_17_the_grace_repeats_an_answer_and_extends_nothing() {
    let world = world().await;
    let mut browser = world.signed_in().await;
    let first = sign_in(&world, &mut browser).await;
    let second = json(&refresh(&world, &refresh_token(&first)).await);
    let state = async || {
        let row: (i32, chrono::DateTime<chrono::Utc>, chrono::DateTime<chrono::Utc>) =
            sqlx::query_as("SELECT generation, rotated_at, expires_at FROM service.refresh_family")
                .fetch_one(&world.service.app().db)
                .await
                .unwrap();
        row
    };
    let before = state().await;
    advance(&world, 29);
    let repeated = json(&refresh(&world, &refresh_token(&first)).await);
    assert_eq!(refresh_token(&repeated), refresh_token(&second), "the very token that was lost on the way");
    assert_eq!(state().await, before, "nothing moved");
    advance(&world, 2);
    assert_eq!(
        error(&refresh(&world, &refresh_token(&first)).await),
        "invalid_grant",
        "the grace does not renew itself"
    );
    assert_eq!(error(&refresh(&world, &refresh_token(&second)).await), "invalid_grant", "and that was a theft");
}

#[tokio::test]
async fn point_18_a_family_has_an_absolute_end_and_an_idle_one() {
    let mut world = World::configured(|config| {
        config.sessions.absolute = crate::config::Span::days(365);
        config.oidc.refresh_token_idle = crate::config::Span::hours(5);
    })
    .await;
    let mut short = refreshing(Establishments::All);
    short.terms.lifetimes.refresh_token = Some(10 * 3600);
    (world.client, world.secret) = world.register(short).await;
    let mut browser = world.signed_in().await;
    let mut tokens = sign_in(&world, &mut browser).await;
    for _ in 0..2 {
        advance(&world, 4 * 3600);
        let answer = refresh(&world, &refresh_token(&tokens)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        tokens = json(&answer);
    }
    advance(&world, 2 * 3600 + 1);
    assert_eq!(error(&refresh(&world, &refresh_token(&tokens)).await), "invalid_grant", "however often it was used");
    let mut browser = world.signed_in().await;
    let idle = sign_in(&world, &mut browser).await;
    advance(&world, 5 * 3600 + 1);
    assert_eq!(error(&refresh(&world, &refresh_token(&idle)).await), "invalid_grant", "unused");
}

#[tokio::test]
async fn a_refresh_token_is_its_clients_alone_and_can_not_be_made_up() {
    let world = world().await;
    let mut browser = world.signed_in().await;
    let tokens = sign_in(&world, &mut browser).await;
    let token = refresh_token(&tokens);
    let (other, secret) = world.register(refreshing(Establishments::All)).await;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    assert_eq!(error(&world.token_as(other, &secret, &fields).await), "invalid_grant");
    // Another generation, another family, a bit flipped: none is taken for a theft either.
    for place in [0, 15, 20, 27, 40, 68] {
        let mut forged = token.clone().into_bytes();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        assert_eq!(error(&refresh(&world, &String::from_utf8(forged).unwrap()).await), "invalid_grant", "{place}");
    }
    for junk in ["x", &token[..40], &text(&tokens["access_token"])] {
        assert_eq!(error(&refresh(&world, junk).await), "invalid_grant");
    }
    assert_eq!(error(&refresh(&world, "").await), "invalid_request");
    assert_eq!(refresh(&world, &token).await.status, StatusCode::OK, "the family has suffered nothing");
    assert_eq!(world.userinfo(&token).await.status, StatusCode::UNAUTHORIZED, "it is no access token");
    // Nothing in the database makes a token.
    let stored: Vec<String> = sqlx::query_scalar("SELECT row_to_json(f)::text FROM service.refresh_family f")
        .fetch_all(&world.service.app().db)
        .await
        .unwrap();
    assert!(!stored.is_empty() && !stored.concat().contains(&token[30..]));
}

#[tokio::test]
async fn point_29_reset_disabling_detachment_and_sign_out_end_refresh_tokens() {
    let world = world().await;
    let ledger = &world.service.app().ledger;
    let mut browser = world.signed_in().await;
    // Signed out.
    let tokens = sign_in(&world, &mut browser).await;
    let sid = text(&claims(&text(&tokens["id_token"]))["sid"]);
    crate::oidc::who::end(world.service.app(), sid.parse().unwrap()).await.unwrap();
    assert_eq!(error(&refresh(&world, &refresh_token(&tokens)).await), "invalid_grant", "signed out");
    // Narrowed, then withdrawn from the registration.
    let mut browser = world.signed_in().await;
    let tokens = sign_in(&world, &mut browser).await;
    let narrow = registry::change(ledger, world.client, world.context(), |registration| {
        registration.scopes.remove("children");
    });
    narrow.await.unwrap();
    let narrowed = json(&refresh(&world, &refresh_token(&tokens)).await);
    assert!(!text(&narrowed["scope"]).contains("children"));
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", &refresh_token(&narrowed)), ("scope", "openid children")];
    assert_eq!(error(&world.token(&fields).await), "invalid_scope", "never more than was granted");
    // The account disabled.
    let mut browser = world.signed_in().await;
    let tokens = sign_in(&world, &mut browser).await;
    world.tell::<Account>(world.account.0, AccountCommand::Disable).await;
    assert_eq!(error(&refresh(&world, &refresh_token(&tokens)).await), "invalid_grant", "disabled");
    world.tell::<Account>(world.account.0, AccountCommand::Enable).await;
    assert_eq!(error(&refresh(&world, &refresh_token(&tokens)).await), "invalid_grant", "and not revived");
    // Every child has left the establishments served.
    let mut browser = world.signed_in().await;
    let tokens = sign_in(&world, &mut browser).await;
    for child in world.children {
        world.enrol(child, super::world::college(), 2026, chrono::NaiveDate::from_ymd_opt(2026, 11, 1)).await;
    }
    assert_eq!(error(&refresh(&world, &refresh_token(&tokens)).await), "invalid_grant", "nobody is there any more");
    for child in world.children {
        world.enrol(child, super::world::college(), 2026, None).await;
    }
    assert_eq!(error(&refresh(&world, &refresh_token(&tokens)).await), "invalid_grant", "a new sign-in is needed");
    // Reset by an operator.
    let mut browser = world.signed_in().await;
    let tokens = sign_in(&world, &mut browser).await;
    let secret = domain::ids::SecretId(uuid::Uuid::new_v4());
    let expires_at = world.service.app().clock.now() + TimeDelta::days(1);
    world.tell::<Account>(world.account.0, AccountCommand::IssueProvisionalPassword { secret, expires_at }).await;
    assert_eq!(error(&refresh(&world, &refresh_token(&tokens)).await), "invalid_grant", "reset");
}

#[tokio::test]
async fn point_06_a_code_that_comes_again_ends_the_family_it_began() {
    let world = world().await;
    let mut browser = world.signed_in().await;
    let code = world.code(&mut browser).await;
    let tokens = json(&world.redeem(&code).await);
    let next = json(&refresh(&world, &refresh_token(&tokens)).await);
    assert_eq!(error(&world.redeem(&code).await), "invalid_grant");
    assert_eq!(error(&refresh(&world, &refresh_token(&next)).await), "invalid_grant");
    assert_eq!(world.userinfo(&text(&next["access_token"])).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_public_client_rotates_like_any_other() {
    let mut world = World::new().await;
    let mut public = refreshing(Establishments::All);
    public.authentication = ClientAuthentication::None;
    (world.client, world.secret) = world.register(public).await;
    let mut browser = world.signed_in().await;
    let (code, id) = (world.code(&mut browser).await, world.client.to_string());
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", &id),
    ];
    let first = json(&world.program().post("/token", &fields).await);
    let token = refresh_token(&first);
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &token), ("client_id", &id)];
    let second = json(&world.program().post("/token", &fields).await);
    assert_ne!(refresh_token(&second), token);
}

/// The consent page of a request with `offline_access`, answered.
async fn agree(world: &World, browser: &mut Browser, answer: &str) -> Answer {
    let scope = "openid profile children offline_access";
    let page = browser.get(&world.request(&[("scope", Some(scope)), ("prompt", Some("consent"))])).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.location());
    let field = |name: &str| super::world::field(&page.body, name);
    let fields = [("form_token", field("form_token")), ("request", field("request")), ("answer", answer.to_owned())];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post("/authorize/consent", &fields).await
}

#[tokio::test]
async fn a_service_stays_connected_only_where_the_person_has_agreed() {
    let world = world().await;
    let mut browser = world.signed_in().await;
    let asks = world.request(&[("scope", Some("openid offline_access"))]);
    let sign_in = async |browser: &mut Browser, answer: Answer| {
        let code = parameter(answer.location(), "code").unwrap_or_else(|| panic!("no code: {}", answer.location()));
        let tokens = json(&world.redeem(&code).await);
        let sid = text(&claims(&text(&tokens["id_token"]))["sid"]);
        browser.cookies.clear();
        crate::oidc::who::end(world.service.app(), sid.parse().unwrap()).await.unwrap();
        tokens
    };
    // Asked for without the person's agreement: left out, and over with the session.
    let answer = browser.get(&asks).await;
    let tokens = sign_in(&mut browser, answer).await;
    assert_eq!(text(&tokens["scope"]), "openid");
    assert_eq!(error(&refresh(&world, &refresh_token(&tokens)).await), "invalid_grant");
    // Refused: nothing. The page belongs to its session.
    let mut browser = world.signed_in().await;
    let refused = agree(&world, &mut browser, "no").await;
    assert_eq!(parameter(refused.location(), "error").as_deref(), Some("access_denied"));
    let mut stranger = world.service.browser();
    let forged = [("form_token", "guessed"), ("request", "00000000-0000-0000-0000-000000000001"), ("answer", "yes")];
    assert_eq!(stranger.post("/authorize/consent", &forged).await.status, StatusCode::FORBIDDEN);
    // Agreed: it outlives the session, and the next sign-in need not ask.
    let answer = agree(&world, &mut browser, "yes").await;
    let tokens = sign_in(&mut browser, answer).await;
    let next = json(&refresh(&world, &refresh_token(&tokens)).await);
    assert!(text(&next["scope"]).contains("offline_access"));
    assert_eq!(world.userinfo(&text(&next["access_token"])).await.status, StatusCode::OK);
    let mut browser = world.signed_in().await;
    assert!(parameter(browser.get(&asks).await.location(), "code").is_some());
    // A reset ends it all the same.
    world.tell::<Account>(world.account.0, AccountCommand::Disable).await;
    assert_eq!(error(&refresh(&world, &refresh_token(&next)).await), "invalid_grant");
}

#[tokio::test]
async fn point_19_a_person_sees_what_services_hold_and_ends_it() {
    let world = world().await;
    let mut browser = world.signed_in().await;
    assert!(!browser.get("/account/services").await.body.contains("Carnet du collège Fictif"));
    let answer = agree(&world, &mut browser, "yes").await;
    let tokens = json(&world.redeem(&parameter(answer.location(), "code").unwrap()).await);
    let page = browser.get("/account/services").await;
    assert!(page.body.contains("Carnet du collège Fictif") && page.body.contains("enfants"), "{}", page.body);
    let (token, client) = (super::world::field(&page.body, "form_token"), world.client.to_string());
    let wrong = [("form_token", "guessed"), ("client", client.as_str())];
    assert_eq!(browser.post("/account/services/revoke", &wrong).await.status, StatusCode::FORBIDDEN);
    let good = [("form_token", token.as_str()), ("client", client.as_str())];
    assert_eq!(browser.post("/account/services/revoke", &good).await.location(), "/account/services");
    assert_eq!(error(&refresh(&world, &refresh_token(&tokens)).await), "invalid_grant");
    assert_eq!(world.userinfo(&text(&tokens["access_token"])).await.status, StatusCode::UNAUTHORIZED);
    assert!(!browser.get("/account/services").await.body.contains("Carnet du collège Fictif"));
    let asks = world.request(&[("scope", Some("openid offline_access"))]);
    let answer = browser.get(&asks).await;
    let tokens = json(&world.redeem(&parameter(answer.location(), "code").unwrap()).await);
    assert_eq!(text(&tokens["scope"]), "openid", "the agreement is gone too");
}
