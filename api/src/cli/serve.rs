//! `matricule serve`

use super::{Global, telemetry};
use crate::config::Config;
use crate::router;
use crate::running::Running;
use anyhow::Context;
use clap::Args;
use std::net::SocketAddr;
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
    let grace = running.app.config.http.shutdown_grace.0;
    let service = router::service(running.app.clone())?.into_make_service_with_connect_info::<SocketAddr>();
    let mut stopping = stop.clone();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    });
    let mut stop = stop;
    let out_of_patience = async {
        let _ = stop.wait_for(|stop| *stop).await;
        tracing::info!("stopping");
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        ended = serving.into_future() => ended?,
        () = out_of_patience => tracing::warn!("requests still running are given up"),
    }
    running.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// True once SIGINT or SIGTERM has come.
fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
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
