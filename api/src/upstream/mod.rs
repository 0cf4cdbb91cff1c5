//! Signing in by other OpenID providers: FranceConnect, and whatever `[[upstream]]` configures.
//!
//! ```text
//!  /sign-in/with/NAME ──▶ provider ──▶ …/callback ──┬── subject known ──────────────────────────▶ signed in
//!   visit: cookie, row     signs in     verified     ├── rule `names` ──▶ /activate ▶ code ▶ children
//!                                                    │                    ▶ /sign-in/link ────────▶ linked, signed in
//!                                                    ├── another rule: a claim leads to the account ▶ linked, signed in
//!  /account/ways-in/add/NAME ──▶ provider ──▶ ……     └── the holder was signed in: names agree ────▶ linked
//! ```
//!
//! - [`visit`]: one trip to a provider, bound to its browser; state, nonce and PKCE verifier come from its cookie.
//! - [`provider`]: what is known of a provider (discovery, keys), and the calls it is asked by; [`verify`]: whether
//!   what it answers is its, for us, now, and about the person who was sent there.
//! - [`claims`]: who that is; [`matching`]: which account a first use leads to; [`mod@link`]: tying both, on proof.
//! - [`ways`]: the page where a holder sees, adds and gives up ways in.
//!
//! An identity is a provider's `sub`, of which the ledger keeps a keyed hash to look it up by. Names never lead
//! anywhere by themselves: they must agree with the school's record *after* the phone and the children were proved.

mod answer;
mod claims;
mod link;
mod matching;
mod provider;
mod sign_out;
mod start;
mod stopped;
#[cfg(test)]
mod tests;
mod verify;
mod visit;
mod ways;

pub use answer::callback;
pub use link::{LinkPage, link, show_link};
pub use provider::{Provider, Upstreams};
pub use sign_out::{sign_out_address, sign_out_hint};
pub use start::{add, begin, forget};
pub use stopped::StoppedPage;
pub use visit::{Recognised, recognised};
pub use ways::{Linked, Offered, Ways, again, unlink};

use crate::app::App;
use ledger::leaf::Hash;

/// The reservations by which a subject is found: provider and subject, hashed under this name.
pub const SUBJECT: &str = "upstream-subject";

/// By what a provider's subject is found.
fn subject_hash(app: &App, provider: &str, subject: &str) -> Hash {
    app.ledger.lookup_hash(SUBJECT, &format!("{provider}|{subject}"))
}
