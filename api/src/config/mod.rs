//! Configuration: typed, documented in `reference.toml`, refused as a whole where one key is wrong.
//!
//! ```text
//!   defaults ◄── TOML file ◄── MATRICULE_… environment ◄── command line
//! ```
//! Each later source overrides the ones before. In the environment, a key of a section is written with two
//! underscores: `MATRICULE_SMTP__HOST` is `host` of `[smtp]`. `DATABASE_URL` is `url` of `[database]`.

mod imports;
mod load;
mod outgoing;
mod proof;
#[cfg(test)]
mod tests;
mod upstream;
mod values;

pub use imports::Imports;
use load::is_loopback;
pub use load::{ConfigError, REFERENCE, load};
pub(crate) use outgoing::PLACES;
pub use outgoing::{Sms, SmsFormat, Smtp, SmtpTls};
pub use proof::{Proof, ProofKeep, ProofKey, ProofStore, ProofWitness};
pub use upstream::{Button, FRANCECONNECT, FranceConnect, MatchBy, Matching, SecretBy, Upstream, User, Userinfo};
pub use values::{Secret, Size, Span};

use crate::pages::Language;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use url::Url;

/// Everything that can be configured. What each key means stands in `reference.toml`, beside its default.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Where users reach the service; every link and the OpenID issuer are built from it, never from a request.
    pub public_origin: Url,
    /// Where the embedded database and the key files live.
    pub data_dir: PathBuf,
    /// For who states no preference.
    pub language: Language,
    /// The database.
    pub database: Database,
    /// The key that wraps all others.
    pub master_key: MasterKey,
    /// HTTP.
    pub http: Http,
    /// Logs.
    pub log: Log,
    /// Sessions of signed-in users.
    pub sessions: Sessions,
    /// Codes sent by SMS.
    pub codes: Codes,
    /// Passwords.
    pub passwords: Passwords,
    /// OpenID Connect.
    pub oidc: Oidc,
    /// FranceConnect.
    pub franceconnect: Option<FranceConnect>,
    /// Other providers by which people sign in.
    pub upstream: Vec<Upstream>,
    /// Outgoing mail.
    pub smtp: Option<Smtp>,
    /// Outgoing SMS.
    pub sms: Option<Sms>,
    /// Who runs the service.
    pub operator: Operator,
    /// School data over the API.
    pub imports: Imports,
    /// Checkpoints of the ledger.
    pub proof: Proof,
    /// Auditors over the API.
    pub audit: Audit,
    /// How long what is kept is kept.
    pub retention: Retention,
    /// Backups.
    pub backup: Backup,
    /// The demo.
    pub demo: Demo,
}

/// `[database]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// The service's login; without it the service runs its own PostgreSQL in `data_dir`.
    pub url: Option<Secret>,
    /// The login that owns the schema, if it is another.
    pub owner_url: Option<Secret>,
    /// Connections of the service at most; without it, as many as its parts need.
    pub max_connections: Option<u32>,
}

/// `[master_key]`: by default a file `master.key` in `data_dir`, made at first start.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MasterKey {
    /// Another file.
    pub file: Option<PathBuf>,
    /// The key itself, 128 hexadecimal digits.
    pub value: Option<Secret>,
    /// A program and its arguments, which prints it.
    pub command: Option<Vec<String>>,
}

/// `[http]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Largest request body; imports have their own.
    pub body_limit: Size,
    /// Largest import over the API.
    pub import_limit: Size,
    /// Longest time for a request.
    pub request_timeout: Span,
    /// How long requests may finish when the service stops.
    pub shutdown_grace: Span,
    /// How long the record of a request is kept.
    pub request_retention: Span,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// Which spans and events, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line for a person.
    Human,
    /// One JSON object.
    Json,
}

/// `[sessions]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// Ends a session that is not used.
    pub idle: Span,
    /// Ends any session.
    pub absolute: Span,
    /// How old the last proof of identity may be for a sensitive act.
    pub step_up: Span,
}

/// `[codes]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Codes {
    /// How long a code can be used.
    pub validity: Span,
    /// Wrong codes before it is void.
    pub attempts: u32,
    /// Messages for one activation or recovery.
    pub sends: u32,
    /// Least time between two messages.
    pub resend_after: Span,
    /// Messages to one number in a day.
    pub sends_per_number: u32,
    /// Messages to one number prefix (country and first digits) in an hour.
    pub sends_per_prefix: u32,
    /// Messages asked from one network address in an hour.
    pub sends_per_address: u32,
    /// Messages in an hour in all.
    pub sends_in_all: u32,
}

/// `[passwords]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Passwords {
    /// Fewest characters.
    pub min_length: u32,
    /// Lowest zxcvbn score, 0 to 4.
    pub min_score: u8,
    /// How long a provisional password can be used.
    pub provisional_validity: Span,
    /// Wrong passwords for one account before answers are delayed.
    pub attempts: u32,
    /// Hashings at once; without it, as many as processors.
    pub hashing_threads: Option<u32>,
}

/// `[oidc]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Oidc {
    /// How long an authorization code can be exchanged.
    pub code_lifetime: Span,
    /// How long an ID token is valid.
    pub id_token_lifetime: Span,
    /// How long an access token is valid.
    pub access_token_lifetime: Span,
    /// How long refresh tokens go on in all, from the first of a family.
    pub refresh_token_lifetime: Span,
    /// How long a refresh token may lie unused.
    pub refresh_token_idle: Span,
    /// How long the refresh token used last is answered again, with the very answer it had.
    pub refresh_token_grace: Span,
    /// How long a signing key signs before the next takes over.
    pub signing_key_lifetime: Span,
    /// Hosts of relying parties that may lie at private addresses.
    pub private_hosts: Vec<String>,
    /// Whether there are signing keys for EdDSA too, for relying parties that are registered for it.
    pub eddsa: bool,
    /// Whether DPoP proofs must have a nonce of this service (RFC 9449 §8).
    pub dpop_nonce: bool,
    /// Whether services may register themselves, with an initial access token (RFC 7591).
    pub dynamic_registration: bool,
    /// `FrEduCtEleveNiveau` (MEFSTAT4) by MEF, the beginning of one, or a level of the first degree.
    pub stages: BTreeMap<String, String>,
}

/// `[operator]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Operator {
    /// Its name, for the legal notice.
    pub name: Option<String>,
    /// Where users reach it: a mail address, a phone number, a postal address.
    pub contact: Option<String>,
}

/// `[audit]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Results that one auditor is handed in a day without approval.
    pub daily_results: u32,
    /// How long a request for disclosure waits to be decided.
    pub request_validity: Span,
    /// How long an approval lasts.
    pub approval_validity: Span,
}

impl Default for Audit {
    fn default() -> Self {
        Self { daily_results: 2_000, request_validity: Span::hours(72), approval_validity: Span::hours(8) }
    }
}

/// `[retention]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Whole months of the access log go when they ended so long ago.
    pub access_log: Span,
    /// Pupils, guardians and accounts are erased when their entitlement ended so long ago.
    pub ended_entitlement: Span,
    /// What imports told of single records goes when the import ended so long ago.
    pub import_reports: Span,
}

impl Default for Retention {
    fn default() -> Self {
        Self { access_log: Span::days(365), ended_entitlement: Span::days(92), import_reports: Span::days(365) }
    }
}

/// `[backup]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    /// Where backups of the ledger go.
    pub ledger_dir: Option<PathBuf>,
    /// Where backups of the keys go: apart from the ledger's.
    pub keys_dir: Option<PathBuf>,
    /// How long a backup of the ledger is kept.
    pub ledger_retention: Span,
    /// How long a backup of the keys is kept: so long an erasure takes to be complete.
    pub keys_retention: Span,
    /// The register of erasures; without it, `erasures.register` in `data_dir`.
    pub erasure_register: Option<PathBuf>,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            ledger_dir: None,
            keys_dir: None,
            ledger_retention: Span::days(400),
            keys_retention: Span::days(35),
            erasure_register: None,
        }
    }
}

/// `[demo]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Demo {
    /// Shows every message sent on a page instead of sending it. Never with real people's data.
    pub inbox: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_origin: Url::parse("http://localhost:8080").expect("a constant URL"),
            data_dir: PathBuf::from("matricule-data"),
            language: Language::French,
            database: Database::default(),
            master_key: MasterKey::default(),
            http: Http::default(),
            log: Log::default(),
            sessions: Sessions::default(),
            codes: Codes::default(),
            passwords: Passwords::default(),
            oidc: Oidc::default(),
            franceconnect: None,
            upstream: Vec::new(),
            smtp: None,
            sms: None,
            operator: Operator::default(),
            imports: Imports::default(),
            proof: Proof::default(),
            audit: Audit::default(),
            retention: Retention::default(),
            backup: Backup::default(),
            demo: Demo::default(),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            body_limit: Size(64 << 10),
            import_limit: Size(1 << 30),
            request_timeout: Span::seconds(30),
            shutdown_grace: Span::seconds(10),
            request_retention: Span::days(180),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Human, filter: "info".to_owned() }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self { idle: Span::minutes(30), absolute: Span::hours(12), step_up: Span::minutes(10) }
    }
}

impl Default for Codes {
    fn default() -> Self {
        Self {
            validity: Span::minutes(30),
            attempts: 5,
            sends: 3,
            resend_after: Span::seconds(60),
            sends_per_number: 6,
            sends_per_prefix: 2_000,
            sends_per_address: 60,
            sends_in_all: 120_000,
        }
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self { min_length: 12, min_score: 3, provisional_validity: Span::days(92), attempts: 10, hashing_threads: None }
    }
}

impl Default for Oidc {
    fn default() -> Self {
        Self {
            code_lifetime: Span::seconds(60),
            id_token_lifetime: Span::minutes(10),
            access_token_lifetime: Span::minutes(10),
            refresh_token_lifetime: Span::days(90),
            refresh_token_idle: Span::days(30),
            refresh_token_grace: Span::seconds(30),
            signing_key_lifetime: Span::days(90),
            private_hosts: Vec::new(),
            eddsa: false,
            dpop_nonce: false,
            dynamic_registration: false,
            stages: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The origin without its final slash: `https://compte.example.org`.
    pub fn origin(&self) -> String {
        self.public_origin.origin().ascii_serialization()
    }

    /// A link to a path of the service, for mails and redirects.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// Every provider by which people sign in, FranceConnect first.
    pub fn upstreams(&self) -> Vec<Upstream> {
        self.franceconnect.iter().map(FranceConnect::as_upstream).chain(self.upstream.iter().cloned()).collect()
    }

    /// The register of erasures.
    pub fn erasure_register(&self) -> PathBuf {
        self.backup.erasure_register.clone().unwrap_or_else(|| self.data_dir.join("erasures.register"))
    }

    /// Whether users reach the service over TLS: cookies are then `Secure` and browsers told to insist.
    pub fn is_https(&self) -> bool {
        self.public_origin.scheme() == "https"
    }
}
