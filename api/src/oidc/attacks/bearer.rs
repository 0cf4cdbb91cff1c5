//! With tokens: forged, exchanged for one another, outlived.

use super::world::{ISSUER, World, claims, error};
use crate::oidc::keys::{KeySet, SigningKey};
use crate::oidc::registry;
use crate::oidc::tokens::{AccessToken, compact};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::http::{HeaderValue, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use domain::account::{Account, AccountCommand};
use domain::relying_party::SigningAlgorithm;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn es256(keys: &KeySet) -> &SigningKey {
    keys.signing(SigningAlgorithm::ES256).unwrap()
}

/// Signed by this key under this header.
fn signed<T: serde::Serialize>(header: &Header, claims: &T, keys: &KeySet) -> String {
    compact(&serde_json::to_string(header).unwrap(), claims, es256(keys)).unwrap()
}

async fn refuses(world: &World, token: &str, what: &str) {
    let answer = world.userinfo(token).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}");
    assert_eq!(error(&answer), "invalid_token", "{what}");
    assert!(answer.header("www-authenticate").starts_with("Bearer ") && !answer.body.contains("sub"), "{what}");
}

#[tokio::test]
async fn point_20_token_types_are_not_interchangeable() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (access, id) = world.tokens(&mut browser).await;
    assert_eq!(world.userinfo(&access).await.status, StatusCode::OK);
    refuses(&world, &id, "an ID token is no access token").await;
    // Our own key, but another type, audience or issuer.
    let keys = world.keys().await;
    let good: AccessToken = serde_json::from_value(claims(&access)).unwrap();
    let sign = |typ: &str, token: &AccessToken| {
        let mut header = Header::new(Algorithm::ES256);
        (header.typ, header.kid) = (Some(typ.to_owned()), Some(es256(&keys).kid().to_owned()));
        signed(&header, token, &keys)
    };
    assert_eq!(world.userinfo(&sign("at+jwt", &good)).await.status, StatusCode::OK, "the forger's tools work");
    refuses(&world, &sign("JWT", &good), "typ JWT").await;
    refuses(&world, &sign("logout+jwt", &good), "typ logout+jwt").await;
    let for_another = AccessToken { aud: "https://notes.example.org".to_owned(), ..good.clone() };
    refuses(&world, &sign("at+jwt", &for_another), "aud of another service").await;
    refuses(
        &world,
        &sign("at+jwt", &AccessToken { aud: world.client.to_string(), ..good.clone() }),
        "aud of the client",
    )
    .await;
    refuses(&world, &sign("at+jwt", &AccessToken { iss: "https://example.test".to_owned(), ..good.clone() }), "iss")
        .await;
    refuses(&world, &sign("at+jwt", &AccessToken { sub: "someone".to_owned(), ..good.clone() }), "sub").await;
    let mut nobodys = good;
    nobodys.sign_in.as_mut().unwrap().sid = uuid::Uuid::new_v4();
    refuses(&world, &sign("at+jwt", &nobodys), "sid").await;
}

#[tokio::test]
async fn point_22_no_token_is_taken_from_a_url_or_a_body() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (access, _) = world.tokens(&mut browser).await;
    let mut program = world.program();
    let in_url = program.get(&format!("/userinfo?access_token={access}")).await;
    assert_eq!((in_url.status, error(&in_url).as_str()), (StatusCode::BAD_REQUEST, "invalid_request"));
    let in_body = program.post("/userinfo", &[("access_token", &access)]).await;
    assert_eq!(in_body.status, StatusCode::UNAUTHORIZED);
    assert_eq!(in_body.header("www-authenticate"), "Bearer realm=\"Matricule\"", "no code where nothing was presented");
    program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {access}")).unwrap());
    assert_eq!(program.post("/userinfo", &[]).await.status, StatusCode::OK);
    assert_eq!(program.get(&format!("/userinfo?access_token={access}")).await.status, StatusCode::BAD_REQUEST);
    program.headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer other"));
    assert_eq!(program.get("/userinfo").await.status, StatusCode::UNAUTHORIZED, "two of them are none");
}

#[tokio::test]
async fn point_23_no_other_algorithm_and_never_none() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (access, _) = world.tokens(&mut browser).await;
    let keys = world.keys().await;
    let kid = es256(&keys).kid();
    let [_, body, signature]: [&str; 3] = access.split('.').collect::<Vec<_>>().try_into().unwrap();
    for none in ["none", "None", "NONE", ""] {
        let header = encode(&json!({ "alg": none, "typ": "at+jwt", "kid": kid }));
        refuses(&world, &format!("{header}.{body}."), none).await;
        refuses(&world, &format!("{header}.{body}.{signature}"), none).await;
    }
    refuses(&world, &format!("{}.{body}.", access.split('.').next().unwrap()), "no signature").await;
    // The public key taken for a shared secret, in each form that an attacker has it.
    let public = serde_json::to_value(&keys.published()[0]).unwrap();
    let point = [
        vec![4],
        URL_SAFE_NO_PAD.decode(public["x"].as_str().unwrap()).unwrap(),
        URL_SAFE_NO_PAD.decode(public["y"].as_str().unwrap()).unwrap(),
    ]
    .concat();
    for secret in [point, public.to_string().into_bytes(), vec![]] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let mut header = Header::new(algorithm);
            (header.typ, header.kid) = (Some("at+jwt".to_owned()), Some(kid.to_owned()));
            let forged = jsonwebtoken::encode(&header, &claims(&access), &EncodingKey::from_secret(&secret)).unwrap();
            refuses(&world, &forged, "HMAC with the public key").await;
        }
    }
    // A changed claim, a signature of zeros (accepted by a famous bug), half a signature.
    let mut changed = claims(&access);
    changed["scope"] = json!("openid profile children everything");
    let header = access.split('.').next().unwrap();
    refuses(&world, &format!("{header}.{}.{signature}", encode(&changed)), "changed").await;
    refuses(&world, &format!("{header}.{body}.{}", URL_SAFE_NO_PAD.encode([0; 64])), "zeros").await;
    refuses(&world, &format!("{header}.{body}.{}", &signature[..43]), "half").await;
}

#[tokio::test]
async fn point_24_keys_and_addresses_in_the_token_are_ignored() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (access, _) = world.tokens(&mut browser).await;
    let own = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let forger = KeySet::of(&[&own]);
    let published = serde_json::to_value(&forger.published()[0]).unwrap();
    let ours = world.keys().await;
    for kid in [es256(&forger).kid(), es256(&ours).kid(), "", "../../dev/null", "' OR 1=1 --"] {
        for named in ["jwk", "jku", "x5u", "x5c"] {
            let mut header = Header::new(Algorithm::ES256);
            (header.typ, header.kid) = (Some("at+jwt".to_owned()), Some(kid.to_owned()));
            match named {
                "jwk" => header.jwk = Some(serde_json::from_value(published.clone()).unwrap()),
                "jku" => header.jku = Some("http://127.0.0.1:1/jwks".to_owned()),
                "x5u" => header.x5u = Some("http://127.0.0.1:1/cert".to_owned()),
                _ => header.x5c = Some(vec!["MIIB".to_owned()]),
            }
            let forged = signed(&header, &claims(&access), &forger);
            refuses(&world, &forged, &format!("{named} with kid {kid}")).await;
        }
    }
    // A critical extension that nobody understands makes even our own signature worthless.
    let mut header = Header::new(Algorithm::ES256);
    (header.typ, header.kid) = (Some("at+jwt".to_owned()), Some(es256(&ours).kid().to_owned()));
    header.crit = Some(vec!["exp".to_owned()]);
    let critical = signed(&header, &claims(&access), &ours);
    refuses(&world, &critical, "crit").await;
}

#[tokio::test]
async fn point_25_rotation_fails_no_valid_token() {
    let world = World::new().await;
    let app = world.service.app();
    let mut browser = world.signed_in().await;
    let before = world.keys().await;
    let known_to_clients: Vec<String> = kids(&world).await;
    assert_eq!(known_to_clients.len(), 4, "of both algorithms the next key is published ahead");
    assert!(app.keys.rotate(app.clock.now(), false).await.is_err(), "clients may not have seen the next key yet");
    app.clock.advance(TimeDelta::minutes(20));
    let (old, hint) = world.tokens(&mut browser).await;
    app.clock.advance(TimeDelta::minutes(9));
    // Another instance rotates; this one still signs with what it has read.
    let elsewhere = crate::oidc::Keys::new(app.db.clone(), app.ledger.clone());
    elsewhere.rotate(app.clock.now(), true).await.unwrap();
    let (meanwhile, _) = world.tokens(&mut browser).await;
    assert_eq!(world.userinfo(&old).await.status, StatusCode::OK);
    assert_eq!(world.userinfo(&meanwhile).await.status, StatusCode::OK);
    app.clock.advance(TimeDelta::seconds(61));
    assert_ne!(es256(&*world.keys().await).kid(), es256(&before).kid());
    let (new, _) = world.tokens(&mut browser).await;
    let kid = jsonwebtoken::decode_header(&new).unwrap().kid.unwrap();
    assert!(known_to_clients.contains(&kid), "what signs now was published before");
    assert_eq!(world.userinfo(&new).await.status, StatusCode::OK);
    assert_eq!(world.userinfo(&meanwhile).await.status, StatusCode::OK);
    assert_eq!(kids(&world).await.len(), 6);
    // The old ID token still serves as a hint for logout.
    assert!(crate::oidc::tokens::IdToken::from_hint(&hint, &*world.keys().await, ISSUER).is_ok());
    app.clock.advance(TimeDelta::days(8));
    assert_eq!(kids(&world).await.len(), 4, "a retired key goes at last");
}

async fn kids(world: &World) -> Vec<String> {
    let answer = world.program().get("/jwks").await;
    let keys = super::world::json(&answer);
    assert!(!answer.body.contains("\"d\""), "no private key");
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn point_25_instances_that_start_at_once_make_one_set_of_keys() {
    let world = World::new().await;
    let app = world.service.app();
    let instances: Vec<_> = (0..4).map(|_| crate::oidc::Keys::new(app.db.clone(), app.ledger.clone())).collect();
    let sets = futures::future::join_all(instances.iter().map(|keys| keys.get(app.clock.now()))).await;
    let mut signing: Vec<String> = sets.into_iter().map(|set| es256(&set.unwrap()).kid().to_owned()).collect();
    signing.dedup();
    assert_eq!(signing.len(), 1);
    let sealed: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT sealed FROM service.signing_key").fetch_all(&app.db).await.unwrap();
    assert!(sealed.iter().all(|sealed| EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, sealed).is_err()));
}

#[tokio::test]
async fn point_28_a_token_outlives_neither_its_time_nor_its_session() {
    let world = World::new().await;
    let app = world.service.app();
    let mut browser = world.signed_in().await;
    let (expired, _) = world.tokens(&mut browser).await;
    app.clock.advance(app.config.oidc.access_token_lifetime.delta());
    refuses(&world, &expired, "expired").await;
    let (idle, _) = world.tokens(&mut browser).await;
    sqlx::query("UPDATE service.session SET seen_at = seen_at - interval '1 day'").execute(&app.db).await.unwrap();
    refuses(&world, &idle, "idle session").await;
}

#[tokio::test]
async fn point_29_disabling_or_a_new_password_ends_tokens_at_once() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (access, _) = world.tokens(&mut browser).await;
    let code = world.code(&mut browser).await;
    world.tell::<Account>(world.account.0, AccountCommand::Disable).await;
    refuses(&world, &access, "disabled account").await;
    assert_eq!(error(&world.redeem(&code).await), "invalid_grant");
    assert!(browser.get(&world.request(&[])).await.location().starts_with("/sign-in"));
    world.tell::<Account>(world.account.0, AccountCommand::Enable).await;
    let mut browser = world.signed_in().await;
    let (access, _) = world.tokens(&mut browser).await;
    assert_eq!(world.userinfo(&access).await.status, StatusCode::OK);
    let secret = domain::ids::SecretId(uuid::Uuid::new_v4());
    let expires_at = world.service.app().clock.now() + TimeDelta::days(1);
    world.tell::<Account>(world.account.0, AccountCommand::IssueProvisionalPassword { secret, expires_at }).await;
    refuses(&world, &access, "reset by an operator").await;
}

#[tokio::test]
async fn a_relying_party_that_is_disabled_or_narrowed_reads_no_more() {
    let world = World::new().await;
    let ledger = &world.service.app().ledger;
    let mut browser = world.signed_in().await;
    let (access, _) = world.tokens(&mut browser).await;
    let narrow = registry::change(ledger, world.client, world.context(), |registration| {
        registration.scopes.remove("children");
    });
    narrow.await.unwrap();
    let answer = world.userinfo(&access).await;
    assert!(answer.status == StatusCode::OK && !answer.body.contains("\"children\""));
    registry::set_enabled(ledger, world.client, world.context(), false).await.unwrap();
    refuses(&world, &access, "disabled client").await;
    assert!(super::world::stays_here(&browser.get(&world.request(&[])).await));
}
