//! With token exchange: for whom, on whose behalf, how far.

use super::world::{World, claims, college, error, json, registration, school, text};
use crate::testing::Answer;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::account::{Account, AccountCommand};
use domain::ids::RelyingPartyId;
use domain::relying_party::{Establishments, GrantType};
use serde_json::{Value, json};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

type Registered = (RelyingPartyId, String);

/// The world's client is a portal; it may call a mark book, which may call an archive. Each is a sector of its own.
async fn world() -> (World, Registered, Registered) {
    let mut world = World::new().await;
    let mut archive = registration(Establishments::All);
    archive.sector_identifier = "archive.example.org".to_owned();
    let archive = world.register(archive).await;
    let mut marks = registration(Establishments::Only([college()].into()));
    marks.sector_identifier = "marks.example.org".to_owned();
    marks.scopes.remove("birthdate");
    marks.terms.grant_types.insert(GrantType::TokenExchange);
    marks.terms.audiences = [archive.0].into();
    let marks = world.register(marks).await;
    let mut portal = registration(Establishments::All);
    portal.terms.grant_types = GrantType::ALL.into();
    portal.terms.audiences = [marks.0].into();
    (world.client, world.secret) = world.register(portal).await;
    (world, marks, archive)
}

async fn exchange(world: &World, client: &Registered, token: &str, more: &[(&str, &str)]) -> Answer {
    let mut fields = vec![("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", ACCESS_TOKEN)];
    fields.extend(more);
    world.token_as(client.0, &client.1, &fields).await
}

async fn introspect(world: &World, client: &Registered, token: &str) -> Value {
    let mut program = world.program();
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", client.0, client.1)));
    program.headers.insert("authorization", basic.parse().unwrap());
    json(&program.post("/introspect", &[("token", token)]).await)
}

#[tokio::test]
async fn point_46_an_exchanged_token_names_the_person_as_its_audience_knows_them_and_who_acts() {
    let (world, marks, archive) = world().await;
    let portal = (world.client, world.secret.clone());
    let mut browser = world.signed_in().await;
    let code = world.code(&mut browser).await;
    let first = json(&world.redeem(&code).await);
    let token = text(&first["access_token"]);
    let (to_marks, to_archive) = (marks.0.to_string(), archive.0.to_string());
    let answer = exchange(&world, &portal, &token, &[("audience", &to_marks)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let exchanged = json(&answer);
    assert_eq!((&exchanged["issued_token_type"], &exchanged["token_type"]), (&json!(ACCESS_TOKEN), &json!("Bearer")));
    assert!(exchanged.get("refresh_token").is_none() && exchanged.get("id_token").is_none());
    let second = text(&exchanged["access_token"]);
    let (before, after) = (claims(&token), claims(&second));
    assert_eq!((&after["aud"], &after["client_id"]), (&json!(marks.0), &json!(portal.0)));
    assert_eq!(after["act"], json!({ "sub": portal.0 }));
    assert_ne!(before["sub"], after["sub"], "another sector, another name");
    assert_eq!((&before["auth_time"], &before["acr"]), (&after["auth_time"], &after["acr"]));
    assert!(after["exp"].as_i64() <= before["exp"].as_i64());
    let scope = text(&after["scope"]);
    assert!(scope.contains("children") && !scope.contains("birthdate"), "what the audience receives: {scope}");
    assert_eq!(introspect(&world, &marks, &second).await["act"], json!({ "sub": portal.0 }));
    assert_eq!(introspect(&world, &archive, &second).await, json!({ "active": false }));
    // The mark book goes on to the archive: both stand in the chain.
    let answer = exchange(&world, &marks, &second, &[("audience", &to_archive), ("scope", "openid")]).await;
    let third = claims(&text(&json(&answer)["access_token"]));
    assert_eq!(third["act"], json!({ "sub": marks.0, "act": { "sub": portal.0 } }));
    assert_eq!((&third["client_id"], &third["scope"]), (&json!(marks.0), &json!("openid")));
    // It opens no userinfo of ours, and ends in the moment that the sign-in does.
    assert_eq!(world.userinfo(&second).await.status, StatusCode::UNAUTHORIZED);
    world.tell::<Account>(world.account.0, AccountCommand::Disable).await;
    assert_eq!(introspect(&world, &marks, &second).await, json!({ "active": false }));
    assert_eq!(error(&exchange(&world, &portal, &token, &[("audience", &to_marks)]).await), "invalid_request");
}

#[tokio::test]
async fn an_exchange_gives_nobody_more_than_they_have() {
    let (world, marks, archive) = world().await;
    let portal = (world.client, world.secret.clone());
    let mut browser = world.signed_in().await;
    let (token, id) = world.tokens(&mut browser).await;
    let (to_marks, to_archive, to_portal) = (marks.0.to_string(), archive.0.to_string(), portal.0.to_string());
    let own = json(&world.token(&[("grant_type", "client_credentials")]).await);
    let own = text(&own["access_token"]);
    for (client, subject, more, code) in [
        (&portal, token.as_str(), vec![], "invalid_target"),
        (&portal, &token, vec![("audience", to_archive.as_str())], "invalid_target"),
        (&portal, &token, vec![("audience", &to_portal)], "invalid_target"),
        (&portal, &token, vec![("audience", &to_marks), ("scope", "openid birthdate")], "invalid_scope"),
        (&portal, &token, vec![("audience", &to_marks), ("scope", "openid everything")], "invalid_scope"),
        (&portal, &token, vec![("audience", &to_marks), ("actor_token", "x")], "invalid_request"),
        (&portal, &token, vec![("audience", &to_marks), ("requested_token_type", "x")], "invalid_request"),
        (&portal, &id, vec![("audience", &to_marks)], "invalid_request"),
        (&portal, &own, vec![("audience", &to_marks)], "invalid_request"),
        (&portal, "x.y.z", vec![("audience", &to_marks)], "invalid_request"),
        // The portal's token in the mark book's hands: it was not given to it.
        (&marks, &token, vec![("audience", &to_archive)], "invalid_request"),
        (&archive, &token, vec![("audience", &to_marks)], "unauthorized_client"),
    ] {
        let answer = exchange(&world, client, subject, &more).await;
        assert_eq!(error(&answer), code, "{more:?}");
    }
    let fields = [("grant_type", EXCHANGE), ("subject_token", token.as_str()), ("audience", &to_marks)];
    assert_eq!(error(&world.token(&fields).await), "invalid_request", "without its type");
    // A person who has nothing to do with the audience's schools.
    for child in world.children {
        world.enrol(child, school(), 2026, None).await;
        world.enrol(child, college(), 2026, chrono::NaiveDate::from_ymd_opt(2026, 11, 1)).await;
    }
    let answer = exchange(&world, &portal, &token, &[("audience", &to_marks)]).await;
    assert_eq!(error(&answer), "invalid_target");
}
