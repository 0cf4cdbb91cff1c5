//! Signing in and out, and who is signed in.
//!
//! - [`sign_in()`]: login and password, slowed down by [`throttle`]; a provisional password leads to a forced change
//!   before anything else (see [`crate::activation`], which has the page where passwords are chosen).
//! - [`own_password`]: another password, chosen while signed in.
//! - [`current`]: what makes a session live, and [`CurrentUser`], the extractor of pages that need one.
//! - [`form`]: forms that only their own page can send; [`return_to`]: never anywhere but here.

mod account;
mod address;
pub mod cookies;
mod current;
mod device;
pub mod form;
mod own_password;
pub mod return_to;
mod sign_in;
mod sign_out;
mod store;
#[cfg(test)]
mod tests;
mod throttle;
mod token;

pub use account::{AccountPage, account};
pub use address::ClientAddress;
pub use current::{CurrentUser, open, open_by_link, recognise, sign_in_path};
pub use own_password::{OwnPasswordPage, change_own_password, show_own_password};
pub use return_to::ReturnTo;
pub use sign_in::{SignInPage, normalise_login, show_sign_in, sign_in};
pub use sign_out::sign_out;
pub use store::{ByLink, Method, end_all, end_by_link, sweep};
pub use throttle::{Throttle, network};
pub use token::{NoRandomness, Token};

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
