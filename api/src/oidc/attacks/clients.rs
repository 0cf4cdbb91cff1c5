//! With client authentication by a key of the client's own (`private_key_jwt`).

use super::world::{CALLBACK, ISSUER, VERIFIER, World, error, registration};
use crate::oidc::client::{assertion, keys};
use crate::oidc::registry;
use crate::testing::Answer;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use domain::relying_party::{ClientAuthentication, ClientKeys, Establishments, GrantType, Registration};
use futures::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use uuid::Uuid;

/// A key of a client, and the set that it publishes.
pub(in crate::oidc) struct Key {
    pub(in crate::oidc) pair: EcdsaKeyPair,
    pub(in crate::oidc) kid: &'static str,
}

impl Key {
    pub(in crate::oidc) fn new(kid: &'static str) -> Self {
        Self { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(), kid }
    }

    pub(in crate::oidc) fn set(&self) -> String {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": self.kid, "x": x, "y": y, "use": "sig" }] }).to_string()
    }

    pub(in crate::oidc) fn sign(&self, header: &Header, claims: &Value) -> String {
        let pkcs8 = self.pair.to_pkcs8v1().unwrap();
        jsonwebtoken::encode(header, claims, &EncodingKey::from_ec_der(pkcs8.as_ref())).unwrap()
    }
}

pub(super) fn by_key(keys: ClientKeys) -> Registration {
    let mut registration = registration(Establishments::All);
    registration.authentication = ClientAuthentication::PrivateKeyJwt;
    registration.terms.grant_types = [GrantType::AuthorizationCode, GrantType::ClientCredentials].into();
    registration.terms.keys = Some(keys);
    registration
}

/// What a good assertion says, with members changed (`null` leaves one out).
pub(in crate::oidc) fn claims(world: &World, change: &[(&str, Value)]) -> Value {
    let (id, now) = (world.client.to_string(), world.service.app().clock.now().timestamp());
    let mut claims = json!({ "iss": id, "sub": id, "aud": ISSUER, "exp": now + 60, "iat": now, "jti": Uuid::new_v4() });
    for (name, value) in change {
        claims[*name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(*name);
        }
    }
    claims
}

pub(in crate::oidc) fn header(kid: &str) -> Header {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(kid.to_owned());
    header
}

async fn present(world: &World, token: &str, more: &[(&str, &str)]) -> Answer {
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_assertion_type", assertion::TYPE),
        ("client_assertion", token),
    ];
    fields.extend(more);
    world.program().post("/token", &fields).await
}

#[tokio::test]
async fn point_14_a_signed_assertion_proves_the_client_and_nothing_less_does() {
    let mut world = World::new().await;
    let key = Key::new("one");
    let registered = by_key(ClientKeys::Set(keys::read(key.set().as_bytes())));
    (world.client, world.secret) = world.register(registered).await;
    assert!(world.secret.is_empty(), "no secret to lose");
    let good = |change: &[(&str, Value)]| key.sign(&header("one"), &claims(&world, change));
    for aud in [json!(ISSUER), json!([ISSUER]), json!(format!("{ISSUER}/token"))] {
        assert_eq!(present(&world, &good(&[("aud", aud)]), &[]).await.status, StatusCode::OK);
    }
    let now = world.service.app().clock.now().timestamp();
    let bad: Vec<(&str, Value)> = vec![
        ("aud", json!("https://example.test")),
        ("aud", json!([ISSUER, "https://example.test"])),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("iss", json!(Uuid::nil())),
        ("sub", json!(Uuid::nil())),
        ("exp", json!(now - 31)),
        ("exp", json!(now + 7200)),
        ("exp", Value::Null),
        ("nbf", json!(now + 600)),
        ("iat", json!(now + 600)),
        ("jti", Value::Null),
        ("jti", json!("")),
    ];
    for change in bad {
        let answer = present(&world, &good(std::slice::from_ref(&change)), &[]).await;
        assert_eq!(
            (answer.status, error(&answer).as_str()),
            (StatusCode::UNAUTHORIZED, "invalid_client"),
            "{change:?}"
        );
    }
    // Another's key, under our key id, in the header, by algorithm confusion, unsigned.
    let other = Key::new("one");
    let mut with_jwk = header("one");
    let published: Value = serde_json::from_str(&other.set()).unwrap();
    with_jwk.jwk = Some(serde_json::from_value(published["keys"][0].clone()).unwrap());
    let mut symmetric = Header::new(Algorithm::HS256);
    symmetric.kid = Some("one".to_owned());
    let public = EncodingKey::from_secret(key.pair.public_key().as_ref());
    let body = good(&[]);
    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"one"}"#),
        body.split('.').nth(1).unwrap_or_default()
    );
    let mut critical = header("one");
    critical.crit = Some(vec!["exp".to_owned()]);
    for forged in [
        other.sign(&header("one"), &claims(&world, &[])),
        other.sign(&with_jwk, &claims(&world, &[])),
        jsonwebtoken::encode(&symmetric, &claims(&world, &[]), &public).unwrap(),
        unsigned,
        key.sign(&critical, &claims(&world, &[])),
        "x.y.z".to_owned(),
    ] {
        assert_eq!(error(&present(&world, &forged, &[]).await), "invalid_client", "{forged}");
    }
    let id = world.client.to_string();
    for nothing in [vec![("client_id", id.as_str())], vec![("client_id", &id), ("client_secret", "")]] {
        let fields: Vec<_> = [("grant_type", "client_credentials")].into_iter().chain(nothing).collect();
        assert_eq!(error(&world.program().post("/token", &fields).await), "invalid_client");
    }
    assert_eq!(error(&present(&world, &good(&[]), &[("client_secret", "x")]).await), "invalid_request", "one way only");
    assert_eq!(error(&present(&world, &good(&[]), &[("client_assertion", "x")]).await), "invalid_request", "repeated");
}

#[tokio::test]
async fn point_14_an_assertion_is_used_once_however_many_try_at_once() {
    let mut world = World::new().await;
    let key = Key::new("one");
    let registered = by_key(ClientKeys::Set(keys::read(key.set().as_bytes())));
    (world.client, world.secret) = world.register(registered.clone()).await;
    let once = key.sign(&header("one"), &claims(&world, &[("jti", json!("same"))]));
    let answers = join_all((0..8).map(|_| present(&world, &once, &[]))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::OK).count(), 1);
    // Also by another signature over the same name; another client's names are its own.
    let again = key.sign(&header("one"), &claims(&world, &[("jti", json!("same")), ("nbf", json!(1))]));
    assert_eq!(error(&present(&world, &again, &[]).await), "invalid_client");
    // And after a restart.
    let World { service, secret, account, credential, guardian, children, client } = world;
    let mut world =
        World { service: service.restarted(|_| {}).await, secret, account, credential, guardian, children, client };
    assert_eq!(error(&present(&world, &once, &[]).await), "invalid_client");
    world.client = world.register(registered).await.0;
    let others = key.sign(&header("one"), &claims(&world, &[("jti", json!("same"))]));
    assert_eq!(present(&world, &others, &[]).await.status, StatusCode::OK);
    // Names are kept as long as they could come back, and no longer.
    let app = world.service.app();
    crate::oidc::delete_expired(&app.db, app.clock.now() + TimeDelta::seconds(60)).await.unwrap();
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM service.once").fetch_one(&app.db).await.unwrap();
    assert_eq!(kept, 2);
    crate::oidc::delete_expired(&app.db, app.clock.now() + TimeDelta::seconds(120)).await.unwrap();
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM service.once").fetch_one(&app.db).await.unwrap();
    assert_eq!(kept, 0);
}

/// Serves whatever set it holds at the moment.
async fn publisher(set: Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/jwks", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let body = set.lock().unwrap().clone();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    uri
}

#[tokio::test]
async fn point_25_a_client_that_publishes_another_key_is_followed() {
    let mut world = World::configured(|config| config.oidc.private_hosts = vec!["127.0.0.1".to_owned()]).await;
    let (old, new) = (Key::new("old"), Key::new("new"));
    let set = Arc::new(Mutex::new(old.set()));
    let uri = publisher(Arc::clone(&set)).await;
    (world.client, world.secret) = world.register(by_key(ClientKeys::At(uri))).await;
    let by = |key: &Key| key.sign(&header(key.kid), &claims(&world, &[]));
    assert_eq!(present(&world, &by(&old), &[]).await.status, StatusCode::OK);
    *set.lock().unwrap() = new.set();
    assert_eq!(
        error(&present(&world, &by(&new), &[]).await),
        "invalid_client",
        "unknown keys cause no storm of fetches"
    );
    world.service.app().clock.advance(TimeDelta::seconds(31));
    let by = |key: &Key| key.sign(&header(key.kid), &claims(&world, &[]));
    assert_eq!(present(&world, &by(&new), &[]).await.status, StatusCode::OK);
    assert_eq!(error(&present(&world, &by(&old), &[]).await), "invalid_client", "withdrawn");
}

#[tokio::test]
async fn point_26_keys_at_a_private_address_are_not_fetched() {
    let mut world = World::new().await;
    let key = Key::new("one");
    let uri = publisher(Arc::new(Mutex::new(key.set()))).await;
    (world.client, world.secret) = world.register(by_key(ClientKeys::At(uri))).await;
    let good = key.sign(&header("one"), &claims(&world, &[]));
    assert_eq!(error(&present(&world, &good, &[]).await), "invalid_client");
}

#[tokio::test]
async fn a_change_of_method_takes_the_secret_with_it() {
    let mut world = World::new().await;
    let ledger = &world.service.app().ledger;
    let key = Key::new("one");
    let keys = ClientKeys::Set(keys::read(key.set().as_bytes()));
    let changed = registry::change(ledger, world.client, world.context(), |registration| {
        registration.authentication = ClientAuthentication::PrivateKeyJwt;
        registration.terms.keys = Some(keys);
    });
    assert!(changed.await.unwrap().0.is_none());
    assert_eq!(error(&world.redeem("x").await), "invalid_client", "the secret is worth nothing now");
    let mut browser = world.signed_in().await;
    let code = world.code(&mut browser).await;
    let token = key.sign(&header("one"), &claims(&world, &[]));
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_assertion_type", assertion::TYPE),
        ("client_assertion", &token),
    ];
    assert_eq!(world.program().post("/token", &fields).await.status, StatusCode::OK);
    let back = registry::change(ledger, world.client, world.context(), |registration| {
        registration.authentication = ClientAuthentication::ClientSecretBasic;
    });
    let secret = back.await.unwrap().0.expect("a new secret");
    assert_ne!(secret.expose(), world.secret);
    world.secret = secret.expose().to_owned();
    assert_eq!(error(&world.redeem("x").await), "invalid_grant", "known again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_read_once_until_the_ledger_has_news_of_it() {
    let world = World::new().await;
    let app = world.service.app();
    let other = registry::register(&app.ledger, registration(Establishments::All), world.context()).await.unwrap().id;
    let known = app.clients.get(app, world.client).await.unwrap();
    assert!(known.party.enabled && known.secret(app.clock.now()).is_some());
    registry::set_enabled(&app.ledger, other, world.context(), false).await.unwrap();
    let again = app.clients.get(app, world.client).await.unwrap();
    assert!(Arc::ptr_eq(&known, &again), "another's change is no news of it");
    registry::set_enabled(&app.ledger, world.client, world.context(), false).await.unwrap();
    let changed = app.clients.get(app, world.client).await.unwrap();
    assert!(!changed.party.enabled, "the next request already knows");
}
