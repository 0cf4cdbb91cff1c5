//! The rules in force, announced in the ledger when the service starts (see [`domain::rules`]).

use crate::config::Config;
use domain::context::{Actor, Context, Reason};
use domain::ids::CommandId;
use domain::rules::{Rulebook, Rules, RulesCommand, RulesError, STREAM};
use ledger::{ExecuteError, Ledger};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Records the rules, where they differ from those last announced.
///
/// # Errors
/// When the ledger fails.
pub async fn announce(ledger: &Ledger, config: &Config) -> Result<(), ExecuteError<RulesError>> {
    let context = Context {
        command: CommandId(Uuid::now_v7()),
        actor: Actor::Service,
        on_behalf_of: None,
        reason: Reason::Rule,
        reference: None,
        effective_at: ledger.now(),
    };
    let (program, rules) = (env!("CARGO_PKG_VERSION").to_owned(), Rulebook::current(settings(config)));
    ledger.execute::<Rules>(STREAM, RulesCommand::Announce { program, rules }, &context).await.map(drop)
}

/// What the configuration decides of events: limits and policies, none of them secret.
fn settings(config: &Config) -> BTreeMap<String, String> {
    let sections = [
        ("audit", serde_json::to_value(&config.audit)),
        ("codes", serde_json::to_value(&config.codes)),
        ("passwords", serde_json::to_value(&config.passwords)),
        ("sessions", serde_json::to_value(&config.sessions)),
    ];
    let mut settings = BTreeMap::new();
    for (section, values) in sections {
        if let Ok(serde_json::Value::Object(values)) = values {
            let told = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            settings.extend(values.into_iter().map(|(key, value)| (format!("{section}.{key}"), told(value))));
        }
    }
    settings.insert("imports.departure_share".to_owned(), config.imports.departure_share.to_string());
    // How many processors hash decides nothing.
    settings.remove("passwords.hashing_threads");
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_of_codes_and_passwords_is_announced_and_nothing_secret() {
        let settings = settings(&Config::default());
        for (key, value) in [
            ("codes.validity", "30m"),
            ("codes.attempts", "5"),
            ("passwords.min_length", "12"),
            ("audit.approval_validity", "8h"),
        ] {
            assert_eq!(settings.get(key).map(String::as_str), Some(value), "{settings:?}");
        }
        assert!(!settings.keys().any(|key| key.contains("token") || key.contains("key") || key.contains("url")));
    }
}
