//! Relying parties that nobody here wrote, as the programs that schools run, against the service as built:
//!
//! | | Library or module | Authenticates by | Besides |
//! |---|---|---|---|
//! | [`libraries`] | `openid-client` 6 (Node, certified) | secret; `private_key_jwt` | PAR and DPoP |
//! | [`libraries`] | Authlib (Python) | secret; `private_key_jwt` | |
//! | [`apache`] | mod_auth_openidc on Apache 2.4 (certified) | secret; `private_key_jwt` | form post; introspection of access tokens |
//! | [`lemonldap`] | LemonLDAP::NG portal | secret | RS256 |
//!
//! Each test has a service, a database and a relying party of its own, on the loopback: the provider at `localhost`, the
//! relying party at `127.0.0.1`, since cookies ignore ports. A program that is missing fails its test and says what to
//! install; `scripts/test` does so.

mod apache;
mod browser;
mod family;
mod lemonldap;
mod libraries;
mod program;
