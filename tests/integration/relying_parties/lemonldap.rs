//! The portal of LemonLDAP::NG with this service as its provider. Version 2.16 sends no PKCE by itself: a plugin of a
//! few lines adds it, `tests/relying-party/lemonldap/MatriculePkce.pm`. It does not hear of logouts (2.16 answers 501).

use super::browser::Browser;
use super::family::Family;
use super::program::{Clock, Program, as_www_data, filled_in, source};
use crate::harness::free_port;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

const INSTALL: &str = "scripts/test installs it (Debian: lemonldap-ng, with what it recommends)";

/// A running portal, registered.
struct Portal {
    origin: String,
    port: String,
    program: Option<Program>,
    dir: tempfile::TempDir,
}

impl Portal {
    async fn start(family: &Family, clock: Clock) -> Self {
        let port = free_port().to_string();
        let origin = format!("http://127.0.0.1:{port}");
        let after = format!("{origin}/?logout=1");
        let callback = format!("{origin}/?openidconnectcallback=1");
        // It knows RSA only.
        let more = ["--post-logout-redirect-uri", &after, "--id-token-alg", "RS256"];
        let (client, secret) = family.register("Portail", &callback, &more);
        let dir = tempfile::tempdir().expect("a directory");
        let mut portal = Self { origin, port, program: None, dir };
        portal.configure(family, &client, &secret).await;
        portal.run(clock).await;
        portal
    }

    async fn configure(&self, family: &Family, client: &str, secret: &str) {
        let dir = self.dir.path();
        for folder in ["conf", "sessions", "sessions/lock", "psessions", "psessions/lock", "cache"] {
            fs::create_dir(dir.join(folder)).expect("a folder");
        }
        // The portal's configuration has the documents as text.
        let document = async |path: &str| json!(Browser::new().open(&family.at(path)).await.body).to_string();
        let here = dir.display().to_string();
        let values = [
            ("DIR", &*here),
            ("PORT", &self.port),
            ("PLUGIN", &here),
            ("METADATA", &document("/.well-known/openid-configuration").await),
            ("KEYS", &document("/jwks").await),
            ("CLIENT", client),
            ("SECRET", secret),
        ];
        filled_in("lemonldap/lmConf-1.json", &values, &dir.join("conf"));
        for file in ["lemonldap/lemonldap-ng.ini", "lemonldap/app.psgi"] {
            filled_in(file, &values, dir);
        }
        fs::copy(source("lemonldap/MatriculePkce.pm"), dir.join("MatriculePkce.pm")).expect("copied");
        give_away(dir);
    }

    /// Starts, or starts again on the same sessions.
    async fn run(&mut self, clock: Clock) {
        drop(self.program.take());
        let dir = self.dir.path();
        let mut plackup = as_www_data("plackup", clock);
        plackup.current_dir(dir).args(["-E", "deployment", "-s", "HTTP::Server::PSGI", "--max-workers", "2"]);
        plackup.args(["--host", "127.0.0.1", "--port", &self.port, "app.psgi"]);
        plackup.env("LLNG_DEFAULTCONFFILE", dir.join("lemonldap-ng.ini")).env("HOME", dir);
        let log = std::env::temp_dir().join(format!("portal-{}.log", self.port));
        self.program = Some(Program::start(plackup, log, &format!("{}/static/x", self.origin), INSTALL).await);
    }

    fn log(&self) -> String {
        self.program.as_ref().map(Program::log).unwrap_or_default()
    }

    /// What the portal keeps of whoever is signed in.
    async fn session(&self, browser: &mut Browser) -> Value {
        browser.open(&format!("{}/session/my/global", self.origin)).await.json()
    }

    async fn sign_in(&self, family: &Family, browser: &mut Browser, asked: bool) -> Value {
        let mut page = browser.open(&self.origin).await;
        assert_eq!(page.has_form_with("login"), asked, "{page}\n{}", self.log());
        if asked {
            page = family.sign_in(browser, &page).await;
        }
        assert!(page.url.as_str().starts_with(&self.origin) && page.status.is_success(), "{page}\n{}", self.log());
        let session = self.session(browser).await;
        assert_eq!(session["cn"], family.name(), "{session}\n{}", self.log());
        session
    }
}

/// As root: the portal runs as another, who must be able to read this and write there.
fn give_away(dir: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let passwd = fs::read_to_string("/etc/passwd").expect("who there is");
    let line =
        passwd.lines().find(|line| line.starts_with("www-data:")).unwrap_or_else(|| panic!("no www-data. {INSTALL}"));
    let number = |n: usize| line.split(':').nth(n).and_then(|text| text.parse::<u32>().ok());
    let mut all = vec![dir.to_owned()];
    while let Some(path) = all.pop() {
        chown(&path, number(2), number(3)).expect("given away");
        if path.is_dir() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("its own");
            all.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lemonldap_signs_in_refreshes_and_logs_out() {
    let family = Family::activated().await;
    let mut portal = Portal::start(&family, Clock::Right).await;
    let mut browser = Browser::new();
    let before = portal.sign_in(&family, &mut browser, true).await;
    assert!(before["uid"].as_str().is_some_and(|sub| sub.len() > 20), "{before}");

    // It refreshes an access token that has lived nine tenths of its time. Sessions are files: they outlive a restart.
    portal.run(Clock::Off(9 * 60 + 15)).await;
    browser.open(&format!("{}/refresh", portal.origin)).await;
    let after = portal.session(&mut browser).await;
    for changed in ["_oidc_access_token", "_oidc_refresh_token"] {
        assert!(
            after[changed].is_string() && after[changed] != before[changed],
            "{changed}: {after}\n{}",
            portal.log()
        );
    }
    assert_eq!((&after["uid"], &after["cn"]), (&before["uid"], &before["cn"]));
    portal.run(Clock::Right).await;

    let page = browser.open(&format!("{}/?logout=1", portal.origin)).await;
    assert!(page.url.as_str().starts_with(&portal.origin) || page.has_form_with("login"), "{page}");
    let next = browser.open(&portal.origin).await;
    assert!(next.has_form_with("login"), "the provider's session ended too: {next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lemonldap_notices_no_rotation_and_bears_a_wrong_clock() {
    let family = Family::activated().await;
    let portal = Portal::start(&family, Clock::Right).await;
    let mut browser = Browser::new();
    let before = portal.sign_in(&family, &mut browser, true).await;
    // It reads our keys at its start only, and signs in by the next all the same: that was published ahead.
    family.rotate_keys().await;
    browser.forget("127.0.0.1");
    let after = portal.sign_in(&family, &mut browser, false).await;
    assert_ne!(before["_oidc_id_token"], after["_oidc_id_token"]);
    let access = before["_oidc_access_token"].as_str().expect("a token");
    assert_eq!(family.userinfo(access).await, 200, "an access token of before still opens");
    for clock in [Clock::Off(25), Clock::Off(-25)] {
        let portal = Portal::start(&family, clock).await;
        let mut browser = Browser::new();
        portal.sign_in(&family, &mut browser, true).await;
    }
}
