//! `[smtp]` and `[sms]`: by what messages leave.

use super::{Secret, Span};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use url::Url;

/// `[smtp]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// The server's name.
    pub host: String,
    /// Its port; without it, the usual one for `tls`.
    pub port: Option<u16>,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: SmtpTls,
    /// Login at the server.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// The sender, `Name <address>`.
    pub from: String,
    /// Longest wait for the server at each of: connecting, handing over the addresses, handing over the mail.
    #[serde(default = "ten_seconds")]
    pub timeout: Span,
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// TLS from the first byte (port 465).
    Implicit,
    /// STARTTLS, refused where the server does not offer it (port 587).
    #[default]
    Starttls,
    /// None: for a server on the same machine only (port 25).
    None,
}

/// `[sms]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sms {
    /// Where the gateway takes messages, by POST.
    pub url: Url,
    /// Sent as `Authorization: Bearer …`, unless `body` or `headers` have a place for it: `{token}`.
    pub token: Option<Secret>,
    /// Sender shown on the phone: `{sender}`.
    pub sender: Option<String>,
    /// How the body is written.
    #[serde(default)]
    pub format: SmsFormat,
    /// What is sent. `{to}` (`+33…`), `{to_digits}` (`33…`), `{text}`, `{id}`, `{sender}`, `{token}` are filled in.
    #[serde(default = "usual_body")]
    pub body: Map<String, Value>,
    /// More headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// Whether the gateway drops a message whose header `Idempotency-Key` it has seen before. Only then is a message
    /// sent again where it is not sure that the first went out.
    #[serde(default)]
    pub idempotent: bool,
    /// Longest wait for the gateway's answer.
    #[serde(default = "ten_seconds")]
    pub timeout: Span,
}

/// How the body for an SMS gateway is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SmsFormat {
    /// `application/json`
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`
    Form,
}

/// The names of what is filled in.
pub(crate) const PLACES: [&str; 6] = ["to", "to_digits", "text", "id", "sender", "token"];
/// More than this, and a claimed message might be taken for abandoned while it is being sent.
const LONGEST: Span = Span::seconds(30);

fn ten_seconds() -> Span {
    Span::seconds(10)
}

fn usual_body() -> Map<String, Value> {
    [("to", "{to}"), ("text", "{text}")].map(|(key, value)| (key.to_owned(), value.into())).into_iter().collect()
}

impl Smtp {
    /// The server's port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            SmtpTls::Implicit => 465,
            SmtpTls::Starttls => 587,
            SmtpTls::None => 25,
        })
    }

    /// What is wrong with it.
    pub(super) fn faults(&self) -> Vec<&'static str> {
        let mut faults = Vec::new();
        if self.username.is_some() != self.password.is_some() {
            faults.push("smtp: give `username` and `password` together, or neither");
        }
        if self.from.parse::<lettre::message::Mailbox>().is_err() {
            faults.push("smtp.from: write it as `Name <address@example.org>`");
        }
        if self.timeout > LONGEST {
            faults.push("smtp.timeout: 30s at most");
        }
        faults
    }
}

impl Sms {
    /// What is wrong with it.
    pub(super) fn faults(&self) -> Vec<&'static str> {
        let mut faults = Vec::new();
        if !matches!(self.url.scheme(), "http" | "https") || self.url.host().is_none() {
            faults.push("sms.url: write it as https://host/path");
        } else if self.url.scheme() == "http" && !super::is_loopback(&self.url) {
            faults.push("sms.url: numbers and codes need https:// (http:// is for this machine only)");
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            faults.push("sms.url: put credentials into `token` or `headers`, where they are not printed");
        }
        let mut texts = Vec::new();
        collect(&Value::Object(self.body.clone()), &mut texts);
        if !(has(&texts, "to") || has(&texts, "to_digits")) || !has(&texts, "text") {
            faults.push("sms.body: needs a place for {to} (or {to_digits}) and one for {text}");
        }
        if has(&texts, "sender") && self.sender.is_none() {
            faults.push("sms.sender: is missing, and `body` has a place for it");
        }
        if has(&texts, "token") && self.token.is_none() {
            faults.push("sms.token: is missing, and `body` has a place for it");
        }
        if self.format == SmsFormat::Form && self.body.values().any(|value| value.is_array() || value.is_object()) {
            faults.push("sms.body: a form has no lists or tables; write texts, or choose format = \"json\"");
        }
        if self.headers.iter().any(|(name, value)| {
            name.parse::<axum::http::HeaderName>().is_err()
                || axum::http::HeaderValue::from_str(value.expose()).is_err()
        }) {
            faults.push("sms.headers: one of them is no HTTP header");
        }
        if self.timeout > LONGEST {
            faults.push("sms.timeout: 30s at most");
        }
        faults
    }

    /// Whether body or headers have a place for the token.
    pub(crate) fn places_token(&self) -> bool {
        let mut texts = Vec::new();
        collect(&Value::Object(self.body.clone()), &mut texts);
        texts.extend(self.headers.values().map(|value| value.expose().to_owned()));
        has(&texts, "token")
    }
}

fn has(texts: &[String], place: &str) -> bool {
    let place = format!("{{{place}}}");
    texts.iter().any(|text| text.contains(&place))
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Object(values) => values.values().for_each(|value| collect(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
