//! With the addresses that a browser shows and the names that a request gives the service.

use super::world::{CALLBACK, ISSUER, World, foreign_post, json};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, header};

const EVIL: &str = "evil.example.test";

/// What a request may say of the host it was meant for.
fn forged() -> Vec<(HeaderName, String)> {
    let named = |name: &'static str, value: &str| (HeaderName::from_static(name), value.to_owned());
    vec![
        (header::HOST, EVIL.to_owned()),
        named("x-forwarded-host", EVIL),
        named("x-forwarded-proto", "https"),
        named("x-original-url", &format!("https://{EVIL}/")),
        (header::FORWARDED, format!("host={EVIL};proto=https")),
    ]
}

#[tokio::test]
async fn point_38_a_forged_host_reaches_no_link() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    for (name, value) in forged() {
        browser.headers.insert(name, HeaderValue::from_str(&value).unwrap());
    }
    let request = world.request(&[]);
    let form = world.request(&[("response_mode", Some("form_post"))]);
    for path in [
        "/",
        "/sign-in",
        "/activate",
        "/reset",
        "/account",
        "/legal",
        "/accessibility",
        "/nowhere",
        "/authorize",
        "/end-session",
        "/problems/not-found",
        "/jwks",
        "/.well-known/openid-configuration",
        "/readyz",
        &request,
        &form,
    ] {
        let answer = browser.get(path).await;
        let headers = format!("{:?}", answer.headers);
        assert!(!answer.body.contains(EVIL) && !headers.contains(EVIL), "{path}: {headers}");
    }
    let document = json(&browser.get("/.well-known/openid-configuration").await);
    assert_eq!(document["issuer"], ISSUER);
    assert!(browser.get(&request).await.location().starts_with(CALLBACK));
    // Programs get an address in their problem document.
    browser.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let problem = json(&browser.get("/nowhere").await);
    assert!(problem["type"].as_str().is_some_and(|kind| kind.starts_with(ISSUER)), "{problem}");
    // Recovery, by which other services were made to send poisoned links: the answer holds none.
    let reset = browser.post("/reset", &[("login", "t.lefictif")]).await;
    assert!(!reset.body.contains(EVIL) && !reset.location().contains(EVIL));
}

#[tokio::test]
async fn hostile_text_in_an_address_is_never_markup() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let raw = "\"><script>alert(1)</script>";
    let encoded: String = url::form_urlencoded::byte_serialize(raw.as_bytes()).collect();
    let client = world.client.to_string();
    let script = format!("javascript:alert(1)//{encoded}");
    for path in [
        format!("/authorize?client_id={encoded}"),
        format!("/authorize?client_id={client}&redirect_uri={script}"),
        format!("/authorize/continue?request={encoded}"),
        format!("/end-session?post_logout_redirect_uri={script}&state={encoded}"),
        format!("/end-session?client_id={client}&post_logout_redirect_uri={script}"),
        format!("/end-session?id_token_hint={encoded}"),
        format!("/sign-in?return_to={script}&login={encoded}"),
        format!("/problems/{encoded}"),
        format!("/nowhere/{encoded}?{encoded}={encoded}"),
        format!("/language/{encoded}?to={script}"),
        world.request(&[("state", Some(raw)), ("response_mode", Some("form_post"))]),
    ] {
        let answer = browser.get(&path).await;
        let body = answer.body.to_lowercase();
        assert!(!body.contains("<script>alert"), "{path}");
        for attribute in ["href=\"javascript:", "action=\"javascript:", "src=\"javascript:"] {
            assert!(!body.contains(attribute), "{path}");
        }
        assert!(!answer.location().starts_with("javascript:"), "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"), "{path}: {policy}");
    }
    let posted = foreign_post(&world, "/authorize", format!("client_id={encoded}&redirect_uri={script}")).await;
    assert!(!posted.body.to_lowercase().contains("<script>alert"));
    let shown = browser.send(Method::TRACE, "/authorize", Body::empty(), None).await;
    assert!(shown.status.is_client_error(), "TRACE echoes nothing");
}

/// Other services took a member of a request for granted that said “this address is verified”.
#[tokio::test]
async fn nobody_declares_themselves_verified() {
    let world = World::new().await;
    let mut stranger = world.service.browser();
    let claims = [
        ("verified", "true"),
        ("email_verified", "true"),
        ("phone_number_verified", "true"),
        ("code_accepted", "true"),
        ("status", "activated"),
    ];
    // A flow begun for the guardian, with nothing proved: no later step opens, whatever is declared along.
    let page = stranger.get("/activate").await;
    let token = super::world::field(&page.body, "form_token");
    let who =
        [("surname", "Lefictif"), ("given_name", "Thérèse"), ("mobile", "06 39 98 00 01"), ("form_token", &*token)];
    stranger.post("/activate", &[&who[..], &claims].concat()).await;
    for path in ["/children", "/new-password", "/account"] {
        let answer = stranger.get(path).await;
        assert!(
            !answer.body.contains("Zoé")
                && !answer.body.contains("name=\"password\" type=\"password\" autocomplete=\"new-password\""),
            "{path}"
        );
    }
    let chosen =
        [("password", "une longue phrase de passe"), ("again", "une longue phrase de passe"), ("form_token", "x")];
    let answer = stranger.post("/new-password", &[&chosen[..], &claims].concat()).await;
    assert!(answer.status.is_client_error() || !answer.location().starts_with("/account"), "{}", answer.status);
    let silent = stranger.get(&world.request(&[("prompt", Some("none"))])).await;
    assert!(silent.location().contains("error=login_required"));
}
