//! With pushed requests (PAR) and proofs of possession (DPoP).

use super::world::{CALLBACK, ISSUER, VERIFIER, World, claims, error, json, parameter, registration, stays_here, text};
use crate::testing::Answer;
use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::http::{HeaderValue, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use domain::relying_party::{ClientAuthentication, Establishments, GrantType};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

/// A key of whoever uses tokens.
pub(super) struct Holder(EcdsaKeyPair);

impl Holder {
    pub(super) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(super) fn jwk(&self) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) })
    }

    /// RFC 7638, by hand.
    pub(super) fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let canonical = format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
            jwk["x"].as_str().unwrap(),
            jwk["y"].as_str().unwrap()
        );
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
    }

    pub(super) fn sign(&self, typ: &str, jwk: Value, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(typ.to_owned());
        header.jwk = Some(serde_json::from_value(jwk).unwrap());
        let pkcs8 = self.0.to_pkcs8v1().unwrap();
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(pkcs8.as_ref())).unwrap()
    }

    /// The signature of a message, as JWS has it.
    pub(super) fn signature(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&aws_lc_rs::rand::SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// A good proof, with members changed.
    pub(super) fn proof(&self, world: &World, (method, path): (&str, &str), change: &[(&str, Value)]) -> String {
        let mut claims = json!({
            "jti": Uuid::new_v4(),
            "htm": method,
            "htu": format!("{ISSUER}{path}"),
            "iat": world.service.app().clock.now().timestamp(),
        });
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        self.sign("dpop+jwt", self.jwk(), &claims)
    }

    pub(super) fn ath(token: &str) -> (&'static str, Value) {
        ("ath", json!(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, token.as_bytes()))))
    }
}

/// A program that sends this proof, and authenticates as the world's client if that has a secret.
async fn post(world: &World, path: &str, proof: Option<&str>, fields: &[(&str, &str)]) -> Answer {
    let mut program = world.program();
    if !world.secret.is_empty() {
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", world.client, world.secret)));
        program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&basic).unwrap());
    }
    if let Some(proof) = proof {
        program.headers.insert("dpop", HeaderValue::from_str(proof).unwrap());
    }
    program.post(path, fields).await
}

async fn userinfo(world: &World, scheme: &str, token: &str, proof: Option<&str>) -> Answer {
    let mut program = world.program();
    program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("{scheme} {token}")).unwrap());
    if let Some(proof) = proof {
        program.headers.insert("dpop", HeaderValue::from_str(proof).unwrap());
    }
    program.get("/userinfo").await
}

pub(super) const TOKEN: (&str, &str) = ("POST", "/token");
pub(super) const USERINFO: (&str, &str) = ("GET", "/userinfo");

async fn redeem(world: &World, code: &str, proof: Option<&str>) -> Answer {
    let client = world.client.to_string();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", &client),
    ];
    post(world, "/token", proof, &fields).await
}

#[tokio::test]
async fn point_21_a_bound_token_is_worth_nothing_without_its_key() {
    let world = World::new().await;
    let (holder, thief) = (Holder::new(), Holder::new());
    let mut browser = world.signed_in().await;
    let code = world.code(&mut browser).await;
    let answer = redeem(&world, &code, Some(&holder.proof(&world, TOKEN, &[]))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let tokens = json(&answer);
    assert_eq!(tokens["token_type"], "DPoP");
    let token = text(&tokens["access_token"]);
    assert_eq!(claims(&token)["cnf"]["jkt"], holder.thumbprint());
    let good = holder.proof(&world, USERINFO, &[Holder::ath(&token)]);
    assert_eq!(userinfo(&world, "DPoP", &token, Some(&good)).await.status, StatusCode::OK);
    let refused: Vec<(&str, &str, Option<String>)> = vec![
        ("the same proof again", "DPoP", Some(good)),
        ("as a bearer token", "Bearer", None),
        ("as a bearer token, with a proof", "Bearer", Some(holder.proof(&world, USERINFO, &[Holder::ath(&token)]))),
        ("without proof", "DPoP", None),
        ("another's proof", "DPoP", Some(thief.proof(&world, USERINFO, &[Holder::ath(&token)]))),
        ("no hash of the token", "DPoP", Some(holder.proof(&world, USERINFO, &[]))),
        ("another token's hash", "DPoP", Some(holder.proof(&world, USERINFO, &[Holder::ath("other")]))),
        ("for another method", "DPoP", Some(holder.proof(&world, ("POST", "/userinfo"), &[Holder::ath(&token)]))),
        ("for another address", "DPoP", Some(holder.proof(&world, ("GET", "/token"), &[Holder::ath(&token)]))),
    ];
    for (what, scheme, proof) in refused {
        let answer = userinfo(&world, scheme, &token, proof.as_deref()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}");
    }
    // And a plain token is none of this kind.
    let (plain, _) = world.tokens(&mut browser).await;
    let proof = holder.proof(&world, USERINFO, &[Holder::ath(&plain)]);
    assert_eq!(userinfo(&world, "DPoP", &plain, Some(&proof)).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn point_21_a_proof_is_fresh_signed_by_its_key_and_used_once() {
    let mut world = World::new().await;
    let mut required = registration(Establishments::All);
    required.terms.grant_types = [GrantType::ClientCredentials].into();
    required.terms.dpop_bound_access_tokens = true;
    (world.client, world.secret) = world.register(required).await;
    let (holder, other) = (Holder::new(), Holder::new());
    let fields = [("grant_type", "client_credentials")];
    let answer = post(&world, "/token", None, &fields).await;
    assert_eq!(error(&answer), "invalid_dpop_proof", "registered to bind its tokens");
    let good = holder.proof(&world, TOKEN, &[]);
    let answer = post(&world, "/token", Some(&good), &fields).await;
    assert_eq!(claims(&text(&json(&answer)["access_token"]))["cnf"]["jkt"], holder.thumbprint());
    let now = world.service.app().clock.now().timestamp();
    let plain = json!({ "jti": Uuid::new_v4(), "htm": "POST", "htu": format!("{ISSUER}/token"), "iat": now });
    let with = |change: &[(&str, Value)]| holder.proof(&world, TOKEN, change);
    for (what, proof) in [
        ("used before", good.clone()),
        ("too old", with(&[("iat", json!(now - 61))])),
        ("ahead of its time", with(&[("iat", json!(now + 61))])),
        ("for another host", with(&[("htu", json!("https://example.test/token"))])),
        ("for another method", with(&[("htm", json!("GET"))])),
        ("without a name", with(&[("jti", json!(""))])),
        ("with an endless name", with(&[("jti", json!("x".repeat(257)))])),
        ("of another type", holder.sign("JWT", holder.jwk(), &plain)),
        ("signed by another key", other.sign("dpop+jwt", holder.jwk(), &plain)),
        ("nonsense", "x.y.z".to_owned()),
    ] {
        let answer = post(&world, "/token", Some(&proof), &fields).await;
        assert_eq!(error(&answer), "invalid_dpop_proof", "{what}");
    }
    // The private key beside the public one: refused, so that nobody makes a habit of it.
    let mut jwk = holder.jwk();
    jwk["d"] = json!("AAAA");
    let head = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
    let [_, body, signature]: [String; 3] =
        with(&[]).split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
    let leaking = format!("{}.{body}.{signature}", URL_SAFE_NO_PAD.encode(head.to_string()));
    assert_eq!(error(&post(&world, "/token", Some(&leaking), &fields).await), "invalid_dpop_proof");
    let with_query = with(&[("htu", json!(format!("{ISSUER}/token?x=1#y")))]);
    assert_eq!(post(&world, "/token", Some(&with_query), &fields).await.status, StatusCode::OK, "RFC 9449 §4.3");
}

#[tokio::test]
async fn point_21_a_public_clients_refresh_token_is_its_keys() {
    let mut world = World::new().await;
    let mut public = registration(Establishments::All);
    public.authentication = ClientAuthentication::None;
    public.terms.grant_types.insert(GrantType::RefreshToken);
    (world.client, world.secret) = world.register(public).await;
    let (holder, thief) = (Holder::new(), Holder::new());
    let mut browser = world.signed_in().await;
    let code = world.code(&mut browser).await;
    let tokens = json(&redeem(&world, &code, Some(&holder.proof(&world, TOKEN, &[]))).await);
    let (token, client) = (text(&tokens["refresh_token"]), world.client.to_string());
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("client_id", &client)];
    for proof in [None, Some(thief.proof(&world, TOKEN, &[]))] {
        let answer = post(&world, "/token", proof.as_deref(), &fields).await;
        assert_eq!(error(&answer), "invalid_grant", "stolen without the key");
    }
    let answer = post(&world, "/token", Some(&holder.proof(&world, TOKEN, &[])), &fields).await;
    assert_eq!(answer.status, StatusCode::OK, "the thief has neither used it up nor ended the family: {}", answer.body);
    assert_eq!(json(&answer)["token_type"], "DPoP");
}

#[tokio::test]
async fn point_21_a_code_bound_to_a_key_is_redeemed_with_it_alone() {
    let world = World::new().await;
    let (holder, thief) = (Holder::new(), Holder::new());
    let mut browser = world.signed_in().await;
    let asks = world.request(&[("dpop_jkt", Some(&holder.thumbprint()))]);
    for (proof, good) in
        [(Some(holder.proof(&world, TOKEN, &[])), true), (Some(thief.proof(&world, TOKEN, &[])), false), (None, false)]
    {
        let code = parameter(browser.get(&asks).await.location(), "code").unwrap();
        let answer = redeem(&world, &code, proof.as_deref()).await;
        assert_eq!(answer.status == StatusCode::OK, good, "{}", answer.body);
    }
    let bad = browser.get(&world.request(&[("dpop_jkt", Some("short"))])).await;
    assert_eq!(parameter(bad.location(), "error").as_deref(), Some("invalid_request"));
}

/// The parameters of a good authorization request.
fn asked(world: &World, change: &[(&str, Option<&str>)]) -> Vec<(String, String)> {
    let path = world.request(change);
    url::form_urlencoded::parse(path.split_once('?').unwrap().1.as_bytes()).into_owned().collect()
}

async fn push(world: &World, change: &[(&str, Option<&str>)]) -> Answer {
    let fields = asked(world, change);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    post(world, "/par", None, &fields).await
}

#[tokio::test]
async fn point_21_a_pushed_request_is_taken_up_once_by_its_own_client() {
    let mut world = World::new().await;
    let mut required = registration(Establishments::All);
    required.terms.require_pushed_authorization_requests = true;
    (world.client, world.secret) = world.register(required).await;
    let mut browser = world.signed_in().await;
    let refused = browser.get(&world.request(&[])).await;
    assert_eq!(parameter(refused.location(), "error").as_deref(), Some("invalid_request"), "must be pushed");
    let answer = push(&world, &[]).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let uri = text(&json(&answer)["request_uri"]);
    assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:"), "{uri}");
    let query = |client: &str, uri: &str, more: &str| {
        let fields = [("client_id", client), ("request_uri", uri)];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        format!("/authorize?{query}{more}")
    };
    let client = world.client.to_string();
    let (other, _) = world.register(registration(Establishments::All)).await;
    assert!(stays_here(&browser.get(&query(&other.to_string(), &uri, "")).await), "another client's");
    assert!(stays_here(&browser.get(&query(&client, &format!("{uri}0"), "")).await));
    // What stands beside it is not looked at.
    let answer = browser.get(&query(&client, &uri, "&redirect_uri=https%3A%2F%2Fexample.test%2F&state=other")).await;
    assert!(answer.location().starts_with(CALLBACK), "{}", answer.location());
    assert_eq!(parameter(answer.location(), "state").as_deref(), Some("the state"));
    let code = parameter(answer.location(), "code").unwrap();
    assert_eq!(world.redeem(&code).await.status, StatusCode::OK);
    assert!(stays_here(&browser.get(&query(&client, &uri, "")).await), "once");
    let late = text(&json(&push(&world, &[]).await)["request_uri"]);
    world.service.app().clock.advance(TimeDelta::seconds(91));
    assert!(stays_here(&browser.get(&query(&client, &late, "")).await), "in time");
    // Through the sign-in.
    let waiting = text(&json(&push(&world, &[]).await)["request_uri"]);
    let mut stranger = world.service.browser();
    let to_sign_in = stranger.get(&query(&client, &waiting, "")).await;
    let back = parameter(to_sign_in.location(), "return_to").unwrap();
    world.service.app().clock.advance(TimeDelta::minutes(10));
    let mut signed_in = world.signed_in().await;
    signed_in.cookies.insert("request".to_owned(), stranger.cookies["request"].clone());
    let answer = signed_in.get(&back).await;
    assert!(parameter(answer.location(), "code").is_some(), "{}", answer.location());
}

#[tokio::test]
async fn point_21_what_is_pushed_is_checked_like_any_request() {
    let mut world = World::new().await;
    for (change, code) in [
        (("redirect_uri", Some("https://example.test/")), "invalid_request"),
        (("redirect_uri", None), "invalid_request"),
        (("client_id", None), "invalid_request"),
        (("request_uri", Some("urn:ietf:params:oauth:request_uri:x")), "invalid_request"),
        (("request", Some("e30.e30.")), "request_not_supported"),
        (("code_challenge", None), "invalid_request"),
        (("code_challenge_method", Some("plain")), "invalid_request"),
        (("response_type", Some("token")), "unsupported_response_type"),
        (("response_mode", Some("fragment")), "invalid_request"),
        (("scope", Some("profile")), "invalid_scope"),
        (("id_token_hint", Some("x.y.z")), "invalid_request"),
    ] {
        let answer = push(&world, &[change]).await;
        assert_eq!((answer.status, error(&answer).as_str()), (StatusCode::BAD_REQUEST, code), "{change:?}");
        assert!(answer.location().is_empty());
    }
    let another = world.register(registration(Establishments::All)).await.0.to_string();
    assert_eq!(error(&push(&world, &[("client_id", Some(&another))]).await), "invalid_request");
    world.secret = "wrong".to_owned();
    let answer = push(&world, &[]).await;
    assert_eq!((answer.status, error(&answer).as_str()), (StatusCode::UNAUTHORIZED, "invalid_client"));
}
