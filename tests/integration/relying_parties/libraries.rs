//! Two libraries, each under a small service that answers in JSON: `tests/relying-party/openid-client/service.mjs` and
//! `tests/relying-party/authlib/service.py`. They have the same addresses, so one story serves both.

use super::browser::{Browser, Page};
use super::family::{Family, until};
use super::program::{Clock, Program, command, source};
use crate::harness::{free_port, root};
use reqwest::StatusCode;
use serde_json::Value;

/// Which library.
#[derive(Clone, Copy, Debug)]
enum Library {
    OpenidClient,
    Authlib,
}

/// How the service authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    Secret,
    Key,
    /// `private_key_jwt`, pushed requests, and tokens bound to a key: the security profile FAPI 2.0.
    Fapi,
}

/// A running service, registered.
struct RelyingParty {
    origin: String,
    client: String,
    _program: Program,
}

impl RelyingParty {
    async fn start(family: &Family, library: Library, means: Means, clock: Clock) -> Self {
        let port = free_port().to_string();
        let origin = format!("http://127.0.0.1:{port}");
        let (after, told, keys) =
            (format!("{origin}/signed-out"), format!("{origin}/backchannel"), format!("{origin}/jwks"));
        let mut more = vec!["--post-logout-redirect-uri", &after, "--backchannel-logout-uri", &told];
        if means != Means::Secret {
            more.extend(["--authentication", "private-key-jwt", "--jwks-uri", &keys]);
        }
        if means == Means::Fapi {
            more.extend(["--require-pushed-requests", "--dpop-bound"]);
        }
        let (client, secret) = family.register("Service", &format!("{origin}/callback"), &more);
        let (mut command, install) = match library {
            Library::OpenidClient => {
                let mut node = command("node", clock);
                node.arg(source("openid-client/service.mjs"));
                (node, "scripts/test installs Node 18 or later, and the packages of tests/relying-party")
            }
            Library::Authlib => {
                let python = root().join("target/python/authlib/bin/python");
                let mut python = command(&python.display().to_string(), clock);
                python.arg(source("authlib/service.py"));
                (python, "scripts/test makes the environment target/python/authlib, with Authlib")
            }
        };
        command.env("ISSUER", family.issuer()).env("CLIENT_ID", &client).env("PORT", &port);
        match means {
            Means::Secret => drop(command.env("CLIENT_SECRET", secret)),
            Means::Key => {}
            Means::Fapi => drop(command.env("FAPI", "1")),
        }
        let log = family.place.files().join(format!("service-{port}.log"));
        let program = Program::start(command, log, &format!("{origin}/healthz"), install).await;
        Self { origin, client, _program: program }
    }

    async fn ask(&self, browser: &mut Browser, path: &str) -> Page {
        browser.open(&format!("{}{path}", self.origin)).await
    }

    /// Signs in, with a password if none was typed in this browser before.
    async fn sign_in(&self, family: &Family, browser: &mut Browser, asked: bool) -> Value {
        let mut page = self.ask(browser, "/login").await;
        assert_eq!(page.has_form_with("login"), asked, "{page}");
        if asked {
            page = family.sign_in(browser, &page).await;
        }
        assert!(page.url.as_str().starts_with(&self.origin), "{page}");
        let told = page.json();
        assert!(family.is_named_by(&told["userinfo"]), "{told}");
        assert_eq!(told["claims"]["aud"], self.client.as_str(), "{told}");
        told
    }

    async fn refresh(&self, family: &Family, browser: &mut Browser, former: &Value) -> Value {
        let told = self.ask(browser, "/refresh").await.json();
        assert!(family.is_named_by(&told["userinfo"]), "{told}");
        for changed in ["access_token", "refresh_token"] {
            assert!(told[changed].is_string() && told[changed] != former[changed], "{changed}: {told}");
        }
        for kept in ["sub", "auth_time", "sid", "acr"] {
            assert_eq!(told["claims"][kept], former["claims"][kept], "{kept}");
        }
        told
    }

    /// The id of the key that an ID token verifies by, as this service sees it now.
    async fn verify(&self, token: &Value) -> String {
        let path = format!("/verify?token={}", token.as_str().expect("a token"));
        let told = self.ask(&mut Browser::new(), &path).await.json();
        told["kid"].as_str().expect("a key's name").to_owned()
    }
}

/// Sign-in with code and PKCE, claims, refresh, and logout at the service.
async fn signs_in_refreshes_and_logs_out(family: &Family, service: &RelyingParty, token_type: &str) {
    let mut browser = Browser::new();
    let first = service.sign_in(family, &mut browser, true).await;
    assert_eq!(first["header"]["alg"], "ES256");
    assert_eq!(first["claims"]["iss"], family.issuer());
    assert_eq!(first["claims"]["acr"], "urn:matricule:acr:guardian-by-school-record");
    assert_eq!(first["claims"]["FrEduCtPersonAffiliation"], first["userinfo"]["FrEduCtPersonAffiliation"]);
    assert!(first["token_type"].as_str().expect("a type").eq_ignore_ascii_case(token_type), "{first}");

    // One sign-in: the next asks for nothing, and says the same of it.
    let again = service.sign_in(family, &mut browser, false).await;
    assert_eq!(again["claims"]["auth_time"], first["claims"]["auth_time"]);
    let refreshed = service.refresh(family, &mut browser, &again).await;
    service.refresh(family, &mut browser, &refreshed).await;

    let out = service.ask(&mut browser, "/logout").await;
    assert_eq!((out.url.path(), &out.json()["state"]), ("/signed-out", &Value::from("bye")), "{out}");
    let next = service.ask(&mut browser, "/login").await;
    assert!(next.has_form_with("login"), "the provider's session ended too: {next}");
    let access = refreshed["access_token"].as_str().expect("a token");
    assert_eq!(family.userinfo(access).await, 401, "so did what the service held");
}

/// Signed out at the provider, or by a second service: the first hears of it.
async fn hears_of_a_logout(family: &Family, service: &RelyingParty, other: &RelyingParty) {
    let (mut browser, mut elsewhere) = (Browser::new(), Browser::new());
    for by_the_other in [false, true] {
        service.sign_in(family, &mut browser, true).await;
        service.sign_in(family, &mut elsewhere, true).await;
        if by_the_other {
            other.sign_in(family, &mut browser, false).await;
            assert_eq!(other.ask(&mut browser, "/logout").await.url.path(), "/signed-out");
        } else {
            family.sign_out(&mut browser).await;
        }
        until("the service hears of the logout", async || {
            let me = service.ask(&mut browser, "/me").await;
            (me.status == StatusCode::UNAUTHORIZED && me.body.contains("none")).then_some(())
        })
        .await;
        let untouched = service.ask(&mut elsewhere, "/me").await.json();
        assert!(family.is_named_by(&untouched), "another browser's session goes on: {untouched}");
        family.sign_out(&mut elsewhere).await;
    }
}

/// Keys are rotated twice while somebody is signed in: the second key was never seen by the service before.
async fn notices_no_rotation(family: &Family, service: &RelyingParty) {
    let mut browser = Browser::new();
    let mut kids = Vec::new();
    let mut former: Vec<Value> = Vec::new();
    for turn in 0..3 {
        if turn > 0 {
            family.rotate_keys().await;
        }
        let told = service.sign_in(family, &mut browser, turn == 0).await;
        kids.push(service.verify(&told["id_token"]).await);
        former.push(told);
        for (kid, earlier) in kids.iter().zip(&former) {
            assert_eq!(&service.verify(&earlier["id_token"]).await, kid, "an ID token of before still verifies");
            let access = earlier["access_token"].as_str().expect("a token");
            assert_eq!(family.userinfo(access).await, 200, "an access token of before still opens");
        }
    }
    let all: std::collections::BTreeSet<_> = kids.iter().collect();
    assert_eq!(all.len(), 3, "each rotation brought another key: {kids:?}");
    let last = former.last().expect("three sign-ins");
    service.refresh(family, &mut browser, last).await;
}

/// Services whose clocks are off by almost what both sides tolerate, either way.
async fn bears_a_wrong_clock(family: &Family, library: Library, means: Means) {
    for clock in [Clock::Off(25), Clock::Off(-25)] {
        let service = RelyingParty::start(family, library, means, clock).await;
        let mut browser = Browser::new();
        let told = service.sign_in(family, &mut browser, true).await;
        service.refresh(family, &mut browser, &told).await;
        family.sign_out(&mut browser).await;
        until("a logout is told across the clocks", async || {
            let me = service.ask(&mut browser, "/me").await;
            (me.status == StatusCode::UNAUTHORIZED && me.body.contains("none")).then_some(())
        })
        .await;
    }
}

/// A service whose clock is off by more: what it signs is refused.
async fn is_refused_with_a_clock_too_wrong(family: &Family, library: Library, seconds: i32) {
    let service = RelyingParty::start(family, library, Means::Key, Clock::Off(seconds)).await;
    let mut browser = Browser::new();
    let page = service.ask(&mut browser, "/login").await;
    let page = family.sign_in(&mut browser, &page).await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR, "{page}");
    assert!(page.body.contains("invalid_client"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_signs_in_refreshes_and_logs_out() {
    let family = Family::activated().await;
    let service = RelyingParty::start(&family, Library::OpenidClient, Means::Secret, Clock::Right).await;
    signs_in_refreshes_and_logs_out(&family, &service, "Bearer").await;
    let other = RelyingParty::start(&family, Library::OpenidClient, Means::Key, Clock::Right).await;
    hears_of_a_logout(&family, &service, &other).await;
    signs_in_refreshes_and_logs_out(&family, &other, "Bearer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_signs_in_by_the_security_profile_fapi_2() {
    let family = Family::activated().await;
    let service = RelyingParty::start(&family, Library::OpenidClient, Means::Fapi, Clock::Right).await;
    signs_in_refreshes_and_logs_out(&family, &service, "DPoP").await;
    bears_a_wrong_clock(&family, Library::OpenidClient, Means::Fapi).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_notices_no_rotation_and_bears_a_wrong_clock() {
    let family = Family::activated().await;
    let service = RelyingParty::start(&family, Library::OpenidClient, Means::Secret, Clock::Right).await;
    notices_no_rotation(&family, &service).await;
    bears_a_wrong_clock(&family, Library::OpenidClient, Means::Secret).await;
    is_refused_with_a_clock_too_wrong(&family, Library::OpenidClient, 300).await;
    is_refused_with_a_clock_too_wrong(&family, Library::OpenidClient, -300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_signs_in_refreshes_and_logs_out() {
    let family = Family::activated().await;
    let service = RelyingParty::start(&family, Library::Authlib, Means::Secret, Clock::Right).await;
    signs_in_refreshes_and_logs_out(&family, &service, "Bearer").await;
    let other = RelyingParty::start(&family, Library::Authlib, Means::Key, Clock::Right).await;
    hears_of_a_logout(&family, &service, &other).await;
    signs_in_refreshes_and_logs_out(&family, &other, "Bearer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_notices_no_rotation_and_bears_a_wrong_clock() {
    let family = Family::activated().await;
    let service = RelyingParty::start(&family, Library::Authlib, Means::Secret, Clock::Right).await;
    notices_no_rotation(&family, &service).await;
    bears_a_wrong_clock(&family, Library::Authlib, Means::Secret).await;
    bears_a_wrong_clock(&family, Library::Authlib, Means::Key).await;
}
