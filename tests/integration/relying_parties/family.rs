//! A guardian of two pupils, from the schools' files to a password, and the service that knows them.

use super::browser::{Browser, Page, unescape};
use crate::harness::{Place, Service};
use school_files::sample::{DemoSet, write_demo};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

const PASSWORD: &str = "un hérisson traverse la cour";
/// For what happens within seconds, on a machine that does other things besides.
const PATIENCE: Duration = Duration::from_secs(60);

/// The service with one family in it.
pub struct Family {
    pub place: Place,
    pub service: Service,
    demo: DemoSet,
    login: String,
}

impl Family {
    /// Starts a service on a database of its own; imports the schools, and activates the guardian's account.
    pub async fn activated() -> Self {
        let place = Place::new();
        // The relying parties of the tests are on this machine.
        fs::write(place.files().join("matricule.toml"), "[oidc]\nprivate_hosts = [\"127.0.0.1\"]\n").expect("written");
        let service = place.serve().await;
        let demo = write_demo(&place.files().join("exports")).expect("the demonstration's files are written");
        let mut import = place.command("matricule");
        let imported = import.arg("import").args(&demo.files).output().expect("the import runs");
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        let mut family = Self { place, service, demo, login: String::new() };
        family.login = family.activate().await;
        family
    }

    async fn activate(&self) -> String {
        let (guardian, mut browser) = (&self.demo.guardian, Browser::new());
        let page = browser.open(&self.at("/activate")).await;
        let who = [
            ("surname", &*guardian.family_name),
            ("given_name", &*guardian.given_name),
            ("mobile", &*guardian.mobile_written),
        ];
        let page = browser.submit(&page, &who).await;
        let mut page = browser.submit(&page, &[("code", &self.code().await)]).await;
        for _ in &guardian.children {
            let body = unescape(&page.body);
            let open = |part: &&str| part.contains("name=\"year\"");
            let part = body.split("<section").find(open).unwrap_or_else(|| panic!("no child to confirm on {page}"));
            let child = guardian.children.iter().find(|child| part.contains(&child.given_name)).expect("one of theirs");
            let date = child.birth_date.format("%d %m %Y").to_string();
            let date: Vec<&str> = date.split(' ').collect();
            page = browser.submit_part(&page, part, &[("day", date[0]), ("month", date[1]), ("year", date[2])]).await;
        }
        let (_, after) = page.body.split_once("class=\"login\">").unwrap_or_else(|| panic!("no login on {page}"));
        let login = after.split('<').next().unwrap_or_default().to_owned();
        let page = browser.submit(&page, &[("password", PASSWORD), ("again", PASSWORD)]).await;
        assert!(page.url.path().starts_with("/account"), "{page}");
        login
    }

    /// The code that was sent last.
    async fn code(&self) -> String {
        until("a code in the inbox", async || {
            let page = Browser::new().open(&self.at("/demo/inbox")).await;
            let words = page.body.split(|c: char| !c.is_ascii_alphanumeric());
            words
                .filter(|word| word.len() == 6)
                .find(|word| word.bytes().all(|c| c.is_ascii_digit()))
                .map(str::to_owned)
        })
        .await
    }

    /// An address of the service.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.service.origin)
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.service.origin
    }

    /// The guardian's whole name.
    pub fn name(&self) -> String {
        format!("{} {}", self.demo.guardian.given_name, self.demo.guardian.family_name)
    }

    /// The given names of the guardian's children.
    pub fn children(&self) -> BTreeSet<String> {
        self.demo.guardian.children.iter().map(|child| child.given_name.clone()).collect()
    }

    /// Registers a relying party that may ask for everything and refresh; its id, and its secret if it gets one.
    pub fn register(&self, name: &str, redirect_uri: &str, more: &[&str]) -> (String, String) {
        let mut command = self.place.command("matricule");
        command.args(["relying-party", "register", "--all-establishments", "--name", name]);
        command.args(["--redirect-uri", redirect_uri, "--grant", "authorization_code,refresh_token"]);
        command.args(["--scope", "profile,affiliation,establishment,children,birthdate"]).args(more);
        let output = command.output().expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let value = |label: &str| said.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default().to_owned();
        (value("CLIENT_ID="), value("CLIENT_SECRET="))
    }

    /// Types login and password into the page, which must ask for them.
    pub async fn sign_in(&self, browser: &mut Browser, page: &Page) -> Page {
        assert!(page.has_form_with("login") && page.url.as_str().starts_with(self.issuer()), "{page}");
        browser.submit(page, &[("login", &self.login), ("password", PASSWORD)]).await
    }

    /// Signs out on the service's own page: no relying party takes part.
    pub async fn sign_out(&self, browser: &mut Browser) {
        let page = browser.open(&self.at("/account")).await;
        let part = page.body.split("<form").find(|part| part.contains("action=\"/sign-out\""));
        let part = format!("<form{}", part.unwrap_or_else(|| panic!("no way to sign out on {page}")));
        browser.submit_part(&page, &part, &[]).await;
        let again = browser.open(&self.at("/account")).await;
        assert!(again.has_form_with("login"), "{again}");
    }

    /// The ids of the published keys.
    pub async fn kids(&self) -> BTreeSet<String> {
        let set = Browser::new().open(&self.at("/jwks")).await.json();
        let keys = set["keys"].as_array().expect("keys");
        keys.iter().map(|key| key["kid"].as_str().expect("a name").to_owned()).collect()
    }

    /// Lets the next keys sign, and waits until the running service does.
    pub async fn rotate_keys(&self) {
        let before = self.kids().await;
        self.place.run("matricule", ["keys", "rotate", "--now"]);
        until("the new keys", async || {
            // A token by an unknown key makes the service look again, sooner than by itself.
            self.userinfo("eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6Im5vbmUifQ.e30.AA").await;
            (!self.kids().await.is_subset(&before)).then_some(())
        })
        .await;
    }

    /// What userinfo answers to an access token: its status.
    pub async fn userinfo(&self, token: &str) -> u16 {
        let request = reqwest::Client::new().get(self.at("/userinfo")).bearer_auth(token);
        request.send().await.expect("an answer").status().as_u16()
    }

    /// Whether userinfo names this guardian and no other than their children.
    pub fn is_named_by(&self, userinfo: &Value) -> bool {
        let children = userinfo["children"].as_array().cloned().unwrap_or_default();
        let names = children.iter().filter_map(|child| child["given_name"].as_str().map(str::to_owned));
        userinfo["name"] == self.name() && names.collect::<BTreeSet<_>>() == self.children()
    }
}

/// Asks again until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
