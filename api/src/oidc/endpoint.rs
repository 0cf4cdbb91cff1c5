//! What the endpoints for programs have in common: a form in the body, an authenticated client, errors in the
//! protocol's form (RFC 6749 §3.2, §5.2).

use super::client::{self, Client, Unauthenticated};
use super::dpop::{self, NoProof};
use super::error::{ErrorCode, ProtocolError, refuse};
use super::parameters::Parameters;
use crate::app::App;
use crate::incident::AppError;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Why a request is not answered as asked.
pub enum Refused {
    /// To tell the client.
    Told(ProtocolError),
    /// The client is not who it says; the flag: it used the `Authorization` header.
    Unauthenticated(ProtocolError, bool),
    /// The DPoP proof must be made again, with this nonce.
    Nonce(String),
    /// A fault of ours.
    Fault(AppError),
}

impl From<ProtocolError> for Refused {
    fn from(error: ProtocolError) -> Self {
        Self::Told(error)
    }
}

impl From<Unauthenticated> for Refused {
    fn from(error: Unauthenticated) -> Self {
        match error {
            Unauthenticated::Refused { error, by_header } => Self::Unauthenticated(error, by_header),
            Unauthenticated::Read(error) => Self::Fault(error.into()),
            Unauthenticated::Database(error) => Self::Fault(error.into()),
        }
    }
}

impl From<NoProof> for Refused {
    fn from(error: NoProof) -> Self {
        match error {
            NoProof::Told(error) => Self::Told(error),
            NoProof::Nonce(nonce) => Self::Nonce(nonce),
            NoProof::Fault(error) => Self::Fault(error),
        }
    }
}

impl<E: Into<AppError>> From<Fault<E>> for Refused {
    fn from(Fault(error): Fault<E>) -> Self {
        Self::Fault(error.into())
    }
}

/// Marks an error as ours.
pub struct Fault<E>(pub E);

impl Refused {
    /// The answer in the protocol's form; a fault of ours in the service's own.
    ///
    /// # Errors
    /// The fault.
    pub fn answer(self) -> Result<Response, AppError> {
        match self {
            Self::Told(error) => Ok(refusal(StatusCode::BAD_REQUEST, error)),
            Self::Unauthenticated(error, by_header) => Ok(unauthenticated(error, by_header)),
            Self::Nonce(nonce) => Ok(with_nonce(refusal(StatusCode::BAD_REQUEST, dpop::WANTED), &nonce)),
            Self::Fault(error) => Err(error),
        }
    }
}

/// A request of a program, before anybody is authenticated. An extractor; it refuses nothing by itself.
pub struct FormRequest {
    /// Its headers.
    pub headers: HeaderMap,
    in_url: bool,
    body: Bytes,
}

impl FromRequest<App> for FormRequest {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let headers = request.headers().clone();
        let in_url = request.uri().query().is_some_and(|query| !query.is_empty());
        let body = Bytes::from_request(request, app).await.map_err(IntoResponse::into_response)?;
        Ok(Self { headers, in_url, body })
    }
}

impl FormRequest {
    /// The parameters, each once and all in the body.
    ///
    /// # Errors
    /// What is wrong with the request's form.
    pub fn parameters(&self) -> Result<Parameters, ProtocolError> {
        let kind = self.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            return Err(refuse(ErrorCode::InvalidRequest, "send the parameters as application/x-www-form-urlencoded"));
        }
        if self.in_url {
            return Err(refuse(ErrorCode::InvalidRequest, "send the parameters in the body, never in the URL"));
        }
        let parameters = Parameters::parse(&self.body);
        if parameters.any_repeated() {
            return Err(refuse(ErrorCode::InvalidRequest, "a parameter comes more than once"));
        }
        Ok(parameters)
    }

    /// The parameters and the client that sends them, authenticated as it is registered to be.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn authenticated(&self, app: &App) -> Result<(Parameters, Client), Refused> {
        let parameters = self.parameters()?;
        let client = client::authenticate(app, &self.headers, &parameters).await?;
        Ok((parameters, client))
    }
}

/// A parameter that must be there.
///
/// # Errors
/// With this description when it is not.
pub fn required<'a>(
    parameters: &'a Parameters,
    name: &str,
    description: &'static str,
) -> Result<&'a str, ProtocolError> {
    parameters.get(name).ok_or(refuse(ErrorCode::InvalidRequest, description))
}

/// A refusal in the protocol's form (RFC 6749 §5.2).
pub fn refusal(status: StatusCode, error: ProtocolError) -> Response {
    no_store((status, Json(error)).into_response())
}

fn unauthenticated(error: ProtocolError, by_header: bool) -> Response {
    if error.code != ErrorCode::InvalidClient {
        return refusal(StatusCode::BAD_REQUEST, error);
    }
    let mut response = refusal(StatusCode::UNAUTHORIZED, error);
    if by_header {
        let challenge = HeaderValue::from_static("Basic realm=\"Matricule\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// An answer that names the nonce to use (RFC 9449 §8).
pub fn with_nonce(mut response: Response, nonce: &str) -> Response {
    let value = HeaderValue::from_str(nonce).ok();
    response.headers_mut().extend(value.map(|value| (dpop::NONCE, value)));
    response
}

/// Nobody keeps a copy.
pub fn no_store(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
