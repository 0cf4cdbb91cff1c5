//! One family, two schools, and the relying parties that want to know them.

use crate::config::Config;
use crate::oidc::keys::KeySet;
use crate::oidc::registry;
use crate::session::{self, Method, cookies::Cookies};
use crate::testing::{Answer, Browser, TestService};
use axum::body::Body;
use axum::http::{HeaderValue, Method as Verb, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{NaiveDate, TimeDelta};
use cqrs_es::Aggregate;
use domain::account::{Account, AccountCommand, Holder, PasswordOrigin, Purpose};
use domain::context::{Actor, Context, Reason};
use domain::establishment::{Establishment, EstablishmentCommand};
use domain::guardian::{Guardian, GuardianCommand, GuardianContact, GuardianIdentity};
use domain::identifiers::{Degree, GuardianLevel, Relationship, Uai};
use domain::ids::{AccountId, CommandId, FlowId, GuardianId, PupilId, RelyingPartyId, SecretId};
use domain::personal::Sealable;
use domain::pupil::{CivilStatus, EnrolmentFact, LinkFact, Placement, Pupil, PupilCommand, SchoolData};
use domain::relying_party::{ClientAuthentication, Establishments, Registration, Terms};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

pub const CALLBACK: &str = "https://notes.example.org/cb";
pub const BYE: &str = "https://notes.example.org/bye";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const ISSUER: &str = "http://localhost:8080";

/// The service, a guardian with two children in one collège, and a mark book that serves the collège.
pub struct World {
    pub service: TestService,
    pub client: RelyingPartyId,
    pub secret: String,
    pub account: AccountId,
    pub credential: SecretId,
    pub guardian: GuardianId,
    pub children: [PupilId; 2],
}

pub fn college() -> Uai {
    Uai::from_number(750_001).unwrap()
}

pub fn school() -> Uai {
    Uai::from_number(690_002).unwrap()
}

pub fn registration(establishments: Establishments) -> Registration {
    Registration {
        name: "Carnet du collège Fictif".to_owned(),
        redirect_uris: vec![CALLBACK.to_owned(), "https://notes.example.org/cb?tab=1".to_owned()],
        post_logout_redirect_uris: vec![BYE.to_owned()],
        scopes: crate::oidc::scopes::ALL.into_iter().map(str::to_owned).collect(),
        sector_identifier: "notes.example.org".to_owned(),
        authentication: ClientAuthentication::ClientSecretBasic,
        establishments,
        terms: Terms::default(),
    }
}

impl World {
    pub async fn new() -> Self {
        Self::configured(|_| {}).await
    }

    pub async fn configured(change: impl FnOnce(&mut Config)) -> Self {
        let service = TestService::with(change, |router| router).await;
        let mut world = Self {
            service,
            client: RelyingPartyId(Uuid::nil()),
            secret: String::new(),
            account: AccountId(Uuid::new_v4()),
            credential: SecretId(Uuid::new_v4()),
            guardian: GuardianId(Uuid::new_v4()),
            children: [PupilId(Uuid::new_v4()), PupilId(Uuid::new_v4())],
        };
        world.describe(college(), "Collège Fictif", Degree::Second).await;
        world.describe(school(), "École Inventée", Degree::First).await;
        let identity = GuardianIdentity {
            source_key: "01|1".to_owned(),
            family_name: "Lefictif".to_owned(),
            given_name: "Thérèse".to_owned(),
            ..GuardianIdentity::default()
        };
        let contact = GuardianContact::default();
        let record = GuardianCommand::RecordSchoolData { guardian: world.guardian, identity, contact };
        world.tell::<Guardian>(world.guardian.0, record).await;
        for child in world.children {
            world.enrol(child, college(), 2026, None).await;
        }
        world.activate().await;
        let only = Establishments::Only([college()].into_iter().collect());
        (world.client, world.secret) = world.register(registration(only)).await;
        world.views_are_there().await;
        world
    }

    async fn describe(&self, uai: Uai, name: &str, degree: Degree) {
        let describe = EstablishmentCommand::Describe { uai, name: Some(name.to_owned()), academie: None, degree };
        let ledger = &self.service.app().ledger;
        ledger.execute::<Establishment>(&uai.to_string(), describe, &self.context()).await.unwrap();
    }

    /// The establishment's file says that the child is there, or has left.
    pub async fn enrol(&self, child: PupilId, establishment: Uai, school_year: u16, left_on: Option<NaiveDate>) {
        let data = self.school_data(child, establishment, school_year, left_on);
        self.tell::<Pupil>(child.0, PupilCommand::RecordSchoolData(Box::new(data))).await;
    }

    fn school_data(
        &self,
        child: PupilId,
        establishment: Uai,
        school_year: u16,
        left_on: Option<NaiveDate>,
    ) -> SchoolData {
        let first = child == self.children[0];
        SchoolData {
            pupil: child,
            ine: None,
            civil_status: CivilStatus {
                family_name: "Lefictif".to_owned(),
                given_names: vec![if first { "Zoé" } else { "Élie" }.to_owned()],
                birth_date: NaiveDate::from_ymd_opt(2014, 5, 6),
                ..CivilStatus::default()
            },
            enrolment: EnrolmentFact {
                establishment,
                school_year,
                entered_on: None,
                left_on,
                leaving_reason: None,
                placement: Placement { class: Some("6A".to_owned()), ..Placement::default() },
            },
            links: vec![LinkFact {
                guardian: self.guardian,
                level: GuardianLevel::Legal,
                relationship: Some(Relationship::Mother),
            }],
        }
    }

    /// The child's file has this national number.
    pub async fn number(&self, child: PupilId, ine: &str) {
        let mut data = self.school_data(child, college(), 2026, None);
        data.ine = Some(ine.parse().unwrap());
        self.tell::<Pupil>(child.0, PupilCommand::RecordSchoolData(Box::new(data))).await;
        self.views_are_there().await;
    }

    /// From now on the world's account is the first child's own, with an INE.
    pub async fn become_the_pupil(&mut self) {
        let child = self.children[0];
        let mut data = self.school_data(child, college(), 2026, None);
        data.ine = Some("123456789AA".parse().unwrap());
        data.enrolment.placement.mef = Some("10010012110".to_owned());
        self.tell::<Pupil>(child.0, PupilCommand::RecordSchoolData(Box::new(data))).await;
        (self.account, self.credential) = (AccountId(Uuid::new_v4()), SecretId(Uuid::new_v4()));
        let expires_at = self.service.app().clock.now() + TimeDelta::days(1);
        let secret = SecretId(Uuid::new_v4());
        let origin = PasswordOrigin::ForcedChange;
        for command in [
            AccountCommand::Open { account: self.account, holder: Holder::Pupil(child) },
            AccountCommand::AssignLogin { login: "z.lefictif".to_owned() },
            AccountCommand::IssueProvisionalPassword { secret, expires_at },
            AccountCommand::ChoosePassword { secret: self.credential, origin, flow: None },
        ] {
            self.tell::<Account>(self.account.0, command).await;
        }
        self.views_are_there().await;
    }

    async fn activate(&self) {
        let (account, now) = (self.account.0, self.service.app().clock.now());
        let (flow, purpose) = (FlowId(Uuid::new_v4()), Purpose::Activation);
        let born = NaiveDate::from_ymd_opt(2014, 5, 6).unwrap();
        let to = "+33639980001".parse().unwrap();
        let expires_at = now + TimeDelta::minutes(30);
        let secret = SecretId(Uuid::new_v4());
        let holder = Holder::Guardian(self.guardian);
        let mut commands = vec![
            AccountCommand::Open { account: self.account, holder },
            AccountCommand::IssueCode { purpose, flow, secret, to, expires_at },
            AccountCommand::AcceptCode { flow, now },
        ];
        commands.extend(self.children.map(|pupil| AccountCommand::ConfirmChild {
            pupil,
            claimed: born,
            on_record: born,
        }));
        commands.push(AccountCommand::AssignLogin { login: "t.lefictif".to_owned() });
        let origin = PasswordOrigin::Activation;
        commands.push(AccountCommand::ChoosePassword { secret: self.credential, origin, flow: Some(flow) });
        for command in commands {
            self.tell::<Account>(account, command).await;
        }
    }

    pub async fn register(&self, registration: Registration) -> (RelyingPartyId, String) {
        let registered = registry::register(&self.service.app().ledger, registration, self.context()).await.unwrap();
        (registered.id, registered.secret.map(|secret| secret.expose().to_owned()).unwrap_or_default())
    }

    pub async fn tell<A>(&self, id: Uuid, command: A::Command)
    where
        A: Aggregate<Services = ()>,
        A::Command: Clone,
        A::Event: Sealable,
    {
        self.service.app().ledger.execute::<A>(&id.to_string(), command, &self.context()).await.unwrap();
    }

    pub fn context(&self) -> Context {
        Context {
            command: CommandId(Uuid::now_v7()),
            actor: Actor::Operator("test".to_owned()),
            on_behalf_of: None,
            reason: Reason::Administration,
            reference: None,
            effective_at: self.service.app().clock.now(),
        }
    }

    /// Claims take their values from the views: wait until these have everything.
    pub async fn views_are_there(&self) {
        let app = self.service.app();
        app.views.caught_up(app.ledger.size() - 1, Duration::from_secs(20)).await.unwrap();
    }

    /// A browser in which the guardian is signed in.
    pub async fn signed_in(&self) -> Browser {
        let app = self.service.app();
        let jar = session::open(app, &Cookies::default(), self.account, self.credential, Method::Password).await;
        let mut browser = self.service.browser();
        for cookie in jar.unwrap().iter().filter(|cookie| !cookie.value().is_empty()) {
            browser.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
        }
        browser
    }

    /// The same browser after its user has proved anew who they are.
    pub async fn signed_in_again(&self, browser: &Browser) -> Browser {
        let mut fresh = self.signed_in().await;
        fresh.cookies.insert("request".to_owned(), browser.cookies["request"].clone());
        fresh
    }

    /// The path of a good authorization request, with some parameters changed (`None` leaves one out).
    pub fn request(&self, change: &[(&str, Option<&str>)]) -> String {
        let client = self.client.to_string();
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", client.as_str()),
            ("redirect_uri", CALLBACK),
            ("scope", "openid profile affiliation establishment children birthdate"),
            ("state", "the state"),
            ("nonce", "the nonce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in change {
            fields.retain(|(known, _)| known != name);
            fields.extend(value.map(|value| (*name, value)));
        }
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        format!("/authorize?{query}")
    }

    /// A fresh code for the guardian.
    pub async fn code(&self, browser: &mut Browser) -> String {
        let answer = browser.get(&self.request(&[])).await;
        parameter(answer.location(), "code")
            .unwrap_or_else(|| panic!("no code: {} {}", answer.status, answer.location()))
    }

    /// The token endpoint, asked by the registered client with HTTP Basic.
    pub async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        self.token_as(self.client, &self.secret, fields).await
    }

    pub async fn token_as(&self, client: RelyingPartyId, secret: &str, fields: &[(&str, &str)]) -> Answer {
        let mut program = self.program();
        let basic = format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")));
        program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&basic).unwrap());
        program.post("/token", fields).await
    }

    /// Redeems a code as it should be.
    pub async fn redeem(&self, code: &str) -> Answer {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ])
        .await
    }

    /// Access token and ID token of a whole sign-in.
    pub async fn tokens(&self, browser: &mut Browser) -> (String, String) {
        let code = self.code(browser).await;
        let answer = self.redeem(&code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let tokens = json(&answer);
        (text(&tokens["access_token"]), text(&tokens["id_token"]))
    }

    pub async fn userinfo(&self, token: &str) -> Answer {
        let mut program = self.program();
        program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        program.get("/userinfo").await
    }

    /// A client without cookies that wants JSON.
    pub fn program(&self) -> Browser {
        let mut program = self.service.browser();
        program.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        program
    }

    pub async fn keys(&self) -> Arc<KeySet> {
        let app = self.service.app();
        app.keys.get(app.clock.now()).await.unwrap()
    }
}

/// A parameter of an address's query.
pub fn parameter(address: &str, name: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    url::form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

pub fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("not JSON: {}", answer.body))
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// The value of a hidden field of a page.
pub fn field(page: &str, name: &str) -> String {
    let (_, rest) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

/// The error code of an OAuth error document.
pub fn error(answer: &Answer) -> String {
    text(&json(answer)["error"])
}

/// The middle part of a token.
pub fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// Whether an answer keeps to itself: an error page that redirects nowhere and has a reference.
pub fn stays_here(answer: &Answer) -> bool {
    answer.status == StatusCode::BAD_REQUEST
        && answer.location().is_empty()
        && answer.body.contains("class=\"reference\"")
}

/// A POST from a page of another site: no cookies come with it (`SameSite=Lax`).
pub async fn foreign_post(world: &World, path: &str, body: String) -> Answer {
    let mut browser = world.service.browser();
    browser.headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    browser.headers.insert(header::ORIGIN, HeaderValue::from_static("https://notes.example.org"));
    browser.send(Verb::POST, path, Body::from(body), Some("application/x-www-form-urlencoded")).await
}
