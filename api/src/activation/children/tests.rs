//! Children confirmed or reported after activation. Named after the points of the security table where they are
//! attacks.

use super::read_date;
use crate::activation::fixture::{
    self, Family, GIVEN, MOBILE, PASSWORD, SURNAME, activate, choose, context, day, identify, last_code, school_data,
    sign_in, tell, token, type_code,
};
use crate::reset::operator::hand_out;
use crate::testing::{Answer, Browser, TestService};
use chrono::NaiveDate;
use domain::account::{Account, AccountCommand, Holder};
use domain::ids::{AccountId, PupilId};
use uuid::Uuid;

async fn state(service: &TestService, account: AccountId) -> Account {
    service.app().ledger.load::<Account>(&account.to_string()).await.unwrap().aggregate
}

/// Signs in with a provisional password handed out just now, and chooses a personal one.
async fn forced_change(service: &TestService, account: AccountId, return_to: &str) -> (Browser, Answer) {
    let app = service.app();
    let validity = app.config.passwords.provisional_validity.delta();
    let handed = hand_out(&app.ledger, &app.db, &app.guard.passwords, account, validity, &context(app)).await.unwrap();
    let mut browser = service.browser();
    let page = browser.get("/sign-in").await;
    let (token, password) = (token(&page, "/sign-in"), handed.password.show());
    let fields =
        [("form_token", token.as_str()), ("login", &handed.login), ("password", &password), ("return_to", return_to)];
    assert_eq!(browser.post("/sign-in", &fields).await.location(), "/new-password");
    let chosen = choose(&mut browser, PASSWORD).await;
    (browser, chosen)
}

async fn confirm(browser: &mut Browser, page: &Answer, pupil: PupilId, date: [&str; 3]) -> Answer {
    let (token, pupil) = (token(page, "/account/children/confirm"), pupil.to_string());
    let [day, month, year] = date;
    let mut fields =
        vec![("form_token", token.as_str()), ("pupil", &pupil), ("day", day), ("month", month), ("year", year)];
    if page.body.contains("name=\"return_to\" value=\"/legal\"") {
        fields.push(("return_to", "/legal"));
    }
    browser.post("/account/children/confirm", &fields).await
}

#[tokio::test]
async fn after_a_forced_change_a_guardian_without_children_is_led_to_them_and_then_on() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let (mut browser, chosen) = forced_change(&service, family.account, "/legal").await;
    assert_eq!(chosen.location(), "/account/children?return_to=%2Flegal", "{}", chosen.body);
    let account = browser.get("/account").await;
    assert!(account.body.contains("2 enfants vous sont rattachés") && !account.body.contains("Anaïs"));

    let page = browser.get(chosen.location()).await;
    assert!(page.body.contains("Anaïs") && page.body.contains("Basile") && page.body.contains("Répondre plus tard"));
    assert_eq!(confirm(&mut browser, &page, family.anais, ["4", "9", "2014"]).await.status, 422);
    assert_eq!(confirm(&mut browser, &page, family.anais, ["31", "2", "2014"]).await.status, 422);
    let right = confirm(&mut browser, &page, family.anais, ["3", "9", "2014"]).await;
    assert_eq!(right.location(), chosen.location());
    let page = browser.get(right.location()).await;
    let (report, basile) = (token(&page, "/account/children/report"), family.basile.to_string());
    let fields = [("form_token", report.as_str()), ("pupil", basile.as_str()), ("return_to", "/legal")];
    let reported = browser.post("/account/children/report", &fields).await;
    assert_eq!(browser.get(reported.location()).await.location(), "/legal", "all is answered");

    let account = browser.get("/account").await;
    assert!(account.body.contains("Anaïs") && !account.body.contains("Basile"), "{}", account.body);
    assert!(!account.body.contains("attend votre confirmation"));
    let state = state(&service, family.account).await;
    assert!(state.confirmed.contains(&family.anais) && state.reported.contains(&family.basile));
}

#[tokio::test]
async fn a_child_reported_by_mistake_is_confirmed_after_all_on_the_way_in_and_later() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = service.browser();
    identify(&mut browser, SURNAME, GIVEN, MOBILE).await;
    let code = last_code(service.app()).await;
    type_code(&mut browser, &code).await;
    let page = browser.get("/children").await;
    assert!(!page.body.contains("est mon enfant"), "{}", page.body);
    let report = token(&page, "/children/report");
    for pupil in [family.anais, family.basile].map(|pupil| pupil.to_string()) {
        browser.post("/children/report", &[("form_token", &report), ("pupil", &pupil)]).await;
    }
    let page = browser.get("/children").await;
    assert!(page.body.contains("Finalement, Anaïs est mon enfant"), "{}", page.body);
    assert!(!page.body.contains("action=\"/children/report\""), "{}", page.body);
    assert_eq!(fixture::confirm(&mut browser, family.anais, ["4", "9", "2014"]).await.status, 422);
    assert_eq!(fixture::confirm(&mut browser, family.anais, ["3", "9", "2014"]).await.location(), "/children");
    assert_eq!(choose(&mut browser, PASSWORD).await.location(), "/account");

    // The other one, signed in.
    let account = browser.get("/account").await;
    assert!(account.body.contains("Revenir sur ce signalement"), "{}", account.body);
    let page = browser.get("/account/children").await;
    assert!(page.body.contains("Finalement, Basile est mon enfant"), "{}", page.body);
    let wrong = confirm(&mut browser, &page, family.basile, ["8", "5", "2012"]).await;
    assert!(wrong.status == 422 && wrong.body.contains("Vérifiez-la"), "{}", wrong.body);
    let right = confirm(&mut browser, &page, family.basile, ["7", "5", "2012"]).await;
    assert_eq!(browser.get(right.location()).await.location(), "/account");
    assert!(browser.get("/account").await.body.contains("Basile"));
    let state = state(&service, family.account).await;
    assert!(state.confirmed.contains(&family.basile) && state.reported.is_empty());
}

#[tokio::test]
async fn point_35_birth_dates_of_a_reported_child_are_guessed_no_longer_either() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let (mut browser, chosen) = forced_change(&service, family.account, "").await;
    let page = browser.get(chosen.location()).await;
    let (report, anais) = (token(&page, "/account/children/report"), family.anais.to_string());
    browser.post("/account/children/report", &[("form_token", &report), ("pupil", &anais)]).await;
    for day in 10..20 {
        assert_eq!(confirm(&mut browser, &page, family.anais, [&day.to_string(), "9", "2014"]).await.status, 422);
    }
    assert_eq!(confirm(&mut browser, &page, family.anais, ["3", "9", "2014"]).await.status, 429);
}

#[tokio::test]
async fn a_child_declared_later_waits_on_the_account_until_confirmed() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let mut browser = activate(&service, &family).await;
    assert!(!browser.get("/account").await.body.contains("/account/children"), "nobody waits yet");
    assert_eq!(browser.get("/account/children").await.location(), "/account");

    let (come, stranger) = (PupilId(Uuid::new_v4()), PupilId(Uuid::new_v4()));
    tell(service.app(), school_data(come, "Côme", day(2016, 1, 20), &[family.guardian])).await;
    tell(service.app(), school_data(stranger, "Dora", day(2016, 1, 20), &[])).await;
    let account = browser.get("/account").await;
    assert!(account.body.contains("attend votre confirmation") && account.body.contains("/account/children"));
    assert!(!account.body.contains("Côme"), "nothing of the child before the birth date is given");
    let page = browser.get("/account/children").await;
    assert!(page.body.contains("Côme") && !page.body.contains("Dora"));
    // Another's child, by a forged id.
    let forged = confirm(&mut browser, &page, stranger, ["20", "1", "2016"]).await;
    assert_eq!(forged.location(), "/account/children");
    assert_eq!(confirm(&mut browser, &page, come, ["20", "1", "2016"]).await.location(), "/account/children");
    assert_eq!(browser.get("/account/children").await.location(), "/account");
    assert!(browser.get("/account").await.body.contains("Côme"));
    let state = state(&service, family.account).await;
    assert!(state.confirmed.contains(&come) && !state.confirmed.contains(&stranger));
    // A recovery with children confirmed leads to the account as before.
    let (_, chosen) = forced_change(&service, family.account, "").await;
    assert_eq!(chosen.location(), "/account");
}

#[tokio::test]
async fn point_35_a_signed_in_guardian_guesses_birth_dates_no_longer_either() {
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let (mut browser, chosen) = forced_change(&service, family.account, "").await;
    let page = browser.get(chosen.location()).await;
    for day in 10..20 {
        assert_eq!(confirm(&mut browser, &page, family.anais, [&day.to_string(), "9", "2014"]).await.status, 422);
    }
    assert_eq!(confirm(&mut browser, &page, family.anais, ["3", "9", "2014"]).await.status, 429);
    // Nor many at once.
    let service = TestService::start().await;
    let family = Family::settle(service.app()).await;
    let (mut browser, chosen) = forced_change(&service, family.account, "").await;
    let page = browser.get(chosen.location()).await;
    let tries = (1..=30).map(|n| {
        let (mut browser, page, day, month) = (browser.clone(), &page, n % 28 + 1, n % 8 + 1);
        async move { confirm(&mut browser, page, family.anais, [&day.to_string(), &month.to_string(), "2014"]).await }
    });
    let answers = futures::future::join_all(tries).await;
    assert!(answers.iter().filter(|answer| answer.status != 429).count() <= 20);
}

#[tokio::test]
async fn only_signed_in_guardians_answer_for_children_and_only_from_their_own_page() {
    let service = TestService::start().await;
    let app = service.app();
    let family = Family::settle(app).await;
    assert!(service.browser().get("/account/children").await.location().starts_with("/sign-in?return_to="));
    let (mut browser, chosen) = forced_change(&service, family.account, "").await;
    let page = browser.get(chosen.location()).await;
    // Another session's token.
    let mut other = service.browser();
    sign_in(&mut other, "a.lefictif", PASSWORD).await;
    assert_eq!(confirm(&mut other, &page, family.anais, ["3", "9", "2014"]).await.status, 403);
    assert!(state(&service, family.account).await.confirmed.is_empty());

    let pupils = AccountId(Uuid::new_v4());
    let open = AccountCommand::Open { account: pupils, holder: Holder::Pupil(family.anais) };
    app.ledger.execute::<Account>(&pupils.to_string(), open, &context(app)).await.unwrap();
    let (mut pupil, chosen) = forced_change(&service, pupils, "").await;
    assert_eq!(chosen.location(), "/account");
    assert_eq!(pupil.get("/account/children").await.location(), "/account");
}

#[test]
fn birth_dates_are_read_as_people_write_them() {
    let read = |d: &str, m: &str, y: &str| read_date(&[d.into(), m.into(), y.into()]);
    assert_eq!(read("3", "09", "2014"), NaiveDate::from_ymd_opt(2014, 9, 3));
    for bad in [["31", "2", "2014"], ["3", "9", "14"], ["", "9", "2014"], ["003", "9", "2014"], ["3", "mars", "2014"]] {
        assert_eq!(read(bad[0], bad[1], bad[2]), None, "{bad:?}");
    }
}
