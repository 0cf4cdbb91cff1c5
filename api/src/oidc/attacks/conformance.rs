//! The plan Config of the OpenID Foundation's conformance suite, and what its plan Basic leaves open ([`super::basic`]).

use super::world::{ISSUER, World, json, text};
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

#[tokio::test]
async fn a_token_in_two_places_or_twice_counts_in_none() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (access, _) = world.tokens(&mut browser).await;
    let twice = [("access_token", access.as_str()), ("access_token", access.as_str())];
    assert_eq!(world.program().post("/userinfo", &twice).await.status, StatusCode::UNAUTHORIZED);
    let mut both = world.program();
    both.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {access}")).unwrap());
    assert_eq!(both.post("/userinfo", &[("access_token", &access)]).await.status, StatusCode::UNAUTHORIZED);
}
