//! Recovery, and the attacks on it.

use crate::activation::fixture::{
    Family, PASSWORD, activate, choose, identify, last_code, last_sms, sign_in, token, type_code,
};
use crate::testing::{Answer, Browser, TestService};
use crate::{
    activation::fixture::context,
    reset::operator::{ResetError, Whose, find, hand_out},
};
use domain::account::{Account, AccountCommand};
use domain::guardian::{Guardian, GuardianCommand, GuardianContact};
use domain::ids::AccountId;
use domain::personal::Personal;
use std::time::{Duration, Instant};
use uuid::Uuid;

async fn by_login(browser: &mut Browser, login: &str, mobile: &str) -> Answer {
    let page = browser.get("/reset").await;
    let token = token(&page, "/reset");
    browser.post("/reset", &[("form_token", &token), ("login", login), ("login_mobile", mobile)]).await
}

#[tokio::test]
async fn a_guardian_recovers_by_login_and_by_name() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    activate(&service, &family).await;
    let mut browser = service.browser();
    assert_eq!(by_login(&mut browser, "A.LEFICTIF", "+33 6 39 98 00 01").await.location(), "/code");
    let code = last_code(service.app()).await;
    assert_eq!(type_code(&mut browser, &code).await.location(), "/new-password");
    assert!(browser.get("/new-password").await.body.contains("a.lefictif"));
    assert_eq!(choose(&mut browser, "quatre loutres jouent au tarot").await.location(), "/account");

    let mut other = service.browser();
    let page = other.get("/reset").await;
    let token = token(&page, "/reset/identity");
    let fields =
        [("form_token", token.as_str()), ("surname", "LEFICTIF"), ("given_name", "aude"), ("mobile", "0639980001")];
    assert_eq!(other.post("/reset/identity", &fields).await.location(), "/code");
    let code = last_code(service.app()).await;
    assert_eq!(type_code(&mut other, &code).await.location(), "/new-password");
}

#[tokio::test]
async fn only_the_phone_in_the_schools_file_gets_a_code() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    activate(&service, &family).await;
    for (login, mobile) in [("a.lefictif", "06 39 98 00 02"), ("z.personne", "06 39 98 00 01")] {
        assert_eq!(by_login(&mut service.browser(), login, mobile).await.location(), "/code");
        assert!(last_sms(service.app()).await.is_none(), "{login} {mobile}");
    }
}

#[tokio::test]
async fn a_number_proved_once_gets_no_code_when_the_schools_file_names_another() {
    let service = TestService::start().await;
    let app = service.app();
    let family = Family::settle(app).await;
    activate(&service, &family).await;
    let id = family.guardian.to_string();
    let record = app.ledger.load::<Guardian>(&id).await.unwrap().aggregate;
    let identity = record.identity.as_ref().and_then(Personal::known).unwrap().clone();
    let contact = GuardianContact { mobile: Some("+33639980003".parse().unwrap()), email: None };
    let corrected = GuardianCommand::RecordSchoolData { guardian: family.guardian, identity, contact };
    app.ledger.execute::<Guardian>(&id, corrected, &context(app)).await.unwrap();
    for (mobile, sent) in [("06 39 98 00 01", false), ("06 39 98 00 03", true)] {
        assert_eq!(by_login(&mut service.browser(), "a.lefictif", mobile).await.location(), "/code");
        assert_eq!(last_sms(app).await.is_some(), sent, "{mobile}");
    }
}

#[tokio::test]
async fn point_37_a_refusal_after_the_look_up_takes_as_long_whoever_the_login_is() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    activate(&service, &family).await;
    let mut refused = 0;
    for login in ["a.lefictif", "z.personne"] {
        for _ in 0..4 {
            let mut browser = service.browser();
            let page = browser.get("/reset").await;
            let token = token(&page, "/reset");
            let fields = [("form_token", token.as_str()), ("login", login), ("login_mobile", "06 39 98 00 02")];
            let start = Instant::now();
            refused += usize::from(browser.post("/reset", &fields).await.status == 429);
            assert!(start.elapsed() >= Duration::from_millis(400), "{login} {:?}", start.elapsed());
        }
    }
    assert_eq!(refused, 5, "three for a number from one address");
}

#[tokio::test]
async fn recovery_before_first_use_asks_for_the_children_too() {
    let service = TestService::start().await;
    Family::settle(service.app()).await;
    let mut browser = service.browser();
    let page = browser.get("/reset").await;
    let token = token(&page, "/reset/identity");
    let fields =
        [("form_token", token.as_str()), ("surname", "Lefictif"), ("given_name", "Aude"), ("mobile", "0639980001")];
    browser.post("/reset/identity", &fields).await;
    let code = last_code(service.app()).await;
    assert_eq!(type_code(&mut browser, &code).await.location(), "/children");
}

#[tokio::test]
async fn a_disabled_account_gets_neither_code_nor_provisional_password() {
    let service = TestService::start().await;
    let app = service.app();
    let family = Family::settle(app).await;
    activate(&service, &family).await;
    let id = family.account.to_string();
    app.ledger.execute::<Account>(&id, AccountCommand::Disable, &context(app)).await.unwrap();
    identify(&mut service.browser(), "Lefictif", "Aude", "0639980001").await;
    assert!(last_sms(app).await.is_none());
    let validity = app.config.passwords.provisional_validity.delta();
    let refused = hand_out(&app.ledger, &app.db, &app.guard.passwords, family.account, validity, &context(app)).await;
    assert!(matches!(refused, Err(ResetError::Refused(_))));
    assert_eq!(sign_in(&mut service.browser(), "a.lefictif", PASSWORD).await.status, 422);
}

#[tokio::test]
async fn an_operator_finds_accounts_by_what_they_have_in_hand() {
    let service = TestService::start().await;
    let app = service.app();
    let family = Family::settle(app).await;
    activate(&service, &family).await;
    assert_eq!(find(&app.ledger, &Whose::Login("a.lefictif".into())).await.unwrap(), family.account);
    for unknown in [Whose::Login("z.personne".into()), Whose::Ine("123456789AK".into())] {
        assert!(matches!(find(&app.ledger, &unknown).await, Err(ResetError::Unknown)));
    }
    let nobody = AccountId(Uuid::new_v4());
    let validity = app.config.passwords.provisional_validity.delta();
    let refused = hand_out(&app.ledger, &app.db, &app.guard.passwords, nobody, validity, &context(app)).await;
    assert!(matches!(refused, Err(ResetError::Unknown)));
}
