//! `matricule serve`

use super::{Global, telemetry};
use crate::app::App;
use crate::config::Config;
use crate::listen::{self, Patience};
use crate::router;
use crate::running::Running;
use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Run the service until it is told to stop.
#[derive(Debug, Args)]
pub struct Serve {}

impl Serve {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        let config = global.load()?;
        telemetry::start(&config.log)?;
        crate::incident::watch_panics();
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    // First of all, so that a signal during the start stops it cleanly too.
    let stop = stop_signal()?;
    let listener =
        TcpListener::bind(config.listen).await.with_context(|| format!("can't listen on {}", config.listen))?;
    let running = Running::start(config).await?;
    let address = listener.local_addr()?;
    tracing::info!(%address, origin = running.app.config.origin(), "serving");
    let answered = answer(listener, running.app.clone(), stop).await;
    running.stop().await;
    tracing::info!("stopped");
    answered
}

/// Answers requests until told to stop, then for as long as running ones may take.
pub(super) async fn answer(listener: TcpListener, app: App, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let http = &app.config.http;
    let patience = Patience { head: http.request_timeout.0, grace: http.shutdown_grace.0 };
    let stopped = async {
        // An error means that whoever tells of signals is gone, which is as good a reason to stop.
        let _ = stop.wait_for(|stop| *stop).await;
        tracing::info!("stopping");
    };
    let service = router::service(app.clone())?;
    if !listen::serve(listener, service, patience, stopped).await {
        tracing::warn!("requests still running are given up");
    }
    Ok(())
}

/// True once SIGINT or SIGTERM has come.
pub(super) fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tell.send_replace(true);
        // Keeps the channel open for those who ask later.
        tell.closed().await;
    });
    Ok(told)
}
