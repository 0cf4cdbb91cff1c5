//! Back-channel logout: who is told of a session's end, what, and that nobody can be made to call anywhere.

use super::world::{BYE, ISSUER, World, claims, field, json, registration, text};
use crate::oidc::{end_sessions_of_the_gone, logout};
use crate::session;
use crate::testing::Browser;
use axum::http::StatusCode;
use chrono::TimeDelta;
use domain::account::{Account, AccountCommand};
use domain::ids::AccountId;
use domain::relying_party::{BackchannelLogout, Establishments, GrantType, Registration};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A relying party's back-channel endpoint: keeps what it is told, answers as it is set to.
#[derive(Clone)]
struct Ear {
    uri: String,
    heard: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<&'static str>>,
}

impl Ear {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ear = Self {
            uri: format!("http://{}/logout", listener.local_addr().unwrap()),
            heard: Arc::default(),
            answer: Arc::new(Mutex::new("200 OK")),
        };
        let kept = ear.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                let mut chunk = [0; 4096];
                // Head and body come in one or several pieces; the form is the last thing.
                while !complete(&request) {
                    match stream.read(&mut chunk).await {
                        Ok(read) if read > 0 => request.extend_from_slice(&chunk[..read]),
                        _ => break,
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let body = request.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
                let token = body.strip_prefix("logout_token=").unwrap_or("no token").to_owned();
                kept.heard.lock().unwrap().push(token);
                let status = *kept.answer.lock().unwrap();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
            }
        });
        ear
    }

    /// What was heard since the last time.
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

fn complete(request: &[u8]) -> bool {
    let request = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    body.len() >= length.unwrap_or_default()
}

fn listening(uri: &str) -> Registration {
    let mut registration = registration(Establishments::All);
    registration.terms.backchannel_logout = Some(BackchannelLogout { uri: uri.to_owned(), session_required: true });
    registration.terms.grant_types.insert(GrantType::RefreshToken);
    registration
}

/// A world whose client listens, and whose service does not tell by itself: the test says when.
async fn world(ear: &Ear) -> World {
    let mut world = World::configured(|config| config.oidc.private_hosts = vec!["127.0.0.1".to_owned()]).await;
    (world.client, world.secret) = world.register(listening(&ear.uri)).await;
    world
}

async fn sign_in(world: &World, browser: &mut Browser) -> Value {
    let code = world.code(browser).await;
    let answer = world.redeem(&code).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    json(&answer)
}

/// Until everything that is due has been told, by us or by the service's own worker.
async fn tell(world: &World) {
    let app = world.service.app();
    for _ in 0..500 {
        logout::round(app).await.unwrap();
        let due: i64 = sqlx::query_scalar("SELECT count(*) FROM service.logout WHERE next_at IS NULL OR next_at <= $1")
            .bind(app.clock.now())
            .fetch_one(&app.db)
            .await
            .unwrap();
        let claimed: i64 = sqlx::query_scalar("SELECT count(*) FROM service.logout WHERE attempts = 0")
            .fetch_one(&app.db)
            .await
            .unwrap();
        if due == 0 && claimed == 0 && !in_flight(world).await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("logouts are still due");
}

/// Whether an attempt has been claimed and not settled: its claim lies exactly half a minute ahead.
async fn in_flight(world: &World) -> bool {
    let app = world.service.app();
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM service.logout WHERE next_at > $1 + interval '29 seconds' AND attempts < 5)",
    )
    .bind(app.clock.now())
    .fetch_one(&app.db)
    .await
    .unwrap()
}

#[tokio::test]
async fn point_29_a_logout_token_says_what_it_must_and_is_nothing_else() {
    let ear = Ear::open().await;
    let world = world(&ear).await;
    let mut browser = world.signed_in().await;
    let tokens = sign_in(&world, &mut browser).await;
    let id = text(&tokens["id_token"]);
    let hint = [("id_token_hint", id.as_str()), ("post_logout_redirect_uri", BYE)];
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(hint).finish();
    assert_eq!(browser.get(&format!("/end-session?{query}")).await.location(), BYE);
    tell(&world).await;
    let heard = ear.heard();
    let [token] = heard.as_slice() else { panic!("told {} times", heard.len()) };
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("logout+jwt"));
    let (said, id_said) = (claims(token), claims(&id));
    assert_eq!((&said["iss"], &said["aud"]), (&json!(ISSUER), &json!(world.client)));
    assert_eq!((&said["sub"], &said["sid"]), (&id_said["sub"], &id_said["sid"]));
    assert_eq!(said["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    assert!(said.get("nonce").is_none() && said["jti"].is_string());
    assert!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap() <= 120);
    // It verifies by the published key, and opens nothing here.
    let set = json(&world.program().get("/jwks").await);
    let key = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == json!(header.kid)).unwrap();
    let key: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.clone()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(header.alg);
    validation.set_audience(&[world.client.to_string()]);
    let key = jsonwebtoken::DecodingKey::from_jwk(&key).unwrap();
    assert!(jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok());
    assert_eq!(world.userinfo(token).await.status, StatusCode::UNAUTHORIZED);
    assert!(crate::oidc::tokens::IdToken::from_hint(token, &*world.keys().await, ISSUER).is_err());
}

#[tokio::test]
async fn point_29_every_end_of_a_session_is_told_and_nothing_else() {
    let ear = Ear::open().await;
    let world = world(&ear).await;
    let app = world.service.app();
    let sid = |tokens: &Value| claims(&text(&tokens["id_token"]))["sid"].clone();
    let told = async || {
        tell(&world).await;
        ear.heard().iter().map(|token| claims(token)["sid"].clone()).collect::<Vec<_>>()
    };
    // The button on our own pages. Another browser's session goes on.
    let (mut browser, mut other) = (world.signed_in().await, world.signed_in().await);
    let (first, second) = (sign_in(&world, &mut browser).await, sign_in(&world, &mut other).await);
    sign_in(&world, &mut browser).await;
    browser.post("/sign-out", &[]).await;
    assert_eq!(told().await, [sid(&first)], "once, however often it signed in");
    // Everything of the account at once, as a reset does it.
    session::end_all(&app.db, world.account).await.unwrap();
    assert_eq!(told().await, [sid(&second)]);
    // Another person signs in in the same browser.
    let mut browser = world.signed_in().await;
    let third = sign_in(&world, &mut browser).await;
    let cookies = cookies_of(&browser);
    let _ = session::open(app, &cookies, AccountId(uuid::Uuid::new_v4()), world.credential, session::Method::Password)
        .await
        .unwrap();
    assert_eq!(told().await, [sid(&third)]);
    // Time.
    let mut browser = world.signed_in().await;
    let fourth = sign_in(&world, &mut browser).await;
    app.clock.advance(app.config.sessions.absolute.delta() + TimeDelta::seconds(1));
    session::sweep(&app.db, app.clock.now()).await.unwrap();
    assert_eq!(told().await, [sid(&fourth)]);
    // The account disabled, by whoever.
    let mut browser = world.signed_in().await;
    let fifth = sign_in(&world, &mut browser).await;
    world.tell::<Account>(world.account.0, AccountCommand::Disable).await;
    world.views_are_there().await;
    end_sessions_of_the_gone(app).await.unwrap();
    assert_eq!(told().await, [sid(&fifth)]);
    assert_eq!(told().await, [] as [Value; 0]);
}

fn cookies_of(browser: &Browser) -> session::cookies::Cookies {
    let token = session::Token::read(&browser.cookies["session"]).expect("a session's cookie");
    session::cookies::Cookies { session: Some(token), ..session::cookies::Cookies::default() }
}

#[tokio::test]
async fn signing_in_again_for_one_service_ends_nothing_at_another() {
    let ear = Ear::open().await;
    let world = world(&ear).await;
    let app = world.service.app();
    let mut browser = world.signed_in().await;
    let tokens = sign_in(&world, &mut browser).await;
    let before = browser.cookies["session"].clone();
    app.clock.advance(TimeDelta::seconds(5));
    // As the sign-in page does after `prompt=login`.
    let cookies = cookies_of(&browser);
    let jar = session::open(app, &cookies, world.account, world.credential, session::Method::Password).await.unwrap();
    for cookie in jar.iter().filter(|cookie| !cookie.value().is_empty()) {
        browser.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
    }
    assert_ne!(browser.cookies["session"], before, "a new id at each authentication");
    assert_eq!(world.userinfo(&text(&tokens["access_token"])).await.status, StatusCode::OK);
    let again = sign_in(&world, &mut browser).await;
    let (first, second) = (claims(&text(&tokens["id_token"])), claims(&text(&again["id_token"])));
    assert_eq!(first["sid"], second["sid"]);
    assert!(first["auth_time"].as_i64() < second["auth_time"].as_i64());
    let mut planted = world.service.browser();
    planted.cookies.insert("session".to_owned(), before);
    assert!(planted.get("/account").await.location().starts_with("/sign-in"), "the former id is worth nothing");
    tell(&world).await;
    assert!(ear.heard().is_empty());
}

#[tokio::test]
async fn signing_out_everywhere_ends_sessions_and_what_services_hold() {
    let ear = Ear::open().await;
    let world = world(&ear).await;
    let (mut here, mut there) = (world.signed_in().await, world.signed_in().await);
    let tokens = [sign_in(&world, &mut here).await, sign_in(&world, &mut there).await];
    let page = here.get("/account/services").await;
    let (_, form) = page.body.split_once("/account/sign-out-everywhere").expect("the form is there");
    let token = field(form, "form_token");
    let wrong = there.post("/account/sign-out-everywhere", &[("form_token", &token)]).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN, "another browser's form");
    assert_eq!(here.post("/account/sign-out-everywhere", &[("form_token", &token)]).await.location(), "/");
    for browser in [&mut here, &mut there] {
        assert!(browser.get("/account").await.location().starts_with("/sign-in"));
    }
    for tokens in &tokens {
        assert_eq!(world.userinfo(&text(&tokens["access_token"])).await.status, StatusCode::UNAUTHORIZED);
        let refresh = text(&tokens["refresh_token"]);
        let answer = world.token(&[("grant_type", "refresh_token"), ("refresh_token", &refresh)]).await;
        assert_eq!(super::world::error(&answer), "invalid_grant");
    }
    tell(&world).await;
    assert_eq!(ear.heard().len(), 2);
}

#[tokio::test]
async fn a_relying_party_that_fails_is_told_later_and_one_that_refuses_is_not() {
    let ear = Ear::open().await;
    let world = world(&ear).await;
    let app = world.service.app();
    let waiting =
        async || -> i64 { sqlx::query_scalar("SELECT count(*) FROM service.logout").fetch_one(&app.db).await.unwrap() };
    *ear.answer.lock().unwrap() = "503 Service Unavailable";
    let mut browser = world.signed_in().await;
    sign_in(&world, &mut browser).await;
    browser.post("/sign-out", &[]).await;
    tell(&world).await;
    assert_eq!((ear.heard().len(), waiting().await), (1, 1));
    // It outlives the process: it is a row.
    *ear.answer.lock().unwrap() = "204 No Content";
    app.clock.advance(TimeDelta::seconds(3));
    tell(&world).await;
    assert_eq!((ear.heard().len(), waiting().await), (1, 0));
    for (answer, left) in [("400 Bad Request", 0), ("302 Found\r\nLocation: http://127.0.0.1:1/", 1)] {
        *ear.answer.lock().unwrap() = answer;
        let mut browser = world.signed_in().await;
        sign_in(&world, &mut browser).await;
        browser.post("/sign-out", &[]).await;
        tell(&world).await;
        assert_eq!((ear.heard().len(), waiting().await), (1, left), "{answer}");
    }
}

#[tokio::test]
async fn point_26_a_logout_calls_no_private_address_that_is_not_configured() {
    let ear = Ear::open().await;
    let mut world = World::new().await;
    (world.client, world.secret) = world.register(listening(&ear.uri)).await;
    let mut browser = world.signed_in().await;
    sign_in(&world, &mut browser).await;
    browser.post("/sign-out", &[]).await;
    tell(&world).await;
    assert!(ear.heard().is_empty());
}
