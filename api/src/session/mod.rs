//! Signing in and out, and who is signed in.
//!
//! - [`sign_in()`]: login and password, slowed down by [`throttle`]; a provisional password leads to a forced change
//!   before anything else (see [`crate::activation`], which has the page where passwords are chosen).
//! - [`own_password`]: another password, chosen while signed in.
//! - [`step_up`]: the guard of sensitive acts: who signed in a while ago proves to be themselves again.
//! - [`switch`]: one browser, one person: whoever signs in as another says so first.
//! - [`mod@own_sessions`]: where I am signed in, and an end to it.
//! - [`second`]: the second step, for accounts that want one.
//! - [`current`]: what makes a session live, and [`CurrentUser`], the extractor of pages that need one.
//! - [`form`]: forms that only their own page can send; [`return_to`]: never anywhere but here.

mod account;
mod address;
mod agent;
pub mod cookies;
mod current;
mod device;
pub mod form;
mod own_password;
mod own_sessions;
mod proving;
pub mod return_to;
pub mod second;
mod sign_in;
mod sign_out;
mod step_up;
#[cfg(test)]
mod step_up_tests;
mod store;
mod switch;
#[cfg(test)]
mod switch_tests;
#[cfg(test)]
mod tests;
mod throttle;
mod token;
mod ways_in;

pub use account::{AccountPage, account};
pub use address::ClientAddress;
pub use current::{CurrentUser, open, open_by_link, recognise, sign_in_path};
pub use own_password::{OwnPasswordPage, change_own_password, show_own_password};
pub use own_sessions::{
    END as END_SESSION_PATH, OwnSessionsPage, PATH as OWN_SESSIONS_PATH, end_own_session, own_sessions,
};
pub use return_to::ReturnTo;
pub use sign_in::{SignInPage, normalise_login, show_sign_in, sign_in};
pub use sign_out::sign_out;
pub use step_up::{AgainPage, PATH as STEP_UP_PATH, StepUp, show_again, sign_in_again, step_up_path};
pub use store::{ByLink, Method, Second, end_all, end_by_link, sweep};
pub use switch::{PATH as SWITCH_PATH, SwitchPage, switch_user};
pub use throttle::{Throttle, network};
pub use token::{NoRandomness, Token};
pub use ways_in::{PATH as WAYS_IN_PATH, WaysInPage, ways_in};

use crate::config::Config;
use crate::limits::Limits;
use crate::password::{HashError, Policy, Pool, Settings};
use ledger::Ledger;
use sqlx::PgPool;

/// What guards the ways in: one of it in [`crate::app::App`].
pub struct Guard {
    /// The hashing threads.
    pub passwords: Pool,
    /// Which passwords may be chosen.
    pub policy: Policy,
    /// The counters.
    pub limits: Limits,
    /// The caps of signing in.
    pub throttle: Throttle,
    /// The caps of activation and recovery.
    pub caps: crate::activation::Caps,
}

impl Guard {
    /// As configured.
    ///
    /// # Errors
    /// When the hashing threads can't start.
    pub fn new(config: &Config, db: PgPool, ledger: Ledger) -> Result<Self, HashError> {
        let settings = Settings::of(&config.passwords);
        Ok(Self {
            passwords: Pool::start(&settings)?,
            policy: Policy::new(&settings),
            limits: Limits::new(db, ledger),
            throttle: Throttle::new(config.passwords.attempts),
            caps: crate::activation::Caps::new(&config.codes),
        })
    }
}
