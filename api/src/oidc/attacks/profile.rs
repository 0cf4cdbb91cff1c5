//! Of clients that keep the FAPI 2.0 security profile, of a provider that wants nonces, and of one with EdDSA keys.

use super::clients::{self, Key};
use super::possession::Holder;
use super::world::{CALLBACK, ISSUER, VERIFIER, World, claims, error, json, parameter, registration, text};
use crate::oidc::client::{assertion, keys};
use crate::testing::Answer;
use axum::http::{HeaderValue, StatusCode, header};
use domain::relying_party::{
    ClientAuthentication, ClientKeys, Establishments, GrantType, Registration, SecurityProfile, SigningAlgorithm,
};
use serde_json::{Value, json};

const TOKEN: (&str, &str) = ("POST", "/token");

fn fapi2(key: &Key) -> Registration {
    let mut strict = registration(Establishments::All);
    strict.authentication = ClientAuthentication::PrivateKeyJwt;
    let terms = &mut strict.terms;
    terms.profile = SecurityProfile::Fapi2;
    terms.keys = Some(ClientKeys::Set(keys::read(key.set().as_bytes())));
    terms.grant_types = [GrantType::AuthorizationCode, GrantType::RefreshToken].into();
    (terms.require_pushed_authorization_requests, terms.dpop_bound_access_tokens) = (true, true);
    strict
}

/// A request of the strict client, with an assertion made for it.
async fn post(world: &World, path: &str, assertion: &str, proof: Option<&str>, fields: &[(&str, &str)]) -> Answer {
    let mut program = world.program();
    if let Some(proof) = proof {
        program.headers.insert("dpop", HeaderValue::from_str(proof).unwrap());
    }
    let mut all = vec![("client_assertion_type", assertion::TYPE), ("client_assertion", assertion)];
    all.extend(fields);
    program.post(path, &all).await
}

fn signed(world: &World, key: &Key, change: &[(&str, Value)]) -> String {
    key.sign(&clients::header("2026"), &clients::claims(world, change))
}

#[tokio::test]
async fn point_21_a_fapi2_client_can_do_nothing_weaker() {
    let mut world = World::new().await;
    let (key, holder) = (Key::new("2026"), Holder::new());
    (world.client, _) = world.register(fapi2(&key)).await;
    let mut browser = world.signed_in().await;
    // Nothing that the browser brings by itself.
    let unpushed = browser.get(&world.request(&[])).await;
    assert_eq!(parameter(unpushed.location(), "error").as_deref(), Some("invalid_request"));
    let asks: Vec<(String, String)> = {
        let path = world.request(&[]);
        url::form_urlencoded::parse(path.split_once('?').unwrap().1.as_bytes()).into_owned().collect()
    };
    let asks: Vec<(&str, &str)> = asks.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    // The assertion is for the issuer, said as a string: not for the endpoint, not among others.
    for aud in [json!(format!("{ISSUER}/token")), json!([ISSUER])] {
        let refused = post(&world, "/par", &signed(&world, &key, &[("aud", aud)]), None, &asks).await;
        assert_eq!(error(&refused), "invalid_client");
    }
    let pushed = post(&world, "/par", &signed(&world, &key, &[]), None, &asks).await;
    assert_eq!(pushed.status, StatusCode::CREATED, "{}", pushed.body);
    assert_eq!(json(&pushed)["expires_in"], 60);
    let uri = text(&json(&pushed)["request_uri"]);
    let client = world.client.to_string();
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("client_id", client.as_str()), ("request_uri", &uri)])
        .finish();
    let answer = browser.get(&format!("/authorize?{query}")).await;
    let code = parameter(answer.location(), "code").unwrap_or_else(|| panic!("no code: {}", answer.location()));
    assert_eq!(parameter(answer.location(), "iss").as_deref(), Some(ISSUER));
    let redeem = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let unbound = post(&world, "/token", &signed(&world, &key, &[]), None, &redeem).await;
    assert_eq!(error(&unbound), "invalid_dpop_proof");
    let proof = holder.proof(&world, TOKEN, &[]);
    let tokens = post(&world, "/token", &signed(&world, &key, &[]), Some(&proof), &redeem).await;
    assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.body);
    let tokens = json(&tokens);
    assert_eq!(tokens["token_type"], "DPoP");
    // A refresh token stays the same (§5.3.2.1), as long as client and key are.
    let first = text(&tokens["refresh_token"]);
    for _ in 0..2 {
        let proof = holder.proof(&world, TOKEN, &[]);
        let fields = [("grant_type", "refresh_token"), ("refresh_token", first.as_str())];
        let again = post(&world, "/token", &signed(&world, &key, &[]), Some(&proof), &fields).await;
        assert_eq!(again.status, StatusCode::OK, "{}", again.body);
        assert_eq!(json(&again)["refresh_token"], first.as_str());
    }
}

#[tokio::test]
async fn point_21_a_proof_has_the_providers_nonce_where_it_wants_one() {
    let world = World::configured(|config| config.oidc.dpop_nonce = true).await;
    let holder = Holder::new();
    let mut browser = world.signed_in().await;
    let code = world.code(&mut browser).await;
    let redeem = async |proof: &str| {
        let mut program = world.program();
        use base64::Engine;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", world.client, world.secret));
        program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Basic {basic}")).unwrap());
        program.headers.insert("dpop", HeaderValue::from_str(proof).unwrap());
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        program.post("/token", &fields).await
    };
    let without = redeem(&holder.proof(&world, TOKEN, &[])).await;
    assert_eq!((without.status, error(&without).as_str()), (StatusCode::BAD_REQUEST, "use_dpop_nonce"));
    let nonce = without.header("dpop-nonce").to_owned();
    assert!(!nonce.is_empty());
    let made_up = redeem(&holder.proof(&world, TOKEN, &[("nonce", json!("made up"))])).await;
    assert_eq!(error(&made_up), "use_dpop_nonce");
    // The code is still there: nothing was begun.
    let good = redeem(&holder.proof(&world, TOKEN, &[("nonce", json!(nonce))])).await;
    assert_eq!(good.status, StatusCode::OK, "{}", good.body);
    assert!(!good.header("dpop-nonce").is_empty(), "the next one comes along");
    let token = text(&json(&good)["access_token"]);
    let userinfo = async |change: &[(&str, Value)]| {
        let mut program = world.program();
        program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("DPoP {token}")).unwrap());
        let proof = holder.proof(&world, ("GET", "/userinfo"), change);
        program.headers.insert("dpop", HeaderValue::from_str(&proof).unwrap());
        program.get("/userinfo").await
    };
    let refused = userinfo(&[Holder::ath(&token)]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.header(header::WWW_AUTHENTICATE).contains("use_dpop_nonce"));
    let fresh = json!(refused.header("dpop-nonce"));
    assert_eq!(userinfo(&[Holder::ath(&token), ("nonce", fresh.clone())]).await.status, StatusCode::OK);
    // An old one is worth nothing.
    world.service.app().clock.advance(chrono::TimeDelta::minutes(11));
    let old = userinfo(&[Holder::ath(&token), ("nonce", fresh)]).await;
    assert!(old.header(header::WWW_AUTHENTICATE).contains("use_dpop_nonce"), "{}", old.body);
}

#[tokio::test]
async fn tokens_are_signed_by_ed25519_where_there_are_such_keys() {
    let plain = World::new().await;
    let keys = |document: Value| text(&document["keys"].to_string().into()).contains("Ed25519");
    assert!(!keys(json(&plain.program().get("/jwks").await)), "not unless configured");
    let offered = crate::oidc::registry::offered(&plain.service.app().config.oidc, Some(SigningAlgorithm::EdDSA));
    assert!(offered.is_err());
    let mut world = World::configured(|config| config.oidc.eddsa = true).await;
    let jwks = world.program().get("/jwks").await.body;
    assert!(jwks.contains("\"OKP\"") && jwks.contains("\"ES256\"") && jwks.contains("\"RS256\""), "{jwks}");
    let document = json(&world.program().get("/.well-known/openid-configuration").await);
    assert!(document["id_token_signing_alg_values_supported"].to_string().contains("EdDSA"));
    let mut modern = registration(Establishments::All);
    modern.terms.id_token_signed_response_alg = SigningAlgorithm::EdDSA;
    modern.terms.userinfo_signed_response_alg = Some(SigningAlgorithm::EdDSA);
    (world.client, world.secret) = world.register(modern).await;
    let mut browser = world.signed_in().await;
    let (access, id) = world.tokens(&mut browser).await;
    let userinfo = world.userinfo(&access).await;
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&jwks).unwrap();
    for token in [id.as_str(), userinfo.body.as_str()] {
        // By a library that knows nothing of us.
        let header = jsonwebtoken::decode_header(token).unwrap();
        assert_eq!(header.alg, jsonwebtoken::Algorithm::EdDSA);
        let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&header.kid.unwrap()).unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(header.alg);
        validation.set_audience(&[world.client.to_string()]);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap();
    }
    // Left half of SHA-512, for Ed25519.
    assert_eq!(text(&claims(&id)["at_hash"]).len(), 43);
    // It comes back as a hint.
    let out = browser.get(&format!("/end-session?id_token_hint={id}")).await;
    assert_ne!(out.status, StatusCode::BAD_REQUEST, "{}", out.body);
    // Rotation moves these keys too.
    let app = world.service.app();
    app.clock.advance(chrono::TimeDelta::hours(2));
    let before = claims_kids(&world).await;
    app.keys.rotate(app.clock.now(), false).await.unwrap();
    let after = claims_kids(&world).await;
    assert!(before.iter().all(|kid| after.contains(kid)) && after.len() == before.len() + 3, "{before:?} {after:?}");
}

async fn claims_kids(world: &World) -> Vec<String> {
    let keys = json(&world.program().get("/jwks").await);
    keys["keys"].as_array().unwrap().iter().map(|key| text(&key["kid"])).collect()
}
