//! At introspection and revocation, and with tokens of services and signed userinfo.

use super::world::{ISSUER, World, claims, error, json, registration, text};
use crate::oidc::registry;
use crate::testing::Answer;
use axum::http::{HeaderValue, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::account::{Account, AccountCommand};
use domain::ids::RelyingPartyId;
use domain::relying_party::{ClientAuthentication, Establishments, GrantType, SigningAlgorithm};
use serde_json::{Value, json};

/// A confidential client that was registered.
type Registered = (RelyingPartyId, String);

async fn ask(world: &World, path: &str, client: &Registered, fields: &[(&str, &str)], accept: &str) -> Answer {
    let mut program = world.service.browser();
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", client.0, client.1)));
    program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&basic).unwrap());
    program.headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
    program.post(path, fields).await
}

async fn introspect(world: &World, client: &Registered, token: &str) -> Value {
    let answer = ask(world, "/introspect", client, &[("token", token)], "application/json").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    json(&answer)
}

async fn revoke(world: &World, client: &Registered, token: &str) -> Answer {
    ask(world, "/revoke", client, &[("token", token)], "application/json").await
}

/// A mark book that refreshes and calls for itself, and a service that it may call.
async fn world() -> (World, Registered, Registered) {
    let mut world = World::new().await;
    let called = world.register(registration(Establishments::All)).await;
    let mut calling = registration(Establishments::All);
    calling.terms.grant_types = GrantType::ALL.into();
    calling.terms.audiences = [called.0].into();
    (world.client, world.secret) = world.register(calling).await;
    let own = (world.client, world.secret.clone());
    (world, own, called)
}

async fn tokens(world: &World) -> Value {
    let mut browser = world.signed_in().await;
    let code = world.code(&mut browser).await;
    json(&world.redeem(&code).await)
}

#[tokio::test]
async fn point_14_a_token_is_explained_to_its_own_parties_alone() {
    let (world, own, called) = world().await;
    let tokens = tokens(&world).await;
    let (access, refresh) = (text(&tokens["access_token"]), text(&tokens["refresh_token"]));
    let said = introspect(&world, &own, &access).await;
    assert_eq!(said["active"], true);
    for same in ["sub", "client_id", "aud", "iss", "exp", "iat", "scope", "acr", "auth_time", "jti"] {
        assert_eq!(said[same], claims(&access)[same], "{same}");
    }
    assert!(said.get("grant").is_none() && said["token_type"] == "Bearer");
    let said = introspect(&world, &own, &refresh).await;
    assert!(said["active"] == true && said.get("token_type").is_none(), "{said}");
    // Somebody else's token, an ID token, junk: all the same.
    for token in [&access, &refresh] {
        assert_eq!(introspect(&world, &called, token).await, json!({ "active": false }));
    }
    for token in [&text(&tokens["id_token"]), "x.y.z", "x"] {
        assert_eq!(introspect(&world, &own, token).await, json!({ "active": false }));
    }
    // Nobody who can't prove to be a client, and no form of asking but the one.
    let mut public = registration(Establishments::All);
    public.authentication = ClientAuthentication::None;
    let (public, _) = world.register(public).await;
    let public = public.to_string();
    let wrong = (own.0, "wrong".to_owned());
    let fields = [("token", access.as_str())];
    for path in ["/introspect", "/revoke"] {
        let answer = ask(&world, path, &wrong, &fields, "application/json").await;
        assert_eq!((answer.status, error(&answer).as_str()), (StatusCode::UNAUTHORIZED, "invalid_client"), "{path}");
        assert_eq!(error(&world.program().post(path, &fields).await), "invalid_client");
        let twice = [("token", access.as_str()), ("token", "x")];
        assert_eq!(error(&ask(&world, path, &own, &twice, "application/json").await), "invalid_request");
        let in_url = format!("{path}?token={access}");
        assert_eq!(error(&ask(&world, &in_url, &own, &[], "application/json").await), "invalid_request");
        assert_eq!(error(&ask(&world, path, &own, &[], "application/json").await), "invalid_request");
    }
    let by_public = [("token", access.as_str()), ("client_id", public.as_str())];
    assert_eq!(error(&world.program().post("/introspect", &by_public).await), "invalid_client");
}

#[tokio::test]
async fn a_token_is_inactive_in_the_moment_that_anything_under_it_ends() {
    let (world, own, _) = world().await;
    let ledger = &world.service.app().ledger;
    let first = tokens(&world).await;
    let access = text(&first["access_token"]);
    world.tell::<Account>(world.account.0, AccountCommand::Disable).await;
    for token in [&access, &text(&first["refresh_token"])] {
        assert_eq!(introspect(&world, &own, token).await, json!({ "active": false }));
    }
    world.tell::<Account>(world.account.0, AccountCommand::Enable).await;
    assert_eq!(introspect(&world, &own, &access).await["active"], true);
    let narrow = registry::change(ledger, own.0, world.context(), |registration| {
        registration.scopes.remove("children");
    });
    narrow.await.unwrap();
    let said = introspect(&world, &own, &access).await;
    assert!(!text(&said["scope"]).contains("children") && text(&said["scope"]).contains("openid"));
    world.service.app().clock.advance(world.service.app().config.oidc.access_token_lifetime.delta());
    assert_eq!(introspect(&world, &own, &access).await, json!({ "active": false }));
}

#[tokio::test]
async fn a_signed_introspection_can_be_shown_and_not_mistaken() {
    let (world, own, _) = world().await;
    let access = text(&tokens(&world).await["access_token"]);
    let kind = "application/token-introspection+jwt";
    let answer = ask(&world, "/introspect", &own, &[("token", &access)], kind).await;
    assert_eq!(answer.header("content-type"), kind);
    let header = jsonwebtoken::decode_header(&answer.body).unwrap();
    assert_eq!(header.typ.as_deref(), Some("token-introspection+jwt"));
    let said = claims(&answer.body);
    assert_eq!((&said["iss"], &said["aud"]), (&json!(ISSUER), &json!(own.0)));
    assert_eq!(said["token_introspection"]["active"], true);
    assert!(said.get("sub").is_none() && said.get("exp").is_none(), "RFC 9701 §5: nothing to take it for a token by");
    assert_eq!(world.userinfo(&answer.body).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_a_client_gives_back_is_gone_and_anothers_is_not_touched() {
    let (world, own, called) = world().await;
    let first = tokens(&world).await;
    let (access, refresh) = (text(&first["access_token"]), text(&first["refresh_token"]));
    let refused = revoke(&world, &called, &access).await;
    assert_eq!((refused.status, error(&refused).as_str()), (StatusCode::BAD_REQUEST, "unauthorized_client"));
    assert_eq!(revoke(&world, &called, &refresh).await.status, StatusCode::OK, "it can't even be read by another");
    assert_eq!(introspect(&world, &own, &access).await["active"], true);
    assert_eq!(introspect(&world, &own, &refresh).await["active"], true);
    // An access token alone.
    assert_eq!(revoke(&world, &own, &access).await.status, StatusCode::OK);
    assert_eq!(introspect(&world, &own, &access).await, json!({ "active": false }));
    assert_eq!(world.userinfo(&access).await.status, StatusCode::UNAUTHORIZED);
    let next = json(&world.token(&[("grant_type", "refresh_token"), ("refresh_token", &refresh)]).await);
    // The family.
    let (access, refresh) = (text(&next["access_token"]), text(&next["refresh_token"]));
    assert_eq!(introspect(&world, &own, &access).await["active"], true);
    assert_eq!(revoke(&world, &own, &refresh).await.status, StatusCode::OK);
    for token in [&access, &refresh] {
        assert_eq!(introspect(&world, &own, token).await, json!({ "active": false }));
        assert_eq!(revoke(&world, &own, token).await.status, StatusCode::OK, "again");
    }
    for junk in ["x", "x.y.z", &text(&next["id_token"])] {
        assert_eq!(revoke(&world, &own, junk).await.status, StatusCode::OK, "RFC 7009 §2.2");
    }
}

#[tokio::test]
async fn a_service_gets_a_token_for_itself_that_opens_nobodys_data() {
    let (world, own, called) = world().await;
    let stranger = world.register(registration(Establishments::All)).await;
    let audience = called.0.to_string();
    let answer = world.token(&[("grant_type", "client_credentials"), ("audience", &audience)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let tokens = json(&answer);
    assert!(tokens.get("id_token").is_none() && tokens.get("refresh_token").is_none());
    let access = text(&tokens["access_token"]);
    let said = claims(&access);
    assert_eq!((&said["sub"], &said["client_id"], &said["aud"]), (&json!(own.0), &json!(own.0), &json!(called.0)));
    assert!(said.get("auth_time").is_none() && said.get("sid").is_none());
    for client in [&own, &called] {
        assert_eq!(introspect(&world, client, &access).await["active"], true);
    }
    assert_eq!(introspect(&world, &stranger, &access).await, json!({ "active": false }));
    assert_eq!(world.userinfo(&access).await.status, StatusCode::UNAUTHORIZED, "another's audience");
    let for_us = json(&world.token(&[("grant_type", "client_credentials")]).await);
    let answer = world.userinfo(&text(&for_us["access_token"])).await;
    assert_eq!((answer.status, error(&answer).as_str()), (StatusCode::FORBIDDEN, "insufficient_scope"));
    // Only registered audiences, only one, and no scope.
    let (other, own_id) = (stranger.0.to_string(), own.0.to_string());
    for (more, code) in [
        (vec![("audience", other.as_str())], "invalid_target"),
        (vec![("resource", "https://api.example.test/")], "invalid_target"),
        (vec![("audience", &own_id)], "invalid_target"),
        (vec![("audience", &audience), ("resource", &audience)], "invalid_request"),
        (vec![("scope", "openid")], "invalid_scope"),
    ] {
        let fields: Vec<_> = [("grant_type", "client_credentials")].into_iter().chain(more.clone()).collect();
        assert_eq!(error(&world.token(&fields).await), code, "{more:?}");
    }
    // Withdrawn from the registration, the token is worth nothing.
    let ledger = &world.service.app().ledger;
    let change = registry::change(ledger, own.0, world.context(), |registration| {
        registration.terms.audiences.clear();
    });
    change.await.unwrap();
    assert_eq!(introspect(&world, &called, &access).await, json!({ "active": false }));
}

#[tokio::test]
async fn tokens_and_userinfo_are_signed_as_the_registration_says() {
    let mut world = World::new().await;
    let mut changed = registration(Establishments::All);
    changed.terms.id_token_signed_response_alg = SigningAlgorithm::RS256;
    changed.terms.userinfo_signed_response_alg = Some(SigningAlgorithm::RS256);
    changed.terms.claims = Some(["given_name".to_owned(), "children_establishments".to_owned()].into());
    (world.client, world.secret) = world.register(changed).await;
    let tokens = tokens(&world).await;
    let (id, access) = (text(&tokens["id_token"]), text(&tokens["access_token"]));
    let algorithm = |token: &str| jsonwebtoken::decode_header(token).unwrap().alg;
    assert_eq!(algorithm(&id), jsonwebtoken::Algorithm::RS256);
    assert_eq!(algorithm(&access), jsonwebtoken::Algorithm::ES256);
    // What a relying party does: the key of this id from JWKS, and its signature.
    let set = json(&world.program().get("/jwks").await);
    let verify = |token: &str, audience: &str| {
        let header = jsonwebtoken::decode_header(token).unwrap();
        let key = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == json!(header.kid)).unwrap();
        assert_eq!(key["alg"], "RS256");
        let key = serde_json::from_value::<jsonwebtoken::jwk::Jwk>(key.clone()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(header.alg);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[ISSUER]);
        validation.required_spec_claims.remove("exp");
        validation.validate_exp = false;
        let key = jsonwebtoken::DecodingKey::from_jwk(&key).unwrap();
        jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims
    };
    let client = world.client.to_string();
    let said = verify(&id, &client);
    assert!(said.get("children_establishments").is_some() && said.get("FrEduCtPersonAffiliation").is_none());
    let answer = world.userinfo(&access).await;
    assert_eq!(answer.header("content-type"), "application/jwt");
    let userinfo = verify(&answer.body, &client);
    assert_eq!(userinfo["sub"], said["sub"]);
    assert_eq!(userinfo["given_name"], "Thérèse");
    assert!(
        userinfo.get("family_name").is_none() && userinfo.get("children").is_none(),
        "claims not registered: {userinfo}"
    );
    assert!(crate::oidc::tokens::IdToken::from_hint(&answer.body, &*world.keys().await, ISSUER).is_err());
}
