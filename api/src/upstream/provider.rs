//! One provider: what is configured and discovered of it, and the calls it is asked by.

use crate::config::{FRANCECONNECT, Secret, SecretBy, Upstream};
use crate::oidc::ClientKeyCache;
use crate::outbound::{Outbound, OutboundError};
use crate::pages::Language;
use crate::session::{Method, NoRandomness, Token};
use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::RelyingPartyId;
use domain::relying_party::{ClientKey, ClientKeys};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use oauth2::basic::{BasicErrorResponse, BasicTokenType};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, ExtraTokenFields,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, StandardTokenResponse, TokenResponse,
    TokenUrl,
};
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use url::Url;
use uuid::Uuid;

/// How long discovered metadata is believed.
const KEEP: TimeDelta = TimeDelta::hours(1);
/// How long an assertion of ours is valid.
const ASSERTION: TimeDelta = TimeDelta::seconds(60);

/// Why a provider gave nothing that can be used. Names no person; the person sees a page without the details.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It can't be reached, or answers nonsense before any person is involved.
    #[error("{what}: {why}")]
    Unavailable {
        /// What was asked for.
        what: &'static str,
        /// What happened.
        why: String,
    },
    /// Its answer about a person is not what it must be.
    #[error("{0}")]
    Wrong(&'static str),
    /// It signed the person in at a lower level than was asked for.
    #[error("signed in below the level asked for")]
    LevelTooLow,
    /// It says less of the person than is needed.
    #[error("a claim is missing: {0}")]
    ClaimMissing(&'static str),
}

impl UpstreamError {
    fn outbound(what: &'static str, error: &OutboundError) -> Self {
        Self::Unavailable { what, why: error.to_string() }
    }
}

/// What is discovered (OpenID Connect Discovery §3).
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    /// Issuer, as its tokens name it.
    pub issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    jwks_uri: String,
    /// Where one signs out.
    pub end_session_endpoint: Option<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    /// Whether answers name the issuer (RFC 9207 §3).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// What the token endpoint says beside the access token.
#[derive(Debug, Deserialize, Serialize)]
struct WithIdToken {
    id_token: Option<String>,
}

impl ExtraTokenFields for WithIdToken {}

impl<'c> oauth2::AsyncHttpClient<'c> for Outbound {
    type Error = OutboundError;
    type Future = Pin<Box<dyn Future<Output = Result<oauth2::HttpResponse, OutboundError>> + Send + 'c>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(Outbound::call(self, request))
    }
}

type Client = oauth2::Client<
    BasicErrorResponse,
    StandardTokenResponse<WithIdToken, BasicTokenType>,
    oauth2::basic::BasicTokenIntrospectionResponse,
    oauth2::StandardRevocableToken,
    oauth2::basic::BasicRevocationErrorResponse,
    oauth2::EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    oauth2::EndpointSet,
>;

/// What was exchanged for a code.
pub struct Exchanged {
    /// The ID token, not yet verified.
    pub id_token: String,
    /// The access token.
    pub access_token: Secret,
}

/// How the service proves to be itself.
enum Proof {
    Secret(Secret, SecretBy),
    Key { key: EncodingKey, algorithm: Algorithm, id: Option<String> },
}

/// A configured provider.
pub struct Provider {
    /// As configured.
    pub config: Upstream,
    proof: Proof,
    /// Names its keys in the cache.
    keys_of: RelyingPartyId,
    metadata: Mutex<Option<(Metadata, DateTime<Utc>)>>,
}

/// All of them, and what calls them.
pub struct Upstreams {
    all: Vec<Provider>,
    outbound: Outbound,
    keys: ClientKeyCache,
}

impl Upstreams {
    /// Reads the secrets of the configured providers. Nobody is called yet: a provider that is down keeps nobody from
    /// starting.
    ///
    /// # Errors
    /// A file can't be read, or its key not be used; the message names the key of the configuration.
    pub fn new(configured: Vec<Upstream>, outbound: Outbound) -> anyhow::Result<Self> {
        let read = |config: Upstream| {
            let table = if config.name == FRANCECONNECT { String::new() } else { "upstream.".to_owned() };
            let proof = Proof::read(&config).with_context(|| format!("{table}{}", config.name))?;
            let keys_of = RelyingPartyId(Uuid::new_v4());
            anyhow::Ok(Provider { config, proof, keys_of, metadata: Mutex::default() })
        };
        let all = configured.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { all, keys: ClientKeyCache::new(outbound.clone()), outbound })
    }

    /// The provider of this name.
    pub fn find(&self, name: &str) -> Option<&Provider> {
        self.all.iter().find(|provider| provider.config.name == name)
    }

    /// All, in the order of their buttons.
    pub fn all(&self) -> &[Provider] {
        &self.all
    }

    /// What a provider says of itself, kept for an hour; older where it does not answer.
    ///
    /// # Errors
    /// [`UpstreamError::Unavailable`].
    pub async fn metadata(&self, provider: &Provider, now: DateTime<Utc>) -> Result<Metadata, UpstreamError> {
        let kept = provider.metadata.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((metadata, at)) = &kept
            && now - *at < KEEP
        {
            return Ok(metadata.clone());
        }
        match (self.discover(provider).await, kept) {
            (Ok(metadata), _) => {
                let fetched = Some((metadata.clone(), now));
                *provider.metadata.lock().unwrap_or_else(PoisonError::into_inner) = fetched;
                Ok(metadata)
            }
            (Err(error), Some((metadata, _))) => {
                tracing::warn!(provider = provider.name(), %error, "older metadata serves on");
                Ok(metadata)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn discover(&self, provider: &Provider) -> Result<Metadata, UpstreamError> {
        let what = "discovery";
        let issuer = provider.config.issuer().trim_end_matches('/');
        let address = format!("{issuer}/.well-known/openid-configuration");
        let body = self.outbound.get(&address).await.map_err(|error| UpstreamError::outbound(what, &error))?;
        let unusable = |why: &str| UpstreamError::Unavailable { what, why: why.to_owned() };
        let metadata: Metadata = serde_json::from_slice(&body).map_err(|_| unusable("not a provider's metadata"))?;
        if metadata.issuer.trim_end_matches('/') != issuer {
            return Err(unusable("another issuer"));
        }
        let required = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri].into_iter();
        let all = required.chain(&metadata.userinfo_endpoint).chain(&metadata.end_session_endpoint);
        if all.into_iter().any(|endpoint| !provider.is_theirs(endpoint)) {
            return Err(unusable("an endpoint at a host that is not configured"));
        }
        Ok(metadata)
    }

    /// The keys that may have signed what names `kid`. An unknown one is looked for at the provider.
    pub async fn keys(
        &self,
        provider: &Provider,
        metadata: &Metadata,
        kid: Option<&str>,
        now: DateTime<Utc>,
    ) -> Vec<ClientKey> {
        let at = ClientKeys::At(metadata.jwks_uri.clone());
        self.keys.candidates(provider.keys_of, Some(&at), kid, now).await
    }

    /// Exchanges a code (RFC 6749 §4.1.3).
    ///
    /// # Errors
    /// The provider refuses it or can't be reached.
    pub async fn exchange(
        &self,
        provider: &Provider,
        metadata: &Metadata,
        (code, verifier): (&str, String),
        redirect_uri: &str,
        now: DateTime<Utc>,
    ) -> Result<Exchanged, UpstreamError> {
        let what = "token endpoint";
        let client = provider.client(metadata, redirect_uri)?;
        let mut request = client.exchange_code(AuthorizationCode::new(code.to_owned()));
        if metadata.has_pkce() {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier));
        }
        if let Some(assertion) = provider.assertion(metadata, now)? {
            request = request
                .add_extra_param("client_assertion_type", crate::oidc::ASSERTION_TYPE)
                .add_extra_param("client_assertion", assertion);
        }
        let answer = request.request_async(&self.outbound).await.map_err(|error| match error {
            RequestTokenError::Request(error) => UpstreamError::outbound(what, &error),
            RequestTokenError::ServerResponse(_) => UpstreamError::Wrong("the code was refused"),
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => UpstreamError::Wrong("no token answer"),
        })?;
        let id_token = answer.extra_fields().id_token.clone().ok_or(UpstreamError::Wrong("no ID token"))?;
        Ok(Exchanged { id_token, access_token: Secret::new(answer.access_token().secret()) })
    }

    /// The answer of the userinfo endpoint: its content type and its body.
    ///
    /// # Errors
    /// There is no such endpoint, or it does not answer.
    pub async fn userinfo(
        &self,
        metadata: &Metadata,
        access_token: &Secret,
        accept: &'static str,
    ) -> Result<(String, Vec<u8>), UpstreamError> {
        let what = "userinfo endpoint";
        let unusable = |why: &str| UpstreamError::Unavailable { what, why: why.to_owned() };
        let address = metadata.userinfo_endpoint.as_deref().ok_or_else(|| unusable("there is none"))?;
        let request = axum::http::Request::get(address)
            .header("authorization", format!("Bearer {}", access_token.expose()))
            .header("accept", accept)
            .body(Vec::new())
            .map_err(|_| unusable("the access token is no header"))?;
        let answer = self.outbound.call(request).await.map_err(|error| UpstreamError::outbound(what, &error))?;
        if !answer.status().is_success() {
            return Err(unusable(answer.status().as_str()));
        }
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        Ok((kind.to_ascii_lowercase(), answer.into_body()))
    }
}

impl Metadata {
    /// Whether a code may be bound to its verifier.
    fn has_pkce(&self) -> bool {
        self.code_challenge_methods_supported.iter().any(|method| method == "S256")
    }
}

impl Provider {
    /// Its configured name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// What stands on its button.
    pub fn button(&self, language: Language) -> &str {
        self.config.button.of(language)
    }

    /// What it is called in a sentence.
    pub fn label(&self, language: Language) -> &str {
        if self.config.name == FRANCECONNECT { "FranceConnect" } else { self.button(language) }
    }

    /// What its sign-ins are called.
    pub fn method(&self) -> Method {
        if self.config.name == FRANCECONNECT { Method::FranceConnect } else { Method::Upstream }
    }

    /// Where it sends people back to, registered there.
    pub fn callback_path(&self) -> String {
        format!("/sign-in/with/{}/callback", self.config.name)
    }

    /// Whether an address lies at the issuer's host or one that the configuration adds; over TLS, unless the issuer
    /// itself is one of this machine's.
    pub fn is_theirs(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else { return false };
        let scheme = url.scheme() == "https" || url.scheme() == self.config.issuer.scheme();
        let host = url.host_str().unwrap_or_default();
        let own = url.host() == self.config.issuer.host() && url.port() == self.config.issuer.port();
        scheme && url.username().is_empty() && (own || self.config.hosts.iter().any(|other| other == host))
    }

    /// The origins that forms of ours may lead to.
    pub fn origins(&self) -> Vec<String> {
        let others = self.config.hosts.iter().map(|host| format!("https://{host}"));
        [self.config.issuer.origin().ascii_serialization()].into_iter().chain(others).collect()
    }

    /// The address that a person is sent to.
    ///
    /// # Errors
    /// The discovered addresses are none.
    pub fn authorization(
        &self,
        metadata: &Metadata,
        redirect_uri: &str,
        (state, nonce, verifier): (String, String, String),
    ) -> Result<Url, UpstreamError> {
        let client = self.client(metadata, redirect_uri)?;
        let scopes = self.config.scopes.iter().filter(|scope| *scope != "openid");
        let mut request = client
            .authorize_url(|| CsrfToken::new(state))
            .add_scope(Scope::new("openid".to_owned()))
            .add_scopes(scopes.map(|scope| Scope::new(scope.clone())))
            .add_extra_param("nonce", nonce);
        if metadata.has_pkce() {
            let verifier = PkceCodeVerifier::new(verifier);
            request = request.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        }
        if let Some(levels) = &self.config.acr_values {
            request = request.add_extra_param("acr_values", levels);
        }
        Ok(request.url().0)
    }

    fn client(&self, metadata: &Metadata, redirect_uri: &str) -> Result<Client, UpstreamError> {
        let no_address = |_| UpstreamError::Unavailable { what: "discovery", why: "an endpoint is no address".into() };
        let client = oauth2::Client::new(ClientId::new(self.config.client_id.clone()))
            .set_auth_uri(AuthUrl::new(metadata.authorization_endpoint.clone()).map_err(no_address)?)
            .set_token_uri(TokenUrl::new(metadata.token_endpoint.clone()).map_err(no_address)?)
            .set_redirect_uri(RedirectUrl::new(redirect_uri.to_owned()).map_err(no_address)?);
        Ok(match &self.proof {
            Proof::Secret(secret, by) => {
                client.set_client_secret(ClientSecret::new(secret.expose().to_owned())).set_auth_type(match by {
                    SecretBy::ClientSecretPost => AuthType::RequestBody,
                    SecretBy::ClientSecretBasic => AuthType::BasicAuth,
                })
            }
            Proof::Key { .. } => client.set_auth_type(AuthType::RequestBody),
        })
    }

    /// Who we are, signed (RFC 7523 §2.2), where a key is configured.
    fn assertion(&self, metadata: &Metadata, now: DateTime<Utc>) -> Result<Option<String>, UpstreamError> {
        let Proof::Key { key, algorithm, id } = &self.proof else { return Ok(None) };
        let header = Header { kid: id.clone(), ..Header::new(*algorithm) };
        let jti = Token::draw().map_err(|NoRandomness| UpstreamError::Wrong("no randomness"))?;
        let claims = serde_json::json!({
            "iss": self.config.client_id,
            "sub": self.config.client_id,
            "aud": metadata.token_endpoint,
            "iat": now.timestamp(),
            "exp": (now + ASSERTION).timestamp(),
            "jti": jti.expose(),
        });
        let signed = jsonwebtoken::encode(&header, &claims, key);
        signed.map(Some).map_err(|_| UpstreamError::Wrong("the client assertion could not be signed"))
    }
}

impl Proof {
    fn read(config: &Upstream) -> anyhow::Result<Self> {
        if let Some(file) = &config.private_key_file {
            let pem =
                std::fs::read(file).with_context(|| format!("private_key_file: can't read {}", file.display()))?;
            let ec = EncodingKey::from_ec_pem(&pem).map(|key| (key, Algorithm::ES256));
            let read = ec.or_else(|_| EncodingKey::from_rsa_pem(&pem).map(|key| (key, Algorithm::RS256)));
            let (key, algorithm) =
                read.map_err(|_| anyhow::anyhow!("private_key_file: not a P-256 or RSA key as PEM (PKCS #8)"))?;
            return Ok(Self::Key { key, algorithm, id: config.private_key_id.clone() });
        }
        let secret = match (&config.client_secret, &config.client_secret_file) {
            (Some(secret), _) => secret.clone(),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file);
                Secret::new(text.with_context(|| format!("client_secret_file: can't read {}", file.display()))?.trim())
            }
            (None, None) => anyhow::bail!("client_secret: is missing"),
        };
        Ok(Self::Secret(secret, config.authentication))
    }
}
