//! What ends or narrows access ends or narrows it at once, at each place where a token is worth something: reset,
//! detachment, disablement and transfer, against userinfo, introspection, token exchange and refresh.

use super::world::{World, college, error, json, parameter, registration, school};
use crate::testing::Answer;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use domain::account::{Account, AccountCommand};
use domain::ids::{RelyingPartyId, SecretId};
use domain::relying_party::{Establishments, GrantType};
use serde_json::Value;
use uuid::Uuid;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A portal of the collège, the mark book that it calls, and what it holds of the guardian.
struct Held {
    world: World,
    marks: (RelyingPartyId, String),
    access: String,
    refresh: String,
    exchanged: String,
}

async fn introspect(world: &World, client: &(RelyingPartyId, String), token: &str) -> Value {
    let mut program = world.program();
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", client.0, client.1)));
    program.headers.insert("authorization", basic.parse().unwrap());
    json(&program.post("/introspect", &[("token", token)]).await)
}

impl Held {
    async fn new() -> Self {
        let mut world = World::new().await;
        let only = || Establishments::Only([college()].into());
        let marks = world.register(registration(only())).await;
        let mut portal = registration(only());
        portal.terms.grant_types = GrantType::ALL.into();
        portal.terms.audiences = [marks.0].into();
        (world.client, world.secret) = world.register(portal).await;
        let mut browser = world.signed_in().await;
        // The person has agreed: nothing here hangs on the session.
        sqlx::query("INSERT INTO service.consent (account, client, scope, given_at) VALUES ($1, $2, $3, $4)")
            .bind(world.account.0)
            .bind(world.client.0)
            .bind("openid offline_access")
            .bind(world.service.app().clock.now())
            .execute(&world.service.app().db)
            .await
            .unwrap();
        let scope = Some("openid profile children offline_access");
        let answer = browser.get(&world.request(&[("scope", scope)])).await;
        let code = parameter(answer.location(), "code").unwrap_or_else(|| panic!("no code: {}", answer.location()));
        let tokens = json(&world.redeem(&code).await);
        let text = |name: &str| super::world::text(&tokens[name]);
        let (access, refresh) = (text("access_token"), text("refresh_token"));
        let mut held = Self { world, marks, access, refresh, exchanged: String::new() };
        let exchanged = held.exchange().await;
        assert_eq!(exchanged.status, StatusCode::OK, "{}", exchanged.body);
        held.exchanged = super::world::text(&json(&exchanged)["access_token"]);
        held
    }

    async fn exchange(&self) -> Answer {
        let audience = self.marks.0.to_string();
        let fields = [
            ("grant_type", EXCHANGE),
            ("subject_token", self.access.as_str()),
            ("subject_token_type", ACCESS_TOKEN),
            ("audience", &audience),
        ];
        self.world.token(&fields).await
    }

    async fn refresh(&self) -> Answer {
        self.world.token(&[("grant_type", "refresh_token"), ("refresh_token", &self.refresh)]).await
    }

    /// Whether each thing is worth something: userinfo, the tokens at introspection.
    async fn worth(&self) -> [bool; 4] {
        let portal = (self.world.client, self.world.secret.clone());
        let active = async |client, token| introspect(&self.world, client, token).await["active"] == true;
        [
            self.world.userinfo(&self.access).await.status == StatusCode::OK,
            active(&portal, &self.access).await,
            active(&portal, &self.refresh).await,
            active(&self.marks, &self.exchanged).await,
        ]
    }

    /// Nothing is left, nowhere.
    async fn proves_worthless(self) {
        assert_eq!(self.worth().await, [false; 4], "userinfo, access token, refresh token, exchanged token");
        let exchanged = self.exchange().await;
        assert_eq!(exchanged.status, StatusCode::BAD_REQUEST, "{}", exchanged.body);
        assert_eq!(error(&self.refresh().await), "invalid_grant");
    }
}

#[tokio::test]
async fn what_is_held_is_worth_something_until_then() {
    let held = Held::new().await;
    assert_eq!(held.worth().await, [true; 4]);
    assert_eq!(held.exchange().await.status, StatusCode::OK);
    assert_eq!(held.refresh().await.status, StatusCode::OK);
}

#[tokio::test]
async fn point_29_a_reset_ends_everything_at_once() {
    let held = Held::new().await;
    let expires_at = held.world.service.app().clock.now() + TimeDelta::days(1);
    let reset = AccountCommand::IssueProvisionalPassword { secret: SecretId(Uuid::new_v4()), expires_at };
    held.world.tell::<Account>(held.world.account.0, reset).await;
    held.proves_worthless().await;
}

#[tokio::test]
async fn point_29_a_disablement_ends_everything_at_once() {
    let held = Held::new().await;
    held.world.tell::<Account>(held.world.account.0, AccountCommand::Disable).await;
    held.proves_worthless().await;
}

#[tokio::test]
async fn point_29_a_detachment_narrows_and_that_of_the_last_child_ends_everything_at_once() {
    let held = Held::new().await;
    let [first, last] = held.world.children;
    held.world.tell::<Account>(held.world.account.0, AccountCommand::ReportChild { pupil: first }).await;
    assert_eq!(held.worth().await, [true; 4]);
    let seen = json(&held.world.userinfo(&held.access).await);
    assert_eq!(seen["children"].as_array().unwrap().len(), 1, "{seen}");
    held.world.tell::<Account>(held.world.account.0, AccountCommand::ReportChild { pupil: last }).await;
    held.proves_worthless().await;
}

#[tokio::test]
async fn point_29_a_transfer_narrows_and_that_of_the_last_child_ends_everything_at_once() {
    let held = Held::new().await;
    let [first, last] = held.world.children;
    held.world.enrol(first, school(), 2027, None).await;
    assert_eq!(held.worth().await, [true; 4]);
    let seen = json(&held.world.userinfo(&held.access).await);
    assert_eq!(seen["children"].as_array().unwrap().len(), 1, "{seen}");
    held.world.enrol(last, school(), 2027, None).await;
    held.proves_worthless().await;
}
