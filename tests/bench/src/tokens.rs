//! What relying parties wait for: tokens, introspection, userinfo – side by side with a certified provider that keeps
//! everything in memory, by the same load tool, in turns within one run.

use crate::http::{Answer, Connection, get, post};
use crate::measure::{load, median, percentile, rounded};
use anyhow::{Context as _, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Options of `bench tokens`.
#[derive(clap::Args)]
pub struct Options {
    /// Connections at once.
    #[arg(long, default_value_t = 32)]
    clients: u64,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Turns; medians count.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// The peer's script, with its packages beside it (`npm ci`).
    #[arg(long, default_value = "tests/bench/peer/server.mjs")]
    peer: PathBuf,
}

/// What a provider says of itself when it serves.
#[derive(Clone, Deserialize)]
struct Provider {
    origin: String,
    #[serde(default)]
    bare: String,
    authorize: String,
    token: String,
    introspect: String,
    userinfo: String,
    discovery: String,
    client_id: String,
    client_secret: String,
    redirect_uri: String,
    cookie: String,
    #[serde(skip)]
    access_token: String,
}

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A provider at work; it ends with this value.
struct Running {
    provider: Provider,
    _child: Child,
}

impl Running {
    async fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let out = child.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(out).lines();
        let line = lines.next_line().await?.context("it ended before it served")?;
        // Who says more must be heard, or it would end over it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let mut provider: Provider = serde_json::from_str(&line).with_context(|| line.clone())?;
        provider.sign_in().await?;
        Ok(Self { provider, _child: child })
    }
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
}

fn parameter(address: &str, name: &str) -> Option<String> {
    let query = address.split_once('?')?.1;
    query.split('&').find_map(|field| field.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

impl Provider {
    fn host(&self) -> &str {
        self.origin.trim_start_matches("http://")
    }

    fn basic(&self) -> Vec<String> {
        vec![format!("Authorization: Basic {}", STANDARD.encode(format!("{}:{}", self.client_id, self.client_secret)))]
    }

    fn form(&self, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
        post(self.host(), path, &self.basic(), &encoded(fields))
    }

    fn authorization(&self) -> Vec<u8> {
        let query = encoded(&[
            ("client_id", &self.client_id),
            ("response_type", "code"),
            ("redirect_uri", &self.redirect_uri),
            ("scope", "openid profile"),
            ("state", "measured"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let path = format!("{}?{query}", self.authorize);
        get(self.host(), &path, &[format!("Cookie: {}", self.cookie)])
    }

    fn redemption(&self, code: &str) -> Vec<u8> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        self.form(&self.token, &fields)
    }

    /// Follows the way in, keeping cookies, until the provider answers at once; then an access token.
    async fn sign_in(&mut self) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.host()).await?;
        let mut cookies: Vec<(String, String)> =
            self.cookie.split("; ").filter_map(|c| c.split_once('=')).map(|(n, v)| (n.into(), v.into())).collect();
        let mut answer = connection.ask(&self.authorization()).await?;
        for _ in 0..8 {
            keep(&mut cookies, &answer);
            self.cookie = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
            let to = answer.headers("location").next().context("the way in leads nowhere")?.to_owned();
            if to.starts_with(&self.redirect_uri) {
                break;
            }
            let path = to.trim_start_matches(&self.origin);
            answer = connection.ask(&get(self.host(), path, &[format!("Cookie: {}", self.cookie)])).await?;
        }
        self.access_token = text(&self.tokens(&mut connection).await?, "access_token")?;
        Ok(())
    }

    /// One whole code flow.
    async fn tokens(&self, connection: &mut Connection) -> anyhow::Result<Value> {
        let answer = connection.ask(&self.authorization()).await?;
        let location = answer.headers("location").next().unwrap_or_default();
        let code = parameter(location, "code").with_context(|| format!("no code: {} {location}", answer.status))?;
        connection.ask(&self.redemption(&code)).await?.json()
    }
}

fn keep(cookies: &mut Vec<(String, String)>, answer: &Answer) {
    for cookie in answer.headers("set-cookie") {
        let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) else { continue };
        cookies.retain(|(known, _)| known != name);
        if !value.is_empty() {
            cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}

fn text(value: &Value, name: &str) -> anyhow::Result<String> {
    Ok(value[name].as_str().with_context(|| format!("no {name} in {value}"))?.to_owned())
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    ClientCredentials,
    Introspection,
    Userinfo,
    Refresh,
    Code,
    Discovery,
    Bare,
}

impl What {
    const OF_BOTH: [(Self, &'static str); 5] = [
        (Self::ClientCredentials, "client_credentials"),
        (Self::Introspection, "introspection"),
        (Self::Userinfo, "userinfo"),
        (Self::Refresh, "refresh"),
        (Self::Code, "code"),
    ];
}

/// One client's turn-to-turn state.
struct Turn {
    connection: Option<Connection>,
    refresh_token: String,
}

/// Requests per second, and the 99th percentile of their time in milliseconds.
async fn measure(provider: &Provider, what: What, options: &Options) -> anyhow::Result<(f64, f64)> {
    let provider = Arc::new(provider.clone());
    let times = Arc::new(Mutex::new(Vec::<f64>::new()));
    let kept = Arc::clone(&times);
    let start = |_| Turn { connection: None, refresh_token: String::new() };
    let rate = load(options.clients, Duration::from_secs(options.seconds), start, move |turn| {
        let (provider, times) = (Arc::clone(&provider), Arc::clone(&kept));
        async move {
            let Turn { connection, mut refresh_token } = turn;
            let host = if what == What::Bare { provider.bare.trim_start_matches("http://") } else { provider.host() };
            let mut connection = match connection {
                Some(connection) => connection,
                None => Connection::open(host).await?,
            };
            if what == What::Refresh && refresh_token.is_empty() {
                refresh_token = text(&provider.tokens(&mut connection).await?, "refresh_token")?;
            }
            let began = Instant::now();
            one(&provider, what, &mut connection, &mut refresh_token).await?;
            let milliseconds = began.elapsed().as_secs_f64() * 1e3;
            times.lock().map_err(|_| anyhow::anyhow!("a client has panicked"))?.push(milliseconds);
            Ok(Turn { connection: Some(connection), refresh_token })
        }
    })
    .await?;
    let times = times.lock().map_err(|_| anyhow::anyhow!("a client has panicked"))?;
    Ok((rate, percentile(&times, 0.99)))
}

async fn one(
    provider: &Provider,
    what: What,
    connection: &mut Connection,
    refresh_token: &mut String,
) -> anyhow::Result<()> {
    let bearer = || vec![format!("Authorization: Bearer {}", provider.access_token)];
    match what {
        What::ClientCredentials => {
            let request = provider.form(&provider.token, &[("grant_type", "client_credentials")]);
            text(&connection.ask(&request).await?.json()?, "access_token")?;
        }
        What::Introspection => {
            let request = provider.form(&provider.introspect, &[("token", &provider.access_token)]);
            ensure!(connection.ask(&request).await?.json()?["active"] == true, "an inactive token");
        }
        What::Userinfo => {
            let request = get(provider.host(), &provider.userinfo, &bearer());
            text(&connection.ask(&request).await?.json()?, "sub")?;
        }
        What::Refresh => {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
            let answer = connection.ask(&provider.form(&provider.token, &fields)).await?;
            *refresh_token = text(&answer.json()?, "refresh_token")?;
        }
        What::Code => {
            text(&provider.tokens(connection).await?, "access_token")?;
        }
        What::Discovery => {
            let answer = connection.ask(&get(provider.host(), &provider.discovery, &[])).await?;
            ensure!(answer.status == 200, "{}", answer.status);
        }
        What::Bare => {
            let host = provider.bare.trim_start_matches("http://");
            let answer = connection.ask(&get(host, "/", &[])).await?;
            ensure!(answer.status == 200, "{}", answer.status);
        }
    }
    Ok(())
}

/// Runs it; the JSON of its last line.
pub async fn run(dir: &Path, options: &Options) -> anyhow::Result<Value> {
    let data = std::path::absolute(dir)?.join(format!("tokens-{}", std::process::id()));
    let own = std::env::current_exe()?;
    let ours = Running::start(Command::new(own).arg("provide").arg("--data").arg(&data)).await?;
    let peer =
        Running::start(Command::new("node").arg(&options.peer)).await.context("the peer; run `npm ci` beside it")?;
    let mut result = Map::new();
    let mut slowest: f64 = 0.0;
    println!("{:<20} {:>12} {:>12} {:>10} {:>10}", "per second", "matricule", "peer", "p99 ms", "peer ms");
    for (what, name) in What::OF_BOTH {
        let (mut own, mut others, mut own_p99, mut other_p99) = (vec![], vec![], vec![], vec![]);
        for _ in 0..options.rounds {
            for (provider, rates, times) in
                [(&ours.provider, &mut own, &mut own_p99), (&peer.provider, &mut others, &mut other_p99)]
            {
                let (rate, p99) = measure(provider, what, options).await.with_context(|| name)?;
                rates.push(rate);
                times.push(p99);
            }
        }
        let (own, others, p99) = (median(&own), median(&others), median(&own_p99));
        println!("{name:<20} {own:>12.0} {others:>12.0} {p99:>10.1} {:>10.1}", median(&other_p99));
        result.insert(format!("{name}_vs_peer"), json!(rounded(own / others)));
        slowest = slowest.max(p99);
    }
    let (mut discovery, mut bare) = (vec![], vec![]);
    for _ in 0..options.rounds {
        discovery.push(measure(&ours.provider, What::Discovery, options).await?.0);
        bare.push(measure(&ours.provider, What::Bare, options).await?.0);
    }
    println!("{:<20} {:>12.0} {:>12.0} (a bare handler)", "discovery", median(&discovery), median(&bare));
    result.insert("discovery_vs_bare".to_owned(), json!(rounded(median(&discovery) / median(&bare))));
    result.insert("p99_ms".to_owned(), json!(rounded(slowest)));
    drop((ours, peer));
    // What stays is disk space in a build folder.
    let _ = std::fs::remove_dir_all(&data);
    Ok(Value::Object(result))
}
