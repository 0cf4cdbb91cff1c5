//! What a person is told of themselves, and what they are not.

use crate::activation::fixture::{Family, activate, context, day, school_data, tell};
use crate::testing::TestService;
use axum::http::HeaderValue;
use chrono::TimeDelta;
use domain::account::{Account, AccountCommand};
use domain::ids::GuardianId;
use uuid::Uuid;

/// A school declares another guardian beside Aude.
async fn other_parent(service: &TestService, family: &Family) -> GuardianId {
    let other = GuardianId(Uuid::new_v4());
    tell(service.app(), school_data(family.anais, "Anaïs", day(2014, 9, 3), &[family.guardian, other])).await;
    other
}

#[tokio::test]
async fn the_history_is_ones_own_in_plain_words() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    let other = other_parent(&service, &family).await;
    let page = browser.get("/account/history").await;
    for words in ["Le compte est activé", "Par vous-même", "Par le service", "LEFICTIF"] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert!(!page.body.contains(&other.to_string()), "nothing of the other parent");
    browser.headers.insert("accept-language", HeaderValue::from_static("en"));
    assert!(browser.get("/account/history").await.body.contains("The account was activated"));
    // A child that is no longer theirs is no longer told of.
    tell(service.app(), school_data(family.basile, "Basile", day(2012, 5, 7), &[other])).await;
    let after = browser.get("/account/history").await;
    assert!(!after.body.contains(&other.to_string()));
    assert!(service.browser().get("/account/history").await.location().starts_with("/sign-in"));
}

#[tokio::test]
async fn a_long_history_is_read_page_by_page() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    let (app, id) = (service.app(), family.account.to_string());
    for _ in 0..15 {
        for command in [AccountCommand::Disable, AccountCommand::Enable] {
            app.ledger.execute::<Account>(&id, command, &context(app)).await.unwrap();
        }
    }
    let (mut path, mut told, mut pages) = ("/account/history".to_owned(), 0, 0);
    loop {
        let page = browser.get(&path).await;
        let entries = page.body.matches("<time datetime=").count();
        assert!(entries <= 20, "{entries}");
        (told, pages) = (told + entries, pages + 1);
        let Some(rest) = page.body.split("href=\"/account/history?before=").nth(1) else { break };
        path = format!("/account/history?before={}", rest.split('"').next().unwrap());
    }
    assert!(pages >= 2 && told >= 34, "{pages} pages, {told} entries");
    assert_eq!(browser.get("/account/history?before=x").await.status, 400);
}

#[tokio::test]
async fn the_data_are_for_their_person_after_a_fresh_proof_and_leave_a_trace() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    let other = other_parent(&service, &family).await;
    assert!(browser.get("/account/data").await.body.contains("/account/data/matricule.json"));
    let answer = browser.get("/account/data/matricule.json").await;
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"matricule.json\"");
    let data: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&data["login"], &data["holder"]), (&"a.lefictif".into(), &"guardian".into()));
    assert_eq!(data["records"][0]["mobile"], "+33639980001");
    assert_eq!(data["children"].as_array().unwrap().len(), 2);
    assert!(data["history"].as_array().unwrap().len() > 5);
    assert!(!answer.body.contains(&other.to_string()) && !answer.body.contains("argon2"));
    let html = browser.get("/account/data/matricule.html").await;
    assert!(html.body.contains("a.lefictif") && !html.body.contains("href="), "it stands alone");
    let traces: Vec<(String, Vec<u8>)> = sqlx::query_as(
        "SELECT actor, export_hash FROM access.entry WHERE kind = 'own-read' AND subject = $1 ORDER BY at",
    )
    .bind(family.account.0)
    .fetch_all(&service.app().db)
    .await
    .unwrap();
    assert_eq!(traces.len(), 2);
    assert_eq!(traces[0].0, format!("account:{}", family.account));
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, answer.body.as_bytes());
    assert_eq!(traces[0].1, hash.as_ref());
    // An open browser is not enough.
    service.app().clock.advance(TimeDelta::minutes(11));
    for path in ["/account/data/matricule.json", "/account/data/matricule.html"] {
        assert!(browser.get(path).await.location().starts_with("/sign-in/again?return_to="), "{path}");
        assert!(service.browser().get(path).await.location().starts_with("/sign-in?"), "{path}");
    }
}
