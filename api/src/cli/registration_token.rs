//! `matricule registration-token …`

use super::beside::Beside;
use super::{Global, block_on};
use crate::oidc::registration;
use anyhow::ensure;
use chrono::TimeDelta;
use clap::{Args, Subcommand};
use domain::identifiers::Uai;
use domain::ids::InitialAccessId;
use domain::initial_access::Bounds;
use domain::relying_party::Establishments;

/// The longest that a token may be good.
const LONGEST: TimeDelta = TimeDelta::days(90);

/// Let services register themselves, within bounds (RFC 7591).
#[derive(Debug, Subcommand)]
pub enum RegistrationTokenCommand {
    /// Issue an initial access token, printed once
    Issue(Issue),
    /// Make one worthless; what was registered with it stays
    Withdraw {
        /// Its id
        id: InitialAccessId,
    },
}

/// What may be registered with it.
#[derive(Debug, Args)]
pub struct Issue {
    /// How many registrations it allows
    #[arg(long, default_value_t = 1)]
    uses: u32,
    /// How long it is good, such as 2days; 90 days at most
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "1day")]
    lifetime: std::time::Duration,
    /// Scopes that a service may choose, besides openid
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// Release only these of the claims that its scopes release
    #[arg(long = "claim", value_name = "CLAIM", value_delimiter = ',')]
    claims: Vec<String>,
    /// An establishment that it serves (UAI); may be repeated
    #[arg(long = "establishment", value_name = "UAI", value_delimiter = ',', conflicts_with = "all_establishments")]
    establishments: Vec<Uai>,
    /// It serves all establishments
    #[arg(long, required_unless_present = "establishments")]
    all_establishments: bool,
}

impl RegistrationTokenCommand {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        let config = global.load()?;
        if matches!(self, Self::Issue(_)) && !config.oidc.dynamic_registration {
            eprintln!("Services can't register themselves yet: set oidc.dynamic_registration.");
        }
        block_on(Beside::over(&config, async |beside| self.carry_out(beside).await))
    }

    async fn carry_out(self, beside: &Beside) -> anyhow::Result<()> {
        match self {
            Self::Issue(issue) => issue.carry_out(beside).await,
            Self::Withdraw { id } => Ok(registration::withdraw(&beside.ledger, id, beside.context()).await?),
        }
    }
}

impl Issue {
    async fn carry_out(self, beside: &Beside) -> anyhow::Result<()> {
        let lifetime = TimeDelta::from_std(self.lifetime).ok().filter(|lifetime| *lifetime <= LONGEST);
        ensure!(lifetime.is_some(), "an initial access token is good for 90 days at most");
        let expires_at = beside.ledger.now() + lifetime.unwrap_or_default();
        let openid = crate::oidc::scopes::OPENID.to_owned();
        let bounds = Bounds {
            scopes: self.scopes.into_iter().chain([openid]).collect(),
            claims: Some(self.claims.into_iter().collect())
                .filter(|claims: &std::collections::BTreeSet<_>| !claims.is_empty()),
            establishments: if self.all_establishments {
                Establishments::All
            } else {
                Establishments::Only(self.establishments.into_iter().collect())
            },
        };
        let (id, token) = registration::issue(&beside.ledger, self.uses, expires_at, bounds, beside.context()).await?;
        // In the form of an environment file, so that it can be handed on as it is.
        println!("INITIAL_ACCESS_ID={id}");
        println!("INITIAL_ACCESS_TOKEN={}", token.expose());
        eprintln!(
            "The token is shown this once and kept nowhere in clear. It is good until {}.",
            expires_at.to_rfc3339()
        );
        Ok(())
    }
}
