//! Who signed in, who was refused, and who got tokens, as the access log tells it (point 41).

use crate::activation::fixture::{self, Family, PASSWORD, activate, identify, type_code};
use crate::app::App;
use crate::reset::operator::hand_out;
use crate::testing::TestService;
use ledger::access::{Kind, Of, Stored, Wanted, read};

async fn entries(app: &App, kind: Kind, of: Of) -> Vec<Stored> {
    app.access.written().await;
    read(&app.db, &Wanted { kinds: vec![kind], ..Wanted::all(of, 100) }).await.unwrap()
}

fn outcomes(entries: &[Stored]) -> Vec<(&str, &str)> {
    entries.iter().rev().map(|entry| (entry.what.as_str(), entry.outcome.as_str())).collect()
}

#[tokio::test]
async fn point_41_every_sign_in_and_refusal_says_who_when_where_and_what() {
    let service = TestService::start().await;
    let (app, family) = (service.app(), Family::settle(service.app()).await);
    activate(&service, &family).await;
    let mut browser = service.browser();
    let wrong = fixture::sign_in(&mut browser, "a.lefictif", "quatre girafes mauves").await;
    let right = fixture::sign_in(&mut browser, "a.lefictif", PASSWORD).await;
    fixture::sign_in(&mut service.browser(), "nobody.at.all", PASSWORD).await;
    let of_account = entries(app, Kind::SignIn, Of::Person(family.account.0)).await;
    assert_eq!(outcomes(&of_account), [("sms", "success"), ("password", "wrong"), ("password", "success")]);
    let [success, refusal, _] = &of_account[..] else { panic!("three entries") };
    assert_eq!(success.actor, Some(format!("account:{}", family.account)));
    assert_eq!(refusal.actor, None, "whoever typed a wrong password is not the holder");
    assert_eq!(success.origin, Some(app.ledger.lookup_hash("network", "127.0.0.1")));
    let reference = |answer: &crate::testing::Answer| answer.header(crate::incident::HEADER).replace('-', "");
    assert_eq!(refusal.reference, Some(reference(&wrong)));
    assert_eq!(success.reference, Some(reference(&right)));
    let all = entries(app, Kind::SignIn, Of::Everyone).await;
    assert_eq!(all.iter().filter(|entry| entry.subject.is_none() && entry.outcome == "wrong").count(), 1);
    let text = format!("{all:?}");
    assert!(!text.contains("lefictif") && !text.contains("girafes") && !text.contains("nobody"), "ids only");
}

#[tokio::test]
async fn point_41_throttling_provisional_passwords_and_wrong_codes_are_told_apart() {
    let service = TestService::start().await;
    let (app, family) = (service.app(), Family::settle(service.app()).await);
    let mut browser = service.browser();
    identify(&mut browser, fixture::SURNAME, fixture::GIVEN, fixture::MOBILE).await;
    let code = fixture::last_code(app).await;
    let other = if code == "000000" { "000001" } else { "000000" };
    type_code(&mut browser, other).await;
    let codes = entries(app, Kind::SignIn, Of::Person(family.account.0)).await;
    assert_eq!(outcomes(&codes), [("sms", "wrong")]);
    activate(&service, &family).await;
    let validity = app.config.passwords.provisional_validity.delta();
    let context = fixture::context(app);
    let handed =
        hand_out(&app.ledger, &app.db, &app.guard.passwords, family.account, validity, &context).await.unwrap();
    let mut browser = service.browser();
    fixture::sign_in(&mut browser, &handed.login, &handed.password.show()).await;
    for _ in 0..6 {
        fixture::sign_in(&mut browser, &handed.login, "girafes").await;
    }
    let told = entries(app, Kind::SignIn, Of::Everyone).await;
    let told = outcomes(&told);
    assert!(told.contains(&("password", "must-change")) && told.contains(&("password", "throttled")), "{told:?}");
}

#[tokio::test]
async fn point_41_nothing_noted_is_lost_when_the_service_stops() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    activate(&service, &family).await;
    for _ in 0..3 {
        fixture::sign_in(&mut service.browser(), "a.lefictif", PASSWORD).await;
    }
    let service = service.restarted(|_| {}).await;
    let app = service.app();
    let wanted = Wanted { kinds: vec![Kind::SignIn], ..Wanted::all(Of::Person(family.account.0), 100) };
    assert_eq!(read(&app.db, &wanted).await.unwrap().len(), 4);
}

#[tokio::test]
async fn months_of_the_log_are_made_ahead_and_dropped_past_retention() {
    let service = TestService::start().await;
    let app = service.app();
    let months = async || -> i64 {
        let count = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'access.entry'::regclass";
        sqlx::query_scalar(count).fetch_one(&app.db).await.unwrap()
    };
    let past = app.clock.now() - chrono::TimeDelta::days(500);
    sqlx::query("SELECT access.keep_month($1)").bind(past).execute(&app.db).await.unwrap();
    let before = months().await;
    crate::tidying::round(app).await.unwrap();
    assert_eq!(months().await, before, "one went, one came");
}
