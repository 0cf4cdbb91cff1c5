//! Of services that register themselves: off unless configured, and never more than the operator's token allows.

use super::world::{World, college, error, json, text};
use crate::oidc::registration;
use crate::testing::Answer;
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use chrono::TimeDelta;
use domain::ids::{InitialAccessId, RelyingPartyId};
use domain::initial_access::Bounds;
use domain::relying_party::{Establishments, RelyingParty};
use futures::future::join_all;
use serde_json::{Value, json};

async fn open() -> World {
    World::configured(|config| config.oidc.dynamic_registration = true).await
}

async fn issue(world: &World, uses: u32) -> (InitialAccessId, String) {
    let bounds = Bounds {
        scopes: ["openid", "profile"].map(str::to_owned).into(),
        claims: None,
        establishments: Establishments::Only([college()].into()),
    };
    let (ledger, until) = (&world.service.app().ledger, world.service.app().clock.now() + TimeDelta::days(1));
    let (id, token) = registration::issue(ledger, uses, until, bounds, world.context()).await.unwrap();
    (id, token.expose().to_owned())
}

async fn send(world: &World, method: Method, path: &str, token: &str, body: Option<&Value>) -> Answer {
    let mut program = world.program();
    program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    program.send(method, path, body, Some("application/json")).await
}

async fn register(world: &World, token: &str, body: &Value) -> Answer {
    send(world, Method::POST, "/register", token, Some(body)).await
}

fn metadata() -> Value {
    json!({
        "client_name": "Nouveau service",
        "redirect_uris": ["https://notes.example.org/cb"],
        "scope": "openid profile",
        "grant_types": ["authorization_code", "refresh_token"],
    })
}

#[tokio::test]
async fn nobody_registers_himself_unless_it_is_configured() {
    let world = World::new().await;
    let (_, token) = issue(&world, 1).await;
    for (method, path) in [(Method::POST, "/register"), (Method::GET, "/register/x"), (Method::DELETE, "/register/x")] {
        let answer = send(&world, method, path, &token, Some(&metadata())).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let document = json(&world.program().get("/.well-known/openid-configuration").await);
    assert!(document.get("registration_endpoint").is_none());
}

#[tokio::test]
async fn a_service_registers_itself_reads_changes_and_ends_its_registration() {
    let mut world = open().await;
    let (_, token) = issue(&world, 1).await;
    let document = json(&world.program().get("/.well-known/openid-configuration").await);
    assert!(text(&document["registration_endpoint"]).ends_with("/register"));
    let answer = register(&world, &token, &metadata()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let registered = json(&answer);
    assert_eq!(registered["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(registered["establishments"], json!({ "only": [college()] }));
    assert_eq!(registered["client_secret_expires_at"], 0);
    let (id, managing) = (text(&registered["client_id"]), text(&registered["registration_access_token"]));
    // It works like any other.
    world.client = id.parse().unwrap();
    world.secret = text(&registered["client_secret"]);
    let mut browser = world.signed_in().await;
    let (access, _) = world.tokens(&mut browser).await;
    assert_eq!(world.userinfo(&access).await.status, StatusCode::OK);
    // Its own registration, by its own token.
    let own = format!("/register/{id}");
    let shown = json(&send(&world, Method::GET, &own, &managing, None).await);
    assert_eq!((&shown["client_name"], shown.get("client_secret")), (&"Nouveau service".into(), None));
    let mut changed = metadata();
    changed["client_name"] = json!("Service renommé");
    changed["scope"] = json!("openid");
    let answer = send(&world, Method::PUT, &own, &managing, Some(&changed)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!((&json(&answer)["client_name"], &json(&answer)["scope"]), (&"Service renommé".into(), &"openid".into()));
    // It stays the service of its host: nobody slips under the names of another's.
    let mut elsewhere = changed.clone();
    elsewhere["redirect_uris"] = json!(["https://example.test/cb"]);
    let moved = send(&world, Method::PUT, &own, &managing, Some(&elsewhere)).await;
    assert_eq!((moved.status, error(&moved).as_str()), (StatusCode::BAD_REQUEST, "invalid_client_metadata"));
    // What was given up does not come back.
    let wider = send(&world, Method::PUT, &own, &managing, Some(&metadata())).await;
    assert_eq!((wider.status, error(&wider).as_str()), (StatusCode::BAD_REQUEST, "invalid_client_metadata"));
    let ended = send(&world, Method::DELETE, &own, &managing, None).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT, "{}", ended.body);
    assert_eq!(world.userinfo(&access).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(send(&world, Method::GET, &own, &managing, None).await.status, StatusCode::UNAUTHORIZED);
    // Everything is events.
    let party = world.service.app().ledger.load::<RelyingParty>(&id).await.unwrap();
    assert!(party.aggregate.deregistered && !party.aggregate.enabled);
    assert_eq!(party.version, 4, "registered, token issued, changed, ended");
}

#[tokio::test]
async fn a_token_allows_no_more_than_its_bounds_and_its_uses() {
    let world = open().await;
    let (_, token) = issue(&world, 1).await;
    let refused = |change: Value| {
        let mut body = metadata();
        crate::oidc::metadata::merge(&mut body, change);
        body
    };
    for (change, code) in [
        (json!({"scope": "openid ine"}), "invalid_client_metadata"),
        (json!({"scope": "openid console"}), "invalid_client_metadata"),
        (json!({"redirect_uris": ["https://notes.example.org/cb#x"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["http://notes.example.org/cb"]}), "invalid_redirect_uri"),
        (
            json!({"jwks_uri": "http://169.254.169.254/", "token_endpoint_auth_method": "private_key_jwt"}),
            "invalid_client_metadata",
        ),
        (json!({"subject_type": "public"}), "invalid_client_metadata"),
        (json!({"response_types": ["token"]}), "invalid_client_metadata"),
        (json!({"id_token_signed_response_alg": "none"}), "invalid_client_metadata"),
        (json!({"id_token_signed_response_alg": "EdDSA"}), "invalid_client_metadata"),
        (json!({"client_name": null}), "invalid_client_metadata"),
    ] {
        let answer = register(&world, &token, &refused(change.clone())).await;
        assert_eq!((answer.status, error(&answer).as_str()), (StatusCode::BAD_REQUEST, code), "{change}");
    }
    // What the operator has set is not the service's to say: it is as the token says.
    let eager = refused(
        json!({"establishments": "all", "sector_identifier": "cantine.example.org", "claims": ["FrEduCtEleveINE"], "audiences": [world.client]}),
    );
    let bodies: Vec<Value> = (0..4).map(|_| eager.clone()).collect();
    let answers = join_all(bodies.iter().map(|body| register(&world, &token, body))).await;
    let created: Vec<&Answer> = answers.iter().filter(|answer| answer.status == StatusCode::CREATED).collect();
    assert_eq!(created.len(), 1, "one use, whoever comes at once: {answers:?}");
    let registered = json(created[0]);
    assert_eq!(registered["establishments"], json!({ "only": [college()] }));
    assert_eq!(registered["sector_identifier"], "notes.example.org");
    assert!(registered.get("claims").is_none() && registered.get("audiences").is_none(), "{registered}");
    let used_up = register(&world, &token, &metadata()).await;
    assert_eq!(used_up.status, StatusCode::BAD_REQUEST, "{}", used_up.body);
}

#[tokio::test]
async fn a_token_that_is_made_up_withdrawn_expired_or_anothers_opens_nothing() {
    let world = open().await;
    let (id, token) = issue(&world, 5).await;
    let (_, secret) = token.split_once('.').unwrap();
    let made_up = [format!("{id}.{}", "A".repeat(43)), format!("{}.{secret}", uuid::Uuid::new_v4()), "x".to_owned()];
    for wrong in &made_up {
        let answer = register(&world, wrong, &metadata()).await;
        assert_eq!((answer.status, error(&answer).as_str()), (StatusCode::UNAUTHORIZED, "invalid_token"), "{wrong}");
    }
    let [one, other] = [register(&world, &token, &metadata()).await, register(&world, &token, &metadata()).await];
    let (one, other) = (json(&one), json(&other));
    let (own, foreign) = (text(&one["registration_access_token"]), text(&other["registration_access_token"]));
    let client: RelyingPartyId = text(&one["client_id"]).parse().unwrap();
    for wrong in [&foreign, &token, &made_up[0]] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = send(&world, method, &format!("/register/{client}"), wrong, Some(&metadata())).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.body);
        }
    }
    assert_eq!(
        register(&world, &own, &metadata()).await.status,
        StatusCode::UNAUTHORIZED,
        "it manages, it opens nothing"
    );
    registration::withdraw(&world.service.app().ledger, id, world.context()).await.unwrap();
    assert_eq!(register(&world, &token, &metadata()).await.status, StatusCode::UNAUTHORIZED);
    let (_, expired) = issue(&world, 1).await;
    world.service.app().clock.advance(TimeDelta::days(2));
    assert_eq!(register(&world, &expired, &metadata()).await.status, StatusCode::UNAUTHORIZED);
    let events = crate::oidc::registry::load(&world.service.app().ledger, client).await.unwrap();
    assert!(events.aggregate.enabled, "what was registered stays");
}
