//! Further providers by configuration alone, each with its own rule.

use super::world::Desks;
use crate::activation::fixture::{Family, context, day, school_data, uai};
use crate::testing::Browser;
use axum::http::StatusCode;
use domain::account::{Account, AccountCommand, Holder, Status, UpstreamProof};
use domain::ids::{AccountId, PupilId};
use domain::pupil::{Pupil, PupilCommand};
use ledger::Unit;
use serde_json::{Value, json};
use uuid::Uuid;

const INE: &str = "012345678AA";

fn pupil(given: &str, birthdate: &str, more: Value) -> Value {
    let mut claims = json!({ "given_name": given, "family_name": "Lefictif", "birthdate": birthdate });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

fn people() -> Value {
    let vector = |kind: &str, given: &str| format!("{kind}|LEFICTIF|{given}|4711|{}", uai());
    json!({
        "right": pupil("Zoé", "2010-01-15", json!({ "ine": INE.to_lowercase(), "FrEduVecteur": vector("4", "Zoé") })),
        "other-names": pupil("Yann", "2010-01-15", json!({ "ine": INE, "FrEduVecteur": vector("4", "Yann") })),
        "other-day": pupil("Zoé", "2010-01-16", json!({ "ine": INE })),
        "nothing": pupil("Zoé", "2010-00-00", json!({ "FrEduVecteur": "4|LEFICTIF" })),
        "guardian": json!({ "given_name": "Aude", "family_name": "LEFICTIF", "FrEduVecteur": vector("2", "Aude"),
                            "identifiant": " A.Lefictif " }),
        "stranger": json!({ "given_name": "Angela", "family_name": "DUBOIS", "identifiant": "a.lefictif" }),
    })
}

/// Zoé, with an INE and an account nobody has used.
async fn zoe(desks: &Desks) -> AccountId {
    let app = desks.service.app();
    let (id, account) = (PupilId(Uuid::new_v4()), AccountId(Uuid::new_v4()));
    let mut data = school_data(id, "Zoé", day(2010, 1, 15), &[]);
    data.ine = Some(INE.parse().unwrap());
    let recorded = Pupil::default().decide(PupilCommand::RecordSchoolData(Box::new(data))).unwrap();
    let opened = Account::default().decide(AccountCommand::Open { account, holder: Holder::Pupil(id) }).unwrap();
    let hash = |kind: &str, value: &str| app.ledger.lookup_hash(kind, value);
    let unit = Unit::new(context(app))
        .stream::<Pupil>(&id.to_string(), 0, recorded)
        .stream::<Account>(&account.to_string(), 0, opened)
        .claim("ine", id.to_string(), hash("ine", INE))
        .claim("holder", account.to_string(), hash("holder", &format!("pupil:{id}")));
    app.ledger.append(unit).await.unwrap();
    account
}

async fn account(desks: &Desks, id: AccountId) -> Account {
    desks.service.app().ledger.load::<Account>(&id.to_string()).await.unwrap().aggregate
}

async fn refused(desks: &Desks, desk: &str, person: &str) {
    let mut browser = desks.service.browser();
    let answer = desks.come_back(&mut browser, desk, person).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{desk} {person}: {}", answer.body);
    assert!(!browser.cookies.contains_key("session"), "{desk} {person}");
}

async fn enters(desks: &Desks, desk: &str, person: &str) -> Browser {
    let mut browser = desks.service.browser();
    let answer = desks.come_back(&mut browser, desk, person).await;
    assert!(answer.location().starts_with("/account"), "{desk} {person}: {} {}", answer.status, answer.body);
    assert_eq!(browser.get("/account").await.status, StatusCode::OK);
    browser
}

#[tokio::test]
async fn each_rule_leads_to_the_one_person_it_names_and_to_nobody_else() {
    let desks = Desks::start(people()).await;
    let family = Family::settle(desks.service.app()).await;
    let zoe = zoe(&desks).await;

    let wrong: [(&str, &[&str]); 3] = [
        ("desk-ine", &["other-names", "other-day", "nothing"]),
        ("desk-vector", &["other-names", "nothing", "stranger"]),
        ("desk-birth", &["other-names", "other-day", "nothing"]),
    ];
    for (desk, people) in wrong {
        for person in people {
            refused(&desks, desk, person).await;
        }
    }
    assert_eq!(account(&desks, zoe).await.status, Status::Open, "nobody has used it");

    enters(&desks, "desk-ine", "right").await;
    enters(&desks, "desk-vector", "right").await;
    enters(&desks, "desk-birth", "right").await;
    let now = account(&desks, zoe).await;
    assert_eq!((now.status, now.password.is_none()), (Status::Activated, true));
    let mut proofs: Vec<(String, UpstreamProof)> =
        now.links.values().map(|link| (link.provider.clone(), link.proof)).collect();
    proofs.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("desk-birth", UpstreamProof::NamesAndBirthDate),
        ("desk-ine", UpstreamProof::Ine),
        ("desk-vector", UpstreamProof::EducationVector),
    ];
    assert_eq!(proofs, expected.map(|(name, proof)| (name.to_owned(), proof)));
    enters(&desks, "desk-ine", "right").await;
    assert_eq!(account(&desks, zoe).await.links.len(), 3, "a later use links nothing more");

    // A guardian, by vector; the children are asked for before anything else.
    let mut browser = desks.service.browser();
    let answer = desks.come_back(&mut browser, "desk-vector", "guardian").await;
    assert_eq!(answer.location(), "/account/children", "{} {}", answer.status, answer.body);
    let guardian = account(&desks, family.account).await;
    assert_eq!(guardian.links.values().next().unwrap().proof, UpstreamProof::EducationVector);
    // By login, which the first sign-in assigned.
    refused(&desks, "desk-login", "stranger").await;
    let mut browser = desks.service.browser();
    let answer = desks.come_back(&mut browser, "desk-login", "guardian").await;
    assert!(answer.location().starts_with("/account"), "{} {}", answer.status, answer.body);
}

#[tokio::test]
async fn a_desk_opens_accounts_of_its_own_kind_only() {
    let desks = Desks::start(people()).await;
    Family::settle(desks.service.app()).await;
    zoe(&desks).await;
    // Its buttons are offered by the names that the configuration gives.
    let page = desks.service.browser().get("/sign-in").await;
    assert!(page.body.contains("Guichet d’essai") && page.body.contains("/sign-in/with/desk-ine"), "{}", page.body);
    let mut browser = enters(&desks, "desk-ine", "right").await;
    let ways = browser.get("/account/ways-in").await;
    assert!(ways.body.contains("/account/ways-in/add/desk-birth"), "{}", ways.body);
    assert!(!ways.body.contains("/account/ways-in/add/desk-login"), "that one is for guardians");
}
