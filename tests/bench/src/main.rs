//! Measures the ledger against plain postgres-es and cqrs-es, each on a private PostgreSQL of its own that writes
//! to a real disk: `cargo run --release -p bench -- append|replay|lag|import|checkpoint|verify|tokens`.
//!
//! Every command prints a table and, as its last line, one JSON object. What is compared runs in turns within one
//! run, several times over, and the medians count: the ratios then say more than the rates, which are the machine's.

mod append;
mod ceiling;
mod checkpoint;
#[cfg(feature = "import")]
mod http;
#[cfg(feature = "import")]
mod import;
mod lag;
mod measure;
mod plain;
#[cfg(feature = "import")]
mod provide;
mod query_replay;
mod replay;
mod school;
mod server;
#[cfg(feature = "import")]
mod tokens;
mod usage;
mod verify;

use clap::Parser;
use std::path::PathBuf;

/// Measures the ledger against plain postgres-es and cqrs-es.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Where the private server keeps its data meanwhile; must be on a disk that the server's account can enter.
    #[arg(long, global = true, default_value = "target/bench-data")]
    dir: PathBuf,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Appending: plain postgres-es, the ledger, and the same inserts without any of the ledger's work.
    Append(append::Options),
    /// Reading everything back, and rebuilding views from it.
    Replay(replay::Options),
    /// How long a request waits to read its own write.
    Lag(lag::Options),
    /// Verifying the whole ledger, against reading it.
    Verify(verify::Options),
    /// Signing checkpoints: what it costs, what the proof takes to store, how many tiles one proof reads.
    Checkpoint(checkpoint::Options),
    /// Importing a whole sample of schools, until the views show it.
    #[cfg(feature = "import")]
    Import(import::Options),
    /// Tokens, introspection and userinfo, side by side with a certified provider that keeps everything in memory.
    #[cfg(feature = "import")]
    Tokens(tokens::Options),
    /// Matricule as `tokens` measures it.
    #[cfg(feature = "import")]
    #[command(hide = true)]
    Provide(provide::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { command, dir } = Arguments::parse();
    let result = match command {
        // Each of its imports has a server of its own.
        #[cfg(feature = "import")]
        Command::Import(options) => import::run(&dir, &options).await?,
        #[cfg(feature = "import")]
        Command::Tokens(options) => tokens::run(&dir, &options).await?,
        #[cfg(feature = "import")]
        Command::Provide(options) => return provide::run(&options).await,
        Command::Append(options) => {
            let server = server::Server::start(&dir).await?;
            let result = append::run(&server, &options).await?;
            server.stop().await;
            result
        }
        Command::Replay(options) => {
            let server = server::Server::start(&dir).await?;
            let result = replay::run(&server, &options).await?;
            server.stop().await;
            result
        }
        Command::Verify(options) => {
            let server = server::Server::start(&dir).await?;
            let result = verify::run(&server, &options).await?;
            server.stop().await;
            result
        }
        Command::Checkpoint(options) => {
            let server = server::Server::start(&dir).await?;
            let result = checkpoint::run(&server, &options).await?;
            server.stop().await;
            result
        }
        Command::Lag(options) => {
            let server = server::Server::start(&dir).await?;
            let result = lag::run(&server, &options).await?;
            server.stop().await;
            result
        }
    };
    println!("{result}");
    Ok(())
}
