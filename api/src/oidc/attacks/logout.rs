//! At logout.

use super::world::{BYE, World, field, foreign_post, registration, stays_here};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::relying_party::Establishments;

fn path(fields: &[(&str, &str)]) -> String {
    format!("/end-session?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
}

/// The hidden field of a page's form.
async fn is_signed_in(world: &World, browser: &mut crate::testing::Browser) -> bool {
    browser.get(&world.request(&[("prompt", Some("none"))])).await.location().contains("code=")
}

#[tokio::test]
async fn point_30_with_its_id_token_a_client_logs_out_without_a_question() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (access, id) = world.tokens(&mut browser).await;
    let out = browser.get(&path(&[("id_token_hint", &id), ("post_logout_redirect_uri", BYE), ("state", "a b")])).await;
    assert_eq!((out.status, out.location()), (StatusCode::SEE_OTHER, "https://notes.example.org/bye?state=a+b"));
    assert!(!is_signed_in(&world, &mut browser).await);
    assert_eq!(world.userinfo(&access).await.status, StatusCode::UNAUTHORIZED);
    let again = browser.get(&path(&[("id_token_hint", &id), ("post_logout_redirect_uri", BYE)])).await;
    assert_eq!(again.location(), BYE, "once more does no harm");
}

#[tokio::test]
async fn point_30_without_a_good_hint_the_person_is_asked() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (_, id) = world.tokens(&mut browser).await;
    let mut other = world.signed_in().await;
    let forged = format!("{}x", id);
    let (access, _) = world.tokens(&mut browser).await;
    for hint in ["", "x.y.z", &forged, &access] {
        let page = browser.get(&path(&[("id_token_hint", hint)])).await;
        assert!(page.status == StatusCode::OK && page.body.contains("/end-session/confirm"), "{hint}");
    }
    let others = other.get(&path(&[("id_token_hint", &id)])).await;
    assert!(others.body.contains("/end-session/confirm"), "the hint of another session");
    assert!(is_signed_in(&world, &mut browser).await && is_signed_in(&world, &mut other).await);
    let page = browser.get("/end-session").await;
    for wrong in ["", "guessed", &field(&other.get("/end-session").await.body, "form_token")] {
        assert_eq!(browser.post("/end-session/confirm", &[("form_token", wrong)]).await.status, StatusCode::FORBIDDEN);
    }
    assert!(is_signed_in(&world, &mut browser).await);
    let out = browser.post("/end-session/confirm", &[("form_token", &field(&page.body, "form_token"))]).await;
    assert_eq!(out.status, StatusCode::OK);
    assert!(!is_signed_in(&world, &mut browser).await);
    assert!(is_signed_in(&world, &mut other).await, "only this browser");
}

#[tokio::test]
async fn point_02_logout_is_no_open_redirector() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (_, id) = world.tokens(&mut browser).await;
    let client = world.client.to_string();
    let mut elsewhere = registration(Establishments::All);
    elsewhere.post_logout_redirect_uris = vec!["https://example.test/".to_owned()];
    let (other, _) = world.register(elsewhere).await;
    for uri in [
        "https://example.test/",
        "https://notes.example.org/bye/",
        "https://notes.example.org/bye?x",
        "https://notes.example.org.example.test/bye",
        "//example.test",
        "javascript:alert(1)",
    ] {
        for proof in [("id_token_hint", id.as_str()), ("client_id", client.as_str()), ("state", "x")] {
            let answer = browser.get(&path(&[("post_logout_redirect_uri", uri), proof])).await;
            assert!(stays_here(&answer), "{uri} {}: {} {}", proof.0, answer.status, answer.location());
        }
    }
    let mixed = path(&[
        ("id_token_hint", &id),
        ("client_id", &other.to_string()),
        ("post_logout_redirect_uri", "https://example.test/"),
    ]);
    assert!(stays_here(&browser.get(&mixed).await), "one client's hint, another's address");
    // The confirmation checks again: its fields come back from the browser.
    let page = browser.get(&path(&[("client_id", &client), ("post_logout_redirect_uri", BYE)])).await;
    let token = field(&page.body, "form_token");
    let bent =
        [("form_token", token.as_str()), ("client_id", &client), ("post_logout_redirect_uri", "https://example.test/")];
    assert!(stays_here(&browser.post("/end-session/confirm", &bent).await));
    assert!(is_signed_in(&world, &mut browser).await);
    let good = [("form_token", token.as_str()), ("client_id", &client), ("post_logout_redirect_uri", BYE)];
    assert_eq!(browser.post("/end-session/confirm", &good).await.location(), BYE);
}

#[tokio::test]
async fn point_03_and_11_logout_by_post_is_read_once_and_answered_by_303() {
    let world = World::new().await;
    let twice = foreign_post(&world, "/end-session", format!("client_id={0}&client_id={0}", world.client)).await;
    assert!(stays_here(&twice));
    let posted =
        foreign_post(&world, "/end-session", format!("client_id={}&post_logout_redirect_uri={BYE}", world.client))
            .await;
    assert_eq!(posted.status, StatusCode::SEE_OTHER);
    let mut browser = world.signed_in().await;
    assert!(browser.get(posted.location()).await.body.contains("/end-session/confirm"));
    let confirm = foreign_post(&world, "/end-session/confirm", String::new()).await;
    assert_eq!(confirm.status, StatusCode::FORBIDDEN, "no other site's form confirms");
}

/// Whether the browser stays here and its session goes on: an error page, or a question.
async fn nothing_happens(world: &World, browser: &mut crate::testing::Browser, fields: &[(&str, &str)]) -> bool {
    let answer = browser.get(&path(fields)).await;
    let asks = answer.status == StatusCode::OK && answer.body.contains("/end-session/confirm");
    answer.location().is_empty() && (asks || stays_here(&answer)) && is_signed_in(world, browser).await
}

/// Asked, the person says yes, and is told so on a page of ours.
async fn asked_and_confirmed(world: &World, browser: &mut crate::testing::Browser, fields: &[(&str, &str)]) -> bool {
    let page = browser.get(&path(fields)).await;
    let token = field(&page.body, "form_token");
    let out = browser.post("/end-session/confirm", &[("form_token", &token)]).await;
    out.status == StatusCode::OK && out.location().is_empty() && !is_signed_in(world, browser).await
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_and_no_state() {
    let world = World::new().await;
    for state in [Some("a state"), None] {
        let mut browser = world.signed_in().await;
        let (_, id) = world.tokens(&mut browser).await;
        let mut fields = vec![("id_token_hint", id.as_str()), ("post_logout_redirect_uri", BYE)];
        fields.extend(state.map(|state| ("state", state)));
        let out = browser.get(&path(&fields)).await;
        let expected = state.map_or(BYE.to_owned(), |_| format!("{BYE}?state=a+state"));
        assert_eq!((out.status, out.location()), (StatusCode::SEE_OTHER, expected.as_str()));
        assert!(!is_signed_in(&world, &mut browser).await);
    }
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_params_no_post_logout_redirect_uri_and_only_state() {
    let world = World::new().await;
    for fields in [&[][..], &[("state", "x")]] {
        let mut browser = world.signed_in().await;
        assert!(asked_and_confirmed(&world, &mut browser, fields).await, "{fields:?}");
    }
    let mut browser = world.signed_in().await;
    let (_, id) = world.tokens(&mut browser).await;
    let out = browser.get(&path(&[("id_token_hint", &id)])).await;
    assert_eq!((out.status, out.location()), (StatusCode::OK, ""));
    assert!(!is_signed_in(&world, &mut browser).await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_and_modified_hints_and_addresses() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (_, id) = world.tokens(&mut browser).await;
    let body = id.split('.').nth(1).unwrap_or_default();
    // As the suite changes it: alg none, without a signature; and signed by a key of its own.
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let unsigned = format!("{}.{body}.", encode(r#"{"alg":"none"}"#));
    let named = jsonwebtoken::decode_header(&id).unwrap();
    let other = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let key = jsonwebtoken::EncodingKey::from_ec_der(other.to_pkcs8v1().unwrap().as_ref());
    let said = super::world::claims(&id);
    let foreign = jsonwebtoken::encode(&named, &said, &key).unwrap();
    for (module, fields) in [
        ("…-modified-id-token-hint", vec![("id_token_hint", unsigned.as_str()), ("post_logout_redirect_uri", BYE)]),
        ("…-bad-id-token-hint", vec![("id_token_hint", foreign.as_str()), ("post_logout_redirect_uri", BYE)]),
        ("…-no-id-token-hint", vec![("post_logout_redirect_uri", BYE), ("state", "x")]),
        (
            "…-bad-post-logout-redirect-uri",
            vec![("id_token_hint", id.as_str()), ("post_logout_redirect_uri", "https://example.test/bye")],
        ),
        (
            "…-query-added-to-post-logout-redirect-uri",
            vec![("id_token_hint", id.as_str()), ("post_logout_redirect_uri", "https://notes.example.org/bye?foo=bar")],
        ),
    ] {
        assert!(nothing_happens(&world, &mut browser, &fields).await, "{module}");
    }
}
