//! `matricule relying-party …`

mod print;
mod terms;

use super::beside::Beside;
use super::{Global, block_on};
use crate::oidc::metadata::sector_of;
use crate::oidc::registry;
use crate::oidc::scopes;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use domain::identifiers::Uai;
use domain::ids::RelyingPartyId;
use domain::relying_party::{Establishments, Registration, Terms};
use print::{print, print_secret};
use std::collections::BTreeSet;
use terms::{Authentication, TermOptions};

/// Register the services that consume tokens, and change them.
#[derive(Debug, Subcommand)]
pub enum RelyingPartyCommand {
    /// Register a service; prints its client_id and, once, its client secret
    Register(Box<Register>),
    /// List all
    List,
    /// Show one
    Show {
        /// Its client_id
        client_id: RelyingPartyId,
    },
    /// Change what one is registered with; what is not given stays
    Change(Box<Change>),
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
    /// End one's registration for good; its client_id is never served again
    Deregister {
        /// Its client_id
        client_id: RelyingPartyId,
    },
}

/// A new relying party.
#[derive(Debug, Args)]
pub struct Register {
    /// Name that users will recognise
    #[arg(long)]
    name: String,
    /// Where answers may go; exact, may be repeated
    #[arg(long = "redirect-uri", value_name = "URI")]
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
    #[command(flatten)]
    terms: TermOptions,
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
    /// Another sector: it then knows everybody by another name
    #[arg(long, value_name = "HOST")]
    sector: Option<String>,
    /// Another way to authenticate; a client secret is made or thrown away as it needs
    #[arg(long, value_enum)]
    authentication: Option<Authentication>,
    #[command(flatten)]
    terms: TermOptions,
}

impl RelyingPartyCommand {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        let config = global.load()?;
        let terms = match &self {
            Self::Register(register) => Some(&register.terms),
            Self::Change(change) => Some(&change.terms),
            Self::List | Self::Show { .. } | Self::Secret { .. } => None,
            Self::Disable { .. } | Self::Enable { .. } | Self::Deregister { .. } => None,
        };
        terms
            .into_iter()
            .flat_map(TermOptions::algorithms)
            .try_for_each(|algorithm| registry::offered(&config.oidc, Some(algorithm)))?;
        block_on(Beside::over(&config, async |beside| self.carry_out(beside).await))
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
                let read = change.terms.read()?;
                let id = change.client_id;
                let changed = registry::change(ledger, id, context, |registration| change.apply(&read, registration));
                let (secret, appended) = changed.await?;
                print_secret(secret.as_ref());
                appended
            }
            Self::Secret { client_id } => {
                let (secret, appended) = registry::replace_secret(ledger, client_id, context).await?;
                print_secret(Some(&secret));
                appended
            }
            Self::Disable { client_id } => registry::set_enabled(ledger, client_id, context, false).await?,
            Self::Enable { client_id } => registry::set_enabled(ledger, client_id, context, true).await?,
            Self::Deregister { client_id } => registry::deregister(ledger, client_id, context).await?,
        };
        beside.wait_for(appended).await
    }
}

impl Register {
    fn registration(self) -> anyhow::Result<Registration> {
        let mut terms = Terms::default();
        self.terms.apply(&self.terms.read()?, &mut terms);
        let sector_identifier = match self.sector {
            Some(sector) => sector,
            None => sector_of(&self.redirect_uris).context("say it with --sector")?,
        };
        let scopes: BTreeSet<String> =
            if terms.signs_people_in() { with_openid(self.scopes) } else { self.scopes.into_iter().collect() };
        Ok(Registration {
            name: self.name,
            redirect_uris: self.redirect_uris,
            post_logout_redirect_uris: self.post_logout_redirect_uris,
            scopes,
            sector_identifier,
            authentication: self.authentication.into(),
            establishments: if self.served.all_establishments {
                Establishments::All
            } else {
                Establishments::Only(self.served.establishments.into_iter().collect())
            },
            terms,
        })
    }
}

impl Change {
    fn apply(self, read: &terms::Read, registration: &mut Registration) {
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
        if let Some(sector) = self.sector {
            registration.sector_identifier = sector;
        }
        if let Some(authentication) = self.authentication {
            registration.authentication = authentication.into();
        }
        self.terms.apply(read, &mut registration.terms);
    }
}

fn with_openid(given: Vec<String>) -> BTreeSet<String> {
    given.into_iter().chain([scopes::OPENID.to_owned()]).collect()
}

async fn list(beside: &Beside) -> anyhow::Result<()> {
    beside.wait_for_all().await?;
    let mut after = None;
    loop {
        let page = beside.views.relying_parties(after, 100).await?;
        for party in &page {
            let state = match (party.deregistered, party.enabled) {
                (true, _) => "  (ended)",
                (false, true) => "",
                (false, false) => "  (disabled)",
            };
            println!("{}  {}{state}", party.id, party.registration.name);
        }
        after = match page.last() {
            Some(last) => Some(last.id),
            None => return Ok(()),
        };
    }
}
