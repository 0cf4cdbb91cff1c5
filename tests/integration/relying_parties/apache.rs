//! Apache 2.4 with mod_auth_openidc, as a school's web server would have it: `tests/relying-party/apache/httpd.conf`.

use super::browser::{Browser, Page};
use super::family::{Family, until};
use super::program::{Clock, Program, command, filled_in};
use crate::harness::free_port;
use reqwest::StatusCode;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const INSTALL: &str = "scripts/test installs it (Debian: apache2 libapache2-mod-auth-openidc)";

/// A running Apache, registered.
struct Apache {
    origin: String,
    _program: Program,
    _dir: tempfile::TempDir,
}

impl Apache {
    /// `by_key`: it authenticates with a key of its own and takes answers as posted forms.
    async fn start(family: &Family, by_key: bool, clock: Clock) -> Self {
        let port = free_port().to_string();
        let origin = format!("http://127.0.0.1:{port}");
        let callback = format!("{origin}/secure/redirect_uri");
        let (after, told) = (format!("{origin}/out.html"), format!("{callback}?logout=backchannel"));
        let keys = format!("{callback}?jwks=rsa");
        let mut more = vec!["--post-logout-redirect-uri", &after, "--backchannel-logout-uri", &told];
        if by_key {
            more.extend(["--authentication", "private-key-jwt", "--jwks-uri", &keys, "--response-mode", "form-post"]);
        }
        let (client, secret) = family.register("Intranet", &callback, &more);

        let dir = site();
        let (key, public) = (dir.path().join("own.key"), dir.path().join("own.pem"));
        let credential = if by_key {
            make_key(&key, &public);
            format!("OIDCPrivateKeyFiles {}\nOIDCPublicKeyFiles {}", key.display(), public.display())
        } else {
            format!("OIDCClientSecret {secret}")
        };
        // Where root starts it, it goes on as another.
        let is_root = rustix::process::geteuid().is_root();
        let conf = filled_in(
            "apache/httpd.conf",
            &[
                ("DIR", &dir.path().display().to_string()),
                ("PORT", &port),
                ("MODULES", &modules()),
                ("AS", if is_root { "User www-data\nGroup www-data" } else { "" }),
                ("ISSUER", family.issuer()),
                ("CLIENT", &client),
                ("METHOD", if by_key { "private_key_jwt" } else { "client_secret_basic" }),
                ("CREDENTIAL", &credential),
                // By key it signs people in only.
                ("INTROSPECT", &if by_key { String::new() } else { format!("OIDCOAuthClientSecret {secret}") }),
                ("MODE", if by_key { "form_post" } else { "query" }),
            ],
            dir.path(),
        );
        let mut httpd = command("apache2", clock);
        httpd.arg("-DFOREGROUND").arg("-f").arg(conf);
        let log = dir.path().join("httpd.log");
        let program = Program::start(httpd, log, &format!("{origin}/out.html"), INSTALL).await;
        Self { origin, _program: program, _dir: dir }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// What it knows of whoever is signed in here.
    async fn info(&self, browser: &mut Browser) -> Value {
        browser.open(&self.at("/secure/redirect_uri?info=json")).await.json()
    }

    /// Opens the guarded page and signs in, with a password if none was typed in this browser before.
    async fn sign_in(&self, family: &Family, browser: &mut Browser, asked: bool) -> Value {
        let mut page = browser.open(&self.at("/secure/")).await;
        assert_eq!(page.has_form_with("login"), asked, "{page}");
        if asked {
            page = family.sign_in(browser, &page).await;
        }
        let page = self.take_posted(browser, page).await;
        assert!(page.body.contains("Intranet") && page.url.as_str() == self.at("/secure/"), "{page}\n{}", self.log());
        let info = self.info(browser).await;
        assert!(family.is_named_by(&info["userinfo"]), "{info}");
        info
    }

    /// A browser without scripts presses the button of the form that carries the answer.
    async fn take_posted(&self, browser: &mut Browser, page: Page) -> Page {
        if page.has_form_with("code") { browser.press(&page, "code").await } else { page }
    }

    /// Whether Apache takes the access token where it guards an interface for programs: it asks our introspection.
    async fn takes(&self, info: &Value) -> bool {
        let request =
            reqwest::Client::new().get(self.at("/api/")).bearer_auth(info["access_token"].as_str().expect("one"));
        request.send().await.expect("an answer").status() == StatusCode::OK
    }

    async fn refresh(&self, family: &Family, browser: &mut Browser, former: &Value) {
        let query =
            [("refresh", self.at("/secure/")), ("access_token", former["access_token"].as_str().expect("one").into())];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let page = browser.open(&self.at(&format!("/secure/redirect_uri?{query}"))).await;
        assert!(page.body.contains("Intranet") && page.url.query().is_none(), "{page}\n{}", self.log());
        let info = self.info(browser).await;
        for changed in ["access_token", "refresh_token"] {
            assert!(info[changed].is_string() && info[changed] != former[changed], "{changed}: {info}");
        }
        assert_eq!(family.userinfo(info["access_token"].as_str().expect("one")).await, 200);
    }

    /// Waits until this browser's session here is over, which only a logout that it was told of can do.
    async fn hears_of_the_logout(&self, browser: &mut Browser) {
        until("Apache hears of the logout", async || {
            let page = browser.ask(&self.at("/secure/")).await;
            page.status.is_redirection().then_some(())
        })
        .await;
    }

    fn log(&self) -> String {
        fs::read_to_string(self._dir.path().join("error.log")).unwrap_or_default()
    }
}

/// A directory with two pages that the server may read.
fn site() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("it can be entered");
    for folder in ["run", "htdocs", "htdocs/secure", "htdocs/api"] {
        fs::create_dir(dir.path().join(folder)).expect("a folder");
    }
    fs::write(dir.path().join("mime.types"), "").expect("written");
    fs::write(dir.path().join("htdocs/out.html"), "<p>Au revoir").expect("written");
    for folder in ["secure", "api"] {
        fs::write(dir.path().join("htdocs").join(folder).join("index.html"), "<p>Intranet").expect("written");
    }
    dir
}

fn make_key(key: &Path, public: &Path) {
    let openssl = |args: &[&str]| {
        let made = Command::new("openssl").args(args).output().expect("openssl runs; scripts/test installs it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let (key, public) = (key.display().to_string(), public.display().to_string());
    openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", &key]);
    openssl(&["pkey", "-in", &key, "-pubout", "-out", &public]);
}

/// Where Apache's modules are.
fn modules() -> String {
    let known = ["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/opt/homebrew/lib/httpd/modules"];
    let found = known.into_iter().find(|folder| Path::new(folder).join("mod_auth_openidc.so").exists());
    found.unwrap_or_else(|| panic!("mod_auth_openidc is missing. {INSTALL}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn mod_auth_openidc_signs_in_refreshes_and_logs_out() {
    let family = Family::activated().await;
    for by_key in [false, true] {
        let apache = Apache::start(&family, by_key, Clock::Right).await;
        let mut browser = Browser::new();
        let info = apache.sign_in(&family, &mut browser, true).await;
        assert_eq!(info["id_token"]["iss"], family.issuer());
        assert_eq!(info["id_token"]["acr"], "urn:matricule:acr:guardian-by-school-record");
        assert!(by_key || apache.takes(&info).await, "{}", apache.log());
        apache.refresh(&family, &mut browser, &info).await;

        let out = format!("/secure/redirect_uri?logout={}", apache.at("/out.html"));
        let page = browser.open(&apache.at(&out)).await;
        assert!(page.body.contains("Au revoir"), "{page}");
        let next = browser.open(&apache.at("/secure/")).await;
        assert!(next.has_form_with("login"), "the provider's session ended too: {next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mod_auth_openidc_hears_of_a_logout() {
    let family = Family::activated().await;
    let apache = Apache::start(&family, false, Clock::Right).await;
    let (mut browser, mut elsewhere) = (Browser::new(), Browser::new());
    apache.sign_in(&family, &mut browser, true).await;
    apache.sign_in(&family, &mut elsewhere, true).await;
    family.sign_out(&mut browser).await;
    apache.hears_of_the_logout(&mut browser).await;
    let untouched = elsewhere.ask(&apache.at("/secure/")).await;
    assert_eq!(untouched.status, StatusCode::OK, "another browser's session goes on: {untouched}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mod_auth_openidc_notices_no_rotation_and_bears_a_wrong_clock() {
    let family = Family::activated().await;
    let apache = Apache::start(&family, false, Clock::Right).await;
    let mut browser = Browser::new();
    let mut former: Vec<Value> = Vec::new();
    for turn in 0..3 {
        if turn > 0 {
            family.rotate_keys().await;
            browser.forget("127.0.0.1");
        }
        former.push(apache.sign_in(&family, &mut browser, turn == 0).await);
        for earlier in &former {
            assert!(apache.takes(earlier).await, "an access token of before is still taken: {}", apache.log());
            let access = earlier["access_token"].as_str().expect("one");
            assert_eq!(family.userinfo(access).await, 200);
        }
    }
    apache.refresh(&family, &mut browser, former.last().expect("three")).await;
    for clock in [Clock::Off(25), Clock::Off(-25)] {
        let apache = Apache::start(&family, true, clock).await;
        let mut browser = Browser::new();
        let info = apache.sign_in(&family, &mut browser, true).await;
        apache.refresh(&family, &mut browser, &info).await;
        family.sign_out(&mut browser).await;
        apache.hears_of_the_logout(&mut browser).await;
    }
}
