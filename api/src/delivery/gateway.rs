//! SMS by an HTTP gateway.
//!
//! Every gateway has its own form, so the body is configured. What all have in common: POST, a status that tells
//! whether the message was taken, and, with the better ones, the header `Idempotency-Key` by which repeats are known
//! (draft-ietf-httpapi-idempotency-key-header). The answer's body is not read: it need not be bounded.

use super::outcome::Outcome;
use crate::config::{PLACES, Sms, SmsFormat};
use domain::identifiers::E164;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode, redirect};
use serde_json::{Map, Value};
use std::time::Duration;
use uuid::Uuid;

const CONNECT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(5);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A gateway to hand SMS to.
pub(super) struct Gateway {
    config: Sms,
    client: Client,
    bearer: bool,
}

impl Gateway {
    pub(super) fn new(config: Sms) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            // A redirect would carry number, code and credentials to a place that nobody configured.
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            // A connection that the gateway has meanwhile closed would leave a message unclear.
            .pool_idle_timeout(IDLE)
            .timeout(config.timeout.0)
            .user_agent(concat!("matricule/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let bearer = config.token.is_some() && !config.places_token();
        Ok(Self { config, client, bearer })
    }

    pub(super) fn idempotent(&self) -> bool {
        self.config.idempotent
    }

    /// One attempt.
    pub(super) async fn send(&self, id: Uuid, to: &E164, text: &str) -> Outcome {
        let id_text = id.to_string();
        let fill = |template: &str| self.fill(template, &id_text, to, text);
        let Some(headers) = self.headers(&id_text, &fill) else {
            return Outcome::NotNow("a configured header is none".into());
        };
        let body = filled(&self.config.body, &fill);
        let request = self.client.post(self.config.url.clone()).headers(headers);
        let request = match self.config.format {
            SmsFormat::Json => request.json(&body),
            SmsFormat::Form => {
                let pairs: Vec<(&String, String)> = body
                    .iter()
                    .map(|(key, value)| (key, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
                    .collect();
                request.form(&pairs)
            }
        };
        match request.send().await {
            Ok(answer) => judge(answer.status()),
            // Nothing but a connection attempt was made.
            Err(error) if error.is_connect() => Outcome::NotNow("no connection".into()),
            Err(error) if error.is_builder() => Outcome::Never("the request can't be composed".into()),
            Err(error) if error.is_timeout() => Outcome::Unclear("timeout".into()),
            Err(_) => Outcome::Unclear("the connection broke".into()),
        }
    }

    fn headers(&self, id: &str, fill: &impl Fn(&str) -> String) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        let secret = |text: &str| {
            let mut value = HeaderValue::from_str(text).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        if let (true, Some(token)) = (self.bearer, &self.config.token) {
            headers.insert(AUTHORIZATION, secret(&format!("Bearer {}", token.expose()))?);
        }
        for (name, value) in &self.config.headers {
            headers.insert(name.parse::<HeaderName>().ok()?, secret(&fill(value.expose()))?);
        }
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(id).ok()?);
        Some(headers)
    }

    /// Fills a template in one pass: what is filled in is not looked at again.
    fn fill(&self, template: &str, id: &str, to: &E164, text: &str) -> String {
        let mut out = String::with_capacity(template.len() + text.len());
        let mut rest = template;
        while let Some(start) = rest.find('{') {
            out.push_str(&rest[..start]);
            rest = &rest[start..];
            let place =
                PLACES.iter().find(|place| rest[1..].strip_prefix(**place).is_some_and(|after| after.starts_with('}')));
            let Some(place) = place else {
                out.push('{');
                rest = &rest[1..];
                continue;
            };
            out.push_str(match *place {
                "to" => to.as_str(),
                "to_digits" => to.as_str().trim_start_matches('+'),
                "text" => text,
                "id" => id,
                "sender" => self.config.sender.as_deref().unwrap_or_default(),
                _ => self.config.token.as_ref().map(crate::config::Secret::expose).unwrap_or_default(),
            });
            rest = &rest[place.len() + 2..];
        }
        out.push_str(rest);
        out
    }
}

fn filled(body: &Map<String, Value>, fill: &impl Fn(&str) -> String) -> Map<String, Value> {
    fn walk(value: &Value, fill: &impl Fn(&str) -> String) -> Value {
        match value {
            Value::String(text) => Value::String(fill(text)),
            Value::Array(values) => values.iter().map(|value| walk(value, fill)).collect(),
            Value::Object(values) => Value::Object(filled(values, fill)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
    body.iter().map(|(key, value)| (key.clone(), walk(value, fill))).collect()
}

/// What a status says of the message's fate.
fn judge(status: StatusCode) -> Outcome {
    let why = || format!("status {}", status.as_u16()).into();
    match status.as_u16() {
        200..=299 => Outcome::Accepted,
        // Not taken, by their definition.
        408 | 409 | 425 | 429 | 503 => Outcome::NotNow(why()),
        // Ours to repair (address, credentials), so the message waits for it.
        300..=399 | 401..=405 | 407 => Outcome::NotNow(why()),
        400..=499 => Outcome::Never(why()),
        // The gateway failed somewhere, perhaps after it had sent.
        _ => Outcome::Unclear(why()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(toml: &str) -> Gateway {
        Gateway::new(toml::from_str(toml).unwrap()).unwrap()
    }

    #[test]
    fn a_template_is_filled_once() {
        let gateway = gateway("url = 'https://sms.example.org'\nsender = '{text}'\ntoken = 'T'");
        let to: E164 = "+33639980123".parse().unwrap();
        let filled = gateway.fill("{to}|{to_digits}|{sender}|{text}|{id}|{token}|{other}|{", "42", &to, "{to}");
        assert_eq!(filled, "+33639980123|33639980123|{text}|{to}|42|T|{other}|{");
    }

    #[test]
    fn the_token_is_a_bearer_unless_it_has_a_place() {
        assert!(gateway("url = 'https://sms.example.org'\ntoken = 'T'").bearer);
        assert!(!gateway("url = 'https://sms.example.org'\ntoken = 'T'\nheaders = { X-Key = '{token}' }").bearer);
        assert!(!gateway("url = 'https://sms.example.org'").bearer);
    }

    #[test]
    fn statuses_tell_what_is_sure() {
        let judged = |status: u16| judge(StatusCode::from_u16(status).unwrap());
        assert_eq!(judged(202), Outcome::Accepted);
        for status in [302, 401, 404, 409, 429, 503] {
            assert!(matches!(judged(status), Outcome::NotNow(_)), "{status}");
        }
        for status in [400, 410, 413, 422] {
            assert!(matches!(judged(status), Outcome::Never(_)), "{status}");
        }
        for status in [500, 502, 504] {
            assert!(matches!(judged(status), Outcome::Unclear(_)), "{status}");
        }
    }
}
