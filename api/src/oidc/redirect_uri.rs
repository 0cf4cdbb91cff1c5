//! Which redirect URIs are a client's own.

use domain::relying_party::{ClientAuthentication, Registration};

/// Whether the URI is one that the client registered: the same string, character by character (RFC 9700 §2.1).
/// The one exception is a native app on a loopback address, whose port the operating system picks anew each
/// time (RFC 8252 §7.3): for public clients, with the IP literal, only the port may differ.
pub fn is_registered(registration: &Registration, uri: &str) -> bool {
    let native = registration.authentication == ClientAuthentication::None;
    registration.redirect_uris.iter().any(|known| known == uri || (native && differ_only_in_loopback_port(known, uri)))
}

/// Whether the URI is one that the client registered for after logout: the same string, always.
pub fn is_registered_after_logout(registration: &Registration, uri: &str) -> bool {
    registration.post_logout_redirect_uris.iter().any(|known| known == uri)
}

fn differ_only_in_loopback_port(known: &str, uri: &str) -> bool {
    match (split_loopback(known), split_loopback(uri)) {
        (Some(known), Some(uri)) => known == uri,
        _ => false,
    }
}

/// Address and everything after the port, for `http://127.0.0.1:…` and `http://[::1]:…`. No URI parser: what a
/// parser normalises, an attacker bends.
fn split_loopback(uri: &str) -> Option<(&'static str, &str)> {
    for origin in ["http://127.0.0.1", "http://[::1]"] {
        let Some(rest) = uri.strip_prefix(origin) else { continue };
        let Some(after) = rest.strip_prefix(':') else {
            return (rest.is_empty() || rest.starts_with('/')).then_some((origin, rest));
        };
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (port, path) = after.split_at(digits);
        let plausible = port.parse::<u16>().is_ok_and(|port| port > 0);
        return (plausible && (path.is_empty() || path.starts_with('/'))).then_some((origin, path));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::samples::registration;

    #[test]
    fn a_redirect_uri_is_compared_as_a_string() {
        let mut registration = registration();
        registration.redirect_uris = vec!["https://notes.example.org/cb".to_owned()];
        for authentication in [ClientAuthentication::ClientSecretBasic, ClientAuthentication::None] {
            registration.authentication = authentication;
            assert!(is_registered(&registration, "https://notes.example.org/cb"));
            for other in [
                "https://notes.example.org/cb/",
                "https://notes.example.org/cb?x=1",
                "https://notes.example.org/cb#x",
                "https://notes.example.org/CB",
                "https://NOTES.example.org/cb",
                "https://notes.example.org:443/cb",
                "https://notes.example.org/a/../cb",
                "https://notes.example.org/%63b",
                "https://notes.example.org/cb ",
                "https://notes.example.org.example.test/cb",
                "https://notes.example.org@example.test/cb",
                "http://notes.example.org/cb",
                "javascript:alert(1)",
                "*",
                "",
            ] {
                assert!(!is_registered(&registration, other), "{other}");
            }
        }
    }

    #[test]
    fn only_the_port_of_a_native_loopback_client_may_vary() {
        let mut registration = registration();
        registration.redirect_uris = vec!["http://127.0.0.1:1234/cb".to_owned(), "http://[::1]/cb".to_owned()];
        registration.authentication = ClientAuthentication::None;
        for good in
            ["http://127.0.0.1:1234/cb", "http://127.0.0.1:50001/cb", "http://127.0.0.1/cb", "http://[::1]:7/cb"]
        {
            assert!(is_registered(&registration, good), "{good}");
        }
        for bad in [
            "http://127.0.0.1:50001/other",
            "http://127.0.0.1:50001/cb?x",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:1@example.test/cb",
            "http://127.0.0.1.example.test/cb",
            "http://127.0.0.1:80.example.test/cb",
            "https://127.0.0.1:50001/cb",
            "http://localhost:50001/cb",
            "http://127.0.0.2:50001/cb",
        ] {
            assert!(!is_registered(&registration, bad), "{bad}");
        }
        registration.authentication = ClientAuthentication::ClientSecretBasic;
        assert!(!is_registered(&registration, "http://127.0.0.1:50001/cb"), "a confidential client's port is fixed");
    }

    #[test]
    fn after_logout_not_even_a_port_may_vary() {
        let mut registration = registration();
        registration.authentication = ClientAuthentication::None;
        registration.post_logout_redirect_uris = vec!["http://127.0.0.1:1234/bye".to_owned()];
        assert!(is_registered_after_logout(&registration, "http://127.0.0.1:1234/bye"));
        assert!(!is_registered_after_logout(&registration, "http://127.0.0.1:4321/bye"));
    }
}
