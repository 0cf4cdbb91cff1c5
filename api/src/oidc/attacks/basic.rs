//! The plans Basic and Form Post of the OpenID Foundation's conformance suite, module by module under their names
//! there. Each goes through both: the answer in the redirect's query, and posted as a form.

use super::world::{CALLBACK, ISSUER, VERIFIER, World, claims, error, field, foreign_post, json, parameter};
use super::world::{registration, stays_here, text};
use crate::testing::{Answer, Browser};
use axum::http::{HeaderValue, StatusCode, header};
use chrono::TimeDelta;
use domain::relying_party::{ClientAuthentication, Establishments, GrantType};
use serde_json::{Value, json};

/// How the answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Query,
    FormPost,
}

const MODES: [Mode; 2] = [Mode::Query, Mode::FormPost];

impl Mode {
    /// The path of a good request for this mode, with some parameters changed.
    fn request(self, world: &World, change: &[(&str, Option<&str>)]) -> String {
        let mode = match self {
            Self::Query => None,
            Self::FormPost => Some("form_post"),
        };
        world.request(&[change, &[("response_mode", mode)]].concat())
    }

    async fn ask(self, world: &World, browser: &mut Browser, change: &[(&str, Option<&str>)]) -> Answer {
        browser.get(&self.request(world, change)).await
    }

    /// A value that an answer brings to the redirect URI; `None` where it has none, or goes nowhere.
    fn brought(self, answer: &Answer, name: &str) -> Option<String> {
        match self {
            Self::Query => parameter(answer.location(), name).filter(|_| answer.location().starts_with(CALLBACK)),
            Self::FormPost => {
                let posted = answer.status == StatusCode::OK
                    && answer.location().is_empty()
                    && answer.body.contains(&format!("<form method=\"post\" action=\"{CALLBACK}\">"));
                (posted && answer.body.contains(&format!("name=\"{name}\""))).then(|| field(&answer.body, name))
            }
        }
    }

    /// What a request with this change and this browser leads to, once redeemed.
    async fn tokens(self, world: &World, browser: &mut Browser, change: &[(&str, Option<&str>)]) -> Value {
        let answer = self.ask(world, browser, change).await;
        let code = self.brought(&answer, "code");
        let code = code.unwrap_or_else(|| panic!("{self:?} {change:?}: {} {}", answer.location(), answer.body));
        self.redeemed(world, &code).await
    }

    async fn redeemed(self, world: &World, code: &str) -> Value {
        let answer = world.redeem(code).await;
        assert_eq!(answer.status, StatusCode::OK, "{self:?}: {}", answer.body);
        json(&answer)
    }

    fn asks_to_sign_in(self, answer: &Answer) -> bool {
        answer.location().starts_with("/sign-in?return_to=")
    }
}

fn id(tokens: &Value) -> Value {
    claims(&text(&tokens["id_token"]))
}

fn later(world: &World, seconds: i64) {
    world.service.app().clock.advance(TimeDelta::seconds(seconds));
}

/// With an ID token that verifies by the published key of its name, as a relying party verifies it.
#[tokio::test]
async fn oidcc_server_and_idtoken_signature() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for mode in MODES {
        let answer = mode.ask(&world, &mut browser, &[]).await;
        assert_eq!(mode.brought(&answer, "state").as_deref(), Some("the state"));
        assert_eq!(mode.brought(&answer, "iss").as_deref(), Some(ISSUER));
        let tokens = mode.redeemed(&world, &mode.brought(&answer, "code").expect("a code")).await;
        assert!(tokens["token_type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")));
        assert!(tokens["expires_in"].as_i64().is_some_and(|seconds| seconds > 0));
        let token = text(&tokens["id_token"]);
        let header = jsonwebtoken::decode_header(&token).unwrap();
        let set = json(&world.program().get("/jwks").await);
        let named: Vec<_> =
            set["keys"].as_array().unwrap().iter().filter(|key| key["kid"] == json!(header.kid)).collect();
        let [key] = named.as_slice() else { panic!("{} keys of this name", named.len()) };
        let key: jsonwebtoken::jwk::Jwk = serde_json::from_value((*key).clone()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(header.alg);
        validation.set_audience(&[world.client.to_string()]);
        validation.set_issuer(&[ISSUER]);
        let key = jsonwebtoken::DecodingKey::from_jwk(&key).unwrap();
        let said = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!(said["nonce"], "the nonce");
        for member in ["sub", "iat", "exp", "auth_time", "at_hash", "acr"] {
            assert!(!said[member].is_null(), "{member}");
        }
    }
}

#[tokio::test]
async fn oidcc_response_type_missing() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for mode in MODES {
        let answer = mode.ask(&world, &mut browser, &[("response_type", None)]).await;
        assert_eq!(mode.brought(&answer, "error").as_deref(), Some("invalid_request"));
        assert_eq!(mode.brought(&answer, "state").as_deref(), Some("the state"));
        assert_eq!(mode.brought(&answer, "code"), None);
    }
}

#[tokio::test]
async fn oidcc_userinfo_get_post_header_and_post_body() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for mode in MODES {
        let tokens = mode.tokens(&world, &mut browser, &[]).await;
        let access = text(&tokens["access_token"]);
        let mut program = world.program();
        let by_body = program.post("/userinfo", &[("access_token", &access)]).await;
        program.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {access}")).unwrap());
        for answer in [program.get("/userinfo").await, program.post("/userinfo", &[]).await, by_body] {
            assert_eq!(answer.status, StatusCode::OK);
            assert!(answer.header("content-type").starts_with("application/json"));
            assert_eq!(json(&answer)["sub"], id(&tokens)["sub"]);
        }
    }
}

#[tokio::test]
async fn oidcc_scope_profile_email_address_phone_and_all() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let offered = json(&world.program().get("/.well-known/openid-configuration").await)["scopes_supported"].clone();
    let all = offered.as_array().unwrap().iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    for mode in MODES {
        for scope in ["openid profile", "openid email", "openid address", "openid phone", &all] {
            let tokens = mode.tokens(&world, &mut browser, &[("scope", Some(scope))]).await;
            let userinfo = json(&world.userinfo(&text(&tokens["access_token"])).await);
            assert_eq!(userinfo["name"].is_string(), scope.contains("profile"), "{scope}: {userinfo}");
            let granted = text(&tokens["scope"]);
            for asked in granted.split(' ') {
                assert!(scope.contains(asked), "{scope} gave {granted}");
            }
        }
    }
}

/// Requests that must succeed whatever they carry beside what is needed.
#[tokio::test]
async fn what_is_not_understood_or_needed_stands_in_nobodys_way() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let offered = json(&world.program().get("/.well-known/openid-configuration").await)["acr_values_supported"].clone();
    let acr_values = offered.as_array().unwrap().iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    for mode in MODES {
        for (module, change) in [
            ("oidcc-ensure-request-without-nonce-succeeds-for-code-flow", ("nonce", None)),
            ("oidcc-alternate-happy-flow", ("scope", Some("children profile openid"))),
            ("oidcc-display-page", ("display", Some("page"))),
            ("oidcc-display-popup", ("display", Some("popup"))),
            ("oidcc-ensure-request-with-unknown-parameter-succeeds", ("extra", Some("foobar"))),
            ("oidcc-login-hint", ("login_hint", Some("t.lefictif@example.org"))),
            ("oidcc-ui-locales", ("ui_locales", Some("se en fr"))),
            ("oidcc-claims-locales", ("claims_locales", Some("se"))),
            ("oidcc-ensure-request-with-acr-values-succeeds", ("acr_values", Some(acr_values.as_str()))),
            ("oidcc-claims-essential", ("claims", Some(r#"{"userinfo":{"name":{"essential":true}}}"#))),
            ("oidcc-ensure-request-with-valid-pkce-succeeds", ("code_challenge_method", Some("S256"))),
        ] {
            let tokens = mode.tokens(&world, &mut browser, &[change]).await;
            let said = id(&tokens);
            assert_eq!(said.get("nonce").is_some(), change.0 != "nonce", "{module}");
            assert!(acr_values.contains(&text(&said["acr"])), "{module}");
            if module == "oidcc-claims-essential" {
                let userinfo = json(&world.userinfo(&text(&tokens["access_token"])).await);
                assert!(userinfo["name"].is_string(), "{userinfo}");
            }
        }
    }
}

#[tokio::test]
async fn oidcc_alternate_happy_flow() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for mode in MODES {
        let path = mode.request(&world, &[("scope", Some("birthdate children profile openid"))]);
        let (path, query) = path.split_once('?').unwrap();
        let backwards: Vec<&str> = query.split('&').rev().collect();
        let answer = browser.get(&format!("{path}?{}", backwards.join("&"))).await;
        let code = mode.brought(&answer, "code").expect("a code");
        mode.redeemed(&world, &code).await;
    }
}

#[tokio::test]
async fn oidcc_prompt_login() {
    let world = World::new().await;
    for mode in MODES {
        let mut browser = world.signed_in().await;
        let first = id(&mode.tokens(&world, &mut browser, &[]).await);
        later(&world, 2);
        let asked = mode.ask(&world, &mut browser, &[("prompt", Some("login"))]).await;
        assert!(mode.asks_to_sign_in(&asked), "{}", asked.location());
        let back = parameter(asked.location(), "return_to").unwrap();
        let answer = world.signed_in().await.get(&back).await;
        let second = id(&mode.redeemed(&world, &mode.brought(&answer, "code").expect("a code")).await);
        assert!(second["auth_time"].as_i64() > first["auth_time"].as_i64());
        assert_eq!(second["sub"], first["sub"]);
    }
}

#[tokio::test]
async fn oidcc_prompt_none_logged_in_and_not() {
    let world = World::new().await;
    let silent = [("prompt", Some("none"))];
    for mode in MODES {
        let answer = mode.ask(&world, &mut world.service.browser(), &silent).await;
        assert_eq!(mode.brought(&answer, "error").as_deref(), Some("login_required"));
        assert_eq!(mode.brought(&answer, "state").as_deref(), Some("the state"));
        let mut browser = world.signed_in().await;
        let first = id(&mode.tokens(&world, &mut browser, &[]).await);
        later(&world, 2);
        let second = id(&mode.tokens(&world, &mut browser, &silent).await);
        assert_eq!((&first["sub"], &first["auth_time"]), (&second["sub"], &second["auth_time"]));
    }
}

#[tokio::test]
async fn oidcc_max_age_1_and_10000() {
    let world = World::new().await;
    for mode in MODES {
        let mut browser = world.signed_in().await;
        let first = id(&mode.tokens(&world, &mut browser, &[("max_age", Some("15000"))]).await);
        later(&world, 2);
        let second = id(&mode.tokens(&world, &mut browser, &[("max_age", Some("10000"))]).await);
        assert_eq!((&first["sub"], &first["auth_time"]), (&second["sub"], &second["auth_time"]));
        let asked = mode.ask(&world, &mut browser, &[("max_age", Some("1"))]).await;
        assert!(mode.asks_to_sign_in(&asked), "{}", asked.location());
        let back = parameter(asked.location(), "return_to").unwrap();
        let answer = world.signed_in().await.get(&back).await;
        let third = id(&mode.redeemed(&world, &mode.brought(&answer, "code").expect("a code")).await);
        assert!(third["auth_time"].as_i64() > first["auth_time"].as_i64());
    }
}

#[tokio::test]
async fn oidcc_id_token_hint() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for mode in MODES {
        let first = mode.tokens(&world, &mut browser, &[]).await;
        let hint = text(&first["id_token"]);
        let hinted = [("id_token_hint", Some(hint.as_str())), ("prompt", Some("none"))];
        let again = id(&mode.tokens(&world, &mut browser, &hinted).await);
        assert_eq!((&again["sub"], &again["auth_time"]), (&id(&first)["sub"], &id(&first)["auth_time"]));
        let nobody = mode.ask(&world, &mut world.service.browser(), &hinted).await;
        assert_eq!(mode.brought(&nobody, "error").as_deref(), Some("login_required"));
    }
}

#[tokio::test]
async fn oidcc_login_hint_and_ui_locales_reach_the_sign_in_page_and_nothing_stored() {
    let world = World::new().await;
    let hostile = "t.lefictif\"><script>alert(1)</script>";
    let hints = [("login_hint", Some(hostile)), ("ui_locales", Some("se en-GB fr"))];
    for mode in MODES {
        let mut browser = world.service.browser();
        let answer = mode.ask(&world, &mut browser, &hints).await;
        assert!(mode.asks_to_sign_in(&answer), "{}", answer.location());
        let page = browser.get(answer.location()).await;
        assert!(page.body.contains("<html lang=\"en\">") && page.body.contains("t.lefictif"));
        assert!(!page.body.contains("<script>alert"));
    }
    let stored: Vec<String> = sqlx::query_scalar("SELECT request::text FROM service.authorization_request")
        .fetch_all(&world.service.app().db)
        .await
        .unwrap();
    assert!(stored.len() == MODES.len() && stored.iter().all(|request| !request.contains("lefictif")));
}

#[tokio::test]
async fn oidcc_codereuse_and_30seconds() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for mode in MODES {
        for wait in [0, 30] {
            let answer = mode.ask(&world, &mut browser, &[]).await;
            let code = mode.brought(&answer, "code").expect("a code");
            let access = text(&mode.redeemed(&world, &code).await["access_token"]);
            assert_eq!(world.userinfo(&access).await.status, StatusCode::OK);
            later(&world, wait);
            assert_eq!(error(&world.redeem(&code).await), "invalid_grant", "after {wait} s");
            assert_eq!(world.userinfo(&access).await.status, StatusCode::UNAUTHORIZED, "after {wait} s");
        }
    }
}

#[tokio::test]
async fn oidcc_ensure_registered_redirect_uri() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for mode in MODES {
        let elsewhere = [("redirect_uri", Some("https://notes.example.org/unregistered"))];
        let answer = mode.ask(&world, &mut browser, &elsewhere).await;
        let leads = |attribute: &str| answer.body.contains(&format!("{attribute}=\"https://notes.example.org/unreg"));
        assert!(stays_here(&answer) && !leads("href") && !leads("action"), "{}", answer.body);
    }
}

#[tokio::test]
async fn oidcc_ensure_post_request_succeeds() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for mode in MODES {
        let path = mode.request(&world, &[]);
        let posted = foreign_post(&world, "/authorize", path.split_once('?').unwrap().1.to_owned()).await;
        let answer = browser.get(posted.location()).await;
        let code = mode.brought(&answer, "code").expect("a code");
        mode.redeemed(&world, &code).await;
    }
}

#[tokio::test]
async fn oidcc_server_client_secret_post() {
    let mut world = World::new().await;
    let mut by_post = registration(Establishments::All);
    by_post.authentication = ClientAuthentication::ClientSecretPost;
    (world.client, world.secret) = world.register(by_post).await;
    let mut browser = world.signed_in().await;
    let client = world.client.to_string();
    for mode in MODES {
        let answer = mode.ask(&world, &mut browser, &[]).await;
        let code = mode.brought(&answer, "code").expect("a code");
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", &client),
            ("client_secret", &world.secret),
        ];
        let answer = world.program().post("/token", &fields).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
}

/// Request objects are refused by name; nothing in them is ever used.
#[tokio::test]
async fn oidcc_request_objects_are_rejected_as_unsupported() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    // alg none; redirect_uri elsewhere.
    let unsigned = "eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL2V4YW1wbGUudGVzdC8ifQ.";
    for mode in MODES {
        for (name, value, code) in [
            ("request", unsigned, "request_not_supported"),
            ("request_uri", "https://notes.example.org/request.jwt", "request_uri_not_supported"),
        ] {
            let answer = mode.ask(&world, &mut browser, &[(name, Some(value))]).await;
            assert_eq!(mode.brought(&answer, "error").as_deref(), Some(code));
            assert!(!answer.location().contains("example.test") && !answer.body.contains("example.test"));
        }
    }
}

#[tokio::test]
async fn oidcc_refresh_token() {
    let mut world = World::new().await;
    let mut refreshing = registration(Establishments::All);
    refreshing.terms.grant_types.insert(GrantType::RefreshToken);
    let (other, other_secret) = world.register(refreshing.clone()).await;
    (world.client, world.secret) = world.register(refreshing).await;
    let mut browser = world.signed_in().await;
    for mode in MODES {
        let first = mode.tokens(&world, &mut browser, &[]).await;
        let token = text(&first["refresh_token"]);
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        assert_eq!(error(&world.token_as(other, &other_secret, &fields).await), "invalid_grant", "another client's");
        let answer = world.token(&fields).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let second = json(&answer);
        assert_ne!(second["access_token"], first["access_token"]);
        for same in ["iss", "sub", "aud", "auth_time"] {
            assert_eq!(id(&second)[same], id(&first)[same], "{same}");
        }
        assert_eq!(world.userinfo(&text(&second["access_token"])).await.status, StatusCode::OK);
    }
}
