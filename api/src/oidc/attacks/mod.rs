//! What an attacker tries at the provider, over HTTP on a real database. Each test attempts the attack of one point
//! of the list of threats and fails if it works.
//!
//! | Point | Tests |
//! |---|---|
//! | 1 exact redirect URI | `authorization::point_01_…` (two) |
//! | 2 no open redirector | `authorization::point_02_…`, `logout::point_02_…` |
//! | 3 repeated parameters | `authorization::point_03_…`, `codes::point_03_and_22_…`, `logout::point_03_and_11_…` |
//! | 4, 5 PKCE | `authorization::point_04_…`, `codes::point_05_…` |
//! | 6 a code once | `codes::point_06_…` (two: at once, and later) |
//! | 7, 8 lifetime and binding | `codes::point_07_…`, `codes::point_08_…`, `codes::point_44_…` |
//! | 9, 13 flows, modes, grants | `authorization::point_09_and_13_…`, `codes::point_09_and_13_…` |
//! | 10 issuer in the response | `authorization::point_10_…` |
//! | 11 no 307 | `authorization::point_11_…`, `logout::point_03_and_11_…` |
//! | 12 no framing | `authorization::point_12_…` |
//! | 13 terms of each client | `codes::point_13_…` |
//! | 14 client authentication | `codes::point_14_…`, `codes::the_methods_of_authentication_…`, `clients::point_14_…` |
//! | 14, 20 introspection, revocation | `introspection::…` |
//! | 15–19 refresh tokens, consent | `refresh::…`, `portal::point_19_…` |
//! | 20 types and audience | `bearer::point_20_…` |
//! | 21 PAR, DPoP | `possession::point_21_…` (six), `profile::point_21_…` |
//! | 22 no token in a URL | `bearer::point_22_…` |
//! | 23 algorithms | `bearer::point_23_…` |
//! | 24 keys in the header | `bearer::point_24_…` |
//! | 25 rotation | `bearer::point_25_…` (two) |
//! | 27 a browser's flows and codes | `switching::…` |
//! | 28, 29 sessions end | `authorization::point_28_…`, `bearer::point_28_…`, `bearer::point_29_…`, `narrowed::point_29_…`, `told::…` |
//! | 46 acting for someone | `exchange::…` |
//! | 30 logout | `logout::point_30_…` (two) |
//!
//! [`requested`] shows that asking for a claim or an `acr` gives no more than there is; [`registration`] what a service
//! that registers itself can't do; [`sight`] who sees whom; [`client_library`] that a certified library is content;
//! [`basic`], [`conformance`], [`fapi`] and [`logout`] go through the modules of the OpenID Foundation's conformance
//! suite.

mod addresses;
mod authorization;
mod basic;
mod bearer;
mod client_library;
pub(super) mod clients;
mod codes;
mod conformance;
mod exchange;
mod fapi;
mod introspection;
mod logout;
mod narrowed;
mod portal;
mod possession;
mod profile;
mod refresh;
mod registration;
mod requested;
mod sight;
mod switching;
mod told;
mod upstream;
pub(super) mod world;
