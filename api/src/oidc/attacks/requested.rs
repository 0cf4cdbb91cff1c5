//! What is asked for by name: `claims` and `acr_values`. Released is never more than the registration says, and how a
//! person was identified is never said better than it was.

use super::world::{CALLBACK, World, claims, json, parameter, registration, text};
use crate::testing::{Answer, Browser};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use domain::account::{Account, AccountCommand, PasswordOrigin};
use domain::ids::SecretId;
use domain::relying_party::{Establishments, GrantType};
use serde_json::{Value, json};
use uuid::Uuid;

const SCHOOL_RECORD: &str = "urn:matricule:acr:guardian-by-school-record";
const PROVISIONAL: &str = "urn:matricule:acr:guardian-by-provisional-password";

async fn tokens(world: &World, browser: &mut Browser, change: &[(&str, Option<&str>)]) -> Value {
    let answer = browser.get(&world.request(change)).await;
    let code = parameter(answer.location(), "code");
    let code = code.unwrap_or_else(|| panic!("no code: {} {}", answer.status, answer.location()));
    let answer = world.redeem(&code).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    json(&answer)
}

async fn userinfo(world: &World, tokens: &Value) -> Value {
    let answer = world.userinfo(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    json(&answer)
}

fn names(claims: &Value) -> Vec<&str> {
    claims.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn claims_are_released_by_name_as_far_as_the_registration_allows() {
    let mut world = World::new().await;
    let mut browser = world.signed_in().await;
    let asked = r#"{"userinfo": {"given_name": {"essential": true}, "FrEduCtPersonAffiliation": null, "picture": null,
                                 "FrEduCtRefId": null, "family_name": {"value": "Another"}},
                    "id_token": {"FrEduOrigAuth": null, "name": {"essential": true}, "auth_time": null}}"#;
    let change = [("scope", Some("openid")), ("claims", Some(asked))];
    let got = tokens(&world, &mut browser, &change).await;
    assert_eq!(got["scope"], "openid", "what is asked for by name is no scope");
    let id = claims(got["id_token"].as_str().unwrap());
    assert_eq!(id["FrEduOrigAuth"], "ECT");
    assert!(id.get("name").is_none(), "a token that travels in URLs names nobody: {id}");
    let seen = userinfo(&world, &got).await;
    let expected = ["FrEduCtPersonAffiliation", "given_name", "sub"];
    assert_eq!(names(&seen), expected, "neither what must be named by the registration, nor another's family name");
    assert_eq!(seen["given_name"], "Thérèse");
    // The client is told nothing of it where its tokens are explained to others.
    let mut program = world.program();
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", world.client, world.secret)));
    program.headers.insert("authorization", basic.parse().unwrap());
    let explained = program.post("/introspect", &[("token", got["access_token"].as_str().unwrap())]).await;
    assert!(json(&explained)["active"] == true && json(&explained).get("claims").is_none(), "{}", explained.body);
    // A registration without the scope never gets its claims, nor one that names others.
    let mut modest = registration(Establishments::All);
    modest.scopes = ["openid", "affiliation"].map(str::to_owned).into();
    (world.client, world.secret) = world.register(modest).await;
    let got = tokens(&world, &mut browser, &change).await;
    assert_eq!(names(&userinfo(&world, &got).await), ["FrEduCtPersonAffiliation", "sub"]);
    let mut named = registration(Establishments::All);
    named.terms.claims = Some(["given_name".to_owned()].into());
    (world.client, world.secret) = world.register(named).await;
    let got = tokens(&world, &mut browser, &change).await;
    assert_eq!(names(&userinfo(&world, &got).await), ["given_name", "sub"]);
    // What is asked for stays as long as the grant.
    let mut refreshing = registration(Establishments::All);
    refreshing.terms.grant_types.insert(GrantType::RefreshToken);
    (world.client, world.secret) = world.register(refreshing).await;
    let got = tokens(&world, &mut browser, &change).await;
    let refreshed = got["refresh_token"].as_str().unwrap();
    let again = json(&world.token(&[("grant_type", "refresh_token"), ("refresh_token", refreshed)]).await);
    assert_eq!(names(&userinfo(&world, &again).await), expected);
    assert_eq!(claims(again["id_token"].as_str().unwrap())["FrEduOrigAuth"], "ECT");
}

#[tokio::test]
async fn a_subject_asked_for_is_that_person_or_nobody() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (_, id) = world.tokens(&mut browser).await;
    let asks = |sub: &str| json!({ "id_token": { "sub": { "value": sub } } }).to_string();
    let same = asks(claims(&id)["sub"].as_str().unwrap());
    let answer = browser.get(&world.request(&[("claims", Some(&same)), ("prompt", Some("none"))])).await;
    assert!(parameter(answer.location(), "code").is_some(), "{}", answer.location());
    let answer = browser.get(&world.request(&[("claims", Some(&asks("me"))), ("prompt", Some("none"))])).await;
    assert_eq!(parameter(answer.location(), "error").as_deref(), Some("login_required"));
    let broken = browser.get(&world.request(&[("claims", Some("{"))])).await;
    assert_eq!(parameter(broken.location(), "error").as_deref(), Some("invalid_request"));
}

/// The guardian came in by a provisional password.
async fn come_in_by_provisional(world: &mut World) {
    let expires_at = world.service.app().clock.now() + TimeDelta::days(1);
    let secret = SecretId(Uuid::new_v4());
    world.credential = SecretId(Uuid::new_v4());
    for command in [
        AccountCommand::IssueProvisionalPassword { secret, expires_at },
        AccountCommand::ChoosePassword { secret: world.credential, origin: PasswordOrigin::ForcedChange, flow: None },
    ] {
        world.tell::<Account>(world.account.0, command).await;
    }
}

fn essential(value: &str) -> String {
    json!({ "id_token": { "acr": { "essential": true, "value": value } } }).to_string()
}

/// The address by which the page lets the person go on as they are.
fn as_is(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("/authorize/continue?request=").expect("a way on");
    format!("/authorize/continue?request={}&as_is=1", &rest[..36])
}

#[tokio::test]
async fn a_better_way_is_offered_and_the_answer_is_honest() {
    let mut world = World::new().await;
    come_in_by_provisional(&mut world).await;
    let mut browser = world.signed_in().await;
    let asks = world.request(&[("acr_values", Some(SCHOOL_RECORD))]);
    let page = browser.get(&asks).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.location());
    assert!(page.body.contains("href=\"/reset\""), "{}", page.body);
    let answer = browser.get(&as_is(&page)).await;
    let code = parameter(answer.location(), "code").unwrap_or_else(|| panic!("no code: {}", answer.body));
    let id = claims(json(&world.redeem(&code).await)["id_token"].as_str().unwrap());
    assert_eq!(id["acr"], PROVISIONAL, "never better than it was");
    // A wish is no condition: nobody is asked where nothing better is to be had, or no page may be shown.
    for wish in [
        [("acr_values", Some(SCHOOL_RECORD)), ("prompt", Some("none"))],
        [("acr_values", Some("eidas3 urn:example:better")), ("prompt", None)],
    ] {
        assert!(parameter(browser.get(&world.request(&wish)).await.location(), "code").is_some(), "{wish:?}");
    }
    // One that is met goes straight through.
    let met = browser.get(&world.request(&[("acr_values", Some(PROVISIONAL))])).await;
    assert!(parameter(met.location(), "code").is_some());
}

#[tokio::test]
async fn what_is_essential_and_not_met_is_refused_by_its_name() {
    let mut world = World::new().await;
    come_in_by_provisional(&mut world).await;
    let mut browser = world.signed_in().await;
    let unmet = Some("unmet_authentication_requirements");
    let asked = essential(SCHOOL_RECORD);
    let silent = browser.get(&world.request(&[("claims", Some(&asked)), ("prompt", Some("none"))])).await;
    assert_eq!(parameter(silent.location(), "error").as_deref(), unmet);
    assert!(silent.location().starts_with(CALLBACK));
    // With a page the better way is shown, and the way back says no.
    let page = browser.get(&world.request(&[("claims", Some(&asked))])).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.location());
    assert!(page.body.contains("href=\"/reset\"") && page.body.contains("error=unmet_authentication_requirements"));
    assert!(!page.body.contains("as_is"), "nothing less will do");
    // Whoever goes on by hand gets no further.
    let request: Uuid = sqlx::query_scalar("SELECT id FROM service.authorization_request")
        .fetch_one(&world.service.app().db)
        .await
        .unwrap();
    let by_hand = browser.get(&format!("/authorize/continue?request={request}&as_is=1")).await;
    assert_eq!(by_hand.status, StatusCode::OK);
    assert!(by_hand.location().is_empty() && by_hand.body.contains("href=\"/reset\""));
    // What nobody can reach is refused at once.
    let never = browser.get(&world.request(&[("claims", Some(&essential("eidas3")))])).await;
    assert_eq!(parameter(never.location(), "error").as_deref(), unmet);
    // After the reset by the mobile on file, the same session's request succeeds.
    world.credential = SecretId(Uuid::new_v4());
    let flow = domain::ids::FlowId(Uuid::new_v4());
    let (now, secret) = (world.service.app().clock.now(), SecretId(Uuid::new_v4()));
    let (to, expires_at) = ("+33639980001".parse().unwrap(), now + TimeDelta::minutes(30));
    let purpose = domain::account::Purpose::CredentialReset;
    let origin = PasswordOrigin::Reset;
    for command in [
        AccountCommand::IssueCode { purpose, flow, secret, to, expires_at },
        AccountCommand::AcceptCode { flow, now },
        AccountCommand::ChoosePassword { secret: world.credential, origin, flow: Some(flow) },
    ] {
        world.tell::<Account>(world.account.0, command).await;
    }
    let mut browser = world.signed_in().await;
    let got = tokens(&world, &mut browser, &[("claims", Some(&asked))]).await;
    assert_eq!(claims(&text(&got["id_token"]))["acr"], SCHOOL_RECORD);
}
