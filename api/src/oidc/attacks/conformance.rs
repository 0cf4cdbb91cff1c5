//! Modules of the OpenID Foundation's conformance suite that no attack covers, by their names there.

use super::world::{ISSUER, World, claims, json, parameter, text};
use axum::http::{HeaderValue, StatusCode, header};
use serde_json::json;

#[tokio::test]
async fn oidcc_discovery_endpoint_verification() {
    let world = World::new().await;
    let document = json(&world.program().get("/.well-known/openid-configuration").await);
    assert_eq!(document["issuer"], ISSUER);
    for endpoint in [
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "end_session_endpoint",
        "introspection_endpoint",
        "revocation_endpoint",
        "pushed_authorization_request_endpoint",
    ] {
        let address = text(&document[endpoint]);
        let path = address.strip_prefix(ISSUER).unwrap_or_else(|| panic!("{endpoint} lies elsewhere: {address}"));
        let answer = world.program().get(path).await;
        assert_ne!(answer.status, StatusCode::NOT_FOUND, "{endpoint}");
    }
    for (member, value) in [
        ("response_types_supported", "code"),
        ("subject_types_supported", "pairwise"),
        ("id_token_signing_alg_values_supported", "RS256"),
        ("id_token_signing_alg_values_supported", "ES256"),
        ("code_challenge_methods_supported", "S256"),
        ("scopes_supported", "openid"),
        ("response_modes_supported", "form_post"),
        ("grant_types_supported", "refresh_token"),
        ("token_endpoint_auth_methods_supported", "private_key_jwt"),
        ("dpop_signing_alg_values_supported", "ES256"),
    ] {
        assert!(document[member].as_array().unwrap().contains(&json!(value)), "{member}: {value}");
    }
    for absent in ["plain", "none", "fragment", "implicit", "password"] {
        assert!(!document.to_string().contains(&format!("\"{absent}\"")) || absent == "none", "{absent}");
    }
    assert_eq!(document["request_parameter_supported"], false);
    let keys = json(&world.program().get("/jwks").await);
    for key in keys["keys"].as_array().unwrap() {
        let members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(members.contains(&"kid") && members.contains(&"alg") && key["use"] == "sig");
        assert!(!["d", "p", "q", "k"].iter().any(|private| members.contains(private)));
    }
}

/// Requests that must succeed whatever they carry beside what is needed.
#[tokio::test]
async fn what_is_not_understood_or_needed_stands_in_nobodys_way() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for (module, change) in [
        ("oidcc-ensure-request-without-nonce-succeeds-for-code-flow", ("nonce", None)),
        ("oidcc-ensure-other-scope-order-succeeds", ("scope", Some("children profile openid"))),
        ("oidcc-display-page", ("display", Some("page"))),
        ("oidcc-display-popup", ("display", Some("popup"))),
        ("oidcc-ensure-request-with-unknown-parameter-succeeds", ("extra", Some("foobar"))),
        ("oidcc-login-hint", ("login_hint", Some("t.lefictif@example.org"))),
        ("oidcc-ui-locales", ("ui_locales", Some("se en fr"))),
        ("oidcc-claims-locales", ("claims_locales", Some("se"))),
        ("oidcc-ensure-request-with-acr-values-succeeds", ("acr_values", Some("1 2"))),
        ("oidcc-max-age-10000", ("max_age", Some("10000"))),
        ("oidcc-prompt-none-logged-in", ("prompt", Some("none"))),
        ("oidcc-scope-email", ("scope", Some("openid email address phone"))),
        ("oidcc-claims-essential", ("claims", Some(r#"{"userinfo":{"name":{"essential":true}}}"#))),
    ] {
        let answer = browser.get(&world.request(&[change])).await;
        let code = parameter(answer.location(), "code").unwrap_or_else(|| panic!("{module}: {}", answer.location()));
        let answer = world.redeem(&code).await;
        assert_eq!(answer.status, StatusCode::OK, "{module}: {}", answer.body);
        let id = claims(&text(&json(&answer)["id_token"]));
        assert_eq!(id.get("nonce").is_some(), change.0 != "nonce", "{module}");
    }
}

#[tokio::test]
async fn oidcc_login_hint_and_ui_locales_reach_the_sign_in_page_and_nothing_stored() {
    let world = World::new().await;
    let mut browser = world.service.browser();
    let hostile = "t.lefictif\"><script>alert(1)</script>";
    let hints = [("login_hint", Some(hostile)), ("ui_locales", Some("se en-GB fr"))];
    let answer = browser.get(&world.request(&hints)).await;
    assert!(answer.location().starts_with("/sign-in?return_to="), "{}", answer.location());
    let page = browser.get(answer.location()).await;
    assert!(
        page.body.contains("<html lang=\"en\">")
            && page.body.contains("t.lefictif")
            && !page.body.contains("<script>alert")
    );
    let stored: Vec<String> = sqlx::query_scalar("SELECT request::text FROM service.authorization_request")
        .fetch_all(&world.service.app().db)
        .await
        .unwrap();
    assert!(stored.len() == 1 && !stored[0].contains("lefictif"));
}

#[tokio::test]
async fn oidcc_id_token_hint() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (_, id) = world.tokens(&mut browser).await;
    let hinted = world.request(&[("id_token_hint", Some(&id)), ("prompt", Some("none"))]);
    let answer = browser.get(&hinted).await;
    let code = parameter(answer.location(), "code").expect("the same person is signed in");
    let again = claims(&text(&json(&world.redeem(&code).await)["id_token"]));
    assert_eq!(again["sub"], claims(&id)["sub"]);
    let nobody = world.service.browser().get(&hinted).await;
    assert_eq!(parameter(nobody.location(), "error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn oidcc_userinfo_post_body() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (access, id) = world.tokens(&mut browser).await;
    let answer = world.program().post("/userinfo", &[("access_token", &access)]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(json(&answer)["sub"], claims(&id)["sub"]);
    // In two places, or twice: none counts.
    let twice = [("access_token", access.as_str()), ("access_token", access.as_str())];
    assert_eq!(world.program().post("/userinfo", &twice).await.status, StatusCode::UNAUTHORIZED);
    let mut both = world.program();
    both.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {access}")).unwrap());
    assert_eq!(both.post("/userinfo", &[("access_token", &access)]).await.status, StatusCode::UNAUTHORIZED);
}
