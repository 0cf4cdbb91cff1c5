//! Logs: structured, without personal data. What may be logged: ids, route templates, codes, counts, durations.
//! Never: names, numbers, addresses, query strings, bodies, secrets.

use crate::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Starts logging for a program that speaks to a person: unless configured otherwise, what they need not know is left
/// out, so that what they should read stays in sight.
///
/// # Errors
/// As for [`start`].
pub(super) fn start_quietly(log: &Log) -> anyhow::Result<()> {
    let mut log = log.clone();
    if log.filter == Log::default().filter {
        log.filter = "warn,api::incident=error,sqlx=error".to_owned();
    }
    start(&log)
}

/// Starts logging to standard error.
///
/// # Errors
/// The filter is none, or logging was started before.
pub(super) fn start(log: &Log) -> anyhow::Result<()> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&log.filter)?)
        .with_span_events(FmtSpan::NONE)
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Human => builder.compact().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|error| anyhow::anyhow!("logging can't be started: {error}"))
}
