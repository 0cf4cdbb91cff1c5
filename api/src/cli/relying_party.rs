//! `matricule relying-party …`

use super::beside::Beside;
use super::{Global, block_on};
use crate::oidc::registry::{self, ClientSecret};
use crate::oidc::scopes;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use domain::identifiers::Uai;
use domain::ids::RelyingPartyId;
use domain::relying_party::{ClientAuthentication, Establishments, Registration};
use std::collections::BTreeSet;
use url::Url;

/// Register the services that consume tokens, and change them.
#[derive(Debug, Subcommand)]
pub enum RelyingPartyCommand {
    /// Register a service; prints its client_id and, once, its client secret
    Register(Register),
    /// List all
    List,
    /// Show one
    Show {
        /// Its client_id
        client_id: RelyingPartyId,
    },
    /// Change what one is registered with; what is not given stays
    Change(Change),
    /// Give one another client secret, printed once; the former stops working at once
    Secret {
        /// Its client_id
        client_id: RelyingPartyId,
    },
    /// Stop serving one; its tokens stop working at once
    Disable {
        /// Its client_id
        client_id: RelyingPartyId,
    },
    /// Serve one again
    Enable {
        /// Its client_id
        client_id: RelyingPartyId,
    },
}

/// How a client authenticates.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Authentication {
    /// HTTP Basic with the client secret
    Basic,
    /// Client secret in the form body
    Post,
    /// None: a public client
    None,
}

/// A new relying party.
#[derive(Debug, Args)]
pub struct Register {
    /// Name that users will recognise
    #[arg(long)]
    name: String,
    /// Where answers may go; exact, may be repeated
    #[arg(long = "redirect-uri", value_name = "URI", required = true)]
    redirect_uris: Vec<String>,
    /// Where browsers may go after logout; exact, may be repeated
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// Scopes it may ask for, besides openid; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// Services of one sector know a person by the same name [default: the host of the first redirect URI]
    #[arg(long, value_name = "HOST")]
    sector: Option<String>,
    /// How it authenticates
    #[arg(long, value_enum, default_value = "basic")]
    authentication: Authentication,
    #[command(flatten)]
    served: Served,
}

/// Whose people it sees.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Served {
    /// An establishment it serves (UAI); may be repeated
    #[arg(long = "establishment", value_name = "UAI", value_delimiter = ',')]
    establishments: Vec<Uai>,
    /// It serves all establishments
    #[arg(long)]
    all_establishments: bool,
}

/// What changes.
#[derive(Debug, Args)]
pub struct Change {
    /// Its client_id
    client_id: RelyingPartyId,
    /// Another name
    #[arg(long)]
    name: Option<String>,
    /// Redirect URIs, in place of the present ones
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Post-logout redirect URIs, in place of the present ones
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// Scopes besides openid, in place of the present ones
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// Establishments (UAI), in place of the present ones
    #[arg(long = "establishment", value_name = "UAI", value_delimiter = ',', conflicts_with = "all_establishments")]
    establishments: Vec<Uai>,
    /// It serves all establishments from now on
    #[arg(long)]
    all_establishments: bool,
}

impl RelyingPartyCommand {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        block_on(async {
            let beside = Beside::open(&global.load()?).await?;
            let done = self.carry_out(&beside).await;
            beside.close().await;
            done
        })
    }

    async fn carry_out(self, beside: &Beside) -> anyhow::Result<()> {
        let ledger = &beside.ledger;
        let context = beside.context();
        let appended = match self {
            Self::Register(register) => {
                let registered = registry::register(ledger, register.registration()?, context).await?;
                println!("CLIENT_ID={}", registered.id);
                print_secret(registered.secret.as_ref());
                registered.appended
            }
            Self::List => return list(beside).await,
            Self::Show { client_id } => {
                let party = registry::load(ledger, client_id).await?.aggregate;
                let registration = party.registration.context("this relying party is not registered")?;
                print(client_id, &registration, party.enabled);
                return Ok(());
            }
            Self::Change(change) => {
                registry::change(ledger, change.client_id, context, |registration| change.apply(registration)).await?
            }
            Self::Secret { client_id } => {
                let (secret, appended) = registry::replace_secret(ledger, client_id, context).await?;
                print_secret(Some(&secret));
                appended
            }
            Self::Disable { client_id } => registry::set_enabled(ledger, client_id, context, false).await?,
            Self::Enable { client_id } => registry::set_enabled(ledger, client_id, context, true).await?,
        };
        beside.wait_for(appended).await
    }
}

impl Register {
    fn registration(self) -> anyhow::Result<Registration> {
        let sector_identifier = match self.sector {
            Some(sector) => sector,
            None => sector_of(&self.redirect_uris)?,
        };
        Ok(Registration {
            name: self.name,
            redirect_uris: self.redirect_uris,
            post_logout_redirect_uris: self.post_logout_redirect_uris,
            scopes: with_openid(self.scopes),
            sector_identifier,
            authentication: match self.authentication {
                Authentication::Basic => ClientAuthentication::ClientSecretBasic,
                Authentication::Post => ClientAuthentication::ClientSecretPost,
                Authentication::None => ClientAuthentication::None,
            },
            establishments: if self.served.all_establishments {
                Establishments::All
            } else {
                Establishments::Only(self.served.establishments.into_iter().collect())
            },
        })
    }
}

impl Change {
    fn apply(self, registration: &mut Registration) {
        if let Some(name) = self.name {
            registration.name = name;
        }
        if !self.redirect_uris.is_empty() {
            registration.redirect_uris = self.redirect_uris;
        }
        if !self.post_logout_redirect_uris.is_empty() {
            registration.post_logout_redirect_uris = self.post_logout_redirect_uris;
        }
        if !self.scopes.is_empty() {
            registration.scopes = with_openid(self.scopes);
        }
        if self.all_establishments {
            registration.establishments = Establishments::All;
        } else if !self.establishments.is_empty() {
            registration.establishments = Establishments::Only(self.establishments.into_iter().collect());
        }
    }
}

/// OpenID Connect Core §8.1: without a sector the hosts of all redirect URIs must be one.
fn sector_of(redirect_uris: &[String]) -> anyhow::Result<String> {
    let host = |uri: &String| Url::parse(uri).ok().and_then(|url| url.host_str().map(str::to_owned));
    let hosts: BTreeSet<String> = redirect_uris.iter().filter_map(host).collect();
    match hosts.into_iter().collect::<Vec<_>>().as_slice() {
        [only] => Ok(only.clone()),
        [] => bail!("the redirect URIs have no host; give absolute https URIs"),
        _ => bail!("the redirect URIs have several hosts; say with --sector under which one people are known"),
    }
}

fn with_openid(given: Vec<String>) -> BTreeSet<String> {
    given.into_iter().chain([scopes::OPENID.to_owned()]).collect()
}

/// In the form of an environment file, so that it can be handed on as it is.
fn print_secret(secret: Option<&ClientSecret>) {
    if let Some(secret) = secret {
        println!("CLIENT_SECRET={}", secret.expose());
        eprintln!("The client secret is shown this once and kept nowhere in clear.");
    }
}

async fn list(beside: &Beside) -> anyhow::Result<()> {
    beside.wait_for_all().await?;
    let mut after = None;
    loop {
        let page = beside.views.relying_parties(after, 100).await?;
        for party in &page {
            let state = if party.enabled { "" } else { "  (disabled)" };
            println!("{}  {}{state}", party.id, party.registration.name);
        }
        after = match page.last() {
            Some(last) => Some(last.id),
            None => return Ok(()),
        };
    }
}

fn print(id: RelyingPartyId, registration: &Registration, enabled: bool) {
    println!("client_id                 {id}{}", if enabled { "" } else { "  (disabled)" });
    println!("name                      {}", registration.name);
    registration.redirect_uris.iter().for_each(|uri| println!("redirect_uri              {uri}"));
    registration.post_logout_redirect_uris.iter().for_each(|uri| println!("post_logout_redirect_uri  {uri}"));
    println!("scope                     {}", scopes::join(&registration.scopes));
    println!("sector                    {}", registration.sector_identifier);
    let method = match registration.authentication {
        ClientAuthentication::None => "none",
        ClientAuthentication::ClientSecretBasic => "client_secret_basic",
        ClientAuthentication::ClientSecretPost => "client_secret_post",
    };
    println!("authentication            {method}");
    match &registration.establishments {
        Establishments::All => println!("establishments            all"),
        Establishments::Only(served) => served.iter().for_each(|uai| println!("establishment             {uai}")),
    }
}
