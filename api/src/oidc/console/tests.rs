//! The console over HTTP: who may call, what is recorded, which rules hold.

use crate::oidc::attacks::clients::{self, Key};
use crate::oidc::attacks::world::{World, json, text};
use crate::oidc::client::{assertion, keys};
use crate::oidc::registry;
use crate::testing::Answer;
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use chrono::TimeDelta;
use domain::ids::RelyingPartyId;
use domain::relying_party::{
    ClientAuthentication, ClientKeys, Establishments, GrantType, Registration, RelyingParty, Terms,
};
use serde_json::{Value, json};

const PARTIES: &str = "/console/v1/relying-parties";

fn console(key: &Key) -> Registration {
    Registration {
        name: "Console de l’académie".to_owned(),
        redirect_uris: vec![],
        post_logout_redirect_uris: vec![],
        scopes: ["console".to_owned()].into(),
        sector_identifier: "console.example.org".to_owned(),
        authentication: ClientAuthentication::PrivateKeyJwt,
        establishments: Establishments::All,
        terms: Terms {
            grant_types: [GrantType::ClientCredentials].into(),
            keys: Some(ClientKeys::Set(keys::read(key.set().as_bytes()))),
            ..Terms::default()
        },
    }
}

/// The world's client is the console; its access token.
async fn world() -> (World, String) {
    let mut world = World::configured(|config| config.oidc.dynamic_registration = true).await;
    let key = Key::new("2026");
    (world.client, _) = world.register(console(&key)).await;
    let token = token(&world, &key, "console").await;
    (world, token)
}

async fn token(world: &World, key: &Key, scope: &str) -> String {
    let assertion = key.sign(&clients::header("2026"), &clients::claims(world, &[]));
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", assertion::TYPE),
        ("client_assertion", assertion.as_str()),
        ("scope", scope),
    ];
    let answer = world.program().post("/token", &fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    text(&json(&answer)["access_token"])
}

async fn send_as(world: &World, token: &str, operator: &str, method: Method, path: &str, body: Body) -> Answer {
    let mut program = world.program();
    program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    program.headers.insert("console-operator", HeaderValue::from_str(operator).unwrap());
    program.send(method, path, body, Some("application/json")).await
}

async fn send(world: &World, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    send_as(world, token, "A-17", method, path, body).await
}

fn metadata() -> Value {
    json!({
        "client_name": "Cahier de textes",
        "client_name#en": "Homework diary",
        "redirect_uris": ["https://notes.example.org/cb"],
        "scope": "openid profile",
        "establishments": { "only": ["0750001U"] },
    })
}

#[tokio::test]
async fn every_described_route_is_there_and_no_other() {
    let (world, token) = world().await;
    let description: Value = serde_json::from_str(super::OPENAPI).unwrap();
    let source: String = include_str!("mod.rs").split_whitespace().collect();
    let mut routed: Vec<&str> = source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let mut described: Vec<&str> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    routed.sort_unstable();
    described.sort_unstable();
    assert_eq!(routed, described);
    for (path, methods) in description["paths"].as_object().unwrap() {
        let concrete = path.replace("{client_id}", "x").replace("{id}", "x");
        for method in ["get", "post", "put", "patch", "delete"] {
            let sent = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = send(&world, &token, sent.clone(), &concrete, None).await;
            let there = methods.as_object().unwrap().contains_key(method);
            assert_eq!(answer.status != 405, there, "{method} {path}: {}", answer.status);
            assert!(answer.status.as_u16() < 500, "{method} {path}: {}", answer.body);
            if there && methods[method]["security"] != json!([]) {
                // What is answered is described, here and without a token or an operator.
                for (token, operator, expected) in
                    [(token.as_str(), "A-17", None), ("x", "A-17", Some(401)), (token.as_str(), "M. Dupont", Some(400))]
                {
                    let answer =
                        send_as(&world, token, operator, sent.clone(), &concrete, Body::from("nonsense")).await;
                    let status = answer.status.as_u16();
                    assert!(expected.is_none_or(|expected| expected == status), "{method} {path}: {status}");
                    let known = &methods[method]["responses"][status.to_string()];
                    assert!(known.is_object(), "{method} {path}: {status} is not described");
                    let kind = answer.header(header::CONTENT_TYPE);
                    assert!(status < 400 || kind.contains("problem+json"), "{method} {path}: {kind}");
                }
            }
        }
    }
    let served = world.program().get("/console/v1/openapi.json").await;
    assert_eq!(json(&served), description);
}

#[tokio::test]
async fn only_a_console_may_call() {
    let (mut world, token) = world().await;
    assert_eq!(send(&world, &token, Method::GET, PARTIES, None).await.status, StatusCode::OK);
    // Nobody's, a person's, another service's, one without the scope.
    let key = Key::new("2026");
    let console_id = world.client;
    let mut plain = console(&key);
    plain.scopes.clear();
    (world.client, _) = world.register(plain).await;
    let without = {
        let assertion = key.sign(&clients::header("2026"), &clients::claims(&world, &[]));
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", assertion::TYPE),
            ("client_assertion", assertion.as_str()),
        ];
        let asks = [&fields[..], &[("scope", "console")]].concat();
        assert_eq!(json(&world.program().post("/token", &asks).await)["error"], "invalid_scope");
        let assertion = key.sign(&clients::header("2026"), &clients::claims(&world, &[]));
        let fields = [fields[0], fields[1], ("client_assertion", assertion.as_str())];
        text(&json(&world.program().post("/token", &fields).await)["access_token"])
    };
    let only = Establishments::Only([crate::oidc::attacks::world::college()].into());
    (world.client, world.secret) = world.register(crate::oidc::attacks::world::registration(only)).await;
    let mut browser = world.signed_in().await;
    let (persons, id) = world.tokens(&mut browser).await;
    for wrong in [&without, &persons, &id, &"x".to_owned(), &String::new()] {
        let answer = send(&world, wrong, Method::GET, PARTIES, None).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.body);
        assert!(answer.header(header::WWW_AUTHENTICATE).starts_with("Bearer"));
    }
    let mut cookies_only = browser.clone();
    cookies_only.headers.insert("console-operator", HeaderValue::from_static("A-17"));
    assert_eq!(cookies_only.get(PARTIES).await.status, StatusCode::UNAUTHORIZED);
    // The console is disabled: its tokens are worth nothing in the same moment.
    let ledger = &world.service.app().ledger;
    registry::set_enabled(ledger, console_id, world.context(), false).await.unwrap();
    assert_eq!(send(&world, &token, Method::GET, PARTIES, None).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_console_is_made_on_the_command_line_only() {
    let (world, token) = world().await;
    let key = Key::new("other");
    let mut other = serde_json::to_value(crate::oidc::metadata::Metadata::of(&console(&key))).unwrap();
    other["client_name"] = json!("Une autre console");
    let answer = send(&world, &token, Method::POST, PARTIES, Some(other)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
    let own = format!("{PARTIES}/{}", world.client);
    let answer = send(&world, &token, Method::PATCH, &own, Some(json!({ "client_name": "x" }))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
    // Nor does a service become one that signs people in.
    let ledger = &world.service.app().ledger;
    let grown = registry::change(ledger, world.client, world.context(), |registration| {
        registration.scopes.insert("openid".to_owned());
    });
    assert!(matches!(grown.await, Err(registry::RegistryError::Console)));
}

#[tokio::test]
async fn relying_parties_are_registered_changed_and_ended_and_the_operator_is_named() {
    let (world, token) = world().await;
    let answer = send(&world, &token, Method::POST, PARTIES, Some(metadata())).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let registered = json(&answer);
    assert!(!text(&registered["client_secret"]).is_empty());
    let one = answer.header(header::LOCATION).to_owned();
    assert_eq!(one, format!("{PARTIES}/{}", text(&registered["client_id"])));
    let shown = json(&send(&world, &token, Method::GET, &one, None).await);
    assert!(shown.get("client_secret").is_none() && shown["client_name#en"] == "Homework diary", "{shown}");
    // A merge patch: what is not given stays, null takes away.
    let patch = json!({ "scope": "openid profile children", "client_name#en": null, "establishments": "all" });
    let changed = json(&send(&world, &token, Method::PATCH, &one, Some(patch)).await);
    assert_eq!((&changed["establishments"], &changed["redirect_uris"]), (&"all".into(), &metadata()["redirect_uris"]));
    assert!(changed.get("client_name#en").is_none());
    let to_key = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://notes.example.org/k" });
    assert_eq!(send(&world, &token, Method::PATCH, &one, Some(to_key)).await.status, StatusCode::OK);
    let no_secret = send(&world, &token, Method::POST, &format!("{one}/secret"), None).await;
    assert_eq!(no_secret.status, StatusCode::UNPROCESSABLE_ENTITY);
    let back = json!({ "token_endpoint_auth_method": "client_secret_post", "jwks_uri": null });
    let back = json(&send(&world, &token, Method::PATCH, &one, Some(back)).await);
    assert!(!text(&back["client_secret"]).is_empty(), "a new one, shown this once");
    for (deed, enabled) in [("disable", false), ("enable", true)] {
        let answer = json(&send(&world, &token, Method::POST, &format!("{one}/{deed}"), None).await);
        assert_eq!(answer["enabled"], enabled);
    }
    // The list has it, part by part.
    let (mut next, mut listed) = (String::new(), Vec::new());
    loop {
        let part = json(&send(&world, &token, Method::GET, &format!("{PARTIES}?limit=1{next}"), None).await);
        listed.extend(part["relying_parties"].as_array().unwrap().iter().map(|one| text(&one["client_id"])));
        match part["next"].as_str() {
            Some(after) => next = format!("&after={after}"),
            None => break,
        }
    }
    assert!(listed.contains(&text(&registered["client_id"])) && listed.contains(&world.client.to_string()));
    assert_eq!(send(&world, &token, Method::DELETE, &one, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(send(&world, &token, Method::POST, &format!("{one}/enable"), None).await.status, StatusCode::GONE);
    // Every event names the operator, on behalf of the console, and the request.
    let id = text(&registered["client_id"]);
    let named: Vec<(String, Option<String>, Option<String>)> = sqlx::query_as(
        "SELECT actor, on_behalf_of, reference FROM ledger.event
         WHERE stream_type = 'relying_party' AND stream_id = $1 ORDER BY position",
    )
    .bind(&id)
    .fetch_all(&world.service.app().db)
    .await
    .unwrap();
    assert!(named.len() >= 6, "{named:?}");
    for (actor, on_behalf_of, reference) in named {
        assert_eq!(actor, "operator:A-17");
        assert_eq!(on_behalf_of, Some(format!("relying-party:{}", world.client)));
        assert!(reference.is_some());
    }
}

#[tokio::test]
async fn the_rules_and_words_are_those_of_the_command_line() {
    let (world, token) = world().await;
    let with = |change: Value| {
        let mut body = metadata();
        crate::oidc::metadata::merge(&mut body, change);
        body
    };
    for (change, words) in [
        (json!({"redirect_uris": ["http://notes.example.org/"]}), "can't be a redirect URI"),
        (json!({"scope": "openid everything"}), "is no scope"),
        (json!({"claims": ["everything"]}), "is no claim"),
        (json!({"audiences": [uuid::Uuid::nil()]}), "is not registered"),
        (json!({"token_endpoint_auth_method": "private_key_jwt"}), "public keys"),
        (json!({"access_token_lifetime": 1}), "30 s to a day"),
        (json!({"security_profile": "fapi2"}), "fapi2"),
        (json!({"id_token_signed_response_alg": "EdDSA"}), "oidc.eddsa"),
        (json!({"client_name": " "}), "needs a name"),
    ] {
        let answer = send(&world, &token, Method::POST, PARTIES, Some(with(change.clone()))).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{change}: {}", answer.body);
        assert!(json(&answer)["detail"].as_str().unwrap().contains(words), "{change}: {}", answer.body);
    }
    let unknown = format!("{PARTIES}/{}", uuid::Uuid::nil());
    assert_eq!(send(&world, &token, Method::GET, &unknown, None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn initial_access_tokens_are_issued_and_withdrawn() {
    let (world, token) = world().await;
    let tokens = "/console/v1/registration-tokens";
    let wanted = json!({ "uses": 2, "lifetime": 3600, "scopes": ["openid", "profile"], "establishments": "all" });
    let answer = send(&world, &token, Method::POST, tokens, Some(wanted.clone())).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let issued = json(&answer);
    let register = async || {
        let mut program = world.program();
        let bearer = format!("Bearer {}", text(&issued["initial_access_token"]));
        program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&bearer).unwrap());
        let body = Body::from(metadata().to_string());
        program.send(Method::POST, "/register", body, Some("application/json")).await
    };
    let registered = register().await;
    assert_eq!(registered.status, StatusCode::CREATED, "{}", registered.body);
    let id: RelyingPartyId = text(&json(&registered)["client_id"]).parse().unwrap();
    let party = world.service.app().ledger.load::<RelyingParty>(&id.to_string()).await.unwrap().aggregate;
    assert_eq!(party.registration.unwrap().establishments, Establishments::All, "as the token says");
    let one = format!("{tokens}/{}", text(&issued["id"]));
    assert_eq!(send(&world, &token, Method::DELETE, &one, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(register().await.status, StatusCode::UNAUTHORIZED);
    for (change, status) in [
        (json!({"uses": 0}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({"scopes": ["console"]}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({"lifetime": TimeDelta::days(91).num_seconds()}), StatusCode::BAD_REQUEST),
        (json!({"establishments": null}), StatusCode::BAD_REQUEST),
    ] {
        let mut body = wanted.clone();
        crate::oidc::metadata::merge(&mut body, change.clone());
        let answer = send(&world, &token, Method::POST, tokens, Some(body)).await;
        assert_eq!(answer.status, status, "{change}: {}", answer.body);
    }
}
