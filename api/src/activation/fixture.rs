//! A family in the ledger, for tests of the ways in.

use crate::app::App;
use crate::delivery::Envelope;
use crate::pages::Language;
use crate::testing::{Answer, Browser, TestService};
use chrono::{NaiveDate, TimeDelta};
use domain::account::{Account, AccountCommand, Holder};
use domain::context::{Actor, Context, Reason};
use domain::establishment::{Establishment, EstablishmentCommand};
use domain::guardian::{Guardian, GuardianCommand, GuardianContact, GuardianIdentity};
use domain::identifiers::{Degree, GuardianLevel, Uai, match_value};
use domain::ids::{AccountId, CommandId, GuardianId, PupilId};
use domain::pupil::{CivilStatus, EnrolmentFact, LinkFact, Placement, Pupil, PupilCommand, SchoolData};
use ledger::Unit;
use uuid::Uuid;

pub const PASSWORD: &str = "trois girafes mauves chuchotent";
pub const SURNAME: &str = "Lefictif";
pub const GIVEN: &str = "Aude";
pub const MOBILE: &str = "06 39 98 00 01";

/// Aude Lefictif, legal guardian of Anaïs (3 September 2014) and Basile (7 May 2012).
pub struct Family {
    pub account: AccountId,
    pub guardian: GuardianId,
    pub anais: PupilId,
    pub basile: PupilId,
}

pub fn context(app: &App) -> Context {
    Context {
        command: CommandId(Uuid::now_v7()),
        actor: Actor::Service,
        on_behalf_of: None,
        reason: Reason::SchoolData,
        reference: None,
        effective_at: app.clock.now(),
    }
}

pub fn uai() -> Uai {
    "0990001W".parse().or_else(|_| "0750001N".parse()).expect("an UAI")
}

pub fn school_data(pupil: PupilId, name: &str, birth: NaiveDate, guardians: &[GuardianId]) -> SchoolData {
    let link =
        |guardian: &GuardianId| LinkFact { guardian: *guardian, level: GuardianLevel::Legal, relationship: None };
    SchoolData {
        pupil,
        ine: None,
        civil_status: CivilStatus {
            family_name: SURNAME.to_uppercase(),
            given_names: vec![name.into()],
            birth_date: Some(birth),
            ..CivilStatus::default()
        },
        enrolment: EnrolmentFact {
            establishment: uai(),
            school_year: 2026,
            entered_on: None,
            left_on: None,
            leaving_reason: None,
            placement: Placement::default(),
        },
        links: guardians.iter().map(link).collect(),
    }
}

pub async fn tell(app: &App, data: SchoolData) {
    let id = data.pupil.to_string();
    app.ledger.execute::<Pupil>(&id, PupilCommand::RecordSchoolData(Box::new(data)), &context(app)).await.unwrap();
}

pub fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

impl Family {
    pub async fn settle(app: &App) -> Self {
        let describe = EstablishmentCommand::Describe {
            uai: uai(),
            name: Some("Collège des Exemples".into()),
            academie: None,
            degree: Degree::Second,
        };
        app.ledger.execute::<Establishment>(&uai().to_string(), describe, &context(app)).await.unwrap();
        let family = Self {
            account: AccountId(Uuid::new_v4()),
            guardian: GuardianId(Uuid::new_v4()),
            anais: PupilId(Uuid::new_v4()),
            basile: PupilId(Uuid::new_v4()),
        };
        let guardian = family.guardian;
        tell(app, school_data(family.anais, "Anaïs", day(2014, 9, 3), &[guardian])).await;
        tell(app, school_data(family.basile, "Basile", day(2012, 5, 7), &[guardian])).await;
        family.open_account(app).await;
        family
    }

    async fn open_account(&self, app: &App) {
        let (account, guardian) = (self.account, self.guardian);
        let identity = GuardianIdentity {
            source_key: "siecle:09:1".into(),
            family_name: SURNAME.to_uppercase(),
            given_name: GIVEN.into(),
            ..GuardianIdentity::default()
        };
        let mobile = "+33639980001".parse().unwrap();
        let key = match_value(SURNAME, GIVEN, &mobile).unwrap();
        let contact = GuardianContact { mobile: Some(mobile), email: Some("aude@example.org".into()) };
        let recorded = Guardian::default().decide(GuardianCommand::RecordSchoolData { guardian, identity, contact });
        let holder = Holder::Guardian(guardian);
        let opened = Account::default().decide(AccountCommand::Open { account, holder }).unwrap();
        let (account, ledger) = (account.to_string(), &app.ledger);
        let unit = Unit::new(context(app))
            .stream::<Guardian>(&guardian.to_string(), 0, recorded.unwrap())
            .stream::<Account>(&account, 0, opened)
            .claim("guardian-match", &account, ledger.lookup_hash("guardian-match", &key))
            .claim("holder", &account, ledger.lookup_hash("holder", &format!("guardian:{guardian}")));
        ledger.append(unit).await.unwrap();
    }
}

/// The form token of the form that goes to `action`.
pub fn token(page: &Answer, action: &str) -> String {
    let form = page.body.split(&format!("action=\"{action}\"")).nth(1);
    let form = form.unwrap_or_else(|| panic!("no form for {action} in {} {}", page.status, page.body));
    let value = form.split("name=\"form_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    value.expect("a token").to_owned()
}

/// The text of the last SMS queued.
pub async fn last_sms(app: &App) -> Option<String> {
    let now = app.clock.now();
    let claimed = app.ledger.outbox_claim("sms", 100, now, now + TimeDelta::hours(1)).await.unwrap();
    let last = claimed.last().map(|message| Envelope::read(&message.body).unwrap());
    last.map(|envelope| envelope.message.sms(Language::French).to_string())
}

/// The code in the last SMS queued.
pub async fn last_code(app: &App) -> String {
    let text = last_sms(app).await.expect("a message");
    text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).expect("a code").to_owned()
}

/// Sends the identity form.
pub async fn identify(browser: &mut Browser, surname: &str, given: &str, mobile: &str) -> Answer {
    let page = browser.get("/activate").await;
    let token = token(&page, "/activate");
    let fields = [("form_token", token.as_str()), ("surname", surname), ("given_name", given), ("mobile", mobile)];
    browser.post("/activate", &fields).await
}

/// Types a code.
pub async fn type_code(browser: &mut Browser, code: &str) -> Answer {
    let page = browser.get("/code").await;
    let token = token(&page, "/code");
    browser.post("/code", &[("form_token", &token), ("code", code)]).await
}

/// Gives a birth date.
pub async fn confirm(browser: &mut Browser, pupil: PupilId, [day, month, year]: [&str; 3]) -> Answer {
    let page = browser.get("/children").await;
    let (token, pupil) = (token(&page, "/children/confirm"), pupil.to_string());
    let fields = [("form_token", token.as_str()), ("pupil", &pupil), ("day", day), ("month", month), ("year", year)];
    let answer = browser.post("/children/confirm", &fields).await;
    if answer.status.is_redirection() {
        // As a browser does; it may lead on.
        browser.get(answer.location()).await;
    }
    answer
}

/// Chooses a password.
pub async fn choose(browser: &mut Browser, password: &str) -> Answer {
    let page = browser.get("/new-password").await;
    let token = token(&page, "/new-password");
    let fields = [("form_token", token.as_str()), ("username", ""), ("password", password), ("again", password)];
    browser.post("/new-password", &fields).await
}

/// Signs in; who is signed in already proves to be themselves again.
pub async fn sign_in(browser: &mut Browser, login: &str, password: &str) -> Answer {
    let page = browser.get("/sign-in").await;
    if page.body.contains("action=\"/sign-in/switch\"") {
        let token = token(&browser.get("/sign-in/again").await, "/sign-in/again");
        return browser.post("/sign-in/again", &[("form_token", &token), ("password", password)]).await;
    }
    let token = token(&page, "/sign-in");
    browser.post("/sign-in", &[("form_token", &token), ("login", login), ("password", password)]).await
}

/// The whole way; returns the browser, signed in.
pub async fn activate(service: &TestService, family: &Family) -> Browser {
    let mut browser = service.browser();
    identify(&mut browser, SURNAME, GIVEN, MOBILE).await;
    let code = last_code(service.app()).await;
    assert_eq!(type_code(&mut browser, &code).await.location(), "/children");
    confirm(&mut browser, family.anais, ["3", "9", "2014"]).await;
    confirm(&mut browser, family.basile, ["7", "5", "2012"]).await;
    let done = choose(&mut browser, PASSWORD).await;
    assert_eq!(done.location(), "/account", "{}", done.body);
    browser
}
