//! Who sees whom.

use super::world::{CALLBACK, World, college, error, json, parameter, registration, school};
use axum::http::StatusCode;
use chrono::NaiveDate;
use domain::account::{Account, AccountCommand};
use domain::relying_party::Establishments;
use serde_json::Value;

async fn seen(world: &World, browser: &mut crate::testing::Browser) -> Value {
    let (access, _) = world.tokens(browser).await;
    let answer = world.userinfo(&access).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    json(&answer)
}

#[tokio::test]
async fn a_guardian_is_shown_with_the_children_that_the_service_serves() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let claims = seen(&world, &mut browser).await;
    assert_eq!((&claims["given_name"], &claims["sn"]), (&"Thérèse".into(), &"Lefictif".into()));
    assert_eq!(claims["FrEduCtPersonAffiliation"], serde_json::json!(["resp2d"]));
    let children = claims["children"].as_array().unwrap();
    assert_eq!(children.len(), 2);
    for child in children {
        assert_eq!(child["establishments"][0]["uai"], college().to_string());
        assert_eq!(child["establishments"][0]["name"], "Collège Fictif");
        assert_eq!(child["establishments"][0]["class"], "6A");
        assert_eq!((&child["relationship"], &child["birthdate"]), (&"mother".into(), &"2014-05-06".into()));
        assert_ne!(child["sub"], claims["sub"]);
    }
}

#[tokio::test]
async fn scopes_not_asked_for_release_nothing() {
    let mut world = World::new().await;
    let mut browser = world.signed_in().await;
    let mut modest = registration(Establishments::All);
    modest.scopes = ["openid", "children"].map(str::to_owned).into();
    (world.client, world.secret) = world.register(modest).await;
    let claims = seen(&world, &mut browser).await;
    let mut names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["children", "sub"]);
    assert!(claims["children"][0].get("birthdate").is_none());
}

#[tokio::test]
async fn an_ine_is_released_only_where_the_registration_names_it() {
    let mut world = World::new().await;
    world.become_the_pupil().await;
    let mut browser = world.signed_in().await;
    let asks = async |world: &World, browser: &mut crate::testing::Browser| {
        let scope = "openid affiliation establishment ine";
        let answer = browser.get(&world.request(&[("scope", Some(scope))])).await;
        let code = parameter(answer.location(), "code").unwrap_or_else(|| panic!("no code: {}", answer.location()));
        let tokens = json(&world.redeem(&code).await);
        let id = super::world::claims(tokens["id_token"].as_str().unwrap());
        assert!(!id.to_string().contains("123456789AA"), "never in a token that travels in URLs");
        assert_eq!(id["acr"], "urn:matricule:acr:pupil-by-school");
        json(&world.userinfo(tokens["access_token"].as_str().unwrap()).await)
    };
    let claims = asks(&world, &mut browser).await;
    assert_eq!(claims["FrEduCtEleveUAI"], college().to_string());
    assert_eq!(claims["FrEduCtPersonAffiliation"], serde_json::json!(["eleve2d"]));
    assert_eq!(claims["FrEduCtId"], claims["sub"]);
    assert!(claims.get("FrEduCtEleveINE").is_none(), "the scope alone does not do: {claims}");
    let mut named = registration(Establishments::All);
    named.terms.claims = Some(["FrEduCtEleveINE".to_owned()].into());
    (world.client, world.secret) = world.register(named).await;
    let claims = asks(&world, &mut browser).await;
    let mut names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!((names, &claims["FrEduCtEleveINE"]), (vec!["FrEduCtEleveINE", "sub"], &"123456789AA".into()));
}

#[tokio::test]
async fn a_child_who_moves_away_is_out_of_the_former_schools_sight_at_once() {
    let mut world = World::new().await;
    let mut browser = world.signed_in().await;
    let (access, _) = world.tokens(&mut browser).await;
    let waiting = world.code(&mut browser).await;
    let [moves, stays] = world.children;
    world.enrol(moves, school(), 2027, None).await;
    // At once: not even the views are waited for.
    let of_the_college = world.userinfo(&access).await;
    assert_eq!(of_the_college.status, StatusCode::OK);
    assert_eq!(json(&of_the_college)["children"].as_array().unwrap().len(), 1);
    assert!(!of_the_college.body.contains("Zoé") && !of_the_college.body.contains(school().as_str()));
    // The second child leaves too: nothing is left of the family there.
    world.enrol(stays, college(), 2026, NaiveDate::from_ymd_opt(2027, 1, 8)).await;
    assert_eq!(world.userinfo(&access).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(error(&world.redeem(&waiting).await), "invalid_grant");
    let page = browser.get(&world.request(&[])).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.body.contains("error=access_denied") && page.body.contains("Carnet du collège Fictif"));
    assert!(page.body.contains("class=\"reference\""));
    let silent = browser.get(&world.request(&[("prompt", Some("none"))])).await;
    assert_eq!(parameter(silent.location(), "error").as_deref(), Some("access_denied"));
    assert!(silent.location().starts_with(CALLBACK));
    // The account stays, and the new school's service sees the child.
    world.views_are_there().await;
    let of_the_school = registration(Establishments::Only([school()].into_iter().collect()));
    (world.client, world.secret) = world.register(of_the_school).await;
    let claims = seen(&world, &mut browser).await;
    assert_eq!(claims["FrEduCtPersonAffiliation"], serde_json::json!(["resp1d"]));
    assert_eq!(claims["children"].as_array().unwrap().len(), 1);
    assert_eq!(claims["children"][0]["establishments"][0]["uai"], school().to_string());
}

#[tokio::test]
async fn a_child_reported_as_not_theirs_is_not_shown() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let (access, _) = world.tokens(&mut browser).await;
    world.tell::<Account>(world.account.0, AccountCommand::ReportChild { pupil: world.children[0] }).await;
    let claims = json(&world.userinfo(&access).await);
    assert_eq!(claims["children"].as_array().unwrap().len(), 1);
    assert_eq!(claims["children"][0]["given_name"], "Élie");
}

#[tokio::test]
async fn a_person_has_one_name_in_a_sector_and_another_in_each_other() {
    let mut world = World::new().await;
    let mut browser = world.signed_in().await;
    let first = seen(&world, &mut browser).await;
    let again = seen(&world, &mut browser).await;
    assert_eq!((&first["sub"], &first["children"][0]["sub"]), (&again["sub"], &again["children"][0]["sub"]));
    (world.client, world.secret) = world.register(registration(Establishments::All)).await;
    let sibling = seen(&world, &mut browser).await;
    assert_eq!(first["sub"], sibling["sub"], "another service of the same sector");
    let mut foreign = registration(Establishments::All);
    foreign.sector_identifier = "cantine.example.org".to_owned();
    (world.client, world.secret) = world.register(foreign).await;
    let foreign = seen(&world, &mut browser).await;
    assert_ne!(first["sub"], foreign["sub"]);
    let subs = |claims: &Value| {
        claims["children"].as_array().unwrap().iter().map(|c| c["sub"].to_string()).collect::<Vec<_>>()
    };
    assert!(subs(&first).iter().all(|sub| !subs(&foreign).contains(sub)));
    let ids = [world.account.to_string(), world.children[0].to_string()];
    assert!(ids.iter().all(|id| !foreign.to_string().contains(id.as_str())), "no inner id goes out");
}
