//! The demo's relying party: registered as any other, run as a child process.

use super::state::{Registered, State};
use crate::oidc::{registry, scopes};
use crate::running::Running;
use anyhow::Context as _;
use domain::context::{Actor, Context, Reason};
use domain::ids::CommandId;
use domain::relying_party::{ClientAuthentication, Establishments, Registration, Terms};
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use uuid::Uuid;

const NAME: &str = "Cahier de textes";
/// Longest wait for it to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The relying party at work, or why it is not.
pub(super) struct RelyingParty {
    /// Where its users reach it.
    pub origin: String,
    /// Why it does not run.
    pub missing: Option<String>,
    child: Option<Child>,
}

impl RelyingParty {
    /// Registers it, if it is not yet, and starts it.
    pub(super) async fn start(
        running: &Running,
        program: &Path,
        dir: &Path,
        port: u16,
        state: &mut State,
    ) -> anyhow::Result<Self> {
        let registered = registered(running, port, state).await?;
        state.relying_party = Some(registered.clone());
        state.write(dir)?;
        let origin = origin(port);
        let (child, missing) = match run(running, program, dir, &registered).await {
            Ok(child) => (Some(child), None),
            Err(reason) => (None, Some(format!("{reason:#}"))),
        };
        Ok(Self { origin, missing, child })
    }

    /// For the guide's test.
    #[cfg(test)]
    pub(super) fn sample() -> Self {
        Self { origin: origin(8090), missing: None, child: None }
    }

    /// Stops it.
    pub(super) async fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill().await;
        }
    }
}

fn origin(port: u16) -> String {
    // Not `localhost`, where the service is: cookies ignore ports.
    format!("http://127.0.0.1:{port}")
}

async fn registered(running: &Running, port: u16, state: &State) -> anyhow::Result<Registered> {
    let ledger = &running.app.ledger;
    let redirect_uris = vec![format!("{}/callback", origin(port))];
    let post_logout_redirect_uris = vec![format!("{}/signed-out", origin(port))];
    let context = Context {
        command: CommandId(Uuid::now_v7()),
        actor: Actor::Service,
        on_behalf_of: None,
        reason: Reason::Administration,
        reference: None,
        effective_at: running.app.clock.now(),
    };
    let (registered, appended) = match &state.relying_party {
        Some(known) if known.port == port => return Ok(known.clone()),
        Some(known) => {
            let (_, appended) = registry::change(ledger, known.client_id, context, |registration| {
                registration.redirect_uris.clone_from(&redirect_uris);
                registration.post_logout_redirect_uris.clone_from(&post_logout_redirect_uris);
            })
            .await?;
            (Registered { port, ..known.clone() }, appended)
        }
        None => {
            let registration = Registration {
                name: NAME.to_owned(),
                redirect_uris,
                post_logout_redirect_uris,
                scopes: scopes::ALL.iter().map(|scope| (*scope).to_owned()).collect(),
                sector_identifier: "127.0.0.1".to_owned(),
                authentication: ClientAuthentication::ClientSecretBasic,
                establishments: Establishments::All,
                terms: Terms::default(),
            };
            let new = registry::register(ledger, registration, context).await?;
            let client_secret = new.secret.map(|secret| secret.expose().to_owned()).unwrap_or_default();
            (Registered { client_id: new.id, client_secret, port }, new.appended)
        }
    };
    if let Some(position) = appended.last() {
        running.app.views.caught_up(position, PATIENCE).await?;
    }
    Ok(registered)
}

async fn run(running: &Running, program: &Path, dir: &Path, registered: &Registered) -> anyhow::Result<Child> {
    let script = program.join("server.mjs");
    anyhow::ensure!(script.is_file(), "{} is not there", script.display());
    anyhow::ensure!(
        program.join("node_modules").is_dir(),
        "its packages are missing: run `npm ci` in {}",
        program.display()
    );
    let log_path = dir.join("relying-party.log");
    let log = File::create(&log_path).with_context(|| format!("can't write {}", log_path.display()))?;
    let mut child = Command::new("node")
        .arg(&script)
        .env("ISSUER", running.app.config.origin())
        .env("CLIENT_ID", registered.client_id.to_string())
        .env("CLIENT_SECRET", &registered.client_secret)
        .env("PORT", registered.port.to_string())
        .env("NAME", NAME)
        // The service listens on IPv4 only; older versions of Node try ::1 first and give up.
        .env("NODE_OPTIONS", "--dns-result-order=ipv4first")
        // Held open as long as we live, so that it ends with us however we end.
        .env("STOP_WITH_STDIN", "1")
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .context("Node can't be started")?;
    let health = format!("{}/healthz", origin(registered.port));
    let answers = async {
        loop {
            if let Ok(Some(status)) = child.try_wait() {
                anyhow::bail!("it ended with {status}; {} says why", log_path.display());
            }
            if reqwest::get(&health).await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, answers).await {
        Ok(Ok(())) => Ok(child),
        Ok(Err(error)) => Err(error),
        Err(_) => anyhow::bail!("it does not answer; {} may say why", log_path.display()),
    }
}
