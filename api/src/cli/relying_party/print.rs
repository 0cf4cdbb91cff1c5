//! What is shown of a relying party.

use crate::oidc::registry::ClientSecret;
use crate::oidc::scopes;
use domain::ids::RelyingPartyId;
use domain::relying_party::{
    ClientKeys, Establishments, GrantType, Registration, ResponseMode, SecurityProfile, Terms,
};

/// In the form of an environment file, so that it can be handed on as it is.
pub(super) fn print_secret(secret: Option<&ClientSecret>) {
    if let Some(secret) = secret {
        println!("CLIENT_SECRET={}", secret.expose());
        eprintln!("The client secret is shown this once and kept nowhere in clear.");
    }
}

pub(super) fn print(id: RelyingPartyId, registration: &Registration, enabled: bool) {
    let line = |name: &str, value: &str| println!("{name:<25} {value}");
    line("client_id", &format!("{id}{}", if enabled { "" } else { "  (disabled)" }));
    line("name", &registration.name);
    registration.redirect_uris.iter().for_each(|uri| line("redirect_uri", uri));
    registration.post_logout_redirect_uris.iter().for_each(|uri| line("post_logout_redirect_uri", uri));
    line("scope", &scopes::join(&registration.scopes));
    line("sector", &registration.sector_identifier);
    line("authentication", registration.authentication.as_str());
    match &registration.establishments {
        Establishments::All => line("establishments", "all"),
        Establishments::Only(served) => served.iter().for_each(|uai| line("establishment", uai.as_str())),
    }
    print_terms(&registration.terms, &line);
}

fn print_terms(terms: &Terms, line: &dyn Fn(&str, &str)) {
    let words = |words: Vec<&str>| words.join(" ");
    line("grant_types", &words(terms.grant_types.iter().copied().map(GrantType::as_str).collect()));
    line("response_modes", &words(terms.response_modes.iter().copied().map(ResponseMode::as_str).collect()));
    match &terms.keys {
        None => {}
        Some(ClientKeys::At(uri)) => line("jwks_uri", uri),
        Some(ClientKeys::Set(keys)) => {
            for key in keys {
                line("key", &format!("{} {}", key.kty, key.kid.as_deref().unwrap_or("(without kid)")));
            }
        }
    }
    match &terms.claims {
        None => line("claims", "all that its scopes release"),
        Some(claims) => line("claims", &scopes::join(claims)),
    }
    terms.audiences.iter().for_each(|audience| line("audience", &audience.to_string()));
    if let Some(logout) = &terms.backchannel_logout {
        line("backchannel_logout_uri", &logout.uri);
        line("backchannel_logout_session", if logout.session_required { "required" } else { "not required" });
    }
    let lifetimes = [
        ("access_token_lifetime", terms.lifetimes.access_token),
        ("id_token_lifetime", terms.lifetimes.id_token),
        ("refresh_token_lifetime", terms.lifetimes.refresh_token),
    ];
    for (name, seconds) in lifetimes {
        seconds.into_iter().for_each(|seconds| line(name, &format!("{seconds} s")));
    }
    line("id_token_alg", terms.id_token_signed_response_alg.as_str());
    line("userinfo_alg", terms.userinfo_signed_response_alg.map_or("none (JSON)", |alg| alg.as_str()));
    if terms.require_pushed_authorization_requests {
        line("pushed requests", "required");
    }
    if terms.dpop_bound_access_tokens {
        line("DPoP", "required");
    }
    if terms.profile != SecurityProfile::Plain {
        line("profile", terms.profile.as_str());
    }
    let link = [
        ("home_uri", &terms.link.home_uri),
        ("initiate_login_uri", &terms.link.initiate_login_uri),
        ("english_name", &terms.link.english_name),
    ];
    for (name, value) in link {
        value.iter().for_each(|value| line(name, value));
    }
}
