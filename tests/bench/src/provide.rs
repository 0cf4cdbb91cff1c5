//! Matricule as the measured provider: the whole service in a process of its own, with one pupil signed in and one
//! relying party, on a private PostgreSQL with every safety on. Beside it a bare handler that answers with the same
//! metadata. Says where it is in one JSON line; ends with its standard input.

use anyhow::Context as _;
use api::clock::Clock;
use api::config::Config;
use api::listen::{self, Patience};
use api::oidc::registry;
use api::running::Running;
use api::session::{self, Method, cookies::Cookies};
use axum::Router;
use axum::routing::get;
use chrono::TimeDelta;
use domain::account::{Account, AccountCommand, Holder, PasswordOrigin};
use domain::context::{Actor, Context, Reason};
use domain::establishment::{Establishment, EstablishmentCommand};
use domain::identifiers::{Degree, Uai};
use domain::ids::{AccountId, CommandId, PupilId, SecretId};
use domain::pupil::{CivilStatus, EnrolmentFact, Placement, Pupil, PupilCommand, SchoolData};
use domain::relying_party::{ClientAuthentication, Establishments, GrantType, Registration, Terms};
use ledger::Ledger;
use serde_json::json;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use uuid::Uuid;

/// Options of the hidden command.
#[derive(clap::Args)]
pub struct Options {
    /// Where its database keeps its data.
    #[arg(long)]
    data: PathBuf,
}

const REDIRECT_URI: &str = "https://client.example.org/cb";
/// Where its pupil is enrolled: a number that no establishment has.
const SCHOOL: u32 = 750_001;

fn context(clock: &Clock) -> Context {
    Context {
        command: CommandId(Uuid::now_v7()),
        actor: Actor::Service,
        on_behalf_of: None,
        reason: Reason::Administration,
        reference: None,
        effective_at: clock.now(),
    }
}

/// A pupil with an account in use; the account and its password's name.
async fn person(ledger: &Ledger, clock: &Clock) -> anyhow::Result<(AccountId, SecretId)> {
    let uai = Uai::from_number(SCHOOL).context("a UAI")?;
    let name = Some("Collège de la Mesure".to_owned());
    let describe = EstablishmentCommand::Describe { uai, name, academie: None, degree: Degree::Second };
    ledger.execute::<Establishment>(&uai.to_string(), describe, &context(clock)).await?;
    let pupil = PupilId(Uuid::new_v4());
    let data = SchoolData {
        pupil,
        ine: None,
        civil_status: CivilStatus {
            family_name: "Lefictif".to_owned(),
            given_names: vec!["Zoé".to_owned()],
            ..CivilStatus::default()
        },
        enrolment: EnrolmentFact {
            establishment: uai,
            school_year: 2026,
            entered_on: None,
            left_on: None,
            leaving_reason: None,
            placement: Placement::default(),
        },
        links: Vec::new(),
    };
    let record = PupilCommand::RecordSchoolData(Box::new(data));
    ledger.execute::<Pupil>(&pupil.to_string(), record, &context(clock)).await?;
    let (account, password) = (AccountId(Uuid::new_v4()), SecretId(Uuid::new_v4()));
    let expires_at = clock.now() + TimeDelta::days(1);
    let secret = SecretId(Uuid::new_v4());
    for command in [
        AccountCommand::Open { account, holder: Holder::Pupil(pupil) },
        AccountCommand::AssignLogin { login: "z.lefictif".to_owned() },
        AccountCommand::IssueProvisionalPassword { secret, expires_at },
        AccountCommand::ChoosePassword { secret: password, origin: PasswordOrigin::ForcedChange, flow: None },
    ] {
        ledger.execute::<Account>(&account.to_string(), command, &context(clock)).await?;
    }
    Ok((account, password))
}

/// Provides until the standard input ends.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let bare = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let data_dir: &Path = &options.data;
    let config = Config { public_origin: origin.parse()?, data_dir: data_dir.to_owned(), ..Config::default() };
    let running = Running::start(config).await?;
    let app = running.app.clone();
    let (account, password) = person(&app.ledger, &app.clock).await?;
    let registration = Registration {
        name: "Mesure".to_owned(),
        redirect_uris: vec![REDIRECT_URI.to_owned()],
        post_logout_redirect_uris: Vec::new(),
        scopes: ["openid", "profile", "offline_access"].map(str::to_owned).into(),
        sector_identifier: "client.example.org".to_owned(),
        authentication: ClientAuthentication::ClientSecretBasic,
        establishments: Establishments::All,
        terms: Terms { grant_types: GrantType::ALL.into(), ..Terms::default() },
    };
    let registered = registry::register(&app.ledger, registration, context(&app.clock)).await?;
    app.views.caught_up(app.ledger.size() - 1, Duration::from_secs(60)).await?;
    let jar = session::open(&app, &Cookies::default(), account, password, Method::Password).await;
    let jar = jar.map_err(|error| anyhow::anyhow!("no session: {error:?}"))?;
    let cookie: Vec<String> =
        jar.iter().filter(|cookie| !cookie.value().is_empty()).map(|c| format!("{}={}", c.name(), c.value())).collect();
    let said = json!({
        "origin": origin,
        "bare": format!("http://{}", bare.local_addr()?),
        "authorize": "/authorize",
        "token": "/token",
        "introspect": "/introspect",
        "userinfo": "/userinfo",
        "discovery": "/.well-known/openid-configuration",
        "client_id": registered.id,
        "client_secret": registered.secret.as_ref().map(registry::ClientSecret::expose),
        "redirect_uri": REDIRECT_URI,
        "cookie": cookie.join("; "),
    });
    let document: &'static str = metadata(&listener, &app).await?.leak();
    let bare_handler = Router::new().route("/", get(move || async move { document }));
    let patience = Patience { head: Duration::from_secs(30), grace: Duration::from_secs(1) };
    tokio::spawn(listen::serve(bare, bare_handler, patience, std::future::pending()));
    let service = api::router::service(app.clone())?;
    let serving = listen::serve(listener, service, patience, async {
        println!("{said}");
        // A thread of its own may wait for it: nothing else is to be done once it has ended.
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let _ = ended.await;
    });
    serving.await;
    drop(app);
    running.stop().await;
    Ok(())
}

/// The metadata, as long as the service's own.
async fn metadata(listener: &TcpListener, app: &api::app::App) -> anyhow::Result<String> {
    use tower::ServiceExt as _;
    let path = "/.well-known/openid-configuration";
    let mut request = axum::http::Request::get(path).body(axum::body::Body::empty())?;
    request.extensions_mut().insert(axum::extract::ConnectInfo(listener.local_addr()?));
    let answer = api::router::service(app.clone())?.oneshot(request).await?;
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await?;
    Ok(String::from_utf8(body.to_vec())?)
}
