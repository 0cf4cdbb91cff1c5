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

/// One claim alone, asked for with every scope: whether it comes, by which registration.
async fn told(world: &mut World, claims: Option<&[&str]>) -> (Value, Value) {
    let mut registration = registration(Establishments::All);
    registration.terms.claims = claims.map(|claims| claims.iter().map(|&claim| claim.to_owned()).collect());
    (world.client, world.secret) = world.register(registration).await;
    let mut browser = world.signed_in().await;
    let every = crate::oidc::scopes::ALL.join(" ");
    let answer = browser.get(&world.request(&[("scope", Some(&every))])).await;
    let code = parameter(answer.location(), "code").unwrap_or_else(|| panic!("no code: {}", answer.location()));
    let tokens = json(&world.redeem(&code).await);
    let id = super::world::claims(tokens["id_token"].as_str().unwrap());
    (json(&world.userinfo(tokens["access_token"].as_str().unwrap()).await), id)
}

#[tokio::test]
async fn each_attribute_of_a_pupil_is_released_by_what_the_registration_says() {
    let mut world = World::configured(|config| {
        config.oidc.stages = [("10".to_owned(), "2999".to_owned()), ("1001".to_owned(), "2111".to_owned())].into();
    })
    .await;
    world.become_the_pupil().await;
    let (open, id) = told(&mut world, None).await;
    // SHA-256 of "123456789AA", by another program.
    let hash = "f7837eb5e5cf90b6cfd3d4503c060f632a72fe32799705f276ebb0c1ef5bb7d8";
    let expected: [(&str, Value, bool); 11] = [
        ("FrEduCtPersonAffiliation", serde_json::json!(["eleve2d"]), false),
        ("FrEduCtId", open["sub"].clone(), false),
        ("FrEduCtEleveUAI", college().to_string().into(), false),
        ("FrEduCtEleveNiveau", "2111".into(), false),
        ("FrEduCtDateNaissance", "06/05/2014".into(), false),
        ("FrEduUrlRetour", "http://localhost:8080/end-session".into(), false),
        ("FrEduOrigAuth", "ECT".into(), false),
        ("sn", "Lefictif".into(), false),
        ("givenName", "Zoé".into(), false),
        ("FrEduCtEleveINE", "123456789AA".into(), true),
        ("FrEduCtEleveINEHash", hash.into(), true),
    ];
    for (name, value, must_be_named) in &expected {
        assert_eq!(open.get(*name), Some(value).filter(|_| !must_be_named), "{name} without being named");
        let (alone, _) = told(&mut world, Some(&[*name])).await;
        assert_eq!(alone.as_object().unwrap().len(), 2, "{name} and sub, nothing else: {alone}");
        assert_eq!(alone.get(*name), Some(value), "{name}");
    }
    let at = chrono::DateTime::parse_from_rfc3339(open["FrEduCtDateConnexion"].as_str().unwrap()).unwrap();
    assert_eq!(at.timestamp(), id["auth_time"].as_i64().unwrap());
    for named in ["FrEduCtRefId", "FrEduVecteur"] {
        assert!(open.get(named).is_none(), "{named}");
    }
    let (vector, _) = told(&mut world, Some(&["FrEduVecteur"])).await;
    let text = vector["FrEduVecteur"][0].as_str().unwrap();
    assert!(text.starts_with("4|Lefictif|Zoé|") && text.ends_with(college().as_str()), "{text}");
    let (reference, _) = told(&mut world, Some(&["FrEduCtRefId"])).await;
    assert_ne!(reference["FrEduCtRefId"], open["sub"]);
    assert_eq!(reference["FrEduCtRefId"].as_str().map(str::len), Some(43));
    for (name, ..) in &expected {
        let kept = ["FrEduCtPersonAffiliation", "FrEduCtEleveUAI"].contains(name);
        assert_eq!(id.get(*name).is_some(), kept, "{name} in a token that travels in URLs");
    }
}

#[tokio::test]
async fn a_guardian_s_children_have_their_numbers_where_the_registration_names_them() {
    let mut world = World::new().await;
    let child = world.children[0];
    world.number(child, "123456789AA").await;
    let (open, _) = told(&mut world, None).await;
    assert!(!open.to_string().contains("123456789AA") && !open.to_string().contains("INE"), "{open}");
    let (named, id) = told(&mut world, Some(&["children", "FrEduCtEleveINE", "FrEduCtEleveINEHash"])).await;
    let children = named["children"].as_array().unwrap();
    let numbered: Vec<&Value> = children.iter().filter(|child| child.get("FrEduCtEleveINE").is_some()).collect();
    assert_eq!((children.len(), numbered.len()), (2, 1), "{named}");
    assert_eq!(numbered[0]["FrEduCtEleveINE"], "123456789AA");
    assert_eq!(numbered[0]["FrEduCtEleveINEHash"].as_str().map(str::len), Some(64));
    assert!(children.iter().all(|child| child.get("birthdate").is_none()), "not named: {named}");
    assert!(!id.to_string().contains("INE"));
    let (vectors, _) = told(&mut world, Some(&["FrEduVecteur"])).await;
    assert_eq!(vectors["FrEduVecteur"].as_array().unwrap().len(), 2);
    assert!(vectors["FrEduVecteur"][0].as_str().unwrap().starts_with("2|Lefictif|Thérèse|"), "{vectors}");
}
