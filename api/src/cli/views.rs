//! `matricule views …`

use super::beside::Beside;
use super::{Global, attach, block_on};
use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::{Subcommand, ValueEnum};
use domain::context::Actor;
use ledger::Header;
use ledger::postgres::{Database, Role};
use projections::poison::{skip, skips, stops};
use projections::{Name, Skipped, Views, rebuild_with};
use sqlx::PgPool;

/// The views that are built from the ledger.
#[derive(Debug, Subcommand)]
pub enum ViewsCommand {
    /// Build views anew beside the live ones and swap them in; the service may go on meanwhile
    Rebuild {
        /// Which; all of them without a name
        #[arg(value_enum)]
        views: Vec<View>,
        /// Take in the events that were skipped, as an upgraded program may be able to
        #[arg(long)]
        take_in: bool,
    },
    /// Show how far each view is, where one has stopped, and which events are skipped
    Status,
    /// Tell a view that has stopped to go on without the event it stands at; the decision is kept and shown
    Skip {
        /// Which
        #[arg(value_enum)]
        view: View,
        /// Where it stands, as `views status` shows
        position: u64,
        /// Why it may do without the event
        #[arg(long)]
        reason: String,
        /// Who decides, by the number in your directory, not by name
        #[arg(long, value_name = "NUMBER", default_value = "local")]
        operator: String,
    },
}

/// A view on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum View {
    /// Pupils, enrolments, guardians, responsibilities, links that wait
    People,
    /// Accounts and their children
    Accounts,
    /// Establishments and relying parties
    Services,
    /// Whom or what each event is about; imports
    Audit,
}

impl From<View> for Name {
    fn from(view: View) -> Self {
        match view {
            View::People => Self::People,
            View::Accounts => Self::Accounts,
            View::Services => Self::Services,
            View::Audit => Self::Audit,
        }
    }
}

impl ViewsCommand {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        block_on(async {
            match self {
                Self::Rebuild { views, take_in } => rebuild_views(global, views, take_in).await,
                Self::Status => {
                    let (database, pool) = open(global).await?;
                    let told = status(&pool).await;
                    pool.close().await;
                    database.close().await;
                    print!("{}", told?);
                    Ok(())
                }
                Self::Skip { view, position, reason, operator } => {
                    if operator.is_empty() || !operator.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                        bail!("--operator is a staff number: letters, digits and hyphens, never a name");
                    }
                    let (database, pool) = open(global).await?;
                    let at: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(&pool).await?;
                    let skipped = skip(&pool, view.into(), position, &reason, &Actor::Operator(operator), at).await;
                    pool.close().await;
                    database.close().await;
                    skipped?;
                    println!("{}: goes on without the event at position {position}", Name::from(view));
                    Ok(())
                }
            }
        })
    }
}

async fn rebuild_views(global: &Global, views: Vec<View>, take_in: bool) -> anyhow::Result<()> {
    let names: Vec<Name> = views.into_iter().map(Name::from).collect();
    let names = if names.is_empty() { Name::ALL.to_vec() } else { names };
    let skipped = if take_in { Skipped::TakeIn } else { Skipped::Again };
    Beside::over(&global.load()?, async |beside| {
        for (name, next) in rebuild_with(&beside.ledger, &beside.db, &names, skipped, |_| {}).await? {
            println!("{name}: rebuilt from {next} events");
        }
        Ok(())
    })
    .await
}

/// Without a runner of its own: what is looked at is what the service left.
async fn open(global: &Global) -> anyhow::Result<(Database, PgPool)> {
    let database = attach(&global.load()?).await?;
    let pool = database.pool(Role::Service, 1).await?;
    Ok((database, pool))
}

/// What `matricule views status` prints.
pub(crate) async fn status(pool: &PgPool) -> sqlx::Result<String> {
    let (stops, skips) = (stops(pool).await?, skips(pool).await?);
    let size: i64 = sqlx::query_scalar("SELECT size FROM ledger.head").fetch_one(pool).await?;
    let views = Views::new(pool.clone());
    let mut told = String::new();
    for name in Name::ALL {
        let next = views.checkpoint(name).await?;
        told.push_str(&format!("{:<9} {next} of {size} events\n", name.as_str()));
        if let Some(stop) = stops.iter().find(|stop| stop.view == name) {
            let (position, problem) = (stop.fault.position, &stop.fault.problem);
            told.push_str(&format!(
                "          STOPPED since {} at position {position} ({}): {problem}\n          \
                 Upgrade the program, and it goes on by itself; or decide to do without the event:\n          \
                 matricule views skip {name} {position} --reason \"…\"\n",
                time(stop.since),
                what(stop.event.as_ref()),
            ));
        }
        for skip in skips.iter().filter(|skip| skip.view == name) {
            told.push_str(&format!(
                "          without position {} ({}) since {}, by {}: {}\n",
                skip.fault.position,
                what(skip.event.as_ref()),
                time(skip.skipped_at),
                skip.actor,
                skip.reason
            ));
        }
    }
    Ok(told)
}

fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn what(event: Option<&Header>) -> &str {
    event.map_or("no event there", |event| event.event_type.as_str())
}
