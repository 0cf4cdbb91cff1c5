//! Browsers that signed in to a login before.
//!
//! The cookie is `random.mac`, where the code authenticates the login and the random part: the service stores
//! nothing, and a cookie proves nothing but that its browser once knew the password of that very login. It opens no
//! session; it only gives its browser a budget of tries of its own (see [`super::throttle`]).

use super::token::{NoRandomness, Token};
use ledger::Ledger;

/// Logins remembered in one browser: a family's.
const MOST: usize = 6;
const SEPARATOR: char = '~';

/// A browser known for one login.
#[derive(Clone, Debug)]
pub struct KnownDevice {
    key: String,
}

impl KnownDevice {
    /// Finds the entry of this login in the cookie.
    pub fn find(ledger: &Ledger, cookie: &str, login: &str) -> Option<Self> {
        entries(cookie)
            .find(|(random, mac)| random.made(ledger, &purpose(login), mac))
            .map(|(random, _)| Self { key: format!("{}|{login}", random.expose()) })
    }

    /// What its tries are counted under.
    pub fn key(&self) -> String {
        self.key.clone()
    }

    /// The cookie after signing in to this login, which moves to the front.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn remember(ledger: &Ledger, cookie: &str, login: &str) -> Result<String, NoRandomness> {
        let random = Token::draw()?;
        let mut kept = vec![format!("{}.{}", random.expose(), random.for_form(ledger, &purpose(login)))];
        let others = entries(cookie).filter(|(random, mac)| !random.made(ledger, &purpose(login), mac));
        kept.extend(others.map(|(random, mac)| format!("{}.{mac}", random.expose())).take(MOST - 1));
        Ok(kept.join(&SEPARATOR.to_string()))
    }
}

fn purpose(login: &str) -> String {
    format!("known-device|{login}")
}

fn entries(cookie: &str) -> impl Iterator<Item = (Token, &str)> {
    cookie.split(SEPARATOR).take(MOST).filter_map(|entry| {
        let (random, mac) = entry.split_once('.')?;
        Some((Token::read(random)?, Token::read(mac).is_some().then_some(mac)?))
    })
}
