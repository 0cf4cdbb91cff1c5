//! At the authorization endpoint.

use super::world::{CALLBACK, ISSUER, World, foreign_post, parameter, registration, stays_here};
use axum::http::StatusCode;
use chrono::TimeDelta;
use domain::relying_party::{ClientAuthentication, Establishments};

#[tokio::test]
async fn point_01_only_a_registered_redirect_uri_gets_an_answer() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for foreign in [
        "https://notes.example.org/cb/",
        "https://notes.example.org/cb?x=1",
        "https://notes.example.org/cb/../evil",
        "https://notes.example.org/CB",
        "https://NOTES.example.org/cb",
        "https://notes.example.org:443/cb",
        "https://notes.example.org:8443/cb",
        "http://notes.example.org/cb",
        "https://notes.example.org.example.test/cb",
        "https://notes.example.org@example.test/cb",
        "https://example.test\\@notes.example.org/cb",
        "https://example.test/https://notes.example.org/cb",
        "//notes.example.org/cb",
        "javascript:alert(document.domain)//https://notes.example.org/cb",
        "https://notes.example.org/cb#fragment",
        "https://notes.example.org/cb\r\nSet-Cookie: x=y",
        "*",
    ] {
        for extra in [("prompt", "none"), ("state", "x"), ("response_type", "wrong")] {
            let answer =
                browser.get(&world.request(&[("redirect_uri", Some(foreign)), (extra.0, Some(extra.1))])).await;
            assert!(stays_here(&answer), "{foreign}: {} {}", answer.status, answer.location());
            assert!(!answer.body.contains("alert("), "what came in is not shown");
        }
    }
    assert!(stays_here(&browser.get(&world.request(&[("redirect_uri", None)])).await));
    let good = browser.get(&world.request(&[("redirect_uri", Some("https://notes.example.org/cb?tab=1"))])).await;
    assert!(good.location().starts_with("https://notes.example.org/cb?tab=1&code="), "{}", good.location());
}

#[tokio::test]
async fn point_01_a_native_apps_port_may_vary_and_nothing_else() {
    let mut world = World::new().await;
    let mut native = registration(Establishments::All);
    native.redirect_uris = vec!["http://127.0.0.1/cb".to_owned()];
    native.authentication = ClientAuthentication::None;
    (world.client, world.secret) = world.register(native).await;
    let mut browser = world.signed_in().await;
    let ask = |uri: &str| world.request(&[("redirect_uri", Some(uri))]);
    let answer = browser.get(&ask("http://127.0.0.1:50123/cb")).await;
    assert!(answer.location().starts_with("http://127.0.0.1:50123/cb?code="), "{}", answer.location());
    for other in ["http://127.0.0.1:50123/other", "http://localhost:50123/cb", "http://127.0.0.1:5@example.test/cb"] {
        assert!(stays_here(&browser.get(&ask(other)).await), "{other}");
    }
}

#[tokio::test]
async fn point_02_errors_redirect_only_to_a_proven_client() {
    let world = World::new().await;
    let mut browser = world.service.browser();
    for change in [
        ("client_id", None),
        ("client_id", Some("nobody")),
        ("client_id", Some("00000000-0000-0000-0000-000000000001")),
    ] {
        assert!(stays_here(&browser.get(&world.request(&[change])).await), "{change:?}");
    }
    // A request that waits can't be made up, and leads nowhere else.
    for made_up in [
        "/authorize/continue",
        "/authorize/continue?request=https://example.test/",
        "/authorize/continue?request=00000000-0000-0000-0000-000000000001",
    ] {
        assert!(stays_here(&browser.get(made_up).await), "{made_up}");
    }
}

#[tokio::test]
async fn point_03_a_repeated_parameter_is_refused() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let good = world.request(&[]);
    for (name, value) in [
        ("client_id", world.client.to_string()),
        ("redirect_uri", CALLBACK.to_owned()),
        ("redirect_uri", "https://example.test/".to_owned()),
    ] {
        let answer = browser.get(&format!("{good}&{name}={value}")).await;
        assert!(stays_here(&answer), "{name}: {}", answer.location());
    }
    for name in ["scope", "state", "nonce", "response_type", "code_challenge", "prompt", "unknown"] {
        let answer = browser.get(&format!("{good}&{name}=openid&{name}=openid")).await;
        assert_eq!(parameter(answer.location(), "error").as_deref(), Some("invalid_request"), "{name}");
        assert_eq!(parameter(answer.location(), "code"), None);
        assert_eq!(
            parameter(answer.location(), "state").is_some(),
            name != "state",
            "a repeated state is not returned"
        );
    }
    let both = foreign_post(&world, &good, "scope=openid".to_owned()).await;
    assert_eq!(
        parameter(both.location(), "error").as_deref(),
        Some("invalid_request"),
        "once in the URL, once in the body"
    );
}

#[tokio::test]
async fn point_04_pkce_with_s256_is_required() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for change in [
        vec![("code_challenge", None), ("code_challenge_method", None)],
        vec![("code_challenge", None)],
        vec![("code_challenge_method", None)],
        vec![("code_challenge_method", Some("plain"))],
        vec![("code_challenge_method", Some("s256"))],
        vec![("code_challenge", Some("too-short"))],
    ] {
        let answer = browser.get(&world.request(&change)).await;
        assert_eq!(parameter(answer.location(), "error").as_deref(), Some("invalid_request"), "{change:?}");
        assert_eq!(parameter(answer.location(), "code"), None);
    }
}

#[tokio::test]
async fn point_09_and_13_only_the_code_flow_by_query_or_form() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for flow in ["token", "id_token", "id_token token", "code token", "code id_token", "none"] {
        let answer = browser.get(&world.request(&[("response_type", Some(flow))])).await;
        assert_eq!(parameter(answer.location(), "error").as_deref(), Some("unsupported_response_type"), "{flow}");
        assert!(!answer.location().contains("token=") && !answer.location().contains('#'));
    }
    for mode in ["fragment", "query.jwt", "web_message"] {
        let answer = browser.get(&world.request(&[("response_mode", Some(mode))])).await;
        assert_eq!(parameter(answer.location(), "error").as_deref(), Some("invalid_request"), "{mode}");
        assert!(!answer.location().contains('#'));
    }
    for (name, code) in [("request", "request_not_supported"), ("request_uri", "request_uri_not_supported")] {
        let answer = browser.get(&world.request(&[(name, Some("https://127.0.0.1:1/"))])).await;
        assert_eq!(parameter(answer.location(), "error").as_deref(), Some(code));
    }
}

#[tokio::test]
async fn form_post_carries_the_answer_in_a_form_that_needs_no_script() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let hostile = "\"><script>alert(1)</script>";
    let answer = browser.get(&world.request(&[("response_mode", Some("form_post")), ("state", Some(hostile))])).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.contains(&format!("action=\"{CALLBACK}\"")) && answer.body.contains("name=\"code\""));
    assert!(answer.body.contains("<button") && !answer.body.contains("<script>alert"));
    assert!(answer.header("content-security-policy").contains("script-src 'sha256-"));
}

#[tokio::test]
async fn point_10_every_answer_names_the_issuer() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let mut stranger = world.service.browser();
    let answers = [
        browser.get(&world.request(&[])).await,
        browser.get(&world.request(&[("scope", Some("profile"))])).await,
        stranger.get(&world.request(&[("prompt", Some("none"))])).await,
    ];
    for answer in answers {
        assert!(answer.location().starts_with(CALLBACK));
        assert_eq!(parameter(answer.location(), "iss").as_deref(), Some(ISSUER));
        assert_eq!(parameter(answer.location(), "state").as_deref(), Some("the state"));
    }
}

#[tokio::test]
async fn point_11_what_is_posted_is_never_redirected_with_307() {
    let world = World::new().await;
    let (_, query) =
        world.request(&[]).split_once('?').map(|(path, query)| (path.to_owned(), query.to_owned())).unwrap();
    let kept = foreign_post(&world, "/authorize", query.clone()).await;
    assert_eq!(kept.status, StatusCode::SEE_OTHER);
    assert!(kept.location().starts_with("/authorize/continue?request="), "{}", kept.location());
    let refused = foreign_post(&world, "/authorize", query.replace("S256", "plain")).await;
    assert_eq!(refused.status, StatusCode::SEE_OTHER);
    let mut browser = world.signed_in().await;
    assert_eq!(browser.get(kept.location()).await.status, StatusCode::SEE_OTHER);
    assert!(stays_here(&browser.get(kept.location()).await), "one request, one code");
}

#[tokio::test]
async fn point_12_no_page_may_be_framed() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for path in
        [world.request(&[("response_mode", Some("form_post"))]), "/authorize".to_owned(), "/end-session".to_owned()]
    {
        let answer = browser.get(&path).await;
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
    }
}

#[tokio::test]
async fn point_28_a_session_that_idled_or_lived_too_long_gives_no_code() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    world.code(&mut browser).await;
    world.service.app().clock.advance(world.service.app().config.sessions.idle.delta() + TimeDelta::seconds(1));
    let answer = browser.get(&world.request(&[])).await;
    assert!(answer.location().starts_with("/sign-in?return_to="), "{}", answer.location());
    let silent = browser.get(&world.request(&[("prompt", Some("none"))])).await;
    assert_eq!(parameter(silent.location(), "error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn prompt_and_max_age_ask_for_a_fresh_sign_in() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    world.service.app().clock.advance(TimeDelta::seconds(90));
    let asks = async |browser: &mut crate::testing::Browser, change: &[(&str, Option<&str>)]| {
        browser
            .get(&world.request(change))
            .await
            .location()
            .starts_with("/sign-in/again?return_to=%2Fauthorize%2Fcontinue")
    };
    assert!(!asks(&mut browser, &[("max_age", Some("3600"))]).await);
    assert!(asks(&mut browser, &[("max_age", Some("60"))]).await);
    assert!(asks(&mut browser, &[("max_age", Some("0"))]).await);
    let waiting = browser.get(&world.request(&[("prompt", Some("login"))])).await;
    let back = parameter(waiting.location(), "return_to").unwrap();
    let again = browser.get(&back).await;
    assert!(again.location().starts_with("/sign-in/again?"), "the old session does not do: {}", again.location());
    // Signed in anew in the browser whose request it is.
    let mut fresh = world.signed_in().await;
    fresh.cookies.insert("request".to_owned(), browser.cookies["request"].clone());
    let answer = fresh.get(&back).await;
    assert!(parameter(answer.location(), "code").is_some(), "{}", answer.location());
}
