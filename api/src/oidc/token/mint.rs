//! Tokens in their final form.

use crate::app::App;
use crate::oidc::claims::{Claims, Telling};
use crate::oidc::client::Client;
use crate::oidc::codes::Lifetimes;
use crate::oidc::endpoint::{Fault, Refused};
use crate::oidc::entitlement::{Entitlement, NotEntitled};
use crate::oidc::grants::Limits;
use crate::oidc::requested::Requested;
use crate::oidc::scopes::{self, Place, Release};
use crate::oidc::subject::Pairwise;
use crate::oidc::tokens::{AccessToken, Confirmation, IdToken, at_hash};
use crate::oidc::who::Who;
use chrono::TimeDelta;
use domain::ids::RelyingPartyId;
use domain::relying_party::{SecurityProfile, SigningAlgorithm};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What the client gets (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
#[derive(Serialize)]
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// What was made by an exchange (RFC 8693 §2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
    /// `Bearer` or `DPoP`.
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i64,
    /// The ID token, where a person has signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// What to come back with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// What was granted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
}

/// How the client's families of refresh tokens end.
pub fn limits(app: &App, client: &Client) -> Limits {
    let config = &app.config.oidc;
    let own = client.registration.terms.lifetimes.refresh_token;
    Limits {
        lifetime: own.map_or(config.refresh_token_lifetime.delta(), |s| TimeDelta::seconds(i64::from(s))),
        idle: config.refresh_token_idle.delta(),
        grace: config.refresh_token_grace.delta(),
        rotate: client.registration.terms.profile != SecurityProfile::Fapi2,
    }
}

/// Tokens about to be made for a person who has signed in.
pub struct Minting<'a> {
    app: &'a App,
    client: &'a Client,
    who: &'a Who,
    scopes: &'a BTreeSet<String>,
    jti: Uuid,
    /// From the authorization request.
    pub nonce: Option<String>,
    /// The family of refresh tokens they belong to.
    pub grant: Option<Uuid>,
    /// The next refresh token.
    pub refresh_token: Option<String>,
    /// The key they are bound to.
    pub jkt: Option<String>,
    /// Claims asked for by name.
    pub claims: Requested,
}

impl<'a> Minting<'a> {
    /// An access token of this name and its ID token.
    pub fn new(app: &'a App, client: &'a Client, who: &'a Who, scopes: &'a BTreeSet<String>, jti: Uuid) -> Self {
        Self {
            app,
            client,
            who,
            scopes,
            jti,
            nonce: None,
            grant: None,
            refresh_token: None,
            jkt: None,
            claims: Requested::default(),
        }
    }

    /// What the person has to do with the client now; `None`: nothing.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn entitlement(&self) -> Result<Option<Entitlement>, Refused> {
        match Entitlement::of(&self.app.ledger, &self.who.account, &self.client.registration).await {
            Ok(entitlement) => Ok(Some(entitlement)),
            Err(NotEntitled::Read(error)) => Err(Fault(error).into()),
            Err(NotEntitled::AccountNotInUse | NotEntitled::NobodyServed) => Ok(None),
        }
    }

    /// The tokens, signed.
    ///
    /// # Errors
    /// When claims or keys can't be read.
    pub async fn tokens(self, entitlement: &Entitlement) -> Result<Tokens, Refused> {
        let Self { app, client, who, .. } = self;
        let (now, terms) = (app.clock.now(), &client.registration.terms);
        let lifetimes = Lifetimes::of(&app.config.oidc, terms);
        let claims = Claims::read(&app.views, entitlement).await.map_err(Fault)?;
        let keys = app.keys.get(now).await.map_err(Fault)?;
        let issuer = app.config.origin();
        let pairwise = Pairwise::new(&app.ledger, &client.registration.sector_identifier);
        let sub = pairwise.holder(who.id, entitlement.holder);
        let sign_in = who.sign_in(entitlement.holder);
        let telling = Telling {
            release: Release {
                place: Place::IdToken,
                granted: self.scopes,
                registration: &client.registration,
                wanted: &self.claims.id_token,
            },
            pairwise,
            auth_time: sign_in.auth_time,
            issuer: &issuer,
            stages: &app.config.oidc.stages,
        };
        let told = claims.tell(&telling);
        let access_token = AccessToken {
            iss: issuer.clone(),
            sub: sub.clone(),
            aud: issuer.clone(),
            exp: (now + lifetimes.access_token).timestamp(),
            iat: now.timestamp(),
            jti: self.jti,
            client_id: client.id,
            scope: scopes::join(self.scopes),
            root: None,
            claims: self.claims.userinfo,
            grant: self.grant,
            cnf: self.jkt.map(|jkt| Confirmation { jkt }),
            act: None,
            sign_in: Some(sign_in.clone()),
        };
        let signed = access_token.sign(keys.signing(SigningAlgorithm::ES256).map_err(Fault)?).map_err(Fault)?;
        let id_token = IdToken {
            iss: issuer.clone(),
            sub,
            aud: client.id.to_string(),
            exp: (now + lifetimes.id_token).timestamp(),
            iat: now.timestamp(),
            nonce: self.nonce,
            at_hash: at_hash(&signed, terms.id_token_signed_response_alg),
            sign_in,
            claims: told,
        };
        let key = keys.signing(terms.id_token_signed_response_alg).map_err(Fault)?;
        Ok(Tokens {
            access_token: signed,
            issued_token_type: None,
            token_type: token_type(&access_token),
            expires_in: lifetimes.access_token.num_seconds(),
            id_token: Some(id_token.sign(key).map_err(Fault)?),
            refresh_token: self.refresh_token,
            scope: access_token.scope,
        })
    }
}

/// How a token is presented.
pub fn token_type(token: &AccessToken) -> &'static str {
    if token.cnf.is_some() { "DPoP" } else { "Bearer" }
}

/// An access token for a client that acts for itself.
///
/// # Errors
/// When keys can't be read.
pub async fn signed_for_itself(
    app: &App,
    client: &Client,
    audience: Option<RelyingPartyId>,
    jkt: Option<String>,
    scope: String,
) -> Result<Tokens, Refused> {
    let now = app.clock.now();
    let lifetimes = Lifetimes::of(&app.config.oidc, &client.registration.terms);
    let keys = app.keys.get(now).await.map_err(Fault)?;
    let issuer = app.config.origin();
    let access_token = AccessToken {
        aud: audience.map_or_else(|| issuer.clone(), |audience| audience.to_string()),
        iss: issuer,
        // RFC 9068 §2.2: without a resource owner the subject is the client.
        sub: client.id.to_string(),
        exp: (now + lifetimes.access_token).timestamp(),
        iat: now.timestamp(),
        jti: Uuid::new_v4(),
        client_id: client.id,
        scope,
        root: None,
        claims: BTreeMap::new(),
        grant: None,
        cnf: jkt.map(|jkt| Confirmation { jkt }),
        act: None,
        sign_in: None,
    };
    let key = keys.signing(SigningAlgorithm::ES256).map_err(Fault)?;
    Ok(Tokens {
        access_token: access_token.sign(key).map_err(Fault)?,
        issued_token_type: None,
        token_type: token_type(&access_token),
        expires_in: lifetimes.access_token.num_seconds(),
        id_token: None,
        refresh_token: None,
        scope: access_token.scope,
    })
}
