//! The protocol's own errors, as relying parties read them.

use serde::Serialize;

/// Error codes of RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core §3.1.2.6 and RFC 6750 §3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// A parameter is missing, repeated or malformed.
    InvalidRequest,
    /// Client authentication failed.
    InvalidClient,
    /// The code is unknown, used, expired, or another client's.
    InvalidGrant,
    /// Not for this client.
    UnauthorizedClient,
    /// There is no such grant here.
    UnsupportedGrantType,
    /// Only `code` is.
    UnsupportedResponseType,
    /// `openid` is missing.
    InvalidScope,
    /// The person has nothing to do with this relying party (any more), or said no.
    AccessDenied,
    /// `prompt=none` and nobody is signed in.
    LoginRequired,
    /// `prompt=none` and the person has something to do here first.
    InteractionRequired,
    /// The person can't be identified as the client needs (OpenID Connect Unmet Authentication Requirements 1.0).
    UnmetAuthenticationRequirements,
    /// `request` is not supported.
    RequestNotSupported,
    /// `request_uri` is not supported.
    RequestUriNotSupported,
    /// `registration` is not supported.
    RegistrationNotSupported,
    /// Nobody that the client may ask a token for (RFC 8693 §2.2.2).
    InvalidTarget,
    /// The proof of possession is not good (RFC 9449 §5).
    InvalidDpopProof,
    /// The proof must have this provider's nonce (RFC 9449 §8).
    UseDpopNonce,
    /// The registration can't work or can't be trusted (RFC 7591 §3.2.2).
    InvalidClientMetadata,
    /// A redirect URI that can't be allowed (RFC 7591 §3.2.2).
    InvalidRedirectUri,
    /// The access token is no good.
    InvalidToken,
    /// The access token is good, and not for this (RFC 6750 §3.1).
    InsufficientScope,
    /// Something broke here.
    ServerError,
}

impl ErrorCode {
    /// The code as it stands in the response.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::InteractionRequired => "interaction_required",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::ServerError => "server_error",
        }
    }
}

/// A refusal with a fixed explanation for the relying party's developer. The text never holds what came in:
/// nothing an attacker wrote is shown or logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct ProtocolError {
    /// The code.
    #[serde(rename = "error")]
    pub code: ErrorCode,
    /// What to do about it.
    #[serde(rename = "error_description")]
    pub description: &'static str,
}

/// A refusal.
pub const fn refuse(code: ErrorCode, description: &'static str) -> ProtocolError {
    ProtocolError { code, description }
}
