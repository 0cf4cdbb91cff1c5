//! The authorization endpoint (OpenID Connect Core §3.1.2).

use super::discovery::path;
use super::entitlement::{Entitlement, NotEntitled};
use super::error::{ErrorCode, ProtocolError, refuse};
use super::hints::Hints;
use super::parameters::Parameters;
use super::request::{AuthorizationRequest, Prompt, Target, Unproven, client_id};
use super::response::{Answer, redirect, refusal_link, send};
use super::subject::Pairwise;
use super::tokens::IdToken;
use super::who::{self, Who};
use super::{choose, codes, consent, grants, par, random, scopes};
use crate::app::App;
use crate::incident::{AppError, Incident};
use crate::pages::{Page, Sample, View};
use crate::session::Token;
use crate::session::cookies::{Cookies, Kind, cookie};
use askama::Template;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::CookieJar;
use chrono::{DateTime, TimeDelta, Utc};
use domain::account::Holder;
use domain::ids::{AccountId, RelyingPartyId};
use domain::relying_party::Registration;
use sqlx::types::Json;
use uuid::Uuid;

/// How long a request waits for its browser to sign in; an activation by SMS may come first.
const PATIENCE: TimeDelta = TimeDelta::hours(1);
/// The same under the FAPI 2.0 profile.
const SHORT_PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// The parameter by which a person goes on as they are.
const AS_IS: &str = "as_is";

/// What every step of answering needs.
pub(super) struct Asking<'a> {
    app: &'a App,
    view: &'a View,
    cookies: &'a Cookies,
    hints: Hints,
    who: Option<Who>,
    now: DateTime<Utc>,
    issuer: String,
    /// The person goes on as they are identified, though the client would like it better.
    as_is: bool,
}

impl From<Unproven> for AppError {
    fn from(unproven: Unproven) -> Self {
        let code = match unproven {
            Unproven::NoClient => "authorization-no-client",
            Unproven::UnknownClient => "authorization-unknown-client",
            Unproven::NoRedirectUri | Unproven::UnregisteredRedirectUri => "authorization-redirect-uri",
        };
        Self::refused(StatusCode::BAD_REQUEST, code).because(format!("{unproven:?}"))
    }
}

/// `GET /authorize`
///
/// # Errors
/// An error page, where the answer can't be trusted to go anywhere.
pub async fn get(
    State(app): State<App>,
    incident: Incident,
    view: View,
    cookies: Cookies,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes());
    let who = who::in_browser(&app, &incident, &cookies).await?;
    let mut asking = Asking::new(&app, &view, &cookies, who);
    asking.hints = Hints::read(&parameters);
    if let Some(id) = par::named(&parameters) {
        let (request, asked_at, party) = pushed(&app, id, &parameters).await?;
        return asking.answer(request, Some((id, asked_at)), &party).await;
    }
    let (party, target) = prove(&app, &parameters).await?;
    match unpushed(&app, &parameters, target.clone(), &party).await? {
        Ok(request) => asking.answer(request, None, &party).await,
        Err(error) => Ok(send(&view, &asking.issuer, &target, Answer::Refusal(error))),
    }
}

/// `POST /authorize`. A form posted from the relying party's page comes without our cookies (`SameSite=Lax`), so
/// the request is kept and taken up again by a GET.
///
/// # Errors
/// As for GET.
pub async fn post(
    State(app): State<App>,
    view: View,
    cookies: Cookies,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, AppError> {
    // Read as one: what stands in both is given twice.
    let all = [query.unwrap_or_default().as_bytes(), b"&", &body].concat();
    let parameters = Parameters::parse(&all);
    if let Some(id) = par::named(&parameters) {
        pushed(&app, id, &parameters).await?;
        return Ok(redirect(&continue_at(id)));
    }
    let (party, target) = prove(&app, &parameters).await?;
    let asking = Asking::new(&app, &view, &cookies, None);
    match unpushed(&app, &parameters, target.clone(), &party).await? {
        Ok(request) => Ok(redirect(&continue_at(asking.keep(&request).await?))),
        Err(error) => Ok(send(&view, &asking.issuer, &target, Answer::Refusal(error))),
    }
}

/// `GET /authorize/continue?request=…`: the browser comes back from signing in.
///
/// # Errors
/// When the request is gone, or no longer good.
pub async fn resume(
    State(app): State<App>,
    incident: Incident,
    view: View,
    cookies: Cookies,
    RawQuery(query): RawQuery,
) -> Result<Response, AppError> {
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes());
    let id = parameters.get("request").and_then(|id| id.parse().ok()).ok_or_else(gone)?;
    let (request, asked_at, party) = kept_request(&app, id).await?;
    let jar = belongs_here(&app, &cookies, id).await?;
    let asking = Asking::new(&app, &view, &cookies, who::in_browser(&app, &incident, &cookies).await?);
    let asking = asking.going_on_as_is(parameters.get(AS_IS).is_some());
    Ok((jar, asking.answer(request, Some((id, asked_at)), &party).await?).into_response())
}

/// A waiting request belongs to the browser that took it up first, and no other goes on with it: nobody is brought to
/// finish what another began. Returns the cookie by which this browser is known.
///
/// # Errors
/// [`gone`], where it is another's.
pub(super) async fn belongs_here(app: &App, cookies: &Cookies, id: Uuid) -> Result<CookieJar, AppError> {
    let (owner, jar) = match &cookies.request {
        Some(token) => (token.clone(), CookieJar::new()),
        None => {
            let token = Token::draw()?;
            let jar = CookieJar::new().add(cookie(app, Kind::Request, token.expose()));
            (token, jar)
        }
    };
    let taken = sqlx::query(
        "UPDATE service.authorization_request SET browser = $2 WHERE id = $1 AND (browser IS NULL OR browser = $2)",
    )
    .bind(id)
    .bind(owner.hash(&app.ledger, "request").as_slice())
    .execute(&app.db)
    .await?;
    if taken.rows_affected() == 0 { Err(gone()) } else { Ok(jar) }
}

pub(super) fn gone() -> AppError {
    AppError::refused(StatusCode::BAD_REQUEST, "authorization-expired")
}

/// A request that waits, when it was made, and its client as registered now.
///
/// # Errors
/// When it is gone, or no longer good.
pub(super) async fn kept_request(
    app: &App,
    id: Uuid,
) -> Result<(AuthorizationRequest, DateTime<Utc>, Registration), AppError> {
    let kept: Option<(Json<AuthorizationRequest>, DateTime<Utc>)> = sqlx::query_as(
        "SELECT request, created_at FROM service.authorization_request WHERE id = $1 AND expires_at > $2",
    )
    .bind(id)
    .bind(app.clock.now())
    .fetch_optional(&app.db)
    .await?;
    let (Json(request), asked_at) = kept.ok_or_else(gone)?;
    let party = registered(app, request.target.client).await?;
    if !super::redirect_uri::is_registered(&party, &request.target.redirect_uri) {
        return Err(Unproven::UnregisteredRedirectUri.into());
    }
    Ok((request, asked_at, party))
}

/// A pushed request, named by its own client. What else stands beside it counts for nothing (RFC 9126 §4).
async fn pushed(
    app: &App,
    id: Uuid,
    parameters: &Parameters,
) -> Result<(AuthorizationRequest, DateTime<Utc>, Registration), AppError> {
    par::take_up(app, id, client_id(parameters)?, [PATIENCE, SHORT_PATIENCE]).await
}

/// A request that the browser brings itself, where the client is not registered to push it.
async fn unpushed(
    app: &App,
    parameters: &Parameters,
    target: Target,
    party: &Registration,
) -> Result<Result<AuthorizationRequest, ProtocolError>, AppError> {
    if party.terms.require_pushed_authorization_requests {
        return Ok(Err(refuse(ErrorCode::InvalidRequest, "the client is registered to push its requests first")));
    }
    Asking::read(app, parameters, target, party).await
}

/// The client as registered, and where the answer may go.
async fn prove(app: &App, parameters: &Parameters) -> Result<(Registration, Target), AppError> {
    let id = client_id(parameters)?;
    let known = app.clients.get(app, id).await?;
    let target = Target::prove(parameters, &known.party)?;
    Ok((known.party.registration.clone().ok_or(Unproven::UnknownClient)?, target))
}

async fn registered(app: &App, id: RelyingPartyId) -> Result<Registration, AppError> {
    let known = app.clients.get(app, id).await?;
    Ok(known.party.registration.clone().filter(|_| known.party.enabled).ok_or(Unproven::UnknownClient)?)
}

impl<'a> Asking<'a> {
    pub(super) fn new(app: &'a App, view: &'a View, cookies: &'a Cookies, who: Option<Who>) -> Self {
        Self {
            app,
            view,
            cookies,
            hints: Hints::default(),
            who,
            now: app.clock.now(),
            issuer: app.config.origin(),
            as_is: false,
        }
    }

    /// For a person who has been shown the better way, and goes on without it.
    pub(super) fn going_on_as_is(self, as_is: bool) -> Self {
        Self { as_is, ..self }
    }

    /// Who is signed in.
    pub(super) fn who(&self) -> Option<&Who> {
        self.who.as_ref()
    }

    /// Reads what is asked, once the target is proven.
    pub(super) async fn read(
        app: &App,
        parameters: &Parameters,
        target: Target,
        party: &Registration,
    ) -> Result<Result<AuthorizationRequest, ProtocolError>, AppError> {
        let client = target.client;
        let mut request = match AuthorizationRequest::read(parameters, target, party) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(hint) = parameters.get("id_token_hint") {
            let keys = app.keys.get(app.clock.now()).await?;
            match IdToken::from_hint(hint, &keys, &app.config.origin()) {
                Ok(hint) if hint.aud == client.to_string() => request.subject = Some(hint.sub),
                _ => {
                    return Ok(Err(refuse(
                        ErrorCode::InvalidRequest,
                        "id_token_hint is not an ID token of this client",
                    )));
                }
            }
        }
        Ok(Ok(request))
    }

    /// Answers a valid request: by a code, by a refusal, or by asking the person to sign in first. `kept` is the
    /// request's row, if the browser has been sent to sign in before.
    pub(super) async fn answer(
        self,
        mut request: AuthorizationRequest,
        kept: Option<(Uuid, DateTime<Utc>)>,
        party: &Registration,
    ) -> Result<Response, AppError> {
        let asked_at = kept.map(|(_, at)| at);
        let Some(who) = self.who.as_ref().filter(|who| fresh_enough(&request, who, asked_at, self.now)) else {
            return self.sign_in(&request, kept.map(|(id, _)| id)).await;
        };
        let Some(holder) = who.account.holder else { return Err(AppError::forbidden()) };
        let subject = Pairwise::new(&self.app.ledger, &party.sector_identifier).holder(who.id, holder);
        if request.subject.as_ref().is_some_and(|expected| *expected != subject) {
            // Someone else than the client expects; asked again, they signed in again.
            let anew = asked_at.is_some_and(|at| who.authenticated_at >= at);
            if request.prompt == Prompt::None || anew {
                let error = refuse(ErrorCode::LoginRequired, "another person is signed in");
                return Ok(send(self.view, &self.issuer, &request.target, Answer::Refusal(error)));
            }
            return self.sign_in(&request, kept.map(|(id, _)| id)).await;
        }
        if request.prompt == Prompt::SelectAccount && !self.has_chosen(who, kept).await? {
            let id = match kept {
                Some((id, _)) => id,
                None => self.keep(&request).await?,
            };
            let jar = belongs_here(self.app, self.cookies, id).await?;
            return Ok((jar, choose::page(self.app, self.view, self.cookies, id, party)).into_response());
        }
        match Entitlement::of(&self.app.ledger, &who.account, party).await {
            Ok(_) => {
                let kept = kept.map(|(id, _)| id);
                if let Some(answer) = self.unmet(&request, kept, party, (who, holder)).await? {
                    return Ok(answer);
                }
                if request.consent {
                    return self.ask(&request, kept, party).await;
                }
                // OpenID Connect Core §11: what nobody has agreed to is left out.
                let offline = request.scopes.contains(scopes::OFFLINE_ACCESS);
                if offline && !grants::has_consented(&self.app.db, who.id, request.target.client).await? {
                    request.scopes.remove(scopes::OFFLINE_ACCESS);
                }
                self.give_code(&request, party, (who.id, who.sid), kept).await
            }
            Err(NotEntitled::Read(error)) => Err(error.into()),
            Err(NotEntitled::NobodyServed | NotEntitled::AccountNotInUse) => Ok(self.deny(&request, party)),
        }
    }

    /// What is answered where the person was not identified as the client wants; `None`: go on, and say honestly how
    /// it was.
    async fn unmet(
        &self,
        request: &AuthorizationRequest,
        kept: Option<Uuid>,
        party: &Registration,
        (who, holder): (&Who, Holder),
    ) -> Result<Option<Response>, AppError> {
        let Some(wanted) = request.acr.as_ref().filter(|wanted| !wanted.is_met_by(&who.acr(holder))) else {
            return Ok(None);
        };
        let error = refuse(
            ErrorCode::UnmetAuthenticationRequirements,
            "the person can't be identified in the way that acr asks for",
        );
        let better = who.better_way(holder).filter(|better| wanted.is_met_by(&better.acr));
        let better = better.filter(|_| request.prompt != Prompt::None && (wanted.essential || !self.as_is));
        let Some(better) = better else {
            let refusal = || send(self.view, &self.issuer, &request.target, Answer::Refusal(error));
            return Ok(wanted.essential.then(refusal));
        };
        let kept = match kept {
            Some(id) => id,
            None => self.keep(request).await?,
        };
        let jar = belongs_here(self.app, self.cookies, kept).await?;
        let go_on = match wanted.essential {
            true => refusal_link(&self.issuer, &request.target, error),
            false => format!("{}&{AS_IS}=1", continue_at(kept)),
        };
        let page = BetterPage {
            view: self.view.clone(),
            service: party.name.clone(),
            way: better.path,
            essential: wanted.essential,
            go_on,
        };
        Ok(Some((jar, Page(page)).into_response()))
    }

    /// Whether the person has said which account to go on with: by choosing this session, or by signing in since.
    async fn has_chosen(&self, who: &Who, kept: Option<(Uuid, DateTime<Utc>)>) -> Result<bool, AppError> {
        let Some((id, asked_at)) = kept else { return Ok(false) };
        if who.authenticated_at >= asked_at {
            return Ok(true);
        }
        let chosen: Option<Option<Uuid>> =
            sqlx::query_scalar("SELECT chosen FROM service.authorization_request WHERE id = $1")
                .bind(id)
                .fetch_optional(&self.app.db)
                .await?;
        Ok(chosen.flatten() == Some(who.sid))
    }

    async fn give_code(
        &self,
        request: &AuthorizationRequest,
        party: &Registration,
        who: (AccountId, Uuid),
        kept: Option<Uuid>,
    ) -> Result<Response, AppError> {
        if let Some(id) = kept {
            self.forget(id).await?;
        }
        let lifetimes = codes::Lifetimes::of(&self.app.config.oidc, &party.terms);
        let code = codes::issue(&self.app.db, request, who, random()?, self.now, lifetimes).await?;
        Ok(send(self.view, &self.issuer, &request.target, Answer::Code(code)))
    }

    /// One request, one answer: of two tabs that come back, the second starts anew at the client.
    pub(super) async fn forget(&self, id: Uuid) -> Result<(), AppError> {
        let forgotten = sqlx::query("DELETE FROM service.authorization_request WHERE id = $1")
            .bind(id)
            .execute(&self.app.db)
            .await?;
        if forgotten.rows_affected() == 0 { Err(gone()) } else { Ok(()) }
    }

    /// Shows what the person is asked to agree to.
    async fn ask(
        &self,
        request: &AuthorizationRequest,
        kept: Option<Uuid>,
        party: &Registration,
    ) -> Result<Response, AppError> {
        let kept = match kept {
            Some(id) => id,
            None => self.keep(request).await?,
        };
        let jar = belongs_here(self.app, self.cookies, kept).await?;
        Ok((jar, consent::page(self.app, self.view, self.cookies, request, kept, party)).into_response())
    }

    /// Sends the browser to sign in and back, unless the client wants no page shown.
    async fn sign_in(&self, request: &AuthorizationRequest, kept: Option<Uuid>) -> Result<Response, AppError> {
        if request.prompt == Prompt::None {
            let error = refuse(ErrorCode::LoginRequired, "nobody is signed in, or not recently enough");
            return Ok(send(self.view, &self.issuer, &request.target, Answer::Refusal(error)));
        }
        let id = match kept {
            Some(id) => id,
            None => self.keep(request).await?,
        };
        let jar = belongs_here(self.app, self.cookies, id).await?;
        let back = continue_at(id);
        // Who is signed in, but not lately enough, proves to be themselves again; or says that they are another.
        let stale = self.who.is_some() && request.subject.is_none();
        let path = if stale { crate::session::step_up_path(&back) } else { crate::session::sign_in_path(&back) };
        Ok((jar, self.hints.lead(self.app, &path)).into_response())
    }

    /// Keeps the request for the browser to come back to.
    async fn keep(&self, request: &AuthorizationRequest) -> Result<Uuid, AppError> {
        Self::keep_for(self.app, request, PATIENCE).await
    }

    /// Keeps a request so long.
    pub(super) async fn keep_for(
        app: &App,
        request: &AuthorizationRequest,
        patience: TimeDelta,
    ) -> Result<Uuid, AppError> {
        let id = Uuid::from_slice(&random::<16>()?)?;
        sqlx::query(
            "INSERT INTO service.authorization_request (id, request, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(id)
        .bind(Json(request))
        .bind(app.clock.now())
        .bind(app.clock.now() + patience)
        .execute(&app.db)
        .await?;
        Ok(id)
    }

    fn deny(&self, request: &AuthorizationRequest, party: &Registration) -> Response {
        let error = refuse(ErrorCode::AccessDenied, "no pupil of this account is enrolled where this client serves");
        if request.prompt == Prompt::None {
            return send(self.view, &self.issuer, &request.target, Answer::Refusal(error));
        }
        let back = refusal_link(&self.issuer, &request.target, error);
        let page = DeniedPage { view: self.view.clone(), service: party.name.clone(), back };
        (StatusCode::FORBIDDEN, Page(page)).into_response()
    }
}

pub(super) fn continue_at(id: Uuid) -> String {
    format!("{}?request={id}", path::CONTINUE)
}

/// Whether the session answers what the client wants of the sign-in. One that began after the client asked always
/// does.
fn fresh_enough(
    request: &AuthorizationRequest,
    who: &Who,
    asked_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> bool {
    if asked_at.is_some_and(|at| who.authenticated_at >= at) {
        return true;
    }
    let recent = request.max_age.is_none_or(|seconds| now - who.authenticated_at <= TimeDelta::seconds(seconds));
    request.prompt != Prompt::Login && recent
}

/// Signed in, but this service wants to be surer of who it is.
#[derive(Template, Debug)]
#[template(path = "oidc/better.html")]
pub struct BetterPage {
    view: View,
    service: String,
    /// Where the person proves more.
    way: &'static str,
    /// Whether the service takes nothing less.
    essential: bool,
    /// On, or back to the service.
    go_on: String,
}

impl Sample for BetterPage {
    fn samples(view: &View) -> Vec<Self> {
        let page = |essential, go_on: &str| Self {
            view: view.clone(),
            service: "Notes du collège <Exemple>".to_owned(),
            way: "/reset",
            essential,
            go_on: go_on.to_owned(),
        };
        vec![page(false, "/authorize/continue?request=x&as_is=1"), page(true, "https://notes.example.org/cb?error=x")]
    }
}

/// Signed in, but this service is for families of other schools.
#[derive(Template, Debug)]
#[template(path = "oidc/denied.html")]
pub struct DeniedPage {
    view: View,
    service: String,
    back: String,
}

impl Sample for DeniedPage {
    fn samples(view: &View) -> Vec<Self> {
        let back = "https://notes.example.org/cb?error=access_denied&state=x".to_owned();
        vec![Self { view: view.clone(), service: "Notes du collège <Exemple>".to_owned(), back }]
    }
}
