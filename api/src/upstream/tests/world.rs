//! The provider, the service that knows it, and a person who signs in there.

use crate::config::{
    Button, Config, FRANCECONNECT, FranceConnect, MatchBy, Matching, Secret, SecretBy, Upstream, User, Userinfo,
};
use crate::testing::{Answer, Browser, TestService};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::account::Account;
use domain::ids::AccountId;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use url::Url;

/// Where the service's users reach it.
pub const ORIGIN: &str = "http://localhost:8080";
const SECRET: &str = "un secret d'essai, assez long pour signer";

/// A running provider; killed when dropped.
pub struct Running {
    _process: Child,
    pub origin: String,
    http: reqwest::Client,
}

impl Running {
    /// Starts one, installed on first use as its lock file says.
    pub async fn start(base: &str, clients: &Value, people: &Value, signed: bool) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/franceconnect");
        if !folder.join("node_modules/oidc-provider").exists() {
            let npm = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).output().await;
            let npm = npm.expect("npm is needed to install the provider");
            assert!(npm.status.success(), "npm ci: {}", String::from_utf8_lossy(&npm.stderr));
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = Command::new("node")
            .arg("provider.mjs")
            .current_dir(&folder)
            .envs([("PORT", port.to_string().as_str()), ("BASE", base), ("SIGNED", if signed { "1" } else { "0" })])
            .envs([("CLIENTS", clients.to_string()), ("PEOPLE", people.to_string())])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node, 20 or later, is needed to run the provider");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        while !lines.next_line().await.unwrap().expect("the provider listens").starts_with("listening") {}
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { _process: process, origin: format!("http://127.0.0.1:{port}"), http }
    }

    async fn tell(&self, path: &str, text: &str) {
        let told = self.http.post(format!("{}{path}", self.origin)).body(text.to_owned()).send().await.unwrap();
        assert!(told.status().is_success());
    }

    /// What follows is wrong in this way; empty for right again.
    pub async fn fault(&self, fault: &str) {
        self.tell("/test/fault", fault).await;
    }

    /// The person's `sub` changes.
    pub async fn correct_civil_status(&self, person: &str) {
        self.tell("/test/civil-status", person).await;
    }

    /// Goes where the service sent the browser, signs in as `person`, and comes back: path and query of the callback.
    pub async fn walk(&self, start: &str, person: &str, go: &str) -> String {
        let mut cookies = BTreeMap::new();
        let mut next = Url::parse(start).unwrap_or_else(|_| panic!("{start} is no address"));
        for _ in 0..8 {
            let request = match next.path().starts_with("/login/") {
                true => self.http.post(next.clone()).form(&[("person", person), ("go", go)]),
                false => self.http.get(next.clone()),
            };
            let sent: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let answer = request.header(COOKIE, sent.join("; ")).send().await.unwrap();
            for cookie in answer.headers().get_all(SET_COOKIE) {
                let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
                let (name, value) = cookie.split_once('=').unwrap();
                cookies.insert(name.to_owned(), value.to_owned());
            }
            let Some(location) = answer.headers().get(LOCATION) else {
                panic!("{next} answered {} {}", answer.status(), answer.text().await.unwrap());
            };
            next = next.join(location.to_str().unwrap()).unwrap();
            if let Some(back) = next.as_str().strip_prefix(ORIGIN) {
                return back.to_owned();
            }
        }
        panic!("no way back from {start}");
    }
}

fn client(secret: Option<&str>, keys: Value, callbacks: &[&str]) -> Value {
    let callbacks: Vec<String> =
        callbacks.iter().map(|name| format!("{ORIGIN}/sign-in/with/{name}/callback")).collect();
    let mut client = json!({
        "client_id": "matricule",
        "redirect_uris": callbacks,
        "post_logout_redirect_uris": [format!("{ORIGIN}/")],
        "id_token_signed_response_alg": "ES256",
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
    });
    let more = match secret {
        Some(secret) => json!({
            "client_secret": secret,
            "token_endpoint_auth_method": "client_secret_post",
            "userinfo_signed_response_alg": "ES256",
            "subject_type": "pairwise",
        }),
        None => json!({
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256",
            "jwks": { "keys": [keys] },
        }),
    };
    client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client
}

fn person(family: &str, given: &[&str], birthdate: &str) -> Value {
    json!({
        "given_name": given.join(" "),
        "given_name_array": given,
        "family_name": family,
        "birthdate": birthdate,
        "gender": "female",
        "birthplace": "75107",
        "birthcountry": "99100",
        "email": "quelquun@example.test",
    })
}

/// Who has a FranceConnect identity: Aude, someone of her names born on another day, and a stranger.
fn people() -> Value {
    json!({
        "aude": person("LEFICTIF", &["Aude", "Marie"], "1985-03-02"),
        "homonyme": person("LEFICTIF", &["Aude"], "1957-00-00"),
        "angela": person("DUBOIS", &["Angela", "Claire"], "1962-08-24"),
    })
}

/// The service with FranceConnect, or what stands in for it.
pub struct World {
    pub service: TestService,
    pub provider: Running,
    /// With the register of erasures.
    _folder: tempfile::TempDir,
}

impl World {
    pub async fn start() -> Self {
        let clients = json!([client(Some(SECRET), Value::Null, &[FRANCECONNECT])]);
        let provider = Running::start("/api/v2", &clients, &people(), true).await;
        let issuer = Url::parse(&format!("{}/api/v2", provider.origin)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let register = folder.path().join("erasures.register");
        let service = TestService::with(
            move |config| {
                allow_loopback(config);
                config.backup.erasure_register = Some(register);
                config.franceconnect = Some(FranceConnect {
                    issuer,
                    client_id: "matricule".into(),
                    client_secret: Some(Secret::new(SECRET)),
                    client_secret_file: None,
                    private_key_file: None,
                    private_key_id: None,
                });
            },
            |router| router,
        )
        .await;
        Self { service, provider, _folder: folder }
    }

    /// Signs in there as `person`; what the service answers on the way back.
    pub async fn come_back(&self, browser: &mut Browser, person: &str) -> Answer {
        let back = self.leave(browser, person, "ok").await;
        browser.get(&back).await
    }

    /// Path and query of the callback, not yet asked for.
    pub async fn leave(&self, browser: &mut Browser, person: &str, go: &str) -> String {
        let left = browser.get("/sign-in/with/franceconnect").await;
        assert!(left.status.is_redirection(), "{} {}", left.status, left.body);
        self.provider.walk(left.location(), person, go).await
    }

    pub async fn account(&self, id: AccountId) -> Account {
        self.service.app().ledger.load::<Account>(&id.to_string()).await.unwrap().aggregate
    }
}

fn allow_loopback(config: &mut Config) {
    config.oidc.private_hosts = vec!["127.0.0.1".to_owned()];
}

/// The service with desks: one table for each rule, all at one provider, by a key of ours.
pub struct Desks {
    pub service: TestService,
    pub provider: Running,
    _key: tempfile::TempDir,
}

pub const RULES: [(&str, MatchBy, Option<&str>, &[User]); 4] = [
    ("desk-ine", MatchBy::Ine, Some("ine"), &[User::Pupil]),
    ("desk-vector", MatchBy::FrEduVecteur, Some("FrEduVecteur"), &[User::Pupil, User::Guardian]),
    ("desk-login", MatchBy::Login, Some("identifiant"), &[User::Guardian]),
    ("desk-birth", MatchBy::NamesAndBirthDate, None, &[User::Pupil]),
];

impl Desks {
    pub async fn start(people: Value) -> Self {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &aws_lc_rs::rand::SystemRandom::new());
        let pkcs8 = pkcs8.unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let keys = json!({
            "kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..]),
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(pkcs8.as_ref()));
        std::fs::write(&file, pem).unwrap();
        let names = RULES.map(|(name, ..)| name);
        let provider = Running::start("", &json!([client(None, keys, &names)]), &people, false).await;
        let issuer = Url::parse(&provider.origin).unwrap();
        let table = |(name, by, claim, users): (&str, MatchBy, Option<&str>, &[User])| Upstream {
            name: name.to_owned(),
            issuer: issuer.clone(),
            client_id: "matricule".into(),
            client_secret: None,
            client_secret_file: None,
            private_key_file: Some(file.clone()),
            private_key_id: Some("k1".into()),
            authentication: SecretBy::default(),
            scopes: vec!["profile".into(), "ecole".into()],
            acr_values: None,
            userinfo: Userinfo::Plain,
            hosts: vec![],
            button: Button { fr: "Guichet d’essai".into(), en: "Test desk".into() },
            users: users.iter().copied().collect::<BTreeSet<_>>(),
            matching: Matching { by, claim: claim.map(str::to_owned) },
        };
        let tables = RULES.map(table).to_vec();
        let service = TestService::with(
            move |config| {
                allow_loopback(config);
                config.upstream = tables;
            },
            |router| router,
        )
        .await;
        Self { service, provider, _key: folder }
    }

    /// Signs in by the table of this name as `person`.
    pub async fn come_back(&self, browser: &mut Browser, name: &str, person: &str) -> Answer {
        let left = browser.get(&format!("/sign-in/with/{name}")).await;
        assert!(left.status.is_redirection(), "{} {}", left.status, left.body);
        let back = self.provider.walk(left.location(), person, "ok").await;
        browser.get(&back).await
    }
}
