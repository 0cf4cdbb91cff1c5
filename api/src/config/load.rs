//! Reading configuration, and refusing it in words that name the key and what to do.

use super::{Config, Sms, Smtp};
use figment::providers::{Env, Format, Serialized, Toml};
use figment::{Figment, Metadata, Source};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Every key with its default and its meaning.
pub const REFERENCE: &str = include_str!("reference.toml");

/// The file that is read when none is named and it is there.
const DEFAULT_FILE: &str = "matricule.toml";
const PREFIX: &str = "MATRICULE_";
/// Variables with our prefix that are no keys: the file's name, and where the embedded PostgreSQL looks.
const OTHER_VARIABLES: [&str; 3] = ["config", "postgres_bin", "postgres_user"];

/// The configuration was refused. Prints every reason found.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is refused:{}", list(.0))]
pub struct ConfigError(pub Vec<String>);

fn list(reasons: &[String]) -> String {
    reasons.iter().fold(String::new(), |mut text, reason| {
        let _ = write!(text, "\n  - {reason}");
        text
    })
}

/// Reads the configuration: defaults, then `file` (or `matricule.toml` in the working directory, if it is
/// there), then the environment, then what the command line says of the data directory.
///
/// # Errors
/// A key is unknown, has the wrong type, or contradicts another.
pub fn load(file: Option<&Path>, data_dir: Option<PathBuf>) -> Result<Config, ConfigError> {
    let mut figment = Figment::new();
    match file {
        Some(path) if !path.is_file() => {
            return Err(ConfigError(vec![format!("{}: there is no such file", path.display())]));
        }
        Some(path) => figment = figment.merge(Toml::file_exact(path)),
        None if Path::new(DEFAULT_FILE).is_file() => figment = figment.merge(Toml::file_exact(DEFAULT_FILE)),
        None => {}
    }
    figment = figment
        .merge(Env::prefixed(PREFIX).ignore(&OTHER_VARIABLES).split("__"))
        .merge(Env::raw().only(&["DATABASE_URL"]).map(|_| "database.url".into()));
    if let Some(dir) = data_dir {
        figment = figment.merge(Serialized::default("data_dir", dir));
    }
    let config: Config = figment.extract().map_err(explain)?;
    check(&config)?;
    Ok(config)
}

/// Figment's errors, as sentences that name the key the way its source writes it.
fn explain(errors: figment::Error) -> ConfigError {
    ConfigError(errors.into_iter().map(|error| sentence(&error)).collect())
}

fn sentence(error: &figment::Error) -> String {
    use figment::error::Kind;
    let key = error.path.join(".");
    let place = error.metadata.as_ref().map(|source| written(source, &key)).unwrap_or_default();
    match &error.kind {
        Kind::UnknownField(field, known) => {
            // Figment's path already ends in the field's name, or not, depending on the source.
            let key = if error.path.last().is_some_and(|last| last == field) { key } else { join(&error.path, field) };
            let known = known.join(", ");
            format!("{key}{place}: there is no such key. Remove it, or use one of: {known}")
        }
        Kind::MissingField(field) => format!("{}{place}: this key is missing. Add it", join(&error.path, field)),
        // The text of a wrong value may be a secret: only its type is told.
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
            format!("{key}{place}: the value must be {expected}")
        }
        Kind::UnknownVariant(_, known) => format!("{key}{place}: the value must be one of: {}", known.join(", ")),
        other => format!("{key}{place}: {other}"),
    }
}

fn join(path: &[String], field: &str) -> String {
    path.iter().map(String::as_str).chain([field]).collect::<Vec<_>>().join(".")
}

/// Where the key was written, for the reader to find it.
fn written(source: &Metadata, key: &str) -> String {
    match &source.source {
        Some(Source::File(path)) => format!(" (in {})", path.display()),
        _ if source.name.contains("environment") && key == "database.url" => " (from DATABASE_URL)".to_owned(),
        _ if source.name.contains("environment") => {
            format!(" (from {PREFIX}{})", key.replace('.', "__").to_uppercase())
        }
        _ => String::new(),
    }
}

/// What types can't say.
fn check(config: &Config) -> Result<(), ConfigError> {
    let mut reasons = Vec::new();
    let mut refuse = |when: bool, reason: &str| {
        if when {
            reasons.push(reason.to_owned());
        }
    };
    check_origin(config, &mut refuse);
    check_storage(config, &mut refuse);
    check_ways_in(config, &mut refuse);
    refuse(config.http.request_timeout < super::Span::seconds(1), "http.request_timeout: 1s at least");
    refuse(
        config.log.filter.parse::<tracing_subscriber::filter::Targets>().is_err()
            && tracing_subscriber::EnvFilter::try_new(&config.log.filter).is_err(),
        "log.filter: write it as `info` or `warn,api=debug`",
    );
    refuse(
        config.demo.inbox && !config.listen.ip().is_loopback(),
        "demo.inbox: shows codes to whoever asks; listen on 127.0.0.1 or [::1] only, or turn it off",
    );
    config.imports.faults().into_iter().for_each(|fault| refuse(true, fault));
    config.proof.faults().into_iter().for_each(|fault| refuse(true, fault));
    let outgoing = config.smtp.iter().flat_map(Smtp::faults).chain(config.sms.iter().flat_map(Sms::faults));
    outgoing.for_each(|fault| refuse(true, fault));
    if reasons.is_empty() { Ok(()) } else { Err(ConfigError(reasons)) }
}

/// Where everything is kept, and how long.
fn check_storage(config: &Config, refuse: &mut impl FnMut(bool, &str)) {
    refuse(
        [config.master_key.file.is_some(), config.master_key.value.is_some(), config.master_key.command.is_some()]
            .into_iter()
            .filter(|given| *given)
            .count()
            > 1,
        "master_key: give `file`, `value` or `command`, only one of them",
    );
    refuse(
        config.database.owner_url.is_some() && config.database.url.is_none(),
        "database.owner_url: needs database.url (or DATABASE_URL) beside it",
    );
    refuse(config.database.max_connections.is_some_and(|n| n < 8), "database.max_connections: 8 at least");
    refuse(
        config.sessions.step_up < super::Span::minutes(1),
        "sessions.step_up: 1min at least; who has just proved to be themselves needs time to act",
    );
    refuse(
        config.retention.access_log < super::Span::days(31),
        "retention.access_log: 31days at least; the law asks for six months to a year",
    );
    refuse(
        config.retention.ended_entitlement < super::Span::days(1),
        "retention.ended_entitlement: 1day at least; a school may send the next file a little late",
    );
    refuse(
        config.retention.import_reports < super::Span::days(1),
        "retention.import_reports: 1day at least; whoever imports must be able to read the report",
    );
    refuse(
        !(100..=100_000).contains(&config.audit.daily_results),
        "audit.daily_results: from 100, which is one answer, to 100000; more is an export in bulk",
    );
    let day = super::Span::days(1);
    refuse(
        config.audit.request_validity < super::Span::hours(1) || config.audit.request_validity > super::Span::days(30),
        "audit.request_validity: from 1h to 30days",
    );
    refuse(
        config.audit.approval_validity < super::Span::minutes(5) || config.audit.approval_validity > day,
        "audit.approval_validity: from 5min to 1day; ask again for more",
    );
    refuse(
        config.backup.keys_retention > config.backup.ledger_retention,
        "backup.keys_retention: longer than backup.ledger_retention; keys alone restore nothing, make it shorter",
    );
    refuse(
        config.backup.keys_dir.is_some() && config.backup.keys_dir == config.backup.ledger_dir,
        "backup.keys_dir: the same as backup.ledger_dir; keep keys apart from what they open",
    );
}

/// How people and relying parties come in.
fn check_ways_in(config: &Config, refuse: &mut impl FnMut(bool, &str)) {
    refuse(
        config.sessions.idle > config.sessions.absolute,
        "sessions.idle: longer than sessions.absolute; make it shorter",
    );
    refuse(config.codes.attempts == 0, "codes.attempts: 1 at least");
    refuse(config.codes.sends == 0, "codes.sends: 1 at least");
    refuse(config.passwords.min_length < 8, "passwords.min_length: 8 at least");
    refuse(config.passwords.min_score > 4, "passwords.min_score: from 0 to 4");
    refuse(
        config.oidc.code_lifetime > super::Span::seconds(60),
        "oidc.code_lifetime: 60s at most; a code is exchanged at once by the relying party",
    );
    refuse(
        config.oidc.refresh_token_grace > super::Span::minutes(2),
        "oidc.refresh_token_grace: 2min at most; it is for a client that lost an answer",
    );
}

/// Where the pages are.
fn check_origin(config: &Config, refuse: &mut impl FnMut(bool, &str)) {
    let origin = &config.public_origin;
    refuse(
        !matches!(origin.scheme(), "http" | "https") || origin.host_str().is_none(),
        "public_origin: write it as https://host or http://host:port",
    );
    refuse(
        origin.path() != "/"
            || origin.query().is_some()
            || origin.fragment().is_some()
            || !origin.username().is_empty(),
        "public_origin: only scheme, host and port; remove what follows them",
    );
    refuse(
        origin.scheme() == "http" && !is_loopback(origin) && !config.demo.inbox,
        "public_origin: sign-in pages need https:// (http:// is for localhost only)",
    );
}

pub(super) fn is_loopback(origin: &url::Url) -> bool {
    match origin.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
